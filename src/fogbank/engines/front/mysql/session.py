"""A client of an RDS Proxy: between its transactions it holds no connection, and a failover then is latency and nothing else."""

from __future__ import annotations

import asyncio

from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.front.door import Door
from fogbank.engines.front.lending import Lending, Waiting

from . import answers, packets, pinning
from .server import Key, Refused, Server

_KNOWN = frozenset(
    (answers.INIT_DB, answers.QUERY, answers.FIELD_LIST, answers.STATISTICS, answers.PROCESS_LIST, answers.PING, answers.RESET)
)
_STATEMENTS = range(0x16, 0x1D)
_SET_OPTION = 0x1B
_MOST_SETTINGS = 32
_READ_AT_ONCE = 8192


class Session:
    """Borrows a server with a command, and gives it back when the server's flags say that no transaction is open.

    pinned    why it keeps its server until it leaves; ""; bytes are only handed on then
    settings  statements that set what goes along, by what they set
    """

    def __init__(self, door: Door, lending: Lending[Server], key: Key, database: str, client: Channel) -> None:
        self.target = ""
        self.pinned = ""
        self.heard_at = 0.0
        self.in_transaction = False
        self._door = door
        self._lending = lending
        self._key = key
        self._client = client
        self._database = database
        self._settings: dict[bytes, bytes] = {}
        self._wanted: tuple[bytes, ...] = ()
        self._then: tuple[bytes, bytes] | str | None = None
        self._server: Server | None = None
        self._last: Server | None = None
        self._borrowing: asyncio.Task[None] | Waiting[Server] | None = None
        self._rest = b""
        self._first = b""
        self._loop = asyncio.get_running_loop()

    @property
    def secure(self) -> bool:
        return self._client.secure is not None

    def begin(self) -> None:
        self.heard_at = self._loop.time()
        self._door.enter(self)
        self._lending.guests.add(self)
        self._client.lost = self._leave
        self._client.pump(self._from_client)
        if self._client.closed:
            self._leave()

    def drop(self) -> None:
        """Its server is gone, or not the endpoint's any more: what was under way fails."""
        self._client.abort()
        self._leave()

    def drop_idle(self) -> None:
        if self._server is None or self._server.answer.done:
            self.drop()

    def _leave(self) -> None:
        """The client is gone, or is sent away."""
        if self not in self._lending.guests:
            return
        self._lending.guests.discard(self)
        self._door.leave(self)
        self._lending.counted["ClientConnectionsClosed"] += 1
        self._client.lost = None
        if self._borrowing is not None:
            if isinstance(self._borrowing, asyncio.Task):
                self._borrowing.cancel()
            else:
                self._lending.withdraw(self._borrowing)
        server, self._server = self._server, None
        if server is not None:  # pinned, or in the middle of something
            server.channel.lost = None
            server.close()
            self._lending.gone(server)

    # from the client

    def _from_client(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self.pinned and self._server is not None:
            self._first = b""
            self._server.channel.write(data)
            return
        data = self._rest + data
        self._rest = data
        if self._borrowing is not None or len(data) < 5:
            return
        length = int.from_bytes(data[:3], "little")
        if length == packets.LONGEST:
            self.pinned = "a statement of more than 16 KB"
        elif len(data) < 4 + length:
            return
        command = data[4]
        if command == answers.QUIT:
            self._client.close()
            self._leave()
        elif command in _STATEMENTS:
            self._serve("a prepared statement" if command != _SET_OPTION else "an option of the protocol", False)
        elif command in _KNOWN:
            statement = data[5 : 4 + length] if command == answers.QUERY else b""
            excluded = pinning.EXCLUDE_VARIABLE_SETS in self._lending.settings.pinning_filters
            self._serve(statement and pinning.reason(statement, excluded), bool(statement) and pinning.looks_back(statement))
        else:
            self._rest = b""
            self._client.write(packets.error(1, 1235, "42000", "This RDS Proxy does not support this command"))

    def _serve(self, pins: bytes | str, looks_back: bool) -> None:
        """Has a server do what `_rest` says."""
        self.pinned = self.pinned or str(pins or "")
        if self._server is not None:
            self._forward(b"")
            return
        if looks_back and self._last is not None and not self._back():
            self._rest = b""
            words = "This RDS Proxy cannot ask about the last statement: its connection serves another client now. Use a transaction"
            self._client.write(packets.error(1, 1235, "42000", words))
            return
        server = self._server or self._lending.take(self._key)
        if server is None:
            self._borrowing = self._lending.lend(self._key, self._borrowed)
        else:
            self._borrowed(server)

    def _back(self) -> bool:
        """Takes the server again that answered last, where nobody had it since."""
        last = self._last
        if last is None or last.guest is not self or not self._lending.take_this(last):
            return False
        self._server = last
        return True

    def _borrowed(self, server: Server | Exception) -> None:
        self._borrowing = None
        if isinstance(server, Refused):
            self._send_away(packets.packet(1, server.content))
        elif isinstance(server, Exception):
            self._send_away(packets.error(1, 9501, "HY000", "Timed-out waiting to acquire database connection"))
        elif (server.settings, server.database) == (self._wanted, self._database):
            self._attach(server)
            self._forward(self._rest)
        else:
            self._borrowing = self._loop.create_task(self._suited(server))

    async def _suited(self, server: Server) -> None:
        """Has the server become what we have set, before it hears us."""
        try:
            await server.suit(self._wanted, self._database)
        except (Ended, Refused, asyncio.CancelledError) as why:
            server.close()
            self._lending.gone(server)
            if isinstance(why, Ended):
                self._borrowing = self._lending.lend(self._key, self._borrowed)
            elif isinstance(why, Refused):
                self._borrowed(why)
            else:
                raise
        else:
            self._borrowed(server)

    def _send_away(self, words: bytes) -> None:
        self._borrowing = None
        self._client.write(words)
        self._client.close()
        self._leave()

    def _attach(self, server: Server) -> None:
        server.guest = self
        self._server = self._last = server
        self.target = server.target
        server.channel.receiver = self._from_server
        server.channel.lost = self._server_lost
        server.channel.partner = self._client
        self._client.partner = server.channel

    def _forward(self, first: bytes) -> None:
        """Says to the server what the client said. `first`: it is the first that it hears from us."""
        server = self._server
        assert server is not None
        said, self._rest = self._rest, b""
        self._first = first if len(first) <= _READ_AT_ONCE else b""
        command, content = said[4], said[5:]
        self._lending.counted["QueryRequests"] += 1
        self._then = None
        if command == answers.QUERY and (names := pinning.tracked(content)):
            self._then = (names, content)
        elif command == answers.INIT_DB:
            self._then = content.decode(errors="replace")
        elif command == answers.QUERY:
            self._then = pinning.used(content)
        elif command == answers.RESET:
            self._settings.clear()
            self._wanted = server.settings = ()
        server.answer.begin(command)
        server.channel.write(said)

    # from the server

    def _from_server(self, data: bytes) -> None:
        server = self._server
        assert server is not None
        self._first = b""
        self._client.write(data)
        if self.pinned:
            return
        answer = server.answer
        answer.feed(data)
        if answer.local:
            self.pinned = "load data local"
        if not answer.done or not answer.whole:
            return
        if answer.failed:
            self.in_transaction = self.in_transaction or not answer.status & packets.AUTOCOMMIT
        else:
            self.in_transaction = bool(answer.status & packets.IN_TRANSACTION)
            self._note(server)
        if not self.in_transaction and not self.pinned:
            self._give_back(server)

    def _note(self, server: Server) -> None:
        """What a command has set, now that it succeeded."""
        if isinstance(self._then, str):
            self._database = server.database = self._then
        elif self._then is not None:
            names, statement = self._then
            self._settings.pop(names, None)
            self._settings[names] = statement
            self._wanted = server.settings = tuple(self._settings.values())
            if len(self._settings) > _MOST_SETTINGS:
                self.pinned = "set"
        self._then = None

    def _give_back(self, server: Server) -> None:
        self._server = None
        self.target = ""
        self._client.partner = None
        server.give_back()

    def _server_lost(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        self._lending.gone(server)
        if self._first and isinstance(server.channel.ending, ConnectionError):  # it was not read: another server can do it
            self.target = ""
            self._rest, self._first = self._first, b""
            self._client.partner = None
            self._borrowing = self._lending.lend(self._key, self._borrowed)
            return
        self.drop()
