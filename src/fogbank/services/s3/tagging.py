"""Tags of buckets and objects."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import notifications, replication, rules
from fogbank.services.s3.state import BUCKETS, bucket_at, object_arn, object_at
from fogbank.store.tables import change


@operation("PutBucketTagging")
def put_bucket_tagging(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's tags; at most 50. Errors: InvalidTag, BadRequest."""
    bucket = bucket_at(ctx, req)
    BUCKETS.put(ctx, change(bucket, tags=rules.tag_set(req.Tagging.TagSet or (), rules.BUCKET_TAGS)))
    return None


@operation("GetBucketTagging")
def get_bucket_tagging(ctx: Context, req: Any) -> Answer:
    """A bucket's tags. Errors: NoSuchTagSet where it has none."""
    bucket = bucket_at(ctx, req)
    if not bucket.tags:
        raise ServiceException("NoSuchTagSet", "The TagSet does not exist", status=404, BucketName=bucket.name)
    return {"TagSet": tags.pairs(bucket.tags)}


@operation("DeleteBucketTagging")
def delete_bucket_tagging(ctx: Context, req: Any) -> Answer:
    """Takes all tags from a bucket."""
    BUCKETS.put(ctx, change(bucket_at(ctx, req), tags={}))
    return None


def _authorize(ctx: Context, req: Any, verb: str) -> None:
    """s3:GetObjectTagging or, of a named version, s3:GetObjectVersionTagging."""
    kind = "Object" if req.VersionId is None else "ObjectVersion"
    ctx.authorize(f"s3:{verb}{kind}Tagging", object_arn(req.Bucket, req.Key))


@operation("PutObjectTagging", authorized_here=True)
def put_object_tagging(ctx: Context, req: Any) -> Answer:
    """Replaces the tags of an object or of one version; at most 10. Errors: NoSuchKey, InvalidTag, BadRequest."""
    _authorize(ctx, req, "Put")
    bucket = bucket_at(ctx, req)
    wanted = rules.tag_set(req.Tagging.TagSet or (), rules.OBJECT_TAGS)
    found = replication.rewrite(ctx, bucket, change(object_at(ctx, bucket, req.Key, req.VersionId), tags=wanted))
    if bucket.notifications:
        notifications.tell(ctx, bucket, "ObjectTagging:Put", found, ctx.tx.unique())
    return {"VersionId": found.version_id if bucket.versioning else None}


@operation("GetObjectTagging", authorized_here=True)
def get_object_tagging(ctx: Context, req: Any) -> Answer:
    """The tags of an object or of one version."""
    _authorize(ctx, req, "Get")
    bucket = bucket_at(ctx, req)
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    return {"TagSet": tags.pairs(found.tags), "VersionId": found.version_id if bucket.versioning else None}


@operation("DeleteObjectTagging", authorized_here=True)
def delete_object_tagging(ctx: Context, req: Any) -> Answer:
    """Takes all tags from an object or from one version."""
    _authorize(ctx, req, "Delete")
    bucket = bucket_at(ctx, req)
    found = replication.rewrite(ctx, bucket, change(object_at(ctx, bucket, req.Key, req.VersionId), tags={}))
    if bucket.notifications:
        notifications.tell(ctx, bucket, "ObjectTagging:Delete", found, ctx.tx.unique())
    return {"VersionId": found.version_id if bucket.versioning else None}
