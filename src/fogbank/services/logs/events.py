"""PutLogEvents: events come in.

Source: API reference, PutLogEvents; "CloudWatch Logs quotas" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import count, repeat
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import arrivals, chunks, entities, protection
from fogbank.services.logs.chunks import Event, size_of
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.names import group_at, stream_at
from fogbank.services.logs.state import DAY_MS, Group, Stream, expired_before_ms
from fogbank.services.logs.streams import token_of

BATCH_BYTES = 1_048_576
BATCH_EVENTS = 10_000
OLD_MS = 14 * DAY_MS
NEW_MS = 2 * 3_600_000


@operation("PutLogEvents")
def put_log_events(ctx: Context, req: Any) -> Answer:
    """Adds events to a stream: at most 10,000 and 1,048,576 bytes (each message in UTF-8 and 26 bytes), in order of their
    timestamps, which are within 24 hours.

    Events more than 2 hours ahead, more than 14 days old or past the group's retention are rejected, the others are taken.
    Sequence tokens count for nothing any more.

    Errors: ResourceNotFoundException, InvalidParameterException. Source: API reference, PutLogEvents.
    """
    group = group_at(ctx, req.logGroupName)
    stream = stream_at(ctx, group, req.logStreamName)
    times, messages = [event.timestamp for event in req.logEvents], [event.message for event in req.logEvents]
    rejected_entity = entities.fault(group, req.entity) if req.entity is not None else None
    size = _checked(times, messages)
    first, end, rejected = _acceptable(times, group, ctx.now)
    if end - first < len(times):
        times, messages = times[first:end], messages[first:end]
        size = size_of(*messages)
    if times:
        stream = take(ctx, group, stream, times, messages, size)
    return {"nextSequenceToken": token_of(stream), "rejectedLogEventsInfo": rejected, "rejectedEntityInfo": rejected_entity}


def _checked(times: list[int], messages: list[str]) -> int:
    """What a batch counts for. Errors: InvalidParameterException."""
    size = size_of(*messages)
    if size > BATCH_BYTES:
        largest = max([size_of(message) for message in messages])
        if largest > BATCH_BYTES:
            raise invalid(f"Log event too large: {largest} bytes exceeds limit of {BATCH_BYTES}")
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    return size


def _acceptable(times: list[int], group: Group, now_ms: int) -> tuple[int, int, dict[str, int] | None]:
    """The first event that is taken, the first after it that is not, and what is said about the others."""
    old = bisect_left(times, now_ms - OLD_MS)
    expired = bisect_left(times, expired_before_ms(group, now_ms))
    end = bisect_right(times, now_ms + NEW_MS)
    first = min(max(old, expired), end)
    if first < end and times[end - 1] - times[first] > DAY_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    rejected: dict[str, int] = {}
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if end < len(times):
        rejected["tooNewLogEventStartIndex"] = end
    return first, end, rejected or None


def take(ctx: Context, group: Group, stream: Stream, times: Sequence[int], messages: Sequence[str], size: int) -> Stream:
    """Puts events that are in order into a stream, and has everything done that follows from them. The stream as it is then."""
    masks = protection.masks_of(ctx, group)
    number, now = stream.events, ctx.now
    masked: Iterable[str | None] = map(masks.masked, messages) if masks else repeat(None)
    events = list(map(Event, times, count(number), repeat(now), messages, masked))
    stream = chunks.add(ctx, group, stream, events, size)
    arrivals.follow(ctx, group, stream, events, size)
    return stream
