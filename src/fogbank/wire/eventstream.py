"""`application/vnd.amazon.eventstream`: frames of headers and a payload, each with two CRC-32s.

    total length u32 | headers length u32 | CRC of the eight bytes before | headers | payload | CRC of all before

A header is a name, a type and a value; lengths and numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_LARGEST_BYTES = 24 * 1024 * 1024
_FIXED = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


class Malformed(Exception):
    """Bytes that are no frames."""


class Instant(int):
    """A header's value that is an instant (milliseconds), not a number."""


def frame(headers: dict[str, Any], payload: bytes) -> bytes:
    """One frame."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: Any) -> bytes:
    raw = name.encode()
    head = bytes([len(raw)]) + raw
    if isinstance(value, bool):
        return head + (b"\x00" if value else b"\x01")
    if isinstance(value, Instant):
        return head + b"\x08" + struct.pack(">q", value)
    if isinstance(value, int):
        return head + (b"\x04" + struct.pack(">i", value) if -(2**31) <= value < 2**31 else b"\x05" + struct.pack(">q", value))
    if isinstance(value, bytes):
        return head + b"\x06" + struct.pack(">H", len(value)) + value
    text = str(value).encode()
    return head + b"\x07" + struct.pack(">H", len(text)) + text


def frames(data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The headers and payload of every frame. Malformed where a length or a checksum is wrong."""
    at = 0
    while at < len(data):
        if len(data) - at < 16:
            raise Malformed("a truncated frame")
        total, head_bytes, checksum = struct.unpack_from(">III", data, at)
        if checksum != zlib.crc32(data[at : at + 8]):
            raise Malformed("the prelude's checksum is wrong")
        if total < 16 + head_bytes or total > _LARGEST_BYTES or at + total > len(data):
            raise Malformed("a frame of impossible length")
        if struct.unpack_from(">I", data, at + total - 4)[0] != zlib.crc32(data[at : at + total - 4]):
            raise Malformed("the frame's checksum is wrong")
        start = at + 12
        yield _headers(data[start : start + head_bytes]), data[start + head_bytes : at + total - 4]
        at += total


def _headers(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode()
            at += 1 + data[at]
            kind = data[at]
            at += 1
            if kind < 2:
                found[name] = kind == 0
            elif kind in _FIXED:
                found[name] = struct.unpack_from(_FIXED[kind], data, at)[0]
                at += struct.calcsize(_FIXED[kind])
            elif kind in (6, 7):
                (size,) = struct.unpack_from(">H", data, at)
                value = data[at + 2 : at + 2 + size]
                if len(value) != size:
                    raise Malformed("a truncated header")
                found[name] = value.decode() if kind == 7 else value
                at += 2 + size
            elif kind == 9:
                found[name] = data[at : at + 16].hex()
                at += 16
            else:
                raise Malformed("a header of unknown type")
    except (struct.error, IndexError, ValueError):
        raise Malformed("a truncated header") from None
    return found
