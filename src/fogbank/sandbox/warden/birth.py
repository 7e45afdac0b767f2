"""How a box comes to be, from the inside: half made ahead of time, the rest when it is known what shall run.

The process that does it becomes pid 1 of the box and stays: it reaps, stops and resumes what runs, and ends when the program
does, with which the kernel ends all that is left.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from . import landlock, limits, linux, mail, network, root, seccomp

# The end of the program: how (code or -1, signal or 0), its processor time (us) and its largest resident set (KiB).
STATUS = struct.Struct("<4sqqqq")
END, STOP, RESUME, BEGUN = b"end.", b"stop", b"cont", b"beg."


class Half:
    """A box that waits for its program: closed in already, but still with the means to finish the work."""

    def __init__(self, ground: root.Ground, channel: socket.socket, cgroups: list[int], user: int, privileged: bool) -> None:
        self.channel, self.user, self.privileged = channel, user, privileged
        die_with_the_zygote()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGCHLD])
        for descriptor in cgroups:
            os.write(descriptor, b"0")
        mail.close(cgroups)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("700")
        linux.unshare(linux.NEWNS | linux.NEWNET | linux.NEWIPC | linux.NEWUTS | linux.NEWCGROUP)
        linux.set_hostname(b"box")
        network.loopback_up()
        self.root = root.Root(ground, user)

    def finish(self, spec: dict[str, Any], watched: bool) -> tuple[int, list[int], int]:
        """The output's reading end, the listeners, and /tmp."""
        self.root.furnish(spec["tmp_bytes"], spec["mounts"])
        self.root.enter()
        listeners = network.listeners(spec["listen"])
        output, written = os.pipe()
        nothing = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(source, target)
        if self.privileged:
            os.fchown(written, self.user, self.user)  # or /dev/stderr could not be opened
        os.close(nothing)
        os.close(written)
        os.set_blocking(output, False)
        tmp = os.open("/tmp", os.O_PATH | os.O_CLOEXEC)
        os.umask(0o022)
        self._confine(spec, watched)
        return output, listeners, tmp

    def _confine(self, spec: dict[str, Any], watched: bool) -> None:
        """No privilege is left after this, and none can be had again."""
        if not self.privileged:
            # A user namespace of its own, in which its processes are counted by themselves. The limit on their number comes after:
            # a namespace remembers that of its maker, and holds it against all of this user's boxes together.
            linux.unshare(linux.NEWUSER)
            for name in ("uid_map", "gid_map"):
                with open("/proc/self/" + name, "w") as file:
                    file.write(f"{self.user} 0 1")
        limits.hold(spec, data=watched)
        linux.drop_capabilities()
        if self.privileged:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
        linux.hold_no_capabilities()
        linux.prctl(linux.NO_NEW_PRIVS, 1)
        # Nobody in the box may look into pid 1, or write to it.
        linux.prctl(linux.DUMPABLE, 0)
        die_with_the_zygote()
        landlock.restrict()
        linux.load_filter(seccomp.program(watched=watched))


def die_with_the_zygote() -> None:
    """Forgotten by the kernel at each change of user: asked for again then."""
    linux.prctl(linux.PDEATHSIG, signal.SIGKILL)


def begin(prepare: Callable[[], Callable[[], CodeType]], leave: Callable[[], None]) -> tuple[int, Callable[[], CodeType] | None]:
    """Forks the program off. In pid 1: its number, when it has begun. In the program: what to do now."""
    told, tell = os.pipe()
    program = os.fork()
    if program:
        os.close(tell)
        problem = os.read(told, 4096)
        os.close(told)
        if problem:
            raise RuntimeError(problem.decode("utf-8", "replace"))
        return program, None
    try:
        os.close(told)
        leave()
        linux.prctl(linux.DUMPABLE, 1)
        for each in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        work = prepare()
        os.close(tell)
        return 0, work
    except BaseException as problem_here:
        os.write(tell, (str(problem_here) or type(problem_here).__name__).encode()[:4096])
        os._exit(127)


def keep(program: int, channel: socket.socket) -> NoReturn:
    """Pid 1's life."""
    ended = linux.signalfd(signal.SIGCHLD)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(channel.fileno(), select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == ended:
                os.read(ended, 128)
                reap(program, channel)
            else:
                word = channel.recv(4)
                if not word:
                    os._exit(0)
                try:
                    os.kill(-1, signal.SIGSTOP if word == STOP else signal.SIGCONT)
                except ProcessLookupError:
                    pass


def reap(program: int, channel: socket.socket) -> None:
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid == program:
            code, by = (-1, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), 0)
            all_used = resource.getrusage(resource.RUSAGE_CHILDREN)
            try:
                channel.send(STATUS.pack(END, code, by, int((all_used.ru_utime + all_used.ru_stime) * 1e6), used.ru_maxrss))
            except OSError:
                pass
            os._exit(0)


def close_all_but(kept: set[int]) -> None:
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 1 << 20)
