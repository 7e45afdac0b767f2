"""How streams, shards and consumers are named, and finding them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.kinesis.faults import absent, in_use, invalid, named
from fogbank.services.kinesis.state import CONSUMERS, SHARDS, STREAMS, Consumer, Shard, Stream

_resource = re.compile(r"stream/(?P<stream>[\w.-]{1,128})(?:/consumer/(?P<consumer>[\w.-]{1,128}):(?P<created_s>\d{1,12}))?", re.ASCII)
_shard = re.compile(r"shardId-(\d{12})").fullmatch


class Address(NamedTuple):
    account: str
    region: str
    name: str


class ConsumerAddress(NamedTuple):
    stream: Address
    name: str
    created_s: int


@lru_cache(4096)
def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:kinesis:{region}:{account}:stream/{name}"


def arn_of(stream: Stream) -> str:
    return arn(stream.account, stream.region, stream.name)


def arn_of_consumer(consumer: Consumer) -> str:
    stream = arn(consumer.account, consumer.region, consumer.stream_name)
    return f"{stream}/consumer/{consumer.name}:{consumer.created_at_ms // 1000}"


@lru_cache(4096)
def address(text: str) -> Address | ConsumerAddress | None:
    """What an ARN names: a stream or a consumer of one; None where neither."""
    parts = Arn.parse(text)
    if parts is None or parts.service != "kinesis":
        return None
    found = _resource.fullmatch(parts.resource)
    if found is None:
        return None
    stream = Address(parts.account, parts.region, found["stream"])
    return stream if found["consumer"] is None else ConsumerAddress(stream, found["consumer"], int(found["created_s"]))


# streams


def no_stream(account: str, name: str) -> ServiceException:
    return absent(f"Stream {name} under account {account} not found.")


def _address_of(ctx: Context, req: Any) -> Address:
    """The stream that a request names by ARN, by name, or by both. Raises InvalidArgumentException."""
    if getattr(req, "StreamId", None) is not None:
        raise NotImplementedOperation("kinesis", ctx.operation, "with StreamId, which AWS reserves for the future")
    text, name = req.StreamARN, getattr(req, "StreamName", None)
    if text is None:
        if name is None:
            raise invalid("Either StreamARN or StreamName must be specified.")
        return Address(ctx.account, ctx.region, name)
    where = address(text)
    if not isinstance(where, Address):
        raise invalid(f"StreamARN {text} is not a valid stream ARN.")
    if name is not None and name != where.name:
        raise invalid(f"StreamName {name} does not match the stream of StreamARN {text}.")
    return where


def stream_at(ctx: Context, req: Any) -> Stream:
    """The stream that a request names. Raises ResourceNotFoundException, InvalidArgumentException."""
    where = _address_of(ctx, req)
    stream = STREAMS.get(ctx, *where)
    if stream is None or stream.region != ctx.region:
        raise no_stream(where.account, where.name)
    return stream


def own_stream_at(ctx: Context, req: Any) -> Stream:
    """For operations to which a stream's own policy cannot let other accounts. Raises AccessDeniedException too."""
    stream = stream_at(ctx, req)
    if stream.account != ctx.account:
        raise ServiceException("AccessDeniedException", f"Operation {ctx.operation} is not supported across accounts.")
    return stream


def active_stream_at(ctx: Context, req: Any) -> Stream:
    """One's own stream, that is not being changed. Raises ResourceInUseException too."""
    stream = own_stream_at(ctx, req)
    check_active(stream)
    return stream


def check_active(stream: Stream) -> None:
    """Raises ResourceInUseException."""
    if stream.status != "ACTIVE":
        raise in_use(f"{named(stream).capitalize()} not ACTIVE, instead in state {stream.status}.")


def get_stream(ctx: Context, text: str) -> Stream | None:
    """The stream that an ARN names."""
    where = address(text)
    return STREAMS.get(ctx, *where) if isinstance(where, Address) else None


def where(stream: Stream) -> dict[str, Any]:
    """A stream in a task's payload."""
    return {"stream": [stream.account, stream.region, stream.name], "id": stream.id}


def stream_of(ctx: Context, payload: dict[str, Any]) -> Stream | None:
    """The stream that a task is about, if it is still there."""
    stream = STREAMS.get(ctx, *payload["stream"])
    return stream if stream is not None and stream.id == payload["id"] else None


# shards


def shard_name(number: int) -> str:
    return f"shardId-{number:012d}"


def read_shard(text: str) -> int:
    """The number in a shard's name; -1 where it is none."""
    found = _shard(text)
    return int(found[1]) if found is not None else -1


def shard_at(ctx: Context, stream: Stream, text: str) -> Shard:
    """A shard whose records have not all gone. Raises ResourceNotFoundException."""
    number = read_shard(text)
    shard = SHARDS.get(ctx, stream.id, number) if number >= 0 else None
    if shard is None or is_past(ctx, stream, shard):
        raise absent(f"Shard {text} in {named(stream)} does not exist")
    return shard


def horizon_ms(ctx: Context, stream: Stream) -> int:
    """Records that arrived before this instant are past their retention."""
    return max(ctx.now - stream.retention_h * 3_600_000, stream.readable_from_ms)


def is_past(ctx: Context, stream: Stream, shard: Shard) -> bool:
    """Whether a shard was closed so long ago that none of its records is left."""
    return bool(shard.closed_at_ms) and shard.closed_at_ms < horizon_ms(ctx, stream)


# consumers


def get_consumer(ctx: Context, text: str) -> Consumer | None:
    """The consumer that an ARN names, by its name and when it was made."""
    where = address(text)
    stream = STREAMS.get(ctx, *where.stream) if isinstance(where, ConsumerAddress) else None
    if stream is None or not isinstance(where, ConsumerAddress):
        return None
    consumer = CONSUMERS.get(ctx, stream.id, where.name)
    return consumer if consumer is not None and consumer.created_at_ms // 1000 == where.created_s else None
