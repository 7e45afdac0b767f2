"""Spans: which bytes are there, and whose. Compared with a plain dictionary of bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fogbank.engines.fleet.spans import Spans

ENDS = 40
ranges = st.tuples(st.integers(0, ENDS), st.integers(0, ENDS)).map(lambda pair: (min(pair), max(pair)))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ranges, st.integers(0, 3)),
        st.tuples(st.just("remove"), ranges, st.just(0)),
        st.tuples(st.just("remove_older"), ranges, st.integers(0, 4)),
    ),
    max_size=20,
)


def _made(todo: list[tuple[str, tuple[int, int], int]]) -> tuple[Spans, dict[int, int]]:
    spans, plain = Spans(), {}
    for what, (start, end), epoch in todo:
        if what == "add":
            spans.add(start, end, epoch)
            plain.update(dict.fromkeys(range(start, end), epoch))
        elif what == "remove":
            spans.remove(start, end)
            plain = {at: whose for at, whose in plain.items() if not start <= at < end}
        else:
            spans.remove_older(start, epoch)
            plain = {at: whose for at, whose in plain.items() if at < start or whose >= epoch}
    return spans, plain


@given(steps)
def test_bytes(todo: list[tuple[str, tuple[int, int], int]]) -> None:
    """After any additions and removals exactly the bytes are there that should be, each with the epoch of who wrote it last."""
    spans, plain = _made(todo)
    assert {at: epoch for start, end, epoch in spans for at in range(start, end)} == plain
    assert spans.bytes == len(plain)
    assert spans.end == max(plain, default=-1) + 1


@given(steps)
def test_shape(todo: list[tuple[str, tuple[int, int], int]]) -> None:
    """Pieces are in order, none is empty, and neighbours of one epoch are one piece."""
    pieces = list(_made(todo)[0])
    assert all(start < end for start, end, _ in pieces)
    for (_, end, epoch), (start, _, other) in pairwise(pieces):
        assert end < start or (end == start and epoch != other)


@given(steps, ranges)
def test_gaps(todo: list[tuple[str, tuple[int, int], int]], asked: tuple[int, int]) -> None:
    """What is missing in a range, what is within it, and how far it goes without a gap, agree with the bytes."""
    spans, plain = _made(todo)
    start, end = asked
    assert [at for begin, stop in spans.missing(start, end) for at in range(begin, stop)] == [
        at for at in range(start, end) if at not in plain
    ]
    assert {at: epoch for begin, stop, epoch in spans.within(start, end) for at in range(begin, stop)} == {
        at: epoch for at, epoch in plain.items() if start <= at < end
    }
    assert spans.contiguous(start) == next(at for at in range(start, ENDS + 2) if at not in plain)


@given(steps)
def test_joined(todo: list[tuple[str, tuple[int, int], int]]) -> None:
    """Without epochs, parts that touch are one."""
    spans, plain = _made(todo)
    parts = spans.joined()
    assert [at for start, end in parts for at in range(start, end)] == sorted(plain)
    assert all(end < start for (_, end), (start, _) in pairwise(parts))
