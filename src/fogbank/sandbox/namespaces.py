"""The driver for Linux: boxes made of namespaces, cgroups and a seccomp filter by the warden (`warden/`), a process of its own.

A start is one message to the warden, and the answer comes from the box itself, with descriptors: its output, its listening sockets,
and its pid 1, by which it is killed without asking anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .box import CannotStart, Ended, Spec, Usage, Zygote
from .warden import gauge, mail

FOLDER = Path(__file__).parent
RUN = "import sys; sys.path.insert(0, {!r}); from warden import {}; del sys.path[0]; {}.main({})"


class Granted(NamedTuple):
    """What the machine allows."""

    refused: str
    privileged: bool
    missing: tuple[str, ...]


def probe() -> Granted:
    """Tries it all once in another process (about 30 ms)."""
    if sys.platform != "linux":
        return Granted(f"namespaces are Linux's, this is {sys.platform}", False, ())
    ours, theirs = mail.pair()
    with ours, theirs:
        run("probe", str(theirs.fileno()), theirs).wait()
        theirs.close()
        answer, _ = mail.receive(ours)
    return Granted(*answer) if answer else Granted("the trial of what this machine grants ended early", False, ())


def run(module: str, arguments: str, end: socket.socket) -> subprocess.Popen[bytes]:
    code = RUN.format(str(FOLDER), module, module, arguments)
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, pass_fds=[end.fileno()], env={"PATH": os.defpath})


class NamespaceBox:
    """A box of this driver."""

    peer = ""

    def __init__(self, driver: Namespaces, order: str, place: tuple[str, ...], descriptors: list[int]) -> None:
        self._pidfd, self.output, self._tmp, *sockets = descriptors
        self.listeners = tuple(socket.socket(fileno=descriptor) for descriptor in sockets)
        for listener in self.listeners:
            listener.setblocking(False)
        self._driver, self._order = driver, order
        self._gauge, self._first = place[:3], int(place[3])
        self._end: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._killed = self._paused = False
        self._usage: Usage | None = None

    async def ended(self) -> Ended:
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        if self._end.done():
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def pause(self) -> None:
        if not self._paused and not self._end.done():
            self._paused = True
            self._driver.tell(("pause", self._order))

    def resume(self) -> None:
        if self._paused and not self._end.done():
            self._paused = False
            self._driver.tell(("resume", self._order))

    def settle(self) -> None:
        if not self._end.done():
            self._driver.tell(("settle", self._order))

    def usage(self) -> Usage:
        if self._usage:
            return self._usage
        return Usage(*gauge.used(self._gauge, self._first, self._tmp))

    def end(self, code: int, by: int, why: str, usage: Usage) -> None:
        if self._end.done():
            return
        if self._killed and by == signal.SIGKILL:
            why = "killed"
        self._usage = usage
        os.close(self._pidfd)
        os.close(self._tmp)
        self._end.set_result(Ended(None if by else code, by or None, why))


class Namespaces:
    """Boxes of Linux's own means."""

    name = "namespaces"

    def __init__(self) -> None:
        self._orders = itertools.count()
        self._boxes: dict[str, NamespaceBox] = {}
        self._starting: dict[str, tuple[Any, ...] | None] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._warden: socket.socket | None = None
        self._outbox: deque[tuple[bytes, list[int]]] = deque()

    @cached_property
    def granted(self) -> Granted:
        return probe()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        return self.granted.missing

    async def prepare(self, zygote: Zygote | None) -> None:
        """Has boxes half made, so that the first does not wait for an interpreter to start."""
        self.tell(("warm", *_key(zygote)))

    async def start(self, spec: Spec) -> NamespaceBox:
        if spec.image:
            raise CannotStart("A container image needs a container engine (--sandbox docker).")
        order = str(next(self._orders))
        self._starting[order] = None
        ours, theirs = mail.pair()
        ours.setblocking(False)
        try:
            self.tell(("start", order, _key(spec.zygote), _flat(spec)), theirs.detach())
            message, descriptors = await _answer(ours)
        except asyncio.CancelledError:
            self.tell(("cancel", order))
            raise
        finally:
            ours.close()
            early = self._starting.pop(order)
        if message is None or message[0] != "running":
            raise CannotStart(message[1] if message else "the warden ended")
        box = NamespaceBox(self, order, message[1], descriptors)
        if early:
            box.end(*early)
        else:
            self._boxes[order] = box
        return box

    def tell(self, message: tuple[Any, ...], *descriptors: int) -> None:
        """To the warden, in order; the descriptors are ours no longer."""
        if self._warden is None:
            self._begin()
        self._outbox.append((mail.packed(message), list(descriptors)))
        if len(self._outbox) == 1:
            self._post()

    def _post(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._warden
        while self._outbox:
            text, descriptors = self._outbox[0]
            try:
                mail.hand(self._warden, text, descriptors)
            except BlockingIOError:
                loop.add_writer(self._warden, self._post)
                return
            except OSError:
                pass  # It has ended: what waits for its answers hears of it there.
            self._outbox.popleft()
            mail.close(descriptors)
        loop.remove_writer(self._warden)

    def _begin(self) -> None:
        if self.granted.refused:
            raise CannotStart(f"This machine cannot close programs in: {self.granted.refused}.")
        self._warden, theirs = mail.pair()
        self._warden.setblocking(False)
        with theirs:
            self._process = run("keeper", f"{theirs.fileno()}, {self.granted.privileged}", theirs)
        asyncio.get_running_loop().add_reader(self._warden, self._hear)

    def _hear(self) -> None:
        assert self._warden
        while True:
            try:
                message, _ = mail.receive(self._warden)
            except BlockingIOError:
                return
            if message is None:
                self._lost()
                return
            _, order, code, by, why, *used = message
            box = self._boxes.pop(order, None)
            if box:
                box.end(code, by, why, Usage(*used))
            elif order in self._starting:
                self._starting[order] = (code, by, why, Usage(*used))

    def _lost(self) -> None:
        """The warden is no more, and with it all its boxes; the next start makes another."""
        assert self._warden
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._warden)
        loop.remove_writer(self._warden)
        self._warden.close()
        self._warden = None
        while self._outbox:
            mail.close(self._outbox.popleft()[1])
        if self._process:
            self._process.poll()
        boxes, self._boxes = self._boxes, {}
        for box in boxes.values():
            box.end(-1, signal.SIGKILL, "killed", box.usage())

    async def close(self) -> None:
        if self._warden is None:
            return
        self._warden.shutdown(socket.SHUT_WR)
        process = self._process
        while self._warden is not None:
            await asyncio.sleep(0.002)
        if process:
            await asyncio.to_thread(process.wait)


async def _answer(end: socket.socket) -> tuple[Any, list[int]]:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(end, _wake, readable)
    try:
        await readable
    finally:
        loop.remove_reader(end)
    return mail.receive(end)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _key(zygote: Zygote | None) -> tuple[str, tuple[str, ...]]:
    return (zygote.interpreter, tuple(zygote.preload)) if zygote else ("", ())


def _flat(spec: Spec) -> dict[str, Any]:
    return {
        "command": list(spec.command),
        "environment": dict(spec.environment),
        "mounts": [(str(mount.source), mount.at) for mount in spec.mounts],
        "working_directory": spec.working_directory,
        "listen": list(spec.listen),
        "forked": spec.zygote is not None,
        **spec.limits._asdict(),
    }
