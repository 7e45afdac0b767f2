"""Processes that the engines are made of: they never run as root, write to a log of their own, and end with us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_NOBODY = 65534
_PR_SET_PDEATHSIG = 1


def owner() -> tuple[int, int] | None:
    """User and group of processes that refuse to be root; None where we are not root either."""
    return (_NOBODY, _NOBODY) if os.geteuid() == 0 else None


def give(path: Path) -> None:
    """Makes a file or folder (not what is in it) the property of those processes."""
    who = owner()
    if who is not None:
        os.chown(path, *who)


def children(pid: int) -> list[int]:
    """The processes that a process has started, of those that still live."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return [int(child) for task in tasks for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:
        return []


class Process:
    """A child that was started. `ended` is done, with its exit status (negative: the signal), when it is gone."""

    def __init__(self, popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.pid = popen.pid
        self.stdin = popen.stdin
        self.stdout = popen.stdout
        self._popen = popen
        self._loop = loop
        self.ended: asyncio.Future[int] = loop.create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        loop.add_reader(self._pidfd, self._reap)

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        status = self._popen.wait()
        if not self.ended.done():
            self.ended.set_result(status)

    def tell(self, signal_number: int) -> None:
        """Sends a signal, where it still lives."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(signal_number)

    async def end(self, signal_number: int = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        """Asks it to end, and kills it when it does not."""
        self.tell(signal_number)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            self.tell(signal.SIGKILL)
            return await self.ended

    def kill_now(self) -> None:
        """For when the loop runs no more: kills it and waits."""
        if self.alive:
            self._popen.kill()
            self._popen.wait()


def spawn(
    arguments: Sequence[str | Path],
    loop: asyncio.AbstractEventLoop,
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    with_parent: int = signal.SIGKILL,
    drop: bool = True,
    keep: Sequence[int] = (),
    pipe: bool = False,
    before: Callable[[], None] | None = None,
) -> Process:
    """Starts a program; to be called in the loop's thread.

    log          gets what it prints
    environment  its whole environment beside PATH, LC_ALL, TZ and HOME
    with_parent  the signal that it gets when we die (Linux)
    drop         not as root
    keep         descriptors that it inherits
    pipe         `stdin` can be written to
    before       what the child does first
    """
    who = owner() if drop else None
    given = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/tmp", **(environment or {})}
    with open(log, "ab") as out:
        popen = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=given,
            pass_fds=keep,
            start_new_session=True,
            preexec_fn=_before(who, with_parent, before),
        )
    return Process(popen, loop)


def python(module: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs one of our modules, with as little start-up as can be."""
    return [sys.executable, "-m", module, *arguments]


def _before(who: tuple[int, int] | None, with_parent: int, first: Callable[[], None] | None) -> Callable[[], None]:
    library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    parent = os.getpid()

    def before() -> None:
        if first is not None:
            first()
        if who is not None:
            os.setgroups([])
            os.setgid(who[1])
            os.setuid(who[0])
        if library is not None:  # after the change of user, which clears it
            library.prctl(_PR_SET_PDEATHSIG, with_parent, 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    return before
