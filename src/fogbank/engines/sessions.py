"""SQL that comes from outside of a client's connection: the Data API's, with connections that are kept while a transaction is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from fogbank.engines.spec import Refused, Result, Statement

IDLE_S = 180.0


class Connection(Protocol):
    """A connection as one user. What an engine's `connect(socket, user, password, database)` gives."""

    async def run(self, statement: Statement) -> Result: ...
    async def cancel(self) -> None: ...
    async def close(self) -> None: ...


Connect = Callable[[], Any]


class _Session:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lock = asyncio.Lock()
        self.timer: asyncio.TimerHandle | None = None


class Sessions:
    """The open sessions of one cluster."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[str, _Session] = {}
        self._ended: set[str] = set()

    async def execute(self, session: str, connect: Connect, statement: Statement) -> Result:
        """Runs a statement; see `Databases.execute`. Raises Refused."""
        if not session:
            connection: Connection = await connect()
            try:
                return await connection.run(statement)
            finally:
                await connection.close()
        if session in self._ended:
            raise Refused("the session is over", "SESSION")
        found = self._open.get(session)
        if found is None:
            found = self._open[session] = _Session(await connect())
        async with found.lock:
            if found.timer is not None:
                found.timer.cancel()
            try:
                return await found.connection.run(statement)
            finally:
                found.timer = self._loop.call_later(IDLE_S, lambda: self._loop.create_task(self._lose(session)))

    async def end(self, session: str) -> None:
        """Closes a session; what runs in it is stopped, and what is open in it is rolled back."""
        found = self._open.pop(session, None)
        if found is not None:
            if found.timer is not None:
                found.timer.cancel()
            if found.lock.locked():
                await found.connection.cancel()
            async with found.lock:
                if found.timer is not None:
                    found.timer.cancel()
                await found.connection.close()

    async def _lose(self, session: str) -> None:
        """Ends a session that its owner believes to be there: its next statement is refused."""
        self._ended.add(session)
        await self.end(session)

    async def close(self) -> None:
        """All of them: the writer is another one."""
        for session in list(self._open):
            await self._lose(session)
