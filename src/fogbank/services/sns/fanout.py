"""A message to all that subscribe to its topic.

The first INLINE subscriptions are served in the publishing transaction itself: a queue, a function or a stream takes the message by writing
some rows, so nothing is won by doing it later, and much is lost (two more transactions, rows of our own for each). Each target has its own
savepoint: what one of them refuses undoes only what was done for it, and is tried again, or dead-lettered, by itself. The publisher cannot
be hurt: neither refused for it, nor made to wait. The order is that of publishing: what still waits for a group makes what follows wait.
What has to leave the process (HTTP) is kept and sent after the commit; further subscriptions come in portions, each a task.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Waiting, task
from fogbank.services.sns import deliveries, encrypting, filters, protection, status_logs, targets, tracing
from fogbank.services.sns.counting import measure
from fogbank.services.sns.rendering import Parcel, target_of
from fogbank.services.sns.state import SUBSCRIPTIONS, TOPICS, DataKey, Message, Subscription, Topic

INLINE = 100
"""As many as a FIFO topic may have."""


def fan_out(ctx: Context, topic: Topic, message: Message, data_key: DataKey | None, after: str | None = None) -> None:
    """Sends a message to the next INLINE subscriptions, and leaves the others to a task."""
    parcel = Parcel(ctx, topic, message)
    counts = _Counts()
    left = INLINE
    for subscription in SUBSCRIPTIONS.scan(ctx, topic.account, topic.region, topic.name, after=after):
        if not left:
            _go_on_later(ctx, topic, message, data_key, after)
            break
        left -= 1
        after = subscription.id
        if not subscription.confirmed or _replays(subscription):
            continue
        if subscription.filter_policy:
            wanted = filters.read(subscription.filter_policy, subscription.filter_scope or "MessageAttributes")
            if not wanted.passes(message):
                counts.filtered(wanted, message)
                continue
        counts.delivered += _serve(ctx, parcel, subscription, data_key)
    counts.tell(ctx, topic)


def _replays(subscription: Subscription) -> bool:
    """Whether it gets nothing that is new: a replay is under way (and comes to it), or has an end."""
    if not subscription.replay_policy:
        return False
    return subscription.replay_status in ("Pending", "In progress") or "EndingPoint" in msgspec.json.decode(subscription.replay_policy)


def _serve(ctx: Context, parcel: Parcel, subscription: Subscription, data_key: DataKey | None) -> int:
    """Sends to one: how many were delivered."""
    topic = parcel.topic
    if topic.protection:
        try:
            parcel = protection.outbound(ctx, parcel, subscription)
        except ServiceException as refused:
            deliveries.first_failed(ctx, parcel, subscription, data_key, refused)
            return 0
    message = parcel.message
    if subscription.protocol in deliveries.HTTP:
        deliveries.keep(ctx, topic, subscription, message, data_key)
        return 0
    if topic.fifo and deliveries.waits(ctx, subscription, message.group):
        deliveries.keep(ctx, topic, subscription, message, data_key, delay_s=None)
        return 0
    target = target_of(subscription)
    mark = ctx.tx.mark()
    try:
        targets.send(ctx, parcel, target)
    except Waiting:  # somebody needs the time of a thread: the publisher does not wait for it
        ctx.tx.undo(mark)
        deliveries.keep(ctx, topic, subscription, message, data_key)
        return 0
    except ServiceException as refused:
        ctx.tx.undo(mark)
        deliveries.first_failed(ctx, parcel, subscription, data_key, refused)
        return 0
    if topic.feedback:
        status_logs.note(ctx, parcel, target, 1, 200, 0)
    if topic.tracing:
        tracing.delivered(ctx, parcel, target)
    return 1


class _Counts:
    """What the metrics of one message are."""

    def __init__(self) -> None:
        self.delivered = 0
        self._filtered: dict[str, int] = {}

    def filtered(self, wanted: filters.Filter, message: Message) -> None:
        if wanted.of_body:
            reason = "MessageBody" if isinstance(filters.body_of(message.body), dict) else "InvalidMessageBody"
        else:
            reason = "MessageAttributes" if message.attributes else "NoMessageAttributes"
        self._filtered[reason] = self._filtered.get(reason, 0) + 1

    def tell(self, ctx: Context, topic: Topic) -> None:
        if self.delivered:
            measure(ctx, topic, "NumberOfNotificationsDelivered", self.delivered)
        if self._filtered:
            measure(ctx, topic, "NumberOfNotificationsFilteredOut", sum(self._filtered.values()))
            for reason, count in self._filtered.items():
                measure(ctx, topic, f"NumberOfNotificationsFilteredOut-{reason}", count)


def _go_on_later(ctx: Context, topic: Topic, message: Message, data_key: DataKey | None, after: str | None) -> None:
    payload = {
        "account": topic.account,
        "region": topic.region,
        "name": topic.name,
        "id": topic.id,
        "message": encrypting.sealed(ctx, message, data_key),
        "data_key": None if data_key is None else msgspec.msgpack.encode(data_key),
        "after": after,
    }
    ctx.later("sns.fan_out", payload)


@task("fan_out")
def go_on(ctx: Context, payload: dict[str, Any]) -> Answer:
    """The next portion of a topic's subscriptions."""
    topic = TOPICS.get(ctx, payload["account"], payload["region"], payload["name"])
    if topic is None or topic.id != payload["id"]:
        return None
    data_key = None if payload["data_key"] is None else msgspec.msgpack.decode(payload["data_key"], type=DataKey)
    message = encrypting.opened(ctx, payload["message"], data_key)
    fan_out(ctx.traced(message.trace) if message.trace else ctx, topic, message, data_key, payload["after"])
    return None
