"""MySQL's wire format, as much of it as replication needs. Pure.

A packet is a length (3 bytes), a number that counts within an exchange, and a body; one of 16 MiB - 1 goes on in the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

LONGEST = 0xFFFFFF
QUIT, SAY, PING, DUMP, REGISTER = 0x01, 0x03, 0x0E, 0x12, 0x15
"""Commands; SAY is a query."""
_PROTOCOL_41, _SECURE, _PLUGIN, _LONG_PASSWORD, _DATABASE = 0x200, 0x8000, 0x80000, 1, 8
_UTF8 = 33
_TEXT = 253
_PLUGIN_NAME = b"mysql_native_password"


class Refused(Exception):
    """The other side's error."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


def packet(body: bytes, number: int = 0) -> bytes:
    """A body of less than 16 MiB."""
    return len(body).to_bytes(3, "little") + bytes((number & 0xFF,)) + body


def packets(bodies: Iterable[bytes], number: int = 1) -> bytes:
    """Several, counted on."""
    return b"".join(packet(body, number + place) for place, body in enumerate(bodies))


def whole(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The packets (number, body) at the beginning of what came, and the rest."""
    found, at = [], 0
    while len(data) - at >= 4:
        length = int.from_bytes(data[at : at + 3], "little")
        if len(data) - at - 4 < length:
            break
        found.append((data[at + 3], data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found, data[at:]


def scrambled(password: bytes, salt: bytes) -> bytes:
    """What mysql_native_password shows for a password."""
    if not password:
        return b""
    first = hashlib.sha1(password).digest()
    second = hashlib.sha1(salt + hashlib.sha1(first).digest()).digest()
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


# as a client


def greeted(body: bytes) -> bytes:
    """From a server's greeting: the salt."""
    if body[:1] == b"\xff":
        raise failure(body)
    at = body.index(b"\0", 1) + 5
    first = body[at : at + 8]
    rest = body[at + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10 :]
    return first + rest[:12]


def login(user: str, password: str, salt: bytes) -> bytes:
    """The answer to a greeting."""
    flags = _PROTOCOL_41 | _SECURE | _PLUGIN | _LONG_PASSWORD
    proof = scrambled(password.encode(), salt)
    head = flags.to_bytes(4, "little") + LONGEST.to_bytes(4, "little") + bytes((_UTF8,)) + bytes(23)
    return head + user.encode() + b"\0" + bytes((len(proof),)) + proof + _PLUGIN_NAME + b"\0"


def failure(body: bytes) -> Refused:
    """An error packet."""
    text = body[3:]
    return Refused((text[6:] if text[:1] == b"#" else text).decode(errors="replace"), int.from_bytes(body[1:3], "little"))


def row(body: bytes) -> list[str | None]:
    """The values of a row."""
    values: list[str | None] = []
    at = 0
    while at < len(body):
        if body[at] == 0xFB:
            values.append(None)
            at += 1
            continue
        length, at = _length(body, at)
        values.append(body[at : at + length].decode())
        at += length
    return values


def _length(body: bytes, at: int) -> tuple[int, int]:
    first = body[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(body[at + 1 : at + 1 + size], "little"), at + 1 + size


# as a server


def greeting(version: str, salt: bytes) -> bytes:
    """What a server begins with."""
    flags = _PROTOCOL_41 | _SECURE | _PLUGIN | _LONG_PASSWORD | _DATABASE
    low, high = flags & 0xFFFF, flags >> 16
    head = b"\x0a" + version.encode() + b"\0" + (1).to_bytes(4, "little") + salt[:8] + b"\0" + low.to_bytes(2, "little")
    return head + bytes((_UTF8, 2, 0)) + high.to_bytes(2, "little") + bytes((21,)) + bytes(10) + salt[8:20] + b"\0" + _PLUGIN_NAME + b"\0"


def shown(body: bytes) -> tuple[str, bytes]:
    """From a client's answer to the greeting: the user and what it shows for the password."""
    end = body.index(b"\0", 32)
    length = body[end + 1]
    return body[32:end].decode(errors="replace"), body[end + 2 : end + 2 + length]


OK = b"\0\0\0\2\0\0\0"
_EOF = b"\xfe\0\0\2\0"


def error(number: int, state: str, text: str) -> bytes:
    return b"\xff" + number.to_bytes(2, "little") + b"#" + state.encode() + text.encode()


def result(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[bytes]:
    """A result of texts."""
    heads = [_column(name) for name in columns]
    lines = [b"".join(b"\xfb" if value is None else _text(value.encode()) for value in values) for values in rows]
    return [bytes((len(columns),)), *heads, _EOF, *lines, _EOF]


def _column(name: str) -> bytes:
    head = _text(b"def") + _text(b"") * 3 + _text(name.encode()) * 2
    return head + b"\x0c" + _UTF8.to_bytes(2, "little") + (1024).to_bytes(4, "little") + bytes((_TEXT, 0, 0, 0)) + b"\0\0"


def _text(value: bytes) -> bytes:
    return (bytes((len(value),)) if len(value) < 0xFB else b"\xfc" + len(value).to_bytes(2, "little")) + value
