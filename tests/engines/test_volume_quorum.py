"""The arithmetic of six copies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from fogbank.engines.volume import messages
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.quorum import COPIES, READ_QUORUM, WRITE_QUORUM, Held, Lineage, Tracker, Turn, derive, recover

copies = some.integers(0, COPIES - 1)
acks = some.lists(some.tuples(copies, some.integers(1, 3), some.integers(0, 1000)), max_size=60)
LINE = Lineage((Turn(1, 100), Turn(2, 450), Turn(4, 700)))


@given(acks)
def test_durable_is_what_four_copies_hold(said: list[tuple[int, int, int]]) -> None:
    """Durable is the largest position that four copies have acknowledged of this timeline; it never goes back."""
    tracker = Tracker()
    tracker.begin(2, 10)
    ends = dict.fromkeys(range(COPIES), 0)
    best = 10
    for copy, timeline, position in said:
        before = tracker.durable
        moved = tracker.acknowledge(copy, timeline, position)
        if timeline == 2:
            ends[copy] = position
        best = max(best, sorted(ends.values())[-WRITE_QUORUM])
        assert tracker.durable == best
        assert moved == (tracker.durable > before)


def test_third_commit_waits_for_the_second() -> None:
    """T1 and T3 are on four copies, T2 on three: durable ends with T1 until T2 has its fourth, and then with T3."""
    tracker = Tracker()
    tracker.begin(1, 0)
    for copy in range(3):
        tracker.acknowledge(copy, 1, 300)
    tracker.acknowledge(3, 1, 100)  # it has T3 too, behind a gap: what it acknowledges ends before the gap
    assert tracker.durable == 100
    assert tracker.acknowledge(3, 1, 300)
    assert tracker.durable == 300


@given(some.lists(some.integers(0, 500), min_size=COPIES, max_size=COPIES), some.sets(copies, min_size=READ_QUORUM), some.integers(0, 2))
def test_recovery_keeps_what_was_acknowledged(written: list[int], there: set[int], number: int) -> None:
    """Whichever three copies are left after a stop, what four had is kept, and some copy that is there has all of it."""
    timeline, start = LINE.turns[number]
    line = LINE.until(timeline)
    acknowledged = start + sorted(written)[-WRITE_QUORUM]
    held = {copy: Held(((timeline, start, start + written[copy]),), timeline, start + written[copy]) for copy in there}
    plan = recover(held, line)
    assert plan.timeline == timeline
    assert plan.durable >= acknowledged
    assert held[plan.source].position == plan.durable
    assert set(plan.lacks) == {copy for copy in there if held[copy].position < plan.durable}


def test_recovery_in_the_middle_of_a_promotion() -> None:
    """A timeline that began at one copy only is adopted, and the older one ends where it began; what others have beyond is not counted."""
    line = LINE.until(2)
    old = Held(((1, 100, 470),), 1, 470)
    plan = recover({0: old, 3: Held(((1, 100, 450),), 2, 450), 5: old}, line)
    assert (plan.timeline, plan.durable) == (2, 450)
    assert plan.lacks == {0: (1, 450), 5: (1, 450)}


def test_lineage() -> None:
    """Which timeline holds a byte, where each ends, and what a fork that begins later knows."""
    assert [LINE.end(number) for number in (1, 2, 4)] == [450, 700, None]
    assert LINE.holding(4, 800) == (4, None)
    assert LINE.holding(4, 500) == (2, 700)
    assert LINE.holding(4, 120) == (1, 450)
    assert LINE.holding(2, 460) == (2, 700)
    assert LINE.since(Turn(2, 512)).turns == (Turn(2, 512), Turn(4, 700))
    assert derive([Held(((1, 100, 450), (2, 450, 460)), 2, 460), Held((), 0, 0)]) == LINE.until(2)
    assert derive([Held((), 0, 0)]) is None
    assert messages.parents(messages.history(LINE)) == [Turn(1, 450), Turn(2, 700)]


@given(some.lists(some.tuples(some.integers(0, 30), some.integers(1, 60)), max_size=40))
def test_hot_log(pieces: list[tuple[int, int]]) -> None:
    """The memory of the log is its last bytes, also where pieces come again from a little before, and when it goes round."""
    hot, whole = Hot(128), b""
    hot.begin(1, 1000)
    for again, length in pieces:
        back = min(again, len(whole))
        fresh = whole[len(whole) - back :] + bytes((len(whole) + n) % 251 for n in range(length))
        hot.append(1000 + len(whole) - back, memoryview(fresh))
        whole += fresh[back:]
        assert hot.end == 1000 + len(whole)
        assert hot.end - hot.start <= 128
        assert b"".join(hot.parts(hot.start, hot.end - hot.start)) == whole[hot.start - 1000 :]


@given(some.integers(0, 1 << 26).map(lambda n: n * 8), some.integers(24, 50_000))
def test_record_end(at: int, length: int) -> None:
    """A record's bytes and the headers of the pages it goes on in lie between its start and its end."""
    at += messages.page_header(at)
    end, left = messages.record_end(at, length), length
    while left > 0:
        at += messages.page_header(at)
        step = min(left, 8192 - at % 8192)
        at, left = at + step, left - step
    assert at == end
