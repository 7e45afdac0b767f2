"""MySQL's packets: three bytes of length, one that counts, content; and those of a greeting."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from fogbank.engines.front.channel import Channel, Ended

MYSQL = 0x1
"""Not set: there are MariaDB's own capabilities beside these."""
CONNECT_WITH_DB = 0x8
COMPRESS = 0x20
PROTOCOL_41 = 0x200
SSL = 0x800
SECURE_CONNECTION = 0x8000
PLUGIN_AUTH = 0x80000
CONNECT_ATTRS = 0x100000
LENENC_AUTH = 0x200000
SESSION_TRACK = 0x800000
DEPRECATE_EOF = 0x1000000
ZSTD = 0x4000000

OK, LOCAL_INFILE, EOF, ERR = 0x00, 0xFB, 0xFE, 0xFF
IN_TRANSACTION, AUTOCOMMIT, MORE_RESULTS = 0x1, 0x2, 0x8
LONGEST = 0xFFFFFF
NATIVE = b"mysql_native_password"
CLEAR = b"mysql_clear_password"
_LONGEST_GREETING = 1 << 20


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number & 0xFF,)) + content


async def read(channel: Channel) -> tuple[int, bytes]:
    """The next packet of a greeting: its number and content."""
    head = await channel.exactly(4)
    length = int.from_bytes(head[:3], "little")
    if not 0 < length <= _LONGEST_GREETING:
        raise Ended
    return head[3], await channel.exactly(length)


def error(number: int, code: int, state: str, words: str) -> bytes:
    """An ERR packet."""
    return packet(number, b"\xff" + code.to_bytes(2, "little") + b"#" + state.encode() + words.encode())


def okay(number: int, status: int = AUTOCOMMIT) -> bytes:
    """An OK packet that says no more."""
    return packet(number, b"\0\0\0" + status.to_bytes(2, "little") + b"\0\0")


def integer(content: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = content[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    return int.from_bytes(content[at + 1 : at + 1 + size], "little"), at + 1 + size


def counted(value: bytes) -> bytes:
    """With its length, as an integer of the protocol, before it."""
    size = len(value)
    if size < 0xFB:
        return bytes((size,)) + value
    return b"\xfc" + size.to_bytes(2, "little") + value if size < 1 << 16 else b"\xfd" + size.to_bytes(3, "little") + value


def native(password: str, scramble: bytes) -> bytes:
    """What mysql_native_password answers to a scramble."""
    if not password:
        return b""
    once = hashlib.sha1(password.encode()).digest()
    mask = hashlib.sha1(scramble + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))


class Greeting(NamedTuple):
    """What a server says first."""

    version: bytes
    thread: int
    scramble: bytes
    capabilities: int
    charset: int
    status: int
    extended: bytes
    plugin: bytes

    @staticmethod
    def of(content: bytes) -> Greeting:
        end = content.index(b"\0", 1)
        at = end + 1
        thread = int.from_bytes(content[at : at + 4], "little")
        low = int.from_bytes(content[at + 13 : at + 15], "little")
        status = int.from_bytes(content[at + 16 : at + 18], "little")
        high = int.from_bytes(content[at + 18 : at + 20], "little")
        length = max(13, content[at + 20] - 8)
        rest = content[at + 31 : at + 31 + length].rstrip(b"\0")
        plugin = content[at + 31 + length :].rstrip(b"\0")
        scramble = content[at + 4 : at + 12] + rest
        return Greeting(content[1:end], thread, scramble, low | high << 16, content[at + 15], status, content[at + 21 : at + 31], plugin)

    def content(self) -> bytes:
        low, high = (self.capabilities & 0xFFFF).to_bytes(2, "little"), (self.capabilities >> 16).to_bytes(2, "little")
        said = b"\x0a" + self.version + b"\0" + self.thread.to_bytes(4, "little") + self.scramble[:8] + b"\0" + low
        said += bytes((self.charset,)) + self.status.to_bytes(2, "little") + high + bytes((len(self.scramble) + 1,)) + self.extended
        return said + self.scramble[8:] + b"\0" + self.plugin + b"\0"


class Response(NamedTuple):
    """What a client answers to the greeting. `extended`: 23 bytes, of which MariaDB's clients use the last four."""

    capabilities: int
    largest: int
    charset: int
    extended: bytes
    user: str
    proof: bytes
    database: str
    plugin: bytes
    attributes: bytes

    @staticmethod
    def of(content: bytes) -> Response:
        """ValueError, IndexError where it is not one."""
        capabilities = int.from_bytes(content[:4], "little")
        end = content.index(b"\0", 32)
        user = content[32:end].decode()
        at = end + 1
        if capabilities & LENENC_AUTH:
            length, at = integer(content, at)
        elif capabilities & SECURE_CONNECTION:
            length, at = content[at], at + 1
        else:
            length = content.index(b"\0", at) - at
        proof, at = content[at : at + length], at + length
        if not capabilities & (LENENC_AUTH | SECURE_CONNECTION):
            at += 1
        database = plugin = b""
        if capabilities & CONNECT_WITH_DB and at < len(content):
            end = content.index(b"\0", at)
            database, at = content[at:end], end + 1
        if capabilities & PLUGIN_AUTH and at < len(content):
            end = content.index(b"\0", at)
            plugin, at = content[at:end], end + 1
        extended, largest = content[9:32], int.from_bytes(content[4:8], "little")
        return Response(capabilities, largest, content[8], extended, user, proof, database.decode(), plugin, content[at:])

    def content(self) -> bytes:
        capabilities = self.capabilities & ~SSL | LENENC_AUTH | SECURE_CONNECTION
        said = capabilities.to_bytes(4, "little") + self.largest.to_bytes(4, "little") + bytes((self.charset,)) + self.extended
        said += self.user.encode() + b"\0" + counted(self.proof)
        if capabilities & CONNECT_WITH_DB:
            said += self.database.encode() + b"\0"
        if capabilities & PLUGIN_AUTH:
            said += self.plugin + b"\0"
        return said + self.attributes
