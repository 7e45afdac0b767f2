"""Queues: made, found, described, changed, purged, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sqs import attributes, groups, messages
from fogbank.services.sqs.addresses import arn_of, no_queue, own_queue_at, queue_at, url_of
from fogbank.services.sqs.faults import invalid, within
from fogbank.services.sqs.state import BY_DEAD_LETTER, DELETED_QUEUES, QUEUES, REST_MS, TALLIES, DeletedQueue, Queue, Tally, messages_of
from fogbank.services.sqs.tags import check_tags
from fogbank.store import change

PAGE_LIMIT = 1000
_name = re.compile(r"[\w-]{1,80}", re.ASCII).fullmatch


@operation("CreateQueue")
def create_queue(ctx: Context, req: Any) -> Answer:
    """Makes a standard queue, or a FIFO one (FifoQueue is true and the name ends in `.fifo`).

    A queue that exists is answered where all attributes given are the ones it has. A deleted name rests for 60 s.

    Errors: QueueNameExists, QueueDeletedRecently, InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue.
    Source: API reference, CreateQueue.
    """
    given = req.Attributes or {}
    fifo = _read_type(req.QueueName, given)
    queue = Queue(
        account=ctx.account,
        region=ctx.region,
        name=req.QueueName,
        id=ctx.tx.unique(),
        contents=ctx.tx.unique(),
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        fifo=fifo,
    )
    found = QUEUES.get(ctx, ctx.account, ctx.region, req.QueueName)
    fields = attributes.read(ctx, found or queue, given)
    if found is not None:
        _check_same(found, fields, given)
        return {"QueueUrl": url_of(ctx, found)}
    tags = dict(req.tags or {})
    if tags:
        check_tags(tags)
        ctx.authorize("sqs:TagQueue", arn_of(queue))
    deleted = DELETED_QUEUES.get(ctx, ctx.account, ctx.region, req.QueueName)
    if deleted is not None:
        if deleted.deleted_at_ms + REST_MS > ctx.now:
            raise ServiceException(
                "QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name."
            )
        DELETED_QUEUES.delete(ctx, deleted)
    queue = change(queue, tags=tags, **fields)
    QUEUES.put(ctx, queue)
    TALLIES.put(ctx, Tally(contents=queue.contents))
    return {"QueueUrl": url_of(ctx, queue)}


def _read_type(name: str, given: dict[str, str]) -> bool:
    """Whether it is a FIFO queue. Raises InvalidParameterValue where name and type do not go together."""
    kind = given.get("FifoQueue")
    if kind is not None and kind not in ("true", "false"):
        attributes.refuse("FifoQueue")
    if kind == "false":
        raise attributes.unknown("FifoQueue")
    stem = name.removesuffix(".fifo")
    if kind:
        if stem == name or len(name) > 80 or not _name(stem):
            raise ServiceException(
                "InvalidParameterValue",
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix"
                " and be 1 to 80 in length.",
            )
        return True
    if not _name(name):
        raise ServiceException(
            "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    return False


def _check_same(found: Queue, fields: attributes.Fields, given: dict[str, str]) -> None:
    if any(getattr(found, field) != value for field, value in fields.items()):
        wanted = change(found, **fields)
        names = [n for n in given if n in attributes.DESCRIBED and attributes.DESCRIBED[n](found) != attributes.DESCRIBED[n](wanted)]
        raise ServiceException(
            "QueueNameExists", f"A queue already exists with the same name and a different value for attribute {names[0]}"
        )


@operation("DeleteQueue")
def delete_queue(ctx: Context, req: Any) -> Answer:
    """Deletes a queue and whatever is in it. Errors: QueueDoesNotExist. Source: API reference, DeleteQueue."""
    queue = own_queue_at(ctx, req.QueueUrl)
    QUEUES.delete(ctx, queue)
    DELETED_QUEUES.put(ctx, DeletedQueue(account=queue.account, region=queue.region, name=queue.name, deleted_at_ms=ctx.now))
    ctx.later("sqs.drop", {"contents": queue.contents, "fifo": queue.fifo, "queue": queue.id})
    ctx.later("sqs.free_name", {"account": queue.account, "region": queue.region, "name": queue.name}, delay_s=REST_MS // 1000)
    return None


@operation("GetQueueUrl")
def get_queue_url(ctx: Context, req: Any) -> Answer:
    """The URL of a queue by its name and its owner. Errors: QueueDoesNotExist. Source: API reference, GetQueueUrl."""
    queue = QUEUES.get(ctx, req.QueueOwnerAWSAccountId or ctx.account, ctx.region, req.QueueName)
    if queue is None:
        raise no_queue()
    return {"QueueUrl": url_of(ctx, queue)}


@operation("ListQueues")
def list_queues(ctx: Context, req: Any) -> Answer:
    """The caller's queues in the region, by name; at most 1,000, and pages only where MaxResults is given.

    Errors: InvalidParameterValue. Source: API reference, ListQueues.
    """
    size, after = _read_page(req)
    found = QUEUES.scan(ctx, ctx.account, ctx.region, starting=req.QueueNamePrefix or "", after=after)
    urls, token = _page(ctx, found, size, req)
    return {"QueueUrls": urls or None, "NextToken": token}


@operation("ListDeadLetterSourceQueues")
def list_dead_letter_source_queues(ctx: Context, req: Any) -> Answer:
    """The queues whose redrive policy names this one. Errors: QueueDoesNotExist. Source: API reference, ListDeadLetterSourceQueues."""
    queue = queue_at(ctx, req.QueueUrl)
    size, after = _read_page(req)
    place = (queue.account, queue.region, after) if after is not None else None
    urls, token = _page(ctx, BY_DEAD_LETTER.scan(ctx, arn_of(queue), after=place), size, req)
    return {"queueUrls": urls, "NextToken": token}


def _read_page(req: Any) -> tuple[int, str | None]:
    """How many, and after which name."""
    size = within(req.MaxResults, "MaxResults", 1, PAGE_LIMIT, PAGE_LIMIT)
    if req.NextToken and req.MaxResults is None:
        raise ServiceException("InvalidParameterValue", "MaxResults is a mandatory parameter when you provide a value for NextToken.")
    return size, paging.place(req.NextToken, lambda: invalid(req.NextToken, "NextToken", "Invalid or expired next token."))


def _page(ctx: Context, found: Iterable[Queue], size: int, req: Any) -> tuple[list[str], str | None]:
    queues, more = paging.page(found, size)
    token = paging.token(queues[-1].name) if more and req.MaxResults is not None else None
    return [url_of(ctx, queue) for queue in queues], token


@operation("GetQueueAttributes")
def get_queue_attributes(ctx: Context, req: Any) -> Answer:
    """Attributes by name, or All; those that the queue has not are left out.

    Errors: QueueDoesNotExist, InvalidAttributeName. Source: API reference, GetQueueAttributes.
    """
    queue = queue_at(ctx, req.QueueUrl)
    return {"Attributes": attributes.describe(ctx, queue, req.AttributeNames or []) or None}


@operation("SetQueueAttributes")
def set_queue_attributes(ctx: Context, req: Any) -> Answer:
    """Changes attributes, all or none. Retention counts for messages that are there; a FIFO queue's delay does, too.

    Errors: QueueDoesNotExist, InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue.
    Source: API reference, SetQueueAttributes.
    """
    queue = own_queue_at(ctx, req.QueueUrl)
    changed = change(queue, modified_at_ms=ctx.now, **attributes.read(ctx, queue, req.Attributes))
    QUEUES.put(ctx, changed)
    if changed.fifo and changed.delay_s != queue.delay_s:
        messages.count(ctx, changed, due_at_ms=groups.settle_delayed(ctx, changed))
    if changed.retention_s < queue.retention_s:
        oldest = next(messages_of(changed).scan(ctx, changed.contents), None)
        if oldest is not None:
            messages.count(ctx, changed, expires_at_ms=oldest.sent_at_ms + changed.retention_s * 1000)
    return None


@operation("PurgeQueue")
def purge_queue(ctx: Context, req: Any) -> Answer:
    """Deletes all messages of a queue, also those in flight; at most once in 60 seconds.

    Errors: QueueDoesNotExist, PurgeQueueInProgress. Source: API reference, PurgeQueue.
    """
    queue = queue_at(ctx, req.QueueUrl)
    if queue.purged_at_ms + REST_MS > ctx.now:
        raise ServiceException(
            "PurgeQueueInProgress", f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.", status=403
        )
    purged = change(queue, contents=ctx.tx.unique(), purged_at_ms=ctx.now)
    QUEUES.put(ctx, purged)
    TALLIES.put(ctx, Tally(contents=purged.contents))
    ctx.later("sqs.drop", {"contents": queue.contents, "fifo": queue.fifo, "queue": 0})
    return None
