"""What happens with time: states that were on their way arrive, old records are trimmed, what is abandoned cleared up."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.kinesis.addresses import horizon_ms, is_past, stream_of
from fogbank.services.kinesis.state import (
    BATCHES,
    CONSUMERS,
    DATA_KEYS,
    HOUR_MS,
    KEYS_IN_USE,
    SHARDS,
    STREAMS,
    SUBSCRIPTIONS,
)
from fogbank.store import change

PORTION = 500
"""Rows deleted in one transaction, so that other calls get their turn."""
PAUSE_MS = 60_000


@task("settle")
def settle(ctx: Context, payload: dict[str, Any]) -> Answer:
    """CREATING and UPDATING become ACTIVE, DELETING nothing."""
    stream = stream_of(ctx, payload)
    if stream is None:
        return None
    if stream.status != "DELETING":
        STREAMS.put(ctx, change(stream, status="ACTIVE"))
        return None
    STREAMS.delete(ctx, stream)
    for consumer in list(CONSUMERS.scan(ctx, stream.id)):
        _forget(ctx, stream.id, consumer.name)
    ctx.later("kinesis.drop", {"id": stream.id})
    return None


@task("settle_consumer")
def settle_consumer(ctx: Context, payload: dict[str, Any]) -> Answer:
    """CREATING becomes ACTIVE, DELETING nothing."""
    consumer = CONSUMERS.get(ctx, payload["stream"], payload["name"])
    if consumer is None or consumer.id != payload["id"]:
        return None
    if consumer.status == "DELETING":
        _forget(ctx, consumer.stream, consumer.name)
    else:
        CONSUMERS.put(ctx, change(consumer, status="ACTIVE"))
    return None


def _forget(ctx: Context, stream: int, name: str) -> None:
    consumer = CONSUMERS.get(ctx, stream, name)
    if consumer is not None:
        CONSUMERS.delete(ctx, consumer)
        for subscription in list(SUBSCRIPTIONS.scan(ctx, consumer.id)):
            SUBSCRIPTIONS.delete(ctx, subscription)


@task("trim")
def trim(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes records past their retention, and shards that were closed before that; comes again when the oldest of the others is."""
    stream = stream_of(ctx, payload)
    if stream is None or payload.get("trim", 0) != stream.trim:
        return None
    oldest_ms = horizon_ms(ctx, stream)
    left, next_ms = PORTION, None
    for shard in list(SHARDS.scan(ctx, stream.id)):
        kept = None
        for batch in islice(BATCHES.scan(ctx, shard.id), left + 1):
            if batch.at_ms >= oldest_ms or not left:
                kept = batch
                break
            BATCHES.delete(ctx, batch)
            left -= 1
        if kept is not None:
            next_ms = kept.at_ms if next_ms is None else min(next_ms, kept.at_ms)
        elif is_past(ctx, stream, shard):
            SHARDS.delete(ctx, shard)
        elif shard.closed_at_ms:
            next_ms = shard.closed_at_ms if next_ms is None else min(next_ms, shard.closed_at_ms)
    if next_ms is None:
        STREAMS.put(ctx, change(stream, trimming=False))
        return None
    due_ms = next_ms + stream.retention_h * HOUR_MS + 1
    ctx.later("kinesis.trim", payload, at_ms=due_ms if due_ms <= ctx.now else max(due_ms, ctx.now + PAUSE_MS))
    return None


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what a stream that is gone held."""
    left = PORTION
    for shard in list(SHARDS.scan(ctx, payload["id"])):
        batches = list(islice(BATCHES.scan(ctx, shard.id), left))
        for batch in batches:
            BATCHES.delete(ctx, batch)
        left -= len(batches)
        if not left:
            ctx.later("kinesis.drop", payload)
            return None
        SHARDS.delete(ctx, shard)
    for key in list(DATA_KEYS.scan(ctx, payload["id"])):
        DATA_KEYS.delete(ctx, key)
    for used in list(KEYS_IN_USE.scan(ctx, payload["id"])):
        KEYS_IN_USE.delete(ctx, used)
    return None
