"""SubscribeToShard: records of a shard pushed to a consumer for five minutes.

One subscription of a consumer to a shard at a time: a newer one takes over (from five seconds on), and the older ends. Each may have
2 MiB a second, whoever else reads the shard. Where nothing comes, an empty event says every five seconds how far it is.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.flow import Flow
from fogbank.kernel.operation import Answer, Wait, operation
from fogbank.services.kinesis import metrics, reading, sequences, shards
from fogbank.services.kinesis.addresses import get_consumer, no_stream, shard_at
from fogbank.services.kinesis.consumers import consumer_at
from fogbank.services.kinesis.faults import absent, in_use, would_succeed
from fogbank.services.kinesis.iterators import place_of
from fogbank.services.kinesis.state import CONSUMERS, MIB, SHARDS, STREAMS, SUBSCRIPTIONS, Consumer, Shard, Stream, Subscription

LASTS_MS = 300_000
REST_MS = 5000
PULSE_MS = 5000
PAUSE_MS = 100
BYTES_PER_S = 2.0 * MIB
EVENT_RECORDS = 10_000


def _stream_at(ctx: Context, consumer: Consumer) -> Stream:
    """The stream of a consumer. Raises ResourceNotFoundException."""
    stream = STREAMS.get(ctx, consumer.account, consumer.region, consumer.stream_name)
    if stream is None or stream.id != consumer.stream:
        raise no_stream(consumer.account, consumer.stream_name)
    return stream


@operation("SubscribeToShard")
def subscribe_to_shard(ctx: Context, req: Any) -> Answer:
    """Pushes a shard's records to a consumer as they come, for up to five minutes, or until the end of a closed shard.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE; subscribed less than 5 s ago), InvalidArgumentException.
    Source: API reference, SubscribeToShard.
    """
    consumer = consumer_at(ctx, req.ConsumerARN)
    stream = _stream_at(ctx, consumer)
    if consumer.status != "ACTIVE":
        raise in_use(f"Consumer {consumer.name} is not ACTIVE, instead in state {consumer.status}.")
    shard = shard_at(ctx, stream, req.ShardId)
    start = req.StartingPosition
    place = place_of(ctx, stream, shard, start.Type, start.SequenceNumber, start.Timestamp)
    there = SUBSCRIPTIONS.get(ctx, consumer.id, shard.number)
    if there is not None and there.at_ms <= ctx.now < there.at_ms + REST_MS:
        raise in_use(f"Another active subscription exists for this consumer: {req.ConsumerARN} and shard: {req.ShardId}.")
    if req.DryRun:
        raise would_succeed()
    SUBSCRIPTIONS.put(ctx, Subscription(consumer.id, shard.number, ctx.request_id, ctx.now))
    metrics.tell(ctx, stream, consumer.name, SubscribeToShard__Success=1)
    subscribed = Subscribed(req.ConsumerARN, consumer.id, stream.id, shard.number, place, ctx.now, ctx.request_id)
    return {"EventStream": Flow(subscribed.next, subscribed.gone)}


class Subscribed:
    """A subscription while it lasts: the next place that it gives."""

    __slots__ = ("_arn", "_consumer", "_ends_at_ms", "_place", "_pulse_ms", "_request", "_shard", "_stream")

    def __init__(self, arn: str, consumer: int, stream: int, shard: int, place: int, now_ms: int, request: str) -> None:
        self._arn = arn
        self._consumer = consumer
        self._stream = stream
        self._shard = shard
        self._place = place
        self._ends_at_ms = now_ms + LASTS_MS
        self._pulse_ms = now_ms
        self._request = request

    def next(self, ctx: Context) -> tuple[list[dict[str, Any]], Wait | None]:
        """The next event, and when there may be another. Raises ResourceNotFoundException, ResourceInUseException, KMS's."""
        there = SUBSCRIPTIONS.get(ctx, self._consumer, self._shard)
        if there is not None and there.request != self._request:
            raise in_use(f"Another subscription has taken over for this consumer: {self._arn}.")
        if ctx.now >= self._ends_at_ms:
            return [], None
        consumer = get_consumer(ctx, self._arn)
        if consumer is None or consumer.status == "DELETING":
            raise absent("The consumer has been deregistered.")
        stream = _stream_at(ctx, consumer)
        shard = SHARDS.get(ctx, stream.id, self._shard)
        if shard is None:
            raise absent("The shard is past its retention.")
        return self._event(ctx, stream, consumer, shard)

    def _event(self, ctx: Context, stream: Stream, consumer: Consumer, shard: Shard) -> tuple[list[dict[str, Any]], Wait | None]:
        page = reading.page(ctx, stream, shard, self._place, EVENT_RECORDS, MIB)
        ended = bool(shard.closed_at_ms) and not page.more
        if not page.records and not ended and ctx.now < self._pulse_ms:
            return [], self._wait(shard)
        if page.records and not ctx.spend(f"kinesis:subscribed:{self._consumer}:{shard.id}", page.size, BYTES_PER_S, BYTES_PER_S):
            return [], Wait((SUBSCRIPTIONS.watch(self._consumer, self._shard),), min(ctx.now + PAUSE_MS, self._ends_at_ms))
        metrics.tell(
            ctx,
            stream,
            consumer.name,
            SubscribeToShardEvent__Bytes=page.size,
            SubscribeToShardEvent__Records=len(page.records),
            SubscribeToShardEvent__MillisBehindLatest=page.behind_ms,
            SubscribeToShardEvent__Success=1,
        )
        event = {
            "Records": page.records,
            "ContinuationSequenceNumber": sequences.shown(shard.created_at_ms, shard.number, max(page.next, shard.id)),
            "MillisBehindLatest": page.behind_ms,
        }
        if ended:
            event["ChildShards"] = shards.children(ctx, stream, shard)
        self._place, self._pulse_ms = page.next, ctx.now + PULSE_MS
        again = Wait((), ctx.now) if page.more else self._wait(shard)
        return [{"SubscribeToShardEvent": event}], None if ended else again

    def _wait(self, shard: Shard) -> Wait:
        watches = (*reading.watches(shard), SUBSCRIPTIONS.watch(self._consumer, self._shard), CONSUMERS.watch(self._stream))
        return Wait(watches, min(self._pulse_ms, self._ends_at_ms))

    def gone(self, ctx: Context) -> None:
        """The subscription is over; another may begin at once."""
        there = SUBSCRIPTIONS.get(ctx, self._consumer, self._shard)
        if there is not None and there.request == self._request:
            SUBSCRIPTIONS.delete(ctx, there)
