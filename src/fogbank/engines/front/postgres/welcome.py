"""The greeting of a PostgreSQL client: TLS, what is refused, IAM tokens; then it is led on."""

from __future__ import annotations

import asyncio
import functools
from typing import NamedTuple

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door, Unreachable

from . import messages
from .relay import Relay

INTERNAL_USERS = ("rdsadmin", "rdsrepladmin")
_TLS_RECORD = 0x16
_CANNOT_CONNECT_NOW = "57P03"


class Client(NamedTuple):
    """Who has come: what they said first, in parts and as it was."""

    channel: Channel
    parameters: dict[str, str]
    startup: bytes
    version: int

    @property
    def user(self) -> str:
        return self.parameters.get("user", "")

    @property
    def database(self) -> str:
        return self.parameters.get("database") or self.user

    def refuse(self, code: str, words: str) -> None:
        self.channel.write(messages.error(code, words))
        self.channel.close()

    def whence(self) -> str:
        """As PostgreSQL's own refusals say it."""
        encryption = "SSL encryption" if self.channel.secure else "no encryption"
        return f'for host "{self.channel.peer}", user "{self.user}", database "{self.database}", {encryption}'


async def serve(door: Door, channel: Channel) -> None:
    """From the first byte until both sides speak with each other."""
    client = await greet(door, channel)
    if client is None:
        return
    door.mind(channel)
    if door.endpoint.proxy is not None:
        from .admission import admit  # what proxies need is loaded with the first

        await admit(door, client)
    elif client.user in INTERNAL_USERS:
        client.refuse("28000", f"pg_hba.conf rejects connection {client.whence()}")
    elif door.endpoint.tls_only and channel.secure is None:
        client.refuse("28000", f"no pg_hba.conf entry {client.whence()}")
    else:
        await lead(door, client)


async def greet(door: Door, channel: Channel) -> Client | None:
    """TLS where it is asked for, and the StartupMessage; None where it was something else."""
    context = door.house.tls
    if await channel.first() == _TLS_RECORD and (context is None or (await channel.begin_tls(context)).protocol != "postgresql"):
        channel.close()
        return None
    while True:
        code, content = await messages.read_startup(channel)
        if code in (messages.SSL_REQUEST, messages.GSS_REQUEST):
            if channel.secure or channel.unread():  # something slipped in before TLS must not count as said within it
                raise Ended
            encrypts = code == messages.SSL_REQUEST and context is not None
            channel.write(b"S" if encrypts else b"N")
            if encrypts and context is not None:
                await channel.begin_tls(context)
        elif code == messages.CANCEL_REQUEST:
            found = door.house.keys.get(content)
            if found is not None:
                await found()
            channel.close()
            return None
        elif code >> 16 == 3:
            return _client(channel, code, content)
        else:
            spoken = f"{code >> 16}.{code & 0xFFFF}"
            channel.write(messages.error("0A000", f"unsupported frontend protocol {spoken}: server supports 3.0 to 3.2"))
            channel.close()
            return None


def _client(channel: Channel, version: int, content: bytes) -> Client | None:
    whole = (len(content) + 8).to_bytes(4, "big") + version.to_bytes(4, "big") + content
    try:
        parameters = messages.parameters(content)
    except ValueError:
        channel.write(messages.error("08P01", "invalid startup packet layout: expected terminator as last byte"))
        channel.close()
        return None
    if not parameters.get("user"):
        channel.write(messages.error("28000", "no PostgreSQL user name specified in startup packet"))
        channel.close()
        return None
    return Client(channel, parameters, whole, version)


async def lead(door: Door, client: Client) -> None:
    """Finds a node that takes the client; then all is relayed. A node that lets somebody in unasked has left it to us: IAM."""
    try:
        target, server, kind, content = await _node(door, client)
    except Unreachable:
        client.refuse(_CANNOT_CONNECT_NOW, "the database system is not yet accepting connections")
        return
    try:
        await _introduce(door, client, target, server, kind, content)
    except BaseException:
        server.close()
        raise


async def _introduce(door: Door, client: Client, target: str, server: Channel, kind: bytes, content: bytes) -> None:
    while kind == b"v":  # an older version of the protocol, or options that it does not know
        client.channel.write(messages.message(kind, content))
        kind, content = await messages.read(server)
    if kind == b"R" and content == b"\0\0\0\0" and not await _token(door, client):
        server.close()
        return
    relay = Relay(door, target, client.channel, server)
    if client.channel.closed or target not in door.endpoint.reachable:
        relay.drop()
        return
    relay.begin(messages.message(kind, content))


async def _node(door: Door, client: Client) -> tuple[str, Channel, bytes, bytes]:
    """A target, and what it said first to the client's StartupMessage."""
    async for target, server in door.attempts():
        server.write(client.startup)
        try:
            async with asyncio.timeout(door.patience_s):
                kind, content = await messages.read(server)
        except (Ended, TimeoutError):
            server.abort()
            continue
        if kind != b"E" or messages.fields(content).get("C") != _CANNOT_CONNECT_NOW:
            return target, server, kind, content
        server.close()
        if client.channel.closed:
            break
    raise Unreachable


async def _token(door: Door, client: Client) -> bool:
    """Whether the client, asked for it, shows a token that fogbank takes for good. A refusal is said."""
    if client.channel.secure is None:
        client.refuse("28000", f"pg_hba.conf rejects connection {client.whence()}")
        return False
    password = await cleartext_password(client.channel)
    endpoint = door.endpoint
    if endpoint.iam and password is not None:
        ask = functools.partial(door.house.link.ask, "token", 20.0, token=password, user=client.user)
        answer = await ask(address=endpoint.address, port=endpoint.port, cluster=endpoint.cluster)
        if answer.get("ok") is True:
            return True
    client.refuse("28000", f'PAM authentication failed for user "{client.user}"')
    return False


async def cleartext_password(channel: Channel) -> str | None:
    """Asks the client for it."""
    channel.write(messages.message(b"R", b"\0\0\0\x03"))
    kind, content = await messages.read(channel)
    if kind != b"p" or not content.endswith(b"\0"):
        return None
    return content[:-1].decode(errors="replace")
