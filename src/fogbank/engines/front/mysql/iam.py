"""Accounts that IAM signs in.

On Aurora they are `IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'`. MariaDB has no such plugin: in it they have a password that only the
house knows, and the front shows it once a token was found right. So that statement is rewritten on its way.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from fogbank.engines.front.channel import Channel, Ended, reach

from . import packets
from .packets import Greeting, Response

MARK = b"awsauthenticationplugin"
_IDENTIFIED = re.compile(
    rb"identified\s+(?:with|via)\s+[`'\"]?awsauthenticationplugin[`'\"]?(?:\s+(?:as|using)\s+(['\"])rds\1)?", re.IGNORECASE
)
_QUERY = 3
_CAPABILITIES = packets.PROTOCOL_41 | packets.SECURE_CONNECTION | packets.PLUGIN_AUTH | packets.LENENC_AUTH
_UTF8MB4 = 45

_superusers: dict[str, Channel] = {}
_turns: dict[str, asyncio.Lock] = {}


async def password(target: str) -> str:
    """What such accounts have at a node."""
    from fogbank.engines.mariadb import accounts  # with the first token only: it brings PyMySQL along

    return accounts.iam_password(_secret(target))


async def signs_in(target: str, user: str) -> bool:
    """Whether an account is one of these: the node's superuser sees it."""
    from fogbank.engines.mariadb import accounts

    if not _secret(target):
        return False
    hashed = accounts.native(await password(target))
    query = f"SELECT 1 FROM mysql.user WHERE User = {accounts.literal(user)} AND authentication_string = '{hashed}' LIMIT 1"
    async with _turns.setdefault(target, asyncio.Lock()):
        for _ in range(2):  # a connection that was kept may be gone
            channel = _superusers.pop(target, None)
            try:
                channel = channel or await log_in(target, accounts.SUPERUSER, _secret(target))
                found = await _any(channel, query)
            except (Ended, OSError):
                continue
            _superusers[target] = channel
            return found
    return False


def rewritten(data: bytes, target: str) -> bytes:
    """A packet with such a statement, as MariaDB understands it."""
    if len(data) < 5 or data[4] != _QUERY or len(data) != 4 + int.from_bytes(data[:3], "little"):
        return data
    from fogbank.engines.mariadb import accounts

    hashed = accounts.native(accounts.iam_password(_secret(target)))
    instead = f"IDENTIFIED VIA mysql_native_password USING '{hashed}'".encode()
    return packets.packet(data[3], _IDENTIFIED.sub(instead, data[4:]))


async def log_in(target: str, user: str, secret: str) -> Channel:
    """A connection of our own. Ended where it is refused."""
    channel = await reach(target)
    _, said = await packets.read(channel)
    if said[0] == packets.ERR:
        raise Ended
    proof = packets.native(secret, Greeting.of(said).scramble[:20])
    response = Response(_CAPABILITIES, 1 << 24, _UTF8MB4, bytes(23), user, proof, "", packets.NATIVE, b"")
    channel.write(packets.packet(1, response.content()))
    _, said = await packets.read(channel)
    if said[0] != packets.OK:
        channel.abort()
        raise Ended
    return channel


async def _any(channel: Channel, query: str) -> bool:
    """Whether a query of one column gives a row."""
    channel.write(packets.packet(0, bytes((_QUERY,)) + query.encode()))
    said = [(await packets.read(channel))[1]]
    if said[0][0] in (packets.ERR, packets.OK):
        return False
    while sum(content[0] == packets.EOF and len(content) < 9 for content in said) < 2:
        said.append((await packets.read(channel))[1])
    return len(said) > 4  # count, column, EOF, rows, EOF


def _secret(target: str) -> str:
    from fogbank.engines.mariadb.connections import secret

    return secret(Path(target))
