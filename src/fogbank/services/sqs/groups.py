"""The message groups of FIFO queues: which may give something, and when.

Source: "FIFO delivery logic" in the SQS Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

from fogbank.kernel.context import Context
from fogbank.services.sqs.state import BY_GROUP, FIFO_MESSAGES, GROUPS, READY, WAITING, Group, Message, Queue

BATCH_LIMIT = 10
DELAY_LIMIT_MS = 900_000


def available_at_ms(queue: Queue, message: Message) -> int:
    return message.visible_at_ms if message.receive_count else message.sent_at_ms + queue.delay_s * 1000


def join(ctx: Context, queue: Queue, message: Message) -> int:
    """A message was added behind the others of its group. When it comes due; 0 if it has, or another decides."""
    if GROUPS.get(ctx, queue.contents, message.group) is None:
        return _put(ctx, queue, message, available_at_ms(queue, message))
    return 0


def settle(ctx: Context, queue: Queue, names: Iterable[str]) -> int:
    """Works out anew when groups may give something, after their first messages changed.

    When the first of them that waits comes due; 0 where none waits.
    """
    return min([due_at_ms for name in names if (due_at_ms := _settle(ctx, queue, name))], default=0)


def _settle(ctx: Context, queue: Queue, name: str) -> int:
    group = GROUPS.get(ctx, queue.contents, name)
    head: Message | None = None
    in_flight_until_ms = 0
    for message in islice(members(ctx, queue, name, group), BATCH_LIMIT):
        head = head or message
        if not message.receive_count:
            break
        if message.visible_at_ms > ctx.now:
            in_flight_until_ms = max(in_flight_until_ms, message.visible_at_ms)
    if head is not None:
        return _put(ctx, queue, head, in_flight_until_ms or available_at_ms(queue, head))
    if group is not None:
        GROUPS.delete(ctx, group)
    return 0


def members(ctx: Context, queue: Queue, name: str, group: Group | None) -> Iterator[Message]:
    """The messages of a group in their order. What is before its last known head is gone."""
    return BY_GROUP.scan(ctx, queue.contents, name, at=group.head if group else 0)


def _put(ctx: Context, queue: Queue, head: Message, ready_at_ms: int) -> int:
    waits = ready_at_ms > ctx.now
    GROUPS.put(ctx, Group(contents=queue.contents, group=head.group, ready_at_ms=ready_at_ms, head=head.sequence, waits=waits))
    return ready_at_ms if waits else 0


def settle_delayed(ctx: Context, queue: Queue) -> int:
    """After the queue's delay changed: groups whose first message was never received wait by the new one."""
    recent = ctx.now - DELAY_LIMIT_MS
    names = [group.group for index in (READY, WAITING) for group in index.scan(ctx, queue.contents, at=recent)]
    return settle(ctx, queue, names)


def available(ctx: Context, queue: Queue, due_from_ms: int) -> Iterator[Group]:
    """The groups that may give something, by since when; also those that waited until an instant from `due_from_ms` to now."""
    ready = READY.scan(ctx, queue.contents)
    if not 0 < due_from_ms <= ctx.now:
        return ready
    due = WAITING.scan(ctx, queue.contents, at=due_from_ms, before=ctx.now + 1)
    return merge(due, ready, key=lambda group: (group.ready_at_ms, group.head))


def hidden_counts(ctx: Context, queue: Queue, horizon: int, at_ms: int) -> tuple[int, int]:
    """(in flight, delayed) as of an instant, without those sent at the horizon or before."""
    in_flight = 0
    for group in WAITING.scan(ctx, queue.contents, at=at_ms + 1, reverse=True):
        for message in islice(members(ctx, queue, group.group, group), BATCH_LIMIT):
            in_flight += bool(message.receive_count) and message.visible_at_ms > at_ms and message.sent_at_ms > horizon
    delayed = 0
    if queue.delay_s:
        young = FIFO_MESSAGES.scan(ctx, queue.contents, at=at_ms - queue.delay_s * 1000 + 1)
        delayed = sum(1 for message in young if not message.receive_count)
    return in_flight, delayed
