"""The store against a model: every branch at every sequence number is what was written to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fogbank.store import archiver
from fogbank.store.archive import connect
from fogbank.store.store import Store
from fogbank.store.tables import Record, Table, change
from fogbank.store.verify import problems


class Row(Record, frozen=True, kw_only=True):
    shelf: str
    number: int
    weight: int = 0
    label: str = ""


ROWS = Table("test.rows", Row, key=("shelf", "number"))
BY_WEIGHT = ROWS.index("by_weight", "shelf", "weight", where=lambda row: row.weight > 0)

KEYS = st.tuples(st.sampled_from("ab"), st.integers(0, 12))
WRITE = st.tuples(KEYS, st.integers(0, 5), st.booleans())
State = dict[tuple[str, int], Row]


class Inline(Store):
    """A store whose archiver runs in this process: the same code, without starting a process a hundred times."""

    def _advance(self) -> None:
        while len(self.memories) > 1:
            oldest = self.memories.pop()
            connection = connect(self.folder / "archive")
            archiver.take(connection, self.log.path(oldest.segment), oldest.segment)
            connection.close()
            self.archive.spaces.update(oldest.spaces)
            self.log.forget(oldest.segment)

    def collect_now(self, horizon: int) -> None:
        connection = connect(self.folder / "archive")
        plan = self.plan(horizon)
        self._prune(plan, 0)
        archiver.collect(connection, plan)
        connection.close()


class History(RuleBasedStateMachine):
    """Random transactions, clones, backtracks, resets, restarts; checked against dictionaries."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fogbank-test-"))
        self.store = Inline.open(self.folder)
        self.now = 1_000
        self.horizon = 0
        self.model: dict[str, State] = {"main": {}}
        self.past: dict[str, list[tuple[int, State]]] = {"main": []}
        self.store.create("main", self.now)
        self._note("main")

    def _note(self, name: str) -> None:
        self.past[name].append((self.store.sequence, dict(self.model[name])))

    def _name(self, pick: int) -> str:
        return sorted(self.model)[pick % len(self.model)]

    @rule(pick=st.integers(0, 9), writes=st.lists(WRITE, min_size=1, max_size=6), keep=st.booleans())
    def transact(self, pick: int, writes: list[tuple[tuple[str, int], int, bool]], keep: bool) -> None:
        """Puts and deletes, committed or undone."""
        name = self._name(pick)
        state = dict(self.model[name])
        tx = self.store.begin(name, self.now)
        for (shelf, number), weight, delete in writes:
            row = Row(shelf=shelf, number=number, weight=weight, label=str(self.now))
            if delete:
                ROWS.delete(tx, row)
                state.pop((shelf, number), None)
            else:
                ROWS.put(tx, row)
                state[shelf, number] = row
            assert ROWS.get(tx, shelf, number) == state.get((shelf, number))
        if keep:
            tx.commit()
            self.model[name] = state
            self._note(name)
        else:
            tx.undo()
        self.now += 7

    @rule(pick=st.integers(0, 9))
    def savepoint(self, pick: int) -> None:
        """What is undone to a mark leaves what came before it."""
        name = self._name(pick)
        tx = self.store.begin(name, self.now)
        row = Row(shelf="a", number=3, weight=1)
        ROWS.put(tx, row)
        mark = tx.mark()
        ROWS.put(tx, change(row, weight=5))
        ROWS.put(tx, Row(shelf="b", number=99, weight=1))
        tx.undo(mark)
        assert ROWS.get(tx, "a", 3) == row
        assert ROWS.get(tx, "b", 99) is None
        tx.commit()
        self.model[name] = {**self.model[name], ("a", 3): row}
        self._note(name)

    @rule(pick=st.integers(0, 9))
    def clone(self, pick: int) -> None:
        if len(self.model) > 4:
            return
        source = self._name(pick)
        name = f"clone{self.store.sequence}"
        self.store.clone(source, name, self.now)
        self.model[name] = dict(self.model[source])
        self.past[name] = []
        self._note(name)

    @rule(pick=st.integers(0, 9), back=st.integers(0, 30))
    def backtrack(self, pick: int, back: int) -> None:
        name = self._name(pick)
        reachable = [(n, s) for n, s in self.past[name] if n >= self.horizon]
        if not reachable:
            return
        sequence, state = reachable[-1 - back % len(reachable)]
        self.store.backtrack(name, sequence, self.now)
        self.model[name] = dict(state)
        self._note(name)

    @rule(pick=st.integers(0, 9))
    def reset(self, pick: int) -> None:
        name = self._name(pick)
        self.store.reset(name, self.now)
        self.model[name] = {}
        self._note(name)

    @rule()
    def rotate(self) -> None:
        """Everything leaves memory for the archive."""
        self.store.rotate()

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Inline.open(self.folder)

    @rule(back=st.integers(0, 10))
    def collect(self, back: int) -> None:
        """What nobody can reach any more is forgotten; nobody notices."""
        self.horizon = max(self.horizon, self.store.sequence - back)
        self.store.collect_now(self.horizon)

    @rule(pick=st.integers(0, 9), back=st.integers(0, 30))
    def read_the_past(self, pick: int, back: int) -> None:
        name = self._name(pick)
        reachable = [(n, s) for n, s in self.past[name] if n >= self.horizon]
        if reachable:
            sequence, state = reachable[-1 - back % len(reachable)]
            past = self.store.past(name, sequence)
            assert {(r.shelf, r.number): r for _, r in past.scan(ROWS, b"", b"\xff")} == state

    @invariant()
    def present(self) -> None:
        for name, state in self.model.items():
            tx = self.store.begin(name, self.now)
            for shelf in "ab":
                rows = sorted((r for (s, _), r in state.items() if s == shelf), key=lambda r: r.number)
                assert list(ROWS.scan(tx, shelf)) == rows
                assert list(ROWS.scan(tx, shelf, reverse=True)) == rows[::-1]
                assert list(ROWS.scan(tx, shelf, after=4, before=9)) == [r for r in rows if 4 < r.number < 9]
                heavy = sorted((r for r in rows if r.weight), key=lambda r: (r.weight, r.number))
                assert list(BY_WEIGHT.scan(tx, shelf)) == heavy
            assert not problems(self.store.heads[name])

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=50, stateful_step_count=25, suppress_health_check=list(HealthCheck))
