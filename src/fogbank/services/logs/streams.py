"""Log streams: made, described, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import nlargest, nsmallest
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs.faults import bad_token, invalid
from fogbank.services.logs.groups import check_unprotected
from fogbank.services.logs.names import group_at, group_of, stream_arn, stream_at
from fogbank.services.logs.state import STREAM_NAMES, STREAMS, TALLIES, Group, Stream, StreamName, expired_before_ms
from fogbank.store import change

PAGE_LIMIT = 50
_name = re.compile(r"[^:*]{1,512}").fullmatch


def token_of(stream: Stream) -> str:
    """A sequence token, as it is still answered; nobody looks at it."""
    return f"{stream.id % 10**28:028}{stream.events:028}"


def make(ctx: Context, group: Group, name: str) -> Stream:
    """Puts an empty stream."""
    stream = Stream(group=group.id, name=name, id=ctx.tx.unique(), created_at_ms=ctx.now)
    STREAMS.put(ctx, stream)
    STREAM_NAMES.put(ctx, StreamName(id=stream.id, group=group.id, name=name))
    return stream


@operation("CreateLogStream")
def create_log_stream(ctx: Context, req: Any) -> Answer:
    """Makes a stream of a group. Its name has neither `:` nor `*`.

    Errors: ResourceNotFoundException, ResourceAlreadyExistsException, InvalidParameterException. Source: API reference, CreateLogStream.
    """
    group = group_at(ctx, req.logGroupName)
    if not _name(req.logStreamName):
        raise invalid("Log stream names can't contain ':' or '*'.")
    if STREAMS.get(ctx, group.id, req.logStreamName) is not None:
        raise ServiceException("ResourceAlreadyExistsException", "The specified log stream already exists")
    make(ctx, group, req.logStreamName)
    return None


@operation("DeleteLogStream")
def delete_log_stream(ctx: Context, req: Any) -> Answer:
    """Deletes a stream with its events. Errors: ResourceNotFoundException, ValidationException (the group is protected).

    Source: API reference, DeleteLogStream.
    """
    group = group_at(ctx, req.logGroupName)
    stream = stream_at(ctx, group, req.logStreamName)
    check_unprotected(group)
    STREAMS.delete(ctx, stream)
    if (tally := TALLIES.get(ctx, group.id)) is not None:
        TALLIES.put(ctx, change(tally, size=tally.size - stream.size))
    ctx.later("logs.drop_stream", {"stream": stream.id})
    return None


@operation("DescribeLogStreams")
def describe_log_streams(ctx: Context, req: Any) -> Answer:
    """Streams of a group, at most 50 a page: by name, or with orderBy LastEventTime by their latest event, where those without any
    come first.

    Errors: ResourceNotFoundException, InvalidParameterException (LastEventTime together with a prefix).
    Source: API reference, DescribeLogStreams.
    """
    group = group_of(ctx, req)
    if req.orderBy == "LastEventTime" and req.logStreamNamePrefix is not None:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    size, descending = req.limit or PAGE_LIMIT, bool(req.descending)
    after = paging.place(req.nextToken, bad_token)
    if req.orderBy == "LastEventTime":
        page, more = _by_time(ctx, group, size, descending, after)
        place = f"{page[-1].last_event_ms} {page[-1].name}" if more else ""
    else:
        bounds: dict[str, Any] = {} if after is None else {"before" if descending else "after": after}
        found = STREAMS.scan(ctx, group.id, starting=req.logStreamNamePrefix or "", reverse=descending, **bounds)
        page, more = paging.page(found, size)
        place = page[-1].name if more else ""
    horizon = expired_before_ms(group, ctx.now)
    return {"logStreams": [_described(group, stream, horizon) for stream in page], "nextToken": paging.token(place) if more else None}


def _by_time(ctx: Context, group: Group, size: int, descending: bool, after: str | None) -> tuple[list[Stream], bool]:
    """Kept in no index: PutLogEvents would pay for it each time."""

    def order(stream: Stream) -> tuple[int, str]:
        return stream.last_event_ms, stream.name

    found: Iterator[Stream] = STREAMS.scan(ctx, group.id)
    if after is not None:
        at, space, name = after.partition(" ")
        if not space or not at.lstrip("-").isdecimal():
            raise bad_token()
        place = (int(at), name)
        found = (s for s in found if (order(s) < place if descending else order(s) > place))
    page = nlargest(size + 1, found, key=order) if descending else nsmallest(size + 1, found, key=order)
    return page[:size], len(page) > size


def _described(group: Group, stream: Stream, horizon: int) -> dict[str, Any]:
    answer = {
        "logStreamName": stream.name,
        "creationTime": stream.created_at_ms,
        "arn": stream_arn(group, stream.name),
        "storedBytes": 0,
    }
    if stream.events:
        answer |= {"lastIngestionTime": stream.last_ingestion_ms, "uploadSequenceToken": token_of(stream)}
        if stream.last_event_ms >= horizon:
            answer |= {"firstEventTimestamp": max(stream.first_event_ms, horizon), "lastEventTimestamp": stream.last_event_ms}
    return answer
