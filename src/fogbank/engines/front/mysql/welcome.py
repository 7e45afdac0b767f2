"""The greeting of a MySQL client: a node greets through us, TLS is ours; IAM tokens; then it is led on."""

from __future__ import annotations

import asyncio
import functools

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door, Unreachable

from . import iam, packets
from .packets import Greeting, Response
from .relay import INTERNAL_USERS, Relay


class Client:
    """Who has come. `number`: of the packet that is to be sent next."""

    def __init__(self, channel: Channel, response: Response, number: int) -> None:
        self.channel = channel
        self.response = response
        self.number = number

    @property
    def secure(self) -> bool:
        return self.channel.secure is not None

    def say(self, content: bytes) -> None:
        self.channel.write(packets.packet(self.number, content))
        self.number += 1

    async def hear(self) -> bytes:
        number, content = await packets.read(self.channel)
        self.number = number + 1
        return content

    def refuse(self, code: int, state: str, words: str) -> None:
        self.channel.write(packets.error(self.number, code, state, words))
        self.channel.close()

    def deny(self) -> None:
        """As every server does that does not take a password."""
        self.refuse(1045, "28000", f"Access denied for user '{self.response.user}'@'{self.channel.peer}' (using password: YES)")

    async def switch(self, plugin: bytes, words: bytes = b"") -> bytes:
        """Has it prove itself in another way."""
        self.say(b"\xfe" + plugin + b"\0" + words)
        return await self.hear()

    async def token(self, door: Door) -> bool:
        """Whether it shows a token that fogbank takes for good."""
        if not self.secure:
            return False
        token = (await self.switch(packets.CLEAR)).rstrip(b"\0").decode(errors="replace")
        endpoint = door.endpoint
        ask = functools.partial(door.house.link.ask, "token", 20.0, token=token, user=self.response.user)
        answer = await ask(address=endpoint.address, port=endpoint.port, cluster=endpoint.cluster)
        return answer.get("ok") is True


async def serve(door: Door, channel: Channel) -> None:
    """From the node's greeting until both sides speak with each other."""
    door.mind(channel)
    if door.endpoint.proxy is not None:
        from .admission import admit  # what proxies need is loaded with the first

        await admit(door, channel)
        return
    try:
        target, server, said = await _node(door)
    except Unreachable:
        channel.write(packets.error(0, 1053, "08S01", "Server shutdown in progress"))
        channel.close()
        return
    try:
        await _introduce(door, channel, target, server, said)
    except BaseException:
        server.close()
        raise


async def _node(door: Door) -> tuple[str, Channel, bytes]:
    """A target, and its greeting."""
    async for target, server in door.attempts():
        try:
            async with asyncio.timeout(door.patience_s):
                _, content = await packets.read(server)
        except (Ended, TimeoutError):
            server.abort()
            continue
        return target, server, content
    raise Unreachable


async def _introduce(door: Door, channel: Channel, target: str, server: Channel, said: bytes) -> None:
    if said[0] == packets.ERR:
        channel.write(packets.packet(0, said))
        channel.close()
        server.close()
        return
    greeting = Greeting.of(said)
    client = await greet(door, channel, greeting._replace(capabilities=greeting.capabilities & ~(packets.COMPRESS | packets.ZSTD)))
    if client is None:
        server.close()
        return
    response = client.response._replace(capabilities=client.response.capabilities & ~(packets.COMPRESS | packets.ZSTD))
    if client.response.user in INTERNAL_USERS:
        client.deny()
    elif door.endpoint.tls_only and not client.secure:
        words = "Connections using insecure transport are prohibited while --require_secure_transport=ON."
        client.refuse(3159, "HY000", words)
    elif door.endpoint.iam and await iam.signs_in(target, response.user):
        if await client.token(door):
            proof = packets.native(await iam.password(target), greeting.scramble[:20])
            server.write(packets.packet(1, response._replace(proof=proof, plugin=packets.NATIVE).content()))
            await _finish(door, client, target, server)
        else:
            client.deny()
    else:
        server.write(packets.packet(1, response.content()))
        await _finish(door, client, target, server)
    if channel.partner is None:
        server.close()


async def greet(door: Door, channel: Channel, greeting: Greeting) -> Client | None:
    """Says the greeting, with TLS offered, and hears the answer; None where it was none."""
    tls = packets.SSL if door.house.tls is not None else 0
    channel.write(packets.packet(0, greeting._replace(capabilities=greeting.capabilities & ~packets.SSL | tls).content()))
    number, content = await packets.read(channel)
    if len(content) == 32 and int.from_bytes(content[:4], "little") & packets.SSL and door.house.tls is not None:
        await channel.begin_tls(door.house.tls)
        number, content = await packets.read(channel)
    try:
        response = Response.of(content)
    except (ValueError, IndexError):
        response = None
    if response is None or not response.capabilities & packets.PROTOCOL_41:
        channel.write(packets.error(number + 1, 1043, "08S01", "Bad handshake"))
        channel.close()
        return None
    return Client(channel, response, number + 1)


async def _finish(door: Door, client: Client, target: str, server: Channel) -> None:
    """Relays the rest of the authentication, each side's packets counted as it expects, then all."""
    while True:
        number, content = await packets.read(server)
        if content[0] == packets.ERR:  # as seen from here
            content = content.replace(b"'@'localhost'", f"'@'{client.channel.peer}'".encode())
        client.say(content)
        if content[0] == packets.ERR:
            client.channel.close()
            return
        if content[0] == packets.OK:
            break
        server.write(packets.packet(number + 1, await client.hear()))
    relay = Relay(door, target, client.channel, server)
    if target in door.endpoint.reachable:
        relay.begin()
    else:
        relay.drop()
