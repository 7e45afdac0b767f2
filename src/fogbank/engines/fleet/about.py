"""Words about a volume, as a node knows it."""

from __future__ import annotations

import errno
from typing import NamedTuple

import msgspec

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that has no space left."""
Key = tuple[int, int]
"""A segment: timeline, number."""


class No(Exception):
    """What was asked for is refused; the message says why."""


class Run(NamedTuple):
    """Bytes to be written. `fill`: they come from a peer, and only what is missing is taken."""

    timeline: int
    start: int
    content: bytes | memoryview
    epoch: int
    fill: bool = False


class Broken(NamedTuple):
    """Bytes of one segment that are not those that were written, and the checksum of those. `turn`: the segment's then."""

    timeline: int
    start: int
    end: int
    check: int
    turn: int


class About(msgspec.Struct):
    """What is remembered of a volume beside its log.

    starts     timeline -> where it begins, and the epoch that said so
    cuts       [epoch, timeline, position]
    forgotten  timeline and position: what lies before is gone
    origin     the volume that it was forked of, and the spans that it took
    """

    segment_bytes: int
    group_bytes: int
    epoch: int = 0
    starts: dict[int, tuple[int, int]] = {}
    cuts: list[tuple[int, int, int]] = []
    forgotten: tuple[int, int] = (0, 0)
    origin: tuple[str, list[tuple[int, int, int]]] | None = None
