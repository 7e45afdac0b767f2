"""MariaDB on its quorum volume: readers, promotion, replay, fencing, and nothing lost that was acknowledged."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator

import pytest

from fogbank.engines import mariadb
from fogbank.engines.fleet.client import everywhere
from fogbank.engines.mariadb import Instance
from fogbank.engines.spec import Failed, Refused, Statement

from .mariadb_stage import Stage, Volume, comes, eventually, rows, staged

COUNT = "SELECT COUNT(*) FROM app.t"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


async def add(writer: Instance, *words: str) -> None:
    for word in words:
        await writer.sql("INSERT INTO app.t (b) VALUES (%(word)s)", {"word": word})


async def words(node: Instance) -> str:
    return "".join(row[0] for row in await rows(node, "SELECT b FROM app.t ORDER BY a"))


def test_reader(stage: Stage) -> None:
    """A reader shows what was committed, goes on where it was after a clean restart, and lets nobody write who is not the house."""

    async def test() -> None:
        writer = await stage.writer("w")
        await writer.prepare("admin", "a-password", "", iam=False)
        reader = await stage.reader("r")
        await add(writer, "a", "b")
        await eventually(reader, COUNT, [(2,)])
        await comes(reader.lag_ms, 0)
        user = await mariadb.connect(reader.socket, "admin", "a-password", "app")
        with pytest.raises(Refused, match="read-only"):
            await user.run(Statement("INSERT INTO t (b) VALUES ('x')"))
        await user.close()
        await reader.stop()
        await add(writer, "c")
        await reader.start({}, upstream=stage.volume.folder)
        await eventually(reader, COUNT, [(3,)])

        async def behind() -> list[int]:
            return [one["behind_bytes"] for one in (await stage.volume.ask("status"))["readers"]]

        await comes(behind, [0])

    stage.run(test)


def test_acknowledged_commits_survive_everything(stage: Stage) -> None:
    """Writer, volume and all nodes are killed while eight clients write, and the data is deleted: no acknowledged commit is lost."""

    async def test() -> None:
        writer = await stage.writer("w")
        acknowledged: list[str] = []
        stop = asyncio.Event()

        async def client(name: int, one: mariadb.Connection) -> None:
            count = 0
            while not stop.is_set():
                count += 1
                word = f"{name}-{count}"
                try:
                    await one.run(Statement("INSERT INTO t (b) VALUES (%(word)s)", {"word": word}))
                except Refused:
                    return
                acknowledged.append(word)

        connections = [await mariadb.connect(writer.socket, database="app") for _ in range(8)]
        clients = [asyncio.create_task(client(name, one)) for name, one in enumerate(connections)]
        while len(acknowledged) <= 50:
            await asyncio.sleep(0.01)
        await stage.volume.kill()
        writer.kill()
        stop.set()
        for number in range(6):
            await stage.fleet.end(number)
        await asyncio.gather(*clients)
        shutil.rmtree(stage.folder / "w")
        for number in (1, 2, 3, 5):  # two are lost for good
            await stage.fleet.revive(number)
        await stage.volume.open()
        again = await stage.reader("again", until=await stage.volume.end())
        await stage.volume.follow(again)
        there = {row[0] for row in await rows(again, "SELECT b FROM app.t")}
        assert set(acknowledged) <= there
        await add(again, "on we go")

    stage.run(test)


def test_promotion(stage: Stage) -> None:
    """A reader is promoted when the writer dies; the other readers, and an image of before, follow it; the old writer may not come back."""

    async def test() -> None:
        writer, reader, other = await stage.writer("w"), await stage.reader("r"), await stage.reader("o")
        await add(writer, "a", "b")
        before = await stage.image("i", await stage.volume.end())
        await add(writer, "c")
        await writer.sql("CREATE EVENT app.e ON SCHEDULE EVERY 1 YEAR DO DELETE FROM app.t")
        assert await reader.promote() == 2
        await stage.volume.follow(reader)
        await add(reader, "d")
        assert await words(reader) == "abcd"
        assert await rows(reader, "SELECT status FROM mysql.event") == [("ENABLED",)]
        await eventually(other, COUNT, [(4,)])
        late = await stage.reader("l", before)
        await eventually(late, COUNT, [(4,)])
        with pytest.raises(Failed, match="timeline 1, the volume is on 2"):
            await stage.volume.ask("follow", socket=str(writer.socket))
        await stage.volume.follow(reader)
        lost = asyncio.create_task(add(writer, "never acknowledged"))
        await asyncio.sleep(0.3)
        assert not lost.done()
        writer.kill()
        with pytest.raises(Refused):
            await lost
        assert await late.promote() == 3
        await stage.volume.follow(late)
        await add(late, "e")
        await eventually(other, COUNT, [(5,)])
        assert await words(other) == "abcde"

    stage.run(test)


def test_writer_that_lacks_something_is_refused(stage: Stage) -> None:
    """Who was promoted from less than what was acknowledged, or belongs to another database, may not write."""

    async def test() -> None:
        writer = await stage.writer("w")
        early = await stage.volume.end()
        await add(writer, "a")
        short = await stage.reader("s", until=early)
        writer.kill()
        with pytest.raises(Failed, match="lacks"):
            await stage.volume.ask("follow", socket=str(short.socket))
        whole = await stage.reader("r", until=await stage.volume.end())
        await whole.sql("UPDATE mysql.rds_timelines SET system = 'another'")
        with pytest.raises(Failed, match="another database"):
            await stage.volume.ask("follow", socket=str(whole.socket))

    stage.run(test)


def test_replay_to_a_position_and_an_instant(stage: Stage) -> None:
    """A fork is taken to a position or an instant: nothing later is there, nothing earlier is missing; the origin goes on."""

    async def test() -> None:
        writer = await stage.writer("w")
        await add(writer, "a", "b")
        await writer.sql("FLUSH BINARY LOGS")
        position = await stage.volume.end()
        await add(writer, "c")
        await asyncio.sleep(0.02)
        instant = time.time_ns() // 1_000_000
        await asyncio.sleep(0.02)
        await add(writer, "d")
        written = time.time()
        kept = stage.folder / "fleet"  # (what became durable when is kept every two seconds, if there is something new)
        while sum(times.stat().st_mtime > written for times in kept.glob("*/volumes/*/kept/times")) < 6:
            await writer.sql("CREATE OR REPLACE TABLE app.beat (n INT)")
            await asyncio.sleep(0.02)
        await add(writer, "e")
        image = await stage.image("i", position)
        end = await stage.volume.end()
        wanted = {"to-position": (position, "ab"), "to-instant": (end._replace(at_ms=instant), "abc"), "to-end": (end, "abcde")}
        for name, (until, expected) in wanted.items():
            fork = await stage.volume.fork(name, image if name == "to-end" else stage.template)
            stage.volumes.append(fork)
            node = await stage.reader(f"n-{name}", image if name == "to-end" else None, upstream=fork, until=until)
            await fork.follow(node)
            assert await words(node) == expected
            await add(node, "!")
        assert await words(writer) == "abcde"
        await add(writer, "f")

    stage.run(test)


def test_instants_are_found_in_the_log(stage: Stage) -> None:
    """Without what is remembered of times, an instant is found by the seconds that events carry."""

    async def test() -> None:
        writer = await stage.writer("w")
        await add(writer, "a")
        end = await stage.volume.end()
        await asyncio.sleep(2.1 - time.time() % 1)
        second = int(time.time()) * 1000 - 1000
        await writer.sql("FLUSH BINARY LOGS")
        await add(writer, "b")
        await stage.volume.kill()
        for number in range(6):
            for kept in (stage.folder / "fleet").glob(f"*{number}/volumes/*/kept/times"):
                kept.unlink()
        await stage.volume.open()
        whole = await stage.volume.end()
        found = await stage.volume.ask("until", timeline=1, position=whole.position, at_ms=second)
        assert (found["timeline"], found["position"]) == (end.timeline, end.position)
        found = await stage.volume.ask("until", timeline=1, position=whole.position, at_ms=second + 60_000)
        assert found["position"] == whole.position

    stage.run(test)


def test_binlog_is_reset(stage: Stage) -> None:
    """After RESET MASTER nothing is acknowledged any more: that writer ends, another one has all that was."""

    async def test() -> None:
        writer, reader = await stage.writer("w"), await stage.reader("r")
        await add(writer, "a")
        await writer.connections()
        await writer.sql("RESET MASTER")
        lost = asyncio.create_task(add(writer, "never acknowledged"))
        await eventually(reader, COUNT, [(1,)])
        process = writer.process
        assert process is not None
        with pytest.raises(Failed, match="reset"):
            await writer.connections()
        await process.ended
        with pytest.raises(Refused):
            await lost

        async def attached() -> bool:
            return bool((await stage.volume.ask("status"))["attached"])

        await comes(attached, False)
        assert await reader.promote() == 2
        await stage.volume.follow(reader)
        await add(reader, "b")
        assert await words(reader) == "ab"

    stage.run(test)


def test_annotations(stage: Stage) -> None:
    """What a session has logged beyond its rows is in the volume's log too: places stay the server's own."""

    async def test() -> None:
        writer = await stage.writer("w")
        await writer.sql("SET GLOBAL binlog_annotate_row_events = 1")
        one = await mariadb.connect(writer.socket, database="app")
        for _ in range(3):
            await one.run(Statement("INSERT INTO t (b) VALUES ('a')"))
        await one.close()
        status, (place,) = await stage.volume.ask("status"), await rows(writer, "SHOW MASTER STATUS")
        assert status["offset"] == place[1]
        late = await stage.reader("l", until=await stage.volume.end())
        assert await words(late) == "aaa"

    stage.run(test)


def test_log_that_begins_at_an_image(stage: Stage) -> None:
    """A volume whose log begins anew after an image feeds readers that are made from it."""

    async def test() -> None:
        writer = await stage.writer("w")
        await add(writer, "a")
        image = await stage.image("i", await stage.volume.end())
        fresh = Volume("fresh", stage.folder / "fresh", stage.fleet)
        stage.volumes.append(fresh)
        await fresh.open(image)
        node = await stage.reader("n", image, upstream=fresh, until=await fresh.end())
        await fresh.follow(node)
        await add(node, "b")
        late = await stage.reader("l", image, upstream=fresh)
        await eventually(late, COUNT, [(2,)])
        await comes(late.lag_ms, 0)

    stage.run(test)


def test_nodes_die(stage: Stage) -> None:
    """With two nodes dead commits go on; with three they wait, and are acknowledged when one is back; nothing is lost by that."""

    async def test() -> None:
        writer = await stage.writer("w")
        await stage.fleet.end(0)
        await stage.fleet.end(1)
        await add(writer, "a", "b")
        await stage.fleet.end(2)
        waiting = asyncio.create_task(add(writer, "c"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await stage.fleet.revive(0)
        await asyncio.wait_for(waiting, 60)
        reader = await stage.reader("r")
        await eventually(reader, COUNT, [(3,)])

    stage.run(test)


def test_volume_dies(stage: Stage) -> None:
    """Commits wait while the volume's process is gone, and its readers and writer find the next one."""

    async def test() -> None:
        writer, reader = await stage.writer("w"), await stage.reader("r")
        await add(writer, "a")
        await eventually(reader, COUNT, [(1,)])
        await stage.volume.kill()
        waiting = asyncio.create_task(add(writer, "b"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        (stage.volume.folder / "port").unlink()  # (it will be another one)
        await stage.volume.open()
        await stage.volume.ask("follow", socket=str(writer.socket))
        await asyncio.wait_for(waiting, 60)

        async def shown() -> str:
            await reader.lag_ms()  # (it connects anew)
            return await words(reader)

        await comes(shown, "ab")

    stage.run(test)


def test_large_rows(stage: Stage) -> None:
    """A row that is larger than a packet, and than what the volume keeps in memory, comes whole to readers and images."""

    async def test() -> None:
        writer, reader = await stage.writer("w"), await stage.reader("r")
        await writer.sql("INSERT INTO app.t (b, c) VALUES ('small', REPEAT('x', 300000))")
        await writer.sql("INSERT INTO app.t (b, c) VALUES ('large', REPEAT('0123456789abcdef', 2300000))")
        want = await rows(writer, "SELECT a, LENGTH(c), MD5(c) FROM app.t")
        await eventually(reader, "SELECT a, LENGTH(c), MD5(c) FROM app.t", want)

    stage.run(test)


def test_forgotten_log(stage: Stage) -> None:
    """When the log before an image is forgotten, the volume and its nodes come back from what is left, in the middle of a file."""

    async def test() -> None:
        writer = await stage.writer("w")
        for _ in range(3):
            await writer.sql("INSERT INTO app.t (b, c) VALUES ('x', REPEAT('y', 900000))")
        end = await stage.volume.end()
        image = await stage.image("i", end)
        assert (image.timeline, image.position) == (end.timeline, end.position)
        await everywhere(stage.fleet.folder, "v", lambda node: node.forget(*mariadb.begins(image)))
        await add(writer, "a")
        await stage.volume.kill()
        await stage.volume.open()
        await stage.volume.follow(writer)
        await add(writer, "b")
        late = await stage.reader("l", image)
        await eventually(late, COUNT, [(5,)])
        writer.kill()
        assert await late.promote() == 2
        await stage.volume.follow(late)
        await add(late, "c")
        assert await words(late) == "xxxabc"

    stage.run(test)
