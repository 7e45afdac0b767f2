"""Tags of buckets and access points, one tag at a time (S3 Control)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import arrivals, refusals, rules
from fogbank.services.s3.access_points import no_such_access_point
from fogbank.services.s3.state import ACCESS_POINTS, BUCKETS, AccessPoint, Bucket
from fogbank.store.tables import change

_BUCKET = "arn:aws:s3:::"


def _resource(ctx: Context, req: Any) -> Bucket | AccessPoint:
    """What a request tags. Errors: NoSuchBucket, NoSuchAccessPoint, AccessDenied (not that account's); NotImplemented for the rest."""
    arn = req.ResourceArn
    found: Bucket | AccessPoint | None
    if arn.startswith(_BUCKET) and "/" not in arn:
        found = BUCKETS.get(ctx, arn[len(_BUCKET) :])
        if found is None:
            raise refusals.no_such_bucket(arn[len(_BUCKET) :])
    elif ":accesspoint/" in arn:
        found = arrivals.at_arn(ctx, arn)
        if found is None:
            raise no_such_access_point(arn.rpartition("/")[2])
    else:
        raise NotImplementedOperation("s3control", ctx.operation, f"for {arn}")
    if req.AccountId not in (found.account, ctx.account):
        raise refusals.access_denied()
    return found


def _keep(ctx: Context, tagged: Bucket | AccessPoint, wanted: Mapping[str, str]) -> None:
    if isinstance(tagged, Bucket):
        BUCKETS.put(ctx, change(tagged, tags=dict(wanted)))
    else:
        ACCESS_POINTS.put(ctx, change(tagged, tags=dict(wanted)))


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or replaces those with the same keys; at most 50 in all. Errors: InvalidTag, TooManyTagsException."""
    tagged = _resource(ctx, req)
    wanted = tagged.tags | rules.tag_set(req.Tags, rules.BUCKET_TAGS)
    if len(wanted) > rules.BUCKET_TAGS:
        raise ServiceException("TooManyTagsException", f"A resource may have {rules.BUCKET_TAGS} tags.", status=400)
    _keep(ctx, tagged, wanted)
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away by their keys; those that are not there count as taken."""
    tagged = _resource(ctx, req)
    _keep(ctx, tagged, {key: value for key, value in tagged.tags.items() if key not in req.TagKeys})
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a bucket or an access point; empty where it has none."""
    return {"Tags": tags.pairs(_resource(ctx, req).tags)}
