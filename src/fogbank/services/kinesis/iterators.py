"""Shard iterators: places in shards, for five minutes."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import sequences
from fogbank.services.kinesis.addresses import Address, address, arn, no_stream, shard_at, stream_at
from fogbank.services.kinesis.faults import invalid, named, rate_exceeded, would_succeed
from fogbank.services.kinesis.state import BATCHES, STREAMS, Shard, Stream
from fogbank.store.vault import Vault

KEPT_MS = 300_000
ITERATORS_PER_S = 5.0
_HEAD = b"\0\0\0\0\0\0\0\x01"
_BOUND = b"kinesis:iterator"


class Iterator(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first place in a shard that it may give, and when it was made."""

    account: str
    region: str
    name: str
    stream: int
    shard: int
    place: int
    made_at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Iterator).decode


def token(ctx: Context, stream: Stream, shard: int, place: int) -> str:
    """An iterator, sealed under the cloud's root key: nobody else can make one."""
    content = _encode(Iterator(stream.account, stream.region, stream.name, stream.id, shard, place, ctx.now))
    return base64.b64encode(_HEAD + ctx.vault.seal(content, _BOUND)).decode()


@lru_cache(1024)
def _read(vault: Vault, text: str) -> Iterator | None:
    """What an iterator says; None where it is none of ours."""
    try:
        raw = base64.b64decode(text, validate=True)
        return _decode(vault.open(raw[len(_HEAD) :], _BOUND)) if raw.startswith(_HEAD) else None
    except (ValueError, binascii.Error):
        return None


def arn_of_iterator(ctx: Context, text: str) -> str | None:
    """The stream that an iterator reads, for the door."""
    found = _read(ctx.vault, text)
    return arn(found.account, found.region, found.name) if found is not None else None


def stream_of(ctx: Context, req: Any) -> tuple[Stream, Iterator]:
    """What a request's iterator reads. Raises InvalidArgumentException, ExpiredIteratorException, ResourceNotFoundException."""
    found = _read(ctx.vault, req.ShardIterator)
    if found is None:
        raise invalid("Invalid ShardIterator.")
    if req.StreamARN is not None and address(req.StreamARN) != Address(found.account, found.region, found.name):
        raise invalid("The ShardIterator does not belong to the stream of StreamARN.")
    if found.made_at_ms + KEPT_MS < ctx.now:
        raise ServiceException(
            "ExpiredIteratorException",
            f"Iterator expired. The iterator was created at time {_date(found.made_at_ms)} while right now it is {_date(ctx.now)} which is "
            f"further in the future than the tolerated delay of {KEPT_MS} milliseconds.",
        )
    stream = STREAMS.get(ctx, found.account, found.region, found.name)
    if stream is None or stream.id != found.stream or stream.region != ctx.region:
        raise no_stream(found.account, found.name)
    return stream, found


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")


@operation("GetShardIterator")
def get_shard_iterator(ctx: Context, req: Any) -> Answer:
    """An iterator of a shard, good for five minutes; five a second for each shard.

    LATEST gives what is put from now on; AT_TIMESTAMP what was put from an instant on.

    Errors: ResourceNotFoundException, InvalidArgumentException, ProvisionedThroughputExceededException.
    Source: API reference, GetShardIterator.
    """
    stream = stream_at(ctx, req)
    if stream.status == "CREATING":
        raise no_stream(stream.account, stream.name)
    shard = shard_at(ctx, stream, req.ShardId)
    place = place_of(ctx, stream, shard, req.ShardIteratorType, req.StartingSequenceNumber, req.Timestamp)
    if req.DryRun:
        raise would_succeed()
    if not ctx.spend(f"kinesis:iterators:{shard.id}", 1, ITERATORS_PER_S, ITERATORS_PER_S):
        raise rate_exceeded(stream, req.ShardId)
    return {"ShardIterator": token(ctx, stream, shard.number, place)}


def place_of(ctx: Context, stream: Stream, shard: Shard, kind: str, number: str | None, at_ms: int | None) -> int:
    """The first place that a starting position may give. Raises InvalidArgumentException."""
    if kind == "TRIM_HORIZON":
        return 0
    if kind == "LATEST":
        return shard.last if shard.closed_at_ms else ctx.tx.unique()
    if kind == "AT_TIMESTAMP":
        if at_ms is None:
            raise invalid("Must either specify timestamp with iterator type AT_TIMESTAMP.")
        if at_ms > ctx.now:
            raise invalid(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "
                f"timestampInMillis: {at_ms}, currentTimestampInMillis: {ctx.now}"
            )
        return since(ctx, shard, at_ms)
    if number is None:
        raise invalid(f"Must either specify sequence number with iterator type {kind}.")
    return _place(ctx, stream, shard, number) + (kind == "AFTER_SEQUENCE_NUMBER")


def _place(ctx: Context, stream: Stream, shard: Shard, number: str) -> int:
    """The place that a sequence number names. Raises InvalidArgumentException for one that cannot be of this shard."""
    read = sequences.read(number)
    known = read is not None and (read.shard, read.made_s) == (shard.number, shard.created_at_ms // 1000)
    if read is None or not known or not shard.id <= read.place <= (shard.last or ctx.tx.unique()):
        raise invalid(
            f"StartingSequenceNumber {number} used in {ctx.operation} on shard shardId-{shard.number:012d} in {named(stream)} is invalid."
        )
    return read.place


def since(ctx: Context, shard: Shard, at_ms: int) -> int:
    """The first place in a shard that was filled at an instant or later. Places grow with time, so it is found by halving."""
    low, high = shard.id, shard.last or ctx.tx.unique()
    while low < high:
        middle = (low + high) // 2
        batch = next(BATCHES.scan(ctx, shard.id, at=middle), None)
        if batch is None or batch.at_ms >= at_ms:
            high = middle
        else:
            low = batch.first + batch.count
    return low
