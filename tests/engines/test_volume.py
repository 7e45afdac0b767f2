"""The quorum volume with real PostgreSQL and real storage nodes: what was acknowledged stays, in order, whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fogbank.engines import processes
from fogbank.engines.control import Control
from fogbank.engines.fleet.fleet import Fleet
from fogbank.engines.kinds import Until
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.spec import Failed, Refused

from .postgres_stage import Stage

_SEGMENT = 16 << 20
_PATIENCE_S = 60.0


class Volume:
    """A volume's process."""

    def __init__(self, folder: Path, fleet: Fleet, name: str = "v") -> None:
        self.folder = folder
        self.fleet = fleet
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.process: processes.Process | None = None
        self.control: Control | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.folder.mkdir(mode=0o711, exist_ok=True)
        (self.folder / "control").unlink(missing_ok=True)
        (self.folder / "settings.json").write_text(json.dumps({"volume": self.name, "fleet": str(self.fleet.folder)}))
        command = processes.python("fogbank.engines.volume", self.folder)
        self.process = process = processes.spawn(command, loop, log=self.folder / "process.log", drop=False)
        self.control = Control(self.folder / "control", self.events.append)
        await self.control.connect(lambda: process.alive)

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        assert self.control is not None
        return await self.control.ask(do, **what)

    async def follow(self, writer: Instance) -> None:
        await self.ask("follow", socket=str(writer.socket), port=5432)
        await writer.attach()

    async def kill(self) -> None:
        assert self.process is not None
        assert self.control is not None
        await self.process.end(signal.SIGKILL)
        self.control.close()

    async def until(self, look: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_S
        while True:
            status = await self.ask("status")
            if look(status):
                return status
            assert time.monotonic() < end, status
            await asyncio.sleep(0.005)


class Clients:
    """Some who insert numbered rows, one after the other, and remember what was acknowledged."""

    def __init__(self, count: int = 4) -> None:
        self.acknowledged: set[tuple[int, int]] = set()
        self.socket: Path | None = None
        self._tasks = [asyncio.create_task(self._run(number)) for number in range(count)]
        self._stop = False

    async def _run(self, client: int) -> None:
        number = 0
        while not self._stop:
            try:
                await self._session(client, number)
            except psycopg.Error:
                number += 1000
                await asyncio.sleep(0.005)

    async def _session(self, client: int, number: int) -> None:
        while self.socket is None:
            await asyncio.sleep(0.002)
        where = self.socket
        async with await psycopg.AsyncConnection.connect(host=str(where), user="rdsadmin", dbname="postgres", autocommit=True) as link:
            warned: list[str] = []
            link.add_notice_handler(lambda notice: warned.append(str(notice.message_primary)))
            number = max([number, *(row for who, row in self.acknowledged if who == client)])
            while not self._stop and self.socket == where:
                number += 1
                await link.execute("insert into t values (%s, %s)", (client, number))
                if warned:
                    raise psycopg.OperationalError(warned[0])
                self.acknowledged.add((client, number))

    async def some(self, more: int = 50) -> None:
        """Waits until so many more are acknowledged."""
        end, target = time.monotonic() + _PATIENCE_S, len(self.acknowledged) + more
        while len(self.acknowledged) < target:
            assert time.monotonic() < end, "commits do not go on"
            await asyncio.sleep(0.002)

    async def stalled(self, seconds: float = 0.2) -> bool:
        """Whether there comes a while in which nothing is acknowledged: what was durable before may be told yet."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            before = len(self.acknowledged)
            await asyncio.sleep(seconds)
            if len(self.acknowledged) == before:
                return True
        return False

    async def end(self) -> None:
        self._stop = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Cluster:
    """A fleet, a volume that has begun, and a writer on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.fleet = Fleet(stage.folder / "fleet", asyncio.get_running_loop(), keep_dead=True)
        self.volume = Volume(stage.folder / "v", self.fleet)
        self.volumes = [self.volume]

    async def start(self) -> Instance:
        await self.fleet.start()
        await self.volume.start()
        template = self.stage.template
        begin = template.position - template.position % _SEGMENT
        await self.volume.ask("begin", timeline=template.timeline, position=begin, system=template.system)
        writer = await self.stage.node("w")
        await self.volume.follow(writer)
        await writer.sql("create table t (client int, number int, primary key (client, number))")
        return writer

    async def reader(self, name: str, volume: Volume | None = None, until: Until | None = None) -> Instance:
        instance = await self.stage.idle(name)
        await instance.start({}, upstream=(volume or self.volume).folder, until=until)
        return instance

    async def rebuilt(self, name: str, volume: Volume | None = None) -> Instance:
        """A new writer from the image and the volume, as after everything was lost."""
        volume = volume or self.volume
        status = await volume.ask("status")
        writer = await self.reader(name, volume, Until(status["timeline"], status["durable"]))
        await volume.follow(writer)
        return writer


async def held(instance: Instance) -> set[tuple[int, int]]:
    return {(int(client), int(number)) for client, number in (await instance.sql("select client, number from t")).rows}


async def caught_up(reader: Instance, rows: set[tuple[int, int]]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        with contextlib.suppress(Refused):  # (it may not have repeated the table's making yet)
            if rows <= await held(reader):
                return
        assert time.monotonic() < end, "the reader does not catch up"
        await asyncio.sleep(0.005)


def run(stage: Stage, test: Callable[[Cluster, Clients], Awaitable[None]]) -> None:
    """Runs a test's coroutine with a cluster and clients on its writer."""

    async def whole() -> None:
        cluster = Cluster(stage)
        clients = Clients()
        try:
            writer = await cluster.start()
            clients.socket = writer.socket
            await clients.some()
            await test(cluster, clients)
        finally:
            await clients.end()
            for volume in cluster.volumes:
                if volume.process is not None:
                    await volume.process.end()
            await cluster.fleet.stop()

    stage.run(whole)


def test_everything_dies(stage: Stage) -> None:
    """The volume, a zone, then everything at once is killed and the writer's disk deleted: all that was acknowledged is there again."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume, writer = cluster.fleet, cluster.volume, cluster.stage.instances[0]
        await volume.kill()
        assert await clients.stalled(0.05)
        await volume.start()
        await volume.ask("follow", socket=str(writer.socket), port=5432)
        await clients.some()
        for number in fleet.zone("b"):
            fleet.kill(number)
        await clients.some()
        writer.kill()
        await asyncio.gather(volume.kill(), *(fleet.end(number) for number in range(6)))
        clients.socket = None
        shutil.rmtree(writer.data)
        acknowledged = set(clients.acknowledged)
        await asyncio.gather(volume.start(), *(fleet.revive(number) for number in (0, 2, 3, 5)))
        again = await cluster.rebuilt("again")
        assert acknowledged <= await held(again)
        clients.socket = again.socket
        await clients.some()
        assert (await volume.ask("status"))["timeline"] == 2

    run(stage, test)


def test_zones(stage: Stage) -> None:
    """Without a zone commits go on. Without another node they wait, readers still read, and they go on when it is back."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume = cluster.fleet, cluster.volume
        for number in fleet.zone("a"):
            await fleet.end(number)
        await clients.some()
        await fleet.end(4)
        assert await clients.stalled()
        status = await volume.until(lambda status: not status["writable"])
        assert status["readable"]
        acknowledged = set(clients.acknowledged)
        reader = await cluster.reader("r")
        await caught_up(reader, acknowledged)
        await fleet.revive(4)
        await clients.some()
        await fleet.revive(0)
        await fleet.revive(1)
        await volume.until(lambda status: all(node["up"] and node["behind_bytes"] < 1 << 20 for node in status["nodes"]))
        await clients.some()

    run(stage, test)


def test_read_only_start(stage: Stage) -> None:
    """A volume that starts with three nodes serves readers, and writers once there is a fourth."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume, writer = cluster.fleet, cluster.volume, cluster.stage.instances[0]
        acknowledged = set(clients.acknowledged)
        await volume.kill()
        for number in (1, 3, 5):
            await fleet.end(number)
        await volume.start()
        assert (await volume.ask("status"))["writable"] is False
        reader = await cluster.reader("r")
        await caught_up(reader, acknowledged)
        following = asyncio.create_task(volume.ask("follow", socket=str(writer.socket), port=5432))
        assert await clients.stalled()
        await fleet.revive(3)
        await following
        await clients.some()
        await caught_up(reader, set(clients.acknowledged))

    run(stage, test)


def test_order(stage: Stage) -> None:
    """With nodes that take their time, each in its own way, a client sees its rows in the order in which it wrote them, and loses none."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume = cluster.fleet, cluster.volume
        for number, slow in enumerate((0, 12, 3, 20, 0, 7)):
            await fleet.fault(number, slow=slow)
        await clients.some(100)
        status = await volume.ask("status")
        ends = sorted(node["acknowledged"] for node in status["nodes"])
        assert status["durable"] <= ends[2]
        assert status["durable"] <= status["sent"]
        await volume.kill()
        acknowledged = set(clients.acknowledged)
        cluster.stage.instances[0].kill()
        clients.socket = None
        await fleet.end(0)
        await fleet.end(4)
        await volume.start()
        again = await cluster.rebuilt("again")
        rows = await held(again)
        assert acknowledged <= rows
        for client in range(4):
            numbers = sorted(number for who, number in rows if who == client)
            assert numbers == list(range(1, len(numbers) + 1))

    run(stage, test)


def test_paused_nodes(stage: Stage) -> None:
    """Two nodes that are stopped do not hold up commits, however much is written; when they go on they have it all after a moment."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume, writer = cluster.fleet, cluster.volume, cluster.stage.instances[0]
        fleet.pause(0)
        fleet.pause(3)
        await clients.some()
        await writer.sql("create table big as select n, repeat('x', 500) from generate_series(1, 60000) n")
        await clients.some()
        status = await volume.ask("status")
        assert status["nodes"][0]["behind_bytes"] > 20 << 20
        fleet.resume(0)
        fleet.resume(3)
        await volume.until(lambda status: all(node["up"] and node["behind_bytes"] < 1 << 20 for node in status["nodes"]))

    run(stage, test)


def test_failover(stage: Stage) -> None:
    """A reader on the volume is promoted when the writer dies: nothing is lost, another reader follows, and the old writer is refused."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        volume, old = cluster.volume, cluster.stage.instances[0]
        heir, reader = await cluster.reader("heir"), await cluster.reader("r")
        await clients.some()
        status = await volume.until(lambda status: len(status["readers"]) == 2)
        assert {reader["name"] for reader in status["readers"]} == {"heir", "r"}
        old.kill()
        clients.socket = None
        acknowledged = set(clients.acknowledged)
        durable = (await volume.ask("seal"))["durable"]
        await heir.reach(1, durable)
        assert await heir.promote() == 2
        await volume.follow(heir)
        clients.socket = heir.socket
        await clients.some()
        assert acknowledged <= await held(heir)
        await caught_up(reader, set(clients.acknowledged))
        await old.start({})
        with pytest.raises(Failed, match="timeline 1, the volume is on 2"):
            await volume.ask("follow", socket=str(old.socket), port=5432)
        await volume.ask("follow", socket=str(heir.socket), port=5432)
        await clients.some()
        late = await cluster.reader("late")  # from the first image, over both timelines
        await caught_up(late, set(clients.acknowledged))

    run(stage, test)


def test_reach(stage: Stage) -> None:
    """A reader has reached a position when it shows what came before, not when that was sent to it."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        reader = await cluster.reader("r")
        await caught_up(reader, set(clients.acknowledged))
        await reader.sql("select pg_wal_replay_pause()")
        await reader.until(lambda: _true(reader, "select pg_get_wal_replay_pause_state() = 'paused'"), _PATIENCE_S, "did not pause")
        writer = cluster.stage.instances[0]
        await writer.sql("insert into t values (88, 88)")
        durable = (await cluster.volume.ask("status"))["durable"]
        await reader.until(
            lambda: _true(reader, f"select pg_last_wal_receive_lsn() - '0/0'::pg_lsn >= {durable}"), _PATIENCE_S, "was not sent it"
        )
        resumed = asyncio.create_task(reader.sql("select pg_sleep(0.1), pg_wal_replay_resume()"))
        await reader.reach(1, durable)
        assert (88, 88) in await held(reader)
        await resumed

    run(stage, test)


async def _true(instance: Instance, question: str) -> bool | None:
    return True if await instance.one(question) else None


def test_stale_heir(stage: Stage) -> None:
    """A reader that was promoted without what was acknowledged is refused, and a database of another origin."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        volume = cluster.volume
        stale = await cluster.reader("stale")
        status = await volume.ask("status")
        await volume.ask("limit", timeline=1, position=status["durable"])
        await clients.some()
        await clients.end()
        assert await stale.promote() == 2
        with pytest.raises(Failed, match=r"lacks .* bytes of what was acknowledged"):
            await volume.ask("follow", socket=str(stale.socket), port=5432)

    run(stage, test)


def test_fork(stage: Stage) -> None:
    """A fork of the volume at an earlier position has what was written before it and not what came after; both go on by themselves."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        from fogbank.engines.fleet.client import everywhere

        volume, template = cluster.volume, cluster.stage.template
        before = set(clients.acknowledged)
        status = await volume.ask("status")
        await clients.some()
        begin = template.position - template.position % _SEGMENT
        spans = [(1, begin, status["durable"])]
        await everywhere(cluster.fleet.folder, "v", lambda node: node.fork("fork", spans))
        fork = Volume(cluster.stage.folder / "f", cluster.fleet, "fork")
        cluster.volumes.append(fork)
        await fork.start()
        writer = await cluster.rebuilt("forked", fork)
        rows = await held(writer)
        assert before <= rows
        assert len(rows) < len(clients.acknowledged)
        await writer.sql("insert into t values (99, 99)")
        await clients.some()
        assert (99, 99) not in await held(cluster.stage.instances[0])
        assert (await fork.ask("status"))["system"] == template.system

    run(stage, test)


def test_readers_queries(stage: Stage) -> None:
    """What a reader's long query needs is told to the writer, which does not clean it up."""

    async def test(cluster: Cluster, clients: Clients) -> None:
        writer = cluster.stage.instances[0]
        reader = await cluster.stage.idle("r")
        settings = {"hot_standby_feedback": "on", "wal_receiver_status_interval": "1"}
        await reader.start(settings, upstream=cluster.volume.folder)
        await caught_up(reader, set(clients.acknowledged))
        async with await psycopg.AsyncConnection.connect(host=str(reader.socket), user="rdsadmin", dbname="postgres") as link:
            await link.execute("set transaction isolation level repeatable read")
            await link.execute("select count(*) from t")
            end = time.monotonic() + _PATIENCE_S
            while await writer.one("select backend_xmin::text from pg_stat_replication") is None:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)

    run(stage, test)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_chaos(stage: Stage, seed: int) -> None:
    """Nodes are killed and paused, the volume and the writer are killed, at random: nothing that was acknowledged is lost."""
    chance = random.Random(seed)

    async def test(cluster: Cluster, clients: Clients) -> None:
        fleet, volume, writer = cluster.fleet, cluster.volume, cluster.stage.instances[0]
        down: set[int] = set()
        paused: set[int] = set()
        for step in range(12):
            deed = chance.choice(("kill", "pause", "mend", "volume", "writer"))
            number = chance.randrange(6)
            if deed == "kill" and number not in paused and len(down | paused) < 3:
                await fleet.end(number)
                down.add(number)
            elif deed == "pause" and number not in down and len(down | paused) < 3:
                fleet.pause(number)
                paused.add(number)
            elif deed == "volume":
                await volume.kill()
            elif deed == "writer":
                writer.kill()
                clients.socket = None
            await asyncio.sleep(chance.uniform(0, 0.1))
            if deed in ("mend", "volume", "writer"):
                await asyncio.gather(*(fleet.revive(one) for one in down))
                for one in paused:
                    fleet.resume(one)
                down.clear()
                paused.clear()
            if deed == "volume":
                await volume.start()
                await volume.ask("follow", socket=str(writer.socket), port=5432)
            if deed == "writer":
                acknowledged = set(clients.acknowledged)
                writer = await cluster.rebuilt(f"w{step}")
                assert acknowledged <= await held(writer)
                clients.socket = writer.socket
            if len(down | paused) < 3:
                await clients.some(20)
        await clients.end()
        assert clients.acknowledged <= await held(writer)

    run(stage, test)
