"""Configurations of which a bucket may have up to 1,000, each with an id: inventory, tiering, analytics, metrics. One shape, one home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import inventory, metrics, refusals, settings, tiering
from fogbank.services.s3.state import CONFIGURATIONS, Bucket, Configuration, bucket_at

MOST = 1000
PAGE = 100
Check = Callable[[Context, Bucket, dict[str, Any]], int]
"""Checks a new configuration, and says when its first task is due (0: it has none)."""


def _configuration_at(ctx: Context, req: Any, kind: str) -> Configuration:
    bucket = bucket_at(ctx, req)
    found = CONFIGURATIONS.get(ctx, bucket.name, kind, req.Id)
    if found is None:
        raise ServiceException("NoSuchConfiguration", "The specified configuration does not exist.", status=404)
    return found


def _put(ctx: Context, req: Any, kind: str, member: str, check: Check) -> None:
    bucket = bucket_at(ctx, req)
    document = settings.document(getattr(req, member))
    if document["Id"] != req.Id:
        raise refusals.invalid_argument("The ID in the request does not match the ID in the configuration", "Id", req.Id)
    if not 1 <= len(req.Id) <= 64 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in req.Id):
        raise refusals.invalid_argument("The ID is not valid: up to 64 letters, digits, periods, dashes and underscores", "Id", req.Id)
    due_ms = check(ctx, bucket, document)
    before = CONFIGURATIONS.get(ctx, bucket.name, kind, req.Id)
    if before is None:
        count = sum(1 for _ in CONFIGURATIONS.scan(ctx, bucket.name, kind))
        if count >= MOST:
            message = "You are attempting to create a new configuration but have already reached the 1,000-configuration limit."
            raise ServiceException("TooManyConfigurations", message, status=400)
    CONFIGURATIONS.put(ctx, Configuration(bucket=bucket.name, kind=kind, id=req.Id, document=document, due_ms=due_ms))
    if due_ms and (before is None or before.due_ms != due_ms):
        ctx.later(f"s3.{kind.lower()}", {"bucket": bucket.name, "id": req.Id, "due_ms": due_ms}, at_ms=due_ms)


def _list(ctx: Context, req: Any, kind: str, member: str) -> dict[str, Any]:
    bucket = bucket_at(ctx, req)
    message = "The continuation token provided is incorrect"
    after = paging.place(req.ContinuationToken, lambda: refusals.invalid_argument(message, "continuation-token", req.ContinuationToken))
    shown, more = paging.page(CONFIGURATIONS.scan(ctx, bucket.name, kind, after=after), PAGE)
    return {
        f"{member}List": [one.document for one in shown] or None,
        "ContinuationToken": req.ContinuationToken,
        "IsTruncated": more,
        "NextContinuationToken": paging.token(shown[-1].id) if more else None,
    }


def _operations(
    kind: str, check: Check, changed: Callable[[Context, Bucket], None] = lambda ctx, bucket: None
) -> tuple[Callable[[Context, Any], Answer], ...]:
    """A kind's four operations.

    Put replaces the configuration with its Id. Errors: InvalidArgument, MalformedXML, TooManyConfigurations; Get and Delete:
    NoSuchConfiguration. List: by Id, 100 a page. `changed` is told when there is another one, or one less.
    """
    member = f"{kind}Configuration"

    @operation(f"PutBucket{member}")
    def put(ctx: Context, req: Any) -> Answer:
        _put(ctx, req, kind, member, check)
        changed(ctx, bucket_at(ctx, req))
        return None

    @operation(f"GetBucket{member}")
    def get(ctx: Context, req: Any) -> Answer:
        return {member: _configuration_at(ctx, req, kind).document}

    @operation(f"ListBucket{member}s")
    def list_(ctx: Context, req: Any) -> Answer:
        return _list(ctx, req, kind, member)

    @operation(f"DeleteBucket{member}")
    def delete(ctx: Context, req: Any) -> Answer:
        CONFIGURATIONS.delete(ctx, _configuration_at(ctx, req, kind))
        changed(ctx, bucket_at(ctx, req))
        return None

    return put, get, list_, delete


def _refused(operation_: str, why: str) -> Check:
    """A kind that is not kept, because nothing would act on it."""

    def check(ctx: Context, bucket: Bucket, document: dict[str, Any]) -> int:
        raise NotImplementedOperation("s3", operation_, why)

    return check


put_inventory, get_inventory, list_inventory, delete_inventory = _operations("Inventory", inventory.check)
put_tiering, get_tiering, list_tiering, delete_tiering = _operations("IntelligentTiering", tiering.check)
put_metrics, get_metrics, list_metrics, delete_metrics = _operations(metrics.KIND, metrics.check, metrics.changed)
put_analytics, get_analytics, list_analytics, delete_analytics = _operations(
    "Analytics", _refused("PutBucketAnalyticsConfiguration", "as reads of objects are not counted by their age")
)
