"""What one writer commits, on its way to the other: PostgreSQL's own logical replication takes it there, this looks how far it is.

beat   which transactions have ended, how far the other has applied the log (`aurora_masters._beat`) -> is that durable there?
       -> the gate of the writer's volume is moved up to there: only now are these commits acknowledged
       -> rows of transactions that were rolled back, or have arrived, are let go of
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg

from fogbank.engines.masters.claiming import Claimer
from fogbank.engines.spec import Failed, Refused, Statement

if TYPE_CHECKING:
    from fogbank.engines.masters.side import Side
    from fogbank.engines.postgres.connections import Connection

SUBSCRIPTION = "aurora_masters"
"""The name of the subscription to the other writer, of its slot there, and of what is published."""
_FIRST_S, _SLOWER, _SLOWEST_S, _IDLE_S = 0.001, 1.2, 0.02, 0.2
_CHECK_S = 0.5
_LITTLE_S, _LONG_S = 0.25, 10.0
"""So long who asks for a row waits for what is on its way: where that may be waiting for the row itself, and where it is not."""
_ERRORS = 3
"""So often the same may fail to be applied; then the writer where it fails is made anew."""
_STANDS = "select exists (select from pg_stat_activity where backend_type like 'logical replication%' and wait_event_type = 'Lock')"
_FAILURES = f"select apply_error_count from pg_stat_subscription_stats where subname = '{SUBSCRIPTION}'"


class Way:
    """See the module. `failed(side)` is called when what comes cannot be applied there."""

    def __init__(self, source: Side, target: Side, failed: Callable[[Side, str], None]) -> None:
        self.source = source
        self.target = target
        self.applied = 0
        """Up to where the other has what the writer wrote, durably."""
        self._claimer: Claimer = source.claimer
        self._failed = failed
        self._arriving: dict[int, int] = {}
        """Transactions that were committed, and a place in the log behind that."""
        self._waiting = 0
        self._stands = False
        """What comes waits for a row there (looked at while somebody waits for it)."""
        self._told: Any = None
        self._beats = 0
        self._beaten = asyncio.Condition()
        self._stirred = asyncio.Event()
        self._pace_s = _FIRST_S
        self._checked = 0.0
        self._seen = (0, 0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            async with self._beaten:
                self._beaten.notify_all()

    def stir(self) -> None:
        """Something is under way: it is looked at soon, and often."""
        self._pace_s = _FIRST_S
        self._stirred.set()

    async def over(self, claim: int) -> bool:
        """Whether a claim of the writer is gone by now. Where its transaction is committed, it is waited for."""
        loop = asyncio.get_running_loop()
        little = loop.time() + _LITTLE_S
        self._waiting += 1
        try:
            with contextlib.suppress(TimeoutError, Failed):
                async with asyncio.timeout(_LONG_S):
                    while (transaction := self._claimer.owners.get(claim)) is not None:
                        await self._beat_anew()
                        under_way = transaction in self._claimer.held and transaction not in self._arriving
                        if under_way or (self._stands and loop.time() > little):
                            return False
        finally:
            self._waiting -= 1
        return claim not in self._claimer.owners

    async def reach(self, position: int) -> None:
        """Waits until the other has all up to a place in the writer's log. Raises Failed."""
        while self.applied < position:
            await self._beat_anew()

    async def _beat_anew(self) -> None:
        """Waits for a whole beat that begins after now. Raises Failed where none comes any more."""
        self.stir()
        async with self._beaten:
            wanted = self._beats + 2
            await self._beaten.wait_for(lambda: self._beats >= wanted or self._task is None)
        if self._task is None:
            raise Failed("nothing more comes from the other writer")

    async def _run(self) -> None:
        while True:
            try:
                async with self.source.asking() as here, self.target.asking() as there:
                    while True:
                        await self._beat(here, there)
                        async with self._beaten:
                            self._beats += 1
                            self._beaten.notify_all()
                        await self._pause()
            except (psycopg.Error, Refused, Failed, OSError):
                await asyncio.sleep(_SLOWEST_S)

    async def _pause(self) -> None:
        busy = bool(self._claimer.held)
        self._stirred.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace_s):
                await self._stirred.wait()
        self._pace_s = min(self._pace_s * _SLOWER, _SLOWEST_S if busy else _IDLE_S)

    async def _beat(self, here: Connection, there: Connection) -> None:
        running = [str(one) for one in self._claimer.held if one not in self._arriving]
        asked = Statement("select * from aurora_masters._beat(%(running)s, %(flush)s)", {"running": running, "flush": bool(self._arriving)})
        committed, ended, inserted, applied = (await here.run(asked)).rows[0]
        self._claimer.release(map(int, ended))
        for one in committed:
            self._arriving[int(one)] = inserted
        if applied is not None and applied > self.applied and await there.one("select aurora_masters._lasting('1 s')"):
            self.applied = applied
            self._pace_s = _FIRST_S
        await self._open_gate()
        arrived = [one for one, place in self._arriving.items() if place <= self.applied]
        self._claimer.release(arrived)
        for one in arrived:
            del self._arriving[one]
        if self._waiting:
            self._stands = bool(await there.one(_STANDS))
        await self._check(there)

    async def _open_gate(self) -> None:
        """Commits up to there are acknowledged. (Another process of the volume begins with a closed gate.)"""
        volume = self.source.volume
        told = (volume.control if volume is not None else None, self.applied)
        if volume is not None and told != self._told:
            await volume.ask("gate", position=self.applied)
            self._told = told

    async def _check(self, there: Connection) -> None:
        """Now and then: whether what comes can be applied."""
        now = asyncio.get_running_loop().time()
        if now < self._checked + _CHECK_S:
            return
        self._checked = now
        failures = int(await there.one(_FAILURES) or 0)
        if self.applied != self._seen[0]:
            self._seen = self.applied, failures
        elif failures - self._seen[1] >= _ERRORS:
            self._failed(self.target, "what the other writer changed cannot be applied")
        await there.one("select aurora_masters._untangle()")
