"""CRCs of joined values from the CRCs of their parts, without reading a byte again.

A CRC is a remainder of polynomials over GF(2): joining b to a multiplies a's remainder by x^(8 * size of b) and adds b's.
All three are bit-reflected: the coefficient of x^0 is the highest bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple


class Polynomial(NamedTuple):
    """`reflected` without its leading term; `width` in bits."""

    width: int
    reflected: int


POLYNOMIALS = {
    "CRC32": Polynomial(32, 0xEDB88320),
    "CRC32C": Polynomial(32, 0x82F63B78),
    "CRC64NVME": Polynomial(64, 0x9A6C9329AC4BC9B5),
}


def _times(a: int, b: int, polynomial: Polynomial) -> int:
    """a * b modulo the polynomial."""
    width, reflected = polynomial
    product = 0
    for bit in range(width - 1, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ reflected if b & 1 else b >> 1
    return product


@lru_cache(256)
def _shift(size: int, polynomial: Polynomial) -> int:
    """x^(8 * size) modulo the polynomial, by squaring."""
    one = 1 << (polynomial.width - 1)
    power, square = one, one >> 8
    while size:
        if size & 1:
            power = _times(power, square, polynomial)
        square = _times(square, square, polynomial)
        size >>= 1
    return power


def combine(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The big-endian CRC of parts joined, each given as (its CRC, its size in bytes)."""
    polynomial = POLYNOMIALS[algorithm]
    joined = 0
    for checksum, size in parts:
        joined = _times(_shift(size, polynomial), joined, polynomial) ^ int.from_bytes(checksum, "big")
    return joined.to_bytes(polynomial.width // 8, "big")
