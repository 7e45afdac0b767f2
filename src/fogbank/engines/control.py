"""Talking to a process of ours: JSON lines over its unix socket, answers by number, and what it says unasked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fogbank.engines.spec import Failed

Heard = Callable[[dict[str, Any]], None]


class Fenced(Failed):
    """Whoever was to be followed may not write to this volume, and never will."""


class Silent(Failed):
    """The process does not answer: it stands still."""


class Control:
    """A connection to a process's control socket. `heard` gets what it says unasked (`{"event": ...}`)."""

    def __init__(self, path: Path, heard: Heard) -> None:
        self._path = path
        self._heard = heard
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._listening: asyncio.Task[None] | None = None

    async def connect(self, alive: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Connects as soon as it is there. Raises Failed where the process ends first, or it takes too long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(self._path), limit=1 << 24)
                break
            except OSError:
                if not alive():
                    raise Failed(f"the process behind {self._path.parent.name} ended while it started") from None
                if loop.time() > end:
                    raise Failed(f"the process behind {self._path.parent.name} is not there after {timeout_s:.0f} s") from None
                await asyncio.sleep(0.005)
        self._listening = loop.create_task(self._listen(reader))

    async def ask(self, do: str, /, timeout_s: float = 60.0, **what: Any) -> dict[str, Any]:
        """One question and its answer. Raises Failed where it is refused, or the process goes away; Silent."""
        if self._writer is None or self._writer.is_closing():
            raise Failed("the process is not there")
        self._number += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = answer
        self._writer.write(json.dumps({"do": do, "id": self._number, **what}).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout_s):
                found = await answer
        except TimeoutError:
            raise Silent(f"{do}: no answer after {timeout_s:.0f} s") from None
        if "error" in found:
            raise (Fenced if found.get("fenced") else Failed)(str(found["error"]))
        return found

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                said = json.loads(line)
                answer = self._asked.pop(said.get("id", 0), None)
                if answer is not None and not answer.done():
                    answer.set_result(said)
                elif "event" in said:
                    self._heard(said)
        self.close()
        self._heard({"event": "gone"})

    def close(self) -> None:
        """Nothing more is asked; what was asked has failed."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result({"error": "the process went away"})
        self._asked.clear()
        if self._listening is not None and self._listening is not asyncio.current_task():
            self._listening.cancel()
