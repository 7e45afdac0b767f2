"""How a cluster is, looked at now and then; and a new image of its volume when the last is old."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fogbank.engines.spec import Actual, Failed
from fogbank.engines.volumes import COALESCE_BYTES

if TYPE_CHECKING:
    from fogbank.engines.runner import Runner


async def look(runner: Runner) -> Actual:
    """A cluster as it is: the runner's `actual` from now on."""
    wanted, volume = runner.wanted, runner.volume
    assert wanted is not None
    for one in list(runner.running.values()):
        if one.state == "running":
            with contextlib.suppress(Exception):  # (a server that ends fails its drivers in many ways, and is heard of elsewhere)
                one.lag_ms = 0.0 if one.writes else await one.server.lag_ms()
                one.connections = await one.server.connections()
    state = None
    if volume is not None and volume.control is not None:
        with contextlib.suppress(Failed):
            state = await volume.state()
            if runner.followed is not None:
                state = state._replace(lag_ms=await runner.lag.seen(runner.followed, (state.timeline, state.durable)))
    version = str(volume.binaries.version) if volume is not None else wanted.version
    runner.actual = Actual(runner.id, version, runner.writer, tuple(one.seen() for one in runner.running.values()), state)
    return runner.actual


async def coalesce_when_long(runner: Runner) -> None:
    """A new image where much log has come since the newest, or the timeline is another one. Raises Failed."""
    volume, state = runner.volume, runner.actual.volume if runner.actual is not None else None
    if volume is None or state is None or volume.record.until is not None:
        return
    newest = volume.newest()
    if state.timeline != newest.timeline or state.durable - newest.position > COALESCE_BYTES:
        writer = runner.running.get(runner.writer)
        if writer is not None and writer.state == "running":
            await writer.server.checkpoint()
        await volume.coalesce()
