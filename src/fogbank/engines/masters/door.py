"""Where a writer's sessions ask for rows: a socket beside the server's own, by which it is known which of the writers asks.

    {"do": "claim", "transaction", "own", "parents", "table", "whole"}   after each statement that wrote: hashes of rows
    {"do": "schema", "transaction", "wait"}                              before a command that changes the schema: all tables, alone
    {"do": "command", "query", "tag", "stamp"}                           what of a text is to be carried to the other writer

What is refused is said as {"refused": {"code", "message", "hint"}}, which SQL raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fogbank.engines import processes
from fogbank.engines.fleet.holds import Holder, Keys
from fogbank.engines.front.backdoor import Caller, Refusal
from fogbank.engines.front.channel import Channel, Ended
from fogbank.engines.masters.claiming import Claimer, Conflict, Unheard
from fogbank.engines.masters.commands import nth

SCHEMA = 0
"""The key of all tables: what writes rows shares it, what changes the schema claims it alone."""
_SCHEMA_S, _SCHEMA_AGAIN_S = 5.0, 0.02
_HEARD_S = 2.0
"""So long at most nodes take to hear that a row was let go of."""
_CHANGED = "could not serialize access: the row is being changed by another writer"
_BUSY = "could not serialize access: the schema is being changed, or the other writer is in the midst of changes"
_AGAIN = "The transaction might succeed if retried."


class Refused(Exception):
    """What SQL is to fail with."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.said = {"code": code, "message": message, "hint": hint}


class Door:
    """See the module. `over(holder)`: whether a claim of the other writer that stood in the way is gone by now; `stirred()` is called
    whenever a transaction has claimed something."""

    def __init__(self, path: Path, claimer: Claimer, over: Callable[[Holder], Awaitable[bool]], stirred: Callable[[], None]) -> None:
        self._path = path
        self._claimer = claimer
        self._over = over
        self._stirred = stirred
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], Channel] = {}

    async def open(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Channel(self._opened), str(self._path))
        processes.give(self._path.parent)
        processes.give(self._path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task, channel in self._sessions.items():
            task.cancel()
            channel.abort()
        self._path.unlink(missing_ok=True)

    def _opened(self, channel: Channel) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._sessions[task] = channel
        task.add_done_callback(self._sessions.pop)

    async def _serve(self, channel: Channel) -> None:
        with contextlib.suppress(Ended, OSError):
            await Caller(channel, _Session(self).answer).run()
        channel.close()

    async def claim(self, transaction: int, keys: Keys) -> None:
        """For a transaction of this writer. Raises Refused."""
        try:
            await self._claim(transaction, keys)
        except Conflict:
            raise Refused("40001", _BUSY if SCHEMA in keys[0] else _CHANGED, _AGAIN) from None
        except Unheard:
            raise Refused("57P03", "fewer than four of the six storage nodes can say whether the row is free", _AGAIN) from None
        self._stirred()

    async def _claim(self, transaction: int, keys: Keys) -> None:
        """Tried again where what stood in the way is gone: nodes may yet have to hear of that. Raises Conflict, Unheard."""
        loop = asyncio.get_running_loop()
        until = 0.0
        while True:
            try:
                return await self._claimer.claim(transaction, keys)
            except Conflict as conflict:
                if conflict.holder is None or (until and loop.time() >= until) or not await self._over(conflict.holder):
                    raise
                until = until or loop.time() + _HEARD_S

    async def claim_schema(self, transaction: int, wait: bool) -> None:
        """All tables. Raises Refused."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (_SCHEMA_S if wait else 0)
        while True:
            try:
                return await self.claim(transaction, ([SCHEMA], []))
            except Refused as refused:
                if refused.said["code"] != "40001" or loop.time() >= until:
                    raise
            await asyncio.sleep(_SCHEMA_AGAIN_S)


class _Session:
    """What one session asks."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._stamp = ""
        self._commands = 0

    async def answer(self, words: str) -> str:
        try:
            asked = json.loads(words)
            act = {"claim": self._claim, "schema": self._schema, "command": self._command}[asked["do"]]
            return json.dumps(await act(asked))
        except Refused as refused:
            return json.dumps({"refused": refused.said})
        except (ValueError, LookupError, TypeError):
            raise Refusal("22023", "that is not understood here") from None

    async def _claim(self, asked: dict[str, Any]) -> dict[str, Any]:
        table, own = asked["table"], asked["own"]
        shared = [SCHEMA, *asked["parents"]]
        keys = ([table], shared) if asked["whole"] else (own, [table, *shared])
        await self._door.claim(int(asked["transaction"]), keys)
        return {}

    async def _schema(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self._door.claim_schema(int(asked["transaction"]), asked["wait"])
        return {}

    async def _command(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["stamp"] != self._stamp:
            self._stamp, self._commands = asked["stamp"], 0
        command = nth(asked["query"], self._commands, asked["tag"])
        self._commands += 1
        if command is None:
            hint = "Send it as a statement of its own: not in a DO block or a function."
            raise Refused("0A000", f"this {asked['tag']} cannot be carried to the other writer", hint)
        return {"command": command}
