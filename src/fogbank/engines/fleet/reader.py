"""Frames out of a stream of bytes, and where the nodes are: for whoever speaks with the nodes by hand (no asyncio in here)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fogbank.engines.fleet.frames import HEADER, ZONES


class Reader:
    """Cuts what comes in from one connection into frames.

    `buffer()` is where to `recv_into`; then `frames(n)`, with how many bytes came, gives (kind, timeline, position, payload) for each frame
    that is whole. A payload is a view that holds until the next `buffer()`: take `bytes()` of what is to stay.
    """

    def __init__(self, size: int = 1 << 18) -> None:
        self._all = bytearray(size)
        self._view = memoryview(self._all)
        self._from = 0
        self._to = 0

    @property
    def wanted(self) -> int:
        """Length of the payload of the frame that has begun; 0 where none has."""
        return int(HEADER.unpack_from(self._all, self._from)[3]) if self._to - self._from >= HEADER.size else 0

    def buffer(self) -> memoryview:
        """Room for more, at least for the rest of the frame that has begun."""
        left = self._to - self._from
        need = HEADER.size + self.wanted
        if self._from and (left == 0 or self._from + need > len(self._all) or self._to == len(self._all)):
            self._view[:left] = self._view[self._from : self._to]
            self._from, self._to = 0, left
        if need > len(self._all):
            larger = bytearray(need + (1 << 16))
            larger[: self._to] = self._view[: self._to]
            self._all, self._view = larger, memoryview(larger)
        return self._view[self._to :]

    def frames(self, came: int) -> Iterator[tuple[int, int, int, memoryview]]:
        """The frames that are whole now that so many bytes came."""
        self._to += came
        view, size, unpack = self._view, HEADER.size, HEADER.unpack_from
        while self._to - self._from >= size:
            kind, timeline, position, length = unpack(view, self._from)
            begin = self._from + size
            if begin + length > self._to:
                return
            self._from = begin + length
            yield kind, timeline, position, view[begin : begin + length]


def name(number: int) -> str:
    """The name of a node, and of its folder below the fleet's: "a0" to "c5"."""
    return f"{ZONES[number]}{number}"


def port(fleet: Path, number: int) -> int:
    """Where a node listens on 127.0.0.1; 0 where it never was. It is another one after each start."""
    try:
        return int((fleet / name(number) / "port").read_text())
    except (OSError, ValueError):
        return 0
