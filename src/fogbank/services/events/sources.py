"""Partner event sources: a partner offers one to an account, which takes it by making a bus of the same name.

A source that no bus takes, or whose bus is deactivated, is deleted after two weeks.
Source: "Receiving events from a SaaS partner" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.events import paged
from fogbank.services.events.addresses import arn, bad, missing, there
from fogbank.services.events.state import BUSES, BY_PARTNER, SOURCES, EventSource
from fogbank.store import change

PENDING_MS = 14 * 86_400_000


def _arn(region: str, name: str) -> str:
    return arn("", region, f"event-source/{name}")


def take(ctx: Context, name: str, bus_name: str) -> None:
    """A bus is made for a source. Raises ResourceNotFoundException, InvalidStateException, ValidationException."""
    if bus_name != name:
        raise bad("Name", "The name of a partner event bus must match the name of its event source.")
    source = source_at(ctx, name)
    if source.state == "DELETED":
        raise ServiceException("InvalidStateException", f"Event source {name} is deleted.")
    SOURCES.put(ctx, change(source, state="ACTIVE", expires_at_ms=0))


def release(ctx: Context, source: EventSource) -> None:
    """The bus is gone, or deactivated: the source waits for another."""
    if source.state == "DELETED":
        SOURCES.delete(ctx, source)
    else:
        _expire_later(ctx, change(source, state="PENDING", expires_at_ms=ctx.now + PENDING_MS))


def _expire_later(ctx: Context, source: EventSource) -> None:
    SOURCES.put(ctx, source)
    payload = {"account": source.account, "region": source.region, "name": source.name}
    ctx.later("events.expire_source", payload, at_ms=source.expires_at_ms)


@task("expire_source")
def expire_source(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a source that has been pending for two weeks."""
    source = SOURCES.get(ctx, payload["account"], payload["region"], payload["name"])
    if source is not None and source.state == "PENDING" and 0 < source.expires_at_ms <= ctx.now:
        SOURCES.delete(ctx, source)
    return None


def source_at(ctx: Context, name: str) -> EventSource:
    """A source offered to this account. Raises ResourceNotFoundException."""
    source = SOURCES.get(ctx, ctx.account, ctx.region, name)
    if source is None:
        raise missing(f"Event source {name}")
    return source


# The partner's side


@operation("CreatePartnerEventSource")
def create_partner_event_source(ctx: Context, req: Any) -> Answer:
    """Offers an event source (aws.partner/PARTNER/NAME) to an account. Errors: ResourceAlreadyExistsException. Source: API reference."""
    if SOURCES.get(ctx, req.Account, ctx.region, req.Name) is not None:
        raise there(f"Event source {req.Name}")
    expires_at_ms = ctx.now + PENDING_MS
    source = EventSource(
        account=req.Account, region=ctx.region, name=req.Name, partner=ctx.account, created_at_ms=ctx.now, expires_at_ms=expires_at_ms
    )
    _expire_later(ctx, source)
    return {"EventSourceArn": _arn(ctx.region, req.Name)}


@operation("DeletePartnerEventSource")
def delete_partner_event_source(ctx: Context, req: Any) -> Answer:
    """Withdraws an event source: where a bus has taken it, its state is DELETED, and the bus stays. None is no error."""
    source = SOURCES.get(ctx, req.Account, ctx.region, req.Name)
    if source is None or source.partner != ctx.account:
        return None
    if BUSES.get(ctx, source.account, source.region, source.name) is None:
        SOURCES.delete(ctx, source)
    else:
        SOURCES.put(ctx, change(source, state="DELETED"))
    return None


@operation("DescribePartnerEventSource")
def describe_partner_event_source(ctx: Context, req: Any) -> Answer:
    """A source that this partner made. Errors: ResourceNotFoundException. Source: API reference, DescribePartnerEventSource."""
    if BY_PARTNER.first(ctx, ctx.account, ctx.region, req.Name) is None:
        raise missing(f"Event source {req.Name}")
    return {"Arn": _arn(ctx.region, req.Name), "Name": req.Name}


@operation("ListPartnerEventSources")
def list_partner_event_sources(ctx: Context, req: Any) -> Answer:
    """The names of the sources that this partner made, each once. Source: API reference, ListPartnerEventSources."""
    found = BY_PARTNER.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix, after=paged.after(req))
    names = dict.fromkeys(source.name for source in found)
    page, token = paged.page(req, names, str)
    shown = [{"Arn": _arn(ctx.region, name), "Name": name} for name in page]
    return {"PartnerEventSources": shown, "NextToken": token}


@operation("ListPartnerEventSourceAccounts")
def list_partner_event_source_accounts(ctx: Context, req: Any) -> Answer:
    """The accounts that a source was offered to. Errors: ResourceNotFoundException. Source: ListPartnerEventSourceAccounts."""
    after = paged.after(req)
    offered = sorted(BY_PARTNER.scan(ctx, ctx.account, ctx.region, req.EventSourceName), key=lambda source: source.account)
    if not offered:
        raise missing(f"Event source {req.EventSourceName}")
    page, token = paged.page(req, [source for source in offered if source.account > after], lambda source: source.account)
    shown = [
        {
            "Account": source.account,
            "CreationTime": source.created_at_ms,
            "ExpirationTime": source.expires_at_ms or None,
            "State": source.state,
        }
        for source in page
    ]
    return {"PartnerEventSourceAccounts": shown, "NextToken": token}


# The customer's side


def _shown(source: EventSource) -> dict[str, Any]:
    return {
        "Arn": _arn(source.region, source.name),
        "CreatedBy": source.name.split("/")[1],
        "CreationTime": source.created_at_ms,
        "ExpirationTime": source.expires_at_ms or None,
        "Name": source.name,
        "State": source.state,
    }


@operation("DescribeEventSource")
def describe_event_source(ctx: Context, req: Any) -> Answer:
    """A source offered to this account. Errors: ResourceNotFoundException. Source: API reference, DescribeEventSource."""
    return _shown(source_at(ctx, req.Name))


@operation("ListEventSources")
def list_event_sources(ctx: Context, req: Any) -> Answer:
    """The sources offered to this account. Source: API reference, ListEventSources."""
    found = SOURCES.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=paged.after(req))
    page, token = paged.page(req, found, lambda source: source.name)
    return {"EventSources": [_shown(source) for source in page], "NextToken": token}


def _with_bus(ctx: Context, name: str) -> EventSource:
    """A source that a bus has taken. Raises ResourceNotFoundException, InvalidStateException."""
    source = source_at(ctx, name)
    if source.state == "DELETED" or BUSES.get(ctx, source.account, source.region, name) is None:
        raise ServiceException("InvalidStateException", f"Event source {name} has no event bus, or is deleted.")
    return source


@operation("ActivateEventSource")
def activate_event_source(ctx: Context, req: Any) -> Answer:
    """Lets the events of a deactivated source through to its bus again. Errors: ResourceNotFoundException, InvalidStateException."""
    SOURCES.put(ctx, change(_with_bus(ctx, req.Name), state="ACTIVE", expires_at_ms=0))
    return None


@operation("DeactivateEventSource")
def deactivate_event_source(ctx: Context, req: Any) -> Answer:
    """Keeps the events of a source from its bus; after two weeks so the source is deleted. Errors: as ActivateEventSource."""
    release(ctx, _with_bus(ctx, req.Name))
    return None
