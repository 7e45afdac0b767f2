"""Which bytes of a timeline are there: pieces that do not overlap, each with the epoch of whoever wrote it. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Piece = tuple[int, int, int]
"""First byte, end, epoch."""


class Spans:
    """Pieces in order. Neighbours of one epoch are one piece."""

    __slots__ = ("_all",)

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._all: list[Piece] = []
        for piece in pieces:
            self.add(*piece)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and self._all == other._all

    __hash__ = None  # type: ignore[assignment]

    @property
    def end(self) -> int:
        """The end of the last piece; 0 where there is none."""
        return self._all[-1][1] if self._all else 0

    @property
    def bytes(self) -> int:
        return sum(end - start for start, end, _ in self._all)

    def add(self, start: int, end: int, epoch: int = 0) -> None:
        """These bytes are there now, and of this epoch, whatever was there before."""
        if start >= end:
            return
        pieces = self._all
        if not pieces or start >= pieces[-1][1]:  # nearly always: a log grows at its end
            if pieces and pieces[-1][1] == start and pieces[-1][2] == epoch:
                pieces[-1] = (pieces[-1][0], end, epoch)
            else:
                pieces.append((start, end, epoch))
            return
        self.remove(start, end)
        at = bisect_left(pieces, (start,))
        if at < len(pieces) and pieces[at][0] == end and pieces[at][2] == epoch:
            end = pieces.pop(at)[1]
        if at and pieces[at - 1][1] == start and pieces[at - 1][2] == epoch:
            at -= 1
            start = pieces.pop(at)[0]
        pieces.insert(at, (start, end, epoch))

    def remove(self, start: int, end: int) -> None:
        """These bytes are not there any more."""
        if start >= end:
            return
        first, last = self._touching(start, end)
        left: list[Piece] = []
        for begin, stop, epoch in self._all[first:last]:
            if begin < start:
                left.append((begin, start, epoch))
            if stop > end:
                left.append((end, stop, epoch))
        self._all[first:last] = left

    def remove_older(self, start: int, epoch: int) -> None:
        """What older epochs wrote from there on is not there any more."""
        for begin, stop, wrote in self.within(start, max(self.end, start)):
            if wrote < epoch:
                self.remove(begin, stop)

    def within(self, start: int, end: int) -> list[Piece]:
        """The pieces, and parts of pieces, in a range."""
        first, last = self._touching(start, end)
        return [(max(begin, start), min(stop, end), epoch) for begin, stop, epoch in self._all[first:last]]

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """The gaps in a range."""
        gaps = []
        for begin, stop, _ in self.within(start, end):
            if begin > start:
                gaps.append((start, begin))
            start = stop
        if start < end:
            gaps.append((start, end))
        return gaps

    def contiguous(self, start: int) -> int:
        """The end of what is there from this byte on without a gap; `start` itself where it is not there."""
        pieces = self._all
        at = bisect_left(pieces, (start + 1,)) - 1
        if at < 0 or pieces[at][1] <= start:
            return start
        end = pieces[at][1]
        at += 1
        while at < len(pieces) and pieces[at][0] == end:
            end = pieces[at][1]
            at += 1
        return end

    def joined(self) -> list[tuple[int, int]]:
        """The pieces without their epochs: first byte and end of each part without a gap."""
        parts: list[tuple[int, int]] = []
        for start, end, _ in self._all:
            if parts and parts[-1][1] == start:
                parts[-1] = (parts[-1][0], end)
            else:
                parts.append((start, end))
        return parts

    def _touching(self, start: int, end: int) -> tuple[int, int]:
        """Indices of the pieces that share a byte with a range: first, and one after the last."""
        if start >= end:
            return 0, 0
        pieces = self._all
        first = bisect_left(pieces, (start + 1,)) - 1
        if first < 0 or pieces[first][1] <= start:
            first += 1
        return first, max(first, bisect_left(pieces, (end,)))
