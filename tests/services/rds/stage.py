"""Databases for tests: they are at once what they were wanted to be, and remember what that was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.engines.spec import (
    Actual,
    Cluster,
    Done,
    Failed,
    Machine,
    NodeState,
    Piece,
    Point,
    Program,
    Refused,
    Result,
    Since,
    Statement,
    Usage,
    VolumeState,
)


class Stage:
    """`wanted`: the last words about each cluster. `answers`: SQL -> what it gives. `held`: nothing is done until `go`."""

    def __init__(self, cloud: Any) -> None:
        self._cloud = cloud
        self.wanted: dict[str, Cluster] = {}
        self.history: list[Cluster] = []
        self.actual: dict[str, Actual] = {}
        self.volumes: dict[str, Any] = {}
        self.points: dict[tuple[str, str], int] = {}
        self.forgotten: list[str] = []
        self.dropped: list[str] = []
        self.answers: dict[str, Result] = {}
        self.executed: list[tuple[str, str]] = []
        self.connections: dict[str, int] = {}
        self.proxies: dict[tuple[int, int], dict[str, float]] = {}
        self.log = b""
        self.lag_ms = 3.0
        self.fails: Exception | None = None
        self.held = False
        self._waiting: list[Callable[[], None]] = []
        self.word = "stage"
        self.pieces: dict[str, tuple[Piece, ...]] = {}
        """What is to be staged next."""
        self.audits: frozenset[str] = frozenset()
        self.measures = True
        self.uptime_s = 100.0
        """How long each node has run: with each second it uses half a second of the two processors, and writes 4 KB."""

    @property
    def now_ms(self) -> int:
        return int(self._cloud.inner.clock.now_ms())

    def address(self, slot: int) -> str:
        return f"127.77.{slot // 250}.{slot % 250 + 1}"

    def _soon(self, work: Callable[[], None]) -> None:
        if self.held:
            self._waiting.append(work)
        else:
            self._cloud.house.loop.call_soon(work)

    def go(self) -> None:
        """Does what waited, and waits no more."""

        def work() -> None:
            self.held = False
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each()

        self._cloud.house.on_loop(work)
        self._cloud.settle()

    def converge(self, wanted: Cluster, done: Done) -> None:
        self.history.append(wanted)

        def work() -> None:
            if self.fails is not None:
                done(self.fails)
                return
            self.wanted[wanted.id] = wanted
            if wanted.volume not in self.volumes:
                self.volumes[wanted.volume] = wanted.fork or wanted.follows or "empty"
            self.actual[wanted.id] = self._of(wanted)
            done(self.actual[wanted.id])

        self._soon(work)

    def _of(self, wanted: Cluster) -> Actual:
        nodes = tuple(
            NodeState(
                node.id,
                node.zone,
                "running",
                node.id == wanted.writer,
                0.0 if node.id == wanted.writer else self.lag_ms,
                self.connections.get(node.id, 0),
                1,
            )
            for node in wanted.nodes
        )
        lag_ms = self.lag_ms if wanted.follows else 0.0
        volume = VolumeState(wanted.volume, 8 << 20, 1, 100, 6, self._began(wanted.id), self.now_ms, True, True, lag_ms)
        return Actual(wanted.id, "", wanted.writer, nodes, volume)

    def _began(self, cluster: str) -> int:
        before = self.actual.get(cluster)
        return before.volume.earliest_ms if before is not None and before.volume is not None else self.now_ms

    def drop(self, cluster: str, done: Done) -> None:
        def work() -> None:
            self.dropped.append(cluster)
            self.wanted.pop(cluster, None)
            self.actual.pop(cluster, None)
            done(None)

        self._soon(work)

    def forget(self, volume: str, done: Done) -> None:
        if self.volumes.pop(volume, None) is not None:  # (it may be asked for again before this is told)
            self.forgotten.append(volume)
        self._soon(lambda: done(None))

    def keep(self, volume: str, point: str, done: Done) -> None:
        def work() -> None:
            self.points[volume, point] = self.now_ms
            done(Point(point, self.now_ms, 8 << 20))

        self._soon(work)

    def stage(self, volume: str, since: Since, done: Done) -> None:
        self._soon(lambda: done(self.pieces.pop(volume, ())))

    def release(self, volume: str, point: str, done: Done) -> None:
        self.points.pop((volume, point), None)
        self._soon(lambda: done(None))

    def look(self, cluster: str) -> Actual | None:
        wanted = self.wanted.get(cluster)
        return None if wanted is None else self._of(wanted)

    def execute(self, cluster: str, user: str, password: str, database: str, session: str, statement: Statement, done: Done) -> None:
        self.executed.append((cluster, statement.sql))
        found = self.answers.get(statement.sql, Refused(f"no such statement here: {statement.sql}", "42601"))
        self._soon(lambda: done(found))

    def end(self, cluster: str, session: str, done: Done) -> None:
        self._soon(lambda: done(None))

    def ask(self, cluster: str, node: str, sql: str, done: Done) -> None:
        self._soon(lambda: done(Result((), [], 0)))

    def counts(self, slot: int, port: int) -> dict[str, float]:
        return self.proxies.get((slot, port), {})

    def usage(self, cluster: str, done: Done) -> None:
        wanted = self.wanted.get(cluster)
        found = {node.id: used(self.uptime_s) for node in wanted.nodes} if wanted is not None else Failed(f"{cluster} does not run")
        self._soon(lambda: done(found))

    def files(self, cluster: str, node: str) -> list[tuple[str, int, int]]:
        return [("postgresql.log", len(self.log), 0)] if self.log else []

    def read(self, cluster: str, node: str, name: str, offset: int, length: int) -> bytes:
        if not self.log:
            raise LookupError(name)
        return self.log[offset : offset + length]

    def close(self) -> None:
        """Nothing runs."""


def used(uptime_s: float) -> Usage:
    """What a node has used that has run so long. Others have used as much of the processors."""
    machine = Machine(
        processors=2,
        spent_s={"user": uptime_s * 0.6, "system": uptime_s * 0.4, "idle": uptime_s * 0.9, "wait": uptime_s * 0.1, "irq": 0, "softirq": 0},
        load=(1.0, 0.5, 0.25),
        memory_kb={"MemTotal": 8 << 20, "MemFree": 1 << 20, "MemAvailable": 4 << 20, "SwapTotal": 1 << 20, "SwapFree": 1 << 20},
        swapped_kb=(0, 0),
        disk_kb=(1000, 250, 750),
        files=(100, 10),
    )
    programs = (
        Program(11, 1, 11, "postgres", "S", uptime_s * 0.1, 100_000, 200_000),
        Program(12, 11, 12, "postgres: boss shop [local] SELECT", "R", uptime_s * 0.4, 50_000, 200_000),
    )
    return Usage(1000 + uptime_s, uptime_s, uptime_s * 0.3, uptime_s * 0.2, 1 << 30, 0, int(uptime_s * 4096), programs, machine)
