"""What CloudWatch is told of queues (AWS/SQS): what is sent, received and deleted; and, each minute, what is in them.

The gauges are sampled while a queue is active: for six hours since a message came, went or was received. One task for each active
queue does so, as of its own instant, so that a clock that is moved leaves the samples that there would have been. CloudWatch counts a
SentMessageSize as one of NumberOfMessagesSent, too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.sqs import messages
from fogbank.services.sqs.state import MINUTE_MS, QUEUES, TALLIES, Queue, messages_of
from fogbank.store import change

NAMESPACE = "AWS/SQS"
ACTIVE_MS = 6 * 60 * MINUTE_MS


@lru_cache(4096)
def _dimensions(name: str) -> tuple[tuple[str, str], ...]:
    return (("QueueName", name),)


def tell(ctx: Context, queue: Queue, name: str, value: float, unit: str = "Count", at_ms: int = 0) -> None:
    """One value of a metric of a queue, in the queue's account and region."""
    what = Measure(queue.account, queue.region, NAMESPACE, name, _dimensions(queue.name), value, unit, at_ms or ctx.now)
    ctx.tell(MEASURES, what)


@task("sample")
def sample(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Tells what is in a queue, as of an instant, and comes again a minute later as long as the queue is active."""
    queue = QUEUES.get(ctx, payload["account"], payload["region"], payload["name"])
    if queue is None or queue.contents != payload["contents"]:
        return None
    tally = TALLIES.get(ctx, queue.contents)
    at_ms: int = payload["at_ms"]
    if tally is None or tally.sample_at_ms != at_ms:
        return None
    visible, in_flight, delayed = messages.approximate_counts(ctx, queue, at_ms)
    oldest = next(messages_of(queue).scan(ctx, queue.contents, after=(at_ms - queue.retention_s * 1000,)), None)
    age_s = 0 if oldest is None else max(at_ms - oldest.sent_at_ms, 0) // 1000
    for name, value, unit in (
        ("ApproximateNumberOfMessagesVisible", visible, "Count"),
        ("ApproximateNumberOfMessagesNotVisible", in_flight, "Count"),
        ("ApproximateNumberOfMessagesDelayed", delayed, "Count"),
        ("ApproximateAgeOfOldestMessage", age_s, "Seconds"),
    ):
        tell(ctx, queue, name, float(value), unit, at_ms)
    if at_ms - tally.active_at_ms < ACTIVE_MS:
        TALLIES.put(ctx, change(tally, sample_at_ms=messages.set_sample(ctx, queue, at_ms)))
    else:
        TALLIES.put(ctx, change(tally, sample_at_ms=0))
    return None
