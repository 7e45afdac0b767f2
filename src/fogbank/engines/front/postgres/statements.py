"""Prepared statements that go along: a session's names for them, and which connection of the proxy has them already.

A statement has one number in the whole proxy, by its text and types, and the name `fogbank_<number>` wherever it is prepared. Where a
session uses it on a connection that lacks it, a Parse goes first, whose answer the client does not see.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from .messages import message

_NEVER = b"Sfogbank_0\0"


class Holder(Protocol):
    """A connection: the numbers of what is prepared there, and of what is being prepared."""

    prepared: set[int]
    preparing: set[int]


class _Expected(NamedTuple):
    """An answer that will come for a Parse or Close. `ours`: the client did not ask."""

    ours: bool
    number: int = 0
    name: bytes = b""


class Statements:
    """Of one session. `numbers` is the proxy's."""

    def __init__(self, numbers: dict[bytes, int]) -> None:
        self._numbers = numbers
        self._named: dict[bytes, tuple[int, bytes]] = {}
        self._expected: deque[_Expected | None] = deque()

    def forget(self) -> None:
        self._named.clear()

    def restart(self) -> None:
        """No answer will come to anything."""
        self._expected.clear()

    def synced(self) -> None:
        """A Sync or Query goes out: a ReadyForQuery will come."""
        self._expected.append(None)

    def passed_over(self) -> None:
        """No ReadyForQuery will come for the last Sync."""
        if None in self._expected:
            self._expected.reverse()
            self._expected.remove(None)
            self._expected.reverse()

    def parse(self, holder: Holder, content: bytes) -> bytes:
        """Instead of a Parse."""
        name, _, rest = content.partition(b"\0")
        if not name:
            self._expected.append(_Expected(False))
            return message(b"P", content)
        number = self._numbers.setdefault(rest, len(self._numbers) + 1)
        self._named[name] = (number, rest)
        before = b""
        if number in holder.prepared or number in holder.preparing:
            holder.prepared.discard(number)
            self._expected.append(_Expected(True))
            before = message(b"C", b"S" + _name(number) + b"\0")
        return before + self._prepare(holder, _Expected(False, number, name), rest)

    def bind(self, holder: Holder, content: bytes) -> bytes:
        """Instead of a Bind."""
        portal, name, rest = content.split(b"\0", 2)
        known = self._named.get(name)
        if known is None:
            return message(b"B", content)
        return self._ensure(holder, *known) + message(b"B", portal + b"\0" + _name(known[0]) + b"\0" + rest)

    def describe(self, holder: Holder, content: bytes) -> bytes:
        """Instead of a Describe."""
        known = self._named.get(content[1:-1]) if content[:1] == b"S" else None
        if known is None:
            return message(b"D", content)
        return self._ensure(holder, *known) + message(b"D", b"S" + _name(known[0]) + b"\0")

    def close(self, content: bytes) -> bytes:
        """Instead of a Close: the statement stays prepared for others."""
        self._expected.append(_Expected(False))
        if content[:1] == b"S" and self._named.pop(content[1:-1], None) is not None:
            return message(b"C", _NEVER)
        return message(b"C", content)

    def answered(self, holder: Holder) -> bool:
        """A ParseComplete or CloseComplete came: whether it is not for the client."""
        expected = self._expected.popleft() if self._expected else None
        if expected is None:
            return False
        if expected.number:
            holder.preparing.discard(expected.number)
            holder.prepared.add(expected.number)
        return expected.ours

    def ready(self, holder: Holder) -> None:
        """A ReadyForQuery came: what was not answered before it, failed."""
        while self._expected and (expected := self._expected.popleft()) is not None:
            if expected.number:
                holder.preparing.discard(expected.number)
                if not expected.ours:
                    self._named.pop(expected.name, None)

    def _ensure(self, holder: Holder, number: int, rest: bytes) -> bytes:
        if number in holder.prepared or number in holder.preparing:
            return b""
        return self._prepare(holder, _Expected(True, number), rest)

    def _prepare(self, holder: Holder, expected: _Expected, rest: bytes) -> bytes:
        holder.preparing.add(expected.number)
        self._expected.append(expected)
        return message(b"P", _name(expected.number) + b"\0" + rest)


def _name(number: int) -> bytes:
    return b"fogbank_%d" % number
