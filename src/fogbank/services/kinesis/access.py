"""What requests are about, for the door: streams and consumers, their tags and policies."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.kinesis import iterators, shards
from fogbank.services.kinesis.addresses import Address, ConsumerAddress, address, arn, arn_of_consumer, get_consumer, get_stream
from fogbank.services.kinesis.state import CONSUMERS


def stream_of_request(ctx: Context, req: Any) -> str | None:
    """The ARN of the stream that a request names, by ARN, by name, or by what it goes on with."""
    for member in ("StreamARN", "ResourceARN"):
        text: str | None = getattr(req, member, None)
        if text is not None and isinstance(address(text), Address):
            return text
    if (name := getattr(req, "StreamName", None)) is not None:
        return arn(ctx.account, ctx.region, name)
    if (iterator := getattr(req, "ShardIterator", None)) is not None:
        return iterators.arn_of_iterator(ctx, iterator)
    if ctx.operation == "ListShards" and (token := getattr(req, "NextToken", None)) is not None:
        where = shards.address_of_page(token)
        return arn(*where) if where is not None else None
    return None


def consumer_of_request(ctx: Context, req: Any) -> str | None:
    """The ARN of the consumer that a request names, by ARN, or by its stream's and its name."""
    for member in ("ConsumerARN", "ResourceARN"):
        text: str | None = getattr(req, member, None)
        if text is not None and isinstance(address(text), ConsumerAddress):
            return text
    stream_arn, name = getattr(req, "StreamARN", None), getattr(req, "ConsumerName", None)
    if stream_arn is None or name is None:
        return None
    stream = get_stream(ctx, stream_arn)
    consumer = CONSUMERS.get(ctx, stream.id, name) if stream is not None else None
    return arn_of_consumer(consumer) if consumer is not None else f"{stream_arn}/consumer/{name}:0"


def tags_of(ctx: Context, text: str) -> dict[str, str] | None:
    found = get_stream(ctx, text) or get_consumer(ctx, text)
    return found.tags if found is not None else None


def policy_of(ctx: Context, text: str) -> str | None:
    found = get_stream(ctx, text) or get_consumer(ctx, text)
    return found.policy or None if found is not None else None
