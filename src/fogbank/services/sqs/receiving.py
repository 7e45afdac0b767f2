"""ReceiveMessage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, operation
from fogbank.services.sqs import content, deduplication, groups, messages, metrics
from fogbank.services.sqs.addresses import get_queue_by_arn, queue_at
from fogbank.services.sqs.faults import invalid, within
from fogbank.services.sqs.handles import receipt_handle, sequence_number
from fogbank.services.sqs.state import (
    HIDDEN,
    QUEUES,
    TALLIES,
    VISIBILITY_LIMIT_S,
    WAITING,
    Attribute,
    Message,
    Queue,
    Tally,
    is_fresh,
    messages_of,
)
from fogbank.store import change

IN_FLIGHT_LIMIT = 120_000
WAIT_LIMIT_S = 20

SYSTEM_ATTRIBUTES: dict[str, Callable[[Queue, Message], Any]] = {
    "SenderId": lambda q, m: m.sender_id,
    "SentTimestamp": lambda q, m: m.sent_at_ms,
    "ApproximateReceiveCount": lambda q, m: m.earlier_receive_count + m.receive_count,
    "ApproximateFirstReceiveTimestamp": lambda q, m: m.first_received_at_ms,
    "SequenceNumber": lambda q, m: sequence_number(m.sequence) if q.fifo else None,
    "MessageDeduplicationId": lambda q, m: m.deduplication_id,
    "MessageGroupId": lambda q, m: m.group,
    "AWSTraceHeader": lambda q, m: m.trace_header,
    "DeadLetterQueueSourceArn": lambda q, m: m.source_arn,
}


@operation("ReceiveMessage")
def receive_message(ctx: Context, req: Any) -> Answer | Wait:
    """Gives up to ten messages and hides them for the visibility timeout; waits for the first up to 20 seconds.

    Messages past their retention are dropped, those received too often go to the dead-letter queue. FIFO: in
    order within the group, and nothing of a group that has messages in flight; at 120,000 in flight a standard queue
    says OverLimit, a FIFO queue gives nothing.

    Errors: QueueDoesNotExist, OverLimit, InvalidParameterValue. Source: API reference, ReceiveMessage.
    """
    queue = queue_at(ctx, req.QueueUrl)
    wanted = within(req.MaxNumberOfMessages, "MaxNumberOfMessages", 1, 10, 1)
    wait_s = within(req.WaitTimeSeconds, "WaitTimeSeconds", 0, WAIT_LIMIT_S, queue.receive_wait_s)
    visible_at_ms = ctx.now + within(req.VisibilityTimeout, "VisibilityTimeout", 0, VISIBILITY_LIMIT_S, queue.visibility_s) * 1000
    names = _system_names(req)
    taken, next_ms = _receive(ctx, queue, req, wanted, visible_at_ms)
    if taken:
        metrics.tell(ctx, queue, "NumberOfMessagesReceived", float(len(taken)))
        selected = req.MessageAttributeNames
        return {"Messages": [_describe(ctx, queue, message, names, selected) for message in taken]}
    until_ms = ctx.started_ms + wait_s * 1000
    if ctx.now >= until_ms or (next_ms is not None and next_ms <= ctx.now):
        metrics.tell(ctx, queue, "NumberOfEmptyReceives", 1.0)
        return {}
    return Wait(
        (messages_of(queue).watch(queue.contents), QUEUES.watch(queue.account, queue.region, queue.name)),
        until_ms if next_ms is None else min(until_ms, next_ms),
    )


def _system_names(req: Any) -> list[str]:
    """The system attributes asked for, by the new member and the old one."""
    names = [*(req.MessageSystemAttributeNames or ()), *(req.AttributeNames or ())]
    if not names:
        return names
    for name in names:
        if name != "All" and name not in SYSTEM_ATTRIBUTES:
            raise ServiceException("InvalidAttributeName", f"Unknown Attribute {name}.")
    return list(SYSTEM_ATTRIBUTES) if "All" in names else names


def _receive(ctx: Context, queue: Queue, req: Any, wanted: int, visible_at_ms: int) -> tuple[list[Message], int | None]:
    """Messages in their received state; or none, and when there may be some.

    That is now where messages were cleared away: a Wait would undo that, so the caller is to be answered, with nothing.
    """
    attempt_id = req.ReceiveRequestAttemptId
    if attempt_id is not None:
        if not queue.fifo:
            raise invalid(attempt_id, "ReceiveRequestAttemptId", "The request include parameter that is not valid for this queue type.")
        content.check_token(attempt_id, "ReceiveRequestAttemptId")
        if again := deduplication.repeated(ctx, queue, attempt_id, visible_at_ms):
            return again, None
    tally = TALLIES.get(ctx, queue.contents)
    if tally is None or not tally.messages:
        return [], None
    if tally.received + wanted > IN_FLIGHT_LIMIT and not (wanted := _room(ctx, queue, wanted)):
        if queue.fifo:
            return [], tally.due_at_ms if tally.due_at_ms > ctx.now else None
        raise ServiceException("OverLimit", f"The maximum number of in flight messages ({IN_FLIGHT_LIMIT}) is reached.", status=403)
    any_due = messages.any_due(ctx, tally)
    found, cleared = (_take_of_groups if queue.fifo else _take)(ctx, queue, tally, wanted)
    if not found:
        return found, ctx.now if cleared else _next_due(ctx, queue, tally) if any_due else tally.due_at_ms or None
    taken = [_received(ctx, message, visible_at_ms) for message in found]
    for message in taken:
        messages.put(ctx, queue, message)
    due_at_ms = visible_at_ms
    if queue.fifo:
        due_at_ms = groups.settle(ctx, queue, dict.fromkeys([message.group for message in taken]))
        if attempt_id is not None:
            deduplication.remember_received(ctx, queue, attempt_id, taken)
    if any_due:
        due_at_ms = _next_due(ctx, queue, tally) or 0
    received = sum(1 for message in taken if message.receive_count == 1)
    fresh = [message for message in found if is_fresh(message)]
    last = fresh[-1] if fresh else None
    messages.count(ctx, queue, 0, received, due_at_ms=due_at_ms, due_known=any_due, hidden=len(fresh), last_fresh=last)
    return taken, None


def _next_due(ctx: Context, queue: Queue, tally: Tally) -> int | None:
    """When the first of what is hidden or waits comes due; None where nothing is or does."""
    if queue.fifo:
        group = next(WAITING.scan(ctx, queue.contents, at=tally.due_at_ms), None)
        return group.ready_at_ms if group else None
    message = next(HIDDEN.scan(ctx, queue.contents, at=tally.due_at_ms), None)
    return message.visible_at_ms if message else None


def _room(ctx: Context, queue: Queue, wanted: int) -> int:
    """How many more may be in flight, at most as many as are wanted: counted, because the tally only knows an upper bound."""
    in_flight = messages.approximate_counts(ctx, queue)[1]
    return max(0, min(wanted, IN_FLIGHT_LIMIT - in_flight))


def _take(ctx: Context, queue: Queue, tally: Tally, wanted: int) -> tuple[list[Message], bool]:
    """The messages that have been visible for longest, and whether others were cleared away."""
    dead_letters = _dead_letters(ctx, queue)
    taken: list[Message] = []
    cleared = False
    for message in messages.available(ctx, queue, tally):
        if _clear(ctx, queue, message, dead_letters):
            cleared = True
            continue
        taken.append(message)
        if len(taken) == wanted:
            break
    return taken, cleared


def _take_of_groups(ctx: Context, queue: Queue, tally: Tally, wanted: int) -> tuple[list[Message], bool]:
    """The first messages of the groups that have waited for longest, all that one group has before another's."""
    dead_letters = _dead_letters(ctx, queue)
    taken: list[Message] = []
    cleared: list[str] = []
    for group in groups.available(ctx, queue, tally.due_at_ms):
        for message in groups.members(ctx, queue, group.group, group):
            if _clear(ctx, queue, message, dead_letters):
                cleared.append(group.group)
                continue
            if groups.available_at_ms(queue, message) > ctx.now:
                break
            taken.append(message)
            if len(taken) == wanted:
                break
        if len(taken) == wanted:
            break
    if cleared:  # settled only now, so that the scan does not meet a group again
        messages.count(ctx, queue, due_at_ms=groups.settle(ctx, queue, dict.fromkeys(cleared)))
    return taken, bool(cleared)


def _dead_letters(ctx: Context, queue: Queue) -> Queue | None:
    return get_queue_by_arn(ctx, queue.dead_letter_arn) if queue.max_receive_count else None


def _clear(ctx: Context, queue: Queue, message: Message, dead_letters: Queue | None) -> bool:
    """Takes a message away that is not to be given any more: past its retention, or received too often."""
    if message.sent_at_ms <= ctx.now - queue.retention_s * 1000:
        messages.remove(ctx, queue, message)
        messages.count_gone(ctx, queue, message)
        return True
    if dead_letters is not None and message.receive_count >= queue.max_receive_count:
        messages.bury(ctx, queue, dead_letters, message)
        return True
    return False


def _received(ctx: Context, message: Message, visible_at_ms: int) -> Message:
    return change(
        message,
        visible_at_ms=visible_at_ms,
        receive_count=message.receive_count + 1,
        received_at_ms=ctx.now,
        first_received_at_ms=message.first_received_at_ms or ctx.now,
    )


def _describe(ctx: Context, queue: Queue, message: Message, names: list[str], selected: list[str] | None) -> dict[str, Any]:
    body, attributes = messages.content_of(ctx, queue, message)
    answer: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": receipt_handle(queue, message),
        "MD5OfBody": message.md5,
        "Body": body,
    }
    if names:
        values = {name: SYSTEM_ATTRIBUTES[name](queue, message) for name in names}
        answer["Attributes"] = {name: str(value) for name, value in values.items() if value not in (None, "")}
    if selected and attributes and (chosen := content.select(attributes, selected)):
        answer["MD5OfMessageAttributes"] = content.attributes_md5(chosen)
        answer["MessageAttributes"] = {attribute.name: _value(attribute) for attribute in chosen}
    return answer


def _value(attribute: Attribute) -> dict[str, Any]:
    if attribute.binary is None:
        return {"DataType": attribute.type, "StringValue": attribute.text}
    return {"DataType": attribute.type, "BinaryValue": attribute.binary}
