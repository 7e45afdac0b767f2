"""Buffers: records put into lanes, lanes closed when they are full or old enough, parcels read and taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.firehose import encrypting, processing
from fogbank.services.firehose.addresses import stream_of, where
from fogbank.services.firehose.state import BACKUP, BATCHES, IN, LANES, MIB, OUT, PARCELS, Lane, Origin, Stream
from fogbank.store import change

DEFAULT_MBS, DEFAULT_S = 5, 300
FUNCTION_MBS, FUNCTION_S = 1.0, 60


def bucket_of(stream: Stream, kind: str) -> Mapping[str, Any]:
    """The S3 configuration that a lane's records go to."""
    destination = stream.destination
    if stream.kind == "HttpEndpoint":
        found: Mapping[str, Any] = destination["S3DestinationDescription"]
        return found
    return destination["S3BackupDescription"] if kind == BACKUP else destination


def _hints(stream: Stream, kind: str) -> tuple[float, int]:
    """How many bytes, and for how many milliseconds, a lane takes records."""
    if kind == IN:
        function = processing.step(stream.destination, "Lambda")
        given = function.parameters if function is not None else {}
        size, seconds = float(given.get("BufferSizeInMBs", FUNCTION_MBS)), int(given.get("BufferIntervalInSeconds", FUNCTION_S))
    else:
        hints = (stream.destination if kind == OUT else bucket_of(stream, kind)).get("BufferingHints") or {}
        size, seconds = hints.get("SizeInMBs", DEFAULT_MBS), hints.get("IntervalInSeconds", DEFAULT_S)
    return size * MIB, seconds * 1000


def add(
    ctx: Context, stream: Stream, kind: str, records: list[bytes], *, part: str = "", at_ms: int = 0, origins: list[Origin] | None = None
) -> None:
    """Puts records into a lane, and into the next where it is full; `at_ms` is when the first of them arrived, if not now."""
    size, wait_ms = _hints(stream, kind)
    at_ms = at_ms or ctx.now
    at = 0
    while at < len(records):
        lane = LANES.get(ctx, stream.id, kind, part) or _opened(ctx, stream, kind, part, at_ms, wait_ms)
        end, filled = _room(records, at, lane.size, size)
        batch = encrypting.batch(ctx, stream, lane.id, tuple(records[at:end]), tuple(origins[at:end]) if origins else ())
        BATCHES.put(ctx, batch)
        lane = change(lane, size=filled, count=lane.count + end - at, since_ms=min(lane.since_ms, at_ms))
        if filled >= size or not wait_ms:
            _close(ctx, stream, lane)
        else:
            LANES.put(ctx, lane)
        at = end


def _opened(ctx: Context, stream: Stream, kind: str, part: str, at_ms: int, wait_ms: int) -> Lane:
    lane = Lane(stream=stream.id, kind=kind, part=part, id=ctx.tx.unique(), size=0, count=0, since_ms=at_ms)
    if wait_ms:
        ctx.later("firehose.close", {**where(stream), "kind": kind, "part": part, "lane": lane.id}, at_ms=ctx.now + wait_ms)
    return lane


def _room(records: list[bytes], at: int, filled: int, size: float) -> tuple[int, int]:
    """How far records go until a lane is full, and how much it then holds."""
    for end in range(at, len(records)):
        filled += len(records[end])
        if filled >= size:
            return end + 1, filled
    return len(records), filled


def _close(ctx: Context, stream: Stream, lane: Lane) -> None:
    """A lane becomes a parcel."""
    LANES.delete(ctx, lane)
    PARCELS.put(ctx, change(lane, closed_at_ms=ctx.now))
    ctx.later("firehose.deliver", {**where(stream), "parcel": lane.id})


@task("close")
def close(ctx: Context, payload: dict[str, Any]) -> Answer:
    """A lane's time is over."""
    stream = stream_of(ctx, payload)
    lane = LANES.get(ctx, stream.id, payload["kind"], payload["part"]) if stream is not None else None
    if stream is not None and lane is not None and lane.id == payload["lane"]:
        _close(ctx, stream, lane)
    return None


def records_of(ctx: Context, stream: Stream, parcel: Lane) -> Iterator[tuple[bytes, Origin | None]]:
    """The records of a parcel, in order."""
    for batch in BATCHES.scan(ctx, parcel.id):
        records, origins = encrypting.content(ctx, stream, batch)
        yield from zip(records, origins or [None] * len(records), strict=True)


def done(ctx: Context, parcel: Lane) -> None:
    """A parcel has been delivered, or given up."""
    PARCELS.delete(ctx, parcel)
    for batch in list(BATCHES.scan(ctx, parcel.id)):
        BATCHES.delete(ctx, batch)


def empty(ctx: Context, stream: Stream) -> bool:
    """Whether nothing of a stream waits or is on its way."""
    return next(LANES.scan(ctx, stream.id), None) is None and next(PARCELS.scan(ctx, stream.id), None) is None
