"""Transfer Acceleration: a further host name of a bucket, `bucket.s3-accelerate`.

On AWS it leads over a faster network. Here is none, so all that it does is to answer under that name, or not.
Source: "Configuring fast, secure file transfers using Amazon S3 Transfer Acceleration" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, refusals, settings
from fogbank.services.s3.state import BUCKETS, bucket_at

HOST = ".s3-accelerate."


@operation("PutBucketAccelerateConfiguration")
def put_bucket_accelerate_configuration(ctx: Context, req: Any) -> Answer:
    """Enables or suspends acceleration; it cannot be taken back altogether. Errors: MalformedXML; InvalidRequest for dots in the name."""
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    status = req.AccelerateConfiguration.Status
    if status not in ("Enabled", "Suspended"):
        raise refusals.malformed_xml()
    if "." in bucket.name:
        raise refusals.invalid_request("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
    settings.keep(ctx, bucket, "accelerate", status)
    return None


@operation("GetBucketAccelerateConfiguration")
def get_bucket_accelerate_configuration(ctx: Context, req: Any) -> Answer:
    """Enabled or Suspended; nothing where it was never set."""
    return {"Status": bucket_at(ctx, req).settings.get("accelerate")}


def check(ctx: Context, req: Any) -> None:
    """Errors: InvalidRequest where a request comes by the accelerated name of a bucket that has none."""
    if ctx.request is None or HOST not in ctx.request.headers.get("host", ""):
        return
    bucket = BUCKETS.get(ctx, getattr(req, "Bucket", None) or "")
    if bucket is None or ctx.operation in ("CreateBucket", "DeleteBucket"):
        raise refusals.invalid_request("This operation is not supported at the S3 Transfer Acceleration endpoint")
    status = bucket.settings.get("accelerate")
    if status is None:
        raise refusals.invalid_request("S3 Transfer Acceleration is not configured on this bucket")
    if status == "Suspended":
        raise refusals.invalid_request("S3 Transfer Acceleration is disabled on this bucket")
