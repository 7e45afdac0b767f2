"""What is durable, and what was: the arithmetic of six copies of which four make a write and three a read. Pure.

A position is a byte of the log within a timeline. A copy acknowledges the end of what it has without a gap, so the fourth highest end is
what four copies hold *and everything before it*: a commit is never reported past an earlier one that lacks its quorum.

Timelines follow each other: a promoted reader's begins at the switch, where its parent's ends. What was acknowledged of another timeline
than the present one says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

COPIES = 6
WRITE_QUORUM = 4
READ_QUORUM = 3


class Tracker:
    """Who has acknowledged how much of the present timeline, and what therefore is durable. `durable` never goes back."""

    __slots__ = ("durable", "ends", "timeline")

    def __init__(self) -> None:
        self.timeline = 0
        self.durable = 0
        self.ends = [0] * COPIES

    def begin(self, timeline: int, position: int) -> None:
        """A timeline begins at a position up to which everything is durable."""
        self.timeline = timeline
        self.durable = position
        self.ends = [0] * COPIES

    def acknowledge(self, copy: int, timeline: int, position: int) -> bool:
        """A copy has all up to a position (or, after its return, no more than that): whether more is durable now."""
        if timeline != self.timeline:
            return False
        self.ends[copy] = position
        if position <= self.durable:
            return False
        durable = sorted(self.ends)[COPIES - WRITE_QUORUM]
        if durable <= self.durable:
            return False
        self.durable = durable
        return True

    def complete(self) -> int:
        """How many copies hold all that is durable."""
        return sum(end >= self.durable for end in self.ends)


class Turn(NamedTuple):
    """A timeline and where it begins."""

    timeline: int
    start: int


class Lineage(NamedTuple):
    """The timelines that lead to the present one, oldest first."""

    turns: tuple[Turn, ...]

    @property
    def newest(self) -> Turn:
        return self.turns[-1]

    def end(self, timeline: int) -> int | None:
        """Where a timeline ends; None: it is the present one. Raises LookupError where it is none of ours."""
        following = self.after(timeline)
        return None if following is None else following.start

    def after(self, timeline: int) -> Turn | None:
        """The timeline that follows one, and where it begins. Raises LookupError where that one is none of ours."""
        for here, following in zip(self.turns, (*self.turns[1:], None), strict=True):
            if here.timeline == timeline:
                return following
        raise LookupError(f"timeline {timeline} is not in the volume's history")

    def holding(self, timeline: int, position: int) -> tuple[int, int | None]:
        """Which timeline holds a byte of one's history, and up to where it does (None: it is the present one)."""
        found, end = timeline, self.end(timeline)
        for turn in reversed(self.turns):
            if turn.timeline > found:
                continue
            found = turn.timeline
            if position >= turn.start:
                break
            end = turn.start
        return found, end

    def grown(self, turn: Turn) -> Lineage:
        return Lineage((*self.turns, turn))

    def until(self, timeline: int) -> Lineage:
        """Up to a timeline."""
        return Lineage(tuple(turn for turn in self.turns if turn.timeline <= timeline))

    def since(self, first: Turn) -> Lineage:
        """From a place on: what lies before is forgotten, or another volume's."""
        return Lineage(
            tuple(turn if turn.timeline > first.timeline else max(turn, first) for turn in self.turns if turn.timeline >= first.timeline)
        )

    def order(self, timeline: int, position: int) -> tuple[int, int]:
        """A place in the history, for comparison: (0, 0) for one that is not in it, its timeline's end for one behind that."""
        if all(turn.timeline != timeline for turn in self.turns):
            return (0, 0)
        end = self.end(timeline)
        return (timeline, position if end is None else min(position, end))


class Held(NamedTuple):
    """What a copy holds: contiguous spans (timeline, from, to), sorted; and the end of what it has without a gap."""

    spans: tuple[tuple[int, int, int], ...]
    timeline: int
    position: int


class Plan(NamedTuple):
    """How copies are made alike after a stop.

    durable  everything that was ever acknowledged lies before; what copies hold from there on never happened
    source   the copy that has all before it
    lacks    copy -> place from which it has to be given what the source has
    """

    timeline: int
    durable: int
    source: int
    lacks: Mapping[int, tuple[int, int]]


def recover(held: Mapping[int, Held], lineage: Lineage) -> Plan:
    """The plan, from what at least three copies hold.

    What was acknowledged is without a gap on four of six, so one of any three has all of it: the furthest. What that one has beyond was not
    acknowledged and harms nobody, it becomes durable with the rest; what lies further still, behind a gap or on fewer copies that are not
    there now, is cut off.
    """
    if len(held) < READ_QUORUM:
        raise ValueError(f"{len(held)} copies prove nothing")
    places = {copy: lineage.order(what.timeline, what.position) for copy, what in held.items()}
    source = max(places, key=lambda copy: (places[copy], -copy))
    timeline, durable = max(places[source], lineage.newest)
    lacks = {copy: place for copy, place in places.items() if place < (timeline, durable)}
    return Plan(timeline, durable, source, lacks)


def derive(held: Iterable[Held]) -> Lineage | None:
    """The timelines, where nothing but the copies tells of them (a fork): each begins where its first byte is. None: there is no log."""
    starts: dict[int, int] = {}
    for what in held:
        for timeline, start, _ in what.spans:
            starts[timeline] = min(start, starts.get(timeline, start))
        if what.timeline:
            starts.setdefault(what.timeline, what.position)
    return Lineage(tuple(Turn(timeline, start) for timeline, start in sorted(starts.items()))) if starts else None
