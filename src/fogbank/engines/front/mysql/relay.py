"""A client led to one node: bytes are handed on both ways."""

from __future__ import annotations

from fogbank.engines.front.channel import Channel
from fogbank.engines.front.door import Door

from . import iam, packets

INTERNAL_USERS = ("rdsadmin", "rdsrepladmin", "mariadb.sys", "rdsproxyadmin")
_LONG = 1 << 14
_CHANGE_USER = 0x11


class Relay:
    """A conversation. What the client says is looked through for two things: accounts that IAM is to sign in, and a change of the user."""

    def __init__(self, door: Door, target: str, client: Channel, server: Channel) -> None:
        self.target = target
        self.client = client
        self.server = server
        self._door = door
        self._rest = b""
        """The beginning of a packet, where it was cut off before one could know what it is."""
        self._left = 0
        """Of a packet, what is still to come."""

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
        data = self._rest + data
        known = self._known(data)
        if known < 0:
            self.client.write(packets.error(1, 1045, "28000", "Access denied: that account is not for clients"))
            self._over()
            return
        self._rest = data[known:]
        self.server.write(data[:known] if self._rest else data)

    def _known(self, data: bytes) -> int:
        """Up to where one knows what a piece says; -1 where it asks to be one of the house's users."""
        at, size = self._left, len(data)
        while at + 4 <= size:
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            if length and not data[at + 3]:  # a command
                if at + 4 == size:
                    break
                if data[at + 4] == _CHANGE_USER:
                    end = data.find(b"\0", at + 5)
                    if end < 0 and size < at + 4 + length:
                        break
                    if data[at + 5 : end].decode(errors="replace") in INTERNAL_USERS:
                        return -1
            at += 4 + length
        self._left = max(at - size, 0)
        return min(at, size)

    def _over(self) -> None:
        self._door.leave(self)
        self.client.close()
        self.server.close()
