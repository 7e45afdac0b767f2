"""The binlog's events, as far as one has to know them. Pure.

An event is a header (when, type, server, length, offset of its end in the file, flags), a body, and a CRC-32.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

HEADER = Struct("<IBIIIH")
HEADER_BYTES = 19
CHECKSUM_BYTES = 4
MAGIC_BYTES = 4
"""Where the first event of a file lies."""

QUERY, STOP, ROTATE, FORMAT, XID, HEARTBEAT, XA_PREPARE = 2, 3, 4, 15, 16, 27, 38
GTID = 162
_STANDALONE = 1
_ARTIFICIAL = 0x20
_CREATED_AT = HEADER_BYTES + 2 + 50
_GTID_FLAGS_AT = HEADER_BYTES + 8 + 4
_QUERY_HEAD = Struct("<IIBHH")
_ENDS = (b"COMMIT", b"ROLLBACK", b"XA COMMIT", b"XA ROLLBACK")


def sealed(when: int, kind: int, server: int, end: int, flags: int, body: bytes) -> bytes:
    """An event."""
    length = HEADER_BYTES + len(body) + CHECKSUM_BYTES
    event = HEADER.pack(when, kind, server, length, end, flags) + body
    return event + crc32(event).to_bytes(4, "little")


def rotation(file: str, offset: int, server: int = 1) -> bytes:
    """What tells a replica which file follows; not in any file itself."""
    return sealed(0, ROTATE, server, 0, _ARTIFICIAL, offset.to_bytes(8, "little") + file.encode())


def heartbeat(file: str, offset: int, server: int = 1) -> bytes:
    """That nothing happened, up to here."""
    return sealed(0, HEARTBEAT, server, offset & 0xFFFFFFFF, 0, file.encode())


def resumed(format_: bytes, server: int = 1) -> bytes:
    """A file's description for a replica that begins in its middle: nothing was created just now, and the replica's place stays."""
    body = bytearray(format_[HEADER_BYTES:-CHECKSUM_BYTES])
    at = _CREATED_AT - HEADER_BYTES
    body[at : at + 4] = b"\0\0\0\0"
    return sealed(int.from_bytes(format_[:4], "little"), FORMAT, server, 0, 0, bytes(body))


def rotated(event: bytes | memoryview) -> tuple[str, int]:
    """Which file follows, and from which offset on."""
    body = bytes(event[HEADER_BYTES:-CHECKSUM_BYTES])
    return body[8:].decode(), int.from_bytes(body[:8], "little")


def artificial(kind: int, end: int, flags: int) -> bool:
    """Whether an event is in no file: made for this connection."""
    return flags & _ARTIFICIAL != 0 or (kind == FORMAT and end == 0)


def number(file: str) -> int:
    """The number of a binlog's file; 0 where the name has none."""
    digits = file.rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def standalone(event: bytes | memoryview) -> bool:
    """Whether a transaction is one statement, without a COMMIT of its own."""
    return event[_GTID_FLAGS_AT] & _STANDALONE != 0


def ends(event: bytes | memoryview) -> bool:
    """Whether a statement ends its transaction."""
    _, _, database, _, status = _QUERY_HEAD.unpack_from(event, HEADER_BYTES)
    at = HEADER_BYTES + _QUERY_HEAD.size + status + database + 1
    text = bytes(event[at : min(at + 12, len(event) - CHECKSUM_BYTES)]).upper()
    return text.startswith(_ENDS) and not text.startswith(b"ROLLBACK TO")


def length(event: bytes | memoryview) -> int:
    """Of a whole event, by its header."""
    return int.from_bytes(event[9:13], "little")


def split(data: memoryview) -> list[memoryview]:
    """The whole events at the beginning of a piece of the log."""
    found, at, end = [], 0, len(data)
    while end - at >= HEADER_BYTES:
        size = int.from_bytes(data[at + 9 : at + 13], "little")
        if end - at < size:
            break
        found.append(data[at : at + size])
        at += size
    return found
