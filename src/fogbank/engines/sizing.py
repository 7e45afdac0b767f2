"""How much of what an instance class promises a server takes: all nodes of all clusters share the one machine. Pure but for `memory_bytes`.

    connections   as many as the class has, up to AWS's own 5,000, and one for each 4 MiB of the machine's memory
    buffers       as many as the class has, up to 1/64 of the machine's memory (and never less than 64 MB for that)

What a user sets is not asked about here: that is what the engine gets.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

_BUFFERS_SHARE, _LEAST_BUFFERS = 64, 64 << 20
_MOST_CONNECTIONS, _CONNECTION_BYTES = 5000, 4 << 20
_BUFFERS = {"shared_buffers": 8192, "innodb_buffer_pool_size": 1}
"""Parameters that are memory that a server keeps: the unit of each, in bytes."""


_CONTAINERS_MEMORY = Path("/sys/fs/cgroup/memory.max")


@lru_cache(1)
def memory_bytes() -> int:
    """The machine's memory, or the container's."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # (there is no limit, or it is "max")
        return min(machine, int(_CONTAINERS_MEMORY.read_text()))
    return machine


def bounded(name: str, value: int, memory: int) -> int:
    """What a server with that default is told on a machine with so much memory."""
    if name == "max_connections":
        return max(1, min(value, _MOST_CONNECTIONS, memory // _CONNECTION_BYTES))
    if name in _BUFFERS:
        return min(value, max(_LEAST_BUFFERS, memory // _BUFFERS_SHARE) // _BUFFERS[name])
    return value
