"""The store of events against a plain list: whatever comes in, in whatever order, is read as it should be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fogbank.access import principal
from fogbank.kernel.chance import Chance
from fogbank.kernel.context import Context
from fogbank.services.logs import chunks
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.state import CHUNKS, GROUPS, STREAMS, TALLIES, Group, Stream
from fogbank.store.store import Store
from fogbank.store.verify import problems

NOW = 1_700_000_000_000
HOUR = 3_600_000


class Door(SimpleNamespace):
    """Nothing is asked of it here."""


class Machine(RuleBasedStateMachine):
    """Batches at instants of a few days; every reader is compared with the sorted list."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name))
        self.store.create("main", NOW)
        self.group = Group(account="1", region="r", name="g", id=7, created_at_ms=NOW)
        self.told: list[Event] = []
        self.now = NOW

        def make(ctx: Context) -> None:
            GROUPS.put(ctx, self.group)
            STREAMS.put(ctx, Stream(group=7, name="s", id=8, created_at_ms=NOW))

        self.run(make)

    def run(self, act: Any) -> Any:
        tx = self.store.begin("main", self.now)
        ctx = Context(
            Door(), tx, self.store.blobs, self.now, Chance(1), principal.root("1"), "1", "r", "logs", "op", "id", None, "http://x"
        )  # type: ignore[arg-type]
        answer = act(ctx)
        tx.commit()
        return answer

    @rule(first=st.integers(0, 72 * 60), gaps=st.lists(st.integers(0, 3 * HOUR), max_size=6), size=st.sampled_from([1, 5, 200_000]))
    def put(self, first: int, gaps: list[int], size: int) -> None:
        at_ms = NOW + first * 60_000
        times = [at_ms]
        for gap in gaps:
            times.append(times[-1] + gap)
        self.now += 1
        number = len(self.told)
        events = [Event(at, number + n, self.now, f"{number + n}" + "x" * size) for n, at in enumerate(times)]
        self.run(
            lambda ctx: chunks.add(ctx, self.group, STREAMS.get(ctx, 7, "s"), events, chunks.size_of(*[event.message for event in events]))
        )
        self.told += events

    @rule(times=st.integers(20, 80), step=st.integers(0, 1000))
    def put_many(self, times: int, step: int) -> None:
        for n in range(times):
            self.put(n * step % 4000, [0], 1)

    def read(self, reader: Any, **members: Any) -> list[Event]:
        def act(ctx: Context) -> list[Event]:
            stream = STREAMS.get(ctx, 7, "s")
            assert stream is not None
            return list(reader(chunks.live(ctx, self.group, stream), **members))

        found: list[Event] = self.run(act)
        return found

    @rule(low=st.integers(0, 72), span=st.integers(0, 40))
    def ranges(self, low: int, span: int) -> None:
        from_ms, to_ms = NOW + low * HOUR, NOW + (low + span) * HOUR
        expected = sorted(event for event in self.told if from_ms <= event.at_ms < to_ms)
        assert self.read(chunks.forward, from_ms=from_ms, to_ms=to_ms) == expected
        assert self.read(chunks.backward, from_ms=from_ms, to_ms=to_ms) == expected[::-1]

    @rule(data=st.data())
    def places(self, data: st.DataObject) -> None:
        if not self.told:
            return
        event = data.draw(st.sampled_from(self.told))
        place = (event.at_ms, event.sequence)
        ordered = sorted(self.told)
        at = ordered.index(event)
        assert self.read(chunks.forward, from_ms=0, to_ms=1 << 60, after=place) == ordered[at + 1 :]
        assert self.read(chunks.backward, from_ms=0, to_ms=1 << 60, before=place) == ordered[:at][::-1]
        assert self.read(lambda source: [chunks.event_at(source, place)]) == [event]

    @invariant()
    def figures(self) -> None:
        if not hasattr(self, "told"):
            return
        size = sum(chunks.size_of(event.message) for event in self.told)

        def act(ctx: Context) -> None:
            stream = STREAMS.get(ctx, 7, "s")
            rows = list(CHUNKS.scan(ctx, 8))
            assert stream is not None
            assert (stream.events, stream.size) == (len(self.told), size)
            assert sum(row.count for row in rows) == len(self.told)
            assert sum(row.size for row in rows) == size
            for level, (count, since) in enumerate(stream.loose):
                loose = [row for row in rows if row.level == level]
                assert len(loose) == count < chunks.FAN_IN
                assert all(row.first_ms >= since for row in loose)
            tally = TALLIES.get(ctx, 7)
            assert (tally.size if tally else 0) == size

        self.run(act)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert problems(self.store.heads["main"]) == []
            self.store.close()
            self.folder.cleanup()


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=15)
test_events_are_kept = pytest.mark.filterwarnings("ignore")(Machine.TestCase)


@given(st.text(max_size=40))
def test_sizes_are_of_utf8(message: str) -> None:
    """An event counts with its message in UTF-8, and 26 bytes."""
    assert chunks.size_of(message) == len(message.encode("utf-8", "surrogatepass")) + 26
