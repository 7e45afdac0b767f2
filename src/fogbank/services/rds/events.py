"""Events: what has happened to databases, groups, snapshots and proxies; kept for 14 days, told to the account's bus and to subscribers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.rds import addresses, event_catalogue
from fogbank.services.rds.event_catalogue import ARNS, BUS, CATEGORIES
from fogbank.services.rds.event_subscriptions import announce
from fogbank.services.rds.faults import combination, invalid
from fogbank.services.rds.groups_state import EVENTS, Event
from fogbank.store.tables import At

KEPT_MS = 14 * 86_400_000
HOUR_MINUTES = 60
MINUTE_MS = 60_000
SWEPT_AT_ONCE = 20


def tell(ctx: Context, kind: str, name: str, message: str, *categories: str, arn: str = "") -> None:
    """Keeps an event, and has everybody told of it. `categories`: where AWS has no event with such a message."""
    known = event_catalogue.known(kind, message)
    event = Event(
        account=ctx.account,
        region=ctx.region,
        at_ms=ctx.now,
        number=ctx.tx.unique(),
        id=known.number if known is not None else "",
        source_type=kind,
        source=name,
        arn=arn or addresses.arn(ctx.account, ctx.region, ARNS[kind][0], name),
        message=message,
        categories=(known.category,) if known is not None else categories,
    )
    _sweep(ctx)
    EVENTS.insert(ctx, event)
    ctx.later("rds.announce", {"account": event.account, "region": event.region, "at_ms": event.at_ms, "number": event.number})


def _sweep(ctx: Context) -> None:
    """Forgets events that are too old to be asked for."""
    old = EVENTS.scan(ctx, ctx.account, ctx.region, before=ctx.now - KEPT_MS)
    for event in [event for event, _ in zip(old, range(SWEPT_AT_ONCE), strict=False)]:
        EVENTS.delete(ctx, event)


@task("announce")
def announced(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Brings an event to the default bus, and to the topics of those who want to know."""
    event = EVENTS.get(ctx, payload["account"], payload["region"], payload["at_ms"], payload["number"])
    if event is None:
        return None
    where = ctx.of(event.account, event.region)
    detail_type, source_type = BUS[event.source_type]
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    detail = {
        "EventCategories": list(event.categories),
        "SourceType": source_type,
        "SourceArn": event.arn,
        "Date": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "Message": event.message,
        "SourceIdentifier": event.source,
        "EventID": event.id,
    }
    entry = {
        "Source": "aws.rds",
        "DetailType": detail_type,
        "Resources": [event.arn],
        "Time": event.at_ms,
        "Detail": msgspec.json.encode(detail).decode(),
    }
    acting = Acting("rds.amazonaws.com", event.arn, event.account)
    try:
        where.call("events", "PutEvents", {"Entries": [entry]}, acting=acting, region=event.region)
    except ServiceException as problem:
        if problem.code != "NotImplemented":
            raise
    announce(where, event)
    return None


def _span(ctx: Context, req: Any) -> tuple[int, int]:
    """From when to when. Errors: InvalidParameterCombination, InvalidParameterValue."""
    if req.Duration is not None and req.Duration <= 0:
        raise invalid(f"Invalid value {req.Duration} for Duration: it must be positive.")
    span_ms = (req.Duration or HOUR_MINUTES) * MINUTE_MS
    start_ms, end_ms = req.StartTime, req.EndTime
    if start_ms is None:
        end_ms = ctx.now if end_ms is None else end_ms
        start_ms = end_ms - span_ms
    elif end_ms is None:
        end_ms = start_ms + span_ms if req.Duration is not None else ctx.now
    elif req.Duration is not None:
        raise combination("Cannot specify a Duration together with both StartTime and EndTime.")
    if start_ms > end_ms:
        raise combination("The specified StartTime must be before the EndTime.")
    return max(start_ms, ctx.now - KEPT_MS), end_ms


def _between(at: At, account: str, region: str, start_ms: int, end_ms: int) -> Iterator[Event]:
    return EVENTS.scan(at, account, region, at=start_ms, before=end_ms + 1)


@operation("DescribeEvents")
def describe_events(ctx: Context, req: Any) -> Answer:
    """The events of the past hour, or of another span in the past 14 days, the oldest first; of a type of source, of one source, of some
    categories.

    Errors: InvalidParameterCombination, InvalidParameterValue. Source: API reference, DescribeEvents.
    """
    addresses.filters(req, ())
    if req.SourceIdentifier is not None and req.SourceType is None:
        raise combination("A SourceType must be specified if a SourceIdentifier is specified.")
    categories = frozenset(req.EventCategories or ())
    wanted = (
        event
        for event in _between(ctx, ctx.account, ctx.region, *_span(ctx, req))
        if req.SourceType in (None, event.source_type)
        and (req.SourceIdentifier is None or req.SourceIdentifier.lower() == event.source)
        and (not categories or categories & set(event.categories))
    )
    found, marker = addresses.page(req, wanted, lambda event: f"{event.at_ms:015d}-{event.number:020d}")
    return {"Events": [_described(event) for event in found], "Marker": marker}


def _described(event: Event) -> dict[str, Any]:
    return {
        "SourceIdentifier": event.source,
        "SourceType": event.source_type,
        "Message": event.message,
        "EventCategories": list(event.categories),
        "Date": event.at_ms,
        "SourceArn": event.arn,
    }


@operation("DescribeEventCategories")
def describe_event_categories(ctx: Context, req: Any) -> Answer:
    """The categories of events by type of source, or of one type. Errors: InvalidParameterValue."""
    addresses.filters(req, ())
    if req.SourceType is not None and req.SourceType not in CATEGORIES:
        raise invalid(f"Invalid SourceType: {req.SourceType}")
    kinds = sorted(CATEGORIES) if req.SourceType is None else [req.SourceType]
    return {"EventCategoriesMapList": [{"SourceType": kind, "EventCategories": list(CATEGORIES[kind])} for kind in kinds]}
