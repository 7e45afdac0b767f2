"""Events are read: by stream (GetLogEvents), and across the streams of a group (FilterLogEvents).

Tokens say where a page ended. GetLogEvents: `f/` and `b/`, the event's id; a token at which there is nothing more is answered
again, as AWS does, and that is how a reader knows the end. FilterLogEvents: an empty token means the end.

Source: API reference, GetLogEvents, FilterLogEvents.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import chunks, patterns
from fogbank.services.logs.chunks import Event, size_of
from fogbank.services.logs.faults import bad_token, invalid, no_stream
from fogbank.services.logs.names import arn_of, group_of, stream_at
from fogbank.services.logs.pointers import event_id
from fogbank.services.logs.state import STANDARD, STREAMS, Group, Stream, expired_before_ms

PAGE_EVENTS = 10_000
PAGE_BYTES = 1_048_576
SCANNED_BYTES = 16 << 20
"""What FilterLogEvents looks through for one page."""
FOREVER_MS = 1 << 60


def check_readable(group: Group) -> None:
    """Only Logs Insights reads what is infrequently accessed. Errors: InvalidParameterException."""
    if group.log_class != STANDARD:
        raise invalid(f"This operation is not supported for log groups of the class {group.log_class}.")


def unmasks(ctx: Context, group: Group, asked: bool | None) -> bool:
    """Whether events are shown whole. Errors: AccessDeniedException (logs:Unmask)."""
    if asked:
        ctx.authorize("logs:Unmask", f"{arn_of(group)}:log-stream:")
    return bool(asked)


# One stream


@operation("GetLogEvents")
def get_log_events(ctx: Context, req: Any) -> Answer:
    """A page of a stream's events in order of time: the last ones, or the first with startFromHead; then by token either way.

    startTime counts, endTime does not. A page has at most 10,000 events and 1 MB. Tokens are always answered.

    Errors: ResourceNotFoundException, InvalidParameterException, AccessDeniedException (unmask). Source: API reference, GetLogEvents.
    """
    group = group_of(ctx, req)
    stream = stream_at(ctx, group, req.logStreamName)
    check_readable(group)
    whole = unmasks(ctx, group, req.unmask)
    low = max(req.startTime or 0, expired_before_ms(group, ctx.now))
    high = FOREVER_MS if req.endTime is None else req.endTime
    limit = req.limit or PAGE_EVENTS
    way, place = _place(req.nextToken) if req.nextToken else ("f" if req.startFromHead else "b", None)
    source = chunks.live(ctx, group, stream)
    if way == "f":
        page = _page(chunks.forward(source, low, high, place), limit)
    else:
        page = _page(chunks.backward(source, low, high, place), limit)[::-1]
    if page:
        first, last = _place_of(page[0]), _place_of(page[-1])
    else:
        first, last = _edges(way, place, low, min(high, ctx.now))
    events = [{"timestamp": e.at_ms, "message": e.message if whole else e.seen, "ingestionTime": e.ingested_at_ms} for e in page]
    return {"events": events, "nextForwardToken": _token("f", last), "nextBackwardToken": _token("b", first)}


def _edges(way: str, place: chunks.Place | None, low: int, high: int) -> tuple[chunks.Place, chunks.Place]:
    """What the tokens of an empty page name: one stays where it is, and the other leads back to what there was."""
    if place is None:
        return (high, 0), (low, -1)
    at_ms, sequence = place
    return ((at_ms, sequence + 1), place) if way == "f" else (place, (at_ms, sequence - 1))


def _page(found: Iterable[Event], limit: int) -> list[Event]:
    page: list[Event] = []
    size = 0
    for event in found:
        size += size_of(event.message)
        if page and (len(page) == limit or size > PAGE_BYTES):
            break
        page.append(event)
    return page


def _place_of(event: Event) -> chunks.Place:
    return event.at_ms, event.sequence


def _token(way: str, place: chunks.Place) -> str:
    return f"{way}/{place[0]:020}{place[1] + 1:036}/s"


def _place(token: str) -> tuple[str, chunks.Place]:
    way, _, digits = token.removesuffix("/s").partition("/")
    if way not in ("f", "b") or len(digits) != 56 or not digits.isdecimal() or int(digits[:20]) > FOREVER_MS:
        raise bad_token()
    return way, (int(digits[:20]), min(int(digits[20:]), FOREVER_MS) - 1)


# Many streams


class Found(NamedTuple):
    """An event of some stream, in the order of FilterLogEvents."""

    at_ms: int
    ingested_at_ms: int
    stream_id: int
    sequence: int
    event: Event
    stream: Stream


def merged(
    sources: Iterable[chunks.Source], from_ms: int, to_ms: int, *, reverse: bool = False, near: int | None = None
) -> Iterator[Found]:
    """The events of streams, in one order. `near`: where a page goes on, so that no event beyond it is read."""
    if near is not None:
        from_ms, to_ms = (from_ms, min(to_ms, near + 1)) if reverse else (max(from_ms, near), to_ms)

    def of(source: chunks.Source) -> Iterator[Found]:
        stream = source.stream
        for event in (chunks.backward if reverse else chunks.forward)(source, from_ms, to_ms):
            yield Found(event.at_ms, event.ingested_at_ms, stream.id, event.sequence, event, stream)

    there = [s for s in sources if s.stream.events and s.stream.last_event_ms >= from_ms and s.stream.first_event_ms < to_ms]
    ordered = [_late(of(source), reverse) for source in there]
    return ordered[0] if len(ordered) == 1 else heapq.merge(*ordered, reverse=reverse)


def _late(found: Iterator[Found], reverse: bool) -> Iterator[Found]:
    """Events of a stream at equal instants in the order of all, where batches of a stream came in out of order."""
    run: list[Found] = []
    for one in found:
        if run and run[-1].at_ms != one.at_ms:
            yield from sorted(run, reverse=reverse) if len(run) > 1 else run
            run = []
        run.append(one)
    yield from sorted(run, reverse=reverse) if len(run) > 1 else run


@operation("FilterLogEvents")
def filter_log_events(ctx: Context, req: Any) -> Answer:
    """A page of the events of a group, of all its streams or some, that a filter pattern matches; ordered by timestamp, ingestion and
    request. startTime and endTime both count. At most 10,000 events and 1 MB; a page may have fewer, or none.

    Errors: ResourceNotFoundException, InvalidParameterException, AccessDeniedException (unmask). Source: API reference, FilterLogEvents.
    """
    group = group_of(ctx, req)
    check_readable(group)
    if req.logStreamNames is not None and req.logStreamNamePrefix is not None:
        raise invalid("Cannot specify both logStreamNames and logStreamNamePrefix.")
    if req.startTime is not None and req.endTime is not None and req.startTime > req.endTime:
        raise invalid("End time must be greater than start time.")
    whole = unmasks(ctx, group, req.unmask)
    matches = patterns.read(req.filterPattern or "").matches
    low = max(req.startTime or 0, expired_before_ms(group, ctx.now))
    high = FOREVER_MS if req.endTime is None else req.endTime + 1
    reverse, place = _filter_place(req)
    page: list[Found] = []
    size = scanned = 0
    last: Found | None = None
    sources = [chunks.live(ctx, group, stream) for stream in _streams(ctx, group, req)]
    for found in merged(sources, low, high, reverse=reverse, near=place[0] if place else None):
        here = found[:4]
        if place is not None and (here >= place if reverse else here <= place):
            continue
        text = found.event.message if whole else found.event.seen
        weight = size_of(text)
        if scanned > SCANNED_BYTES or len(page) == (req.limit or PAGE_EVENTS):
            break
        if matches(text):
            if page and size + weight > PAGE_BYTES:
                break
            page.append(found)
            size += weight
        scanned += weight
        last = found
    else:
        last = None
    token = None if last is None else paging.token(" ".join(["b" if reverse else "f", *map(str, last[:4])]))
    return {"events": [_filtered(found, whole) for found in page], "searchedLogStreams": [], "nextToken": token}


def _filtered(found: Found, whole: bool) -> dict[str, Any]:
    event = found.event
    return {
        "logStreamName": found.stream.name,
        "timestamp": event.at_ms,
        "message": event.message if whole else event.seen,
        "ingestionTime": event.ingested_at_ms,
        "eventId": event_id(found.stream, event),
    }


def _filter_place(req: Any) -> tuple[bool, tuple[int, ...] | None]:
    place = paging.place(req.nextToken, bad_token)
    if place is None:
        return req.startFromHead is False, None
    way, *numbers = place.split(" ")
    if way not in ("f", "b") or len(numbers) != 4 or not all(number.isdecimal() for number in numbers):
        raise bad_token()
    return way == "b", tuple(int(number) for number in numbers)


def _streams(ctx: Context, group: Group, req: Any) -> list[Stream]:
    if req.logStreamNames is None:
        return list(STREAMS.scan(ctx, group.id, starting=req.logStreamNamePrefix or ""))
    streams = [STREAMS.get(ctx, group.id, name) for name in dict.fromkeys(req.logStreamNames)]
    if None in streams:
        raise no_stream()
    return [stream for stream in streams if stream is not None]
