"""A room of engines in one process, with its loop on a thread: what tests of `Databases` stand on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fogbank.app import new_loop
from fogbank.engines import mariadb
from fogbank.engines.databases import Databases, House
from fogbank.engines.room import Room
from fogbank.engines.spec import Actual, Cluster, Endpoint, Failed, Node


class Engines:
    """Databases of one cloud, called from a test's thread."""

    def __init__(self, root: Path | None = None) -> None:
        self.loop = new_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.notices: list[dict[str, Any]] = []
        self.branches = [(1, 0)]
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda question: {"ok": True}
        self.room = self.on_loop(lambda: Room(root, self.loop))
        house = House(
            "main",
            ancestry=lambda: self.branches,
            wall=lambda at_ms: at_ms,
            cloud=lambda at_ms: at_ms,
            noticed=lambda account, region, what: self.notices.append(what),
            asked=lambda question, done: done(self.answer(question)),
            revive=lambda: None,
        )
        self.databases = self.on_loop(lambda: Databases(self.room, house))

    def on_loop(self, work: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float = 120) -> Any:
        """Runs a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def do(self, begin: Callable[[Callable[[Any], None]], None], timeout_s: float = 120) -> Any:
        """Calls a method that ends with `done`, and waits for it."""

        async def run() -> Any:
            future = self.loop.create_future()
            begin(lambda result: future.set_result(result) if not future.done() else None)
            result = await asyncio.wait_for(future, timeout_s)
            if isinstance(result, Exception):
                raise result
            return result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(timeout_s + 5)

    def converge(self, wanted: Cluster) -> Actual:
        actual: Actual = self.do(lambda done: self.databases.converge(wanted, done))
        return actual

    def together(self, *wanted: Cluster) -> None:
        """Several clusters at once."""
        done = [self.loop.create_future() for _ in wanted]

        async def all_of_them() -> None:
            for one, future in zip(wanted, done, strict=True):
                self.databases.converge(one, future.set_result)
            for result in await asyncio.gather(*done):
                if isinstance(result, Exception):
                    raise result

        self.run(all_of_them())

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 60) -> Any:
        """Polls until it is true."""
        pause = threading.Event()
        for _ in range(int(timeout_s / 0.01)):
            found = condition()
            if found:
                return found
            pause.wait(0.01)
        raise TimeoutError("it did not come to be")

    def close(self) -> None:
        self.run(self.databases.shut())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
        self.room.close()
        self.loop.close()


def killed(*pids: int) -> None:
    """Kills processes of ours, and comes back when all of them are dead."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # (whoever started it has been told of its end already)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def need_mariadb() -> None:
    """Skips the test where MariaDB is not installed."""
    try:
        mariadb.binaries()
    except Failed as why:
        pytest.skip(str(why))


def cluster(id: str = "c1", *, nodes: tuple[Node, ...] = (Node("n1", "a"),), **changes: Any) -> Cluster:
    """A cluster of one writer, with writer and reader endpoints."""
    wanted = Cluster(
        id=id,
        engine="postgres",
        version="",
        volume=f"v-{id}",
        fork=None,
        user="ada",
        password="correct horse",
        database="app",
        nodes=nodes,
        writer=nodes[0].id if nodes else "",
        parameters={},
        endpoints=(Endpoint(0, 5432, "writer"), Endpoint(1, 5432, "reader")),
        iam=False,
        tls_only=False,
        account="000000000000",
        region="us-east-1",
        arn=f"arn:aws:rds:us-east-1:000000000000:cluster:{id}",
    )
    return wanted._replace(**changes)
