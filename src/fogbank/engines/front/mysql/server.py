"""A proxy's connection to a node, lent to one session after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door, Unreachable

from . import answers, packets
from .answers import Answer
from .packets import Greeting, Response

if TYPE_CHECKING:
    from fogbank.engines.front.lending import Lending

OURS = packets.MYSQL | packets.PROTOCOL_41 | packets.SECURE_CONNECTION | packets.PLUGIN_AUTH | packets.LENENC_AUTH
NOT_OURS = packets.COMPRESS | packets.ZSTD | packets.SSL | packets.CONNECT_ATTRS | packets.CONNECT_WITH_DB | packets.SESSION_TRACK
_PASSING = (1040, 1053, 1927)


class Refused(Exception):
    """The node refused: its ERR packet's content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content[9:].decode(errors="replace"))
        self.content = content

    @property
    def number(self) -> int:
        return int.from_bytes(self.content[1:3], "little")


class Key(NamedTuple):
    """What a connection is opened with: capabilities change what answers look like."""

    user: str
    capabilities: int
    charset: int


class Server:
    """One connection. `settings`, `database`: what was set in it since it was opened; `guest`: whom it was lent to last."""

    def __init__(self, key: Key, target: str, channel: Channel) -> None:
        self.key: Key = key
        self.target: str = target
        self.channel = channel
        self.clean = True
        self.since = 0.0
        self.settings: tuple[bytes, ...] = ()
        self.database = ""
        self.guest: object = None
        self.answer = Answer(short=bool(key.capabilities & packets.DEPRECATE_EOF))
        self.lending: Lending[Server]

    @property
    def closed(self) -> bool:
        return self.channel.closed

    def close(self) -> None:
        self.channel.abort()

    def give_back(self) -> None:
        self.channel.receiver = self._unasked
        self.channel.lost = self._lost
        self.channel.partner = None
        self.channel.resume()
        self.lending.give(self)

    def reset(self) -> None:
        """What a pinned session leaves is not cleaned: another connection is as quick."""
        self.close()

    async def log_in(self, password: str, init_query: str) -> None:
        """From the server's greeting to its OK. Refused, Ended."""
        _, said = await packets.read(self.channel)
        if said[0] == packets.ERR:
            raise Refused(said)
        key, scramble = self.key, Greeting.of(said).scramble[:20]
        proof = packets.native(password, scramble)
        response = Response(key.capabilities, 1 << 24, key.charset, bytes(23), key.user, proof, "", packets.NATIVE, b"")
        self.channel.write(packets.packet(1, response.content()))
        number, said = await packets.read(self.channel)
        if said[0] == packets.EOF and said[1:].startswith(packets.NATIVE + b"\0"):
            scramble = said[2 + len(packets.NATIVE) :].rstrip(b"\0")
            self.channel.write(packets.packet(number + 1, packets.native(password, scramble)))
            number, said = await packets.read(self.channel)
        if said[0] == packets.ERR:
            raise Refused(said)
        if said[0] != packets.OK:
            raise Ended
        if init_query:
            await self.run(answers.QUERY, init_query.encode())
        self.channel.receiver = self._unasked
        self.channel.lost = self._lost

    async def suit(self, settings: tuple[bytes, ...], database: str) -> None:
        """Becomes what a session has set. Refused where the node will not have it."""
        if settings != self.settings:
            if self.settings:
                await self.run(answers.RESET)
            for statement in settings:
                await self.run(answers.QUERY, statement)
            self.settings = settings
        if database and database != self.database:
            await self.run(answers.INIT_DB, database.encode())
            self.database = database

    async def run(self, command: int, content: bytes = b"") -> None:
        """A command of ours, whose answer matters only where it is an error."""
        if self.channel.closed:
            raise Ended
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        said = bytearray()

        def heard(data: bytes) -> None:
            said.extend(data)
            self.answer.feed(data)
            if self.answer.done and not ended.done():
                ended.set_result(None)

        def lost() -> None:
            if not ended.done():
                ended.set_exception(Ended())

        self.channel.receiver, self.channel.lost = heard, lost
        self.answer.begin(command)
        self.channel.write(packets.packet(0, bytes((command,)) + content))
        await ended
        self.channel.lost = self._lost
        if self.answer.failed:
            raise Refused(bytes(said[4:]))

    def _unasked(self, data: bytes) -> None:
        self.close()

    def _lost(self) -> None:
        self.lending.gone(self)


async def opened(door: Door, key: Key, timeout_s: float) -> Server:
    """A new connection with the password of the user's secret. Refused, Unreachable."""
    settings = door.endpoint.proxy
    assert settings is not None
    async with asyncio.timeout(timeout_s + 1):
        async for target, channel in door.attempts(timeout_s):
            server = Server(key, target, channel)
            try:
                await server.log_in(settings.users.get(key.user, ""), settings.init_query)
            except Ended:
                channel.abort()
            except Refused as why:
                channel.abort()
                if why.number not in _PASSING:
                    raise
            else:
                return server
    raise Unreachable
