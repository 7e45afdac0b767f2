"""The hash space of 128 bits, and how shards divide it.

A hash is sixteen bytes, so that a key's MD5 is compared as it is. A division is the sorted list of where its ranges begin; each ends
where the next begins, and the last with the space. Changes of a division are `Split`s and `Merge`s, one after the other.
"""

from __future__ import annotations

from bisect import bisect
from typing import NamedTuple

SPACE = 1 << 128
FIRST = bytes(16)
LAST = b"\xff" * 16


class Split(NamedTuple):
    """The range in this position becomes two; the second begins at `at`."""

    position: int
    at: bytes


class Merge(NamedTuple):
    """The range in this position and the next become one."""

    position: int


Step = Split | Merge


def number(hash: bytes) -> int:
    return int.from_bytes(hash, "big")


def packed(number: int) -> bytes:
    """Raises OverflowError for a number outside of the space."""
    return number.to_bytes(16, "big")


def before(hash: bytes) -> bytes:
    """The hash before another one."""
    return packed(number(hash) - 1)


def even(count: int) -> list[bytes]:
    """The division into equal ranges."""
    return [packed(SPACE * n // count) for n in range(count)]


def middle(low: bytes, high: bytes) -> bytes:
    """Where the second half of a range begins (`high` is its last hash)."""
    return packed((number(low) + number(high) + 1) // 2)


def steps(lows: list[bytes], wanted: list[bytes]) -> list[Step]:
    """How one division becomes another: split wherever a range is to begin, then merge what is not to be apart."""
    there, made = sorted(lows), set(wanted)
    known = set(there)
    out: list[Step] = []
    for low in wanted:
        if low not in known:
            position = bisect(there, low)
            there.insert(position, low)
            out.append(Split(position - 1, low))
    index = 0
    while index + 1 < len(there):
        if there[index + 1] in made:
            index += 1
        else:
            del there[index + 1]
            out.append(Merge(index))
    return out
