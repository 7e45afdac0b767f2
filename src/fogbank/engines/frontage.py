"""The front of a cloud's databases, as fogbank's process sees it: what is routed where, and what the front asks.

The front is a process of its own (`engines.front`), so that a client's bytes never pass fogbank's loop. It starts with the first endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterable
from typing import Any

from fogbank.engines.front import certificates
from fogbank.engines.masters.pair import Pair
from fogbank.engines.processes import Process, python, spawn
from fogbank.engines.room import Room
from fogbank.engines.runner import Runner
from fogbank.engines.running import Running
from fogbank.engines.spec import Cluster, Done, Endpoint

_LONG_S = 10.0


class Frontage:
    """See the module. `asked(question, done)` answers what the front wants to know; `barred(cluster, why)` hears what it cannot do."""

    def __init__(self, room: Room, asked: Callable[[dict[str, Any], Done], None], barred: Callable[[str, str], None]) -> None:
        self._room = room
        self._asked = asked
        self._barred = barred
        self._process: Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._starting: asyncio.Task[None] | None = None
        self._table: dict[str, Any] = {"endpoints": []}
        self._number = self._known = 0
        """Of the table, and of that by which the front routes."""
        self._stirred = asyncio.Event()
        self._closed = False
        self.proxies: dict[str, dict[str, float]] = {}
        """Endpoint ("address:port") of an RDS Proxy -> what is counted there (`front.lending.Lending.counts`), as the front last said."""

    def authority(self) -> str:
        """The certificate (PEM) of the authority that signs those of all endpoints."""
        return certificates.authority(self._room.folder("certificates")).read_text()

    def show(self, runners: Iterable[Runner | Pair], address: Callable[[int], str]) -> None:
        """Has the front route by what runs now."""
        self._table = table(runners, address)
        self._number += 1
        addresses = sorted({endpoint["address"] for endpoint in self._table["endpoints"]})
        if addresses:
            made = certificates.make(self._room.folder("certificates"), addresses)
            self._table |= {"certificate": str(made.chain), "key": str(made.key)}
        if self._closed:
            return
        if self._writer is not None:
            self._tell()
        elif self._table["endpoints"] and (self._starting is None or self._starting.done()):
            self._starting = self._room.loop.create_task(self._start())

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        folder = self._room.folder("front")
        self._process = spawn(
            python("fogbank.engines.front", str(theirs.fileno())),
            self._room.loop,
            log=folder / "front.log",
            keep=(theirs.fileno(),),
            drop=False,
        )
        theirs.close()
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 24)
        self._tell()
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        self._writer = None
        if not self._closed:  # it died: another one, with the same table
            self._room.loop.call_later(0.05, self._again)

    async def shown(self) -> None:
        """Returns when the front routes by what it was shown last, unless it does not come to it for long."""
        number = self._number
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONG_S):
                while self._known < number and self._table["endpoints"] and not self._closed:
                    self._stirred.clear()
                    await self._stirred.wait()

    def _tell(self) -> None:
        self._send({"table": self._table, "number": self._number})

    def _again(self) -> None:
        if not self._closed and self._table["endpoints"]:
            self._starting = self._room.loop.create_task(self._start())

    def _send(self, said: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(said).encode() + b"\n")

    def _hear(self, said: dict[str, Any]) -> None:
        if "ask" in said:
            number = said["ask"]

            def done(result: Any) -> None:
                self._send({"answer": number, **({"error": str(result)} if isinstance(result, Exception) else result or {})})

            self._asked(said, done)
        elif said.get("say") == "problem":
            self._barred(said.get("cluster", ""), said["problem"])
        elif said.get("say") == "table":
            self._known = said["number"]
            self._stirred.set()
        elif said.get("say") == "counts":
            self.proxies = said["proxies"]

    async def close(self) -> None:
        self._closed = True
        self._stirred.set()
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            await self._process.end(signal.SIGTERM, 3.0)


def table(runners: Iterable[Runner | Pair], address: Callable[[int], str]) -> dict[str, Any]:
    """The routing table: which endpoint leads to which sockets."""
    endpoints: list[dict[str, Any]] = []
    runners = list(runners)
    for runner in runners:
        wanted = runner.wanted
        assert wanted is not None
        open_ = bool(wanted.nodes) or wanted.paused
        for endpoint in (one for one in wanted.endpoints if open_ or one.proxy is not None):
            targets = [str(one.server.socket) for one in _targets(runner, endpoint)]
            endpoints.append(
                {
                    "address": address(endpoint.slot),
                    "port": endpoint.port,
                    "engine": wanted.engine,
                    "cluster": wanted.id,
                    "targets": targets,
                    "held": not targets and _waits(wanted, endpoint),
                    "iam": wanted.iam,
                    "tls_only": wanted.tls_only,
                    "proxy": endpoint.proxy,
                }
            )
    return {"endpoints": endpoints, "back_doors": {r.id: str(r.volume.run) for r in runners if r.volume is not None and r.running}}


def _targets(runner: Runner | Pair, endpoint: Endpoint) -> list[Running]:
    """The nodes behind an endpoint, as it is now."""
    there = [one for one in runner.running.values() if one.state == "running" and not runner.held]
    members = [one for one in there if not endpoint.nodes or one.node.id in endpoint.nodes]
    if endpoint.kind in ("writer", "proxy"):
        return [one for one in there if one.writes]
    if endpoint.kind == "node":
        return members[:1]
    readers = [one for one in members if not one.writes and not one.node.hidden]
    if endpoint.kind == "reader":
        return readers if readers or endpoint.proxy is not None else [one for one in there if one.writes]
    return [one for one in members if not one.node.hidden]


def _waits(wanted: Cluster, endpoint: Endpoint) -> bool:
    """Whether clients of an endpoint that leads nowhere now wait: not a proxy's that wants a reader of a cluster that has none."""
    readers = [node for node in wanted.nodes if node.id != wanted.writer and not node.hidden and not wanted.masters]
    return endpoint.kind != "reader" or endpoint.proxy is None or wanted.paused or bool(readers)
