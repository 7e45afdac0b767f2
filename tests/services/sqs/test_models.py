"""Queues against small models of themselves: whatever is called in whatever order, both say the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs import state
from fogbank.store.store import Store

from .bare import Bare

RETENTION_MS = 60_000
MAX_RECEIVE_COUNT = 3
WINDOW_MS = 300_000

spans_s = st.integers(0, 20)


class Kept:
    """A message in the model."""

    def __init__(self, id: str, sent_ms: int, visible_ms: int, group: str = "") -> None:
        self.id = id
        self.sent_ms = sent_ms
        self.visible_ms = visible_ms
        self.group = group
        self.count = 0
        self.latest = ""
        self.taken_ms = 0


class QueueMachine(RuleBasedStateMachine):
    """What both kinds of queue have in common."""

    handles = Bundle("handles")
    attributes: dict[str, str] = {}
    suffix = ""

    @initialize()
    def open(self) -> None:
        self.sqs = Bare(Store.open(None))
        dead = self.sqs.call("CreateQueue", QueueName="dead" + self.suffix, Attributes=self.fifo())["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:000000000000:dead" + self.suffix
        redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {MAX_RECEIVE_COUNT}}}'
        attributes = {"MessageRetentionPeriod": "60", "RedrivePolicy": redrive, **self.fifo(), **self.attributes}
        self.url = self.sqs.call("CreateQueue", QueueName="queue" + self.suffix, Attributes=attributes)["QueueUrl"]
        self.dead_url = dead
        self.kept: list[Kept] = []
        self.dead: set[str] = set()

    def fifo(self) -> dict[str, str]:
        return {"FifoQueue": "true"} if self.suffix else {}

    def teardown(self) -> None:
        if hasattr(self, "sqs"):
            self.sqs.store.close()

    @property
    def now(self) -> int:
        return self.sqs.now_ms

    def living(self) -> list[Kept]:
        return [m for m in self.kept if m.sent_ms + RETENTION_MS > self.now]

    def take(self, given: list[dict[str, Any]], hidden_s: int) -> Any:
        """Notes what a receive gave; the model and the queue agree on how often each message was given."""
        out = []
        for message in given:
            kept = next(m for m in self.kept if m.id == message["MessageId"])
            kept.count += 1
            kept.visible_ms = self.now + hidden_s * 1000
            kept.taken_ms = self.now
            kept.latest = message["ReceiptHandle"]
            assert message["Attributes"]["ApproximateReceiveCount"] == str(kept.count)
            assert message["Attributes"]["SentTimestamp"] == str(kept.sent_ms)
            out.append((kept, message["ReceiptHandle"]))
        return multiple(*out)

    def attempt(self, operation: str, **members: Any) -> str:
        """The code of the error, "" where there is none."""
        try:
            self.sqs.call(operation, QueueUrl=self.url, **members)
        except ServiceException as error:
            return error.code
        return ""

    def receive(self, count: int, hidden_s: int) -> list[dict[str, Any]]:
        answer = self.sqs.call(
            "ReceiveMessage",
            QueueUrl=self.url,
            MaxNumberOfMessages=count,
            VisibilityTimeout=hidden_s,
            MessageSystemAttributeNames=["All"],
        )
        given: list[dict[str, Any]] = answer.get("Messages", [])
        return given

    @rule(span_ms=st.sampled_from([1, 999, 1000, 5000, 20_000, 40_000, 240_000]))
    def advance(self, span_ms: int) -> None:
        self.sqs.advance(span_ms)

    @precondition(lambda self: self.now % 7 == 0)
    @rule()
    def purge(self) -> None:
        code = self.attempt("PurgeQueue")
        assert code in ("", "PurgeQueueInProgress")
        if not code:
            self.kept.clear()

    @rule(handle=consumes(handles))
    def delete(self, handle: tuple[Kept, str]) -> None:
        kept, receipt = handle
        there = kept in self.living()
        if code := self.attempt("DeleteMessage", ReceiptHandle=receipt):
            assert self.suffix
            assert code == "InvalidParameterValue"
            assert kept.latest != receipt or kept.visible_ms <= self.now
            return
        if there and self.suffix:
            assert kept.latest == receipt
            assert kept.visible_ms > self.now
        if kept in self.kept:
            self.kept.remove(kept)

    @rule(handle=handles, hidden_s=st.sampled_from([0, 0, 5, 20]))
    def change_visibility(self, handle: tuple[Kept, str], hidden_s: int) -> None:
        kept, receipt = handle
        possible = kept in self.living() and kept.visible_ms > self.now and (not self.suffix or kept.latest == receipt)
        if code := self.attempt("ChangeMessageVisibility", ReceiptHandle=receipt, VisibilityTimeout=hidden_s):
            assert code == "InvalidParameterValue"
            assert not possible
            return
        if kept in self.living():
            assert possible
            kept.visible_ms = self.now + hidden_s * 1000

    def counts(self) -> tuple[int, int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        answer = self.sqs.call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(answer[names[0]]), int(answer[names[1]]), int(answer[names[2]])

    @invariant()
    def counts_agree(self) -> None:
        """Every message is visible, in flight or delayed: none is lost, none is there twice."""
        if not hasattr(self, "sqs"):
            return
        hidden = [m for m in self.living() if m.visible_ms > self.now]
        in_flight = sum(1 for m in hidden if m.count)
        assert self.counts() == (len(self.living()) - len(hidden), in_flight, len(hidden) - in_flight)

    @invariant()
    def tally_agrees(self) -> None:
        """What the tallies say of the tables is true: it is what receiving and counting rely on."""
        if not hasattr(self, "sqs"):
            return
        tx = self.sqs.store.begin("main", self.now)
        for tally in state.TALLIES.scan(tx):
            kept = [*state.MESSAGES.scan(tx, tally.contents), *state.FIFO_MESSAGES.scan(tx, tally.contents)]
            assert (tally.messages, tally.received) == (len(kept), sum(1 for m in kept if m.receive_count))
            hidden = [m.visible_at_ms for m in state.HIDDEN.scan(tx, tally.contents)]
            waiting = [g.ready_at_ms for g in state.WAITING.scan(tx, tally.contents)]
            assert not hidden + waiting or 0 < tally.due_at_ms <= min(hidden + waiting)
            fresh = [(m.sent_at_ms, m.sequence) for m in kept if state.is_fresh(m)]
            if not self.suffix:
                assert tally.hidden == len(hidden) == len(kept) - len(fresh)
                assert all(place > (tally.fresh_from_ms, tally.fresh_after) for place in fresh)
            assert not kept or tally.sweep_at_ms > 0
            groups = {m.group: m.sequence for m in reversed(kept) if self.suffix}
            assert groups == {g.group: g.head for g in state.GROUPS.scan(tx, tally.contents)}

    @invariant()
    def dead_agree(self) -> None:
        """The dead-letter queue has what was received too often."""
        if hasattr(self, "sqs"):
            answer = self.sqs.call("GetQueueAttributes", QueueUrl=self.dead_url, AttributeNames=["ApproximateNumberOfMessages"])
            assert int(answer["Attributes"]["ApproximateNumberOfMessages"]) <= len(self.dead)


class StandardMachine(QueueMachine):
    @rule(delays_s=st.lists(spans_s, min_size=1, max_size=4))
    def send(self, delays_s: list[int]) -> None:
        for delay_s in delays_s:
            self.send_one(delay_s)

    def send_one(self, delay_s: int) -> None:
        answer = self.sqs.call("SendMessage", QueueUrl=self.url, MessageBody="x", DelaySeconds=delay_s)
        self.kept.append(Kept(answer["MessageId"], self.now, self.now + delay_s * 1000))

    @rule(target=QueueMachine.handles, count=st.sampled_from([1, 2, 3, 10]), hidden_s=st.sampled_from([0, 5, 20]))
    def receive_some(self, count: int, hidden_s: int) -> Any:
        """Gives exactly the messages that have been visible for longest, and buries those given three times."""
        visible = sorted(
            (m for m in self.living() if m.visible_ms <= self.now), key=lambda m: (m.visible_ms, m.sent_ms, self.kept.index(m))
        )
        expected: list[str] = []
        for message in visible:
            if len(expected) == count:
                break
            if message.count >= MAX_RECEIVE_COUNT:
                self.kept.remove(message)
                self.dead.add(message.id)
            else:
                expected.append(message.id)
        given = self.receive(count, hidden_s)
        assert [m["MessageId"] for m in given] == expected
        return self.take(given, hidden_s)


class FifoMachine(QueueMachine):
    suffix = ".fifo"

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, tuple[int, str]] = {}

    @rule(group=st.sampled_from("aab"), deduplication_ids=st.lists(st.integers(0, 50), min_size=1, max_size=4))
    def send(self, group: str, deduplication_ids: list[int]) -> None:
        for deduplication_id in deduplication_ids:
            self.send_one(group, str(deduplication_id))

    def send_one(self, group: str, deduplication_id: str) -> None:
        """Within five minutes an id stands for the first message that was sent with it, also after that is gone."""
        answer = self.sqs.call(
            "SendMessage", QueueUrl=self.url, MessageBody="x", MessageGroupId=group, MessageDeduplicationId=deduplication_id
        )
        first = self.sent.get(deduplication_id)
        if first is not None and first[0] + WINDOW_MS > self.now:
            assert answer["MessageId"] == first[1]
            return
        assert all(answer["MessageId"] != m.id for m in self.kept)
        self.sent[deduplication_id] = (self.now, answer["MessageId"])
        self.kept.append(Kept(answer["MessageId"], self.now, self.now, group))

    @rule(target=QueueMachine.handles, count=st.sampled_from([1, 2, 3, 10]), hidden_s=st.sampled_from([0, 5, 20]))
    def receive_some(self, count: int, hidden_s: int) -> Any:
        """Gives as many as it may; of a group always the first, and nothing while one of them is in flight."""
        groups: dict[str, list[Kept]] = {}
        for message in self.living():
            groups.setdefault(message.group, []).append(message)
        free = {g: ms for g, ms in groups.items() if all(m.visible_ms <= self.now for m in ms)}
        tired = {m.id for ms in free.values() for m in ms if m.count >= MAX_RECEIVE_COUNT}
        before = self.dead_count()
        given = self.receive(count, hidden_s)
        buried = self.dead_count() - before
        gone = self.bury(free, buried, [m["MessageId"] for m in given])
        assert gone <= tired
        ready = sum(len([m for m in ms if m.id not in tired]) for ms in free.values())
        assert len(given) == min(count, ready)
        for group in free:
            of_group = [m["MessageId"] for m in given if m["Attributes"]["MessageGroupId"] == group]
            rest = [m.id for m in free[group] if m.id not in tired]
            assert of_group == rest[: len(of_group)]
        assert all(m["Attributes"]["MessageGroupId"] in free for m in given)
        return self.take(given, hidden_s)

    def dead_count(self) -> int:
        names = ["ApproximateNumberOfMessages"]
        return int(self.sqs.call("GetQueueAttributes", QueueUrl=self.dead_url, AttributeNames=names)["Attributes"][names[0]])

    def bury(self, free: dict[str, list[Kept]], count: int, given: list[str]) -> set[str]:
        """Takes from the model as many tired messages as went to the dead-letter queue: the ones before what was given."""
        numbers = self.sqs.call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        left = sum(int(numbers[n]) for n in numbers if n.startswith("Approximate"))
        assert left == len(self.living()) - count
        order = sorted(free.values(), key=lambda ms: min(m.id not in given for m in ms))
        gone: set[str] = set()
        for messages in order:
            for message in messages:
                if len(gone) == count:
                    return gone
                if message.count < MAX_RECEIVE_COUNT:
                    break
                gone.add(message.id)
                self.dead.add(message.id)
                self.kept.remove(message)
        return gone


@pytest.mark.parametrize("machine", [StandardMachine, FifoMachine])
def test_whatever_happens_queue_and_model_agree(machine: type[QueueMachine]) -> None:
    """No message is lost, given twice while it is invisible, or given out of order within its group."""
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=80, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
