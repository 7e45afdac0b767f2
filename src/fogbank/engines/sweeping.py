"""Volumes that nobody can come back to: of branches of the log that no cloud has in its history any more (a clone that was dropped)."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Container

from fogbank.engines.room import Room
from fogbank.engines.volumes import Volume

_BRANCH = re.compile(r"-(\d+)(?:-w[0-9a-f]+)?$")
"""In the name of a volume (see `Databases`; `masters/pair.py` for what may follow)."""


async def sweep(room: Room, branches: Container[int]) -> list[str]:
    """Forgets the volumes of all branches but these: their names. Raises Failed where fewer than four storage nodes can."""
    folder = room.root / "volumes"
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if (found := _BRANCH.search(path.name)) and int(found[1]) not in branches]
    for name in names:
        volume = room.volumes.pop(name, None) or await Volume.load(room, name)
        if volume is not None:
            await volume.forget()
        else:  # it was never made to its end
            await asyncio.to_thread(shutil.rmtree, folder / name, True)
    return names
