"""What a box prints, as lines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LINE_BYTES = 256 << 10
"""A longer line is cut."""
_READ_BYTES = 1 << 16
_LINES_A_SECOND = 20_000
_LINES = 20_000
"""At once: what a box prints beyond it stays in its pipe for a while, and when that is full its code waits."""
_LINE = 1 << 10
"""So many bytes count as a line."""


class Output:
    """Reads the pipe of a box as it fills. A carriage return within a line is a line end that the runtime did not want to cut at."""

    __slots__ = ("_at", "_descriptor", "_left", "_loop", "_open", "_rest", "_take", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, take: Callable[[list[str]], None]) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._take = take
        self._rest = b""
        self._open = True
        self._left = float(_LINES)
        self._at = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        """It printed more than its share: when reading goes on."""
        os.set_blocking(descriptor, False)
        loop.add_reader(descriptor, self._readable)

    def drain(self, limit: int = 16) -> None:
        """Takes what has been printed by now (as much as a pipe holds), and a last line that has no end."""
        while limit and self._left > -_LINES and self._read():
            limit -= 1
        if self._rest:
            rest, self._rest = self._rest, b""
            self._take([_text(rest)])

    def close(self) -> None:
        if self._open:
            self._open = False
            if self._timer is not None:
                self._timer.cancel()
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _readable(self) -> None:
        self._read()
        if self._left < 0 and self._open:
            now = self._loop.time()
            self._left = min(self._left + (now - self._at) * _LINES_A_SECOND, _LINES)
            self._at = now
            if self._left < 0:
                self._loop.remove_reader(self._descriptor)
                self._timer = self._loop.call_later(max(-self._left / _LINES_A_SECOND, 0.01), self._again)

    def _again(self) -> None:
        self._timer = None
        self._loop.add_reader(self._descriptor, self._readable)

    def _read(self) -> bool:
        if not self._open:
            return False
        try:
            arrived = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            arrived = b""
        if not arrived:
            self.close()
            return False
        *lines, rest = (self._rest + arrived).split(b"\n")
        if len(rest) > LINE_BYTES:
            lines.append(rest)
            rest = b""
        self._rest = rest
        self._left -= len(lines) + len(arrived) / _LINE + 1
        if lines:
            self._take([_text(line) for line in lines])
        return len(arrived) == _READ_BYTES


def _text(line: bytes) -> str:
    return line[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
