"""A proxy's connection to a node, lent to one session after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door, Unreachable

from . import messages, relay, scram

if TYPE_CHECKING:
    from fogbank.engines.front.lending import Lending

_VERSION = 3 << 16
_MOST_PREPARED = 1000


class Refused(Exception):
    """The node refused: its ErrorResponse's content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(messages.fields(content).get("M", ""))
        self.content = content


class Key(NamedTuple):
    """What a connection is opened with."""

    user: str
    database: str
    parameters: tuple[tuple[str, str], ...]


class Server:
    """One connection. While it is lent, what comes from it goes to its session."""

    def __init__(self, key: Key, target: str, channel: Channel) -> None:
        self.key: Key = key
        self.target: str = target
        self.channel = channel
        self.clean = True
        self.since = 0.0
        self.said = b""
        self.prepared: set[int] = set()
        self.preparing: set[int] = set()
        self.lending: Lending[Server]
        self._cancel_key = b""
        self._cancelling = 0
        self._returned = False
        self._rest = b""

    @property
    def closed(self) -> bool:
        return self.channel.closed

    def close(self) -> None:
        self.channel.abort()

    def give_back(self) -> None:
        """From its session, between transactions; not before a cancel request that is under way has done its work."""
        self.channel.receiver = self._idle
        self.channel.lost = self._lost
        self.channel.partner = None
        self.channel.resume()
        if len(self.prepared) > _MOST_PREPARED:
            self.clean = False
        if self._cancelling:
            self._returned = True
        else:
            self.lending.give(self)

    def reset(self) -> None:
        """Forgets all that a session left in it, then is given back."""
        self.channel.receiver = self._resetting
        self.channel.lost = self._lost
        self._rest = b""
        self.channel.write(messages.message(b"Q", b"DISCARD ALL\0"))

    async def cancel(self) -> None:
        """Cancels what runs."""
        self._cancelling += 1
        await relay.cancel(self.target, self._cancel_key)
        self._cancelling -= 1
        if self._returned and not self._cancelling:
            self._returned = False
            self.lending.give(self)

    async def log_in(self, password: str, init_query: str) -> None:
        """From the StartupMessage to the first ReadyForQuery. Refused, Ended, scram.Wrong."""
        self.channel.write(messages.startup(_VERSION, {"user": self.key.user, "database": self.key.database, **dict(self.key.parameters)}))
        prover = scram.Prover(password)
        asked = False
        while True:
            kind, content = await messages.read(self.channel)
            if kind == b"R":
                step = int.from_bytes(content[:4], "big")
                if not step and not asked:  # let in unasked: IAM signs this user in, a secret's password does not
                    raise Refused(messages.error("28000", f'PAM authentication failed for user "{self.key.user}"')[5:])
                asked = True
                self._authenticate(step, content[4:], password, prover)
            elif kind == b"K":
                self._cancel_key = content
            elif kind == b"S":
                self.said += messages.message(kind, content)
            elif kind == b"E":
                raise Refused(content)
            elif kind == b"Z":
                if not init_query:
                    break
                self.channel.write(messages.message(b"Q", messages.text(init_query)))
                init_query = ""
        self.channel.receiver = self._idle
        self.channel.lost = self._lost

    def _authenticate(self, step: int, words: bytes, password: str, prover: scram.Prover) -> None:
        if step == 3:
            self.channel.write(messages.message(b"p", messages.text(password)))
        elif step == 10:
            first = prover.first()
            content = messages.text(scram.MECHANISM) + len(first).to_bytes(4, "big") + first
            self.channel.write(messages.message(b"p", content))
        elif step == 11:
            self.channel.write(messages.message(b"p", prover.final(words)))
        elif step == 12:
            prover.check(words)
        elif step:
            raise Ended

    def _idle(self, data: bytes) -> None:
        """What comes unasked: settings and notices are nothing to us, an error is its end."""
        if data[:1] == b"E":
            self.close()

    def _resetting(self, data: bytes) -> None:
        self._rest = (self._rest + data)[-6:]
        if self._rest[:5] == messages.READY:
            self.clean = True
            self.prepared.clear()
            self.preparing.clear()
            self.channel.receiver = self._idle
            self.lending.give(self)

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
            except (Ended, scram.Wrong):
                channel.abort()
            except Refused as why:
                channel.abort()
                if messages.fields(why.content).get("C") != "57P03":
                    raise
            else:
                return server
    raise Unreachable
