"""Publish, PublishBatch."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import content, encrypting, phones, protection, push, tracing
from fogbank.services.sns.addresses import topic_at
from fogbank.services.sns.counting import measure
from fogbank.services.sns.envelopes import sequence_number
from fogbank.services.sns.fanout import fan_out
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import ARCHIVED, DUPLICATES, OLDEST_DUPLICATES, Archived, DataKey, Duplicate, Message, Topic
from fogbank.services.sns.topic_attributes import DAY_MS, MESSAGE_BYTES_LIMIT, archive_days
from fogbank.store import change

ENTRIES_LIMIT = 10
WINDOW_MS = 5 * 60 * 1000
_batch_id = re.compile(r"[A-Za-z0-9_-]{1,80}").fullmatch


@operation("Publish")
def publish(ctx: Context, req: Any) -> Answer:
    """Sends a message to a topic's subscriptions, to an app on a device (TargetArn), or as a text message (PhoneNumber).

    At most 256 KiB with its attributes, or the topic's MaximumMessageSize. A FIFO duplicate is answered like its original and not sent.

    Errors: InvalidParameter, ParameterValueInvalid, NotFound, EndpointDisabled, KMSAccessDenied and its like.
    Source: API reference, Publish.
    """
    if sum(1 for given in (req.TopicArn, req.TargetArn, req.PhoneNumber) if given) != 1:
        several = any((req.TopicArn, req.TargetArn)) and req.PhoneNumber
        raise invalid("TopicArn or TargetArn", "must specify exactly one" if several or req.TopicArn else "no value for required parameter")
    if req.PhoneNumber:
        message, _ = read_message(ctx, None, req)
        phones.publish(ctx, req.PhoneNumber, message)
        return {"MessageId": message.id}
    arn: str = req.TopicArn or req.TargetArn
    if ":endpoint/" in arn:
        message, _ = read_message(ctx, None, req)
        push.publish(ctx, arn, message)
        return {"MessageId": message.id}
    topic = topic_at(ctx, arn, "TopicArn" if req.TopicArn else "TargetArn")
    message, size = read_message(ctx, topic, req)
    return publish_to(ctx, topic, message, size, encrypting.data_key_for(ctx, topic))


@operation("PublishBatch")
def publish_batch(ctx: Context, req: Any) -> Answer:
    """Publishes up to ten messages, each accepted or refused by itself; together as large as one may be.

    Errors: NotFound, EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct, BatchRequestTooLong,
    KMSAccessDenied and its like. Source: API reference, PublishBatch.
    """
    topic = topic_at(ctx, req.TopicArn)
    entries = req.PublishBatchRequestEntries
    _check_batch(entries)
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    read: list[tuple[str, Message, int]] = []
    for entry in entries:
        try:
            read.append((entry.Id, *read_message(ctx, topic, entry)))
        except ServiceException as refused:
            code = "ParameterValueInvalid" if "Value" in refused.code else "InvalidParameter"
            failed.append({"Id": entry.Id, "SenderFault": True, "Code": code, "Message": refused.message})
    if sum(size for _, _, size in read) > _limit(topic):
        raise ServiceException("BatchRequestTooLongException", "The length of all the messages put together is more than the limit.")
    data_key = encrypting.data_key_for(ctx, topic)
    for name, message, size in read:
        try:
            successful.append({"Id": name, **publish_to(ctx, topic, message, size, data_key)})
        except ServiceException as refused:
            failed.append({"Id": name, "SenderFault": True, "Code": refused.code.removesuffix("Exception"), "Message": refused.message})
    return {"Successful": successful, "Failed": failed}


def _check_batch(entries: list[Any]) -> None:
    if not entries:
        raise ServiceException("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > ENTRIES_LIMIT:
        raise ServiceException("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible.")
    for entry in entries:
        if not _batch_id(entry.Id):
            raise ServiceException(
                "InvalidBatchEntryIdException", "The Id of a batch entry in a batch request doesn't abide by the specification."
            )
    if len({entry.Id for entry in entries}) != len(entries):
        raise ServiceException("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")


def _limit(topic: Topic | None) -> int:
    return (topic.maximum_message_bytes if topic is not None else 0) or MESSAGE_BYTES_LIMIT


def read_message(ctx: Context, topic: Topic | None, entry: Any) -> tuple[Message, int]:
    """A message to be published, and its size. Raises InvalidParameter, ParameterValueInvalid."""
    text: str = entry.Message
    if not text:
        raise invalid("Empty message")
    if entry.Subject is not None:
        content.check_subject(entry.Subject)
    attributes = content.read_attributes(entry.MessageAttributes)
    size = content.size_of(text, attributes)
    if size > _limit(topic):
        raise invalid("Message too long")
    structure = content.read_structure(text, entry.MessageStructure)
    group, deduplication_id = _read_ids(topic, entry, text)
    return Message(
        id=ctx.random.uuid(),
        at_ms=ctx.now,
        body=text,
        subject=entry.Subject,
        structure=structure,
        attributes=attributes,
        group=group,
        deduplication_id=deduplication_id,
        trace=ctx.trace,
    ), size


def _read_ids(topic: Topic | None, entry: Any, text: str) -> tuple[str, str]:
    """(group, deduplication id). A standard topic hands a group on to standard queues."""
    group: str | None = entry.MessageGroupId
    deduplication_id: str | None = entry.MessageDeduplicationId
    if topic is None or not topic.fifo:
        if deduplication_id is not None:
            raise invalid(
                "MessageDeduplicationId", "The request includes MessageDeduplicationId parameter that is not valid for this topic type"
            )
        if group is not None:
            content.check_token(group, "MessageGroupId")
        return group or "", ""
    if not group:
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    content.check_token(group, "MessageGroupId")
    if deduplication_id is not None:
        content.check_token(deduplication_id, "MessageDeduplicationId")
        return group, deduplication_id
    if not topic.content_based_deduplication:
        raise invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
    return group, sha256(text.encode()).hexdigest()


def publish_to(ctx: Context, topic: Topic, message: Message, size: int, data_key: DataKey | None) -> dict[str, Any]:
    """Publishes to a topic: the answer."""
    answer: dict[str, Any] = {"MessageId": message.id}
    if topic.protection:
        message = protection.inbound(ctx, topic, message)
    if topic.fifo:
        original = _duplicate(ctx, topic, message)
        if original is not None:
            return {"MessageId": original.message_id, "SequenceNumber": sequence_number(original.sequence)}
        message = _numbered(ctx, topic, message, data_key)
        answer["SequenceNumber"] = sequence_number(message.sequence)
    if topic.tracing:
        ctx = tracing.under_topic(ctx, topic)
        message = change(message, trace=ctx.trace)
    measure(ctx, topic, "NumberOfMessagesPublished", 1)
    measure(ctx, topic, "PublishSize", size, "Bytes")
    fan_out(ctx, topic, message, data_key)
    return answer


def _duplicate(ctx: Context, topic: Topic, message: Message) -> Duplicate | None:
    """What was published under this id within the last five minutes."""
    found = DUPLICATES.get(ctx, topic.id, _scope(topic, message), message.deduplication_id)
    return found if found is not None and found.sent_at_ms + WINDOW_MS > ctx.now else None


def _scope(topic: Topic, message: Message) -> str:
    return message.group if topic.throughput_scope == "MessageGroup" else ""


def _numbered(ctx: Context, topic: Topic, message: Message, data_key: DataKey | None) -> Message:
    """Gives a FIFO message its number, remembers it for five minutes, and files it where the topic has an archive."""
    message = change(message, sequence=ctx.tx.unique())
    for old in list(islice(OLDEST_DUPLICATES.scan(ctx, topic.id, before=ctx.now - WINDOW_MS + 1), 2)):
        DUPLICATES.delete(ctx, old)
    DUPLICATES.put(
        ctx,
        Duplicate(
            topic=topic.id,
            scope=_scope(topic, message),
            deduplication_id=message.deduplication_id,
            sent_at_ms=ctx.now,
            message_id=message.id,
            sequence=message.sequence,
        ),
    )
    if topic.archive_policy:
        for over in list(islice(ARCHIVED.scan(ctx, topic.id, before=ctx.now - archive_days(topic) * DAY_MS + 1), 2)):
            ARCHIVED.delete(ctx, over)
        sealed = encrypting.sealed(ctx, message, data_key)
        ARCHIVED.put(ctx, Archived(topic=topic.id, at_ms=ctx.now, sequence=message.sequence, sealed=sealed, data_key=data_key))
    return message
