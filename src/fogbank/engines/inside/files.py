"""Files that pass between a server's backend and a service. The backend makes them, empty, where it may write; we may be root, so only
files that are the server's own are touched: nobody who gets hold of the way out can have us write or read anything else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from fogbank.engines.processes import owner
from fogbank.engines.spec import Failed

_PIECE = 1 << 20


def _opened(path: Path, flags: int) -> int:
    """Raises Failed where there is no such file of the server's."""
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as problem:
        raise Failed(f"{path.name}: {problem.strerror}") from None
    seen = os.fstat(file)
    who = owner()
    if not stat.S_ISREG(seen.st_mode) or seen.st_uid != (who[0] if who is not None else os.geteuid()):
        os.close(file)
        raise Failed(f"{path.name} is not a file of the server's")
    return file


def fill(path: Path, content: Iterable[bytes | memoryview]) -> int:
    """Writes a file that is there: how many bytes. Raises Failed."""
    size = 0
    with os.fdopen(_opened(path, os.O_WRONLY), "wb", 0) as file:
        file.truncate(0)
        for piece in content:
            left = memoryview(piece)
            while left:
                written = file.write(left)
                left = left[written:]
                size += written
    return size


def pieces(path: Path) -> Iterator[bytes]:
    """What is in a file, piece by piece. Raises Failed."""
    with os.fdopen(_opened(path, os.O_RDONLY), "rb", 0) as file:
        while piece := file.read(_PIECE):
            yield piece
