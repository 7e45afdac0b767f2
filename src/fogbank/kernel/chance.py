"""The one source of chance of a cloud: the machine's entropy, or a seed that repeats a run."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

_POOL_BYTES = 4096


class Chance:
    """Random bytes and what AWS makes of them."""

    __slots__ = ("_count", "_draw", "_pool", "_position", "_run")

    def __init__(self, seed: int | None = None) -> None:
        self._draw: Callable[[int], bytes] = os.urandom if seed is None else random.Random(seed).randbytes
        self._pool = b""
        self._position = _POOL_BYTES
        self._count = 0
        self._run = self.uuid()[:24]

    def bytes(self, count: int) -> bytes:
        """`count` random bytes, taken from a pool because a system call per id would be most of its cost."""
        if count > 256:
            return self._draw(count)
        end = self._position + count
        if end > len(self._pool):
            self._pool = self._draw(_POOL_BYTES)
            self._position, end = 0, count
        drawn = self._pool[self._position : end]
        self._position = end
        return drawn

    def hex(self, count: int) -> str:
        """`count` hexadecimal digits."""
        return self.bytes((count + 1) // 2).hex()[:count]

    def uuid(self) -> str:
        """A version 4 UUID."""
        h = self.bytes(16).hex()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"

    def request_id(self) -> str:
        """An id in a UUID's form that no other request of this cloud has: one run's prefix, and a number."""
        self._count += 1
        return f"{self._run}{self._count:012x}"

    def text(self, count: int, alphabet: str) -> str:
        """`count` characters of an alphabet of at most 256 (without modulo bias)."""
        size = len(alphabet)
        limit = 256 - 256 % size
        out: list[str] = []
        while len(out) < count:
            out += [alphabet[b % size] for b in self.bytes(count) if b < limit]
        return "".join(out[:count])
