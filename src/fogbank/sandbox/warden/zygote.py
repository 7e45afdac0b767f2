"""A zygote: an interpreter, warm, with its modules imported, that forks half-made boxes when the warden asks.

Runs in any Python from 3.8 on. It is single-threaded and holds nothing of ours: what it knows, every box can read.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

from . import birth, linux, mail, root, seccomp


def serve(descriptor: int) -> CodeType:
    """Returns only in a box, and there in the program: with what it shall run."""
    warden = socket.socket(fileno=descriptor)
    try:
        (preload, privileged, watched), _ = mail.receive(warden)
        linux.prctl(linux.PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for module in preload:
            if module.startswith("/"):
                sys.path.insert(0, module)
            else:
                importlib.import_module(module)
        ground = root.Ground()
    except BaseException as problem:
        mail.send(warden, ("failed", f"{type(problem).__name__}: {problem}"))
        os._exit(1)
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    seccomp.program(watched=watched)
    gc.collect()
    gc.freeze()
    mail.send(warden, ("warm",))
    while True:
        message, descriptors = mail.receive(warden)
        if message is None:
            os._exit(0)
        _, number, user = message
        linux.unshare(linux.NEWPID)
        pid = os.fork()
        if not pid:
            birth.close_all_but({*descriptors})
            channel = socket.socket(fileno=descriptors[0])
            return box(channel, partial(birth.Half, ground, channel, descriptors[1:], user, privileged), watched)
        linux.setns(here, linux.NEWPID)
        try:
            opened = [linux.pidfd_open(pid)]
        except OSError:
            opened = []
        mail.send(warden, ("made", number), opened)
        mail.close([*opened, *descriptors])


def box(channel: socket.socket, make: Callable[[], birth.Half], watched: bool) -> CodeType:
    """The life of one box, from the fork on."""
    listening = channel
    try:
        half = make()
        mail.send(channel, ("ready",))
        spec, descriptors = mail.receive(channel)
        if spec is None:
            os._exit(0)
        listening = socket.socket(fileno=descriptors[0])
        itself = linux.pidfd_open(1)
        output, listeners, tmp = half.finish(spec, watched)
        handed = [itself, output, tmp, *listeners]

        def leave() -> None:
            mail.close(handed)
            listening.close()

        def leave_all() -> None:
            leave()
            channel.close()

        program, work = birth.begin(lambda: prepared(spec), leave_all)
        if work:
            return work()
        mail.send(listening, ("running", spec["gauge"]), handed)
        mail.hand(channel, birth.BEGUN, [tmp])
        leave()
        birth.keep(program, channel)
    except BaseException as problem:
        mail.send(listening, ("failed", str(problem) or type(problem).__name__))
        os._exit(1)


def prepared(spec: dict[str, Any]) -> Callable[[], CodeType]:
    os.chdir(spec["working_directory"])
    command, environment = spec["command"], spec["environment"]
    if not spec["forked"]:
        os.execvpe(command[0], command, environment)
    script = command[1]
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    return lambda: as_if_started(code, script, command[1:], environment)


def as_if_started(code: CodeType, script: str, arguments: list[str], environment: dict[str, str]) -> CodeType:
    """This interpreter, as if it had just been started with the script."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = arguments
    paths = [os.path.dirname(script), *[p for p in environment.get("PYTHONPATH", "").split(":") if p]]
    sys.path[:0] = paths
    package = __name__.rpartition(".")[0]
    for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
        del sys.modules[name]
    main = sys.modules["__main__"].__dict__
    for name in [n for n in main if not n.startswith("__")]:
        del main[name]
    main["__file__"] = script
    sys.excepthook = tell
    if environment.get("PYTHONUNBUFFERED"):
        for number, stream in ((1, "stdout"), (2, "stderr")):
            fresh = io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), "utf-8", "replace", write_through=True)
            setattr(sys, stream, fresh)
            setattr(sys, "__" + stream + "__", fresh)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_IGN)
    return code


def tell(kind: Any, problem: Any, trace: Any) -> None:
    """An uncaught exception, without the one frame that is ours."""
    sys.__excepthook__(kind, problem.with_traceback(trace and trace.tb_next), trace and trace.tb_next)
