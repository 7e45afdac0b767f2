"""Buckets: made, found, listed, deleted; their ownership and access control lists.

Every bucket enforces its owner's ownership of all objects (BucketOwnerEnforced, AWS's default): access control lists
grant nothing, and can only be read.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import multipart, refusals, rules
from fogbank.services.s3.state import BUCKETS, BUCKETS_BY_ACCOUNT, OBJECTS, VERSIONS, Bucket, bucket_at, canonical_id, object_at, owner

HOME = "us-east-1"


@operation("CreateBucket")
def create_bucket(ctx: Context, req: Any) -> Answer:
    """Makes a bucket. Names are 3 to 63 characters and global over all accounts; public access is blocked.

    Creating one's own bucket again succeeds in us-east-1 and is BucketAlreadyOwnedByYou elsewhere.
    Errors: InvalidBucketName, BucketAlreadyExists, BucketAlreadyOwnedByYou, InvalidLocationConstraint,
    IllegalLocationConstraintException, InvalidBucketAclWithObjectOwnership, InvalidTag.
    Source: CreateBucket in the Amazon S3 API Reference.
    """
    _refuse(req)
    name = req.Bucket
    rules.check_bucket_name(name)
    wanted = req.CreateBucketConfiguration
    location = (wanted.LocationConstraint if wanted is not None else None) or ""
    region = _region(ctx, location)
    answer = {"Location": f"/{name}" if region == HOME else f"{ctx.endpoint}/{name}"}
    tags = rules.tag_set((wanted.Tags if wanted is not None else None) or (), rules.BUCKET_TAGS)
    existing = BUCKETS.get(ctx, name)
    if existing is not None:
        _refuse_existing(ctx, existing, region)
        return answer
    if tags:
        ctx.authorize("s3:TagResource", f"arn:aws:s3:::{name}")
    BUCKETS.put(ctx, Bucket(name=name, account=ctx.account, region=region, created_at_ms=ctx.now, location=location, tags=tags))
    return answer


def _refuse(req: Any) -> None:
    refusals.CREATE_BUCKET.refuse(req)
    if req.ACL not in (None, "private"):
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise ServiceException("InvalidBucketAclWithObjectOwnership", message, status=400)
    if req.ObjectOwnership not in (None, "BucketOwnerEnforced"):
        raise NotImplementedOperation("s3", "CreateBucket", f"with ObjectOwnership={req.ObjectOwnership}")
    if req.ObjectLockEnabledForBucket:
        raise NotImplementedOperation("s3", "CreateBucket", "with ObjectLockEnabledForBucket")
    if req.BucketNamespace not in (None, "global"):
        raise NotImplementedOperation("s3", "CreateBucket", f"with BucketNamespace={req.BucketNamespace}")
    wanted = req.CreateBucketConfiguration
    if wanted is not None and (wanted.Location is not None or wanted.Bucket is not None):
        raise NotImplementedOperation("s3", "CreateBucket", "with directory buckets")


def _region(ctx: Context, location: str) -> str:
    """Where a new bucket goes: us-east-1 may make buckets anywhere, other regions only their own."""
    region = "eu-west-1" if location == "EU" else location or HOME
    if ctx.region == HOME:
        if location and (location == HOME or not rules.is_region(region)):
            message = "The specified location-constraint is not valid"
            raise ServiceException("InvalidLocationConstraint", message, status=400, LocationConstraint=location)
    elif region != ctx.region or not location:
        which = location or "unspecified"
        message = f"The {which} location constraint is incompatible for the region specific endpoint this request was sent to."
        raise ServiceException("IllegalLocationConstraintException", message, status=400)
    return region


def _refuse_existing(ctx: Context, existing: Bucket, region: str) -> None:
    if existing.account != ctx.account:
        message = (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again."
        )
        raise ServiceException("BucketAlreadyExists", message, status=409, BucketName=existing.name)
    if existing.region != HOME or region != HOME:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceException("BucketAlreadyOwnedByYou", message, status=409, BucketName=existing.name)


@operation("DeleteBucket")
def delete_bucket(ctx: Context, req: Any) -> Answer:
    """Deletes an empty bucket; uploads under way go with it. Errors: BucketNotEmpty (versions and markers count)."""
    bucket = bucket_at(ctx, req)
    if next(OBJECTS.scan(ctx, bucket.name), None) is not None:
        message = "The bucket you tried to delete is not empty"
        raise ServiceException("BucketNotEmpty", message, status=409, BucketName=bucket.name)
    if next(VERSIONS.scan(ctx, bucket.name), None) is not None:
        message = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        raise ServiceException("BucketNotEmpty", message, status=409, BucketName=bucket.name)
    multipart.forget_all(ctx, bucket)
    BUCKETS.delete(ctx, bucket)
    return None


@operation("HeadBucket")
def head_bucket(ctx: Context, req: Any) -> Answer:
    """Whether the bucket exists and the caller may list it; its region."""
    bucket = bucket_at(ctx, req)
    return {"BucketRegion": bucket.region, "AccessPointAlias": False}


@operation("GetBucketLocation")
def get_bucket_location(ctx: Context, req: Any) -> Answer:
    """The bucket's location constraint: none for us-east-1, and EU where it was made with that."""
    bucket = bucket_at(ctx, req)
    return {"LocationConstraint": (bucket.location or bucket.region) if bucket.region != HOME else None}


@operation("ListBuckets")
def list_buckets(ctx: Context, req: Any) -> Answer:
    """The caller's account's buckets, by name; a page of MaxBuckets (1 to 10,000), or all.

    Errors: InvalidArgument (MaxBuckets, ContinuationToken).
    """
    wanted = req.MaxBuckets
    if wanted is not None and not 1 <= wanted <= 10_000:
        raise refusals.invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", wanted)
    message = "The continuation token provided is incorrect"
    after = paging.place(req.ContinuationToken, lambda: refusals.invalid_argument(message, "continuation-token", req.ContinuationToken))
    prefix = req.Prefix or ""
    found = BUCKETS_BY_ACCOUNT.scan(ctx, ctx.account, starting=prefix, after=after)
    there = (bucket for bucket in found if req.BucketRegion in (None, bucket.region))
    shown, more = paging.page(there, wanted or 10_000)
    return {
        "Buckets": [{"Name": b.name, "CreationDate": b.created_at_ms, "BucketRegion": b.region, "BucketArn": b.arn} for b in shown],
        "Owner": owner(ctx.account),
        "ContinuationToken": paging.token(shown[-1].name) if more else None,
        "Prefix": req.Prefix,
    }


def _full_control(account: str) -> dict[str, Any]:
    """The only access control list there is."""
    grantee = {"Type": "CanonicalUser", "ID": canonical_id(account)}
    return {"Owner": owner(account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


@operation("GetBucketAcl")
def get_bucket_acl(ctx: Context, req: Any) -> Answer:
    """The bucket owner's full control."""
    return _full_control(bucket_at(ctx, req).account)


@operation("GetObjectAcl", authorized_here=True)
def get_object_acl(ctx: Context, req: Any) -> Answer:
    """The bucket owner's full control of an object, or of one version. Errors: NoSuchKey, NoSuchVersion."""
    ctx.authorize("s3:GetObjectAcl" if req.VersionId is None else "s3:GetObjectVersionAcl", f"arn:aws:s3:::{req.Bucket}/{req.Key}")
    bucket = bucket_at(ctx, req)
    object_at(ctx, bucket, req.Key, req.VersionId)
    return _full_control(bucket.account)


_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def _check_acl(req: Any, account: str) -> None:
    """An access control list may only say what is so anyway."""
    policy = req.AccessControlPolicy
    if any(getattr(req, name) is not None for name in _GRANTS):
        raise refusals.no_acl()
    refusals.refuse_acl(req.ACL)
    if policy is None:
        if req.ACL is None:
            message = "Your request was missing a required header"
            raise ServiceException("MissingSecurityHeader", message, status=400, MissingHeaderName="x-amz-acl")
        return
    owner_id = canonical_id(account)
    for grant in policy.Grants or ():
        grantee_id = grant.Grantee.ID if grant.Grantee is not None else None
        if grant.Permission != "FULL_CONTROL" or grantee_id != owner_id:
            raise refusals.no_acl()


@operation("PutBucketAcl")
def put_bucket_acl(ctx: Context, req: Any) -> Answer:
    """Accepts the owner's full control, which is so anyway. Errors: AccessControlListNotSupported for anything else."""
    _check_acl(req, bucket_at(ctx, req).account)
    return None


@operation("PutObjectAcl", authorized_here=True)
def put_object_acl(ctx: Context, req: Any) -> Answer:
    """Accepts the owner's full control, which is so anyway. Errors: AccessControlListNotSupported for anything else."""
    ctx.authorize("s3:PutObjectAcl" if req.VersionId is None else "s3:PutObjectVersionAcl", f"arn:aws:s3:::{req.Bucket}/{req.Key}")
    bucket = bucket_at(ctx, req)
    object_at(ctx, bucket, req.Key, req.VersionId)
    _check_acl(req, bucket.account)
    return None


@operation("GetBucketOwnershipControls")
def get_bucket_ownership_controls(ctx: Context, req: Any) -> Answer:
    """BucketOwnerEnforced, in every bucket."""
    bucket_at(ctx, req)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}


@operation("PutBucketOwnershipControls")
def put_bucket_ownership_controls(ctx: Context, req: Any) -> Answer:
    """Accepts BucketOwnerEnforced, which is so anyway. NotImplemented for those under which access control lists grant."""
    bucket_at(ctx, req)
    wanted: list[Any] = req.OwnershipControls.Rules or []
    if len(wanted) != 1 or wanted[0].ObjectOwnership not in ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"):
        raise refusals.malformed_xml()
    if wanted[0].ObjectOwnership != "BucketOwnerEnforced":
        raise NotImplementedOperation("s3", "PutBucketOwnershipControls", f"with ObjectOwnership={wanted[0].ObjectOwnership}")
    return None
