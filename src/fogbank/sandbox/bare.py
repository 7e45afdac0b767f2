"""The driver without isolation, for machines that grant none: a plain process with the limits that every Unix has."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import socket
import sys
from pathlib import Path

from .box import CannotStart, Ended, Spec, Usage, Zygote
from .outside import listening, renamed
from .warden import gauge

RUN = "import sys; sys.path.insert(0, {!r}); from warden.limits import main; main({})"

MISSING = (
    "Memory is limited per process and loosely (by 1 GiB more than asked), not for a program and its children.",
    "The processor share is not limited.",
    "The number of processes is not limited, and a process that leaves its session outlives its box.",
    "There is no /tmp of a box's own, and what is written is limited per file only.",
    "Programs run as the user who started the server: they read and change all that this user can.",
    "Programs reach the network, the machine's own ports, the cloud's control port, and what other boxes are served at.",
    "System calls are not filtered.",
)


class BareBox:
    """A plain process, the leader of a session."""

    peer = ""

    def __init__(self, process: asyncio.subprocess.Process, output: int, listeners: tuple[socket.socket, ...]) -> None:
        self._process, self.output, self.listeners = process, output, listeners
        self._killed = False
        self._usage = Usage(0, 0, 0.0)
        self._end = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> Ended:
        status = await self._process.wait()
        self._signal(signal.SIGKILL)
        if status >= 0:
            return Ended(status, None)
        return Ended(None, -status, "killed" if self._killed else "")

    async def ended(self) -> Ended:
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        self._killed = True
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def settle(self) -> None:
        """There is no share that could begin to hold."""

    def usage(self) -> Usage:
        """Linux's only; elsewhere nothing is known."""
        if sys.platform == "linux" and self._process.returncode is None:
            memory, peak, cpu = gauge.tree(self._process.pid)
            self._usage = Usage(memory, max(peak, self._usage.peak_memory_bytes), max(cpu, self._usage.cpu_ms))
        return self._usage


class Bare:
    """No isolation."""

    name = "bare"
    missing: tuple[str, ...] = MISSING

    def __init__(self) -> None:
        self._boxes: set[BareBox] = set()

    async def prepare(self, zygote: Zygote | None) -> None:
        """There is nothing to prepare."""

    async def start(self, spec: Spec) -> BareBox:
        if spec.image:
            raise CannotStart("A container image needs a container engine (--sandbox docker).")
        listeners = listening(spec)
        flat = {
            "command": [renamed(part, spec.listen, listeners, spec.mounts) for part in spec.command],
            "environment": {name: renamed(value, spec.listen, listeners, spec.mounts) for name, value in spec.environment.items()},
            "working_directory": renamed(spec.working_directory, spec.listen, listeners, spec.mounts),
            **spec.limits._asdict(),
        }
        told, tell = os.pipe()
        output, written = os.pipe()
        os.set_blocking(output, False)
        code = RUN.format(str(Path(__file__).parent), told)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", code),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                pass_fds=[told],
                start_new_session=True,
                env={"PATH": os.defpath},
            )
        except OSError as problem:
            os.close(output)
            raise CannotStart(str(problem)) from None
        finally:
            os.close(told)
            os.close(written)
            with contextlib.suppress(BrokenPipeError), open(tell, "wb") as file:
                marshal.dump(flat, file)
        box = BareBox(process, output, listeners)
        self._boxes.add(box)
        box._end.add_done_callback(lambda _: self._boxes.discard(box))
        return box

    async def close(self) -> None:
        boxes = [*self._boxes]
        for box in boxes:
            box.kill()
        for box in boxes:
            await box.ended()
