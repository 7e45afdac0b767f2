"""Subscriptions: made, described, changed, listed, deleted."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import confirming, endpoints, replaying, signing, subscription_attributes
from fogbank.services.sns.addresses import get_subscription, subscription_arn, subscription_at, topic_arn, topic_at, topic_of
from fogbank.services.sns.faults import forbidden, invalid
from fogbank.services.sns.state import BY_ENDPOINT, BY_OWNER, BY_TOPIC, SUBSCRIPTIONS, TOPICS, Subscription, Topic
from fogbank.services.sns.topic_attributes import LARGE_PROTOCOLS, LARGE_SUBSCRIPTIONS_LIMIT, MESSAGE_BYTES_LIMIT
from fogbank.store import change

PAGE = 100
FIFO_SUBSCRIPTIONS_LIMIT = 100


@operation("Subscribe")
def subscribe(ctx: Context, req: Any) -> Answer:
    """Subscribes an endpoint to a topic. One that is subscribed already is answered where the attributes given are the ones it has.

    HTTP and mail endpoints, and those of another account than the caller's, are sent a token, with which ConfirmSubscription has to be
    called within two days; until then the subscription is pending, and gets nothing.

    Errors: InvalidParameter, NotFound, SubscriptionLimitExceeded, FilterPolicyLimitExceeded. Source: API reference, Subscribe.
    """
    topic = topic_at(ctx, req.TopicArn)
    endpoint, owner = endpoints.read(ctx, topic, req.Protocol, req.Endpoint)
    given = req.Attributes or {}
    found = next(BY_ENDPOINT.scan(ctx, topic.account, topic.region, topic.name, req.Protocol, endpoint), None)
    subscription = found or Subscription(
        account=topic.account,
        region=topic.region,
        topic=topic.name,
        id=ctx.random.uuid(),
        number=ctx.tx.unique(),
        owner=ctx.account,
        protocol=req.Protocol,
        endpoint=endpoint,
        created_at_ms=ctx.now,
    )
    fields = subscription_attributes.read(ctx, topic, subscription, given, "Attributes")
    if found is not None:
        return _again(ctx, req, topic, found, fields)
    _check_limits(ctx, topic, req.Protocol)
    subscription = change(subscription, **fields)
    if not topic.fifo:
        signing.key(ctx)
    if req.Protocol in endpoints.CONFIRMED_BY_HAND or owner not in ("", ctx.account):
        subscription = confirming.ask(ctx, topic, subscription)
    SUBSCRIPTIONS.put(ctx, subscription)
    replaying.begin(ctx, subscription)
    return _answer(req, subscription)


def _again(ctx: Context, req: Any, topic: Topic, found: Subscription, fields: dict[str, Any]) -> Answer:
    """A pending one is sent its token anew."""
    if any(getattr(found, field) != value for field, value in fields.items() if not field.startswith("replay_")):
        raise invalid("Attributes", "Subscription already exists with different attributes")
    if not found.confirmed:
        found = confirming.ask(ctx, topic, found)
        SUBSCRIPTIONS.put(ctx, found)
    return _answer(req, found)


def _answer(req: Any, subscription: Subscription) -> Answer:
    shown = subscription.confirmed or req.ReturnSubscriptionArn
    return {"SubscriptionArn": subscription_arn(subscription) if shown else "pending confirmation"}


def _check_limits(ctx: Context, topic: Topic, protocol: str) -> None:
    large = topic.maximum_message_bytes > MESSAGE_BYTES_LIMIT
    if large and protocol not in LARGE_PROTOCOLS:
        raise invalid("Protocol", f"A topic with MaximumMessageSize above {MESSAGE_BYTES_LIMIT} takes only {', '.join(LARGE_PROTOCOLS)}.")
    limit = LARGE_SUBSCRIPTIONS_LIMIT if large else FIFO_SUBSCRIPTIONS_LIMIT if topic.fifo else 0
    if limit and sum(1 for _ in islice(BY_TOPIC.scan(ctx, topic.account, topic.region, topic.name), limit)) >= limit:
        raise ServiceException("SubscriptionLimitExceededException", f"Topic has reached its limit of {limit} subscriptions")


@operation("Unsubscribe", authorized_here=True)
def unsubscribe(ctx: Context, req: Any) -> Answer:
    """Ends a subscription: as its owner or the topic's, or without a signature, unless it was confirmed with AuthenticateOnUnsubscribe.

    An HTTP or mail endpoint that did not ask for it as its owner is told so, with a link to subscribe again. What is no subscription (any
    more) is no error.

    Errors: InvalidParameter, AuthorizationError. Source: API reference, Unsubscribe.
    """
    subscription = get_subscription(ctx, req.SubscriptionArn)
    if subscription is None:
        return None
    arn = topic_arn(subscription.account, subscription.region, subscription.topic)
    if ctx.principal.kind == "anonymous":
        if subscription.authenticate_on_unsubscribe:
            raise forbidden("Unsubscribe requires authentication")
    else:
        if ctx.account not in (subscription.owner, subscription.account):
            raise forbidden(f"User: {ctx.principal.arn} is not authorized to perform: SNS:Unsubscribe on resource: {arn}")
        ctx.authorize("sns:Unsubscribe", arn)
    SUBSCRIPTIONS.delete(ctx, subscription)
    topic = topic_of(ctx, subscription)
    if topic is not None:
        TOPICS.put(ctx, change(topic, deleted_subscriptions=topic.deleted_subscriptions + 1))
        if subscription.confirmed and ctx.account != subscription.owner:
            confirming.bid_farewell(ctx, topic, subscription)
    return None


@operation("GetSubscriptionAttributes")
def get_subscription_attributes(ctx: Context, req: Any) -> Answer:
    """All attributes of a subscription. Errors: InvalidParameter, NotFound. Source: API reference, GetSubscriptionAttributes."""
    subscription = subscription_at(ctx, req.SubscriptionArn)
    return {"Attributes": subscription_attributes.describe(topic_of(ctx, subscription), subscription)}


@operation("SetSubscriptionAttributes")
def set_subscription_attributes(ctx: Context, req: Any) -> Answer:
    """Sets one attribute; an empty policy takes it away.

    Errors: InvalidParameter, NotFound, FilterPolicyLimitExceeded. Source: API reference, SetSubscriptionAttributes.
    """
    subscription = subscription_at(ctx, req.SubscriptionArn)
    topic = topic_of(ctx, subscription)
    if topic is None:
        raise ServiceException("NotFoundException", "Topic does not exist")
    fields = subscription_attributes.read(ctx, topic, subscription, {req.AttributeName: req.AttributeValue or ""})
    subscription = change(subscription, **fields)
    SUBSCRIPTIONS.put(ctx, subscription)
    if "replay_policy" in fields:
        replaying.begin(ctx, subscription)
    return None


def _listed(found: list[Subscription], *, more: bool) -> Answer:
    shown = [
        {
            "SubscriptionArn": subscription_arn(one) if one.confirmed else "PendingConfirmation",
            "Owner": one.owner,
            "Protocol": one.protocol,
            "Endpoint": endpoints.shown(one.endpoint),
            "TopicArn": topic_arn(one.account, one.region, one.topic),
        }
        for one in found
    ]
    return {"Subscriptions": shown, "NextToken": paging.token(str(found[-1].number)) if more else None}


def _place(token: str | None) -> int | None:
    place = paging.place(token, lambda: invalid("NextToken"))
    return None if place is None else paging.number(place, lambda: invalid("NextToken"))


@operation("ListSubscriptions")
def list_subscriptions(ctx: Context, req: Any) -> Answer:
    """The caller's subscriptions in the region, oldest first, 100 a page. Errors: InvalidParameter."""
    found, more = paging.page(BY_OWNER.scan(ctx, ctx.account, ctx.region, after=_place(req.NextToken)), PAGE)
    return _listed(found, more=more)


@operation("ListSubscriptionsByTopic")
def list_subscriptions_by_topic(ctx: Context, req: Any) -> Answer:
    """A topic's subscriptions, oldest first, 100 a page. Errors: InvalidParameter, NotFound."""
    topic = topic_at(ctx, req.TopicArn)
    place = _place(req.NextToken)
    found, more = paging.page(BY_TOPIC.scan(ctx, topic.account, topic.region, topic.name, after=place), PAGE)
    return _listed(found, more=more)
