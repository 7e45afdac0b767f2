"""A message in its queue: put there, taken away, given over to another queue, counted."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.sqs import encrypting, groups
from fogbank.services.sqs.addresses import arn_of
from fogbank.services.sqs.state import (
    ACTIVE_MS,
    HIDDEN,
    INLINE_BYTES,
    MESSAGES,
    MINUTE_MS,
    TALLIES,
    Attribute,
    Content,
    Message,
    Queue,
    Tally,
    is_fresh,
    messages_of,
)
from fogbank.store import change

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Content).decode


def put(ctx: Context, queue: Queue, message: Message) -> None:
    """Adds a new message, or replaces the one that it is a later state of. FIFO: the group is to be settled then."""
    messages_of(queue).put(ctx, message)


def remove(ctx: Context, queue: Queue, message: Message) -> None:
    """The message is gone, and what was stored of it. It is still to be counted, and its group to be settled."""
    if message.stored is not None:
        ctx.blobs.drop(ctx, message.stored)
    messages_of(queue).delete(ctx, message)


def count(
    ctx: Context,
    queue: Queue,
    messages: int = 0,
    received: int = 0,
    *,
    expires_at_ms: int = 0,
    due_at_ms: int = 0,
    due_known: bool = False,
    hidden: int = 0,
    last_fresh: Message | None = None,
) -> None:
    """Adds to the tally of a queue: `messages`, of them `received` at least once, and `hidden`, that are in HIDDEN.

    `expires_at_ms`: when the oldest of added messages expires; sets a sweep if none comes before. `due_at_ms`: when
    something that was hidden comes due (0: nothing was); `due_known`: and nothing else does earlier. `last_fresh`: the last
    message that is not fresh any more.
    """
    tally = TALLIES.get(ctx, queue.contents) or Tally(contents=queue.contents)
    sweep_at_ms = tally.sweep_at_ms
    if expires_at_ms and (not sweep_at_ms or expires_at_ms < sweep_at_ms):
        sweep_at_ms = expires_at_ms
        set_sweep(ctx, queue, sweep_at_ms)
    messages += tally.messages
    if not messages:
        due_at_ms = 0
    elif not due_known and tally.due_at_ms and (not due_at_ms or tally.due_at_ms < due_at_ms):
        due_at_ms = tally.due_at_ms
    fresh_from_ms, fresh_after = tally.fresh_from_ms, tally.fresh_after
    if last_fresh is not None:
        fresh_from_ms, fresh_after = last_fresh.sent_at_ms, last_fresh.sequence
    if fresh_from_ms > ctx.now:  # the machine's clock was set back
        fresh_from_ms, fresh_after = ctx.now, 0
    TALLIES.put(
        ctx,
        Tally(
            contents=queue.contents,
            messages=messages,
            received=tally.received + received,
            sweep_at_ms=sweep_at_ms,
            due_at_ms=due_at_ms,
            fresh_from_ms=fresh_from_ms,
            fresh_after=fresh_after,
            hidden=max(0, tally.hidden + hidden),
            sample_at_ms=tally.sample_at_ms or set_sample(ctx, queue, ctx.now),
            active_at_ms=ctx.now,
            rested_at_ms=tally.rested_at_ms if ctx.now - tally.active_at_ms < ACTIVE_MS else tally.active_at_ms + ACTIVE_MS,
        ),
    )


def count_gone(ctx: Context, queue: Queue, message: Message, due_at_ms: int = 0) -> None:
    """Takes a message that is gone out of the tally."""
    count(ctx, queue, -1, -1 if message.receive_count else 0, due_at_ms=due_at_ms, hidden=0 if is_fresh(message) else -1)


def available(ctx: Context, queue: Queue, tally: Tally) -> Iterator[Message]:
    """A standard queue's messages that can be received, by since when."""
    fresh: Iterator[Message] = iter(())
    if tally.messages > tally.hidden:
        fresh = filter(is_fresh, MESSAGES.scan(ctx, queue.contents, after=(tally.fresh_from_ms, tally.fresh_after)))
    if not any_due(ctx, tally):
        return fresh
    due = HIDDEN.scan(ctx, queue.contents, at=tally.due_at_ms, before=ctx.now + 1)
    return merge(due, fresh, key=lambda message: message.visible_at_ms)


def any_due(ctx: Context, tally: Tally) -> bool:
    """Whether something that was hidden may have come due."""
    return 0 < tally.due_at_ms <= ctx.now


def set_sweep(ctx: Context, queue: Queue, at_ms: int) -> None:
    """Has expired messages swept at an instant. The tally must say the same instant: a sweep that it does not know does nothing."""
    payload = {"account": queue.account, "region": queue.region, "name": queue.name, "contents": queue.contents, "at_ms": at_ms}
    ctx.later("sqs.sweep", payload, at_ms=max(at_ms, ctx.now))


def set_sample(ctx: Context, queue: Queue, after_ms: int) -> int:
    """Has what is in the queue told to CloudWatch at the next minute after an instant: when that is. The tally must say the same."""
    at_ms = after_ms - after_ms % MINUTE_MS + MINUTE_MS
    payload = {"account": queue.account, "region": queue.region, "name": queue.name, "contents": queue.contents, "at_ms": at_ms}
    ctx.later("sqs.sample", payload, at_ms=at_ms)
    return at_ms


def expired_before_ms(ctx: Context, queue: Queue, at_ms: int | None = None) -> int:
    """Messages sent at this instant or earlier are past their retention, now or as of an instant."""
    return (ctx.now if at_ms is None else at_ms) - queue.retention_s * 1000


def stored_content(ctx: Context, queue: Queue, body: str, attributes: tuple[Attribute, ...], size: int) -> dict[str, Any]:
    """The fields of a new message that hold its content: sealed where the queue has encryption, in a blob where it is large."""
    seal, data_key = encrypting.seal_for(ctx, queue)
    if size > INLINE_BYTES:
        return {"stored": ctx.blobs.keep(ctx, _encode(Content(body, attributes)), seal), "data_key": data_key}
    if seal is not None:
        return {"sealed": seal.seal(_encode(Content(body, attributes))), "data_key": data_key}
    return {"body": body, "attributes": attributes}


def content_of(ctx: Context, queue: Queue, message: Message) -> tuple[str, tuple[Attribute, ...]]:
    """A message's body and attributes, wherever they are."""
    if message.sealed:
        raw = encrypting.opened(ctx, queue, message)
    elif message.stored is not None:
        opened = ctx.blobs.open(ctx, [message.stored], seal=encrypting.seal_of(ctx, queue, message.data_key))
        raw = opened if isinstance(opened, bytes) else opened.read()
    else:
        return message.body, message.attributes
    content = _decode(raw)
    return content.body, content.attributes


def bury(ctx: Context, queue: Queue, target: Queue, message: Message) -> None:
    """Moves a message to the dead-letter queue.

    It keeps its id and goes on counting receives; a standard one keeps the instant at which it was sent, so that
    it expires by it. A FIFO one is deduplicated by its own id there.
    """
    messages_of(queue).delete(ctx, message)
    count_gone(ctx, queue, message)
    buried = change(
        message,
        contents=target.contents,
        sequence=ctx.tx.unique(),
        sent_at_ms=ctx.now if queue.fifo else message.sent_at_ms,
        visible_at_ms=ctx.now,
        deduplication_id=message.id if queue.fifo else "",
        receive_count=0,
        earlier_receive_count=message.earlier_receive_count + message.receive_count,
        source_arn=arn_of(queue),
    )
    put(ctx, target, buried)
    due_at_ms = groups.join(ctx, target, buried) if target.fifo else ctx.now
    expires_at_ms = buried.sent_at_ms + target.retention_s * 1000
    count(ctx, target, 1, expires_at_ms=expires_at_ms, due_at_ms=due_at_ms, hidden=0 if is_fresh(buried) else 1)


def approximate_counts(ctx: Context, queue: Queue, at_ms: int | None = None) -> tuple[int, int, int]:
    """(visible, in flight, delayed), now or as of an instant since which nothing was done.

    Reads only those that are not visible, and those expired but not swept yet.
    """
    at_ms = ctx.now if at_ms is None else at_ms
    horizon = expired_before_ms(ctx, queue, at_ms)
    in_flight, delayed = (groups.hidden_counts if queue.fifo else _hidden_counts)(ctx, queue, horizon, at_ms)
    tally = TALLIES.get(ctx, queue.contents)
    expired = sum(1 for _ in messages_of(queue).scan(ctx, queue.contents, before=horizon + 1))
    visible = (tally.messages if tally else 0) - in_flight - delayed - expired
    return max(visible, 0), in_flight, delayed


def _hidden_counts(ctx: Context, queue: Queue, horizon: int, at_ms: int) -> tuple[int, int]:
    in_flight = delayed = 0
    for message in HIDDEN.scan(ctx, queue.contents, at=at_ms + 1, reverse=True):
        if message.sent_at_ms <= horizon:
            continue
        if message.receive_count:
            in_flight += 1
        else:
            delayed += 1
    return in_flight, delayed
