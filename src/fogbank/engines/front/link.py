"""The line to fogbank: JSON lines both ways over a socketpair."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast


class Link(asyncio.Protocol):
    """Hands on each table that comes, with its number, and asks. `ended` is set when fogbank is gone."""

    def __init__(self, on_table: Callable[[dict[str, Any], int], None]) -> None:
        self.ended = asyncio.Event()
        self._on_table = on_table
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "table" in said:
                self._on_table(said["table"], said.get("number", 0))
            elif "answer" in said:
                asked = self._asked.pop(said["answer"], None)
                if asked is not None and not asked.done():
                    asked.set_result(said)

    def tell(self, said: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")

    def problem(self, text: str, **more: Any) -> None:
        self.tell({"say": "problem", "problem": text, **more})

    async def ask(self, what: str, timeout_s: float = 60.0, **members: Any) -> dict[str, Any]:
        """What fogbank answers; TimeoutError when it does not in time."""
        self._number += 1
        number = self._number
        asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        self.tell({"ask": number, "what": what, **members})
        try:
            async with asyncio.timeout(timeout_s):
                return await asked
        finally:
            self._asked.pop(number, None)
