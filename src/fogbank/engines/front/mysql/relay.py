"""A client led to one node: bytes are handed on both ways."""

from __future__ import annotations

from fogbank.engines.front.channel import Channel
from fogbank.engines.front.door import Door

from . import iam

_LONG = 1 << 14


class Relay:
    """A conversation. What the client says is looked through for one thing: accounts that IAM is to sign in."""

    in_transaction = None

    def __init__(self, door: Door, target: str, client: Channel, server: Channel) -> None:
        self.target = target
        self.client = client
        self.server = server
        self._door = door

    def begin(self) -> None:
        self._door.enter(self)
        self.client.lost = self.server.lost = self._over
        self.client.partner, self.server.partner = self.server, self.client
        if self.client.closed or self.server.closed:
            self._over()
            return
        self.server.pump(self.client.write)
        self.client.pump(self._asked)

    def drop(self) -> None:
        self.client.abort()
        self.server.abort()

    def _asked(self, data: bytes) -> None:
        if len(data) < _LONG and iam.MARK in data.lower():
            data = iam.rewritten(data, self.target)
        self.server.write(data)

    def _over(self) -> None:
        self._door.leave(self)
        self.client.close()
        self.server.close()
