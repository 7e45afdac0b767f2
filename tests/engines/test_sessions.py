"""Connections of the Data API: how they are kept, and when they go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fogbank.engines import sessions
from fogbank.engines.sessions import Sessions
from fogbank.engines.spec import Refused, Result, Statement

STATEMENT = Statement("select 1")


class Opened:
    """A connection. `clean`: it can be made as if it were new."""

    made: list[Opened]

    def __init__(self) -> None:
        self.ended = self.closed = False
        self.clean = True
        self.gate: asyncio.Event | None = None
        self.made.append(self)

    async def run(self, statement: Statement) -> Result:
        if self.gate is not None:
            await self.gate.wait()
        return Result((), [(id(self),)], 0)

    async def cancel(self) -> None:
        assert self.gate is not None
        self.gate.set()

    async def reset(self) -> bool:
        return self.clean

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def made() -> list[Opened]:
    Opened.made = []
    return Opened.made


async def connect() -> Opened:
    return Opened()


def test_it_is_lent_again(made: list[Opened]) -> None:
    """Who comes next with the same key has the same connection; another key, or one that is broken or not clean, has another."""

    async def run() -> None:
        kept = Sessions(asyncio.get_running_loop())
        for _ in range(3):
            await kept.execute("", "ada", connect, STATEMENT)
        assert len(made) == 1
        await kept.execute("", "ada, by another password", connect, STATEMENT)
        assert len(made) == 2
        made[0].ended = True
        await kept.execute("", "ada", connect, STATEMENT)
        assert (len(made), made[0].closed) == (3, True)
        made[2].clean = False
        await kept.execute("", "ada", connect, STATEMENT)
        await kept.execute("", "ada", connect, STATEMENT)
        assert (len(made), made[2].closed) == (4, True)
        await kept.execute("", "eve", connect, Statement("drop database x"))
        assert [one.closed for one in made] == [True] * 4 + [False]
        await kept.close()
        assert all(one.closed for one in made)

    asyncio.run(run())


def test_it_goes(made: list[Opened], monkeypatch: Any) -> None:
    """A connection that nobody wants is closed; one that is old is not lent again."""
    monkeypatch.setattr(sessions, "READY_S", 0.01)

    async def run() -> None:
        kept = Sessions(asyncio.get_running_loop())
        await kept.execute("", "ada", connect, STATEMENT)
        while not made[0].closed:
            await asyncio.sleep(0.005)
        monkeypatch.setattr(sessions, "AGE_S", -1.0)
        await kept.execute("", "ada", connect, STATEMENT)
        assert made[1].closed

    asyncio.run(run())


def test_what_is_stopped(made: list[Opened]) -> None:
    """A session that is ended while a statement runs is stopped, its connection is not lent again, and who waited is refused."""

    async def run() -> None:
        kept = Sessions(asyncio.get_running_loop())
        await kept.execute("s", "ada", connect, STATEMENT)
        made[0].gate = asyncio.Event()
        first = asyncio.create_task(kept.execute("s", "ada", connect, STATEMENT))
        await asyncio.sleep(0)
        second = asyncio.create_task(kept.execute("s", "ada", connect, STATEMENT))
        await asyncio.sleep(0)
        await kept.end("s")
        await first
        with pytest.raises(Refused):
            await second
        assert (len(made), made[0].closed) == (1, True)

    asyncio.run(run())
