"""How topics and subscriptions are named, and finding them; what the door asks about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.services.sns.faults import invalid, not_found
from fogbank.services.sns.state import SUBSCRIPTIONS, TOPICS, Subscription, Topic

PRINCIPAL = "sns.amazonaws.com"
_SOURCE_OWNERS = (
    "apigateway cloudwatch codecommit devops-guru ds elasticache events.rds gamelift lambda rds redshift ses sms-voice sns ssm-incidents"
)
SOURCE_OWNERS = frozenset(f"{name}.amazonaws.com" for name in _SOURCE_OWNERS.split())
"""The services that still say `aws:SourceOwner`, which a topic's default policy asks for."""


class Address(NamedTuple):
    account: str
    region: str
    name: str


@lru_cache(4096)
def address(arn: str) -> Address | None:
    """The topic that an ARN names, None where it names none."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "sns" or not parts.region or not parts.account:
        return None
    if ":" in parts.resource or "/" in parts.resource:
        return None
    return Address(parts.account, parts.region, parts.resource)


@lru_cache(4096)
def topic_arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:sns:{region}:{account}:{name}"


def arn_of(topic: Topic) -> str:
    return topic_arn(topic.account, topic.region, topic.name)


def subscription_arn(subscription: Subscription) -> str:
    return f"{topic_arn(subscription.account, subscription.region, subscription.topic)}:{subscription.id}"


def _malformed(text: str, parameter: str) -> Any:
    count = len(text.split(":"))
    return invalid(parameter, f"An ARN must have at least 6 elements, not {count}" if count < 6 else "")


def where(ctx: Context, arn: str, parameter: str = "TopicArn") -> Address:
    """A topic's address; it must be in this region. Raises InvalidParameter."""
    found = address(arn)
    if found is None:
        raise _malformed(arn, parameter)
    if found.region != ctx.region:
        raise invalid(parameter)
    return found


def topic_at(ctx: Context, arn: str, parameter: str = "TopicArn") -> Topic:
    """Raises InvalidParameter, NotFound."""
    topic = TOPICS.get(ctx, *where(ctx, arn, parameter))
    if topic is None:
        raise not_found("Topic")
    return topic


def split(arn: str) -> tuple[str, str]:
    """A subscription's ARN as its topic's ARN and its id; an empty id where it is none."""
    parts = arn.split(":")
    if len(parts) != 7 or not parts[6]:
        return arn, ""
    return ":".join(parts[:6]), parts[6]


def get_subscription(ctx: Context, arn: str) -> Subscription | None:
    """Raises InvalidParameter. An unsigned request has no region but the ARN's."""
    topic, identity = split(arn)
    found = address(topic)
    if found is None or not identity:
        raise _malformed(arn, "SubscriptionArn")
    if found.region != ctx.region and ctx.principal.kind != "anonymous":
        raise invalid("SubscriptionArn")
    return SUBSCRIPTIONS.get(ctx, *found, identity)


def subscription_at(ctx: Context, arn: str) -> Subscription:
    """Raises InvalidParameter, NotFound."""
    subscription = get_subscription(ctx, arn)
    if subscription is None:
        raise not_found("Subscription")
    return subscription


def topic_of(ctx: Context, subscription: Subscription) -> Topic | None:
    return TOPICS.get(ctx, subscription.account, subscription.region, subscription.topic)


# What the door asks


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The topic that a request is about."""
    for name in ("TopicArn", "ResourceArn", "TargetArn"):
        if given := getattr(req, name, None):
            return str(given)
    if given := getattr(req, "SubscriptionArn", None):
        return split(given)[0]
    if ctx.operation == "CreateTopic":
        return topic_arn(ctx.account, ctx.region, req.Name)
    return None


def _topic_named(ctx: Context, arn: str) -> Topic | None:
    found = address(arn)
    return TOPICS.get(ctx, *found) if found else None


def tags_of(ctx: Context, arn: str) -> Mapping[str, str] | None:
    topic = _topic_named(ctx, arn)
    return topic.tags if topic else None


def standing(ctx: Context, req: Any, action: str, arn: str) -> tuple[str | None, str]:
    """A topic's policy and owner. What a subscription's owner does with it needs no leave of the topic's owner; nor does who confirms one,
    since the token is that leave."""
    if given := getattr(req, "SubscriptionArn", None):
        topic, identity = split(given)
        found = address(topic)
        subscription = SUBSCRIPTIONS.get(ctx, *found, identity) if found and identity else None
        if subscription is not None and subscription.owner == ctx.account:
            return None, ctx.account
    named = address(arn)
    if ctx.operation == "ConfirmSubscription" and named is not None and named.account != ctx.account:
        return None, ctx.account
    if named is None:  # a platform endpoint
        parts = Arn.parse(arn)
        return None, parts.account if parts else ""
    topic_ = TOPICS.get(ctx, *named)
    return (topic_.policy or None, topic_.account) if topic_ is not None else (None, named.account)


def source_owner(ctx: Context, req: Any) -> str | None:
    """`aws:SourceOwner`: on whose behalf a service acts, as some of them say it."""
    principal = ctx.principal
    return principal.account if principal.service in SOURCE_OWNERS else None
