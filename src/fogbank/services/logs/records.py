"""Single events and their fields: GetLogRecord, GetLogGroupFields.

Source: API reference, GetLogRecord, GetLogGroupFields; "Supported logs and discovered fields" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import chunks, pointers
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.faults import missing
from fogbank.services.logs.insights import records
from fogbank.services.logs.insights.values import text
from fogbank.services.logs.names import arn_of, group_of
from fogbank.services.logs.reading import merged, unmasks
from fogbank.services.logs.state import STREAMS, Group, Stream, expired_before_ms

MINUTE_MS = 60_000
LOOKED_AT = 10_000
"""The newest events that GetLogGroupFields looks at."""
LAMBDA = "/aws/lambda/"


def record(group: Group, stream: Stream, event: Event, *, whole: bool) -> records.Event:
    """An event as a query sees it."""
    message = event.message if whole else event.seen
    log = f"{group.account}:{group.name}"
    told = records.system(event.at_ms, event.ingested_at_ms, stream.name, log)
    return records.Event(told, message, of_lambda=group.name.startswith(LAMBDA), pointer=partial(pointers.pointer, stream, event))


@operation("GetLogRecord", authorized_here=True)
def get_log_record(ctx: Context, req: Any) -> Answer:
    """All fields of an event that a query's @ptr names.

    Errors: ResourceNotFoundException, InvalidParameterException, AccessDeniedException (unmask). Source: API reference, GetLogRecord.
    """
    pointed = pointers.pointed(ctx, req.logRecordPointer)
    if pointed is None or (pointed.group.account, pointed.group.region) != (ctx.account, ctx.region):
        ctx.authorize("logs:GetLogRecord", "*")
        raise missing("The specified log record does not exist.")
    group, stream, place = pointed
    ctx.authorize("logs:GetLogRecord", f"{arn_of(group)}:log-stream:")
    whole = unmasks(ctx, group, req.unmask)
    event = chunks.event_at(chunks.live(ctx, group, stream), place)
    if event is None or event.at_ms < expired_before_ms(group, ctx.now):
        raise missing("The specified log record does not exist.")
    found = record(group, stream, event, whole=whole)
    return {"logRecord": {name: text(value) for name in found.names() if (value := found.field(name)) is not None}}


@operation("GetLogGroupFields")
def get_log_group_fields(ctx: Context, req: Any) -> Answer:
    """The fields of a group's events in the last 15 minutes, or 8 minutes either side of `time`, and what part of them has each.

    Of very many events the newest 10,000 count. Errors: ResourceNotFoundException. Source: API reference, GetLogGroupFields.
    """
    group = group_of(ctx, req)
    if req.time is None:
        low, high = ctx.now - 15 * MINUTE_MS, ctx.now + 1
    else:
        low, high = req.time * 1000 - 8 * MINUTE_MS, req.time * 1000 + 8 * MINUTE_MS
    counts: Counter[str] = Counter()
    total = 0
    for found in islice(_newest(ctx, group, max(low, expired_before_ms(group, ctx.now)), high), LOOKED_AT):
        counts.update(record(group, found.stream, found.event, whole=False).names())
        total += 1
    ordered: Iterable[tuple[str, int]] = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"logGroupFields": [{"name": name, "percent": count * 100 // total} for name, count in ordered]}


def _newest(ctx: Context, group: Group, low: int, high: int) -> Iterator[Any]:
    return merged([chunks.live(ctx, group, stream) for stream in STREAMS.scan(ctx, group.id)], low, high, reverse=True)
