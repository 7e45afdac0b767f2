"""Object Ownership: whether a bucket's owner owns all that is in it, and whether access control lists count.

BucketOwnerEnforced (a new bucket's): they do, and lists grant nothing. BucketOwnerPreferred: what others write belongs to the
bucket's owner if they give it with bucket-owner-full-control. ObjectWriter (also where the controls were deleted): to the writer.
Source: "Controlling ownership of objects and disabling ACLs for your bucket" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, grants, policies, refusals
from fogbank.services.s3.grants import Acl
from fogbank.services.s3.state import BUCKETS, Bucket, MultipartUpload, Object, bucket_at, object_arn
from fogbank.store.tables import change

ENFORCED, PREFERRED, WRITER = "BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"
CONTROLS = (ENFORCED, PREFERRED, WRITER)


@operation("PutBucketOwnershipControls")
def put_bucket_ownership_controls(ctx: Context, req: Any) -> Answer:
    """Sets who owns the bucket's objects; exactly one rule. Owners and lists of objects are kept while lists are disabled.

    Errors: MalformedXML; InvalidBucketAclWithObjectOwnership for BucketOwnerEnforced while the bucket's list grants to others.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    wanted: list[Any] = req.OwnershipControls.Rules or []
    if len(wanted) != 1 or wanted[0].ObjectOwnership not in CONTROLS:
        raise refusals.malformed_xml()
    ownership = wanted[0].ObjectOwnership
    if ownership == ENFORCED and bucket.acl not in (None, grants.private(bucket.account)):
        raise _no_acl_with_enforced()
    BUCKETS.put(ctx, change(bucket, ownership=ownership))
    return None


@operation("GetBucketOwnershipControls")
def get_bucket_ownership_controls(ctx: Context, req: Any) -> Answer:
    """Who owns the bucket's objects. Errors: OwnershipControlsNotFoundError where the controls were deleted."""
    bucket = bucket_at(ctx, req)
    if not bucket.ownership:
        message = "The bucket ownership controls were not found"
        raise ServiceException("OwnershipControlsNotFoundError", message, status=404, BucketName=bucket.name)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@operation("DeleteBucketOwnershipControls")
def delete_bucket_ownership_controls(ctx: Context, req: Any) -> Answer:
    """Takes the controls away: objects are their writers' from now on, as with ObjectWriter."""
    BUCKETS.put(ctx, change(bucket_at(ctx, req), ownership=""))
    return None


def _no_acl_with_enforced() -> ServiceException:
    message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    return ServiceException("InvalidBucketAclWithObjectOwnership", message, status=400)


def of_new_bucket(ctx: Context, req: Any) -> dict[str, Any]:
    """The ownership and the list that CreateBucket gives a bucket.

    Needs s3:PutBucketOwnershipControls and s3:PutBucketAcl where they are said. Errors: InvalidBucketAclWithObjectOwnership;
    InvalidBucketAclWithBlockPublicAccessError for a public list, since a new bucket blocks those.
    """
    arn = f"arn:aws:s3:::{req.Bucket}"
    ownership = req.ObjectOwnership
    if ownership is not None:
        if ownership not in CONTROLS:
            raise refusals.invalid_argument(f"Invalid x-amz-object-ownership header: {ownership}", "x-amz-object-ownership", ownership)
        ctx.authorize("s3:PutBucketOwnershipControls", arn)
    if req.ACL in ("bucket-owner-read", "bucket-owner-full-control"):
        acl = None  # of objects only: S3 ignores them here
    else:
        acl = grants.asked(req, ctx.account, ctx.account)
    if acl is not None:
        ctx.authorize("s3:PutBucketAcl", arn)
        if ownership in (None, ENFORCED):
            if acl != grants.private(ctx.account):
                raise _no_acl_with_enforced()
            acl = None
        elif grants.is_public(acl):
            message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
            raise ServiceException("InvalidBucketAclWithBlockPublicAccessError", message, status=400)
    return {"ownership": ownership or ENFORCED, "acl": acl}


def owner_of(bucket: Bucket, found: Object | MultipartUpload) -> str:
    """The account that owns an object, or will own an upload's, now; `grants.NOBODY` for what was written without a signature."""
    return bucket.account if not found.owner or bucket.ownership == ENFORCED else found.owner


def shown(bucket: Bucket, found: Object | MultipartUpload) -> dict[str, str]:
    """The owner as listings tell it."""
    return {"ID": grants.id_of(owner_of(bucket, found))}


def of_new_object(ctx: Context, req: Any, bucket: Bucket) -> dict[str, Any]:
    """The owner and the list of what a request writes, as the record has them; empty where they are the bucket owner's alone.

    Needs s3:PutObjectAcl where the request says a list.
    Errors: AccessControlListNotSupported (BucketOwnerEnforced), AccessDenied (BlockPublicAcls), and those of `grants.asked`.
    """
    asked = grants.is_asked(req)
    writer = bucket.account if bucket.ownership == ENFORCED or ctx.principal.kind == "service" else ctx.account or grants.NOBODY
    if not asked:
        return {} if writer == bucket.account else {"owner": writer}
    arn = object_arn(bucket.name, req.Key)
    if ctx.account and ctx.principal.kind != "service":  # reports and trails are let in by s3:PutObject alone, with their list
        ctx.authorize("s3:PutObjectAcl", arn)
    acl = grants.asked(req, writer, bucket.account)
    if bucket.ownership == ENFORCED:
        if acl != grants.private(bucket.account):
            raise refusals.no_acl()
        return {}
    if bucket.ownership == PREFERRED and req.ACL == "bucket-owner-full-control":
        return {}
    check_public(ctx, bucket, acl, "s3:PutObject", arn)
    return {"owner": "" if writer == bucket.account else writer, "acl": None if acl == grants.private(writer) else acl}


def check_public(ctx: Context, bucket: Bucket, acl: Acl | None, action: str, arn: str) -> None:
    """Errors: AccessDenied for a public list where BlockPublicAcls refuses those."""
    if grants.is_public(acl) and policies.blocked(ctx, bucket).block_public_acls:
        raise ServiceException(
            "AccessDenied",
            f'User: {ctx.principal.arn} is not authorized to perform: {action} on resource: "{arn}" because public access control '
            "lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
            status=403,
        )
