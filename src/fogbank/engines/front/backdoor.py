"""Back doors: where a cluster's SQL functions call AWS.

A PostgreSQL function reaches fogbank as it reaches any server, by dblink: over a unix socket that speaks just enough of the protocol
for `select call($1)` and `select call('...')`. What is called is JSON, `{"feature": ..., "call": {...}}`; the answer is one text column.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import Any

from fogbank.engines import processes

from .channel import Channel, Ended
from .link import Link
from .postgres import messages

_TIMEOUT_S = 900.0
_TEXT = 25
_LONGEST = 1 << 28
_STATEMENT = re.compile(r"\s*select\s+call\s*\(\s*(?:(\$1)(?:\s*::\s*\w+)?|(e?)'([^']*(?:''[^']*)*)')\s*\)\s*;?\s*", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SAID_OF_US = {
    "server_version": "18.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
}


class Refusal(Exception):
    """What the SQL function is to fail with: a SQLSTATE and a message."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class BackDoor:
    """A unix socket below a cluster's folder."""

    def __init__(self, cluster: str, folder: str, link: Link) -> None:
        self.folder = folder
        self._cluster = cluster
        self._link = link
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], Channel] = {}

    @property
    def path(self) -> Path:
        return Path(self.folder) / "aws" / ".s.PGSQL.5432"

    async def open(self) -> None:
        """Listens; OSError where it cannot."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Channel(self._opened), str(self.path))
        processes.give(self.path.parent)
        processes.give(self.path)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task, channel in self._callers.items():
            task.cancel()
            channel.abort()
        self.path.unlink(missing_ok=True)

    def _opened(self, channel: Channel) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._callers[task] = channel
        task.add_done_callback(self._callers.pop)

    async def _serve(self, channel: Channel) -> None:
        with contextlib.suppress(Ended, OSError):
            await Caller(channel, self._call).run()
        channel.close()

    async def _call(self, words: str) -> str:
        """What fogbank answers to a call, as JSON."""
        try:
            asked = json.loads(words)
            members = {"feature": asked["feature"], "call": asked["call"]}
        except (ValueError, KeyError, TypeError):
            raise Refusal("22023", "call() takes JSON with feature and call") from None
        try:
            answer = await self._link.ask("aws", _TIMEOUT_S, cluster=self._cluster, **members)
        except TimeoutError:
            raise Refusal("57014", "AWS did not answer in time") from None
        if "error" in answer:
            raise Refusal("XX000", str(answer["error"]))
        result = answer.get("result")
        return result if isinstance(result, str) else json.dumps(result)


class Caller:
    """One connection of dblink. Simple and extended queries; after an error, what follows is skipped up to the next Sync."""

    def __init__(self, channel: Channel, call: Any) -> None:
        self._channel = channel
        self._call = call
        self._prepared: dict[bytes, str] = {}
        self._bound: dict[bytes, str] = {}
        self._skips = False

    async def run(self) -> None:
        code, _ = await messages.read_startup(self._channel)
        while code in (messages.SSL_REQUEST, messages.GSS_REQUEST):
            self._channel.write(b"N")
            code, _ = await messages.read_startup(self._channel)
        if code == messages.CANCEL_REQUEST:
            return
        said = messages.message(b"R", b"\0\0\0\0")
        for name, value in _SAID_OF_US.items():
            said += messages.message(b"S", messages.text(name) + messages.text(value))
        self._channel.write(said + messages.message(b"K", b"\0" * 8) + _READY)
        while True:
            head = await self._channel.exactly(5)
            length = int.from_bytes(head[1:], "big")
            if head[:1] == b"X" or not 4 <= length <= _LONGEST:
                return
            await self._answer(head[:1], await self._channel.exactly(length - 4))

    async def _answer(self, kind: bytes, content: bytes) -> None:
        if kind == b"S":
            self._skips = False
            self._channel.write(_READY)
            return
        if self._skips:
            return
        try:
            said = await self._step(kind, content)
        except Refusal as why:
            said = messages.error(why.code, str(why), "ERROR")
            self._skips = kind != b"Q"
        self._channel.write(said + _READY if kind == b"Q" else said)

    async def _step(self, kind: bytes, content: bytes) -> bytes:
        if kind == b"Q":
            given = _literal(content[:-1].decode())
            return _COLUMNS + _row(await self._call(given))
        if kind == b"P":
            name, statement, _ = content.split(b"\0", 2)
            self._prepared[name] = statement.decode()
            _parsed(self._prepared[name])
            return messages.message(b"1")
        if kind == b"B":
            portal, name, rest = content.split(b"\0", 2)
            self._bound[portal] = _bound(self._prepared.get(name, ""), rest)
            return messages.message(b"2")
        if kind == b"D":
            takes = messages.message(b"t", (1).to_bytes(2, "big") + _TEXT.to_bytes(4, "big"))
            return takes + _COLUMNS if content[:1] == b"S" else _COLUMNS
        if kind == b"E":
            return _row(await self._call(self._bound.get(content.split(b"\0", 1)[0], "")))
        if kind == b"C":
            return messages.message(b"3")
        return b""


def _parsed(statement: str) -> re.Match[str]:
    found = _STATEMENT.fullmatch(statement)
    if found is None:
        raise Refusal("0A000", "only select call('...') is understood here")
    return found


def _literal(statement: str) -> str:
    """What a simple query calls."""
    found = _parsed(statement)
    if found[1]:
        raise Refusal("42P02", "there is no parameter $1")
    words = found[3].replace("''", "'")
    return _ESCAPED.sub(r"\1", words) if found[2] else words


def _bound(statement: str, rest: bytes) -> str:
    """What an extended query calls: its one parameter, or its literal."""
    if not _parsed(statement)[1]:
        return _literal(statement)
    at = 2 + 2 * int.from_bytes(rest[:2], "big")
    length = int.from_bytes(rest[at + 2 : at + 6], "big", signed=True)
    if int.from_bytes(rest[at : at + 2], "big") != 1 or length < 0:
        raise Refusal("22004", "call() takes one parameter that is not null")
    return rest[at + 6 : at + 6 + length].decode()


def _row(result: str) -> bytes:
    value = result.encode()
    return messages.message(b"D", b"\0\x01" + len(value).to_bytes(4, "big") + value) + messages.message(b"C", b"SELECT 1\0")


_READY = messages.message(b"Z", b"I")
_COLUMNS = messages.message(b"T", b"\0\x01result\0" + bytes(6) + _TEXT.to_bytes(4, "big") + b"\xff\xff" + b"\xff" * 4 + b"\0\0")
