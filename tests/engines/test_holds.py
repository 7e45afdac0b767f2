"""Claims on rows, as six storage nodes hold them: however messages, deaths and returns interleave, two writers never have the same row."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fogbank.engines.fleet.holds import Ballot, Books, Holder, Keys, Tell, Verdict

NODES, WRITERS = range(6), (1, 2)
CLUSTER, GENERATION = "c", 7
keys = st.sampled_from(([0], [0], [1], [0, 1], []))
some = st.sampled_from([{node for node in NODES if mask >> node & 1} for mask in (63, 15, 51, 60, 7, 56, *range(1, 63))])
writers = st.sampled_from(WRITERS)


class Claims(RuleBasedStateMachine):
    """Six nodes; for each of two writers a connection to each of them, whose messages arrive in order, some time. What is right: a table of
    locks that one process would keep."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [Books() for _ in NODES]
        self.lines: dict[tuple[int, int], deque[tuple[Any, ...]]] = {}
        self.granted: dict[int, dict[int, Keys]] = {writer: {} for writer in WRITERS}
        self.asked: dict[int, tuple[int, Keys, Ballot] | None] = dict.fromkeys(WRITERS)
        self.number = 0
        self.cut: set[tuple[int, int]] = set()
        """Connections whose node is dead, which their writer has not noticed."""
        for writer in WRITERS:
            for node in NODES:
                self.connect(writer, node)
            self.deliver(writer, set(NODES))

    def connect(self, writer: int, node: int) -> None:
        told = Tell(CLUSTER, GENERATION, writer, list(WRITERS), dict(self.granted[writer]))
        self.lines[writer, node] = deque([("tell", told)])

    def break_off(self, writer: int, node: int) -> None:
        self.lines.pop((writer, node), None)
        self.cut.discard((writer, node))
        asked = self.asked[writer]
        if asked is not None:
            asked[2].lose(node)
            self.decide(writer)

    def send(self, writer: int, message: tuple[Any, ...]) -> list[int]:
        there = [node for node in NODES if (writer, node) in self.lines]
        for node in there:
            self.lines[writer, node].append(message)
        return there

    def decide(self, writer: int) -> None:
        asked = self.asked[writer]
        if asked is None or asked[2].verdict == Verdict.OPEN:
            return
        claim, wanted, ballot = asked
        self.asked[writer] = None
        if ballot.verdict == Verdict.GRANTED:
            self.granted[writer][claim] = wanted
        else:
            self.send(writer, ("release", claim))

    @rule(writer=writers, alone=keys, shared=keys, nodes=some)
    def claim_at(self, writer: int, alone: list[int], shared: list[int], nodes: set[int]) -> None:
        self.claim(writer, alone, shared)
        self.deliver(writer, nodes)

    def claim(self, writer: int, alone: list[int], shared: list[int]) -> None:
        if self.asked[writer] is None:
            self.number += 1
            there = self.send(writer, ("claim", self.number, (alone, shared)))
            self.asked[writer] = (self.number, (alone, shared), Ballot(there))
            self.decide(writer)

    @rule(writer=writers, nodes=some, most=st.sampled_from((1, 2, 100)))
    def deliver(self, writer: int, nodes: set[int], most: int = 100) -> None:
        for node in nodes:
            if (writer, node) not in self.cut:
                line = self.lines.get((writer, node), deque())
                for _ in range(min(most, len(line))):
                    self.arrive(writer, node, line.popleft())

    def arrive(self, writer: int, node: int, message: tuple[Any, ...]) -> None:
        books = self.nodes[node]
        if message[0] == "tell":
            books.tell(message[1])
            return
        book = books.find(CLUSTER, GENERATION)
        if message[0] == "release":
            if book is not None:
                book.release(Holder(writer, message[1]))
            return
        asked = self.asked[writer]
        granted = book.claim(Holder(writer, message[1]), message[2]) is None if book is not None and book.votes else None
        if asked is not None and asked[0] == message[1]:
            if granted is None:
                asked[2].lose(node)
            else:
                asked[2].vote(node, granted)
            self.decide(writer)

    @rule(writer=writers)
    def end(self, writer: int) -> None:
        if self.granted[writer]:
            claim = next(iter(self.granted[writer]))
            del self.granted[writer][claim]
            self.send(writer, ("release", claim))

    @rule(nodes=some)
    def die(self, nodes: set[int]) -> None:
        for node in nodes:
            self.nodes[node] = Books()
            self.cut |= {(writer, node) for writer in WRITERS if (writer, node) in self.lines}

    @rule(nodes=some, noticed=st.sampled_from((WRITERS, (1,), (2,))))
    def start_again(self, nodes: set[int], noticed: tuple[int, ...]) -> None:
        self.die(nodes)
        for writer in noticed:
            self.part(writer, nodes)
            self.come_back(writer, nodes)
            self.deliver(writer, nodes)

    @rule(writer=writers, nodes=some)
    def part(self, writer: int, nodes: set[int]) -> None:
        for node in nodes:
            self.break_off(writer, node)

    @rule(writer=writers, nodes=some)
    def come_back(self, writer: int, nodes: set[int]) -> None:
        for node in nodes:
            if (writer, node) not in self.lines:
                self.connect(writer, node)

    @invariant()
    def never_the_same_row(self) -> None:
        for alone, shared in self.granted[1].values():
            for other_alone, other_shared in self.granted[2].values():
                assert not set(alone) & {*other_alone, *other_shared}
                assert not set(shared) & set(other_alone)

    def teardown(self) -> None:
        """When all is well again, what is free is granted, and what is not, is not."""
        everywhere = set(NODES)
        for writer in WRITERS:
            for _, node in [line for line in self.cut if line[0] == writer]:
                self.break_off(writer, node)
            self.come_back(writer, everywhere)
        for writer in WRITERS:
            self.deliver(writer, everywhere)
            while self.granted[writer]:
                self.end(writer)
            self.asked[writer] = None
        for writer in WRITERS:
            self.deliver(writer, everywhere)
        for writer in WRITERS:
            self.claim(writer, [0, 1], [])
            self.deliver(writer, everywhere)
        assert [len(self.granted[writer]) for writer in WRITERS] == [1, 0]


Claims.TestCase.settings = settings(max_examples=400, stateful_step_count=50)
TestClaims = Claims.TestCase


def test_who_is_asked_and_does_not_vote() -> None:
    """Four of those that are asked decide, and what a node granted that went away since does not count; where fewer than four can vote,
    nobody does; three and three is nobody's."""
    ballot = Ballot(NODES)
    for node in (0, 1, 2):
        ballot.vote(node, True)
    assert ballot.verdict == Verdict.OPEN
    for node in (3, 4, 5):
        ballot.vote(node, False)
    assert ballot.verdict == Verdict.SPLIT
    ballot.lose(0)
    ballot.lose(3)
    assert ballot.verdict == Verdict.SPLIT
    ballot.lose(4)
    assert ballot.verdict == Verdict.UNHEARD
    ballot = Ballot(NODES)
    for node in (0, 1, 2):
        ballot.vote(node, True)
    ballot.lose(0)
    ballot.vote(3, True)
    assert ballot.verdict == Verdict.OPEN
    ballot.vote(4, True)
    assert ballot.verdict == Verdict.GRANTED
