"""Being woken in time: for processes that every commit waits for, and that have little to do each time."""

from __future__ import annotations

import ctypes
import os
import platform
from struct import Struct

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES = Struct("=IIQiIQQQ")
"""Size, policy (0: the usual one), flags, niceness, priority, runtime: here the slice in ns, deadline, period."""
_SLICE_NS = 100_000


def be_prompt() -> None:
    """Asks the scheduler for short slices, which begin sooner; the share of the CPU stays the same. (Linux 6.12 and later.)"""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is not None and os.name == "posix" and platform.system() == "Linux":
        wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, _SLICE_NS, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, wanted, 0)
