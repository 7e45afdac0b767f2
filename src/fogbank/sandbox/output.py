"""What a box prints, as lines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LINE_BYTES = 256 << 10
"""A longer line is cut."""
_READ_BYTES = 1 << 16


class Output:
    """Reads the pipe of a box as it fills. A carriage return within a line is a line end that the runtime did not want to cut at."""

    __slots__ = ("_descriptor", "_loop", "_open", "_rest", "_take")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, take: Callable[[list[str]], None]) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._take = take
        self._rest = b""
        self._open = True
        os.set_blocking(descriptor, False)
        loop.add_reader(descriptor, self._read)

    def drain(self, limit: int = 64) -> None:
        """Takes what has been printed by now, and a last line that has no end."""
        while limit and self._read():
            limit -= 1
        if self._rest:
            rest, self._rest = self._rest, b""
            self._take([_text(rest)])

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

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
        if lines:
            self._take([_text(line) for line in lines])
        return len(arrived) == _READ_BYTES


def _text(line: bytes) -> str:
    return line[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
