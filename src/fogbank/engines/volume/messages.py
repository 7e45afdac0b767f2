"""PostgreSQL's wire format, as much of it as replication needs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import pairwise
from struct import Struct

from fogbank.engines.volume.quorum import Lineage, Turn

INT = Struct(">I")
SEGMENT_BYTES = 16 << 20
PROTOCOL = 196608
XLOG = Struct(">cIcQQq")
"""CopyData with a piece of the log: 'd', length, 'w', its start, the sender's end, the sender's clock (30 bytes)."""
KEEPALIVE = Struct(">cIcQqB")
"""CopyData: 'd', length, 'k', the sender's end, its clock, whether it wants an answer."""
FEEDBACK = Struct(">cIcQQQqB")
"""CopyData: 'd', length, 'r', written, flushed, applied, the receiver's clock, whether it wants an answer."""
NEEDED = Struct(">cIcqIIII")
"""CopyData: 'd', length, 'h', the receiver's clock, the oldest transaction that its queries need and its epoch, the same of catalogs."""
_EPOCH_US = 946_684_800_000_000
"""2000-01-01, from which PostgreSQL counts."""
_TEXT = 25


class ServerError(Exception):
    """The other side refused; `code` is its SQLSTATE."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


def lsn(position: int) -> str:
    """As PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def position(text: str) -> int:
    """From what PostgreSQL writes."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def clock() -> int:
    """Now, in PostgreSQL's microseconds."""
    return time.time_ns() // 1000 - _EPOCH_US


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + INT.pack(len(body) + 4) + body


def startup(**parameters: str) -> bytes:
    """What a client begins with."""
    body = INT.pack(PROTOCOL) + b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return INT.pack(len(body) + 4) + body


def query(text: str) -> bytes:
    return message(b"Q", text.encode() + b"\0")


def rows(columns: Sequence[str], values: Sequence[bytes | None], *tags: str) -> bytes:
    """One row, and how the command ended."""
    head = b"".join(name.encode() + b"\0" + b"\0\0\0\0\0\0" + INT.pack(_TEXT) + b"\xff\xff\xff\xff\xff\xff\0\0" for name in columns)
    row = b"".join(b"\xff\xff\xff\xff" if value is None else INT.pack(len(value)) + value for value in values)
    count = len(columns).to_bytes(2, "big")
    ends = b"".join(message(b"C", tag.encode() + b"\0") for tag in tags)
    return message(b"T", count + head) + message(b"D", count + row) + ends + message(b"Z", b"I")


def error(text: str, code: str = "0A000", severity: str = "ERROR") -> bytes:
    return message(b"E", f"S{severity}\0V{severity}\0C{code}\0M{text}\0\0".encode())


def row(body: bytes) -> list[bytes | None]:
    """The values of a DataRow."""
    values: list[bytes | None] = []
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        values.append(None if length < 0 else body[at : at + length])
        at += max(length, 0)
    return values


def failure(body: bytes) -> ServerError:
    """An ErrorResponse."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return ServerError(fields.get(b"M", "it refused"), fields.get(b"C", ""))


def history(lineage: Lineage) -> bytes:
    """A timeline's history file: its parents, and where each was left."""
    return b"".join(f"{here.timeline}\t{lsn(following.start)}\tfogbank\n".encode() for here, following in pairwise(lineage.turns))


_PARENT = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)", re.MULTILINE)


def parents(content: bytes) -> list[Turn]:
    """From a history file: its parents and where each *ended*."""
    return [Turn(int(number), position(at)) for number, at in _PARENT.findall(content.decode())]


_PAGE_BYTES = 8192
_PAGE_HEADER_BYTES = 24
_SEGMENT_HEADER_BYTES = 40


def page_header(at: int) -> int:
    """How many bytes of a page's header stand at a position of the log."""
    if at % SEGMENT_BYTES == 0:
        return _SEGMENT_HEADER_BYTES
    return _PAGE_HEADER_BYTES if at % _PAGE_BYTES == 0 else 0


def record_end(at: int, length: int) -> int:
    """Where a record of that length ends that begins at a position: it goes on behind the header of each further page."""
    while (room := _PAGE_BYTES - at % _PAGE_BYTES) < length:
        length -= room
        at += room
        at += page_header(at)
    return at + length
