"""Replays: a subscription gets again what its FIFO topic has in its archive.

ReplayPolicy is {"PointType": "Timestamp", "StartingPoint": instant, "EndingPoint": instant}; without an end the replay goes over into what
is newly published, in order: until it has caught up, new messages come from the archive as well.
Source: "Message archiving and replay for FIFO topics" in the Developer Guide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.languages import documents
from fogbank.services.sns import deliveries, encrypting, filters, targets
from fogbank.services.sns.matching import InvalidFilter
from fogbank.services.sns.rendering import Parcel, target_of
from fogbank.services.sns.state import ARCHIVED, SUBSCRIPTIONS, TOPICS, Archived, Message, Subscription, Topic
from fogbank.services.sns.topic_attributes import DAY_MS, archive_days
from fogbank.store import change

PORTION = 100
_MEMBERS = {"PointType", "StartingPoint", "EndingPoint"}


def read(ctx: Context, topic: Topic, text: str) -> dict[str, Any]:
    """The fields that a ReplayPolicy sets; "" ends it. Raises InvalidFilter."""
    if not text.strip() or text.strip() == "{}":
        return {"replay_policy": "", "replay_status": "", "replay_caller": b""}
    if not topic.archive_policy:
        raise InvalidFilter("the topic has no archive policy")
    try:
        policy = documents.read_object(text)
    except documents.Malformed:
        raise InvalidFilter("failed to parse JSON.") from None
    if set(policy) - _MEMBERS or policy.get("PointType") != "Timestamp" or "StartingPoint" not in policy:
        raise InvalidFilter("must have the members PointType (Timestamp) and StartingPoint, and may have EndingPoint.")
    start = _instant(policy["StartingPoint"])
    end = _instant(policy["EndingPoint"]) if "EndingPoint" in policy else ctx.now
    if start > ctx.now or end < start:
        raise InvalidFilter("StartingPoint must be in the past, and EndingPoint after it.")
    return {"replay_policy": text, "replay_status": "Pending", "replay_caller": ctx.door.caller(ctx)}


def _instant(text: Any) -> int:
    """2023-08-01T20:42:56.000Z, in milliseconds."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InvalidFilter(f"{text} is not an instant") from None
    return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1000)


def begin(ctx: Context, subscription: Subscription) -> None:
    """Has the replay begin that a subscription's policy asks for."""
    if subscription.replay_status == "Pending" and subscription.confirmed:
        start = _instant(msgspec.json.decode(subscription.replay_policy)["StartingPoint"])
        key = [subscription.account, subscription.region, subscription.topic, subscription.id]
        ctx.later("sns.replay", {"subscription": key, "policy": subscription.replay_policy, "at_ms": start, "sequence": 0})


@task("replay")
def replay(ctx: Context, payload: dict[str, Any]) -> Answer:
    """The next portion of the archive, in order. A subscription whose policy is another one now is left alone."""
    subscription = SUBSCRIPTIONS.get(ctx, *payload["subscription"])
    if subscription is None or subscription.replay_policy != payload["policy"]:
        return None
    topic = TOPICS.get(ctx, subscription.account, subscription.region, subscription.topic)
    if topic is None:
        return None
    policy = msgspec.json.decode(subscription.replay_policy)
    end = _instant(policy["EndingPoint"]) + 1 if "EndingPoint" in policy else None
    kept_since_ms = ctx.now - archive_days(topic) * DAY_MS
    after = max((payload["at_ms"], payload["sequence"]), (kept_since_ms, 0))
    scan = ARCHIVED.scan(ctx, topic.id, after=after, before=end)
    portion = list(islice(scan, PORTION))
    status = "In progress" if len(portion) == PORTION else "Completed"
    try:
        for archived in portion:
            _send(ctx, topic, subscription, archived)
    except ServiceException:
        SUBSCRIPTIONS.put(ctx, change(subscription, replay_status="Failed"))
        return None
    SUBSCRIPTIONS.put(ctx, change(subscription, replay_status=status))
    if status == "In progress":
        ctx.later("sns.replay", {**payload, "at_ms": portion[-1].at_ms, "sequence": portion[-1].sequence})
    return None


def _send(ctx: Context, topic: Topic, subscription: Subscription, archived: Archived) -> None:
    message = _opened(ctx, subscription, archived)
    if subscription.filter_policy:
        wanted = filters.read(subscription.filter_policy, subscription.filter_scope or "MessageAttributes")
        if not wanted.passes(message):
            return
    # Its own deduplication id: a queue that has had it within five minutes would drop it.
    message = change(message, deduplication_id=f"{message.id}-{ctx.random.hex(8)}", replayed=True)
    parcel = Parcel(ctx, topic, message)
    if deliveries.waits(ctx, subscription, message.group):
        deliveries.keep(ctx, topic, subscription, message, archived.data_key, delay_s=None)
        return
    mark = ctx.tx.mark()
    try:
        targets.send(ctx, parcel, target_of(subscription))
    except ServiceException as refused:
        ctx.tx.undo(mark)
        deliveries.first_failed(ctx, parcel, subscription, archived.data_key, refused)


def _opened(ctx: Context, subscription: Subscription, archived: Archived) -> Message:
    """Opened as who asked for the replay: whoever published it may be long gone."""
    if archived.data_key is None:
        return encrypting.opened(ctx, archived.sealed, None)
    return encrypting.opened(ctx, archived.sealed, change(archived.data_key, caller=subscription.replay_caller))
