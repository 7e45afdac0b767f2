"""The kernel's calls that Python's standard library has no name for (it has to work from Python 3.8 on)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

X86 = platform.machine() in ("x86_64", "AMD64")

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000

NOSUID, NODEV, NOEXEC, MOVE, RECURSIVE, PRIVATE, SLAVE = 2, 4, 8, 8192, 16384, 1 << 18, 1 << 19

# mount_setattr's own names for the same
ATTR_READ_ONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8

PDEATHSIG, DUMPABLE, SECCOMP, CAPBSET_DROP, SECUREBITS, NO_NEW_PRIVS, CAP_AMBIENT, CHILD_SUBREAPER = 1, 4, 22, 24, 28, 38, 47, 36

AT_CWD, EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
PIVOT_ROOT, CAPSET, SIGNALFD4 = (155, 126, 289) if X86 else (41, 91, 74)
OPEN_TREE, MOVE_MOUNT, PIDFD_OPEN, MOUNT_SETATTR = 428, 429, 434, 442
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_long = ctypes.c_long


def checked(answer: int, what: str) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))  # noqa: UP031
    return answer


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char], what: str = "syscall") -> int:
    return checked(_libc.syscall(_long(number), *[_long(a) if isinstance(a, int) else a for a in arguments]), what)


def unshare(flags: int) -> None:
    checked(_libc.unshare(flags), "unshare")


def setns(namespace: int, kind: int) -> None:
    checked(_libc.setns(namespace, kind), "setns")


def prctl(option: int, *arguments: int) -> int:
    return checked(_libc.prctl(option, *(*arguments, 0, 0, 0, 0)[:4]), f"prctl {option}")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    answer = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    checked(answer, f"mount {target}")


def unmount_here() -> None:
    checked(_libc.umount2(b".", 2), "umount")


def pivot_root_here() -> None:
    syscall(PIVOT_ROOT, b".", b".", what="pivot_root")


def copy_of(tree: int) -> int:
    """A copy, not yet anywhere, of the mount that a descriptor names, with all below it."""
    return syscall(OPEN_TREE, tree, b"", 1 | 0x80000 | EMPTY_PATH | AT_RECURSIVE, what="open_tree")


def attach(tree: int, at: int) -> None:
    syscall(MOVE_MOUNT, tree, b"", at, b"", 4 | 0x40, what="move_mount")


def set_attributes(tree: int, attributes: int, recursive: bool = True) -> None:
    asked = struct.pack("QQQQ", attributes, 0, 0, 0)
    syscall(MOUNT_SETATTR, tree, b"", EMPTY_PATH | (AT_RECURSIVE if recursive else 0), asked, len(asked), what="mount_setattr")


def drop_capabilities() -> None:
    """From all five sets, and root's number no longer gives any."""
    for capability in range(64):
        if _libc.prctl(CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _libc.prctl(SECUREBITS, 0x2F, 0, 0, 0)
    _libc.prctl(CAP_AMBIENT, 4, 0, 0, 0)


def hold_no_capabilities() -> None:
    syscall(CAPSET, struct.pack("II", 0x20080522, 0), b"\0" * 24, what="capset")


def load_filter(program: bytes) -> None:
    kept = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(kept))
    kept_head = ctypes.create_string_buffer(head, len(head))
    prctl(SECCOMP, 2, ctypes.addressof(kept_head))


def pidfd_open(pid: int) -> int:
    return syscall(PIDFD_OPEN, pid, 0, what="pidfd_open")


def signalfd(signal: int) -> int:
    """A descriptor that can be read when the (blocked) signal has come."""
    mask = struct.pack("Q", 1 << (signal - 1))
    return syscall(SIGNALFD4, -1, mask, len(mask), 0o2000000, what="signalfd")


def set_hostname(name: bytes) -> None:
    checked(_libc.sethostname(name, len(name)), "sethostname")
