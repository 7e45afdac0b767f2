"""SQS: messages are received by the function's role, given to the function batch by batch, and deleted where it took them.

Several pollers are at work at once, as many as find something: each that does lets one more begin, up to the mapping's maximum
concurrency, or LANES; of those that find nothing one waits for messages, the others end. What the function did not take becomes
visible again when its visibility timeout is over, as on AWS.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, Watch, task
from fogbank.services.lambda_ import running
from fogbank.services.lambda_.addresses import version_at
from fogbank.services.lambda_.sources import filters, mappings, records
from fogbank.services.lambda_.sources.batches import failed_items
from fogbank.services.lambda_.sources.lanes import Lanes, count
from fogbank.services.lambda_.sources.state import MAPPINGS, Mapping
from fogbank.services.lambda_.state import FUNCTIONS, Version

LANES = 20
PAYLOAD_BYTES = 6_000_000
AT_ONCE = 10
WAIT_S = 20
TROUBLE_MS = 10_000
LONGEST_MS = 60_000

Event = dict[str, Any]


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

    def again(self) -> None:
        """The next batch."""
        self.batch, self.size, self.since_ms, self.full, self.request_id = [], 0, 0, False, ""


class Received(NamedTuple):
    """What one ReceiveMessage gave: messages, or what to wait for."""

    messages: list[Event]
    wait: Wait | None


_lanes: Lanes[Lane] = Lanes(Lane)


@task("poll_queue")
def poll_queue(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a queue for a function."""
    mapping = mappings.current(ctx, item)
    lane = _lanes.enter(ctx, *item[:3], limit=_most(ctx, mapping)) if mapping is not None else None
    if mapping is None or lane is None:
        _lanes.leave(ctx, *item[:3])
        return None
    watch = MAPPINGS.watch(*item[:3])
    lane.waiting = False
    try:
        version = version_at(ctx, mappings.function_of(mapping))
        if not lane.full:
            found = _gather(ctx, mapping, version, lane, item)
            if found is not None:
                if not lane.batch and any(other.waiting for other in _lanes.all(ctx, *item[:3])):
                    _lanes.leave(ctx, *item[:3])
                    return None
                lane.waiting = True
                return found
        if mapping.window_s:
            ctx.apart(f"more {lane.request_id}", partial(_let_another_begin, mapping, item))
        _handle(ctx, mapping, version, lane)
        lane.troubles = 0
    except ServiceException as problem:
        lane.troubles += 1
        mappings.note(ctx, mapping, f"PROBLEM: {problem.code}: {problem.message}")
        lane.again()
        return Wait((watch,), ctx.now + min(TROUBLE_MS * lane.troubles, LONGEST_MS))
    lane.again()
    return Wait((watch,), ctx.now)


def _most(ctx: Context, mapping: Mapping | None) -> int:
    """How many pollers there may be."""
    if mapping is None:
        return 0
    function = FUNCTIONS.get(ctx, *mappings.function_of(mapping)[:3])
    reserved = function.reserved if function is not None and function.reserved is not None else LANES
    return mapping.max_concurrency or max(1, min(LANES, reserved))


def _url(ctx: Context, mapping: Mapping) -> tuple[str, str]:
    """The queue's URL and region."""
    _, _, _, region, account, name = mapping.source_arn.split(":", 5)
    return f"{ctx.endpoint}/{account}/{name}", region


# gathering a batch


def _gather(ctx: Context, mapping: Mapping, version: Version, lane: Lane, item: list[Any]) -> Wait | None:
    """Receives until the batch is full or its window is over: None then, else what to wait for. May raise Waiting."""
    watch: Watch = MAPPINGS.watch(*item[:3])
    while True:
        wanted = min(AT_ONCE, mapping.batch_size - len(lane.batch))
        got: Received = ctx.apart(f"receive {lane.asked}", partial(_receive, mapping, version, wanted, item))
        lane.asked += 1
        if got.messages and not lane.batch:
            lane.since_ms = ctx.now
        lane.batch += got.messages
        lane.size += sum(len(message["body"]) for message in got.messages)
        if len(lane.batch) >= mapping.batch_size or lane.size >= PAYLOAD_BYTES or (lane.batch and not mapping.window_s):
            break
        if got.messages:
            continue
        until_ms = got.wait.until_ms if got.wait is not None else ctx.now
        on = (*got.wait.on, watch) if got.wait is not None else (watch,)
        if not lane.batch:
            return Wait(on, until_ms)
        over_ms = lane.since_ms + mapping.window_s * 1000
        if ctx.now >= over_ms:
            break
        lane.waiting = True
        raise Waiting(Wait(on, min(until_ms, over_ms)))
    lane.full = True
    lane.request_id = ctx.random.uuid()
    return None


def _let_another_begin(mapping: Mapping, item: list[Any], own: Context) -> None:
    """While this poller's batch is handled, another one waits for messages."""
    if len(_lanes.all(own, *item[:3])) < _most(own, mapping):
        own.later("lambda.poll_queue", item)


def _receive(mapping: Mapping, version: Version, wanted: int, item: list[Any], own: Context) -> Received:
    """Receives messages as the function's role, in a transaction of its own; where there are some, lets another poller begin."""
    url, region = _url(own, mapping)
    members = {
        "QueueUrl": url,
        "MaxNumberOfMessages": wanted,
        "WaitTimeSeconds": WAIT_S,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    }
    answer = own.call("sqs", "ReceiveMessage", members, acting=running.role_of(version), region=region)
    if isinstance(answer, Wait):
        return Received([], answer)
    found = [records.of_message(message, mapping.source_arn, region) for message in (answer or {}).get("Messages") or ()]
    if found and not mapping.window_s:
        _let_another_begin(mapping, item, own)
    count(own, mapping, "PolledEventCount", len(found))
    return Received(found, None)


# handling it


def _handle(ctx: Context, mapping: Mapping, version: Version, lane: Lane) -> None:
    """Has the function handle the batch, and deletes what it took. May raise Waiting; raises what hinders it."""
    role = running.role_of(version)
    wanted: list[Event] = []
    taken: list[Event] = []
    for message in lane.batch:
        (wanted if filters.wanted("sqs", mapping.filters, message) else taken).append(message)
    count(ctx, mapping, "FilteredOutEventCount", len(taken))
    if wanted:
        header = next((found for message in wanted if (found := message["attributes"].get("AWSTraceHeader"))), "")
        carried = ctx.traced(header) if header else ctx
        payload = msgspec.json.encode({"Records": wanted})
        where = mappings.function_of(mapping)
        ran = running.run(carried, where, payload, what=f"batch {lane.request_id}", request_id=lane.request_id)
        count(ctx, mapping, "InvokedEventCount", len(wanted))
        failed = _failed(mapping, ran, wanted)
        count(ctx, mapping, "FailedInvokeEventCount", len(failed))
        mappings.note(ctx, mapping, "OK" if not ran.outcome.error else "PROBLEM: Function call failed")
        taken += [message for message in wanted if message["messageId"] not in failed]
    _delete(ctx, mapping, role, taken)
    count(ctx, mapping, "DeletedEventCount", len(taken))


def _failed(mapping: Mapping, ran: running.Ran, batch: list[Event]) -> set[str]:
    """The ids of the messages that the function did not take: all of them, where it says so in a way that cannot be understood."""
    ids = {message["messageId"] for message in batch}
    if ran.outcome.error:
        return ids
    if not mapping.report_failures:
        return set()
    failed = failed_items(ran.outcome.payload)
    return ids if failed is None or not ids.issuperset(failed) else set(failed)


def _delete(ctx: Context, mapping: Mapping, role: Role, messages: list[Event]) -> None:
    url, region = _url(ctx, mapping)
    for start in range(0, len(messages), AT_ONCE):
        entries = [
            {"Id": str(number), "ReceiptHandle": message["receiptHandle"]}
            for number, message in enumerate(messages[start : start + AT_ONCE])
        ]
        ctx.call("sqs", "DeleteMessageBatch", {"QueueUrl": url, "Entries": entries}, acting=role, region=region)
