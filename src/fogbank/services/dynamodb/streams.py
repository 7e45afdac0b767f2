"""DynamoDB Streams: what happened to a table's items, read shard by shard.

An iterator is a place in a shard, for 15 minutes: it carries the sequence number of the first record that it may give.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import bodies
from fogbank.services.dynamodb.expiring import BY_TTL
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.streaming import KEPT_MS, arn_of
from fogbank.services.dynamodb.timeline import RECORDS, SHARDS, SHARDS_BY_ID, STREAMS, Entry, Shard, Stream

ITERATOR_MS = 900_000
PAGE_LIMIT = 100
RECORDS_LIMIT = 1000
RECORDS_BYTES = 1 << 20
_SHIFT = 10**20
"""Added to a sequence number, so that all have 21 digits: they sort as text and as numbers."""
_iterator = re.compile(r"(arn:[^|]+/stream/[^|]+)\|1\|([\w=-]+)").fullmatch
_place = re.compile(r"(\d+):(\d+):(\d+)").fullmatch


def shown(sequence: int) -> str:
    return str(_SHIFT + sequence)


def get_stream(ctx: Context, text: str) -> Stream | None:
    """The stream that an ARN names, while it can be read."""
    parts = Arn.parse(text)
    named = parts.resource.split("/") if parts is not None else []
    if parts is None or len(named) != 4 or named[2] != "stream":
        return None
    stream = STREAMS.get(ctx, parts.account, parts.region, named[1], named[3])
    return stream if stream is not None and not (stream.disabled_at_ms and stream.disabled_at_ms + KEPT_MS <= ctx.now) else None


def policy_of(ctx: Context, text: str) -> str | None:
    stream = get_stream(ctx, text)
    return stream.policy or None if stream is not None else None


def of_request(ctx: Context, req: Any) -> str | None:
    """The stream that a request is about: named, or read by an iterator."""
    for member in ("StreamArn", "ResourceArn"):
        text: str | None = getattr(req, member, None)
        if text is not None:
            return text if "/stream/" in text else None
    token: str | None = getattr(req, "ShardIterator", None)
    return stream_of_iterator(token) if token is not None else None


def stream_at(ctx: Context, text: str) -> Stream:
    """Raises ResourceNotFoundException; a stream is read in its own region."""
    stream = get_stream(ctx, text)
    if stream is None or stream.region != ctx.region:
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Stream: {text} not found")
    return stream


def _limit(given: int | None, most: int) -> int:
    """How much of a listing a request wants. Raises ValidationException."""
    if given is not None and given > most:
        raise invalid(
            f"1 validation error detected: Value '{given}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {most}"
        )
    return given or most


def _gone(ctx: Context, shard: Shard) -> bool:
    """Whether a shard was closed so long ago that none of its records is left."""
    return bool(shard.closed_at_ms) and shard.closed_at_ms + KEPT_MS <= ctx.now


@operation("ListStreams")
def list_streams(ctx: Context, req: Any) -> Answer:
    """The streams of the region's tables, or of one table, at most 100 a page; disabled ones for 24 hours.

    Errors: ResourceNotFoundException. Source: API reference, ListStreams.
    """
    after: dict[str, Any] = {}
    prefix = [ctx.account, ctx.region, *([req.TableName] if req.TableName is not None else [])]
    if req.ExclusiveStartStreamArn is not None:
        start = stream_at(ctx, req.ExclusiveStartStreamArn)
        after = {"after": (start.table, start.label) if req.TableName is None else start.label}
    found = STREAMS.scan(ctx, *prefix, **after)
    streams, more = paging.page((s for s in found if get_stream(ctx, arn_of(s)) is not None), _limit(req.Limit, PAGE_LIMIT))
    answer: dict[str, Any] = {"Streams": [{"StreamArn": arn_of(one), "TableName": one.table, "StreamLabel": one.label} for one in streams]}
    if more:
        answer["LastEvaluatedStreamArn"] = arn_of(streams[-1])
    return answer


@operation("DescribeStream")
def describe_stream(ctx: Context, req: Any) -> Answer:
    """A stream and its shards, parents before children, at most 100 a page; with a ShardFilter the children of one shard.

    Errors: ResourceNotFoundException. Source: API reference, DescribeStream.
    """
    stream = stream_at(ctx, req.StreamArn)
    after: dict[str, Any] = {}
    if req.ExclusiveStartShardId is not None:
        after = {"after": _shard_at(ctx, stream, req.ExclusiveStartShardId).number}
    shards = (shard for shard in SHARDS.scan(ctx, stream.number, **after) if not _gone(ctx, shard))
    if req.ShardFilter is not None:
        if req.ShardFilter.Type is None or req.ShardFilter.ShardId is None:
            raise invalid("Invalid ShardFilter: Type and ShardId must both be specified")
        parent = req.ShardFilter.ShardId
        shards = (shard for shard in shards if shard.parent == parent)
    listed, more = paging.page(shards, _limit(req.Limit, PAGE_LIMIT))
    table = stream.source
    keys = [(table.partition, "HASH"), *([(table.sort, "RANGE")] if table.sort else [])]
    description: dict[str, Any] = {
        "StreamArn": arn_of(stream),
        "StreamLabel": stream.label,
        "StreamStatus": "DISABLED" if stream.disabled_at_ms else "ENABLED",
        "StreamViewType": stream.view,
        "CreationRequestDateTime": stream.created_at_ms,
        "TableName": stream.table,
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        "Shards": [_describe(shard) for shard in listed],
    }
    if more:
        description["LastEvaluatedShardId"] = listed[-1].id
    return {"StreamDescription": description}


def _describe(shard: Shard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": shown(shard.number)}
    if shard.closed_at_ms:
        numbers["EndingSequenceNumber"] = shown(shard.last)
    answer: dict[str, Any] = {"ShardId": shard.id, "SequenceNumberRange": numbers}
    if shard.parent:
        answer["ParentShardId"] = shard.parent
    return answer


def _shard_at(ctx: Context, stream: Stream, id: str) -> Shard:
    shard = SHARDS_BY_ID.first(ctx, stream.number, id)
    if shard is None or _gone(ctx, shard):
        raise ServiceException(
            "ResourceNotFoundException", f"Requested resource not found: Shard: {id} in Stream: {arn_of(stream)} not found"
        )
    return shard


# iterators


@operation("GetShardIterator")
def get_shard_iterator(ctx: Context, req: Any) -> Answer:
    """An iterator of a shard, good for 15 minutes.

    LATEST gives what is written from now on; AT_TIMESTAMP what was from an instant on.

    Errors: ResourceNotFoundException, TrimmedDataAccessException, ValidationException. Source: API reference, GetShardIterator.
    """
    stream = stream_at(ctx, req.StreamArn)
    shard = _shard_at(ctx, stream, req.ShardId)
    kind = req.ShardIteratorType
    if (req.SequenceNumber is not None) != kind.endswith("SEQUENCE_NUMBER"):
        must = "must be specified" if kind.endswith("SEQUENCE_NUMBER") else "must not be specified"
        raise invalid(f"Invalid ShardIteratorType: SequenceNumber {must} for ShardIteratorType {kind}")
    if (req.Timestamp is not None) != (kind == "AT_TIMESTAMP"):
        raise invalid(f"Invalid ShardIteratorType: Timestamp belongs to AT_TIMESTAMP, not to {kind}")
    if kind == "TRIM_HORIZON":
        at = 0
    elif kind == "LATEST":
        at = ctx.tx.unique()
    elif kind == "AT_TIMESTAMP":
        at = _since(ctx, shard, req.Timestamp)
    else:
        at = _number(shard, req.SequenceNumber) + (kind == "AFTER_SEQUENCE_NUMBER")
        _check_trimmed(ctx, shard, at)
    return {"ShardIterator": _token(ctx, stream, shard, at)}


def _since(ctx: Context, shard: Shard, at_ms: int) -> int:
    if at_ms > ctx.now:
        raise invalid("Timestamp cannot be in the future")
    first = next((record for record in RECORDS.scan(ctx, shard.number) if record.at_ms >= at_ms), None)
    return first.sequence if first is not None else ctx.tx.unique()


def _number(shard: Shard, text: str) -> int:
    """The sequence number that a request names. Raises ValidationException for one that cannot be in the shard."""
    number = int(text) - _SHIFT if text.isdecimal() else -1
    if number < shard.number or (shard.closed_at_ms and number > shard.last):
        raise invalid(f"Invalid SequenceNumber: {text} is not in the range of shard {shard.id}")
    return number


def _check_trimmed(ctx: Context, shard: Shard, at: int) -> None:
    first = next(RECORDS.scan(ctx, shard.number, at=at), None)
    if at <= shard.trimmed or (first is not None and first.at_ms + KEPT_MS <= ctx.now):
        raise ServiceException(
            "TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard: it has been trimmed."
        )


def _token(ctx: Context, stream: Stream, shard: Shard, at: int) -> str:
    return f"{arn_of(stream)}|1|{paging.token(f'{shard.number}:{at}:{ctx.now}')}"


def stream_of_iterator(token: str) -> str | None:
    """The ARN of the stream that an iterator reads; None where it is none."""
    found = _iterator(token)
    return found[1] if found is not None else None


@operation("GetRecords")
def get_records(ctx: Context, req: Any) -> Answer:
    """The next records of a shard, up to 1,000 or 1 MB, and an iterator to go on with: none after the last record of a closed shard.

    A service that polls waits for what "@watch" names.
    Errors: ResourceNotFoundException, ExpiredIteratorException, TrimmedDataAccessException, ValidationException.
    Source: API reference, GetRecords.
    """
    found = _iterator(req.ShardIterator)
    place = _place(paging.place(found[2], _no_iterator) or "") if found is not None else None
    if found is None or place is None:
        raise _no_iterator()
    limit = _limit(req.Limit, RECORDS_LIMIT)
    stream = stream_at(ctx, found[1])
    number, at, made_ms = (int(part) for part in place.groups())
    if made_ms + ITERATOR_MS < ctx.now:
        raise ServiceException("ExpiredIteratorException", "Iterator expired: the shard iterator was made more than 15 minutes ago.")
    shard = SHARDS.get(ctx, stream.number, number)
    if shard is None:
        return {"Records": []}
    if at:
        _check_trimmed(ctx, shard, at)
    records = _page(ctx, shard, at, limit)
    at = records[-1].sequence + 1 if records else at
    answer: dict[str, Any] = {"Records": [_record(ctx, stream, record) for record in records]}
    if not shard.closed_at_ms or (records and at <= shard.last):
        answer["NextShardIterator"] = _token(ctx, stream, shard, at)
    answer["@watch"] = (RECORDS.watch(shard.number), SHARDS.watch(stream.number))
    return answer


def _no_iterator() -> ServiceException:
    return invalid("Invalid ShardIterator")


def _page(ctx: Context, shard: Shard, at: int, limit: int) -> list[Entry]:
    size = 0
    records: list[Entry] = []
    horizon_ms = ctx.now - KEPT_MS
    for record in islice((r for r in RECORDS.scan(ctx, shard.number, at=at) if r.at_ms > horizon_ms), limit):
        size += record.size
        if records and size > RECORDS_BYTES:
            break
        records.append(record)
    return records


def _record(ctx: Context, stream: Stream, record: Entry) -> dict[str, Any]:
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": record.at_ms // 1000 * 1000,
        "Keys": _image(ctx, stream, record.keys),
        "SequenceNumber": shown(record.sequence),
        "SizeBytes": record.size,
        "StreamViewType": stream.view,
    }
    for member, body in (("OldImage", record.old), ("NewImage", record.new)):
        if body:
            change[member] = _image(ctx, stream, body)
    answer: dict[str, Any] = {
        "eventID": f"{stream.number & 0xFFFFFFFF:08x}{record.sequence:024x}",
        "eventName": record.event,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": stream.region,
        "dynamodb": change,
    }
    if record.by == BY_TTL:
        answer["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    return answer


def _image(ctx: Context, stream: Stream, body: bytes) -> msgspec.Raw:
    return bodies.raw_of(ctx, stream.source, Row(stream.source.contents, "", "", body, 0))
