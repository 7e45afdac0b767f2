"""How an RDS Proxy lets a PostgreSQL client in: by the password of its secret, or by an IAM token."""

from __future__ import annotations

import os
from typing import cast

from fogbank.engines.front.door import Door, Unreachable
from fogbank.engines.front.lending import Exhausted, Lending

from . import messages, scram
from .server import Key, Refused, Server, opened
from .session import Session
from .welcome import INTERNAL_USERS, Client, cleartext_password

_OURS = ("user", "database", "replication")
_EXTENSION = "_pq_."
TIMED_OUT = "Timed-out waiting to acquire database connection"


class _Denied(Exception):
    """With a SQLSTATE and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


async def admit(door: Door, client: Client) -> None:
    """Lets the client in, or says why not."""
    lending = _lending(door)
    lending.counted["ClientConnectionsReceived"] += 1
    try:
        await _authenticate(door, client)
    except _Denied as why:
        lending.counted["ClientConnectionsSetupFailedAuth"] += 1
        client.refuse(why.code, str(why))
        return
    theirs = [(name, value) for name, value in client.parameters.items() if name not in _OURS and not name.startswith(_EXTENSION)]
    key = Key(client.user, client.database, tuple(theirs))
    try:
        said = await _known(lending, key)
    except Refused as why:
        client.channel.write(messages.message(b"E", why.content))
        client.channel.close()
        return
    except (Exhausted, Unreachable, TimeoutError):
        client.refuse("08000", TIMED_OUT)
        return
    cancel_key = (os.getpid() & 0x7FFFFFFF).to_bytes(4, "big") + os.urandom(4)
    session = Session(door, lending, key, client.channel, cancel_key)
    lending.counted["ClientConnectionsSetupSucceeded"] += 1
    greeting = messages.message(b"R", b"\0\0\0\0") + said + messages.message(b"K", cancel_key)
    client.channel.write(greeting + messages.message(b"Z", b"I"))
    session.begin()


def _lending(door: Door) -> Lending[Server]:
    """The proxy's, made with its first client."""
    if door.shared is None:
        door.shared = Lending(door, opened)
    return cast("Lending[Server]", door.shared)


async def _known(lending: Lending[Server], key: Key) -> bytes:
    """What a node says of itself to this user in this database: asked once, of the first connection."""
    if key not in lending.known:
        server = await lending.borrow(key)
        lending.known[key] = server.said
        lending.give(server)
    return cast(bytes, lending.known[key])


async def _authenticate(door: Door, client: Client) -> None:
    settings = door.endpoint.proxy
    assert settings is not None
    secure = client.channel.secure is not None
    unknown = [name for name in client.parameters if name.startswith(_EXTENSION)]
    if unknown or client.version & 0xFFFF:  # 3.0 is what proxies speak
        names = b"".join(map(messages.text, unknown))
        client.channel.write(messages.message(b"v", b"\0\x03\0\0" + len(unknown).to_bytes(4, "big") + names))
    if settings.require_tls and not secure:
        raise _Denied("28000", "This RDS Proxy requires TLS connections")
    if client.parameters.get("replication", "false") not in ("false", "off", "no", "0"):
        raise _Denied("0A000", "RDS Proxy does not support replication connections")
    password = settings.users.get(client.user)
    if password is None or client.user in INTERNAL_USERS:
        words = f"This RDS proxy has no credentials for the role {client.user}. Check the credentials for this role and try again."
        raise _Denied("28000", words)
    if settings.iam:
        await _by_token(door, client, secure)
    else:
        await _by_password(client, password)


async def _by_token(door: Door, client: Client, secure: bool) -> None:
    if not secure:
        raise _Denied("28000", "IAM authentication is allowed only with SSL connections.")
    token = await cleartext_password(client.channel)
    place = door.endpoint
    where = {"user": client.user, "address": place.address, "port": place.port, "cluster": place.cluster}
    answer = await door.house.link.ask("token", 20.0, token=token or "", **where)
    if answer.get("ok") is not True:
        words = f"The IAM authentication failed for the role {client.user}. Check the IAM token for this user and try again."
        raise _Denied("28000", words)


async def _by_password(client: Client, password: str) -> None:
    verifier = scram.Verifier(password)
    channel = client.channel
    channel.write(messages.message(b"R", b"\0\0\0\x0a" + messages.text(scram.MECHANISM) + b"\0"))
    try:
        kind, content = await messages.read(channel)
        mechanism, _, first = content.partition(b"\0")
        if kind != b"p" or mechanism.decode() != scram.MECHANISM:
            raise scram.Wrong
        channel.write(messages.message(b"R", b"\0\0\0\x0b" + verifier.first(first[4:])))
        kind, content = await messages.read(channel)
        if kind != b"p":
            raise scram.Wrong
        channel.write(messages.message(b"R", b"\0\0\0\x0c" + verifier.final(content)))
    except scram.Wrong:
        raise _Denied("28P01", f"The password that was provided for the role {client.user} is wrong.") from None
