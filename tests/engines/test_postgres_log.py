"""PostgreSQL nodes that are fed with a log: readers, promotion, recovery to a position or an instant, images brought forward."""

from __future__ import annotations

import asyncio
import time

import pytest

from fogbank.engines import postgres
from fogbank.engines.postgres import settings
from fogbank.engines.postgres.control import control, written
from fogbank.engines.postgres.images import Image
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.spec import Failed, Refused, Statement

from .postgres_stage import Stage, caught_up, position, rows


async def count(node: Instance) -> int:
    return int((await node.sql("select count(*) from t")).rows[0][0])


async def filled(stage: Stage, name: str = "writer", **settings: str) -> Instance:
    writer = await stage.node(name, **settings)
    await rows(writer, "create table t (n int, at timestamptz default clock_timestamp())")
    return writer


async def add(writer: Instance, many: int = 10) -> None:
    await rows(writer, f"insert into t select generate_series(1, {many})")


def test_a_reader_follows_and_is_promoted(stage: Stage) -> None:
    """A reader shows what was written, refuses to write, knows its lag, and writes on a new timeline when it is promoted."""

    async def test() -> None:
        writer = await filled(stage)
        reader = await stage.reader("reader", writer)
        await add(writer)
        await caught_up(reader, writer)
        assert await count(reader) == 10

        async def has_all() -> bool | None:
            return True if await reader.lag_ms() == 0.0 else None

        await reader.until(has_all, 60, "did not say that it has all")
        with pytest.raises(Refused, match="read-only"):
            await add(reader)
        writer.kill()
        assert await reader.promote() == 2
        await rows(reader, "set synchronous_commit = local; insert into t values (1)")
        assert await count(reader) == 11
        await reader.stop()
        await reader.start({})
        assert await count(reader) == 11
        assert control(reader.data).timeline == 2

    stage.run(test)


def test_an_old_image_follows_over_timelines(stage: Stage) -> None:
    """A node from an image of before a promotion repeats both timelines, as a reader and as a writer to be."""

    async def test() -> None:
        first = await filled(stage)
        await add(first)
        second = await stage.reader("second", first)
        await caught_up(second, first)
        first.kill()
        await second.promote()
        await rows(second, "set synchronous_commit = local; insert into t values (1)")
        reader = await stage.reader("reader", second)
        await caught_up(reader, second)
        assert await count(reader) == 11
        until = await position(second)
        third = await stage.reader("third", second, until=until)
        assert await count(third) == 11
        assert (until.timeline, (await position(third)).timeline) == (2, 3)

    stage.run(test)


def test_commits_wait_for_the_volume(stage: Stage) -> None:
    """Once the volume is attached a commit comes back only when it has it; a reader that was promoted waits from the beginning."""

    async def test() -> None:
        writer = await filled(stage)
        await writer.attach()
        connection = await postgres.connect(writer.socket)
        waiting = asyncio.ensure_future(connection.run(Statement("insert into t values (1)")))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        volume = await stage.idle("volume")
        await volume.start({}, upstream=writer.socket)
        assert (await waiting).changed == 1
        reader = await stage.reader("reader", writer)
        await reader.promote()
        assert await rows(reader, "show synchronous_standby_names") == [("volume",)]

    stage.run(test)


def test_a_reader_has_at_least_what_the_writer_had(stage: Stage) -> None:
    """A reader that is told fewer connections than the writer's log needs gets as many."""

    async def test() -> None:
        writer = await filled(stage, max_connections="150")
        image = await postgres.backup(writer, stage.folder / "image")
        reader = await stage.reader("reader", writer, image, max_connections="20")
        assert await rows(reader, "show max_connections") == [("150",)]

    stage.run(test)


def test_a_log_that_asks_for_more(stage: Stage) -> None:
    """Where the writer got more connections, a reader ends, and has as many when it is started again; recoveries see to it themselves."""

    async def test() -> None:
        writer = await filled(stage)
        reader = await stage.reader("reader", writer)
        await caught_up(reader, writer)
        await writer.stop()
        await writer.start({"max_connections": "150"})
        await add(writer)

        async def ended() -> bool | None:
            try:
                await reader.lag_ms()
            except Failed:
                return True
            return None

        await reader.until(ended, 60, "went on")
        assert reader.process is not None
        await reader.process.ended
        await reader.start({}, upstream=writer.socket)
        await caught_up(reader, writer)
        assert (await count(reader), await rows(reader, "show max_connections")) == (10, [("150",)])
        until = await position(writer)
        made = await stage.reader("made", writer, until=until)
        assert await count(made) == 10
        image = await postgres.image(
            stage.template, writer.socket, until, stage.folder / "image", stage.binaries, asyncio.get_running_loop()
        )
        assert image.position >= until.position - 8192

    stage.run(test)


def test_recovery_to_a_position(stage: Stage) -> None:
    """A new writer repeats the log to its end, also when that is in the middle of a record, and goes on by itself."""

    async def test() -> None:
        writer = await filled(stage)
        await add(writer)
        end = await position(writer)
        made = await stage.reader("made", writer, until=end)
        assert await count(made) == 10
        assert not await made.one("select pg_is_in_recovery()")
        assert "primary_conninfo" not in (made.data / "postgresql.conf").read_text()

    stage.run(test)


def test_recovery_to_an_instant(stage: Stage) -> None:
    """No commit after the instant is there, and none before it is missing; an instant after the last commit is the log's end."""

    async def test() -> None:
        writer = await filled(stage)
        await add(writer)
        await asyncio.sleep(0.02)
        at_ms = int(time.time() * 1000)
        await asyncio.sleep(0.02)
        await add(writer)
        end = await position(writer)
        past = await stage.reader("past", writer, until=end._replace(at_ms=at_ms))
        assert await count(past) == 10
        now = await stage.reader("now", writer, until=end._replace(at_ms=int(time.time() * 1000)))
        assert await count(now) == 20
        await rows(now, "set synchronous_commit = local; insert into t values (1)")

    stage.run(test)


def test_an_image_is_brought_forward(stage: Stage) -> None:
    """Coalescing gives an image of a position: nothing later is in it, and a node from it needs the log from `begins` on only."""

    async def test() -> None:
        writer = await filled(stage)
        await add(writer, 1000)
        await rows(writer, "checkpoint")
        await add(writer, 1000)
        until = await position(writer)
        await add(writer, 500)
        image = await postgres.image(
            stage.template, writer.socket, until, stage.folder / "made", stage.binaries, asyncio.get_running_loop()
        )
        assert image.position <= until.position
        assert postgres.begins(image) <= (image.timeline, image.position)
        assert image == Image.of(image.folder)
        other = await stage.reader("other", writer, image, until=until)
        assert await count(other) >= 2000
        exact = await stage.idle("exact", image)
        target = {"recovery_target_lsn": written(image.position), "recovery_target_inclusive": "off", "recovery_target_action": "pause"}
        await exact.launch({}, {**settings.reader(writer.socket, "exact"), **target})
        assert await count(exact) == 2000

    stage.run(test)


def test_a_backup_of_a_running_writer(stage: Stage) -> None:
    """An image that is taken while it is written to is whole: a reader from it has all rows, and its indexes are sound."""

    async def test() -> None:
        writer = await filled(stage)
        await rows(writer, "create extension amcheck; create table k (n int primary key, pad text)")
        stopped = False

        async def write() -> int:
            made = 0
            while not stopped:
                await rows(writer, f"insert into k select g, repeat('x', 200) from generate_series({made + 1}, {made + 500}) g")
                made += 500
            return made

        writing = asyncio.ensure_future(write())
        await asyncio.sleep(0.1)
        image = await postgres.backup(writer, stage.folder / "image")
        stopped = True
        made = await writing
        reader = await stage.reader("reader", writer, image)
        await caught_up(reader, writer)
        assert await rows(reader, "select count(*) from k") == [(made,)]
        assert await rows(reader, "select bt_index_check('k_pkey', true)") == [("",)]

    stage.run(test)


def test_a_clean_stop_is_an_image(stage: Stage) -> None:
    """What a clean stop leaves can be copied, and starts as a writer without any log; the copy shares nothing with it."""

    async def test() -> None:
        writer = await filled(stage)
        await add(writer)
        with pytest.raises(Failed, match="no image"):
            Image.of(writer.data)
        await writer.stop()
        image = Image.of(writer.data)
        copied = await stage.node("copied", image)
        assert await count(copied) == 10
        await add(copied)
        await writer.start({})
        assert await count(writer) == 10

    stage.run(test)


def test_the_control_file_is_read_right(stage: Stage) -> None:
    """What is read of the control file is what PostgreSQL says of it."""

    async def test() -> None:
        writer = await filled(stage, max_connections="77")
        seen = control(writer.data)
        asked = "select system_identifier::text, checkpoint_lsn - '0/0', redo_lsn - '0/0', timeline_id"
        asked += " from pg_control_system(), pg_control_checkpoint()"
        assert await rows(writer, asked) == [(seen.system, seen.checkpoint, seen.redo, seen.timeline)]
        assert (seen.state, seen.limits["max_connections"], seen.limits["max_wal_senders"]) == ("in production", 77, 10)

    stage.run(test)
