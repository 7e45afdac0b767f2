"""What an RDS Proxy's clients share: connections to the database, each lent for a transaction at a time.

A connection serves sessions of one key (user, database and whatever else it was opened with). Where all are lent, sessions wait in turn;
where connections of another key lie idle, one of them makes room.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

from .door import Door
from .table import Endpoint, Proxy

_TICK_S = 1.0
_IDLE_S = 5.0
"""How long a connection beyond `max_idle` lies before it is closed."""
_PATIENCE_S = 1.0
"""How long a session may wait before a connection of another key is closed for it."""


class Lent(Protocol):
    """A connection to the database. `clean`: nothing is left in it of whom it was lent to; `lending`: whose it is."""

    clean: bool
    since: float
    lending: Any

    @property
    def key(self) -> Any: ...

    @property
    def target(self) -> str: ...

    @property
    def closed(self) -> bool: ...

    def close(self) -> None: ...

    def reset(self) -> None:
        """Makes it clean, and gives it back then."""


class Guest(Protocol):
    """A session, as the counting and the sweeping see it."""

    heard_at: float
    pinned: str
    in_transaction: bool

    @property
    def secure(self) -> bool:
        """Whether it came with TLS."""

    def drop_idle(self) -> None:
        """It was silent for too long."""


L = TypeVar("L", bound=Lent)


class Exhausted(Exception):
    """No connection became free in time."""


class Waiting(Generic[L]):
    """A session's place in the queue. `done` is called once: with a connection, or with what came in its way."""

    __slots__ = ("began", "done", "key", "opening", "timer")

    def __init__(self, key: Hashable, done: Callable[[L | Exception], None], timer: asyncio.TimerHandle | None = None) -> None:
        self.key = key
        self.done = done
        self.timer = timer
        self.began = time.monotonic()
        self.opening = False


class Lending(Generic[L]):
    """The connections of one proxy. `known`: what was learned of a key when it was first served. `numbers`: of prepared statements."""

    def __init__(self, door: Door, opener: Callable[[Door, Any, float], Awaitable[L]]) -> None:
        self.known: dict[Hashable, Any] = {}
        self.numbers: dict[bytes, int] = {}
        self.guests: set[Guest] = set()
        self.counted = dict.fromkeys(_COUNTERS, 0)
        self._door = door
        self._opener = opener
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Hashable, list[L]] = {}
        self._all: set[L] = set()
        self._opening = 0
        self._waiting: deque[Waiting[L]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticking = self._loop.call_later(_TICK_S, self._tick)

    @property
    def settings(self) -> Proxy:
        settings = self._door.endpoint.proxy
        assert settings is not None
        return settings

    def take(self, key: Hashable) -> L | None:
        """One that is idle."""
        idle = self._idle.get(key)
        if not idle:
            return None
        self.counted["DatabaseConnectionRequests"] += 1
        return idle.pop()

    def take_this(self, lent: L) -> bool:
        """A certain one, where it is idle."""
        idle = self._idle.get(lent.key, [])
        if lent not in idle:
            return False
        idle.remove(lent)
        self.counted["DatabaseConnectionRequests"] += 1
        return True

    def lend(self, key: Hashable, done: Callable[[L | Exception], None]) -> Waiting[L]:
        """Calls with one as soon as there is one: new, or given back; Exhausted where there is none in time."""
        waiting: Waiting[L] = Waiting(key, done)
        waiting.timer = self._loop.call_later(self.settings.borrow_timeout_s, self._fail, waiting, Exhausted())
        self._waiting.append(waiting)
        self._fill()
        return waiting

    def withdraw(self, waiting: Waiting[L]) -> None:
        """Nobody waits there any more."""
        if waiting.timer is not None:
            waiting.timer.cancel()
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    async def borrow(self, key: Hashable) -> L:
        """The same, by awaiting."""
        taken = self.take(key)
        if taken is not None:
            return taken
        future: asyncio.Future[L | Exception] = self._loop.create_future()
        waiting = self.lend(key, future.set_result)
        try:
            lent = await asyncio.shield(future)
        except asyncio.CancelledError:
            self.withdraw(waiting)
            if future.done() and not isinstance(late := future.result(), Exception):
                self.give(late)
            raise
        if isinstance(lent, Exception):
            raise lent
        return lent

    def give(self, lent: L) -> None:
        """Takes one back: for who waits, or to lie idle."""
        if lent.closed or lent.target not in self._door.endpoint.reachable:
            lent.close()
            self.gone(lent)
            return
        if not lent.clean:
            lent.reset()
            return
        if self._waiting:
            now = time.monotonic()
            first = self._waiting[0]
            if first.key != lent.key and now - first.began > _PATIENCE_S:
                lent.close()
                self.gone(lent)
                return
            for waiting in self._waiting:
                if waiting.key == lent.key:
                    self.withdraw(waiting)
                    self.counted["DatabaseConnectionRequests"] += 1
                    self.counted["DatabaseConnectionsBorrowLatency"] += round((now - waiting.began) * 1e6)
                    waiting.done(lent)
                    return
        lent.since = self._loop.time()
        self._idle.setdefault(lent.key, []).append(lent)
        self._fill()

    def gone(self, lent: L) -> None:
        """One is closed: there is room for another."""
        if lent in self._all:
            self._all.discard(lent)
            idle = self._idle.get(lent.key, [])
            if lent in idle:
                idle.remove(lent)
            self._fill()

    def update(self, endpoint: Endpoint) -> None:
        """Idle connections to where the endpoint leads no more are closed; lent ones end with their sessions."""
        for lent in list(self._all):
            if lent.target not in endpoint.reachable:
                lent.close()
                self.gone(lent)
        self.known.clear()

    def close(self) -> None:
        self._ticking.cancel()
        for task in self._tasks:
            task.cancel()
        for lent in list(self._all):
            lent.close()

    def counts(self) -> dict[str, float]:
        """Its metrics by AWS's names: what is now, and what there was since the beginning (latency: the sum, in us)."""
        idle = sum(map(len, self._idle.values()))
        return {
            **self.counted,
            "ClientConnections": len(self.guests),
            "ClientConnectionsTLS": sum(guest.secure for guest in self.guests),
            "DatabaseConnections": len(self._all),
            "DatabaseConnectionsCurrentlyBorrowed": len(self._all) - idle,
            "DatabaseConnectionsCurrentlySessionPinned": sum(1 for guest in self.guests if guest.pinned),
            "DatabaseConnectionsCurrentlyInTransaction": sum(guest.in_transaction for guest in self.guests),
            "MaxDatabaseConnectionsAllowed": self.settings.max_connections,
        }

    def _room(self, key: Hashable) -> bool:
        """Whether another may be opened; an idle one of another key goes for it."""
        if len(self._all) + self._opening < self.settings.max_connections:
            return True
        for other, idle in self._idle.items():
            if idle and other != key:
                lent = idle.pop(0)
                self._all.discard(lent)
                lent.close()
                return True
        return False

    def _fill(self) -> None:
        """Opens connections for who waits, while there is room."""
        for waiting in self._waiting:
            if waiting.opening:
                continue
            if not self._room(waiting.key):
                return
            waiting.opening = True
            self._opening += 1
            task = self._loop.create_task(self._open(waiting.key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, key: Hashable) -> None:
        """One more, for whoever of that key waits first."""
        try:
            lent = await self._opener(self._door, key, self.settings.borrow_timeout_s)
        except Exception as why:
            self._opening -= 1
            self.counted["DatabaseConnectionsSetupFailed"] += 1
            for waiting in self._waiting:
                if waiting.key == key and waiting.opening:
                    self._fail(waiting, why)
                    break
            self._fill()
            return
        self._opening -= 1
        lent.lending = self
        self._all.add(lent)
        self.counted["DatabaseConnectionsSetupSucceeded"] += 1
        self.give(lent)

    def _fail(self, waiting: Waiting[L], why: Exception) -> None:
        self.withdraw(waiting)
        waiting.done(why)

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(_TICK_S, self._tick)
        now = self._loop.time()
        for guest in [each for each in self.guests if now - each.heard_at > self.settings.idle_client_timeout_s]:
            guest.drop_idle()
        surplus = sum(map(len, self._idle.values())) - self.settings.max_idle
        for lent in sorted((each for idle in self._idle.values() for each in idle), key=lambda each: each.since):
            if surplus <= 0 or now - lent.since < _IDLE_S:
                return
            surplus -= 1
            lent.close()
            self.gone(lent)


_COUNTERS = (
    "ClientConnectionsReceived",
    "ClientConnectionsSetupSucceeded",
    "ClientConnectionsSetupFailedAuth",
    "ClientConnectionsClosed",
    "DatabaseConnectionRequests",
    "DatabaseConnectionsBorrowLatency",
    "DatabaseConnectionsSetupSucceeded",
    "DatabaseConnectionsSetupFailed",
    "QueryRequests",
)
