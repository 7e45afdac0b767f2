"""Consumers: who reads a stream with a throughput of their own (enhanced fan-out)."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis.addresses import (
    Address,
    ConsumerAddress,
    address,
    arn,
    arn_of_consumer,
    get_consumer,
    get_stream,
    no_stream,
)
from fogbank.services.kinesis.faults import absent, in_use, invalid, named, too_many
from fogbank.services.kinesis.limits import committed
from fogbank.services.kinesis.state import CONSUMERS, Consumer, Stream
from fogbank.services.kinesis.tags import checked
from fogbank.store import change

CONSUMERS_LIMIT, ADVANTAGE_LIMIT = 20, 50
CREATING_LIMIT = 5
PAGE_LIMIT = 100


def _stream_of(ctx: Context, req: Any) -> Stream:
    """The stream of a request's StreamARN. Raises ResourceNotFoundException."""
    if req.StreamId is not None:
        raise NotImplementedOperation("kinesis", ctx.operation, "with StreamId, which AWS reserves for the future")
    stream = get_stream(ctx, req.StreamARN)
    if stream is None or stream.region != ctx.region or stream.account != ctx.account:
        where = address(req.StreamARN)
        raise no_stream(where.account, where.name) if isinstance(where, Address) else invalid(f"StreamARN {req.StreamARN} is not valid.")
    return stream


def consumer_at(ctx: Context, text: str) -> Consumer:
    """The consumer that an ARN names. Raises ResourceNotFoundException."""
    consumer = get_consumer(ctx, text)
    if consumer is None or consumer.region != ctx.region:
        where = address(text)
        raise absent(f"Consumer {where.name if isinstance(where, ConsumerAddress) else text} not found.")
    return consumer


def _consumer_of(ctx: Context, req: Any) -> Consumer:
    """The consumer that a request names by its ARN, or by its stream's and its name. Raises ResourceNotFoundException."""
    if req.ConsumerARN is not None:
        consumer = consumer_at(ctx, req.ConsumerARN)
        stream_arn = arn(consumer.account, consumer.region, consumer.stream_name)
        if req.StreamARN not in (None, stream_arn) or req.ConsumerName not in (None, consumer.name):
            raise invalid("ConsumerARN does not agree with StreamARN and ConsumerName.")
        return consumer
    if req.StreamARN is None or req.ConsumerName is None:
        raise invalid("Either ConsumerARN, or both StreamARN and ConsumerName must be specified.")
    stream = _stream_of(ctx, req)
    found = CONSUMERS.get(ctx, stream.id, req.ConsumerName)
    if found is None:
        raise absent(f"Consumer {req.ConsumerName} under {named(stream)} not found.")
    return found


def _described(consumer: Consumer) -> dict[str, Any]:
    return {
        "ConsumerName": consumer.name,
        "ConsumerARN": arn_of_consumer(consumer),
        "ConsumerStatus": consumer.status,
        "ConsumerCreationTimestamp": consumer.created_at_ms // 1000 * 1000,
    }


@operation("RegisterStreamConsumer")
def register_stream_consumer(ctx: Context, req: Any) -> Answer:
    """Registers a consumer with a stream: at most 20 (50 for an on-demand stream of a committed account). It is CREATING at first.

    Errors: ResourceNotFoundException, ResourceInUseException (it exists), LimitExceededException, InvalidArgumentException.
    Source: API reference, RegisterStreamConsumer.
    """
    stream = _stream_of(ctx, req)
    there = list(CONSUMERS.scan(ctx, stream.id))
    if any(one.name == req.ConsumerName for one in there):
        raise in_use(f"Consumer {req.ConsumerName} under {named(stream)} already exists.")
    limit = ADVANTAGE_LIMIT if stream.mode == "ON_DEMAND" and committed(ctx) else CONSUMERS_LIMIT
    if len(there) >= limit:
        raise too_many(f"Limit of {limit} consumers reached for {named(stream)}.")
    if sum(1 for one in there if one.status == "CREATING") >= CREATING_LIMIT:
        raise too_many(f"Limit of {CREATING_LIMIT} consumers in the CREATING state reached for {named(stream)}.")
    consumer = Consumer(
        stream=stream.id,
        name=req.ConsumerName,
        created_at_ms=ctx.now,
        status="CREATING",
        account=stream.account,
        region=stream.region,
        stream_name=stream.name,
        id=ctx.tx.unique(),
        tags=checked(req.Tags or {}, {}),
    )
    if req.Tags:
        ctx.authorize("kinesis:TagResource", arn_of_consumer(consumer))
    CONSUMERS.put(ctx, consumer)
    ctx.later("kinesis.settle_consumer", {"stream": stream.id, "name": consumer.name, "id": consumer.id})
    return {"Consumer": _described(consumer)}


@operation("DeregisterStreamConsumer")
def deregister_stream_consumer(ctx: Context, req: Any) -> Answer:
    """Takes a consumer away; its subscriptions end. Errors: ResourceNotFoundException, InvalidArgumentException.

    Source: API reference, DeregisterStreamConsumer.
    """
    consumer = _consumer_of(ctx, req)
    CONSUMERS.put(ctx, change(consumer, status="DELETING"))
    ctx.later("kinesis.settle_consumer", {"stream": consumer.stream, "name": consumer.name, "id": consumer.id})
    return None


@operation("DescribeStreamConsumer")
def describe_stream_consumer(ctx: Context, req: Any) -> Answer:
    """A consumer, by its ARN, or by its stream's ARN and its name.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, DescribeStreamConsumer.
    """
    consumer = _consumer_of(ctx, req)
    stream_arn = arn(consumer.account, consumer.region, consumer.stream_name)
    return {"ConsumerDescription": {**_described(consumer), "StreamARN": stream_arn}}


@operation("ListStreamConsumers")
def list_stream_consumers(ctx: Context, req: Any) -> Answer:
    """The consumers of a stream, by name; at most 100 a page.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, ListStreamConsumers.
    """
    stream = _stream_of(ctx, req)
    if req.StreamCreationTimestamp is not None and req.StreamCreationTimestamp // 1000 != stream.created_at_ms // 1000:
        raise no_stream(stream.account, stream.name)
    after = paging.place(req.NextToken, lambda: invalid("The NextToken is not valid."))
    listed, more = paging.page(CONSUMERS.scan(ctx, stream.id, after=after), min(req.MaxResults or PAGE_LIMIT, PAGE_LIMIT))
    return {"Consumers": [_described(one) for one in listed], "NextToken": paging.token(listed[-1].name) if more else None}
