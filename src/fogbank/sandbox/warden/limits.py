"""The limits that a process carries with it (rlimits). In a box they are the smaller part; without one they are all there is."""

from __future__ import annotations

import marshal
import os
import resource
import sys
from typing import Any, NoReturn


def hold(spec: dict[str, Any], *, data: bool, processes: bool = True) -> None:
    """`data`: of memory too, where nothing else would stop one process at once; `processes`: where they are counted per box."""
    wanted = {
        "NOFILE": (spec["open_files"],) * 2,
        # In a box /tmp itself is bounded, and says ENOSPC when it is full: this must not come first.
        "FSIZE": (max(spec["tmp_bytes"], 4096) * (2 if processes else 1),) * 2,
        "CORE": (0, 0),
        "STACK": (8 << 20, 64 << 20),
        "MEMLOCK": (65536, 65536),
        "MSGQUEUE": (0, 0),
        "SIGPENDING": (4096, 4096),
        "RTPRIO": (0, 0),
        "NICE": (0, 0),
    }
    if data:
        wanted["DATA"] = (spec["memory_bytes"] + (1 << 30),) * 2
    if processes:
        wanted["NPROC"] = (spec["processes"] + 1,) * 2
    for name, (soft, hard) in wanted.items():
        kind = getattr(resource, "RLIMIT_" + name, None)
        if kind is None:
            continue
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def main(descriptor: int) -> NoReturn:
    """Becomes the program that the descriptor tells of, with the limits, and nothing else (`bare.py`)."""
    with open(descriptor, "rb") as file:
        spec = marshal.load(file)
    if sys.platform == "linux":
        from . import linux

        linux.prctl(linux.PDEATHSIG, 9)
    hold(spec, data=True, processes=False)
    os.chdir(spec["working_directory"])
    try:
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])
    except OSError as problem:
        os.write(2, f"{spec['command'][0]}: {problem.strerror}\n".encode())
        os._exit(127)
