"""What a segment file says of itself: claims, in its pages and in its journal. (`segment.py` says what for.)"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

_CLAIM = Struct("<IIQQI")
CHECK = Struct("<I")
_STATED = Struct("<IIQQII")
LENGTH = _CLAIM.size + CHECK.size
PAGE = 4096
ROOM = PAGE - 2 * LENGTH
"""Bytes of the log in a page."""
NONE = bytes(LENGTH)


class Claim(NamedTuple):
    """What a page or the journal says is there."""

    batch: int
    start: int
    end: int
    epoch: int
    check: int


class Tail:
    """The page in which the log ends, as it is to be on disk. `turn`: which of its claims the next batch writes."""

    __slots__ = ("batch", "check", "end", "epoch", "first", "page", "raw", "turn")

    def __init__(self, page: int, first: int, epoch: int) -> None:
        self.page = page
        self.first = first
        self.end = first
        self.epoch = epoch
        self.check = 0
        self.raw = bytearray(PAGE)
        self.turn = 0
        self.batch = 0

    def take(self, content: bytes | memoryview, batch: int) -> None:
        """Goes on with these bytes."""
        raw, before = self.raw, self.end
        self.end = end = before + len(content)
        raw[before:end] = content
        self.check = crc32(content, self.check)
        if batch != self.batch:
            self.turn ^= 1
            self.batch = batch
        at = ROOM + LENGTH * self.turn
        base = self.page * ROOM
        raw[at : at + LENGTH] = stated(base + self.first, base + end, self.epoch, batch, self.check)


def in_order(claims: list[Claim]) -> list[Claim]:
    """By batch; within one, as they are: what the journal says of a page came after what the page says itself."""
    return sorted(claims, key=lambda claim: claim.batch)


def stated(start: int, end: int, epoch: int, batch: int, check: int) -> bytes:
    """A claim, as it is written."""
    claim = _CLAIM.pack(start, end, epoch, batch, check)
    return claim + CHECK.pack(crc32(claim))


def claimed(raw: bytes, at: int) -> Claim | None:
    """The claim that is there; None where there is none, or a torn one."""
    start, end, epoch, batch, check, own = _STATED.unpack_from(raw, at)
    if not batch or crc32(raw[at : at + _CLAIM.size]) != own:
        return None
    return Claim(batch, start, end, epoch, check)
