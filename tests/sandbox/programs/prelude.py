"""What the programs have at hand: they say what came of their attempts, as one JSON object."""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
said: dict[str, Any] = {}


def attempt(name: str, work: Callable[..., Any], *arguments: Any) -> None:
    """What the kernel said to it, or "done"."""
    try:
        work(*arguments)
    except OSError as problem:
        said[name] = errno.errorcode.get(problem.errno or 0, str(problem))
    else:
        said[name] = "done"


def call(name: str, function: Callable[..., int], *arguments: Any) -> None:
    """The same of a function of the C library."""
    ctypes.set_errno(0)
    said[name] = "done" if function(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]


def tell(**more: Any) -> None:
    os.write(1, json.dumps({**said, **more}).encode() + b"\n")
