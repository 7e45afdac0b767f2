"""The store of events: chunks are added, merged, read in order, and dropped when they expire."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.logs import encrypting, retention
from fogbank.services.logs.state import CHUNKS, DAY_MS, STREAMS, Chunk, Columns, Group, Stream
from fogbank.store import change
from fogbank.store.vault import Seal

FAN_IN = 32
LARGE_BYTES = 256 * 1024
"""A chunk of at least half of this is not merged any more; none has more, but for a single event's sake."""
WORTH_BYTES = 2048
"""Smaller chunks are not compressed when they come in."""
EVENT_BYTES = 26
"""What an event counts for beyond its message."""
_LEVEL = 1
_FINAL = 100
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Columns).decode


class Event(NamedTuple):
    """An event, in the order of its stream. `masked` is what those see who may not see everything, where that is something else."""

    at_ms: int
    sequence: int
    ingested_at_ms: int
    message: str
    masked: str | None = None

    @property
    def seen(self) -> str:
        """What everybody sees."""
        return self.message if self.masked is None else self.masked


_event: Callable[[tuple[Any, ...]], Event] = partial(tuple.__new__, Event)  # without the Python function that a NamedTuple has


def size_of(*messages: str) -> int:
    """What events with these messages count for."""
    joined = "".join(messages)
    return (len(joined) if joined.isascii() else len(joined.encode())) + EVENT_BYTES * len(messages)


# Sealing and opening


def _sealed(seal: Seal, columns: Columns, *, worth: int) -> bytes:
    packed = _encode(columns)
    return seal.seal(b"z" + zlib.compress(packed, _LEVEL) if len(packed) >= worth else b"-" + packed)


def opened(seal: Seal, chunk: Chunk) -> list[Event]:
    """The events of a chunk, in order."""
    packed = seal.open(chunk.sealed)
    columns = _decode(zlib.decompress(packed[1:]) if packed[:1] == b"z" else packed[1:])
    times, first, number = columns.times, chunk.first_ms, chunk.number
    count = len(times)
    sequences: Iterable[int] = [number + s for s in columns.sequences] if columns.sequences else range(number, number + count)
    ingested = columns.ingested if len(columns.ingested) == count else columns.ingested * count
    masked: Iterable[str | None] = [columns.masked.get(n) for n in range(count)] if columns.masked else repeat(None)
    return list(map(_event, zip([first + t for t in times], sequences, ingested, columns.messages, masked, strict=False)))


def _chunk(stream: int, events: Sequence[Event], level: int, seal: Seal, key: int, size: int, worth: int) -> Chunk:
    first, number = events[0].at_ms, min([event.sequence for event in events])
    ingested = [event.ingested_at_ms for event in events]
    sequences = [event.sequence - number for event in events]
    columns = Columns(
        times=[event.at_ms - first for event in events],
        messages=[event.message for event in events],
        ingested=ingested[:1] if ingested.count(ingested[0]) == len(ingested) else ingested,
        sequences=[] if sequences == list(range(len(events))) else sequences,
        masked={n: event.masked for n, event in enumerate(events) if event.masked is not None},
    )
    return Chunk(
        stream=stream,
        first_ms=first,
        number=number,
        last_ms=events[-1].at_ms,
        count=len(events),
        size=size,
        level=level,
        sealed=_sealed(seal, columns, worth=worth),
        key=key,
    )


def _portions(events: Sequence[Event], total: int) -> Iterator[tuple[Sequence[Event], int]]:
    """Events of a total size in runs that a chunk can hold, with their sizes: not too large, and not longer than a day."""
    if total <= LARGE_BYTES and events[-1].at_ms - events[0].at_ms <= DAY_MS:
        yield events, total
        return
    run: list[Event] = []
    size = 0
    for event in events:
        more = size_of(event.message)
        if run and (size + more > LARGE_BYTES or event.at_ms - run[0].at_ms > DAY_MS):
            yield run, size
            run, size = [], 0
        run.append(event)
        size += more
    if run:
        yield run, size


# Adding and merging


def add(ctx: Context, group: Group, stream: Stream, events: Sequence[Event], total: int) -> Stream:
    """Puts new events of a total size, which are in order; their sequences are those that the stream has next. The stream as it is then."""
    seal, key = encrypting.seal_now(ctx, group)
    loose, span = list(stream.loose), stream.span_ms
    for run, size in _portions(events, total):
        level = _FINAL if size >= LARGE_BYTES // 2 else 0
        chunk = _chunk(stream.id, run, level, seal, key, size, WORTH_BYTES)
        CHUNKS.put(ctx, chunk)
        _count(loose, level, chunk.first_ms)
        span = max(span, chunk.last_ms - chunk.first_ms)
    level = 0
    while level < len(loose):
        if loose[level][0] >= FAN_IN:
            span = max(span, _merge(ctx, group, stream, level, loose, seal, key))
        level += 1
    first, last = events[0].at_ms, events[-1].at_ms
    stream = change(
        stream,
        events=stream.events + len(events),
        size=stream.size + total,
        first_event_ms=first if stream.first_event_ms < 0 else min(first, stream.first_event_ms),
        last_event_ms=max(last, stream.last_event_ms),
        last_ingestion_ms=ctx.now,
        span_ms=span,
        loose=tuple(loose),
    )
    STREAMS.put(ctx, stream)
    retention.grown(ctx, group, total, first)
    return stream


def _count(loose: list[tuple[int, int]], level: int, from_ms: int) -> None:
    if level == _FINAL:
        return
    while len(loose) <= level:
        loose.append((0, 0))
    count, since = loose[level]
    loose[level] = (count + 1, from_ms if not count else min(since, from_ms))


def _merge(ctx: Context, group: Group, stream: Stream, level: int, loose: list[tuple[int, int]], seal: Seal, key: int) -> int:
    """Merges all loose chunks of a level: the longest of what they become. Those under another data key stay what they are."""
    chunks = [chunk for chunk in CHUNKS.scan(ctx, stream.id, at=loose[level][1]) if chunk.level == level]
    loose[level] = (0, 0)
    span = 0
    for chunk in [c for c in chunks if c.key != key]:
        CHUNKS.put(ctx, change(chunk, level=_FINAL))
    chunks = [c for c in chunks if c.key == key]
    events = [event for chunk in chunks for event in opened(seal, chunk)]
    events.sort()
    for chunk in chunks:
        CHUNKS.delete(ctx, chunk)
    for run, size in _portions(events, sum(chunk.size for chunk in chunks)):
        up = _FINAL if size >= LARGE_BYTES // 2 else level + 1
        merged = _chunk(stream.id, run, up, seal, key, size, 0)
        CHUNKS.put(ctx, merged)
        _count(loose, up, merged.first_ms)
        span = max(span, merged.last_ms - merged.first_ms)
    return span


# Reading

Place = tuple[int, int]
"""Where an event stands in its stream: its instant and its sequence."""


class Source(NamedTuple):
    """A stream's events: `scan(first, end, reverse)` gives the chunks that begin in [first, end), `open` what is in one."""

    stream: Stream
    scan: Callable[[int, int, bool], Iterable[Chunk]]
    open: Callable[[Chunk], list[Event]]


def live(ctx: Context, group: Group, stream: Stream) -> Source:
    """A stream as it is read here and now. Opening: what KMS says, where the group's key is closed."""

    def scan(first: int, end: int, reverse: bool) -> Iterator[Chunk]:
        return CHUNKS.scan(ctx, stream.id, at=first, before=end, reverse=reverse)

    return Source(stream, scan, lambda chunk: opened(encrypting.seal_of(ctx, group, chunk.key), chunk))


def held(ctx: Context, group: Group, stream: Stream, from_ms: int, to_ms: int) -> Source:
    """A stream's events of [from_ms, to_ms), to be read where there is no transaction any more (on a thread)."""
    rows = [c for c in CHUNKS.scan(ctx, stream.id, at=from_ms - stream.span_ms, before=to_ms) if c.last_ms >= from_ms]
    seals = {key: encrypting.seal_of(ctx, group, key) for key in {chunk.key for chunk in rows}}
    return Source(stream, lambda first, end, reverse: reversed(rows) if reverse else rows, lambda chunk: opened(seals[chunk.key], chunk))


def forward(source: Source, from_ms: int, to_ms: int, after: Place | None = None) -> Iterator[Event]:
    """Events in [from_ms, to_ms), oldest first; those past a place."""
    stream = source.stream
    if after is not None:
        from_ms = max(from_ms, after[0])
    if stream.last_event_ms < from_ms or stream.first_event_ms >= to_ms:
        return
    low: Place = (from_ms, -1) if after is None or after[0] < from_ms else (after[0], after[1] + 1)
    pending: list[Event] = []
    for chunk in source.scan(from_ms - stream.span_ms, to_ms, False):
        if chunk.last_ms < from_ms:
            continue
        if pending:
            ready = bisect_left(pending, (chunk.first_ms,))
            yield from pending[:ready]
            del pending[:ready]
        overlaps = bool(pending)
        events = source.open(chunk)
        pending += events[bisect_left(events, low) :] if chunk.first_ms <= from_ms else events
        if overlaps:
            pending.sort()
    yield from pending[: bisect_left(pending, (to_ms,))]


def backward(source: Source, from_ms: int, to_ms: int, before: Place | None = None) -> Iterator[Event]:
    """Events in [from_ms, to_ms), newest first; those before a place."""
    stream = source.stream
    high: Place = (to_ms, -1) if before is None else min((to_ms, -1), before)
    if stream.last_event_ms < from_ms or stream.first_event_ms > high[0]:
        return
    pending: list[Event] = []
    for chunk in source.scan(from_ms - stream.span_ms, high[0] + 1, True):
        ready = bisect_left(pending, (chunk.first_ms + stream.span_ms + 1,))
        yield from reversed(pending[ready:])
        del pending[ready:]
        if chunk.last_ms >= from_ms:
            events = source.open(chunk)
            pending += events[: bisect_left(events, high)]
            pending.sort()
    yield from reversed(pending[bisect_left(pending, (from_ms,)) :])


def event_at(source: Source, place: Place) -> Event | None:
    """The event that stands at a place."""
    found = next(forward(source, place[0], place[0] + 1, (place[0], place[1] - 1)), None)
    return found if found is not None and (found.at_ms, found.sequence) == place else None
