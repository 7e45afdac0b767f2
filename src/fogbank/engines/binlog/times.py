"""When what became durable: how old what a reader lacks is, and where an instant was, finer than the seconds that events carry."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import msgspec

_APART_MS = 20
_KEPT = 2048
_REMEMBERED = 1 << 16
_Marks = msgspec.msgpack.Decoder(list[tuple[int, int]])


class Times:
    """Ends of transactions, and when each was durable (machine's clock, ms)."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self.changed = False

    def add(self, position: int, at_ms: int) -> None:
        """All up to a position is durable now."""
        self._marks.append((position, at_ms))
        self.changed = True

    def cut(self, position: int) -> None:
        """What lies beyond never happened."""
        while self._marks and self._marks[-1][0] > position:
            self._marks.pop()

    def age_ms(self, position: int, now_ms: int) -> int:
        """How long ago what follows a position became durable."""
        index = bisect_right(self._marks, position, key=lambda mark: mark[0])
        return max(0, now_ms - self._marks[index][1]) if index < len(self._marks) else 0

    def before(self, at_ms: int) -> int | None:
        """Up to where all was durable at an instant; None where that is not remembered: it is before the first, or after the last."""
        if not self._marks or not self._marks[0][1] <= at_ms < self._marks[-1][1]:
            return None
        index = bisect_right(self._marks, at_ms, key=lambda mark: mark[1])
        (position, since_ms), (_, until_ms) = self._marks[index - 1], self._marks[index]
        return position if since_ms <= at_ms < until_ms else None

    def thinned(self) -> bytes:
        """The last of them, some time apart, to be kept."""
        kept: list[tuple[int, int]] = []
        for mark in reversed(self._marks):
            if not kept or kept[-1][1] - mark[1] >= _APART_MS:
                kept.append(mark)
                if len(kept) == _KEPT:
                    break
        self.changed = False
        return msgspec.msgpack.encode(kept[::-1])

    def restore(self, kept: bytes, durable: int) -> None:
        """What was kept, as far as it is still true."""
        self._marks.clear()
        self._marks.extend(mark for mark in _Marks.decode(kept) if mark[0] <= durable)
