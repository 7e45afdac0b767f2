"""Streams written: records, the shards that they go to, and what becomes of them in 24 hours.

Source: developer guide, Change data capture for DynamoDB Streams. A shard stays open for four hours, as DynamoDB's do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import bodies, capacity, values
from fogbank.services.dynamodb.addresses import Address, arn
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.state import StreamSetting, Table
from fogbank.services.dynamodb.timeline import DAY_MS, RECORDS, SHARDS, STREAMS, Entry, Open, Shard, Stream
from fogbank.store import change as altered

if TYPE_CHECKING:
    from fogbank.services.dynamodb.changes import Change

KEPT_MS = DAY_MS
SHARD_MS = 4 * 3_600_000
UNITS_PER_S = 1000.0
"""What a partition of a table can write; a shard of its stream that gets more is split."""
BURST_S = 10.0
SHARDS_LIMIT = 64
FIRST, END = "00000000", "g"
PORTION = 500
PAUSE_MS = 60_000


def arn_of(stream: Stream) -> str:
    return f"{arn(stream.account, stream.region, stream.table)}/stream/{stream.label}"


# enabled and disabled


def specified(ctx: Context, table: Table, specification: Any) -> Table:
    """The table with the stream of a StreamSpecification, or without one. Raises ValidationException."""
    there = table.stream is not None and table.stream.enabled
    if not specification.StreamEnabled:
        if specification.StreamViewType is not None:
            raise invalid_values("StreamViewType must not be specified when StreamEnabled is false")
        if not there:
            if table.status == "CREATING":
                return table
            raise invalid(f"Table has no stream to disable: TableName: {table.name}")
        if table.group:
            raise invalid(f"Streams cannot be disabled for a table that has replicas: TableName: {table.name}")
        return disabled(ctx, table)
    if specification.StreamViewType is None:
        raise invalid_values("StreamViewType must be specified when StreamEnabled is true")
    if there:
        raise invalid(f"Table already has an enabled stream: TableName: {table.name}")
    return enabled(ctx, table, specification.StreamViewType)


def enabled(ctx: Context, table: Table, view: str) -> Table:
    """The table with a new stream."""
    at_ms = ctx.now
    while STREAMS.get(ctx, table.account, table.region, table.name, label := _label(at_ms)) is not None:
        at_ms += 1
    number = ctx.tx.unique()
    stream = Stream(
        account=table.account,
        region=table.region,
        table=table.name,
        label=label,
        number=number,
        view=view,
        source=table,
        created_at_ms=ctx.now,
        open=(),
    )
    count = max(1, -(-table.throughput.write // int(UNITS_PER_S)))
    bounds = [f"{(n << 32) // count:08x}" for n in range(count)]
    spans = zip(bounds, [*bounds[1:], END], strict=True)
    STREAMS.put(ctx, altered(stream, open=tuple(_opened(ctx, stream, "", low, high) for low, high in spans)))
    return altered(table, stream=StreamSetting(number, label, view, enabled=True))


def _label(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03}"


def disabled(ctx: Context, table: Table) -> Table:
    """The table with its stream closed; it can be read for 24 hours more."""
    setting = table.stream
    stream = STREAMS.get(ctx, table.account, table.region, table.name, setting.label) if setting is not None else None
    if setting is None or stream is None or not setting.enabled:
        return table
    for one in stream.open:
        _close(ctx, stream, one)
    STREAMS.put(ctx, altered(stream, open=(), disabled_at_ms=ctx.now, trimming=True))
    _trim_later(ctx, stream, ctx.now + KEPT_MS)
    return altered(table, stream=altered(setting, enabled=False))


# shards


def _opened(ctx: Context, stream: Stream, parent: str, low: str, high: str) -> Open:
    number = ctx.tx.unique()
    SHARDS.put(ctx, Shard(stream=stream.number, number=number, id=f"shardId-{ctx.now:020d}-{number & 0xFFFFFFFF:08x}", parent=parent))
    return Open(number, low, high, ctx.now)


def _close(ctx: Context, stream: Stream, one: Open) -> Shard:
    shard = SHARDS.get(ctx, stream.number, one.shard)
    assert shard is not None
    newest = next(RECORDS.scan(ctx, one.shard, reverse=True), None)
    shard = altered(shard, closed_at_ms=ctx.now, last=newest.sequence if newest is not None else ctx.tx.unique())
    SHARDS.put(ctx, shard)
    return shard


def _succeeded(ctx: Context, stream: Stream, one: Open, *, split: bool) -> Stream:
    """The stream with a shard's child in its place, or its two children."""
    parent = _close(ctx, stream, one).id
    low, high = int(one.low, 16), 1 << 32 if one.high == END else int(one.high, 16)
    bounds = [one.low, one.high]
    if split and high - low > 1:
        bounds.insert(1, f"{(low + high) // 2:08x}")
    children = [_opened(ctx, stream, parent, a, b) for a, b in pairwise(bounds)]
    there = [other for other in stream.open if other.shard != one.shard]
    return altered(stream, open=tuple(sorted([*there, *children], key=lambda other: other.low)))


# records


def follow(ctx: Context, table: Table, setting: StreamSetting, change: Change, row: Row | None) -> None:
    """Writes down a change. `row` is the item as it is stored now."""
    shard = _shard_for(ctx, table, setting, change)
    item = change.new if change.new is not None else change.old
    assert item is not None
    keys = change.schema.key_of(item)
    old = change.row if setting.view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES") else None
    new = row if setting.view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES") else None
    RECORDS.put(
        ctx,
        Entry(
            shard,
            ctx.tx.unique(),
            ctx.now,
            "INSERT" if change.row is None else "MODIFY" if row is not None else "REMOVE",
            bodies.packed(ctx, table, keys),
            old.body if old is not None else b"",
            new.body if new is not None else b"",
            values.size(keys) + (old.size if old is not None else 0) + (new.size if new is not None else 0),
            change.by,
        ),
    )


def _shard_for(ctx: Context, table: Table, setting: StreamSetting, change: Change) -> int:
    """The shard that a change goes to; one that has had its time, or too much, first makes room for its children."""
    stream = before = STREAMS.get(ctx, table.account, table.region, table.name, setting.label)
    assert stream is not None
    place = change.place[0]
    one = _open_at(stream, place)
    if table.encryption is not None and table.encryption != stream.source.encryption:
        stream = altered(stream, source=table)
    units = capacity.written(max(change.old_size, change.size))
    hot = not ctx.spend(f"dynamodb:shard:{one.shard}", units, UNITS_PER_S, UNITS_PER_S * BURST_S)
    if (hot and len(stream.open) < SHARDS_LIMIT) or one.since_ms + SHARD_MS <= ctx.now:
        stream = _succeeded(ctx, stream, one, split=hot)
        one = _open_at(stream, place)
    if not stream.trimming:
        stream = altered(stream, trimming=True)
        _trim_later(ctx, stream, ctx.now + KEPT_MS)
    if stream is not before:
        STREAMS.put(ctx, stream)
    return one.shard


def _open_at(stream: Stream, place: str) -> Open:
    return next(one for one in stream.open if one.low <= place < one.high)


# 24 hours later


def _trim_later(ctx: Context, stream: Stream, at_ms: int) -> None:
    where = Address(stream.account, stream.region, stream.table)
    ctx.later("dynamodb.trim_stream", {"where": where, "label": stream.label}, at_ms=at_ms)


@task("trim_stream")
def trim_stream(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes records older than 24 hours, shards that were closed before that, and a stream that was disabled before that."""
    stream = STREAMS.get(ctx, *payload["where"], payload["label"])
    if stream is None:
        return None
    horizon_ms = ctx.now - KEPT_MS
    left, oldest_ms = PORTION, None
    for shard in list(SHARDS.scan(ctx, stream.number)):
        gone: Entry | None = None
        kept = False
        for record in islice(RECORDS.scan(ctx, shard.number), left + 1):
            if record.at_ms > horizon_ms or not left:
                kept = True
                oldest_ms = record.at_ms if oldest_ms is None else min(oldest_ms, record.at_ms)
                break
            RECORDS.delete(ctx, record)
            gone = record
            left -= 1
        if shard.closed_at_ms and not kept and shard.closed_at_ms <= horizon_ms:
            SHARDS.delete(ctx, shard)
        elif gone is not None:
            SHARDS.put(ctx, altered(shard, trimmed=gone.sequence))
    if stream.disabled_at_ms and stream.disabled_at_ms <= horizon_ms and oldest_ms is None:
        STREAMS.delete(ctx, stream)
    elif oldest_ms is not None:
        due_ms = oldest_ms + KEPT_MS
        _trim_later(ctx, stream, due_ms if due_ms <= ctx.now else max(due_ms, ctx.now + PAUSE_MS))
    elif stream.disabled_at_ms:
        _trim_later(ctx, stream, stream.disabled_at_ms + KEPT_MS)
    else:
        STREAMS.put(ctx, altered(stream, trimming=False))
    return None
