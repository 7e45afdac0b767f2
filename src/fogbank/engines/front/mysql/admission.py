"""How an RDS Proxy lets a MySQL client in: by the password of its secret, or by an IAM token."""

from __future__ import annotations

import asyncio
import hmac
import os
from typing import cast

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door, Unreachable
from fogbank.engines.front.lending import Exhausted, Lending

from . import packets
from .packets import Greeting
from .relay import INTERNAL_USERS
from .server import NOT_OURS, OURS, Key, Refused, Server, opened
from .session import Session
from .welcome import Client, greet


async def admit(door: Door, channel: Channel) -> None:
    """Lets the client in, or says why not."""
    lending = _lending(door)
    settings = lending.settings
    lending.counted["ClientConnectionsReceived"] += 1
    greeting = (await _greeting(door, lending))._replace(scramble=_scramble(), thread=int.from_bytes(os.urandom(3), "big"))
    client = await greet(door, channel, greeting)
    if client is None:
        return
    if settings.require_tls and not client.secure:
        client.refuse(3159, "HY000", "This RDS Proxy requires TLS connections")
        return
    user = client.response.user
    password = None if user in INTERNAL_USERS else settings.users.get(user)
    if settings.iam and not client.secure:
        client.refuse(1045, "28000", "IAM authentication is allowed only with SSL connections.")
    elif password is None or not await (client.token(door) if settings.iam else _by_password(client, password, greeting.scramble)):
        lending.counted["ClientConnectionsSetupFailedAuth"] += 1
        client.deny()
    else:
        await _enter(door, lending, client)


async def _enter(door: Door, lending: Lending[Server], client: Client) -> None:
    """Sees to it that a node takes the user to the database, and lets the client go on."""
    response = client.response
    key = Key(response.user, response.capabilities & ~NOT_OURS | OURS, response.charset)
    try:
        if (key, response.database) not in lending.known:
            server = await lending.borrow(key)
            try:
                await server.suit(server.settings, response.database)
            finally:
                server.give_back()
            lending.known[key, response.database] = True
    except Refused as why:
        client.say(why.content)
        client.channel.close()
        return
    except (Exhausted, Unreachable, TimeoutError, Ended):
        client.refuse(9501, "HY000", "Timed-out waiting to acquire database connection")
        return
    lending.counted["ClientConnectionsSetupSucceeded"] += 1
    client.say(packets.okay(0)[4:])
    Session(door, lending, key, response.database, client.channel).begin()


def _lending(door: Door) -> Lending[Server]:
    """The proxy's, made with its first client."""
    if door.shared is None:
        door.shared = Lending(door, opened)
    return cast("Lending[Server]", door.shared)


async def _greeting(door: Door, lending: Lending[Server]) -> Greeting:
    """As the nodes greet: asked once."""
    if "greeting" not in lending.known:
        async for _, channel in door.attempts():
            try:
                said = (await packets.read(channel))[1]
            except Ended:
                continue
            finally:
                channel.close()
            if said[0] != packets.ERR:
                greeting = Greeting.of(said)
                capabilities = greeting.capabilities & ~NOT_OURS | packets.CONNECT_WITH_DB | packets.MYSQL
                lending.known["greeting"] = greeting._replace(capabilities=capabilities, extended=bytes(10))
                break
            await asyncio.sleep(0.05)
    return cast(Greeting, lending.known["greeting"])


def _scramble() -> bytes:
    """Twenty bytes that are not zero."""
    return bytes(33 + byte % 90 for byte in os.urandom(20))


async def _by_password(client: Client, password: str, scramble: bytes) -> bool:
    proof = client.response.proof
    if client.response.plugin not in (b"", packets.NATIVE):
        proof = await client.switch(packets.NATIVE, scramble + b"\0")
    return hmac.compare_digest(proof, packets.native(password, scramble))
