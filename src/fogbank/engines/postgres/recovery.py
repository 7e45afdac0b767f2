"""A writer that first repeats a volume's log, up to an instant or a position."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fogbank.engines.kinds import Until
from fogbank.engines.postgres import logs, settings
from fogbank.engines.postgres.control import written
from fogbank.engines.spec import Failed

if TYPE_CHECKING:
    from fogbank.engines.postgres.instance import Instance

_REPEAT_S = 3600.0
_LOOKS = 20
REPLAYED = "pg_last_wal_replay_lsn() - '0/0'::pg_lsn"
HAS = "greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn"
"""How far it has the log. (What it had before it was started is not counted as received.)"""
WAITS = "(select wait_event = 'RecoveryWalStream' from pg_stat_activity where backend_type = 'startup')"
"""It has repeated all that it was sent."""


class Still:
    """Whether a reader has the log up to a position and repeats no more of it: the record there is not whole. It takes some looks in a row
    to tell, since who waits may not have been woken yet for what came."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._replayed = -1
        self._looks = 0

    def seen(self, replayed: int, has: int | None, waits: bool | None) -> bool:
        """One look: at `REPLAYED`, `HAS` and `WAITS`."""
        same = replayed == self._replayed and has is not None and has >= self._position and waits
        self._replayed, self._looks = replayed, self._looks + 1 if same else 0
        return self._looks >= _LOOKS


async def recover(instance: Instance, given: Mapping[str, str], upstream: Path, until: Until) -> None:
    """Starts it as a reader of the volume, and lets it write once it is there. Raises Failed.

    It stops before the first commit after `until.at_ms`. Where the log up to `until.position` has none, only its end tells; PostgreSQL then
    refuses to end a recovery that has not met its target, and it is started once more, without one. The volume serves no timeline beyond
    `until.timeline`, and that one no further than `until.position`.
    """
    role = {
        **settings.reader(upstream, instance.folder.resolve().name),
        "recovery_target_action": "promote",
    }
    if until.at_ms:
        instant = datetime.fromtimestamp(until.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        if await _repeat(instance, given, {**role, "recovery_target_time": instant}, until):
            return
    await _repeat(instance, given, role, until)


async def _repeat(instance: Instance, given: Mapping[str, str], role: dict[str, str], until: Until) -> bool:
    """Whether it writes now; False: the log ended before the target."""
    while True:
        await instance.launch(given, role)
        met = await instance.until(lambda: _there(instance, until.position), _REPEAT_S, "did not repeat the log")
        if met == "end":
            try:
                await instance.promote()
            except Failed:
                await _gone(instance)
                if "recovery_target_time" in role and "before configured recovery target" in logs.complaint(instance.log):
                    return False
                if not instance.stands_still():
                    raise
                met = "still"
        if met != "still":
            instance.settle()
            return True
        await instance.stop()


async def _gone(instance: Instance) -> None:
    """It ends by itself, where it could not be promoted."""
    if instance.process is not None:
        await instance.process.end(signal.SIGQUIT)
        instance.process = None


async def _there(instance: Instance, position: int) -> str | None:
    """ "writes": it met its target; "end": it has all the log there is; "still": it is to be started again."""
    if instance.stands_still():
        return "still"
    replaying, received = (await instance.sql(f"select pg_is_in_recovery(), {HAS}")).rows[0]
    if not replaying:
        return "writes"
    return "end" if received is not None and received >= position else None


async def advance(instance: Instance, upstream: Path, until: Until) -> tuple[int, int]:
    """Starts it as a reader that stops at `until.position` (a record that lies across it is left), and waits until it is there: where it
    stands, and when that was (ms)."""
    role = {
        **settings.reader(upstream, instance.folder.resolve().name),
        "recovery_target_lsn": written(until.position),
        "recovery_target_inclusive": "off",
        "recovery_target_action": "pause",
        "hot_standby_feedback": "off",
    }
    while True:
        await instance.launch({}, role, niceness=19)
        await instance.until(partial(_still, instance, Still(until.position)), _REPEAT_S, "did not repeat the log")
        if not instance.stands_still():
            break
        await instance.stop()
    await instance.sql("select pg_wal_replay_pause()")
    await instance.until(lambda: _paused(instance), _REPEAT_S, "did not pause")
    asked = f"select {REPLAYED}, extract(epoch from pg_last_xact_replay_timestamp()) * 1000"
    position, at_ms = (await instance.sql(asked)).rows[0]
    return int(position), int(at_ms or 0)


async def _still(instance: Instance, still: Still) -> bool | None:
    """It has paused at the position; or it has all the log up to there, and waits for more."""
    asked = f"select pg_get_wal_replay_pause_state() = 'paused', {REPLAYED}, {HAS}, {WAITS}"
    paused, *seen = (await instance.sql(asked)).rows[0]
    return True if still.seen(*seen) or paused else None


async def _paused(instance: Instance) -> bool | None:
    """It repeats nothing more: what waits for log looks whether it is to pause before it repeats what comes."""
    return True if await instance.one(f"select pg_get_wal_replay_pause_state() = 'paused' or {WAITS}") else None
