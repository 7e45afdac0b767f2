"""The storage fleet: six real processes, written to as a volume does, and harmed."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fogbank.engines.fleet.client import Connection, Refused, State, everywhere
from fogbank.engines.fleet.fleet import Fleet
from fogbank.engines.fleet.frames import WRITE_QUORUM
from fogbank.engines.spec import Failed

KIB = 1024
SMALL = {"segment_bytes": 256 * KIB, "group_bytes": 1024 * KIB}
_PATIENCE_S = 60.0


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Waits for a condition; gives what it gave."""
    end = time.monotonic() + _PATIENCE_S
    while not (found := await condition()):
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.01)
    return found


async def status(fleet: Fleet) -> dict[int, dict[str, Any]]:
    """What all six nodes say of themselves: one that is late is waited for."""

    async def all_of_them() -> dict[int, dict[str, Any]]:
        found = await fleet.status()
        return found if len(found) == 6 else {}

    said: dict[int, dict[str, Any]] = await until(all_of_them)
    return said


class Stage:
    """A fleet, and a writer of one volume."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.log = bytearray()
        self.start = 1000
        self.volume = "v"
        self.writers: dict[int, Connection] = {}
        self.acks: dict[int, int] = {}
        self.refusals: list[tuple[int, str]] = []

    async def connect(self, number: int, epoch: int = 1, volume: str = "v") -> State:
        """Opens the volume on a node to write."""
        writer = await Connection.to(self.fleet.folder, number)
        writer.acknowledged = lambda timeline, position: self.acks.__setitem__(number, position)
        writer.refused = lambda timeline, position, why: self.refusals.append((number, why))
        state = await writer.open(volume, epoch, create=True)
        self.writers[number] = writer
        return state

    async def open(self, numbers: tuple[int, ...] = tuple(range(6)), epoch: int = 1) -> None:
        for number in numbers:
            await self.connect(number, epoch)
            await self.writers[number].begin(1, self.start)

    def write(self, length: int, to: tuple[int, ...] | None = None) -> int:
        """Adds so much to the log and sends it; gives its end."""
        position = self.start + len(self.log)
        content = os.urandom(length)
        self.log += content
        for number, writer in self.writers.items():
            if to is None or number in to:
                try:
                    writer.write(1, position, content)
                except ConnectionError:
                    pass
        return position + length

    def durable(self) -> int:
        return sorted([*self.acks.values(), *[0] * 6], reverse=True)[WRITE_QUORUM - 1]

    async def acknowledged(self, end: int, numbers: tuple[int, ...] = ()) -> None:
        """Waits until those, or a quorum, have acknowledged so much."""

        async def reached() -> bool:
            return all(self.acks.get(number, 0) >= end for number in numbers) if numbers else self.durable() >= end

        await until(reached)

    async def reader(self, number: int, volume: str = "v") -> Connection:
        made = await Connection.to(self.fleet.folder, number)
        await made.open(volume)
        return made

    async def content(self, number: int, volume: str = "v", start: int = 0, end: int = 0) -> bytes:
        """All that a node has of the log, from its start."""
        reader = await self.reader(number, volume)
        got = b""
        at = start or self.start
        while piece := await reader.read(1, at + len(got), (end or 1 << 40) - at - len(got)):
            got += piece
        reader.close()
        return got

    async def caught_up(self, number: int, volume: str = "v") -> None:
        """Waits until a node has all of the log."""

        async def has() -> bool:
            try:
                reader = await self.reader(number, volume)
            except (ConnectionError, Refused):
                return False
            state = await reader.state()
            reader.close()
            return state.acknowledged == (1, self.start + len(self.log))

        await until(has)
        assert await self.content(number, volume) == self.log


Play = Callable[[Stage], Awaitable[None]]


def staged(**settings: Any) -> Callable[[Play], Callable[[Path], None]]:
    """A test with a fleet of its own."""

    def make(play: Play) -> Callable[[Path], None]:
        def test(tmp_path: Path) -> None:
            async def run() -> None:
                keep_dead = settings.pop("keep_dead", False)
                fleet = Fleet(tmp_path / "fleet", asyncio.get_running_loop(), settings={**SMALL, **settings}, keep_dead=keep_dead)
                await fleet.start()
                try:
                    await play(Stage(fleet))
                finally:
                    await fleet.stop()
                assert not [log.read_text() for log in fleet.folder.glob("*/log") if log.stat().st_size]

            asyncio.run(run())

        test.__name__, test.__doc__ = play.__name__, play.__doc__
        return test

    return make


# What a node does in front


@staged()
async def test_commit(stage: Stage) -> None:
    """What is written is acknowledged by six nodes, in two of each zone, and read back; the volume grows by groups."""
    await stage.open()
    for _ in range(400):
        stage.write(5000)
    end = stage.write(1)
    await stage.acknowledged(end, tuple(range(6)))
    for number in range(6):
        assert await stage.content(number) == stage.log
    said = await status(stage.fleet)
    assert [said[number]["zone"] for number in range(6)] == ["a", "a", "b", "b", "c", "c"]
    assert stage.fleet.zone("b") == (2, 3)
    volume = said[0]["volumes"]["v"]
    assert (volume["bytes"], volume["groups"], volume["acknowledged"]) == (2_000_001, 2, [1, end])
    assert said[0]["counts"]["batches"] < 401


@staged()
async def test_out_of_order(stage: Stage) -> None:
    """What comes before a gap is acknowledged, what comes after it is kept, and acknowledged once the gap is filled."""
    await stage.connect(0)
    await stage.fleet.fault(0, partition=True)
    await stage.fleet.fault(0, partition=False)
    await stage.connect(0)
    writer = stage.writers[0]
    await writer.begin(7, 100)
    writer.write(7, 100, b"a" * 10)
    writer.write(7, 120, b"c" * 10)
    state = await writer.state()
    assert state.spans == [(7, 100, 110), (7, 120, 130)]
    assert state.acknowledged == (7, 110)
    assert stage.acks[0] == 110
    writer.write(7, 110, b"b" * 10)
    await stage.acknowledged(130, (0,))
    assert await writer.read(7, 105, 20) == b"a" * 5 + b"b" * 10 + b"c" * 5
    assert await writer.read(7, 130, 20) == b""
    assert await writer.read(8, 130, 20) == b""


@staged()
async def test_fencing(stage: Stage) -> None:
    """Who writes in an older epoch is refused, from the moment on that a newer one was opened, also after a kill of the node."""
    await stage.open()
    old = stage.writers[0]
    await stage.acknowledged(stage.write(10), tuple(range(6)))
    await stage.connect(0, epoch=2)
    stage.log.clear()
    old.write(1, 1010, b"late")

    async def heard() -> bool:
        return bool(stage.refusals)

    await until(heard)
    assert stage.refusals == [(0, "epoch 1 is over: it is epoch 2")]
    with pytest.raises(Refused, match="epoch 1 is over"):
        await old.cut(1, 0)
    stage.fleet.kill(0)

    async def back() -> bool:
        try:
            await stage.connect(0, epoch=1)
        except ConnectionError:
            return False
        except Refused as refused:
            return "epoch 1 is over: it is epoch 2" in str(refused)
        return False

    await until(back)
    assert (await (await stage.reader(0)).state()).spans == [(1, 1000, 1010)]


@staged()
async def test_reads_do_not_write(stage: Stage) -> None:
    """Who opened a volume to read cannot write; a volume that is not there is not made by looking at it."""
    connection = await Connection.to(stage.fleet.folder, 0)
    with pytest.raises(Refused, match="there is no volume v"):
        await connection.open("v")
    await connection.open("v", create=True)
    with pytest.raises(Refused, match="read only"):
        await connection.begin(1, 0)
    with pytest.raises(Refused, match="cannot be the name of a volume"):
        await connection.open("../v", create=True)
    with pytest.raises(Refused, match="malformed"):
        await connection.ask(1, b"\xff")


# Death, and coming back


@staged(segment_bytes=64 * KIB, group_bytes=256 * KIB)
async def test_killed_at_any_moment(stage: Stage) -> None:
    """Killed at random moments a node knows, when it is back, all that it acknowledged, and no more than it was sent."""
    chance = random.Random(11)
    await stage.open()
    known = 0
    for _ in range(12):
        number = chance.randrange(6)
        for _ in range(chance.randrange(5, 60)):
            stage.write(chance.choice((1, 30, 300, 9000)))
            if not chance.randrange(8):
                await asyncio.sleep(0)
        await asyncio.sleep(chance.random() * 0.01)
        promised = stage.acks.get(number, 0)
        died = stage.fleet.pid(number)
        stage.fleet.kill(number)

        async def back(number: int = number, died: int = died) -> bool:
            if stage.fleet.pid(number) in (0, died):
                return False
            try:
                await stage.connect(number)
            except ConnectionError:
                return False
            return True

        await until(back)
        state = await stage.writers[number].state()
        assert max(promised, known) <= max(state.acknowledged[1], known)
        assert state.acknowledged[1] >= promised
        assert state.acknowledged[1] <= stage.start + len(stage.log)
    for number in range(6):
        await stage.caught_up(number)


@staged(keep_dead=True)
async def test_peers_fill_the_gap(stage: Stage) -> None:
    """A zone that was dead while the log grew catches up from its peers, while it grows further, and acknowledges what it is sent now."""
    await stage.open()
    await stage.acknowledged(stage.write(100_000), tuple(range(6)))
    for number in stage.fleet.zone("a"):
        await stage.fleet.end(number)
    for _ in range(30):
        stage.write(50_000)
    await stage.acknowledged(stage.start + len(stage.log))
    for number in stage.fleet.zone("a"):
        await stage.fleet.revive(number)
        state = await stage.connect(number)
        assert state.acknowledged[1] >= 101_000
    for _ in range(20):
        stage.write(300)
        await asyncio.sleep(0.002)
    await stage.acknowledged(stage.start + len(stage.log), tuple(range(6)))
    for number in stage.fleet.zone("a"):
        await stage.caught_up(number)


@staged()
async def test_a_node_that_saw_nothing(stage: Stage) -> None:
    """A node that was parted from all learns volumes, beginnings, kept files, what is forgotten and what is dropped, from its peers."""
    await stage.fleet.fault(5, partition=True)
    await stage.open((0, 1, 2, 3, 4))
    with pytest.raises(ConnectionError):
        await (await Connection.to(stage.fleet.folder, 5)).open("v")
    await stage.acknowledged(stage.write(700_000), (0, 1, 2, 3, 4))
    await everywhere(stage.fleet.folder, "gone", lambda node: node.keep("x", b"y"), create=True, quorum=5)
    await everywhere(stage.fleet.folder, "v", lambda node: node.keep("history", b"1 2 3"), quorum=5)
    await everywhere(stage.fleet.folder, "v", lambda node: node.forget(1, 600 * KIB), quorum=5)
    await everywhere(stage.fleet.folder, "gone", lambda node: node.drop(), quorum=5)
    await everywhere(stage.fleet.folder, "v", lambda node: node.fork("w", [(1, 600 * KIB, 700_000)]), quorum=5)
    await stage.fleet.fault(5, partition=False)

    async def knows() -> bool:
        volumes = (await status(stage.fleet))[5]["volumes"]
        return bool(volumes.get("v", {}).get("acknowledged") == [1, 701_000] and "gone" not in volumes)

    await until(knows)
    reader = await stage.reader(5)
    assert (await reader.state()).spans == [(1, 512 * KIB, 701_000)]

    async def kept() -> bool:
        try:
            return await reader.get("history") == b"1 2 3"
        except Refused:
            return False

    await until(kept)

    async def forked() -> bool:
        return bool((await status(stage.fleet))[5]["volumes"].get("w", {}).get("acknowledged") == [1, 700_000])

    await until(forked)
    with pytest.raises(Refused, match="a name is used once"):
        await (await Connection.to(stage.fleet.folder, 5)).open("gone", create=True)


@staged(keep_dead=True)
async def test_strangers(stage: Stage) -> None:
    """A node does not listen to another fleet's that listens where its peer did."""
    other = Fleet(stage.fleet.folder.parent / "other", asyncio.get_running_loop(), settings=SMALL)
    await other.start()
    try:
        await everywhere(other.folder, "theirs", lambda node: node.keep("a", b""), create=True, quorum=6)
        await stage.fleet.end(1)
        shutil.copy(other.folder / "a1/port", stage.fleet.folder / "a1/port")
        await stage.open((0, 2, 3, 4, 5))
        await stage.acknowledged(stage.write(1000, to=(0, 2, 3, 4)), (0, 2, 3, 4))
        await stage.caught_up(5)
        await asyncio.sleep(0.5)  # a round of gossip more
        assert set((await status(stage.fleet))[5]["volumes"]) == {"v"}
        assert set((await status(other))[1]["volumes"]) == {"theirs"}
    finally:
        await other.stop()


@staged()
async def test_paused(stage: Stage) -> None:
    """A paused node is in nobody's way; when it goes on it takes what it was sent, or gets it from its peers."""
    await stage.open()
    stage.fleet.pause(3)
    await stage.acknowledged(stage.write(200_000))
    stage.writers.pop(3).close()
    await stage.acknowledged(stage.write(200_000))
    stage.fleet.resume(3)
    await stage.caught_up(3)


@staged()
async def test_slow(stage: Stage) -> None:
    """A slow node acknowledges late, and holds up no other."""
    await stage.open()
    await stage.fleet.fault(2, slow=5000)
    began = time.monotonic()
    end = stage.write(100)
    await stage.acknowledged(end, (0, 1, 3, 4, 5))
    assert stage.acks.get(2, 0) < end
    await stage.acknowledged(end, (2,))
    assert time.monotonic() - began >= 5


# What never was


@staged(keep_dead=True)
async def test_cut(stage: Stage) -> None:
    """What was cut is gone, also on a node that was dead then and has more of it; said again, the cut spares what was written since."""
    await stage.open()
    await stage.acknowledged(stage.write(300_000), tuple(range(6)))
    stage.write(200_000, to=(0, 5))
    await stage.acknowledged(501_000, (0, 5))
    await stage.fleet.end(5)
    del stage.log[300_000:]
    for number in range(5):
        await stage.connect(number, epoch=2)
        await stage.writers[number].cut(1, 301_000)
    assert (await stage.writers[0].state()).acknowledged == (1, 301_000)
    stage.acks.clear()
    stage.writers.pop(5)
    await stage.acknowledged(stage.write(150_000), (0, 1, 2, 3, 4))
    await stage.writers[0].cut(1, 301_000)
    with pytest.raises(Refused, match="wrote there itself"):
        await stage.writers[0].cut(1, 300_000)
    await stage.fleet.revive(5)
    await stage.caught_up(5)
    for number in range(6):
        assert await stage.content(number) == stage.log


@staged()
async def test_fork(stage: Stage) -> None:
    """A fork has the log up to where it was made, shares files with its origin, and goes its own way; it outlives its origin."""
    await stage.open()
    await stage.acknowledged(stage.write(1_000_000), tuple(range(6)))

    async def finished() -> bool:
        return all(node["volumes"]["v"]["finished"] == 2 for node in (await status(stage.fleet)).values())

    await until(finished)
    end = 1000 + 900_000
    await everywhere(stage.fleet.folder, "v", lambda node: node.fork("w", [(1, 1000, end)]), quorum=6)
    await everywhere(stage.fleet.folder, "v", lambda node: node.fork("w", [(1, 1000, end)]), quorum=6)
    with pytest.raises(Failed, match="there is a volume w already"):
        await everywhere(stage.fleet.folder, "v", lambda node: node.fork("w", [(1, 1000, end - 1)]))
    segments = list((stage.fleet.folder / "a0/volumes/w").glob("*/*"))
    assert sum(file.stat().st_nlink == 2 for file in segments) == 4
    await stage.connect(0, 2, "w")
    assert (await stage.writers[0].state()).acknowledged == (1, end)
    stage.acks.clear()
    stage.writers[0].write(1, end, b"other")
    await stage.acknowledged(end + 5, (0,))
    await everywhere(stage.fleet.folder, "v", lambda node: node.drop())
    assert await stage.content(0, "w") == bytes(stage.log[:900_000]) + b"other"
    assert await stage.content(3, "w", end=end) == stage.log[:900_000]


@staged()
async def test_forget(stage: Stage) -> None:
    """What is forgotten leaves the disk, group by group; the rest stays as it was."""
    await stage.open()
    await stage.acknowledged(stage.write(2_500_000), tuple(range(6)))
    await everywhere(stage.fleet.folder, "v", lambda node: node.forget(1, 2048 * KIB), quorum=6)

    async def gone() -> bool:
        return len(list((stage.fleet.folder / "b2/volumes/v").glob("*-*"))) == 1

    await until(gone)
    connection = stage.writers[2]
    assert (await connection.state()).spans == [(1, 2048 * KIB, 2_501_000)]
    assert await connection.read(1, 1000, 100) == b""
    assert await connection.read(1, 2_500_000, 9999) == stage.log[-1000:]


# Harm to the disk


@staged(scrub_every_s=3600)
async def test_flipped_bytes(stage: Stage) -> None:
    """Bytes that were flipped on disk are found by the scrub and repaired from peers, in finished segments and in others."""
    await stage.open()
    await stage.acknowledged(stage.write(500_000), tuple(range(6)))
    for _ in range(100):
        stage.write(500)
    await stage.acknowledged(551_000, tuple(range(6)))

    async def finished() -> bool:
        return all(node["volumes"]["v"]["finished"] == 1 for node in (await status(stage.fleet)).values())

    await until(finished)
    for number in (0, 3):
        await stage.fleet.fault(number, flip="v", count=40, seed=number)
    found = await stage.fleet.scrub()
    assert {number for number, each in found.items() if each["bad"]} == {0, 3}
    assert all(each["bad"] == each["repaired"] for each in found.values())
    assert [each["checked"] for each in found.values()] == [550_000] * 6
    counts = (await status(stage.fleet))[0]["counts"]
    assert counts["repaired"] >= found[0]["repaired"] > 1
    assert not any(each["bad"] for each in (await stage.fleet.scrub()).values())
    for number in (0, 3):
        assert await stage.content(number) == stage.log


@staged(scrub_every_s=3600)
async def test_a_read_finds_them_too(stage: Stage) -> None:
    """A read stops before bytes whose checksum is wrong; they are repaired then, and read."""
    stage.start = 0
    await stage.open()
    await stage.acknowledged(stage.write(256 * KIB), tuple(range(6)))
    await stage.acknowledged(stage.write(20_000), tuple(range(6)))

    async def finished() -> bool:
        return all(node["volumes"]["v"]["finished"] == 1 for node in (await status(stage.fleet)).values())

    await until(finished)
    await stage.fleet.fault(4, flip="v", count=30, seed=1)
    reader = await stage.reader(4)
    for start in (0, 256 * KIB):
        length = min(len(stage.log) - start, 256 * KIB)
        expected = stage.log[start : start + length]
        got = await reader.read(1, start, length)
        assert len(got) < length
        assert got == expected[: len(got)]

        async def whole(start: int = start, expected: bytearray = expected) -> bool:
            return await reader.read(1, start, len(expected)) == expected

        await until(whole)


@staged()
async def test_full(stage: Stage) -> None:
    """A node whose disk is full refuses writes, says so, and goes on reading; with space again it fills its gap and acknowledges."""
    await stage.open()
    await stage.acknowledged(stage.write(10_000), tuple(range(6)))
    await stage.fleet.fault(1, full=True)
    end = stage.write(10_000)
    await stage.acknowledged(end, (0, 2, 3, 4, 5))

    async def refused() -> bool:
        return bool(stage.refusals)

    await until(refused)
    assert stage.refusals == [(1, "no space is left on its disk")]
    assert (await status(stage.fleet))[1]["full"]
    assert await stage.content(1) == stage.log[:10_000]
    await stage.fleet.fault(1, full=False)
    await stage.acknowledged(end, (1,))
    assert not (await status(stage.fleet))[1]["full"]
    await stage.acknowledged(stage.write(10), (1,))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounts a small file system")
def test_really_full(tmp_path: Path) -> None:
    """The same with a file system that is full indeed."""
    small = tmp_path / "fleet" / "c5"
    small.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")

    async def run() -> None:
        fleet = Fleet(
            tmp_path / "fleet", asyncio.get_running_loop(), settings={**SMALL, "segment_bytes": 128 * KIB, "group_bytes": 512 * KIB}
        )
        await fleet.start()
        stage = Stage(fleet)
        try:
            await stage.open()
            for _ in range(20):
                stage.write(100_000)
            end = stage.start + len(stage.log)
            await stage.acknowledged(end, (0, 1, 2, 3, 4))

            async def full() -> bool:
                return bool((await status(fleet))[5]["full"]) and bool(stage.refusals)

            await until(full)
            assert {number for number, _ in stage.refusals} == {5}
            held = await stage.content(5)
            assert held == stage.log[: len(held)]
            assert 300_000 < len(held) < 1_000_000
            fleet.kill(5)
            died = fleet.pid(5)

            async def back() -> bool:
                return fleet.pid(5) not in (0, died) and len(await fleet.status()) == 6

            await until(back)
            assert len(await stage.content(5)) >= len(held)
            subprocess.run(["mount", "-o", "remount,size=16m", small], check=True)
            await stage.caught_up(5)
        finally:
            await fleet.stop()

    try:
        asyncio.run(run())
    finally:
        subprocess.run(["umount", "-l", small], check=True)


# The fleet


@staged()
async def test_restarts(stage: Stage) -> None:
    """A fleet that is stopped and started again has everything; a node that dies comes back by itself, one that was ended does not."""
    await stage.open()
    await stage.acknowledged(stage.write(50_000), tuple(range(6)))
    await stage.fleet.stop()
    await stage.fleet.start()
    for number in range(6):
        assert await stage.content(number) == stage.log
    await stage.fleet.end(0)
    died = stage.fleet.pid(1)
    os.kill(died, signal.SIGKILL)

    async def back() -> bool:
        return stage.fleet.pid(1) not in (0, died) and set(await stage.fleet.status()) == {1, 2, 3, 4, 5}

    await until(back)


@staged(keep_dead=True)
async def test_everywhere(stage: Stage) -> None:
    """What is to be done everywhere is done with two nodes dead or silent, and fails without a quorum."""
    await stage.open()
    await stage.fleet.end(0)
    stage.fleet.pause(1)
    assert set(await everywhere(stage.fleet.folder, "v", lambda node: node.keep("a", b"1"))) == {2, 3, 4, 5}
    await stage.fleet.end(2)
    with pytest.raises(Failed, match="3 of 4 storage nodes"):
        await everywhere(stage.fleet.folder, "v", lambda node: node.keep("a", b"2"), timeout_s=5)
    await stage.fleet.revive(2)
    assert set(await everywhere(stage.fleet.folder, "v", lambda node: node.get("a"))) == {2, 3, 4, 5}


def test_lean() -> None:
    """A node imports neither asyncio nor more of fogbank than its own room and what asks the scheduler."""
    script = "import fogbank.engines.fleet.node, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "logging", "subprocess", "random"} & set(modules)
    assert {module for module in modules if module.startswith("fogbank") and "fleet" not in module} == {
        "fogbank",
        "fogbank.engines",
        "fogbank.engines.prompt",
    }
