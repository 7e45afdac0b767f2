"""Sequence numbers: 56 decimal digits that grow within a shard, and from a shard to its children.

    1 | seconds when the shard was made, 36 bits | place, 112 bits | number of the shard, 32 bits | 2, 4 bits

The place is the record's own (`state`). Numbers of a shard's children are larger because the children are younger.
"""

from __future__ import annotations

from typing import NamedTuple

_TOP = 185
_SECONDS_AT = 148
_PLACE_AT = 36
_SHARD_AT = 4
_VERSION = 2
STEP = 1 << _PLACE_AT
"""From one place's number to the next one's."""
LARGEST_PLACE = (1 << 62) - 1


class Place(NamedTuple):
    """What a sequence number says."""

    made_s: int
    place: int
    shard: int


def number(made_ms: int, shard: int, place: int) -> int:
    """The sequence number of a place in a shard."""
    return 1 << _TOP | made_ms // 1000 << _SECONDS_AT | place << _PLACE_AT | shard << _SHARD_AT | _VERSION


def shown(made_ms: int, shard: int, place: int) -> str:
    """The same, as text."""
    return str(number(made_ms, shard, place))


def read(text: str) -> Place | None:
    """What a sequence number says; None where we cannot have made it."""
    if not text.isdecimal() or len(text) > 60:
        return None
    value = int(text)
    if value >> _TOP != 1 or value & 15 != _VERSION:
        return None
    place = value >> _PLACE_AT & ((1 << (_SECONDS_AT - _PLACE_AT)) - 1)
    if place > LARGEST_PLACE:
        return None
    return Place(value >> _SECONDS_AT & ((1 << (_TOP - _SECONDS_AT)) - 1), place, value >> _SHARD_AT & ((1 << 32) - 1))
