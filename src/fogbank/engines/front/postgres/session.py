"""A client of an RDS Proxy: between its transactions it holds no connection, and a failover then is latency and nothing else."""

from __future__ import annotations

import asyncio
import struct

from fogbank.engines.front.channel import Channel
from fogbank.engines.front.door import Door
from fogbank.engines.front.lending import Lending, Waiting

from . import messages, pinning
from .messages import LOST_ACKNOWLEDGEMENT
from .server import Key, Refused, Server
from .statements import Statements

_OVERLAP = len(LOST_ACKNOWLEDGEMENT) - 1
_header = struct.Struct(">BI").unpack_from
_READY, _SETTING, _COPY_IN, _PARSED, _CLOSED, _DATA_ROW = b"ZSG13D"
_ERROR, _NOTICE = b"EN"
_NOTABLE = frozenset((_READY, _SETTING, _COPY_IN, _PARSED, _CLOSED))
_QUERY, _PARSE, _BIND, _EXECUTE, _SYNC, _FLUSH, _CALL, _TERMINATE, _COPY_DATA, _DESCRIBE, _CLOSE = b"QPBESHFXdDC"
_IDLE = ord("I")
_READ_AT_ONCE = 8192
_MOST_HELD = 1 << 18


class Session:
    """Borrows a server with the first message of a transaction, and gives it back with the ReadyForQuery that says it is over.

    awaited   ReadyForQuery messages that are still to come
    first     what was said to its server first, until that has answered
    unsynced  the client has said something that no Sync has ended yet
    pinned    why it keeps its server until it leaves; ""
    """

    def __init__(self, door: Door, lending: Lending[Server], key: Key, client: Channel, cancel_key: bytes) -> None:
        self.target = ""
        self.pinned = ""
        self.heard_at = 0.0
        self.in_transaction = False
        self._door = door
        self._lending = lending
        self._key = key
        self._client = client
        self._cancel_key = cancel_key
        self._server: Server | None = None
        self._borrowing: Waiting[Server] | None = None
        self._statements = Statements(lending.numbers)
        self._awaited = 0
        self._unsynced = False
        self._simple = False
        self._rest = b""
        self._parts: list[bytes] = []
        self._lacking = 0
        self._copied = 0
        self._need = 0
        self._head = b""
        self._tail = b""
        self._first = b""
        self._last_words = b""
        self._loop = asyncio.get_running_loop()

    @property
    def secure(self) -> bool:
        return self._client.secure is not None

    def begin(self) -> None:
        self.heard_at = self._loop.time()
        self._door.enter(self)
        self._lending.guests.add(self)
        self._door.house.keys[self._cancel_key] = self._cancel
        self._client.lost = self._leave
        self._client.pump(self._from_client)
        if self._client.closed:
            self._leave()

    def drop(self) -> None:
        """Its server is gone, or not the endpoint's any more: what was under way fails."""
        whole = self._need == 0 and not self._head
        if whole and not self._client.closed:
            self._client.write(messages.error("57P01", "terminating connection due to administrator command"))
        self._client.close()
        self._leave()

    def drop_idle(self) -> None:
        if self._awaited == 0:
            self._client.write(messages.error("57P05", "terminating connection due to idle-session timeout"))
            self._client.close()
            self._leave()

    def _leave(self) -> None:
        """The client is gone, or is sent away."""
        if self._door.house.keys.pop(self._cancel_key, None) is None:
            return
        self._door.leave(self)
        self._lending.guests.discard(self)
        self._lending.counted["ClientConnectionsClosed"] += 1
        self._client.lost = None
        if self._borrowing is not None:
            self._lending.withdraw(self._borrowing)
        server, self._server = self._server, None
        if server is None:
            return
        if self.in_transaction or self._awaited or self._unsynced:
            server.channel.lost = None
            server.close()
            self._lending.gone(server)
        else:
            server.clean = not self.pinned
            server.give_back()

    async def _cancel(self) -> None:
        if self._server is not None:
            await self._server.cancel()

    # from the client

    def _from_client(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._lacking > 0:
            self._parts.append(data)
            self._lacking -= len(data)
            if self._lacking > 0:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        elif self._rest:
            data = self._rest + data
        if self._server is None:
            self._keep(data)
            if self._borrowing is not None or not _whole(data):
                if len(data) > _MOST_HELD and self._borrowing is not None:
                    self._client.pause()
                return
            if data[0] == _TERMINATE:
                self._client.close()
                return
            server = self._lending.take(self._key)
            if server is None:
                self._borrowing = self._lending.lend(self._key, self._borrowed)
                return
            self._attach(server)
            self._first = data if len(data) <= _READ_AT_ONCE else b""
        elif self._first:
            self._first = b""
        self._forward(data)

    def _keep(self, data: bytes) -> None:
        """The beginning of a message, whose rest has not come."""
        self._rest = data
        if len(data) >= _MOST_HELD and (lacking := 1 + int.from_bytes(data[1:5], "big") - len(data)) > 0:
            self._parts = [data]
            self._lacking = lacking

    def _borrowed(self, server: Server | Exception) -> None:
        self._borrowing = None
        if isinstance(server, Refused):
            self._send_away(messages.message(b"E", server.content))
        elif isinstance(server, Exception):
            self._send_away(messages.error("08000", "Timed-out waiting to acquire database connection"))
        else:
            self._attach(server)
            self._client.resume()
            self._first = self._rest if len(self._rest) <= _READ_AT_ONCE else b""
            self._forward(self._rest)

    def _send_away(self, words: bytes) -> None:
        self._client.write(words)
        self._client.close()
        self._leave()

    def _attach(self, server: Server) -> None:
        self._server = server
        self.target = server.target
        server.channel.receiver = self._from_server
        server.channel.lost = self._server_lost
        server.channel.partner = self._client
        self._client.partner = server.channel

    def _forward(self, data: bytes) -> None:
        """Hands on all messages that are whole, and copied rows as far as they have come."""
        server = self._server
        assert server is not None
        at = min(self._copied, len(data))
        self._copied -= at
        begin = 0
        said: list[bytes] = []
        while at + 5 <= len(data):
            kind, length = _header(data, at)
            end = at + 1 + length
            if end > len(data):
                if kind == _COPY_DATA:
                    self._copied = end - len(data)
                    at = len(data)
                break
            if kind in _HEARD:
                instead = self._heard(server, kind, data[at + 5 : end])
                if instead is not None:
                    said += (data[begin:at], instead)
                    begin = end
                if kind == _TERMINATE:
                    break
            at = end
        rest = data[at:]
        self._keep(rest)
        server.channel.write(b"".join((*said, data[begin:at])) if said else data[:at] if rest else data)

    def _heard(self, server: Server, kind: int, content: bytes) -> bytes | None:
        """Notes what a message means for us; what is to be sent instead of it, None: itself."""
        if kind == _SYNC:
            self._statements.synced()
            self._awaited += 1
            self._unsynced = self._simple = False
            return None
        if kind in (_QUERY, _CALL):
            self._lending.counted["QueryRequests"] += 1
            self._statements.synced()
            self._awaited += 1
            self._simple = True
            if kind == _QUERY:
                self._watch(content[:-1])
            return None
        if kind == _TERMINATE:
            self._client.close()
            return b""
        self._unsynced = True
        if kind == _PARSE:
            self._lending.counted["QueryRequests"] += 1
            self._watch(content.split(b"\0", 2)[1])
            return self._statements.parse(server, content)
        if kind == _BIND:
            return self._statements.bind(server, content)
        if kind == _DESCRIBE:
            return self._statements.describe(server, content)
        return self._statements.close(content) if kind == _CLOSE else None

    def _watch(self, statement: bytes) -> None:
        """Whether a statement ties us to our server."""
        reason = pinning.reason(statement, pinning.EXCLUDE_VARIABLE_SETS in self._lending.settings.pinning_filters)
        if reason:
            self.pinned = self.pinned or reason
            if reason in ("deallocate", "discard"):
                self._statements.forget()

    # from the server

    def _from_server(self, data: bytes) -> None:
        if self._first:
            data = self._last_words + data
            if _farewell(data):
                self._last_words = data
                return
            self._first = self._last_words = b""
        if LOST_ACKNOWLEDGEMENT in data or LOST_ACKNOWLEDGEMENT in self._tail + data[:_OVERLAP]:
            self._abandon()
            return
        self._tail = data[-_OVERLAP:]
        if self._head:
            data = self._head + data
            self._head = b""
        at = self._need
        size = len(data)
        cuts: list[int] = []
        while at + 5 <= size:
            kind, length = _header(data, at)
            if kind != _DATA_ROW and kind in _NOTABLE:
                if kind == _READY:
                    if at + 6 > size:
                        break
                    self._ready(data[at + 5])
                elif self._told(kind):
                    cuts.append(at)
            at += 1 + length
        if at < size:
            self._head = data[at:]
            self._need = 0
            data = data[:at]
        else:
            self._need = at - size
        self._client.write(_without(data, cuts) if cuts else data)
        if self._awaited == 0 and not (self._need or self._head or self._unsynced or self.in_transaction or self.pinned or self._rest):
            self._give_back()

    def _ready(self, status: int) -> None:
        self._awaited -= 1
        self.in_transaction = status != _IDLE
        assert self._server is not None
        self._statements.ready(self._server)

    def _told(self, kind: int) -> bool:
        """Whether the client must not see a message, which has no content then."""
        if kind == _SETTING:
            self.pinned = self.pinned or "a setting that changed"
        elif kind == _COPY_IN:
            if not self._simple and self._awaited:  # the Sync that came along is passed over while rows are copied
                self._awaited -= 1
                self._statements.passed_over()
        elif self._server is not None:
            return self._statements.answered(self._server)
        return False

    def _give_back(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self.target = ""
            self._tail = b""
            self._client.partner = None
            server.give_back()

    def _abandon(self) -> None:
        """A commit was not waited for: nobody is to hear that it is done."""
        if self._server is not None:
            self._server.close()
        self._client.abort()

    def _server_lost(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._lending.gone(server)
            if self._first and isinstance(server.channel.ending, ConnectionError):
                self._again()
                return
        self._client.write(self._last_words)
        self.drop()

    def _again(self) -> None:
        """What we said was not read, as the reset connection proves: it can be said to another server."""
        self.target = ""
        self._last_words = b""
        self._rest = self._first
        self._awaited = 0
        self._unsynced = False
        self._statements.restart()
        self._client.partner = None
        self._borrowing = self._lending.lend(self._key, self._borrowed)


_HEARD = frozenset((_QUERY, _PARSE, _BIND, _EXECUTE, _SYNC, _FLUSH, _CALL, _TERMINATE, _DESCRIBE, _CLOSE))


def _whole(data: bytes) -> bool:
    """Whether there is a message to hand on."""
    return len(data) >= 5 and (len(data) > int.from_bytes(data[1:5], "big") or data[0] == _COPY_DATA)


def _farewell(data: bytes) -> bool:
    """Whether a server says nothing but that it ends: then what was said to it may not have been read."""
    at = 0
    while at + 5 <= len(data):
        kind, length = _header(data, at)
        said = data[at : at + 1 + length]
        if not (kind == _ERROR and b"\0VFATAL\0" in said) and not (kind == _NOTICE and b"\0C57P0" in said):
            return False
        at += 1 + length
    return at == len(data)


def _without(data: bytes, cuts: list[int]) -> bytes:
    """Leaves out messages of five bytes."""
    begin = 0
    kept: list[bytes] = []
    for cut in cuts:
        kept.append(data[begin:cut])
        begin = cut + 5
    kept.append(data[begin:])
    return b"".join(kept)
