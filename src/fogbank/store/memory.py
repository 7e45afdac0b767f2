"""What the archive does not have yet: recent versions, in memory, in order."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final

Version = tuple[int, int, Any]
"""(sequence number, branch, value); None is a deletion."""


class Packed(bytes):
    """A value as it stands in the log, not decoded yet."""


NOTHING: Final = object()


class Space:
    """One table or index of one tree: every key's recent versions, oldest first."""

    __slots__ = ("_fresh", "_sorted", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, list[Version]] = {}
        self._sorted: list[bytes] = []
        self._fresh: list[bytes] = []

    def add(self, key: bytes, version: Version) -> Any:
        """Adds a version; a second one of the same transaction replaces the first, which is returned (else NOTHING)."""
        versions = self.rows.get(key)
        if versions is None:
            self.rows[key] = [version]
            self._fresh.append(key)
        elif versions and versions[-1][0] == version[0]:
            replaced = versions[-1]
            versions[-1] = version
            return replaced
        else:
            versions.append(version)
        return NOTHING

    def undo(self, key: bytes, replaced: Any) -> None:
        """Takes the newest version back."""
        if replaced is NOTHING:
            self.rows[key].pop()
        else:
            self.rows[key][-1] = replaced

    def ordered(self) -> list[bytes]:
        """All keys, sorted. Keys added since the last call are merged in now: most tables are written more than scanned."""
        fresh = self._fresh
        if fresh:
            if len(fresh) < 16:
                for key in fresh:
                    insort(self._sorted, key)
            else:
                self._sorted += sorted(fresh)
                self._sorted.sort()
            self._fresh = []
        return self._sorted

    def keys(self, low: bytes, high: bytes, count: int, reverse: bool) -> list[bytes]:
        """At most `count` keys in [low, high), from the low or the high end."""
        keys = self.ordered()
        start, end = bisect_left(keys, low), bisect_left(keys, high)
        if reverse:
            return keys[max(start, end - count) : end]
        return keys[start : min(end, start + count)]


class Memory:
    """The versions of one log segment."""

    __slots__ = ("count", "instants", "segment", "size", "spaces")

    def __init__(self, segment: int) -> None:
        self.segment = segment
        self.spaces: dict[int, Space] = {}
        self.count = 0
        self.size = 0
        self.instants: list[tuple[int, int, int]] = []
        """(branch, instant, sequence number), one for each instant at which a branch was written."""

    def space(self, number: int) -> Space:
        found = self.spaces.get(number)
        if found is None:
            found = self.spaces[number] = Space()
        return found

    def mark(self, branch: int, at_ms: int, sequence: int) -> None:
        """Notes that a branch reached a sequence number at an instant."""
        if self.instants:
            last = self.instants[-1]
            if last[0] == branch and last[1] == at_ms:
                self.instants[-1] = (branch, at_ms, sequence)
                return
        self.instants.append((branch, at_ms, sequence))
