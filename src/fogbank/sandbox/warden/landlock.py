"""Landlock, where the kernel has it: a second lock on the files, should the first (read-only mounts) ever be open."""

from __future__ import annotations

import os
import struct

from . import linux

READ = 0b1101  # execute, read_file, read_dir
WRITE_FILE = 0b10
REFER = 1 << 13
EVERYTHING = (1 << 13) - 1


def version() -> int:
    """0: this kernel has none."""
    try:
        return linux.syscall(linux.LANDLOCK_CREATE, 0, 0, 1, what="landlock")
    except OSError:
        return 0


VERSION = version()


def restrict() -> None:
    if not VERSION:
        return
    handled = EVERYTHING | (REFER if VERSION > 1 else 0)
    rules = linux.syscall(linux.LANDLOCK_CREATE, struct.pack("Q", handled), 8, 0, what="landlock")
    for folder, allowed in (("/", READ), ("/proc", READ | WRITE_FILE), ("/dev", READ | WRITE_FILE), ("/tmp", handled)):
        opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        linux.syscall(linux.LANDLOCK_ADD, rules, 1, struct.pack("=Qi", allowed, opened), 0, what="landlock")
        os.close(opened)
    linux.syscall(linux.LANDLOCK_RESTRICT, rules, 0, what="landlock")
    os.close(rules)
