"""On-demand streams: hot shards are split, and what a stream has not needed for 30 days is merged again.

A shard that gets more than half of what it can take is split in half, but not within 15 minutes of being split off itself. A stream
none of whose shards got more than a quarter for 30 days goes back to half as many shards, down to four (or its warm throughput).

Source: developer guide, Choose the right streaming capacity mode.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.kinesis import ranges, shards
from fogbank.services.kinesis.addresses import stream_of, where
from fogbank.services.kinesis.state import BYTES_PER_S, DAY_MS, HOUR_MS, RECORDS_PER_S, STREAMS, Open, Stream
from fogbank.store import change

FEWEST_SHARDS, MOST_SHARDS = 4, 200
HOT_SHARE, BUSY_SHARE = 0.5, 0.25
REST_MS = 15 * 60_000
CALM_MS = 30 * DAY_MS


def follow(ctx: Context, stream: Stream, put: dict[int, tuple[Open, int, int]]) -> None:
    """Has shards that got too much split once this call is over. `put`: shards by number, with how many records and bytes they got."""
    hot, busy = [], False
    for number, (shard, count, size) in put.items():
        share = max(count / RECORDS_PER_S, size / BYTES_PER_S)
        if not ctx.spend(f"kinesis:busy:{shard.id}", share, BUSY_SHARE, BUSY_SHARE):
            busy = True
        if not ctx.spend(f"kinesis:hot:{shard.id}", share, HOT_SHARE, HOT_SHARE) and _rested(ctx, stream, shard):
            hot.append(number)
    splits = bool(hot) and not stream.scaling and len(stream.open) < MOST_SHARDS
    if not splits and not (busy and stream.busy_at_ms + HOUR_MS <= ctx.now):
        return
    stream = STREAMS.get(ctx, stream.account, stream.region, stream.name) or stream
    stream = change(stream, busy_at_ms=ctx.now) if busy else stream
    if splits:
        stream = change(stream, scaling=True)
        ctx.later("kinesis.scale", {**where(stream), "shards": hot})
    STREAMS.put(ctx, stream)


def _rested(ctx: Context, stream: Stream, shard: Open) -> bool:
    return shard.since_ms == stream.created_at_ms or shard.since_ms + REST_MS <= ctx.now


def calmed(ctx: Context, stream: Stream) -> Stream:
    """The stream, looked at in 30 days if it has more shards than it must."""
    if stream.calming or len(stream.open) <= _fewest(stream):
        return stream
    ctx.later("kinesis.calm", where(stream), at_ms=ctx.now + CALM_MS)
    return change(stream, calming=True)


def _fewest(stream: Stream) -> int:
    return max(FEWEST_SHARDS, stream.warm_mibps)


@task("scale")
def scale(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Splits an on-demand stream's hot shards in half."""
    stream = stream_of(ctx, payload)
    if stream is None:
        return None
    stream = change(stream, scaling=False)
    for number in payload["shards"] if stream.mode == "ON_DEMAND" and stream.status == "ACTIVE" else ():
        index = next((index for index, one in enumerate(stream.open) if one.number == number), None)
        if index is None or len(stream.open) >= MOST_SHARDS:
            continue
        at = ranges.middle(stream.open[index].low, shards.high_of(stream.open, index))
        if at != stream.open[index].low:
            stream = shards.taken(ctx, stream, ranges.Split(index, at))
    STREAMS.put(ctx, calmed(ctx, stream))
    return None


@task("calm")
def calm(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Halves the shards of an on-demand stream that has not needed them for 30 days; looks again later if it still has many."""
    stream = stream_of(ctx, payload)
    if stream is None:
        return None
    if stream.mode != "ON_DEMAND" or stream.status == "DELETING" or len(stream.open) <= _fewest(stream):
        STREAMS.put(ctx, change(stream, calming=False))
        return None
    if stream.busy_at_ms + CALM_MS > ctx.now:
        ctx.later("kinesis.calm", payload, at_ms=stream.busy_at_ms + CALM_MS)
        return None
    count = max(_fewest(stream), (len(stream.open) + 1) // 2)
    STREAMS.put(ctx, calmed(ctx, change(shards.scaled(ctx, stream, count), calming=False)))
    return None
