"""Retention: events of a group are out of sight so many days after their timestamp, and soon after cleared away.

A group that has a retention and events has one task `sweep`, set for when its oldest event expires (SWEEP_PAUSE_MS after the last
one at the earliest, because it takes whole chunks); its tally knows for when. Groups without events have none.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.names import group_at
from fogbank.services.logs.state import CHUNKS, DAY_MS, GROUPS, STREAMS, TALLIES, Group, Stream, Tally, expired_before_ms
from fogbank.store import change

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Days."""
PORTION = 500
"""Chunks deleted in one transaction, so that other calls get their turn."""
SWEEP_PAUSE_MS = 3_600_000


@operation("PutRetentionPolicy")
def put_retention_policy(ctx: Context, req: Any) -> Answer:
    """Events of a group are out of sight so many days after their timestamp: 1, 3, 5, 7, 14, 30 ... 3653.

    Errors: ResourceNotFoundException, InvalidParameterException. Source: API reference, PutRetentionPolicy.
    """
    group = group_at(ctx, req.logGroupName)
    if req.retentionInDays not in RETENTIONS:
        allowed = ", ".join(map(str, RETENTIONS))
        raise invalid(
            f"1 validation error detected: Value '{req.retentionInDays}' at 'retentionInDays' failed to satisfy constraint:"
            f" Member must satisfy enum value set: [{allowed}]"
        )
    group = change(group, retention_days=req.retentionInDays)
    GROUPS.put(ctx, group)
    tally = TALLIES.get(ctx, group.id)
    if tally is not None and tally.size:
        TALLIES.put(ctx, _set(ctx, group, tally, ctx.now))
    return None


@operation("DeleteRetentionPolicy")
def delete_retention_policy(ctx: Context, req: Any) -> Answer:
    """Events of a group do not expire any more. Errors: ResourceNotFoundException. Source: API reference, DeleteRetentionPolicy."""
    GROUPS.put(ctx, change(group_at(ctx, req.logGroupName), retention_days=0))
    return None


def grown(ctx: Context, group: Group, size: int, oldest_ms: int) -> None:
    """Events have come into a group: what they amount to, and when the oldest of them was."""
    tally = TALLIES.get(ctx, group.id) or Tally(group=group.id)
    tally = change(tally, size=tally.size + size)
    if group.retention_days:
        due_ms = oldest_ms + group.retention_days * DAY_MS + 1
        if not tally.sweep_at_ms or due_ms + SWEEP_PAUSE_MS < tally.sweep_at_ms:
            tally = _set(ctx, group, tally, due_ms)
    TALLIES.put(ctx, tally)


def _set(ctx: Context, group: Group, tally: Tally, at_ms: int) -> Tally:
    """Has a group swept at an instant, instead of when that was to be."""
    payload = {"account": group.account, "region": group.region, "name": group.name, "group": group.id, "at_ms": at_ms}
    ctx.later("logs.sweep", payload, at_ms=at_ms)
    return change(tally, sweep_at_ms=at_ms)


@task("sweep")
def sweep(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes chunks of a group all of whose events have expired, and comes again when the next do."""
    group = GROUPS.get(ctx, payload["account"], payload["region"], payload["name"])
    tally = TALLIES.get(ctx, payload["group"])
    if group is None or group.id != payload["group"] or tally is None or tally.sweep_at_ms != payload["at_ms"]:
        return None
    horizon = expired_before_ms(group, ctx.now)
    left, gone, oldest = PORTION, 0, -1
    for stream in list(STREAMS.scan(ctx, group.id)) if horizon else ():
        if left and stream.size and stream.first_event_ms < horizon:
            before = stream.size
            stream, deleted = _sweep_stream(ctx, stream, horizon, left)
            left, gone = left - deleted, gone + before - stream.size
        if stream.size and (oldest < 0 or stream.first_event_ms < oldest):
            oldest = stream.first_event_ms
    tally = change(tally, size=tally.size - gone, sweep_at_ms=0)
    if oldest >= 0:
        due_ms = max(oldest + group.retention_days * DAY_MS + 1, ctx.now + SWEEP_PAUSE_MS) if left else ctx.now
        tally = _set(ctx, group, tally, due_ms)
    TALLIES.put(ctx, tally)
    return None


def _sweep_stream(ctx: Context, stream: Stream, horizon: int, limit: int) -> tuple[Stream, int]:
    """The stream without its expired chunks (at most `limit` of them), and how many there were."""
    gone = [chunk for chunk in CHUNKS.scan(ctx, stream.id, before=horizon) if chunk.last_ms < horizon][:limit]
    loose = list(stream.loose)
    for chunk in gone:
        CHUNKS.delete(ctx, chunk)
        if chunk.level < len(loose):
            count, since = loose[chunk.level]
            loose[chunk.level] = (count - 1, since)
    oldest = next(CHUNKS.scan(ctx, stream.id), None)
    first = stream.last_event_ms if oldest is None else oldest.first_ms
    stream = change(stream, size=stream.size - sum(chunk.size for chunk in gone), first_event_ms=first, loose=tuple(loose))
    STREAMS.put(ctx, stream)
    return stream, len(gone)
