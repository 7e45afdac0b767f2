"""The driver for a container engine: the same specification, as command lines of `docker` (or `podman`, which takes the same)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import shutil
import socket
import sys
from pathlib import Path

from .box import CannotStart, Ended, Limits, Spec, Usage, Zygote
from .outside import listening, renamed
from .warden import cgroups, root

PROGRAMS = ("docker", "podman")
NETWORK = "fogbank"
NOTHING = "fogbank/nothing"
LABEL = "fogbank.server"
EMPTY_ARCHIVE = bytes(1024)

MISSING = (
    "Programs reach those ports of this machine that listen on all of its addresses (a container has no other way to the cloud).",
    "An engine does not tell how much processor time was used.",
)

# What names the engine or its login to the command itself may not come from a program's environment.
THE_COMMANDS_OWN = ("PATH", "HOME", "DOCKER", "CONTAINER", "XDG", "LD_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy", "TMPDIR")


class EngineBox:
    """A container, by its name, and the command that is attached to it."""

    def __init__(self, engine: Engine, name: str, process: asyncio.subprocess.Process, later: float) -> None:
        self._engine, self._name, self._process = engine, name, process
        self.output = -1
        self.peer = ""
        self.listeners: tuple[socket.socket, ...] = ()
        self._killed = False
        self._cpus_later = later
        self._usage = Usage(0, 0, 0.0)
        self._orders: list[tuple[str, ...]] = []
        self._at_work: asyncio.Task[None] | None = None
        self.end = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> Ended:
        code = await self._process.wait()
        _, told = await self._engine.ask("inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", self._name)
        memory, _, real = told.strip().partition(" ")
        await self._engine.ask("rm", "--force", "--volumes", self._name)
        code = int(real) if real.isdigit() else code
        why = "memory" if memory == "true" else "killed" if self._killed and code == 137 else ""
        return Ended(None, code - 128, why) if code > 128 else Ended(code, None, why)

    async def ended(self) -> Ended:
        return await asyncio.shield(self.end)

    def kill(self) -> None:
        self._killed = True
        self._order("kill", "--signal", "KILL")

    def pause(self) -> None:
        self._order("pause")

    def resume(self) -> None:
        self._order("unpause")

    def _order(self, *words: str) -> None:
        """One after the other."""
        self._orders.append((*words, self._name))
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.get_running_loop().create_task(self._carry_out())

    async def _carry_out(self) -> None:
        while self._orders:
            await self._engine.ask(*self._orders.pop(0))

    def settle(self) -> None:
        if self._cpus_later:
            self._order("update", "--cpus", f"{self._cpus_later:.3f}")

    def usage(self) -> Usage:
        """As it was told last: the engine takes a second, and is asked for the next time."""
        if not self._orders and not self.end.done() and (self._at_work is None or self._at_work.done()):
            self._at_work = asyncio.get_running_loop().create_task(self._look())
        return self._usage

    async def _look(self) -> None:
        _, told = await self._engine.ask("stats", "--no-stream", "--format", "{{.MemUsage}}", self._name)
        memory = in_bytes(told.partition("/")[0].strip())
        self._usage = Usage(memory, max(memory, self._usage.peak_memory_bytes), 0.0)
        await self._carry_out()


class Engine:
    """Boxes as containers."""

    name = "docker"
    missing: tuple[str, ...] = MISSING

    def __init__(self, program: str = "") -> None:
        self.program = program or next((p for p in PROGRAMS if shutil.which(p)), "docker")
        self._boxes: set[EngineBox] = set()
        self._count = 0
        self._gateway = ""
        self._ready: asyncio.Task[None] | None = None

    async def ask(self, *words: str, given: bytes | None = None) -> tuple[int, str]:
        """One command: its code, and what it said."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
        except OSError as problem:
            raise CannotStart(f"There is no container engine: {self.program}: {problem.strerror}.") from None
        said, _ = await process.communicate(given)
        return process.returncode or 0, said.decode("utf-8", "replace")

    async def _insist(self, *words: str, given: bytes | None = None) -> str:
        code, said = await self.ask(*words, given=given)
        if code:
            raise CannotStart(f"{self.program} {words[0]}: {said.strip()}")
        return said.strip()

    async def prepare(self, zygote: Zygote | None) -> None:
        """The network that leads nowhere but here; and what a killed server left is removed."""
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._ready = asyncio.get_running_loop().create_task(self._prepare())
        await asyncio.shield(self._ready)

    async def _prepare(self) -> None:
        await self._insist("version", "--format", "{{.Server.Version}}")
        for line in (
            await self._insist("ps", "--all", "--filter", f"label={LABEL}", "--format", f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}')
        ).splitlines():
            name, _, server = line.partition(" ")
            pid = server.split("-")[1]
            if cgroups.name(int(pid)) != server:
                await self.ask("rm", "--force", "--volumes", name)
        code, _ = await self.ask("network", "inspect", NETWORK)
        if code:
            without_neighbours = "com.docker.network.bridge.enable_icc=false"
            await self._insist("network", "create", "--internal", "--driver", "bridge", "--opt", without_neighbours, NETWORK)
        self._gateway = await self._insist("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", NETWORK)
        code, _ = await self.ask("image", "inspect", NOTHING)
        if code:
            await self._insist("import", "-", NOTHING, given=EMPTY_ARCHIVE)

    async def start(self, spec: Spec) -> EngineBox:
        if not spec.image and sys.platform != "linux":
            raise CannotStart("Without an image a container takes its programs from this machine, and those are not Linux's.")
        await self.prepare(None)
        self._count += 1
        name = f"{cgroups.name(os.getpid())}-{self._count}"
        try:
            listeners = listening(spec, self._gateway)
        except OSError as problem:
            raise CannotStart(f"The engine's network ends at {self._gateway}, which is not on this machine: {problem.strerror}.") from None
        environment = {key: renamed(value, spec.listen, listeners) for key, value in spec.environment.items()}
        await self._create(name, spec, environment)
        output, written = os.pipe()
        os.set_blocking(output, False)
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, "start", "--attach", name, stdin=asyncio.subprocess.DEVNULL, stdout=written, stderr=written
            )
        finally:
            os.close(written)
        box = EngineBox(self, name, process, spec.limits.cpus if spec.limits.cpus_at_first else 0)
        box.output, box.listeners = output, listeners
        box.peer = await self._address(name, process) if spec.listen else ""
        self._boxes.add(box)
        box.end.add_done_callback(lambda _: self._boxes.discard(box))
        return box

    async def _address(self, name: str, process: asyncio.subprocess.Process) -> str:
        """The container's own: others reach the same gateway, and must not be taken for it."""
        while process.returncode is None:
            _, told = await self.ask("inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}', name)
            with contextlib.suppress(ValueError):
                return str(ipaddress.ip_address(told.strip()))
            await asyncio.sleep(0.02)
        return "nowhere"

    async def _create(self, name: str, spec: Spec, environment: dict[str, str]) -> None:
        if spec.image and spec.entry_point and not spec.command:
            # The command line forgets the image's own command along with its entry point; Lambda does not.
            own = json.loads(await self._insist("image", "inspect", "--format", "{{json .Config.Cmd}}", spec.image))
            spec = spec._replace(command=tuple(own or ()))
        words, passed = create(name, spec, environment)
        process = await asyncio.create_subprocess_exec(
            self.program, *words, env={**os.environ, **passed}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        if process.returncode:
            raise CannotStart(f"{self.program} create: {said.decode('utf-8', 'replace').strip()}")

    async def close(self) -> None:
        boxes = [*self._boxes]
        for box in boxes:
            box.kill()
        for box in boxes:
            with contextlib.suppress(CannotStart):
                await box.ended()


def create(name: str, spec: Spec, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command line, and the environment that it takes values from: they are secrets, and everybody can read command lines."""
    words = ["create", "--name", name, "--label", f"{LABEL}={cgroups.name(os.getpid())}", "--init", "--hostname", "box"]
    words += ["--network", NETWORK if spec.listen else "none", *limits(spec.limits), "--read-only", "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges", "--user", f"{100_000 + spec.user % 900_000}"]
    if spec.working_directory:
        words += ["--workdir", spec.working_directory]
    if not spec.image:
        etc = [f"/etc/{file}" for file in (*root.ETC, *root.CERTIFICATES)]
        words += [word for path in (*root.SYSTEM, *etc) if os.path.exists(path) for word in mounted(Path(path), path)]
    for mount in spec.mounts:
        words += mounted(mount.source, mount.at)
    passed = {}
    for key, value in environment.items():
        if key.startswith(THE_COMMANDS_OWN):
            words += ["--env", f"{key}={value}"]
        else:
            words += ["--env", key]
            passed[key] = value
    first, *rest = (*spec.entry_point, *spec.command) if spec.entry_point or not spec.image else ("", *spec.command)
    if first:
        words += ["--entrypoint", first]
    return [*words, spec.image or NOTHING, *rest], passed


def limits(asked: Limits) -> list[str]:
    return [
        *(
            "--memory",
            str(asked.memory_bytes),
            "--memory-swap",
            str(asked.memory_bytes),
            "--cpus",
            f"{asked.cpus_at_first or asked.cpus:.3f}",
        ),
        *("--pids-limit", str(asked.processes + 1), "--ulimit", f"nofile={asked.open_files}:{asked.open_files}", "--ulimit", "core=0:0"),
        *("--tmpfs", f"/tmp:rw,exec,nosuid,nodev,size={max(asked.tmp_bytes, 4096)},mode=1777"),
    ]


def mounted(source: Path, at: str) -> list[str]:
    return ["--mount", f'type=bind,"source={source}","target={at}",readonly']


def in_bytes(text: str) -> int:
    """ "12.5MiB"."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("kB", 1000), ("MB", 10**6), ("GB", 10**9), ("B", 1)):
        if text.endswith(unit):
            with contextlib.suppress(ValueError):
                return int(float(text[: -len(unit)]) * size)
    return 0
