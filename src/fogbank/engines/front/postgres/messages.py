"""PostgreSQL's messages, version 3: one byte of type, four of length, content."""

from __future__ import annotations

import struct

from fogbank.engines.front.channel import Channel, Ended

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
LONGEST_STARTUP = 10_000
LONGEST_GREETING = 1 << 20

LOST_ACKNOWLEDGEMENT = b"RSyncRepWaitForLSN\0\0"
"""How the WARNING ends that a commit was not waited for: the routine's name, which no locale translates, and the message's end."""

READY = b"Z\0\0\0\x05"


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big") + content


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def error(code: str, words: str, severity: str = "FATAL") -> bytes:
    """An ErrorResponse."""
    return message(b"E", b"S" + text(severity) + b"V" + text(severity) + b"C" + text(code) + b"M" + text(words) + b"\0")


def fields(content: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse, by their letter."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in content.split(b"\0") if part}


def startup(version: int, parameters: dict[str, str]) -> bytes:
    content = version.to_bytes(4, "big") + b"".join(text(name) + text(value) for name, value in parameters.items()) + b"\0"
    return (len(content) + 4).to_bytes(4, "big") + content


def parameters(content: bytes) -> dict[str, str]:
    """Of a StartupMessage, without its length and version. ValueError where it is not one."""
    parts = content.split(b"\0")
    if len(parts) < 2 or parts[-2:] != [b"", b""] or len(parts) % 2:
        raise ValueError
    strings = [part.decode() for part in parts[:-2]]
    return dict(zip(strings[::2], strings[1::2], strict=True))


async def read(channel: Channel) -> tuple[bytes, bytes]:
    """The next message of a greeting: its type and content."""
    kind, length = struct.unpack(">cI", await channel.exactly(5))
    if not 4 <= length <= LONGEST_GREETING:
        raise Ended
    return kind, await channel.exactly(length - 4)


async def read_startup(channel: Channel) -> tuple[int, bytes]:
    """The first message, which has no type: its code, or version, and what follows."""
    length, code = struct.unpack(">II", await channel.exactly(8))
    if not 8 <= length <= LONGEST_STARTUP:
        raise Ended
    return code, await channel.exactly(length - 8)
