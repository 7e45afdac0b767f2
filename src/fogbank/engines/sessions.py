"""SQL that comes from outside of a client's connection: the Data API's, and ours.

A session has a connection of its own while it is open. When it ends, its connection is made as if it were new, and for a short time lies
ready for the next session of the same user: to open one takes longer than most statements.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, Protocol

from fogbank.engines.spec import Refused, Result, Statement

IDLE_S = 180.0
READY_S = 5.0
"""So long a connection lies ready, and so long (`AGE_S`) at most after its user has shown the password one may be used."""
AGE_S = 60.0
READY_MOST = 16
_of_databases = re.compile(r"\bdatabase\b", re.IGNORECASE).search


class Connection(Protocol):
    """A connection as one user. What an engine's `connect(socket, user, password, database)` gives."""

    @property
    def ended(self) -> bool: ...
    async def run(self, statement: Statement) -> Result: ...
    async def cancel(self) -> None: ...
    async def reset(self) -> bool:
        """Makes it as it was when it was new: whether that could be done."""
        ...

    async def close(self) -> None: ...


Connect = Callable[[], Awaitable[Any]]


class _Ready(NamedTuple):
    """A connection that nobody uses. `born`: when it was opened, by the loop's clock."""

    connection: Connection
    born: float
    timer: asyncio.TimerHandle


class _Session:
    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.connection: Connection | None = None
        self.born = 0.0
        self.lock = asyncio.Lock()
        self.timer: asyncio.TimerHandle | None = None


class Sessions:
    """The sessions of one cluster. `key`, wherever it is asked for: of a connection, who it is, where to, and by what password."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[str, _Session] = {}
        self._ended: set[str] = set()
        self._ready: dict[Hashable, list[_Ready]] = {}

    async def execute(self, session: str, key: Hashable, connect: Connect, statement: Statement) -> Result:
        """Runs a statement; see `Databases.execute`. Raises Refused."""
        if _of_databases(statement.sql):  # (nobody may be in a database that is dropped, or copied)
            await self.clear()
        if not session:
            alone = _Session(key)
            try:
                return await self._run(alone, connect, statement)
            finally:
                await self._give_back(alone)
        if session in self._ended:
            raise Refused("the session is over", "SESSION")
        found = self._open.setdefault(session, _Session(key))
        async with found.lock:
            if self._open.get(session) is not found:
                raise Refused("the session is over", "SESSION")
            if found.timer is not None:
                found.timer.cancel()
            try:
                return await self._run(found, connect, statement)
            finally:
                if found.connection is None:
                    del self._open[session]
                else:
                    found.timer = self._loop.call_later(IDLE_S, lambda: self._loop.create_task(self._lose(session)))

    async def _run(self, session: _Session, connect: Connect, statement: Statement) -> Result:
        if session.connection is None:
            ready = await self._take(session.key)
            session.born = self._loop.time() if ready is None else ready.born
            session.connection = await connect() if ready is None else ready.connection
        return await session.connection.run(statement)

    async def _take(self, key: Hashable) -> _Ready | None:
        """A connection that lies ready, if one still lives."""
        while ready := self._ready.get(key):
            one = ready.pop()
            one.timer.cancel()
            if not one.connection.ended:
                return one
            await one.connection.close()
        return None

    async def _give_back(self, session: _Session) -> None:
        """Lets go of a session's connection: what was open in it is rolled back."""
        connection, now = session.connection, self._loop.time()
        if connection is None:
            return
        if now - session.born > AGE_S or sum(map(len, self._ready.values())) >= READY_MOST or not await connection.reset():
            await connection.close()
            return
        ready = self._ready.setdefault(session.key, [])
        timer = self._loop.call_later(READY_S, lambda: self._loop.create_task(self._discard(session.key, connection)))
        ready.append(_Ready(connection, session.born, timer))

    async def _discard(self, key: Hashable, connection: Connection) -> None:
        kept = [one for one in self._ready.pop(key, ()) if one.connection is not connection]
        if kept:
            self._ready[key] = kept
        await connection.close()

    async def end(self, session: str) -> None:
        """Ends a session; what runs in it is stopped, and what is open in it is rolled back."""
        found = self._open.pop(session, None)
        if found is not None:
            if found.timer is not None:
                found.timer.cancel()
            stopped = found.lock.locked() and found.connection is not None
            if found.connection is not None and stopped:
                await found.connection.cancel()
            async with found.lock:
                if found.timer is not None:
                    found.timer.cancel()
                if found.connection is not None and stopped:  # (what it was told may yet come to what runs in it next)
                    await found.connection.close()
                else:
                    await self._give_back(found)

    async def _lose(self, session: str) -> None:
        """Ends a session that its owner believes to be there: its next statement is refused."""
        self._ended.add(session)
        await self.end(session)

    async def clear(self) -> None:
        """Closes what lies ready: a password may be another one."""
        there, self._ready = self._ready, {}
        for one in [one for ready in there.values() for one in ready]:
            one.timer.cancel()
            await one.connection.close()

    async def close(self) -> None:
        """All of them: the writer is another one."""
        for session in list(self._open):
            await self._lose(session)
        await self.clear()
