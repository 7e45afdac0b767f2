"""What could not be delivered at once: tried again by the clock, then put into the dead-letter queue.

A fault that passes (the target is busy, an HTTP endpoint answers 5xx) is tried again under the retry policy; what is the subscriber's own
fault (the queue is gone, its policy does not let SNS in, 4xx) is not. Source: "Amazon SNS message delivery retries" and "Amazon SNS
dead-letter queues" in the Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.sns import encrypting, retries, status_logs, targets, tracing
from fogbank.services.sns.addresses import topic_arn
from fogbank.services.sns.counting import measure
from fogbank.services.sns.rendering import Parcel, Target, target_of
from fogbank.services.sns.state import DELIVERIES, IN_GROUP, SUBSCRIPTIONS, TOPICS, DataKey, Delivery, Message, Subscription, Topic
from fogbank.store import change

HTTP = ("http", "https")
_CUSTOMERS = ("email", "email-json", "sms", "application")


def policy_of(topic: Topic, protocol: str, subscription_policy: str) -> retries.Retries:
    if protocol in HTTP:
        return retries.http_policy(topic.delivery_policy, subscription_policy).retries
    return retries.CUSTOMERS if protocol in _CUSTOMERS else retries.MANAGED


def waits(ctx: Context, subscription: Subscription, group: str) -> bool:
    """Whether something of this group is still on its way to the subscription, so that all else has to wait."""
    return bool(group) and next(IN_GROUP.scan(ctx, subscription.number, group), None) is not None


def keep(
    ctx: Context,
    topic: Topic,
    subscription: Subscription,
    message: Message,
    data_key: DataKey | None,
    *,
    target: Target | None = None,
    delay_s: float | None = 0,
    failed: int = 0,
    error: str = "",
) -> None:
    """Keeps a message for a subscription, to be sent after a delay; None: when it is its turn in its group."""
    target = target or target_of(subscription)
    next_at_ms = 0 if delay_s is None else ctx.now + int(delay_s * 1000)
    delivery = Delivery(
        subscription=subscription.number,
        number=ctx.tx.unique(),
        account=topic.account,
        region=topic.region,
        topic=topic.name,
        subscription_id=subscription.id,
        protocol=target.protocol,
        endpoint=target.endpoint,
        sealed=encrypting.sealed(ctx, message, data_key),
        data_key=data_key,
        kind=target.kind,
        token=target.token,
        group=message.group if topic.fifo else "",
        attempts=failed,
        begun_at_ms=ctx.now,
        next_at_ms=next_at_ms,
        policy=subscription.delivery_policy,
        error=error,
    )
    DELIVERIES.put(ctx, delivery)
    if next_at_ms:
        _set(ctx, delivery)


def _set(ctx: Context, delivery: Delivery) -> None:
    payload = {"subscription": delivery.subscription, "number": delivery.number, "attempts": delivery.attempts}
    ctx.later("sns.deliver", payload, at_ms=delivery.next_at_ms)


@task("deliver")
def deliver(ctx: Context, payload: dict[str, Any]) -> Answer:
    """One attempt. What is for a subscription or a topic that is gone goes with it."""
    delivery = DELIVERIES.get(ctx, payload["subscription"], payload["number"])
    if delivery is None or delivery.attempts != payload["attempts"] or delivery.next_at_ms > ctx.now:
        return None
    topic = TOPICS.get(ctx, delivery.account, delivery.region, delivery.topic)
    subscription = SUBSCRIPTIONS.get(ctx, delivery.account, delivery.region, delivery.topic, delivery.subscription_id)
    target = _target(delivery, subscription)
    if topic is None or target is None:
        _over(ctx, delivery)
        return None
    policy = retries.http_policy(topic.delivery_policy, delivery.policy) if delivery.protocol in HTTP else None
    if policy is not None and policy.per_second and not payload.get("admitted"):
        return _admit(ctx, payload, policy.per_second)
    try:
        message = encrypting.opened(ctx, delivery.sealed, delivery.data_key)
    except ServiceException as refused:  # who published it may not use the key any more: nobody else can read it
        if not _put_off(ctx, topic, delivery, refused):
            _over(ctx, delivery)
            measure(ctx, topic, "NumberOfNotificationsFailed", 1)
        return None
    parcel = Parcel(ctx, topic, message)
    try:
        status = targets.send(ctx.traced(message.trace) if message.trace else ctx, parcel, target, policy)
    except ServiceException as refused:
        _failed(ctx, parcel, subscription, delivery, target, refused)
    else:
        _over(ctx, delivery)
        if target.kind == "Notification":
            measure(ctx, topic, "NumberOfNotificationsDelivered", 1)
            status_logs.note(ctx, parcel, target, delivery.attempts + 1, status, ctx.now - delivery.begun_at_ms)
            tracing.delivered(ctx, parcel, target)
    return None


def _admit(ctx: Context, payload: dict[str, Any], per_second: int) -> Answer:
    """throttlePolicy: an endpoint that has had its number of this second gets the next one later."""
    if ctx.spend(f"sns:{payload['subscription']}", 1, per_second, per_second):
        ctx.later("sns.deliver", {**payload, "admitted": True})
    else:
        ctx.later("sns.deliver", payload, delay_s=1 / per_second)
    return None


def _target(delivery: Delivery, subscription: Subscription | None) -> Target | None:
    """Where it goes now. A confirmation goes where it was meant to, also when the subscription is none any more."""
    if delivery.kind == "Notification":
        return target_of(subscription) if subscription is not None and subscription.number == delivery.subscription else None
    arn = f"{topic_arn(delivery.account, delivery.region, delivery.topic)}:{delivery.subscription_id}"
    return Target(delivery.protocol, delivery.endpoint, arn, kind=delivery.kind, token=delivery.token)


def _failed(
    ctx: Context, parcel: Parcel, subscription: Subscription | None, delivery: Delivery, target: Target, refused: ServiceException
) -> None:
    if _put_off(ctx, parcel.topic, delivery, refused):
        return
    _over(ctx, delivery)
    if subscription is not None and target.kind == "Notification":
        give_up(ctx, parcel, subscription, target, refused, delivery.attempts + 1, ctx.now - delivery.begun_at_ms)


def _put_off(ctx: Context, topic: Topic, delivery: Delivery, refused: ServiceException) -> bool:
    """Whether there will be another attempt."""
    failed = delivery.attempts + 1
    policy = policy_of(topic, delivery.protocol, delivery.policy)
    delay_s = retries.delay_s(policy, failed) if targets.is_passing(refused) else None
    if delay_s is None:
        return False
    again = change(delivery, attempts=failed, next_at_ms=ctx.now + int(delay_s * 1000), error=_words(refused))
    DELIVERIES.put(ctx, again)
    _set(ctx, again)
    return True


def _words(refused: ServiceException) -> str:
    return f"{refused.code}: {refused.message}"


def first_failed(ctx: Context, parcel: Parcel, subscription: Subscription, data_key: DataKey | None, refused: ServiceException) -> None:
    """The attempt made while publishing has failed."""
    topic, target = parcel.topic, target_of(subscription)
    policy = policy_of(topic, subscription.protocol, subscription.delivery_policy)
    delay_s = retries.delay_s(policy, 1) if targets.is_passing(refused) else None
    if delay_s is None:
        give_up(ctx, parcel, subscription, target, refused, 1, 0)
    else:
        keep(ctx, topic, subscription, parcel.message, data_key, delay_s=delay_s, failed=1, error=_words(refused))


def give_up(
    ctx: Context, parcel: Parcel, subscription: Subscription, target: Target, refused: ServiceException, attempts: int, dwelt_ms: int
) -> None:
    """Into the subscription's dead-letter queue, where it has one; else it is lost."""
    topic = parcel.topic
    measure(ctx, topic, "NumberOfNotificationsFailed", 1)
    status_logs.note(ctx, parcel, target, attempts, refused.status, dwelt_ms, refused)
    tracing.delivered(ctx, parcel, target, refused)
    if not subscription.redrive_policy:
        return
    queue: str = msgspec.json.decode(subscription.redrive_policy)["deadLetterTargetArn"]
    try:
        targets.send_to_queue(ctx, parcel, queue, target)
    except ServiceException:
        measure(ctx, topic, "NumberOfNotificationsFailedToRedriveToDlq", 1)
    else:
        measure(ctx, topic, "NumberOfNotificationsRedrivenToDlq", 1)


def _over(ctx: Context, delivery: Delivery) -> None:
    """Done with: the next of its group has its turn."""
    DELIVERIES.delete(ctx, delivery)
    if delivery.group:
        follower = next(IN_GROUP.scan(ctx, delivery.subscription, delivery.group), None)
        if follower is not None and not follower.next_at_ms:
            follower = change(follower, next_at_ms=ctx.now)
            DELIVERIES.put(ctx, follower)
            _set(ctx, follower)
