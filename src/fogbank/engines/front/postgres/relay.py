"""A client led to one node: bytes are handed on both ways with as little work as can be."""

from __future__ import annotations

from fogbank.engines.front.channel import Channel, Ended, reach
from fogbank.engines.front.door import Door, socket_path

from . import messages
from .messages import LOST_ACKNOWLEDGEMENT

_OVERLAP = len(LOST_ACKNOWLEDGEMENT) - 1


class Relay:
    """A conversation. What the server says is looked through for one thing: that it acknowledges a commit which was not waited for."""

    def __init__(self, door: Door, target: str, client: Channel, server: Channel) -> None:
        self.target = target
        self.client = client
        self.server = server
        self._door = door
        self._key = b""
        self._tail = b""

    def begin(self, said: bytes) -> None:
        """What the server has said so far; the rest follows by itself."""
        self._door.enter(self)
        self.client.lost = self.server.lost = self._over
        self.client.partner, self.server.partner = self.server, self.client
        self.client.write(said)
        if self.client.closed or self.server.closed:
            self._over()
            return
        self.server.pump(self._greeting)
        self.client.pump(self.server.write)

    def drop(self) -> None:
        self.client.abort()
        self.server.abort()

    def _greeting(self, data: bytes) -> None:
        """Until the server is ready for queries: its cancel key is noted."""
        self.client.write(data)
        self._tail += data
        while len(self._tail) >= 5:
            end = 1 + int.from_bytes(self._tail[1:5], "big")
            if len(self._tail) < end:
                return
            kind, content, self._tail = self._tail[:1], self._tail[5:end], self._tail[end:]
            if kind == b"K":
                self._key = content
                self._door.house.keys[content] = self._cancel
            elif kind == b"Z":
                self.server.receiver = self._answer
                return

    def _answer(self, data: bytes) -> None:
        if LOST_ACKNOWLEDGEMENT in data or LOST_ACKNOWLEDGEMENT in self._tail + data[:_OVERLAP]:
            self.drop()
            return
        self._tail = data[-_OVERLAP:] if len(data) >= _OVERLAP else (self._tail + data)[-_OVERLAP:]
        self.client.write(data)

    async def _cancel(self) -> None:
        await cancel(self.target, self._key)

    def _over(self) -> None:
        self._door.leave(self)
        self._door.house.keys.pop(self._key, None)
        self.client.close()
        self.server.close()


async def cancel(target: str, key: bytes) -> None:
    """Asks a node to cancel what runs under a key, and waits until it has heard."""
    content = messages.CANCEL_REQUEST.to_bytes(4, "big") + key
    try:
        channel = await reach(socket_path("postgres", target))
        channel.write((len(content) + 4).to_bytes(4, "big") + content)
        await channel.exactly(1)
    except (Ended, OSError):
        pass
