"""What happened: calls become events, which are found for ninety days and handed to the trails and event data stores that want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, operation, task
from fogbank.kernel.telemetry import ANSWERED, ASKED, UNHEARD, Heard
from fogbank.services.cloudtrail import chunks, destinations, kinds
from fogbank.services.cloudtrail.documents import document
from fogbank.services.cloudtrail.event import Event, name_of, source_of
from fogbank.services.cloudtrail.state import CHUNKS, CHUNKS_BY_AGE, KEPT_MS, STORES, TRAILS, Chunk
from fogbank.store.tables import At

_FAR_MS = 1 << 52
_AT_ONCE = 50
_ITSELF = "cloudtrail.amazonaws.com"
_IN_GATHERING = ("events", "kms")


def follows(at: At) -> tuple[Callable[[str, str], int], Wait]:
    """Which calls become events: management always, data where a trail that logs or a store has selected some of the type."""
    selected = destinations.data_types(at)

    def follow(service: str, operation: str) -> int:
        kind = kinds.data_type(service, operation)
        if kind is not None and kind not in selected:
            return UNHEARD
        return ASKED if kinds.reads(service, operation) or (service == "dynamodb" and kind) else ANSWERED

    return follow, Wait((TRAILS.watch(), STORES.watch()), _FAR_MS)


def gather(ctx: Context, told: list[Heard]) -> None:
    """Calls that are over become events."""
    wanted = destinations.Destinations(ctx)
    writing: dict[tuple[str, str], chunks.Writing] = {}
    if next(CHUNKS_BY_AGE.scan(ctx), None) is None:
        ctx.later("cloudtrail.forget", None, at_ms=ctx.now + KEPT_MS)
    for heard in told:
        account, region, what, caller, packed = heard
        kind, everywhere = _about(what)
        if not account or (caller[0].service == _ITSELF and what[0] in _IN_GATHERING):
            continue  # what gathering itself does is no event: it would never end
        if everywhere:
            region = "us-east-1"
        place = None
        if kind is None:
            chunk = writing.get((account, region))
            if chunk is None:
                chunk = writing[account, region] = chunks.Writing(ctx, account, region)
            place = chunk.add(what, caller, packed)
        if account in wanted:
            wanted.offer(chunks.heard(heard, region, ctx.random.uuid() if place is None else chunks.id_of(*place)))
    for chunk in writing.values():
        chunk.put()
    wanted.put()


@cache
def _about(what: tuple[str, str]) -> tuple[str | None, bool]:
    """Of an operation: its data events' type, and whether it is everywhere the same."""
    return kinds.data_type(*what), what[0] in kinds.GLOBAL


@task("forget")
def forget(ctx: Context, payload: Any) -> None:
    """Forgets events older than ninety days, and comes back when the next ones will be."""
    for count, old in enumerate(CHUNKS_BY_AGE.scan(ctx)):
        due_ms = old.until_ms + KEPT_MS
        if due_ms > ctx.now or count == _AT_ONCE:
            ctx.later("cloudtrail.forget", None, at_ms=max(due_ms, ctx.now))
            return
        CHUNKS.delete(ctx, old)


_OF_CALLS: dict[str, Callable[[str, str, str], bool]] = {
    "EventName": lambda service, operation, value: name_of(service, operation) == value,
    "ReadOnly": lambda service, operation, value: kinds.reads(service, operation) == (value.lower() == "true"),
    "EventSource": lambda service, operation, value: source_of(service) == value,
}
"""What an operation alone can tell: chunks without such are not even opened."""
_OF_EVENTS: dict[str, Callable[[Event, str], bool]] = {
    "EventId": lambda e, v: e.id == v,
    "Username": lambda e, v: e.user == v,
    "ResourceType": lambda e, v: any(kind == v for kind, _ in e.resources),
    "ResourceName": lambda e, v: any(v in (name, name.rpartition("/")[2], name.rpartition(":")[2]) for _, name in e.resources),
    "AccessKeyId": lambda e, v: e.caller.access_key == v,
}


@operation("LookupEvents")
def lookup_events(ctx: Context, req: Any) -> Answer:
    """Management events of the last ninety days in this region, latest first; by at most one attribute. 1 to 50 a page.

    Errors: InvalidLookupAttributesException, InvalidTimeRangeException, InvalidMaxResultsException, InvalidNextTokenException.
    Source: API reference, LookupEvents.
    """
    if req.EventCategory is not None:
        return {"Events": []}  # insights: no trail makes any
    attributes = req.LookupAttributes or ()
    if len(attributes) > 1:
        raise ServiceException("InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    start_ms, end_ms = int(req.StartTime or 0), int(req.EndTime or ctx.now)
    if start_ms > end_ms:
        raise ServiceException("InvalidTimeRangeException", "Start time must be before end time.")
    by = (attributes[0].AttributeKey, attributes[0].AttributeValue) if attributes else None
    after = paging.place(req.NextToken, _bad_token)
    found, more = paging.page(_found(ctx, start_ms, end_ms, by, after), req.MaxResults or 50)
    return {"Events": [_described(event) for _, event in found], "NextToken": paging.token(found[-1][0]) if more else None}


def _found(ctx: Context, start_ms: int, end_ms: int, by: tuple[str, str] | None, after: str | None) -> Iterator[tuple[str, Event]]:
    """Events with their places, latest first."""
    start_ms = max(start_ms, ctx.now - KEPT_MS)
    before: tuple[int, ...] = (end_ms + 1,)
    last = None
    if after is not None:
        parts = [paging.number(part, _bad_token) for part in after.split(".")]
        if len(parts) != 3:
            raise _bad_token()
        before, last = (parts[0], parts[1] + 1), parts[2]
    for chunk in CHUNKS.scan(ctx, ctx.account, ctx.region, before=before, reverse=True):
        if chunk.until_ms < start_ms:
            return
        upto, last = last, None
        if by is not None and not _may_have(chunk, *by):
            continue
        for number, event in chunks.events(ctx, chunk, upto):
            if start_ms <= event.call.at_ms <= end_ms and (by is None or _is(event, *by)):
                yield f"{chunk.at_ms}.{chunk.number}.{number}", event


def _may_have(chunk: Chunk, key: str, value: str) -> bool:
    if key == "EventId":
        return value.startswith(chunk.id)
    test = _OF_CALLS.get(key)
    return test is None or any(test(service, operation, value) for service, operation in chunk.what)


def _is(event: Event, key: str, value: str) -> bool:
    test = _OF_CALLS.get(key)
    return test(event.service, event.operation, value) if test is not None else _OF_EVENTS[key](event, value)


def _bad_token() -> ServiceException:
    return ServiceException("InvalidNextTokenException", "Invalid next token.")


def _described(event: Event) -> dict[str, Any]:
    return {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": "true" if event.reads else "false",
        "AccessKeyId": event.caller.access_key or None,
        "EventTime": event.call.at_ms // 1000 * 1000,
        "EventSource": event.source,
        "Username": event.user or None,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": msgspec.json.encode(document(event)).decode(),
    }
