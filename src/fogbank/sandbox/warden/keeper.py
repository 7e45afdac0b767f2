"""The warden: makes boxes for the server, and ends them all when the server is gone.

Single-threaded and never waits: what takes long (starting an interpreter, forking, entering namespaces) happens in the zygotes
and in the boxes themselves. A few boxes are always half made, so a start has only the other half to wait for.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import birth, cgroups, linux, mail, probe, watch

STOCK = 2
RESTOCK_S = 0.03
MAKING = 6
USERS = 1 << 30
# The folder comes as a descriptor: boxes can read the command line of the zygote they are forks of.
BOOT = (
    "import os, sys; sys.path.insert(0, os.readlink('/proc/self/fd/{}')); from warden.zygote import serve; del sys.path[0]; exec(serve({}))"
)


class Box:
    """One, from the order to make it to its end."""

    def __init__(self, number: int, zygote: Zygote, group: cgroups.Group | None, channel: socket.socket) -> None:
        self.number, self.zygote, self.group, self.channel = number, zygote, group, channel
        self.order = ""
        self.pidfd = self.first = self.tmp = -1
        self.ready = self.begun = self.settled = self.over_memory = self.paused = False
        self.limits: dict[str, Any] = {}
        self.account = watch.Account()

    @property
    def cpus(self) -> float:
        """The share that holds now."""
        asked: float = self.limits["cpus"] if self.settled else self.limits["cpus_at_first"] or self.limits["cpus"]
        return asked


class Zygote:
    def __init__(self, key: tuple[str, tuple[str, ...]], channel: socket.socket, pid: int) -> None:
        self.key, self.channel, self.pid = key, channel, pid
        self.warm = False
        self.ready: deque[Box] = deque()
        self.making: dict[int, Box] = {}
        self.waiting: deque[tuple[str, dict[str, Any], int]] = deque()


class Warden:
    def __init__(self, server: socket.socket, privileged: bool) -> None:
        self.server, self.privileged = server, privileged
        self.found = cgroups.find()
        self.watched = "memory" not in self.found.folders
        self.selector = selectors.DefaultSelector()
        self.boxes: dict[int, Box] = {}
        self.ordered: dict[str, Box] = {}
        self.zygotes: dict[tuple[str, tuple[str, ...]], Zygote] = {}
        self.free: deque[int] = deque()
        self.users = USERS + ((os.getpid() & 0x3FFF) << 16)
        self.first = self._own_processes()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.left: dict[int, cgroups.Group | None] = {}
        self.sweeping = False
        self.watch = watch.Watch(self)
        self.selector.register(server, selectors.EVENT_READ, self.hear_server)

    def _own_processes(self) -> int:
        """All zygotes and boxes live in a pid namespace of the warden's: when its first process ends, so does everything in it."""
        if not self.privileged:
            probe.enter_user_namespace()
        linux.unshare(linux.NEWPID)
        first = os.fork()
        if not first:
            linux.prctl(linux.PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            birth.close_all_but(set())
            while True:
                signal.pause()
        return first

    # What comes in

    def hear_server(self) -> None:
        while True:
            try:
                message, descriptors = mail.receive(self.server, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if message is None:
                raise SystemExit
            word, *rest = message
            if word == "start":
                self.start(rest[0], rest[1], rest[2], descriptors[0])
            elif word == "warm":
                self.zygote((rest[0], rest[1]))
            elif word == "cancel":
                self.cancel(rest[0])
            elif rest[0] in self.ordered:
                box = self.ordered[rest[0]]
                if word == "settle":
                    box.settled = True
                    self.share(box)
                else:
                    self.pause(box, word == "pause")

    def hear_zygote(self, zygote: Zygote) -> None:
        message, descriptors = mail.receive(zygote.channel)
        if message is None or message[0] == "failed":
            return self.lose(zygote, message[1] if message else f"{zygote.key[0]} ended")
        if message[0] == "warm":
            zygote.warm = True
            return self.serve(zygote)
        box = self.boxes[message[1]]
        if not descriptors:
            return self.ended(box)
        box.pidfd = descriptors[0]
        box.first = host_pid(box.pidfd)
        self.selector.register(box.pidfd, selectors.EVENT_READ, lambda: self.ended(box))
        return self.stock(box)

    def hear_box(self, box: Box) -> None:
        """Only up to the moment when its program begins: afterwards nothing it says is read until its end."""
        if not box.ready:
            message, _ = mail.receive(box.channel)
            if message is None or message[0] != "ready":
                self.selector.unregister(box.channel)
                self.refuse(box, message[1] if message else "the box ended before it was made")
                return
            box.ready = True
            self.stock(box)
            return
        text, descriptors = mail.take(box.channel, socket.MSG_DONTWAIT)
        self.selector.unregister(box.channel)
        if text == birth.BEGUN and descriptors:
            box.begun, box.tmp = True, descriptors[0]
            self.share(box)
            self.watch.add(box)

    # Making

    def start(self, order: str, zygote: tuple[str, tuple[str, ...]], spec: dict[str, Any], reply: int) -> None:
        keeper = self.zygote(zygote)
        keeper.waiting.append((order, spec, reply))
        self.serve(keeper)

    def zygote(self, key: tuple[str, tuple[str, ...]]) -> Zygote:
        if key in self.zygotes:
            return self.zygotes[key]
        ours, theirs = mail.pair()
        interpreter, preload = key
        folder = os.open(Path(__file__).parent.parent, os.O_PATH)
        boot = BOOT.format(folder, theirs.fileno())
        arguments = [interpreter or sys.executable, "-I", "-X", "utf8", *(() if interpreter else ("-S",)), "-c", boot]
        pid = os.fork()
        if not pid:
            try:
                os.set_inheritable(theirs.fileno(), True)
                os.set_inheritable(folder, True)
                nothing = os.open("/dev/null", os.O_RDWR)
                for standard in (0, 1, 2):
                    os.dup2(nothing, standard)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.execve(arguments[0], arguments, {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"})
            finally:
                os._exit(127)
        os.close(folder)
        theirs.close()
        zygote = self.zygotes[key] = Zygote(key, ours, pid)
        with contextlib.suppress(BrokenPipeError):  # It has ended already: heard in a moment.
            mail.send(ours, (preload, self.privileged, self.watched))
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.hear_zygote(zygote))
        return zygote

    def serve(self, zygote: Zygote) -> None:
        """Gives what is half made to those who wait, and has more made."""
        while zygote.waiting and zygote.ready:
            self.give(zygote.ready.popleft(), *zygote.waiting.popleft())
        if zygote.warm:
            while len(zygote.waiting) > len(zygote.making) < MAKING:
                self.make(zygote)
            if len(zygote.ready) + len(zygote.making) < STOCK:
                self.after(RESTOCK_S, lambda: self.restock(zygote))

    def stock(self, box: Box) -> None:
        """Half made, and known by its number: the two are heard of in any order."""
        if box.ready and box.pidfd >= 0:
            box.zygote.making.pop(box.number, None)
            box.zygote.ready.append(box)
            self.serve(box.zygote)

    def cancel(self, order: str) -> None:
        """Nobody waits for it any more."""
        if order in self.ordered:
            self.kill(self.ordered[order])
        for zygote in self.zygotes.values():
            for waiting in [w for w in zygote.waiting if w[0] == order]:
                zygote.waiting.remove(waiting)
                os.close(waiting[2])

    def restock(self, zygote: Zygote) -> None:
        if self.zygotes.get(zygote.key) is zygote and len(zygote.ready) + len(zygote.making) < STOCK:
            self.make(zygote)

    def make(self, zygote: Zygote) -> None:
        number = self.free.popleft() if len(self.free) > 64 or len(self.boxes) > 60000 else self.numbers()
        group = cgroups.make(self.found, number)
        ours, theirs = mail.pair()
        box = Box(number, zygote, group, ours)
        self.boxes[number] = zygote.making[number] = box
        joins = group.joins() if group else []
        with contextlib.suppress(BrokenPipeError):
            mail.send(zygote.channel, ("make", number, self.users + number), [theirs.fileno(), *joins])
        mail.close(joins)
        theirs.close()
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.hear_box(box))

    def numbers(self) -> int:
        return len(self.boxes) + len(self.left) + len(self.free)

    def give(self, box: Box, order: str, spec: dict[str, Any], reply: int) -> None:
        box.order, box.limits = order, spec
        self.ordered[order] = box
        spec["gauge"] = (*(box.group.gauge if box.group else ("", "", "")), str(box.first))
        try:
            if box.group:
                box.group.limit(spec["memory_bytes"] + spec["tmp_bytes"], spec["processes"])
            mail.send(box.channel, spec, [reply])
        except OSError as problem:
            self.refuse_to(reply, str(problem))
            self.kill(box)
        finally:
            os.close(reply)

    # The end

    def pause(self, box: Box, paused: bool) -> None:
        box.paused, box.account.held = paused, False
        self.watch.paused(box)
        self.hold(box, paused)

    def share(self, box: Box) -> None:
        """Both its beginning and its having settled may be heard of first."""
        if box.group and box.begun and box.cpus < (os.cpu_count() or 1):
            with contextlib.suppress(OSError):
                box.group.share(box.cpus)

    def kill(self, box: Box) -> None:
        if box.pidfd >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(box.pidfd, signal.SIGKILL)

    def hold(self, box: Box, held: bool) -> None:
        """All of it stands still: by its cgroup, else by its pid 1, whose signal reaches all at once."""
        if not (box.group and box.group.freeze(held)):
            with contextlib.suppress(OSError):
                box.channel.send(birth.STOP if held else birth.RESUME)

    def ended(self, box: Box) -> None:
        """Its pid 1 is gone, and with it all that was in it."""
        if box.pidfd >= 0:
            self.selector.unregister(box.pidfd)
            os.close(box.pidfd)
        code, by = -1, int(signal.SIGKILL)
        cpu_us = 0
        with contextlib.suppress(OSError):
            while text := mail.take(box.channel, socket.MSG_DONTWAIT)[0]:
                if len(text) == birth.STATUS.size:
                    _, code, by, cpu_us, _ = birth.STATUS.unpack(text)
        for_memory = box.over_memory or bool(box.group and box.group.killed_for_memory())
        why = "memory" if by == signal.SIGKILL and for_memory else ""
        used = self.watch.last(box, cpu_us / 1000)
        self.forget(box)
        if box.order:
            self.ordered.pop(box.order, None)
            mail.send(self.server, ("ended", box.order, code, by, why, *used))

    def forget(self, box: Box) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(box.channel)
        box.channel.close()
        if box.tmp >= 0:
            os.close(box.tmp)
        box.zygote.making.pop(box.number, None)
        with contextlib.suppress(ValueError):
            box.zygote.ready.remove(box)
        del self.boxes[box.number]
        self.left[box.number] = box.group
        self.remove_left()

    def remove_left(self) -> None:
        """A number is free again when its cgroups are gone: the kernel takes a moment."""
        for number in [n for n, group in self.left.items() if not group or group.remove()]:
            del self.left[number]
            self.free.append(number)
        if self.left and not self.sweeping:
            self.sweeping = True
            self.after(0.02, self.sweep)

    def sweep(self) -> None:
        self.sweeping = False
        self.remove_left()

    def refuse(self, box: Box, problem: str) -> None:
        """A box could not even be half made: neither can those that wait for one."""
        self.kill(box)
        box.zygote.making.pop(box.number, None)
        if box.zygote.waiting:
            _, _, reply = box.zygote.waiting.popleft()
            self.refuse_to(reply, problem)
            os.close(reply)

    def refuse_to(self, reply: int, problem: str) -> None:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(reply)) as end:
            mail.send(end, ("failed", problem))

    def lose(self, zygote: Zygote, problem: str) -> None:
        self.selector.unregister(zygote.channel)
        zygote.channel.close()
        del self.zygotes[zygote.key]
        with contextlib.suppress(OSError):
            os.kill(zygote.pid, signal.SIGKILL)
        for box in [*zygote.ready, *zygote.making.values()]:
            if box.pidfd < 0:
                self.forget(box)
        for _, _, reply in zygote.waiting:
            self.refuse_to(reply, problem)
            os.close(reply)
        zygote.waiting.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.first, signal.SIGKILL)
            os.waitpid(self.first, 0)
        groups = [g for g in (*self.left.values(), *[box.group for box in self.boxes.values()]) if g]
        end = time.monotonic() + 10  # (they are busy as long as what was killed ends)
        while (groups := [g for g in groups if not g.remove()]) and time.monotonic() < end:
            time.sleep(0.005)
        for folder in {*self.found.folders.values()}:
            cgroups.remove(folder)

    # The loop

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        self.timers.append((time.monotonic() + seconds, work))

    def run(self) -> None:
        while True:
            now = time.monotonic()
            due = [work for at, work in self.timers if at <= now]
            self.timers = [(at, work) for at, work in self.timers if at > now]
            for work in due:
                work()
            wait = min((at for at, _ in self.timers), default=None)
            for key, _ in self.selector.select(None if wait is None else max(0, wait - time.monotonic())):
                if key.fileobj in self.selector.get_map():
                    key.data()


def host_pid(pidfd: int) -> int:
    """The number under which the machine knows it: the zygote sees another."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line[4:])
    return -1


def main(descriptor: int, privileged: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = socket.socket(fileno=descriptor)
    # When the server's death is told by signal, it is heard as the end of what the server says.
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown(socket.SHUT_RD))
    warden = Warden(server, privileged)
    linux.prctl(linux.PDEATHSIG, signal.SIGTERM)
    # The kernel reaps for us: a namespace cannot end before its dead are reaped.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        warden.run()
    except BrokenPipeError:
        pass
    finally:
        warden.close()
