"""What CloudWatch is told of queues (AWS/SQS): what is sent, received and deleted; and, each minute, what is in them.

The gauges are sampled while a queue is active: for six hours since a message came, went or was received. One task for each active
queue does so, as of its own instant, so that a clock that is moved leaves the samples that there would have been: all of them at once up
to when something else is done. CloudWatch counts a SentMessageSize as one of NumberOfMessagesSent, too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fogbank.delivery import outbox
from fogbank.kernel.context import Context
from fogbank.kernel.operation import LOOKING, Answer, task
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.sqs import messages
from fogbank.services.sqs.state import ACTIVE_MS, HIDDEN, MINUTE_MS, QUEUES, TALLIES, Queue, messages_of
from fogbank.store import change

NAMESPACE = "AWS/SQS"
FOREVER_MS = 1 << 62
COUNTS = ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@lru_cache(4096)
def _dimensions(name: str) -> tuple[tuple[str, str], ...]:
    return (("QueueName", name),)


def tell(ctx: Context, queue: Queue, name: str, value: float, unit: str = "Count", at_ms: int = 0) -> None:
    """One value of a metric of a queue, in the queue's account and region."""
    what = Measure(queue.account, queue.region, NAMESPACE, name, _dimensions(queue.name), value, unit, at_ms or ctx.now)
    ctx.tell(MEASURES, what)


@task("sample", looks=True)
def sample(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Tells what is in a queue, as of an instant and the minutes after it that are over, and comes again as long as the queue is active."""
    queue = QUEUES.get(ctx, payload["account"], payload["region"], payload["name"])
    if queue is None or queue.contents != payload["contents"]:
        return None
    tally = TALLIES.get(ctx, queue.contents)
    at_ms: int = payload["at_ms"]
    if tally is None or tally.sample_at_ms != at_ms:
        return None
    ends_ms = tally.rested_at_ms if at_ms < tally.rested_at_ms else tally.active_at_ms + ACTIVE_MS
    until_ms = min(outbox.work_ms(ctx, ctx.now, LOOKING), ends_ms)
    changes_at_ms = 0
    counts, oldest_ms = (0, 0, 0), None
    while True:
        if at_ms >= changes_at_ms:
            counts, oldest_ms, changes_at_ms = _contents(ctx, queue, at_ms)
        _tell_gauges(ctx, queue, counts, 0 if oldest_ms is None else max(at_ms - oldest_ms, 0) // 1000, at_ms)
        if at_ms + MINUTE_MS > until_ms:
            break
        at_ms += MINUTE_MS
    if ends_ms - MINUTE_MS < at_ms < tally.active_at_ms:  # (it rested until then)
        at_ms = tally.active_at_ms
    active = at_ms - tally.active_at_ms < ACTIVE_MS
    TALLIES.put(ctx, change(tally, sample_at_ms=messages.set_sample(ctx, queue, at_ms) if active else 0))
    return None


def _contents(ctx: Context, queue: Queue, at_ms: int) -> tuple[tuple[int, int, int], int | None, int]:
    """(visible, in flight, delayed), when the oldest message was sent, and until when that is so if nothing is done."""
    oldest = next(messages_of(queue).scan(ctx, queue.contents, after=(at_ms - queue.retention_s * 1000,)), None)
    changes_at_ms = FOREVER_MS if oldest is None else oldest.sent_at_ms + queue.retention_s * 1000
    if queue.fifo:
        changes_at_ms = at_ms if oldest is not None else changes_at_ms
    elif (hidden := next(HIDDEN.scan(ctx, queue.contents, at=at_ms + 1), None)) is not None:
        changes_at_ms = min(changes_at_ms, hidden.visible_at_ms)
    return messages.approximate_counts(ctx, queue, at_ms), None if oldest is None else oldest.sent_at_ms, changes_at_ms


def _tell_gauges(ctx: Context, queue: Queue, counts: tuple[int, int, int], age_s: int, at_ms: int) -> None:
    for name, value in zip(COUNTS, counts, strict=True):
        tell(ctx, queue, name, float(value), "Count", at_ms)
    tell(ctx, queue, "ApproximateAgeOfOldestMessage", float(age_s), "Seconds", at_ms)
