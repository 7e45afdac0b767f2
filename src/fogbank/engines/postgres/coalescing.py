"""Coalescing: an image brought forward along the log, in the background, into another image."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.kinds import Until
from fogbank.engines.postgres import recovery
from fogbank.engines.postgres.images import Image, copy
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.postgres.programs import Binaries


async def image(base: Image, upstream: Path, until: Until, folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    """A new image, in `folder`, of what the volume that is served at `upstream` had at a position of its log. Raises Failed.

    A node that is made from it needs the log from `begins` on: from the writer's last checkpoint before the position.
    """
    folder.mkdir(exist_ok=True)
    processes.give(folder)
    await copy(base.folder, folder / "data")
    instance = Instance(folder, binaries, loop)
    try:
        position, at_ms = await recovery.advance(instance, upstream, until)
        await instance.stop()
    finally:
        instance.kill()
    return Image(instance.data, until.timeline, position, base.system, max(at_ms, base.at_ms)).keep()
