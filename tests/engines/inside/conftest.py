"""A PostgreSQL with our extensions, and a back door that says what a test wants."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fogbank.engines.front.backdoor import BackDoor
from fogbank.engines.inside import FOLDER
from fogbank.testing.postgres import Server


class Door:
    """AWS as SQL reaches it. `calls`: what was asked; `answer`: what is said to it."""

    def __init__(self, folder: str) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda call: {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._door = BackDoor("cluster-1", folder, self)  # type: ignore[arg-type]
        asyncio.run_coroutine_threadsafe(self._door.open(), self._loop).result(60)

    async def ask(self, what: str, timeout_s: float, *, cluster: str, feature: str, call: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((feature, call))
        return {"result": self.answer(call)}

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._door.close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(extension_control_path=f"$system:{FOLDER}")
    with made.connect() as admin:
        admin.execute("create role rds_superuser")
        admin.execute("create role master login createrole in role rds_superuser")
        admin.execute("create role clerk login")
        admin.execute("grant create on database postgres to master; grant create on schema public to master, clerk")
    yield made
    made.close()


@pytest.fixture(scope="module")
def opened(server: Server) -> Iterator[Door]:
    made = Door(str(server.folder))
    yield made
    made.close()


@pytest.fixture
def door(opened: Door) -> Door:
    opened.calls.clear()
    opened.answer = lambda call: {}
    return opened


@pytest.fixture
def master(server: Server, door: Door) -> Iterator[Any]:
    """The master user, who is no superuser, with all extensions."""
    with server.connect("master") as connection:
        for name in ("aws_lambda", "aws_s3", "aws_ml"):
            connection.execute(f"create extension if not exists {name} cascade")
        yield connection


@pytest.fixture
def clerk(server: Server, master: Any) -> Iterator[Any]:
    """Another user, who has no rights yet."""
    with server.connect("clerk") as connection:
        yield connection
    with server.connect() as admin:
        admin.execute("drop owned by clerk; grant create on schema public to clerk")
