"""The attributes of a subscription: AWS's names and texts on one side, the fields of its record on the other.

Source: API reference, Subscribe, SetSubscriptionAttributes and GetSubscriptionAttributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.languages import documents
from fogbank.services.sns import endpoints, filters, replaying, retries
from fogbank.services.sns.addresses import PRINCIPAL, subscription_arn, topic_arn
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.matching import InvalidFilter
from fogbank.services.sns.state import WITH_FILTER, Subscription, Topic
from fogbank.services.sns.topic_attributes import encoded

Fields = dict[str, Any]
FILTERS_PER_TOPIC = 200


def describe(topic: Topic | None, subscription: Subscription) -> dict[str, str]:
    """All attributes that the subscription has, as text."""
    answer: dict[str, Any] = {
        "SubscriptionArn": subscription_arn(subscription),
        "TopicArn": topic_arn(subscription.account, subscription.region, subscription.topic),
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": endpoints.shown(subscription.endpoint),
        "PendingConfirmation": _truth(not subscription.confirmed),
        "ConfirmationWasAuthenticated": _truth(subscription.confirmation_authenticated),
        "RawMessageDelivery": _truth(subscription.raw),
        "SubscriptionPrincipal": f"arn:{partition_of(subscription.region)}:iam::{subscription.owner}:root",
        "FilterPolicy": subscription.filter_policy or None,
        "FilterPolicyScope": (subscription.filter_scope or "MessageAttributes") if subscription.filter_policy else None,
        "RedrivePolicy": subscription.redrive_policy or None,
        "DeliveryPolicy": subscription.delivery_policy or None,
        "SubscriptionRoleArn": subscription.role_arn or None,
        "ReplayPolicy": subscription.replay_policy or None,
        "ReplayStatus": subscription.replay_status or None,
    }
    if subscription.protocol in ("http", "https"):
        policy = retries.effective_policy(topic.delivery_policy if topic is not None else "", subscription.delivery_policy)
        answer["EffectiveDeliveryPolicy"] = encoded(policy)
    return {name: value for name, value in answer.items() if value is not None}


def _truth(value: bool) -> str:
    return "true" if value else "false"


def read(ctx: Context, topic: Topic, subscription: Subscription, given: Mapping[str, str], parameter: str = "") -> Fields:
    """The fields that given attributes set on a subscription (which may be one that is still to be made).

    `parameter`: what a refusal names first ("Attributes", where they came together). Raises InvalidParameter, FilterPolicyLimitExceeded.
    """
    fields: Fields = {}
    for name, text in given.items():
        if name not in _READERS:
            raise invalid(parameter, f"Unknown attribute {name}") if parameter else invalid("AttributeName")
        try:
            fields |= _READERS[name](ctx, topic, subscription, text)
        except InvalidFilter as wrong:
            sentence = f"{name}: {wrong}"
            raise (invalid(parameter, sentence) if parameter else invalid(sentence)) from None
    if "filter_policy" in fields or "filter_scope" in fields:
        _check_filter(ctx, topic, subscription, fields, parameter)
    if subscription.protocol == "firehose" and not fields.get("role_arn", subscription.role_arn):
        raise invalid(parameter or "SubscriptionRoleArn", "SubscriptionRoleArn is required for Firehose subscriptions")
    return fields


def _check_filter(ctx: Context, topic: Topic, subscription: Subscription, fields: Fields, parameter: str) -> None:
    policy = fields.get("filter_policy", subscription.filter_policy)
    scope = fields.get("filter_scope", subscription.filter_scope) or "MessageAttributes"
    if not policy:
        return
    try:
        filters.read(policy, scope)
    except InvalidFilter as wrong:
        sentence = f"FilterPolicy: {wrong}"
        raise (invalid(parameter, sentence) if parameter else invalid(sentence)) from None
    if not subscription.filter_policy:
        count = sum(1 for _ in islice(WITH_FILTER.scan(ctx, topic.account, topic.region, topic.name), FILTERS_PER_TOPIC))
        if count >= FILTERS_PER_TOPIC:
            raise ServiceException("FilterPolicyLimitExceededException", f"Topic has {FILTERS_PER_TOPIC} filter policies already")


def _scope(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    if text not in filters.SCOPES:
        raise InvalidFilter(f"Invalid value [{text}]. Please use either MessageBody or MessageAttributes")
    return {"filter_scope": text}


def _filter(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    """ "" and {} take the policy away."""
    return {"filter_policy": "" if text.strip() in ("", "{}") else text}


def _raw(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    if text.lower() not in ("true", "false"):
        raise InvalidFilter(f"Invalid value [{text}]. Must be true or false.")
    if text.lower() == "true" and subscription.protocol not in endpoints.RAW:
        raise invalid("RawMessageDelivery", f"Delivery protocol [{subscription.protocol}] does not support raw message delivery.")
    return {"raw": text.lower() == "true"}


def _redrive(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    if not text.strip() or text.strip() == "{}":
        return {"redrive_policy": ""}
    try:
        policy = documents.read_object(text)
    except documents.Malformed:
        raise InvalidFilter("failed to parse JSON.") from None
    if set(policy) != {"deadLetterTargetArn"}:
        raise InvalidFilter("must have the member deadLetterTargetArn, and no other.")
    arn = Arn.parse(policy["deadLetterTargetArn"]) if isinstance(policy["deadLetterTargetArn"], str) else None
    if arn is None or arn.service != "sqs" or not arn.account:
        raise InvalidFilter("deadLetterTargetArn is an invalid arn")
    if (arn.region, arn.account) != (topic.region, subscription.owner):
        raise InvalidFilter("deadLetterTargetArn must be in the region and account of the subscription")
    if arn.resource.endswith(".fifo") != topic.fifo:
        raise InvalidFilter(f"deadLetterTargetArn must be a {'FIFO' if topic.fifo else 'standard'} queue")
    return {"redrive_policy": text}


def _delivery(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    if text.strip() and subscription.protocol not in ("http", "https"):
        raise InvalidFilter(f"Delivery protocol [{subscription.protocol}] does not support delivery policies.")
    if text.strip() and (wrong := retries.problem(text, of_topic=False)):
        raise InvalidFilter(wrong)
    return {"delivery_policy": text.strip()}


def _role(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    if subscription.protocol != "firehose":
        raise InvalidFilter("is only supported for Firehose subscriptions")
    arn = Arn.parse(text)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise InvalidFilter("must be the ARN of an IAM role")
    ctx.authorize("iam:PassRole", text, iam__PassedToService=PRINCIPAL)
    return {"role_arn": text}


def _replay(ctx: Context, topic: Topic, subscription: Subscription, text: str) -> Fields:
    return replaying.read(ctx, topic, text)


_READERS: dict[str, Callable[[Context, Topic, Subscription, str], Fields]] = {
    "DeliveryPolicy": _delivery,
    "FilterPolicy": _filter,
    "FilterPolicyScope": _scope,
    "RawMessageDelivery": _raw,
    "RedrivePolicy": _redrive,
    "ReplayPolicy": _replay,
    "SubscriptionRoleArn": _role,
}
