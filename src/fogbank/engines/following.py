"""A volume that repeats another one, as that one's readers do: a global database's secondary, a read replica.

It gets what is durable there, timeline after timeline. Where its own history is another than that of the volume that it is to repeat, or
what comes next is not kept there any more, it is of no use: it is made anew from the newest image (`Runner`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from fogbank.engines.control import Fenced
from fogbank.engines.spec import Failed
from fogbank.engines.volumes import Volume, wall_ms

_CAUGHT_UP_S, _POLL_S, _ASK_S = 30.0, 0.01, 0.2


async def follow(volume: Volume, followed: Volume) -> None:
    """Has a volume repeat another one from now on. Raises Fenced where it has to be made anew, Failed."""
    await followed.open()
    ours = await volume.ask("status")
    kept = await followed.spans(min(followed.record.images, key=lambda image: (image.timeline, image.position)))
    if kept and (int(ours["timeline"]), int(ours["durable"])) < kept[0][:2]:
        raise Fenced("what follows is not kept any more by the volume that it repeats")
    await volume.ask("follow", socket=str(followed.run), port=5432)


class Lag:
    """How far a volume is behind the one that it repeats: what a failover to it would lose."""

    def __init__(self) -> None:
        self._lacks: deque[tuple[tuple[int, int], int]] = deque()
        """Places of the other one's log that are not here, and when they were acknowledged there."""

    async def seen(self, followed: Volume, here: tuple[int, int]) -> float:
        """In ms. Where the other one does not answer, what was seen of it counts."""
        lacks = self._lacks
        with contextlib.suppress(Failed):
            there = await followed.ask("status", timeout_s=_ASK_S)
            place = int(there["timeline"]), int(there["durable"])
            if not lacks or place > lacks[-1][0]:
                lacks.append((place, int(there["durable_at_ms"]) or wall_ms()))
        while lacks and lacks[0][0] <= here:
            lacks.popleft()
        return float(max(0, wall_ms() - lacks[0][1])) if lacks else 0.0


async def caught_up(volume: Volume, followed: Volume) -> None:
    """Waits until a volume has all that the one that it repeats has now. Raises Failed."""
    wanted = await followed.ask("status")
    for _ in range(int(_CAUGHT_UP_S / _POLL_S)):
        status = await volume.ask("status")
        if (status["timeline"], status["durable"]) >= (wanted["timeline"], wanted["durable"]):
            return
        await asyncio.sleep(_POLL_S)
    raise Failed("the volume does not catch up with the one that it follows")
