"""SQS: messages are received by the consumer's role, handled batch by batch, and deleted where they were taken.

Several pollers are at work at once, as many as find something: each that does lets one more begin, up to what the consumer allows; of those
that find nothing one waits for messages, the others end. What was not taken becomes visible again when its visibility timeout is over,
as on AWS.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from fogbank.delivery.sources import records
from fogbank.delivery.sources.lanes import Lanes
from fogbank.delivery.sources.reading import Consumer, Event, Item, R, Reading
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, Watch

PAYLOAD_BYTES = 6_000_000
AT_ONCE = 10
WAIT_S = 20
TROUBLE_MS = 10_000
LONGEST_MS = 60_000


class Lane:
    """One poller: the batch that it gathers, and then has the function handle."""

    def __init__(self) -> None:
        self.asked = 0
        self.batch: list[Event] = []
        self.size = 0
        self.since_ms = 0
        self.full = False
        self.request_id = ""
        self.troubles = 0
        self.waiting = False
        """For messages: one poller of a mapping does."""

    def take(self, messages: list[Event], now_ms: int) -> None:
        """Adds to the batch."""
        if messages and not self.batch:
            self.since_ms = now_ms
        self.batch += messages
        self.size += sum(len(message["body"]) for message in messages)

    def complete(self, reading: Reading) -> bool:
        """There is no more to come for this batch."""
        full = len(self.batch) >= reading.batch_size or self.size >= PAYLOAD_BYTES
        return full or bool(self.batch and not reading.window_s)

    def again(self) -> None:
        """The next batch."""
        self.batch, self.size, self.since_ms, self.full, self.request_id = [], 0, 0, False, ""


class Received(NamedTuple):
    """What one ReceiveMessage gave: messages, or what to wait for."""

    messages: list[Event]
    wait: Wait | None


_lanes: Lanes[Lane] = Lanes(Lane)


def poll(ctx: Context, consumer: Consumer[R], item: Item) -> Answer | Wait:
    """Reads a queue: `[account, region, id, number]`."""
    work = (consumer.service, *item[:3])
    reading = consumer.current(ctx, item)
    lane = _lanes.enter(ctx, *work, limit=consumer.most(ctx, reading)) if reading is not None else None
    if reading is None or lane is None:
        _lanes.leave(ctx, *work)
        return None
    watch = consumer.watch(item)
    lane.waiting = False
    try:
        role = consumer.role(ctx, reading)
        if not lane.full:
            found = _gather(ctx, consumer, reading, role, lane, item)
            if found is not None:
                if not lane.batch and any(other.waiting for other in _lanes.all(ctx, *work)):
                    _lanes.leave(ctx, *work)
                    return None
                lane.waiting = True
                return found
        if reading.window_s:
            ctx.apart(f"more {lane.request_id}", partial(_let_another_begin, consumer, reading, item))
        _handle(ctx, consumer, reading, role, lane)
        lane.troubles = 0
    except ServiceException as problem:
        lane.troubles += 1
        consumer.note(ctx, reading, f"PROBLEM: {problem.code}: {problem.message}")
        lane.again()
        return Wait((watch,), ctx.now + min(TROUBLE_MS * lane.troubles, LONGEST_MS))
    lane.again()
    return Wait((watch,), ctx.now)


def _url(ctx: Context, reading: Reading) -> tuple[str, str]:
    """The queue's URL and region."""
    _, _, _, region, account, name = reading.source_arn.split(":", 5)
    return f"{ctx.endpoint}/{account}/{name}", region


# gathering a batch


def _gather(ctx: Context, consumer: Consumer[R], reading: R, role: Role, lane: Lane, item: Item) -> Wait | None:
    """Receives until the batch is full or its window is over: None then, else what to wait for. May raise Waiting."""
    watch: Watch = consumer.watch(item)
    while not lane.complete(reading):
        wanted = min(AT_ONCE, reading.batch_size - len(lane.batch))
        got: Received = ctx.apart(f"receive {lane.asked}", partial(_receive, consumer, reading, role, wanted, item))
        lane.asked += 1
        lane.take(got.messages, ctx.now)
        if got.messages:
            continue
        # what came since would wake nobody: the transaction that waits is the one that must have looked
        got = _receive(consumer, reading, role, wanted, item, ctx)
        if got.messages:
            lane.take(got.messages, ctx.now)
            return Wait((watch,), ctx.now)
        until_ms = got.wait.until_ms if got.wait is not None else ctx.now
        on = (*got.wait.on, watch) if got.wait is not None else (watch,)
        if not lane.batch:
            return Wait(on, until_ms)
        over_ms = lane.since_ms + reading.window_s * 1000
        if ctx.now >= over_ms:
            break
        lane.waiting = True
        raise Waiting(Wait(on, min(until_ms, over_ms)))
    lane.full = True
    lane.request_id = ctx.random.uuid()
    return None


def _let_another_begin(consumer: Consumer[R], reading: R, item: Item, own: Context) -> None:
    """While this poller's batch is handled, another one waits for messages."""
    if len(_lanes.all(own, consumer.service, *item[:3])) < consumer.most(own, reading):
        own.later(f"{consumer.service}.poll_queue", item)


def _receive(consumer: Consumer[R], reading: R, role: Role, wanted: int, item: Item, own: Context) -> Received:
    """Receives messages as the consumer's role, where there are some, lets another poller begin."""
    url, region = _url(own, reading)
    members = {
        "QueueUrl": url,
        "MaxNumberOfMessages": wanted,
        "WaitTimeSeconds": WAIT_S,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    }
    answer = own.call("sqs", "ReceiveMessage", members, acting=role, region=region)
    if isinstance(answer, Wait):
        return Received([], answer)
    found = [records.of_message(message, reading.source_arn, region) for message in (answer or {}).get("Messages") or ()]
    if found and not reading.window_s:
        _let_another_begin(consumer, reading, item, own)
    consumer.count(own, reading, "PolledEventCount", len(found))
    return Received(found, None)


# handling it


def _handle(ctx: Context, consumer: Consumer[R], reading: R, role: Role, lane: Lane) -> None:
    """Has the batch handled, and deletes what was taken. May raise Waiting; raises what hinders it."""
    wanted: list[Event] = []
    taken: list[Event] = []
    for message in lane.batch:
        (wanted if consumer.wanted(ctx, reading, message) else taken).append(message)
    consumer.count(ctx, reading, "FilteredOutEventCount", len(taken))
    if wanted:
        header = next((found for message in wanted if (found := message["attributes"].get("AWSTraceHeader"))), "")
        carried = ctx.traced(header) if header else ctx
        failed = consumer.handle_messages(carried, reading, role, wanted, lane.request_id)
        consumer.count(ctx, reading, "InvokedEventCount", len(wanted))
        consumer.count(ctx, reading, "FailedInvokeEventCount", len(failed))
        taken += [message for message in wanted if message["messageId"] not in failed]
    _delete(ctx, reading, role, taken)
    consumer.count(ctx, reading, "DeletedEventCount", len(taken))


def _delete(ctx: Context, reading: Reading, role: Role, messages: list[Event]) -> None:
    url, region = _url(ctx, reading)
    for start in range(0, len(messages), AT_ONCE):
        entries = [
            {"Id": str(number), "ReceiptHandle": message["receiptHandle"]}
            for number, message in enumerate(messages[start : start + AT_ONCE])
        ]
        ctx.call("sqs", "DeleteMessageBatch", {"QueueUrl": url, "Entries": entries}, acting=role, region=region)
