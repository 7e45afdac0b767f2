"""Buckets: made, found, listed, deleted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import access_logs, arrivals, locking, metrics, multipart, ownership, refusals, rules
from fogbank.services.s3.state import (
    ACCESS_POINTS_BY_BUCKET,
    BUCKETS,
    BUCKETS_BY_ACCOUNT,
    CONFIGURATIONS,
    OBJECTS,
    VERSIONS,
    Bucket,
    bucket_at,
    owner,
)
from fogbank.store.tables import change
from fogbank.wire.regions import regions

HOME = "us-east-1"


@operation("CreateBucket")
def create_bucket(ctx: Context, req: Any) -> Answer:
    """Makes a bucket. Names are 3 to 63 characters and global over all accounts; public access is blocked.

    Creating one's own bucket again succeeds in us-east-1 and is BucketAlreadyOwnedByYou elsewhere. ObjectLockEnabledForBucket
    enables versioning too, and needs s3:PutBucketObjectLockConfiguration and s3:PutBucketVersioning.
    Errors: InvalidBucketName, BucketAlreadyExists, BucketAlreadyOwnedByYou, InvalidLocationConstraint,
    IllegalLocationConstraintException, InvalidTag, and those of `ownership.of_new_bucket`.
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
    owned = ownership.of_new_bucket(ctx, req)
    if tags:
        ctx.authorize("s3:TagResource", f"arn:aws:s3:::{name}")
    bucket = Bucket(name=name, account=ctx.account, region=region, created_at_ms=ctx.now, location=location, tags=tags)
    bucket = change(bucket, **owned)
    BUCKETS.put(ctx, locking.enabled(ctx, bucket) if req.ObjectLockEnabledForBucket else bucket)
    metrics.begin(ctx, bucket)
    return answer


def _refuse(req: Any) -> None:
    if req.BucketNamespace not in (None, "global"):
        raise NotImplementedOperation("s3", "CreateBucket", f"with BucketNamespace={req.BucketNamespace}")
    wanted = req.CreateBucketConfiguration
    if wanted is not None and (wanted.Location is not None or wanted.Bucket is not None):
        raise NotImplementedOperation("s3", "CreateBucket", "with directory buckets")


def _region(ctx: Context, location: str) -> str:
    """Where a new bucket goes: us-east-1 may make buckets anywhere, other regions only their own."""
    region = "eu-west-1" if location == "EU" else location or HOME
    if ctx.region == HOME:
        if location and (location == HOME or region not in regions()):
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
    if ACCESS_POINTS_BY_BUCKET.first(ctx, bucket.name) is not None:
        message = "The bucket you are attempting to delete has access points attached. Delete your access points and try again."
        raise ServiceException("BucketHasAccessPointsAttached", message, status=400, BucketName=bucket.name)
    for configuration in CONFIGURATIONS.scan(ctx, bucket.name):
        CONFIGURATIONS.delete(ctx, configuration)
    multipart.forget_all(ctx, bucket)
    if "logging" in bucket.settings:
        access_logs.deliver_all(ctx, bucket)
    BUCKETS.delete(ctx, bucket)
    return None


@operation("HeadBucket")
def head_bucket(ctx: Context, req: Any) -> Answer:
    """Whether the bucket exists and the caller may list it; its region."""
    bucket = bucket_at(ctx, req)
    return {"BucketRegion": bucket.region, "AccessPointAlias": arrivals.point_of(req) is not None}


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
