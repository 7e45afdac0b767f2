"""What lifecycles do: a run at every midnight UTC through each bucket that has one, some keys at a time.

A run does everything that was due since the one before, in its order and as of the midnight it was due, so that a clock that
has jumped a year leaves what a year would have left. It writes nothing about what it only looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.s3 import lifespan, multipart, notifications, versions
from fogbank.services.s3.lifespan import Due, Plan
from fogbank.services.s3.rules import DAY_MS
from fogbank.services.s3.state import BUCKETS, DAILY_RUNS, NULL, OBJECTS, UPLOADS, VERSIONS, Bucket, DailyRun, Object
from fogbank.store.tables import change

LOOKED, DONE = 150, 30
"""How many versions one task looks at, and how much it does, before it lets others through."""
_key = attrgetter("key")
_place = attrgetter("key", "rank")


def begin(ctx: Context, bucket: Bucket) -> None:
    """Makes sure that the bucket is looked after from the next midnight on."""
    if DAILY_RUNS.get(ctx, bucket.name) is None:
        _next(ctx, bucket.name)


def _next(ctx: Context, bucket: str) -> None:
    due_ms = lifespan.midnight(ctx.now + 1)
    DAILY_RUNS.put(ctx, DailyRun(bucket=bucket, due_ms=due_ms))
    ctx.later("s3.daily_run", {"bucket": bucket, "due_ms": due_ms, "after": None, "uploads": False}, at_ms=due_ms)


@task("daily_run")
def daily_run(ctx: Context, payload: Any) -> Answer:
    """Carries a bucket's run on, after a key; when all keys and then all uploads are done, waits for the next midnight."""
    name, after = payload["bucket"], payload["after"]
    run = DAILY_RUNS.get(ctx, name)
    if run is None or run.due_ms != payload["due_ms"]:
        return None
    bucket = BUCKETS.get(ctx, name)
    plan = lifespan.NOTHING if bucket is None else lifespan.plan(bucket)._replace(tierings=lifespan.tierings(ctx, name))
    if bucket is None or not (plan.rules or plan.tierings):
        DAILY_RUNS.delete(ctx, run)
        return None
    uploads = payload["uploads"]
    after, more = _uploads(ctx, bucket, plan, after) if uploads else _keys(ctx, bucket, plan, run.due_ms, after)
    if more:
        ctx.later("s3.daily_run", payload | {"after": after})
    elif plan.aborts and not uploads:
        ctx.later("s3.daily_run", payload | {"after": None, "uploads": True})
    else:
        _next(ctx, name)
    return None


def _keys(ctx: Context, bucket: Bucket, plan: Plan, due_ms: int, after: str | None) -> tuple[str | None, bool]:
    """Looks at some keys and all their versions. Returns the last key that is done with, and whether there may be more."""
    looked, left = 0, DONE
    for key, found in groupby(_versions(ctx, bucket, plan.prefix, after), _key):
        if looked >= LOOKED:
            return after, True
        history = list(found)
        looked += len(history)
        left = _live(ctx, bucket, plan, history, due_ms, left)
        if not left:
            return after, True
        after = key
    return after, False


def _versions(ctx: Context, bucket: Bucket, prefix: str, after: str | None) -> Iterator[Object]:
    """Everything after a key, by key, the newest first."""
    current = OBJECTS.scan(ctx, bucket.name, starting=prefix, after=after)
    if not bucket.versioning:
        return current
    return merge(current, VERSIONS.scan(ctx, bucket.name, starting=prefix, after=after), key=_place)


def _live(ctx: Context, bucket: Bucket, plan: Plan, history: list[Object], due_ms: int, left: int) -> int:
    """Lets a key live through the midnights from one until now, doing so much at most. Returns how much is left to do; 0: go on here."""
    while history and left:
        coming = list(lifespan.happenings(plan, history, bool(bucket.versioning)))
        due = sorted([one for one in coming if one.at_ms <= due_ms], key=lambda one: one[:3])
        if due:
            became: dict[int, list[Object]] = {}
            for one in due:
                if left and one.version.rank not in became:
                    became[one.version.rank] = _do(ctx, bucket, one, due_ms)
                    left -= 1
            history = [after for version in history for after in became.get(version.rank, (version,))]
            if len(history) > 1 and history[0].marker and history[0].version_id == NULL:  # there is one null version at most
                history = [history[0], *[version for version in history[1:] if version.version_id != NULL]]
            continue
        due_ms = min([one.at_ms for one in coming], default=ctx.now + DAY_MS)
        if due_ms > ctx.now:
            break
    return left


def _do(ctx: Context, bucket: Bucket, due: Due, at_ms: int) -> list[Object]:
    """Does one thing, and tells who wants to know. Returns what stands in the version's place afterwards."""
    version = due.version
    if due.verb == lifespan.MOVE:
        changed = change(version, storage_class=due.to, accessed_ms=at_ms, archive_tier="", restored=None)
        versions.rewrite(ctx, changed)
        _tell(ctx, bucket, "LifecycleTransition", changed, lifecycleEventData={"transitionEventData": {"destinationStorageClass": due.to}})
        return [changed]
    if due.verb == lifespan.ARCHIVE:
        changed = change(version, archive_tier=due.to, restored=None)
        versions.rewrite(ctx, changed)
        _tell(ctx, bucket, "IntelligentTiering", changed, intelligentTieringEventData={"destinationAccessTier": due.to})
        return [changed]
    if due.verb == lifespan.HIDE:
        marker = versions.mark_deleted(ctx, bucket, version.key, at_ms)
        _tell(ctx, bucket, "LifecycleExpiration:DeleteMarkerCreated", marker)
        return [marker, version]
    versions.remove_version(ctx, version)
    _tell(ctx, bucket, "LifecycleExpiration:Delete", version)
    return []


def _tell(ctx: Context, bucket: Bucket, event: str, about: Object, **more: Any) -> None:
    if bucket.notifications:
        notifications.tell(ctx, bucket, event, about, ctx.tx.unique(), **more)


def _uploads(ctx: Context, bucket: Bucket, plan: Plan, after: str | None) -> tuple[str | None, bool]:
    """Aborts some uploads that were left. Returns the last key that is done with, and whether there are more."""
    looked = 0
    for key, found in groupby(UPLOADS.scan(ctx, bucket.name, starting=plan.prefix, after=after), _key):
        if looked >= DONE:
            return after, True
        for upload in found:
            looked += 1
            aborted = lifespan.abortion(plan, upload)
            if aborted is not None and aborted[0] <= ctx.now:
                multipart.forget(ctx, upload, keep=set())
        after = key
    return after, False
