"""Event subscriptions: who is told of which events, by a topic of SNS."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, tagging
from fogbank.services.rds.event_catalogue import ARNS, CATEGORIES, PROXY
from fogbank.services.rds.faults import combination, invalid
from fogbank.services.rds.groups_state import PROXIES, SUBSCRIPTIONS, Event, Subscription
from fogbank.store import change

PRINCIPAL = "events.rds.amazonaws.com"
LIMIT = 20
SUBJECT = "RDS Notification Message"
_DOCUMENT = "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#"
_LINKS = {
    "db-instance": "dbinstance:id=",
    "db-cluster": "database:id=",
    "db-parameter-group": "parameter-group-details:parameter-group-name=",
    "db-snapshot": "snapshot:id=",
    "db-cluster-snapshot": "snapshot:id=",
    "db-proxy": "proxy:id=",
}
_ELSEWHERE = ("db-security-group", "custom-engine-version", "blue-green-deployment", "zero-etl", "db-shard-group")
"""Types of sources that there are none of here."""


# Telling


def _concerned(subscription: Subscription, event: Event) -> bool:
    return (
        subscription.enabled
        and subscription.source_type in ("", event.source_type)
        and (not subscription.sources or event.source in subscription.sources)
        and (not subscription.categories or bool(set(subscription.categories) & set(event.categories)))
    )


def announce(ctx: Context, event: Event) -> None:
    """Publishes an event to the topics of the subscriptions that it concerns. What a topic refuses shows in the subscription's status."""
    for subscription in list(SUBSCRIPTIONS.scan(ctx, event.account, event.region)):
        if not _concerned(subscription, event):
            continue
        status = "active"
        try:
            _publish(ctx, subscription, event)
        except ServiceException as refused:
            gone = "NotFound" in refused.code or "ResourceNotFound" in refused.code
            status = "topic-not-exist" if gone else "no-permission"
        if status != subscription.status:
            SUBSCRIPTIONS.put(ctx, change(subscription, status=status))


def _publish(ctx: Context, subscription: Subscription, event: Event) -> None:
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    message = {
        "Event Source": event.source_type,
        "Event Time": at.strftime("%Y-%m-%d %H:%M:%S.") + f"{event.at_ms % 1000:03d}",
        "Identifier Link": f"https://console.aws.amazon.com/rds/home?region={event.region}#{_LINKS[event.source_type]}{event.source}",
        "Source ID": event.source,
        "Source ARN": event.arn,
        "Event ID": _DOCUMENT + event.id,
        "Event Message": event.message,
    }
    attributes = {"Resource": {"DataType": "String", "StringValue": event.arn}}
    if event.id:
        attributes["EventID"] = {"DataType": "String", "StringValue": event.id}
    acting = Acting(PRINCIPAL, event.arn, event.account)
    parameters = {"Subject": SUBJECT, "MessageAttributes": attributes}
    targets.send(ctx, subscription.topic, msgspec.json.encode(message).decode(), acting, parameters=parameters)


# Checks


def _topic(ctx: Context, arn: str) -> str:
    """Errors: SNSInvalidTopic, SNSTopicArnNotFound."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "sns" or parts.resource.endswith(".fifo") or ":" in parts.resource:
        raise ServiceException("SNSInvalidTopicFault", f"SNS topic {arn} is invalid.")
    if parts.account == ctx.account:
        try:
            ctx.call("sns", "GetTopicAttributes", {"TopicArn": arn}, region=parts.region)
        except ServiceException as refused:  # who may not look may still name it: the topic's policy counts when it is published to
            if "NotFound" in refused.code:
                raise ServiceException("SNSTopicArnNotFoundFault", f"SNS topic {arn} does not exist.", status=404) from None
    return arn


def _source_type(ctx: Context, kind: str | None) -> str:
    if kind in _ELSEWHERE:
        raise NotImplementedOperation("rds", ctx.operation, f"with SourceType {kind}")
    if kind and kind not in CATEGORIES:
        raise invalid(f"Invalid SourceType: {kind}")
    return kind or ""


def _categories(kind: str, given: Iterable[str] | None) -> tuple[str, ...]:
    """Errors: SubscriptionCategoryNotFound, InvalidParameterCombination."""
    categories = tuple(dict.fromkeys(given or ()))
    if categories and not kind:
        raise combination("A SourceType must be specified if EventCategories are specified.")
    for category in categories:
        if category not in CATEGORIES[kind]:
            message = f"Category {category} does not exist for source type {kind}."
            raise ServiceException("SubscriptionCategoryNotFoundFault", message, status=404)
    return categories


def _source(ctx: Context, kind: str, given: str) -> str:
    """Errors: SourceNotFound, InvalidParameterCombination."""
    if not kind:
        raise combination("A SourceType must be specified if SourceIds are specified.")
    name = given.lower()
    finds = [PROXIES.get] if kind == PROXY else [addresses.TAGGED[one].find for one in ARNS[kind]]
    if not any(find(ctx, ctx.account, ctx.region, name) is not None for find in finds):
        raise ServiceException("SourceNotFoundFault", f"The source {given} of type {kind} could not be found.", status=404)
    return name


def _at(ctx: Context, name: str) -> Subscription:
    """Errors: SubscriptionNotFound."""
    found = SUBSCRIPTIONS.get(ctx, ctx.account, ctx.region, name.lower())
    if found is None:
        raise _missing(name)
    return found


def _missing(name: str) -> ServiceException:
    return ServiceException("SubscriptionNotFoundFault", f"Subscription {name} not found.", status=404)


def _arn(one: Subscription) -> str:
    return addresses.arn(one.account, one.region, "es", one.name)


def _described(one: Subscription, status: str = "") -> dict[str, Any]:
    at = datetime.fromtimestamp(one.created_at_ms / 1000, UTC)
    return {
        "CustomerAwsId": one.account,
        "CustSubscriptionId": one.name,
        "SnsTopicArn": one.topic,
        "Status": status or one.status,
        "SubscriptionCreationTime": at.strftime("%Y-%m-%d %H:%M:%S.") + f"{one.created_at_ms % 1000:03d}",
        "SourceType": one.source_type or None,
        "SourceIdsList": list(one.sources) or None,
        "EventCategoriesList": list(one.categories) or None,
        "Enabled": one.enabled,
        "EventSubscriptionArn": _arn(one),
    }


# Operations


@operation("CreateEventSubscription")
def create_event_subscription(ctx: Context, req: Any) -> Answer:
    """Has a topic told of events: of all, of a type of source, of some sources of a type, of some categories. At most 20 in a region.

    The topic's policy must let events.rds.amazonaws.com publish. Names are kept in lower case.

    Errors: SubscriptionAlreadyExist, EventSubscriptionQuotaExceeded, SNSInvalidTopic, SNSTopicArnNotFound, SourceNotFound,
    SubscriptionCategoryNotFound, InvalidParameterCombination. Source: API reference, CreateEventSubscription.
    """
    name = addresses.identifier(req.SubscriptionName, "SubscriptionName", 255)
    if SUBSCRIPTIONS.get(ctx, ctx.account, ctx.region, name) is not None:
        raise ServiceException("SubscriptionAlreadyExistFault", f"Subscription {name} already exists.")
    if sum(1 for _ in SUBSCRIPTIONS.scan(ctx, ctx.account, ctx.region)) >= LIMIT:
        raise ServiceException("EventSubscriptionQuotaExceededFault", f"You can't have more than {LIMIT} event subscriptions.")
    kind = _source_type(ctx, req.SourceType)
    made = Subscription(
        account=ctx.account,
        region=ctx.region,
        name=name,
        topic=_topic(ctx, req.SnsTopicArn),
        created_at_ms=ctx.now,
        source_type=kind,
        sources=tuple(dict.fromkeys(_source(ctx, kind, one) for one in req.SourceIds or ())),
        categories=_categories(kind, req.EventCategories),
        enabled=req.Enabled is not False,
    )
    made = change(made, tags=tagging.given(ctx, req.Tags, _arn(made)))
    SUBSCRIPTIONS.put(ctx, made)
    return {"EventSubscription": _described(made, "creating")}


@operation("ModifyEventSubscription")
def modify_event_subscription(ctx: Context, req: Any) -> Answer:
    """Gives a subscription another topic, type of source or categories, or switches it. Its sources stay, unless the type is another one.

    Errors: SubscriptionNotFound, SNSInvalidTopic, SNSTopicArnNotFound, SubscriptionCategoryNotFound. Source: API reference.
    """
    old = _at(ctx, req.SubscriptionName)
    kind = old.source_type if req.SourceType is None else _source_type(ctx, req.SourceType)
    given = old.categories if req.EventCategories is None and kind == old.source_type else req.EventCategories
    new = change(
        old,
        topic=old.topic if req.SnsTopicArn is None else _topic(ctx, req.SnsTopicArn),
        source_type=kind,
        sources=old.sources if kind == old.source_type else (),
        categories=_categories(kind, given),
        enabled=old.enabled if req.Enabled is None else req.Enabled,
        status="active",
    )
    SUBSCRIPTIONS.put(ctx, new)
    return {"EventSubscription": _described(new, "modifying")}


@operation("DeleteEventSubscription")
def delete_event_subscription(ctx: Context, req: Any) -> Answer:
    """Deletes a subscription. Errors: SubscriptionNotFound."""
    found = _at(ctx, req.SubscriptionName)
    SUBSCRIPTIONS.delete(ctx, found)
    return {"EventSubscription": _described(found, "deleting")}


@operation("DescribeEventSubscriptions")
def describe_event_subscriptions(ctx: Context, req: Any) -> Answer:
    """The subscriptions by name, or the one that is named. Errors: SubscriptionNotFound, InvalidParameterValue."""
    addresses.filters(req, ())
    if req.SubscriptionName is not None:
        return {"EventSubscriptionsList": [_described(_at(ctx, req.SubscriptionName))]}
    found, marker = addresses.page(req, SUBSCRIPTIONS.scan(ctx, ctx.account, ctx.region), lambda one: one.name)
    return {"EventSubscriptionsList": [_described(one) for one in found], "Marker": marker}


@operation("AddSourceIdentifierToSubscription")
def add_source_identifier_to_subscription(ctx: Context, req: Any) -> Answer:
    """Adds a source to those that a subscription is about. Errors: SubscriptionNotFound, SourceNotFound."""
    old = _at(ctx, req.SubscriptionName)
    name = _source(ctx, old.source_type, req.SourceIdentifier)
    new = change(old, sources=tuple(dict.fromkeys((*old.sources, name))))
    SUBSCRIPTIONS.put(ctx, new)
    return {"EventSubscription": _described(new, "modifying")}


@operation("RemoveSourceIdentifierFromSubscription")
def remove_source_identifier_from_subscription(ctx: Context, req: Any) -> Answer:
    """Takes a source away; a subscription without any is about all. Errors: SubscriptionNotFound, SourceNotFound."""
    old = _at(ctx, req.SubscriptionName)
    name = req.SourceIdentifier.lower()
    if name not in old.sources:
        raise ServiceException("SourceNotFoundFault", f"The source {req.SourceIdentifier} is not one of the subscription.", status=404)
    new = change(old, sources=tuple(one for one in old.sources if one != name))
    SUBSCRIPTIONS.put(ctx, new)
    return {"EventSubscription": _described(new, "modifying")}


addresses.TAGGED["es"] = addresses.Tagged(SUBSCRIPTIONS.get, SUBSCRIPTIONS, _missing)
