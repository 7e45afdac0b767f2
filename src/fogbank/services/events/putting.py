"""PutEvents, TestEventPattern."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.languages import documents
from fogbank.services.events import delivering, forwarding, routing, rules
from fogbank.services.events.addresses import address, bus_arn, get_bus, invalid
from fogbank.services.events.event import Event
from fogbank.services.events.state import BUSES, BY_PARTNER

BYTES_LIMIT = 1_048_576
DETAIL_TYPE_LIMIT = 128
TIME_BYTES = 14
_MANDATORY = ("id", "account", "source", "time", "region", "resources", "detail-type")


class Refused(Exception):
    """Why one entry fails: its code and message."""


@operation("PutEvents", authorized_here=True)
def put_events(ctx: Context, req: Any) -> Answer:
    """Puts events on buses: each is matched to the rules of its bus and brought to their targets. Entries fail by themselves.

    Limits: 10 entries of together at most 1 MB; DetailType 128 characters. Sources that begin with aws. are AWS's own services'. Events
    for a bus that is not there are lost, without an error.
    Errors: AccessDeniedException, ValidationException; of an entry: InvalidArgument, MalformedDetail, NotAuthorizedForSourceException,
    AccessDeniedException (a bus of another account). Source: API reference, PutEvents.
    """
    if req.EndpointId is not None:
        raise NotImplementedOperation("events", "PutEvents", "with EndpointId: global endpoints")
    if sum(size(entry) for entry in req.Entries) > BYTES_LIMIT:
        raise invalid("Total size of the entries in the request is over the limit.")
    results: list[dict[str, str]] = []
    failed, room = 0, delivering.AT_ONCE
    for entry in req.Entries:
        try:
            id, room = _put(ctx, entry, room)
            results.append({"EventId": id})
        except Refused as refused:
            failed += 1
            code, message = refused.args
            results.append({"ErrorCode": code, "ErrorMessage": message})
    return {"FailedEntryCount": failed, "Entries": results}


def size(entry: Any) -> int:
    """An entry's size as AWS counts it."""
    total = TIME_BYTES if entry.Time is not None else 0
    for text in (entry.Source, entry.DetailType, entry.Detail, *(entry.Resources or ())):
        if text:
            total += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return total


def _put(ctx: Context, entry: Any, room: int) -> tuple[str, int]:
    if not entry.Source:
        raise required("Source")
    if entry.Source.startswith("aws.") and ctx.principal.kind != "service":
        raise Refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    where = address(ctx, entry.EventBusName)
    event = read(ctx, entry, entry.Source, ctx.account, where.region)
    if ctx.principal.kind != "service":
        _authorize(ctx, bus_arn(where), event.body, own=where.account == ctx.account)
    bus = get_bus(ctx, where)
    if bus is None or bus.source:
        return event.id, room
    return event.id, routing.route(ctx.traced(entry.TraceHeader) if entry.TraceHeader else ctx, bus, event, room=room)


def read(ctx: Context, entry: Any, source: str, account: str, region: str) -> Event:
    """The event of an entry. Raises Refused."""
    if not entry.DetailType:
        raise required("DetailType")
    if len(entry.DetailType) > DETAIL_TYPE_LIMIT:
        reason = f"DetailType must have length less than or equal to {DETAIL_TYPE_LIMIT}."
        raise Refused("InvalidArgument", f"Parameter DetailType is not valid. Reason: {reason}")
    if not entry.Detail:
        raise required("Detail")
    try:
        detail = documents.read_object(entry.Detail)
    except documents.Malformed:
        raise Refused("MalformedDetail", "Detail is malformed.") from None
    return Event.made(
        id=ctx.random.uuid(),
        source=source,
        detail_type=entry.DetailType,
        account=account,
        region=region,
        at_ms=entry.Time if entry.Time is not None else ctx.now,
        resources=entry.Resources or [],
        detail=detail,
        detail_text=msgspec.json.format(entry.Detail.encode(), indent=-1),
        ingested_at_ms=ctx.now,
    )


def required(name: str) -> Refused:
    return Refused("InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument.")


def _authorize(ctx: Context, arn: str, body: dict[str, Any], *, own: bool) -> None:
    """A refusal for the caller's own bus is one of the request, for another account's bus one of the entry."""
    values = {name.replace(":", "__"): value for name, value in forwarding.conditions(body).items()}
    try:
        ctx.authorize(forwarding.ACTION, arn, events__eventBusInvocation="false", **values)
    except ServiceException as refused:
        if own:
            raise
        raise Refused("AccessDeniedException", refused.message) from None


@operation("TestEventPattern")
def test_event_pattern(ctx: Context, req: Any) -> Answer:
    """Whether a pattern matches an event, which must have id, account, source, time, region, resources and detail-type.

    Errors: InvalidEventPatternException, ValidationException. Source: API reference, TestEventPattern.
    """
    pattern = rules.compiled(req.EventPattern)
    try:
        event = documents.read_object(req.Event)
    except documents.Malformed:
        raise invalid("Parameter Event is not valid. Reason: The event is not a valid JSON object.") from None
    for name in _MANDATORY:
        if name not in event:
            raise invalid(f"Parameter Event is not valid. Reason: The event does not have the mandatory field {name}.")
    return {"Result": pattern.matches(event)}


@operation("PutPartnerEvents")
def put_partner_events(ctx: Context, req: Any) -> Answer:
    """A partner puts events on the buses of its event sources, in every account that has one. Where a source is not active, they are lost.

    Limits: 20 entries. Errors: ValidationException; of an entry: InvalidArgument, MalformedDetail. Source: API reference, PutPartnerEvents.
    """
    results: list[dict[str, str]] = []
    failed = 0
    for entry in req.Entries:
        try:
            results.append({"EventId": _put_partner(ctx, entry)})
        except Refused as refused:
            failed += 1
            code, message = refused.args
            results.append({"ErrorCode": code, "ErrorMessage": message})
    return {"FailedEntryCount": failed, "Entries": results}


def _put_partner(ctx: Context, entry: Any) -> str:
    if not entry.Source:
        raise required("Source")
    offered = list(BY_PARTNER.scan(ctx, ctx.account, ctx.region, entry.Source))
    if not offered:
        raise Refused("InvalidArgument", f"Parameter Source is not valid. Reason: Event source {entry.Source} does not exist.")
    id = ""
    for source in offered:
        event = read(ctx, entry, entry.Source, source.account, source.region)
        bus = BUSES.get(ctx, source.account, source.region, source.name)
        if bus is not None and source.state == "ACTIVE":
            routing.route(ctx, bus, event)
        id = id or event.id
    return id
