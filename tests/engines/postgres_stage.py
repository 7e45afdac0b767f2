"""What the tests of PostgreSQL's nodes share: instances below a short folder, ended with the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fogbank.engines import postgres, processes
from fogbank.engines.kinds import Until
from fogbank.engines.postgres.images import Image
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.postgres.programs import Binaries


class Stage:
    """A folder, a template, and the instances of one test."""

    def __init__(self, folder: Path, binaries: Binaries, template: Image) -> None:
        self.folder = folder
        self.binaries = binaries
        self.template = template
        self.instances: list[Instance] = []

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Runs a test's coroutine, and ends what it started."""

        async def whole() -> None:
            try:
                await asyncio.wait_for(test(), 300)
            finally:
                for instance in self.instances:
                    process = instance.process
                    instance.kill()
                    if process is not None:
                        await process.ended

        asyncio.run(whole())

    async def node(self, name: str, image: Image | None = None, **settings: str) -> Instance:
        """A writer from an image, the template's at first."""
        instance = await self.idle(name, image)
        await instance.start(settings)
        return instance

    async def reader(
        self, name: str, upstream: Instance, image: Image | None = None, *, until: Until | None = None, **settings: str
    ) -> Instance:
        """A reader that is fed by another instance, as it would be by a volume."""
        instance = await self.idle(name, image)
        await instance.start(settings, upstream=upstream.socket, until=until)
        return instance

    async def idle(self, name: str, image: Image | None = None) -> Instance:
        """A node that has its data, and does not run."""
        folder = self.folder / name
        folder.mkdir()
        processes.give(folder)
        await postgres.copy((image or self.template).folder, folder / "data")
        instance = Instance(folder, self.binaries, asyncio.get_running_loop())
        self.instances.append(instance)
        return instance


async def rows(instance: Instance, statement: str, database: str = "") -> list[tuple[Any, ...]]:
    """What a statement gives."""
    return (await instance.sql(statement, database=database)).rows


async def position(writer: Instance) -> Until:
    """Where the writer's log ends."""
    await rows(writer, "select pg_log_standby_snapshot()")
    segment, end = (await rows(writer, "select pg_walfile_name(pg_current_wal_lsn()), pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))[0]
    return Until(int(segment[:8], 16), int(end))


async def caught_up(reader: Instance, writer: Instance) -> None:
    """Waits until a reader has repeated all that its writer has written."""
    end = await writer.one("select pg_current_wal_lsn()::text")

    async def there() -> bool | None:
        return await reader.one("select true where pg_last_wal_replay_lsn() >= %s::pg_lsn", end)  # type: ignore[no-any-return]

    await reader.until(there, 60, "did not catch up")
