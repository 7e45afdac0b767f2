"""What happens with time: messages past their retention are swept, contents that no queue has any more are cleared up."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.sqs import groups, messages
from fogbank.services.sqs.state import (
    ATTEMPTS,
    DELETED_QUEUES,
    DUPLICATES,
    FIFO_MESSAGES,
    GROUPS,
    MESSAGES,
    MOVES,
    QUEUES,
    REST_MS,
    TALLIES,
    is_fresh,
    messages_of,
)
from fogbank.store import change

PORTION = 500
"""Rows deleted in one transaction, so that other calls get their turn."""
SWEEP_PAUSE_MS = 1000


@task("sweep")
def sweep(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes expired messages, and comes again when the oldest of the others expires."""
    queue = QUEUES.get(ctx, payload["account"], payload["region"], payload["name"])
    if queue is None or queue.contents != payload["contents"]:
        return None
    tally = TALLIES.get(ctx, queue.contents)
    if tally is None or tally.sweep_at_ms != payload["at_ms"]:
        return None
    expired = list(islice(messages_of(queue).scan(ctx, queue.contents, before=messages.expired_before_ms(ctx, queue) + 1), PORTION))
    for message in expired:
        messages.remove(ctx, queue, message)
    due_at_ms = groups.settle(ctx, queue, dict.fromkeys([message.group for message in expired])) if queue.fifo else 0
    oldest = next(messages_of(queue).scan(ctx, queue.contents), None)
    sweep_at_ms = 0
    if oldest is not None:
        expires_at_ms = oldest.sent_at_ms + queue.retention_s * 1000
        sweep_at_ms = ctx.now if expires_at_ms <= ctx.now else max(expires_at_ms, ctx.now + SWEEP_PAUSE_MS)
        messages.set_sweep(ctx, queue, sweep_at_ms)
    received = sum(1 for message in expired if message.receive_count)
    TALLIES.put(ctx, change(tally, sweep_at_ms=sweep_at_ms))
    hidden = sum(1 for message in expired if not is_fresh(message))
    messages.count(ctx, queue, -len(expired), -received, due_at_ms=due_at_ms, hidden=-hidden)
    return None


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what was filed under contents that a queue does not have any more, and under the queue if it is gone (`queue` is not 0)."""
    contents, queue = payload["contents"], payload["queue"]
    table = FIFO_MESSAGES if payload["fifo"] else MESSAGES
    left = PORTION
    for message in list(islice(table.scan(ctx, contents), left)):
        if message.stored is not None:
            ctx.blobs.drop(ctx, message.stored)
        table.delete(ctx, message)
        left -= 1
    for group in list(islice(GROUPS.scan(ctx, contents), left)):
        GROUPS.delete(ctx, group)
        left -= 1
    if queue:
        for duplicate in list(islice(DUPLICATES.scan(ctx, queue), left)):
            DUPLICATES.delete(ctx, duplicate)
            left -= 1
        for attempt in list(islice(ATTEMPTS.scan(ctx, queue), left)):
            ATTEMPTS.delete(ctx, attempt)
            left -= 1
        for move in list(islice(MOVES.scan(ctx, queue), left)):
            MOVES.delete(ctx, move)
            left -= 1
    if not left:
        ctx.later("sqs.drop", payload)
    elif (tally := TALLIES.get(ctx, contents)) is not None:
        TALLIES.delete(ctx, tally)
    return None


@task("free_name")
def free_name(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Forgets that a queue of this name was deleted, once the name has rested."""
    deleted = DELETED_QUEUES.get(ctx, payload["account"], payload["region"], payload["name"])
    if deleted is not None and deleted.deleted_at_ms + REST_MS <= ctx.now:
        DELETED_QUEUES.delete(ctx, deleted)
    return None
