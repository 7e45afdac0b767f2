"""Messages in flight: DeleteMessage, ChangeMessageVisibility, and their batches."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sqs import batches, groups, handles, messages, metrics
from fogbank.services.sqs.addresses import queue_at
from fogbank.services.sqs.faults import invalid, missing, within
from fogbank.services.sqs.state import VISIBILITY_LIMIT_S, Message, Queue, messages_of
from fogbank.store import change


@operation("DeleteMessage")
def delete_message(ctx: Context, req: Any) -> Answer:
    """Deletes a received message. One that is gone already is no error.

    A standard queue takes any of a message's receipt handles. A FIFO queue takes the latest, while the message is in flight.

    Errors: QueueDoesNotExist, ReceiptHandleIsInvalid, InvalidParameterValue (FIFO: the handle has expired).
    Source: API reference, DeleteMessage.
    """
    _delete(ctx, queue_at(ctx, req.QueueUrl), req)
    return None


@operation("DeleteMessageBatch")
def delete_message_batch(ctx: Context, req: Any) -> Answer:
    """Deletes up to ten messages, each by itself. Source: API reference, DeleteMessageBatch."""
    queue = queue_at(ctx, req.QueueUrl)
    batches.check(req.Entries, "DeleteMessageBatchRequestEntry")
    return batches.answer(req.Entries, lambda entry: _delete(ctx, queue, entry))


@operation("ChangeMessageVisibility")
def change_message_visibility(ctx: Context, req: Any) -> Answer:
    """Hides a message in flight for 0 to 43,200 seconds from now on, at most 12 hours since it was received.

    Errors: QueueDoesNotExist, ReceiptHandleIsInvalid, InvalidParameterValue. Source: API reference, ChangeMessageVisibility.
    """
    _change_visibility(ctx, queue_at(ctx, req.QueueUrl), req)
    return None


@operation("ChangeMessageVisibilityBatch")
def change_message_visibility_batch(ctx: Context, req: Any) -> Answer:
    """Changes up to ten visibility timeouts, each by itself. Source: API reference, ChangeMessageVisibilityBatch."""
    queue = queue_at(ctx, req.QueueUrl)
    batches.check(req.Entries, "ChangeMessageVisibilityBatchRequestEntry")
    return batches.answer(req.Entries, lambda entry: _change_visibility(ctx, queue, entry))


def _find(ctx: Context, queue: Queue, entry: Any) -> tuple[Message | None, bool]:
    """The message that a handle stands for, and whether the handle is of its latest receive and in force."""
    if not entry.ReceiptHandle:
        raise missing("ReceiptHandle")
    receipt = handles.read_receipt(queue, entry.ReceiptHandle)
    message = messages_of(queue).get(ctx, queue.contents, receipt.sent_at_ms, receipt.sequence)
    if message is None:
        return None, False
    return message, message.receive_count == receipt.receive_count and message.visible_at_ms > ctx.now


def _delete(ctx: Context, queue: Queue, entry: Any) -> dict[str, Any]:
    message, in_force = _find(ctx, queue, entry)
    if message is None:
        return {}
    if queue.fifo and not in_force:
        raise invalid(entry.ReceiptHandle, "ReceiptHandle", "The receipt handle has expired.")
    messages.remove(ctx, queue, message)
    metrics.tell(ctx, queue, "NumberOfMessagesDeleted", 1.0)
    due_at_ms = groups.settle(ctx, queue, [message.group]) if queue.fifo else 0
    messages.count_gone(ctx, queue, message, due_at_ms)
    return {}


def _change_visibility(ctx: Context, queue: Queue, entry: Any) -> dict[str, Any]:
    timeout_s: int | None = entry.VisibilityTimeout
    if timeout_s is None:
        raise missing("VisibilityTimeout")
    within(timeout_s, "VisibilityTimeout", 0, VISIBILITY_LIMIT_S, 0)
    message, in_force = _find(ctx, queue, entry)
    if message is None or message.visible_at_ms <= ctx.now or (queue.fifo and not in_force) or not message.receive_count:
        reason = "Message does not exist or is not available for visibility timeout change."
        raise invalid(entry.ReceiptHandle, "ReceiptHandle", reason)
    visible_at_ms = ctx.now + timeout_s * 1000
    if visible_at_ms > message.received_at_ms + VISIBILITY_LIMIT_S * 1000:
        raise invalid(
            timeout_s, "VisibilityTimeout", f"Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_LIMIT_S} seconds]"
        )
    messages.put(ctx, queue, change(message, visible_at_ms=visible_at_ms))
    messages.count(ctx, queue, due_at_ms=groups.settle(ctx, queue, [message.group]) if queue.fifo else visible_at_ms)
    return {}
