"""SendMessage, SendMessageBatch."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sqs import batches, content, deduplication, groups, messages, metrics
from fogbank.services.sqs.addresses import queue_at
from fogbank.services.sqs.content import check_characters, check_token
from fogbank.services.sqs.faults import invalid, missing
from fogbank.services.sqs.handles import sequence_number
from fogbank.services.sqs.state import Attribute, Message, Queue, messages_of

BATCH_BYTES_LIMIT = 1_048_576
DELAY_LIMIT_S = 900


@operation("SendMessage")
def send_message(ctx: Context, req: Any) -> Answer:
    """Puts a message into a queue. A FIFO duplicate is answered like its original and not delivered.

    Errors: QueueDoesNotExist, InvalidMessageContents, InvalidParameterValue (size, delay, attributes, ids), MissingParameter.
    Source: API reference, SendMessage.
    """
    queue = queue_at(ctx, req.QueueUrl)
    answer, added, due_at_ms = _send(ctx, queue, req)
    if added:
        expires_at_ms = ctx.now + queue.retention_s * 1000
        messages.count(ctx, queue, 1, expires_at_ms=expires_at_ms, due_at_ms=due_at_ms, hidden=1 if due_at_ms else 0)
    return answer


@operation("SendMessageBatch")
def send_message_batch(ctx: Context, req: Any) -> Answer:
    """Sends up to ten messages of together at most 1 MiB, each accepted or refused by itself.

    Errors: those of every batch, BatchRequestTooLong. Source: API reference, SendMessageBatch.
    """
    queue = queue_at(ctx, req.QueueUrl)
    entries = req.Entries
    batches.check(entries, "SendMessageBatchRequestEntry")
    size = sum(_size(entry) for entry in entries)
    if size > BATCH_BYTES_LIMIT:
        raise ServiceException(
            "BatchRequestTooLong", f"Batch requests cannot be longer than {BATCH_BYTES_LIMIT} bytes. You have sent {size} bytes."
        )
    sent: list[int] = []
    """When each comes due; 0: now."""

    def send(entry: Any) -> dict[str, Any]:
        answer, added, due_at_ms = _send(ctx, queue, entry)
        if added:
            sent.append(due_at_ms)
        return answer

    answer = batches.answer(entries, send)
    if sent:
        later = [due_at_ms for due_at_ms in sent if due_at_ms]
        expires_at_ms = ctx.now + queue.retention_s * 1000
        messages.count(ctx, queue, len(sent), expires_at_ms=expires_at_ms, due_at_ms=min(later, default=0), hidden=len(later))
    return answer


def _size(entry: Any) -> int:
    size = len(entry.MessageBody.encode("utf-8", "surrogatepass"))
    for name, attribute in (entry.MessageAttributes or {}).items():
        value = (attribute.StringValue or "").encode("utf-8", "surrogatepass") or attribute.BinaryValue or b""
        size += len(name.encode("utf-8", "surrogatepass")) + len(attribute.DataType.encode("utf-8", "surrogatepass")) + len(value)
    return size


def _send(ctx: Context, queue: Queue, entry: Any) -> tuple[dict[str, Any], bool, int]:
    """The answer, whether a message was added (which the caller counts), and when that comes due if not now."""
    text: str = entry.MessageBody
    if not text:
        raise missing("MessageBody")
    check_characters(text)
    body = text.encode()
    size = len(body)
    answer: dict[str, Any] = {"MD5OfMessageBody": content.body_md5(body)}
    attributes: tuple[Attribute, ...] = ()
    if entry.MessageAttributes:
        attributes = content.read_attributes(entry.MessageAttributes)
        size += content.attributes_bytes(attributes)
        answer["MD5OfMessageAttributes"] = content.attributes_md5(attributes)
    if size > queue.maximum_message_bytes:
        raise ServiceException(
            "InvalidParameterValue",
            f"One or more parameters are invalid. Reason: Message must be shorter than {queue.maximum_message_bytes} bytes.",
        )
    trace_header = ""
    if entry.MessageSystemAttributes:
        trace_header = content.read_trace_header(entry.MessageSystemAttributes)
        header = (Attribute("AWSTraceHeader", "String", trace_header),)
        answer["MD5OfMessageSystemAttributes"] = content.attributes_md5(header)
    elif ctx.request is not None and "x-amzn-trace-id" in ctx.request.headers:
        trace_header = ctx.trace
    delay_s = _delay(queue, entry)
    if queue.fifo:
        group, deduplication_id = deduplication.read_ids(queue, entry, body)
        if (original := deduplication.get_duplicate(ctx, queue, group, deduplication_id)) is not None:
            answer["MessageId"] = original.message_id
            answer["SequenceNumber"] = sequence_number(original.sequence)
            metrics.tell(ctx, queue, "NumberOfDeduplicatedSentMessages", 1.0)
            return answer, False, 0
    else:
        group, deduplication_id = _fair_group(entry), ""
    message = Message(
        contents=queue.contents,
        sent_at_ms=ctx.now,
        sequence=ctx.tx.unique(),
        visible_at_ms=ctx.now + delay_s * 1000,
        id=ctx.random.uuid(),
        sender_id=ctx.principal.user_id or ctx.principal.name,
        md5=answer["MD5OfMessageBody"],
        trace_header=trace_header,
        group=group,
        deduplication_id=deduplication_id,
        **messages.stored_content(ctx, queue, text, attributes, size),
    )
    messages_of(queue).insert(ctx, message)
    metrics.tell(ctx, queue, "SentMessageSize", float(size), "Bytes")
    answer["MessageId"] = message.id
    if not queue.fifo:
        return answer, True, message.visible_at_ms if delay_s else 0
    deduplication.remember_sent(ctx, queue, message)
    answer["SequenceNumber"] = sequence_number(message.sequence)
    return answer, True, groups.join(ctx, queue, message)


def _delay(queue: Queue, entry: Any) -> int:
    delay_s: int | None = entry.DelaySeconds
    if delay_s is None:
        return queue.delay_s
    if not 0 <= delay_s <= DELAY_LIMIT_S:
        raise invalid(delay_s, "DelaySeconds", f"DelaySeconds must be >= 0 and <= {DELAY_LIMIT_S}.")
    if queue.fifo and delay_s:
        raise invalid(delay_s, "DelaySeconds", "The request include parameter that is not valid for this queue type.")
    return delay_s


def _fair_group(entry: Any) -> str:
    """The tenant that a message of a standard queue belongs to."""
    if entry.MessageDeduplicationId is not None:
        raise invalid(
            entry.MessageDeduplicationId, "MessageDeduplicationId", "The request include parameter that is not valid for this queue type."
        )
    group: str | None = entry.MessageGroupId
    if group is None:
        return ""
    check_token(group, "MessageGroupId")
    return group
