"""Confirmation: the token that an endpoint is sent, and what it is good for."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import deliveries, replaying
from fogbank.services.sns.addresses import address, arn_of, subscription_arn
from fogbank.services.sns.envelopes import confirmation_text
from fogbank.services.sns.faults import forbidden, invalid, not_found
from fogbank.services.sns.rendering import Target
from fogbank.services.sns.state import BY_TOPIC, SUBSCRIPTIONS, TOPICS, Message, Subscription, Topic
from fogbank.store import change

TOKEN_MS = 2 * 86_400_000
_TOKEN_DIGITS = 256
_TOLD = ("http", "https", "email", "email-json")


def ask(ctx: Context, topic: Topic, subscription: Subscription) -> Subscription:
    """The subscription with a new token, which its endpoint is sent."""
    pending = change(
        subscription, confirmed=False, confirmation_authenticated=False, token=ctx.random.hex(_TOKEN_DIGITS), token_at_ms=ctx.now
    )
    _tell(ctx, topic, pending, "SubscriptionConfirmation")
    key = [pending.account, pending.region, pending.topic, pending.id]
    ctx.later("sns.expire", {"subscription": key, "token": pending.token}, at_ms=ctx.now + TOKEN_MS)
    return pending


def bid_farewell(ctx: Context, topic: Topic, subscription: Subscription) -> None:
    """Tells an endpoint that it is not subscribed any more, with a token to come back by."""
    if subscription.protocol in _TOLD:
        _tell(ctx, topic, change(subscription, token=ctx.random.hex(_TOKEN_DIGITS)), "UnsubscribeConfirmation")


def _tell(ctx: Context, topic: Topic, subscription: Subscription, kind: str) -> None:
    message = Message(id=ctx.random.uuid(), at_ms=ctx.now, body=confirmation_text(kind, arn_of(topic)))
    target = Target(subscription.protocol, subscription.endpoint, subscription_arn(subscription), kind=kind, token=subscription.token)
    deliveries.keep(ctx, topic, subscription, message, None, target=target)


@operation("ConfirmSubscription", authorized_here=True)
def confirm_subscription(ctx: Context, req: Any) -> Answer:
    """Confirms a subscription with the token that its endpoint was sent at most two days ago. No signature is needed.

    A signed call with AuthenticateOnUnsubscribe makes sure that only the subscription's and the topic's owner can end it.

    Errors: InvalidParameter, NotFound, AuthorizationError. Source: API reference, ConfirmSubscription.
    """
    found = address(req.TopicArn)
    if found is None:
        raise invalid("TopicArn")
    topic = TOPICS.get(ctx, *found)
    if topic is None:
        raise not_found("Topic")
    signed = ctx.principal.kind != "anonymous"
    if signed:
        ctx.authorize("sns:ConfirmSubscription", req.TopicArn)
    authenticate = (req.AuthenticateOnUnsubscribe or "false").lower()
    if authenticate not in ("true", "false"):
        raise invalid("AuthenticateOnUnsubscribe")
    if authenticate == "true" and not signed:
        raise forbidden("AuthenticateOnUnsubscribe requires a signed request")
    scan = BY_TOPIC.scan(ctx, topic.account, topic.region, topic.name)
    subscription = next((one for one in scan if one.token and one.token == req.Token), None)
    if subscription is None or subscription.token_at_ms + TOKEN_MS <= ctx.now:
        raise invalid("Token")
    if not subscription.confirmed:
        subscription = change(
            subscription,
            confirmed=True,
            confirmation_authenticated=signed,
            authenticate_on_unsubscribe=authenticate == "true",
            owner=ctx.account if signed else subscription.owner,
        )
        SUBSCRIPTIONS.put(ctx, subscription)
        replaying.begin(ctx, subscription)
    return {"SubscriptionArn": subscription_arn(subscription)}
