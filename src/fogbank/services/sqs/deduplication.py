"""What FIFO queues remember for five minutes: deduplication ids of sends, attempt ids of receives.

Source: "Exactly-once processing" in the SQS Developer Guide.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs import groups
from fogbank.services.sqs.content import check_token
from fogbank.services.sqs.faults import missing
from fogbank.services.sqs.messages import count
from fogbank.services.sqs.state import (
    ATTEMPTS,
    DUPLICATES,
    FIFO_MESSAGES,
    OLDEST_ATTEMPTS,
    OLDEST_DUPLICATES,
    Attempt,
    Duplicate,
    Message,
    Queue,
    Taken,
)
from fogbank.store import change

WINDOW_MS = 5 * 60 * 1000


def read_ids(queue: Queue, entry: Any, body: bytes) -> tuple[str, str]:
    """(group, deduplication id) of a message to be sent. Raises MissingParameter, InvalidParameterValue."""
    group: str | None = entry.MessageGroupId
    if not group:
        raise missing("MessageGroupId")
    check_token(group, "MessageGroupId")
    deduplication_id: str | None = entry.MessageDeduplicationId
    if deduplication_id is not None:
        check_token(deduplication_id, "MessageDeduplicationId")
    elif queue.content_based_deduplication:
        deduplication_id = sha256(body).hexdigest()
    else:
        raise ServiceException(
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )
    return group, deduplication_id


def _scope(queue: Queue, group: str) -> str:
    return group if queue.deduplication_scope == "messageGroup" else ""


def get_duplicate(ctx: Context, queue: Queue, group: str, deduplication_id: str) -> Duplicate | None:
    """What was sent under this id within the last five minutes."""
    found = DUPLICATES.get(ctx, queue.id, _scope(queue, group), deduplication_id)
    return found if found is not None and found.sent_at_ms + WINDOW_MS > ctx.now else None


def remember_sent(ctx: Context, queue: Queue, message: Message) -> None:
    """Opens a message's window, and forgets up to two that are over: so as many are kept as the window holds."""
    for old in list(islice(OLDEST_DUPLICATES.scan(ctx, queue.id, before=ctx.now - WINDOW_MS + 1), 2)):
        DUPLICATES.delete(ctx, old)
    DUPLICATES.put(
        ctx,
        Duplicate(
            queue=queue.id,
            scope=_scope(queue, message.group),
            deduplication_id=message.deduplication_id,
            sent_at_ms=ctx.now,
            message_id=message.id,
            sequence=message.sequence,
        ),
    )


def repeated(ctx: Context, queue: Queue, attempt_id: str, visible_at_ms: int) -> list[Message] | None:
    """The messages of an earlier attempt with this id, hidden anew; None if they are not all as it left them."""
    attempt = ATTEMPTS.get(ctx, queue.id, attempt_id)
    if attempt is None or attempt.at_ms + WINDOW_MS <= ctx.now:
        return None
    found: list[Message] = []
    for taken in attempt.taken:
        message = FIFO_MESSAGES.get(ctx, queue.contents, taken.sent_at_ms, taken.sequence)
        if message is None or (message.receive_count, message.visible_at_ms) != (taken.receive_count, taken.visible_at_ms):
            return None
        if message.visible_at_ms <= ctx.now:
            return None
        found.append(change(message, visible_at_ms=visible_at_ms))
    for message in found:
        FIFO_MESSAGES.put(ctx, message)
    count(ctx, queue, due_at_ms=groups.settle(ctx, queue, dict.fromkeys([message.group for message in found])))
    _put_attempt(ctx, queue, attempt_id, found, attempt.at_ms)
    return found


def remember_received(ctx: Context, queue: Queue, attempt_id: str, taken: list[Message]) -> None:
    for old in list(islice(OLDEST_ATTEMPTS.scan(ctx, queue.id, before=ctx.now - WINDOW_MS + 1), 2)):
        ATTEMPTS.delete(ctx, old)
    _put_attempt(ctx, queue, attempt_id, taken, ctx.now)


def _put_attempt(ctx: Context, queue: Queue, attempt_id: str, taken: list[Message], at_ms: int) -> None:
    left = tuple([Taken(m.sent_at_ms, m.sequence, m.receive_count, m.visible_at_ms) for m in taken])
    ATTEMPTS.put(ctx, Attempt(queue=queue.id, id=attempt_id, at_ms=at_ms, taken=left))
