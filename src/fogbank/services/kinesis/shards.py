"""Shards: opened, closed, split and merged, listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import ranges, sequences
from fogbank.services.kinesis.addresses import (
    Address,
    active_stream_at,
    arn,
    arn_of,
    horizon_ms,
    is_past,
    no_stream,
    read_shard,
    shard_at,
    shard_name,
    stream_at,
    where,
)
from fogbank.services.kinesis.faults import invalid, named, too_many
from fogbank.services.kinesis.limits import SHARD_LIMIT
from fogbank.services.kinesis.state import DAY_MS, SHARDS, STREAMS, Open, Shard, Stream
from fogbank.store import change

PAGE_LIMIT = 1000
TOKEN_MS = 300_000
SPACE = 1 << 40
"""Beyond every shard's number."""
SCALINGS_LIMIT = 10
STREAM_SHARD_LIMIT = 10_000


# opened and closed


def opened(ctx: Context, stream: Stream, number: int, low: bytes, high: bytes, parent: int = -1, adjacent: int = -1) -> Open:
    """A new shard over a range that nobody has now."""
    shard = Shard(
        stream=stream.id,
        number=number,
        id=ctx.tx.unique(),
        low=low,
        high=high,
        created_at_ms=ctx.now,
        parent=parent,
        adjacent=adjacent,
    )
    SHARDS.put(ctx, shard)
    return Open(low, number, shard.id, ctx.now)


def _close(ctx: Context, stream: Stream, number: int) -> None:
    shard = SHARDS.get(ctx, stream.id, number)
    assert shard is not None
    SHARDS.put(ctx, change(shard, closed_at_ms=ctx.now, last=ctx.tx.unique()))


def taken(ctx: Context, stream: Stream, *steps: ranges.Step) -> Stream:
    """The stream after splits and merges, one after the other."""
    there, number = list(stream.open), stream.shards
    for step in steps:
        at, split = step.position, isinstance(step, ranges.Split)
        closing = there[at : at + 1] if split else there[at : at + 2]
        low, high = closing[0].low, high_of(there, at + len(closing) - 1)
        spans = [(low, ranges.before(step.at)), (step.at, high)] if isinstance(step, ranges.Split) else [(low, high)]
        for one in closing:
            _close(ctx, stream, one.number)
        parent, adjacent = closing[0].number, -1 if split else closing[1].number
        there[at : at + len(closing)] = [opened(ctx, stream, n, *span, parent, adjacent) for n, span in enumerate(spans, number)]
        number += len(spans)
    return change(stream, open=tuple(there), shards=number)


def high_of(there: Sequence[Open], index: int) -> bytes:
    """The last hash of an open shard."""
    return ranges.before(there[index + 1].low) if index + 1 < len(there) else ranges.LAST


def scaled(ctx: Context, stream: Stream, count: int) -> Stream:
    """The stream with so many equal open shards."""
    return taken(ctx, stream, *ranges.steps([one.low for one in stream.open], ranges.even(count)))


def changing(ctx: Context, stream: Stream) -> None:
    """Puts a stream that is UPDATING from now until what was asked for has been done."""
    STREAMS.put(ctx, change(stream, status="UPDATING"))
    ctx.later("kinesis.settle", where(stream))


def check_limit(ctx: Context, account: str, region: str, further: int) -> None:
    """Raises LimitExceededException where the account would have more shards than it may."""
    there = sum(len(stream.open) for stream in STREAMS.scan(ctx, account, region))
    if there + further > SHARD_LIMIT:
        raise too_many(
            f"This request would exceed the shard limit for the account {account} in {region}. Current shard count for the account: "
            f"{there}. Limit: {SHARD_LIMIT}. Number of additional shards that would have resulted from this request: {further}. Refer to "
            "the AWS Service Limits page (https://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and "
            "how to request higher limits."
        )


# split, merged, counted


def _provisioned(stream: Stream, operation: str) -> None:
    if stream.mode != "PROVISIONED":
        raise ServiceException(
            "ValidationException", f"Request is invalid. Stream {stream.name} under account {stream.account} is in On-Demand mode; "
            f"{operation} is only supported in Provisioned mode."
        )  # fmt: skip


def _open_index(ctx: Context, stream: Stream, text: str) -> int:
    """Where an open shard stands. Raises ResourceNotFoundException, InvalidArgumentException."""
    shard = shard_at(ctx, stream, text)
    for index, one in enumerate(stream.open):
        if one.number == shard.number:
            return index
    raise invalid(f"Shard {text} in {named(stream)} has already been merged or split, and thus is not eligible for merging or splitting.")


@operation("SplitShard")
def split_shard(ctx: Context, req: Any) -> Answer:
    """Closes an open shard and opens two in its place; the second begins at NewStartingHashKey, more than one past the first's start.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException, LimitExceededException.
    Source: API reference, SplitShard.
    """
    stream = active_stream_at(ctx, req)
    _provisioned(stream, "SplitShard")
    index = _open_index(ctx, stream, req.ShardToSplit)
    low, high = ranges.number(stream.open[index].low), ranges.number(high_of(stream.open, index))
    at = int(req.NewStartingHashKey)
    if not low + 1 < at < high:
        raise invalid(
            f"NewStartingHashKey {at} used in SplitShard() on shard {req.ShardToSplit} in {named(stream)} is not both greater than one "
            f"plus the shard's StartingHashKey {low} and less than the shard's EndingHashKey {high - 1}."
        )
    check_limit(ctx, stream.account, stream.region, 1)
    changing(ctx, taken(ctx, stream, ranges.Split(index, ranges.packed(at))))
    return None


@operation("MergeShards")
def merge_shards(ctx: Context, req: Any) -> Answer:
    """Closes two open shards whose ranges are neighbours, and opens one in their place.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException. Source: API reference, MergeShards.
    """
    stream = active_stream_at(ctx, req)
    _provisioned(stream, "MergeShards")
    indexes = [_open_index(ctx, stream, text) for text in (req.ShardToMerge, req.AdjacentShardToMerge)]
    if abs(indexes[0] - indexes[1]) != 1:
        raise invalid(
            f"Shards {req.ShardToMerge} and {req.AdjacentShardToMerge} in {named(stream)} are not an adjacent pair of shards eligible "
            "for merging"
        )
    changing(ctx, taken(ctx, stream, ranges.Merge(min(indexes))))
    return None


@operation("UpdateShardCount")
def update_shard_count(ctx: Context, req: Any) -> Answer:
    """Splits and merges until there are so many equal shards: at most double, at least half of what there are, never more
    than 10,000; ten times in 24 hours.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException, LimitExceededException.
    Source: API reference, UpdateShardCount.
    """
    stream = active_stream_at(ctx, req)
    _provisioned(stream, "UpdateShardCount")
    count, target = len(stream.open), req.TargetShardCount
    where = f"Current open shard count: {count} Target shard count: {target}"
    if target > 2 * count:
        raise too_many(f"UpdateShardCount cannot scale up over double your current open shard count. {where}")
    if 2 * target < count:
        raise too_many(f"UpdateShardCount cannot scale down below half your current open shard count. {where}")
    if target > STREAM_SHARD_LIMIT:
        raise too_many(f"UpdateShardCount cannot scale up to more than {STREAM_SHARD_LIMIT} shards. {where}")
    lately = tuple(at_ms for at_ms in stream.scaled_at_ms if at_ms + DAY_MS > ctx.now)
    if len(lately) >= SCALINGS_LIMIT:
        raise too_many(f"{named(stream).capitalize()} has been scaled {SCALINGS_LIMIT} times in the last 24 hours.")
    check_limit(ctx, stream.account, stream.region, target - count)
    changing(ctx, scaled(ctx, change(stream, scaled_at_ms=(*lately, ctx.now)), target))
    return {"StreamName": stream.name, "StreamARN": arn_of(stream), "CurrentShardCount": count, "TargetShardCount": target}


# listed


def there(ctx: Context, stream: Stream, after: int = -1) -> Iterator[Shard]:
    """The shards of a stream that may have records."""
    return (shard for shard in SHARDS.scan(ctx, stream.id, after=after) if not is_past(ctx, stream, shard))


def described(shard: Shard) -> dict[str, Any]:
    """A shard as listings have it."""
    numbers = {"StartingSequenceNumber": sequences.shown(shard.created_at_ms, shard.number, shard.id)}
    if shard.closed_at_ms:
        numbers["EndingSequenceNumber"] = sequences.shown(shard.created_at_ms, shard.number, shard.last)
    answer: dict[str, Any] = {"ShardId": shard_name(shard.number), "HashKeyRange": hash_range(shard), "SequenceNumberRange": numbers}
    if shard.parent >= 0:
        answer["ParentShardId"] = shard_name(shard.parent)
    if shard.adjacent >= 0:
        answer["AdjacentParentShardId"] = shard_name(shard.adjacent)
    return answer


def hash_range(shard: Shard) -> dict[str, str]:
    return {"StartingHashKey": str(ranges.number(shard.low)), "EndingHashKey": str(ranges.number(shard.high))}


def children(ctx: Context, stream: Stream, shard: Shard) -> list[dict[str, Any]]:
    """The shards that came after a closed one."""
    return [
        {
            "ShardId": shard_name(child.number),
            "ParentShards": [shard_name(number) for number in (child.parent, child.adjacent) if number >= 0],
            "HashKeyRange": hash_range(child),
        }
        for child in SHARDS.scan(ctx, stream.id, after=shard.number)
        if shard.number in (child.parent, child.adjacent)
    ]


class _Page(msgspec.Struct, array_like=True):
    """What a NextToken says: where the listing goes on, of which stream, until when."""

    account: str
    region: str
    name: str
    id: int
    after: int
    kind: str
    at_ms: int
    until_ms: int


_read_page = msgspec.json.Decoder(_Page).decode

FILTERS: dict[str, Callable[[Shard, int], bool]] = {
    "AT_TRIM_HORIZON": lambda shard, at_ms: shard.created_at_ms <= at_ms and not 0 < shard.closed_at_ms < at_ms,
    "FROM_TRIM_HORIZON": lambda shard, at_ms: True,
    "AT_LATEST": lambda shard, at_ms: not shard.closed_at_ms,
    "AT_TIMESTAMP": lambda shard, at_ms: shard.created_at_ms <= at_ms and not 0 < shard.closed_at_ms < at_ms,
    "FROM_TIMESTAMP": lambda shard, at_ms: not 0 < shard.closed_at_ms < at_ms,
}
"""Which shards a listing has, by ShardFilter's Type; AFTER_SHARD_ID is a place to begin at."""


@operation("ListShards")
def list_shards(ctx: Context, req: Any) -> Answer:
    """The shards of a stream, also the closed ones that may have records, by name; at most 1,000 a page. A token is good for 300 s.

    Errors: ResourceNotFoundException, InvalidArgumentException, ExpiredNextTokenException. Source: API reference, ListShards.
    """
    stream, page = _next_page(ctx, req) if req.NextToken is not None else _first_page(ctx, req)
    wanted = FILTERS[page.kind]
    found = (shard for shard in there(ctx, stream, page.after) if wanted(shard, page.at_ms))
    listed, more = paging.page(found, min(req.MaxResults or PAGE_LIMIT, PAGE_LIMIT))
    token = None
    if more:
        page.after, page.until_ms = listed[-1].number, ctx.now + TOKEN_MS
        token = paging.token(msgspec.json.encode(page).decode())
    return {"Shards": [described(shard) for shard in listed], "NextToken": token}


def _first_page(ctx: Context, req: Any) -> tuple[Stream, _Page]:
    stream = stream_at(ctx, req)
    if req.StreamCreationTimestamp is not None and req.StreamCreationTimestamp // 1000 != stream.created_at_ms // 1000:
        raise no_stream(stream.account, stream.name)
    kind, at_ms, start = "FROM_TRIM_HORIZON", 0, req.ExclusiveStartShardId
    chosen = req.ShardFilter
    if chosen is not None:
        if chosen.Type == "AFTER_SHARD_ID":
            if chosen.ShardId is None:
                raise invalid("ShardId must be specified when the shard filter type is AFTER_SHARD_ID.")
            start = chosen.ShardId
        else:
            kind = chosen.Type
            at_ms = _instant(ctx, stream, chosen)
    after = read_shard(start) if start is not None else -1
    if start is not None and after < 0:
        raise invalid(f"Shard id {start} is not valid.")
    return stream, _Page(stream.account, stream.region, stream.name, stream.id, after, kind, at_ms, 0)


def _instant(ctx: Context, stream: Stream, chosen: Any) -> int:
    """Of when the shards are wanted."""
    oldest_ms = max(horizon_ms(ctx, stream), stream.created_at_ms)
    if not chosen.Type.endswith("_TIMESTAMP"):
        return oldest_ms
    if chosen.Timestamp is None:
        raise invalid(f"Timestamp must be specified when the shard filter type is {chosen.Type}.")
    if chosen.Timestamp > ctx.now:
        raise invalid("The timestamp in the shard filter must not be in the future.")
    return max(int(chosen.Timestamp), oldest_ms)


def _next_page(ctx: Context, req: Any) -> tuple[Stream, _Page]:
    if any(given is not None for given in (req.StreamName, req.StreamCreationTimestamp, req.ExclusiveStartShardId)):
        raise invalid("NextToken and StreamName cannot be provided together.")
    page = page_of(req.NextToken)
    if req.StreamARN not in (None, arn(page.account, page.region, page.name)):
        raise invalid("The NextToken does not belong to the stream of StreamARN.")
    if page.until_ms < ctx.now:
        raise ServiceException("ExpiredNextTokenException", "The pagination token passed to the operation is expired.")
    stream = own_or_shared(ctx, page)
    return stream, page


def page_of(token: str) -> _Page:
    """Raises InvalidArgumentException for a token that we did not make."""
    text = paging.place(token, lambda: invalid("The NextToken is not valid."))
    try:
        page = _read_page(text or "")
    except msgspec.MsgspecError:
        raise invalid("The NextToken is not valid.") from None
    if page.kind not in FILTERS or not -1 <= page.after < SPACE:
        raise invalid("The NextToken is not valid.")
    return page


def own_or_shared(ctx: Context, page: _Page) -> Stream:
    stream = STREAMS.get(ctx, page.account, page.region, page.name)
    if stream is None or stream.id != page.id or stream.region != ctx.region:
        raise no_stream(page.account, page.name)
    return stream


def address_of_page(token: str) -> Address | None:
    """The stream whose listing a token goes on with, for the door."""
    try:
        page = page_of(token)
    except ServiceException:
        return None
    return Address(page.account, page.region, page.name)
