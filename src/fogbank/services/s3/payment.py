"""Requester Pays: whoever is not of the bucket owner's account says with each request that they bear its cost.

Who does not is refused by `state.bucket_at`. Nobody is billed; what is charged is told.
Source: "Using Requester Pays general purpose buckets for storage transfers and usage" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, Operate, Wait, operation
from fogbank.services.s3 import checksums, refusals, rules, settings
from fogbank.services.s3.state import BUCKETS, PAYMENT, bucket_at
from fogbank.wire import model

REQUESTER = "requester"


@operation("PutBucketRequestPayment")
def put_bucket_request_payment(ctx: Context, req: Any) -> Answer:
    """Sets who pays for requests: BucketOwner (a new bucket's) or Requester. Errors: MalformedXML."""
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    payer = req.RequestPaymentConfiguration.Payer
    if payer not in ("BucketOwner", "Requester"):
        raise refusals.malformed_xml()
    settings.keep(ctx, bucket, PAYMENT, True if payer == "Requester" else None)
    return None


@operation("GetBucketRequestPayment")
def get_bucket_request_payment(ctx: Context, req: Any) -> Answer:
    """Who pays for requests."""
    return {"Payer": "Requester" if PAYMENT in bucket_at(ctx, req).settings else "BucketOwner"}


def tell(operations: dict[str, Operate]) -> None:
    """Has every operation whose answer can say so say when its caller is charged."""
    known = model.service("s3")
    for name, function in operations.items():
        output = known.operations[name].output if name in known.operations else None
        if output is not None and "RequestCharged" in known.shapes[output].members:
            operations[name] = _telling(function)


def _telling(function: Operate) -> Operate:
    @wraps(function)
    def told(ctx: Context, req: Any) -> Answer | Wait:
        answer = function(ctx, req)
        if req.RequestPayer is None or isinstance(answer, Wait) or not _charged(ctx, req):
            return answer
        return {**(answer or {}), "RequestCharged": REQUESTER}

    return told


def _charged(ctx: Context, req: Any) -> bool:
    names = [req.Bucket]
    if (copied := getattr(req, "CopySource", None)) is not None:
        names.append(rules.copy_source(copied).bucket)
    there = [bucket for name in names if (bucket := BUCKETS.get(ctx, name)) is not None]
    return any(PAYMENT in bucket.settings and bucket.account != ctx.account for bucket in there)
