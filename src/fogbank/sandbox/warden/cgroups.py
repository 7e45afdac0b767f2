"""The kernel's accounts and limits for a group of processes: cgroups, of version 2 where it has the controllers, else of version 1.

All groups of a warden lie in one folder that carries its name, so that what a killed one left can be told and swept away.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple, Protocol

MOUNTS = "/proc/self/mountinfo"
OWN = "/proc/self/cgroup"
PERIOD_US = 20_000


class Group(Protocol):
    """One box's."""

    gauge: tuple[str, ...]

    def joins(self) -> list[int]:
        """Opens what a process writes "0" to, to be in it."""
        ...

    def limit(self, memory_bytes: int, processes: int) -> None: ...

    def share(self, cpus: float) -> None: ...

    def freeze(self, frozen: bool) -> bool:
        """False: it cannot."""
        ...

    def killed_for_memory(self) -> bool: ...

    def remove(self) -> bool:
        """False: something is still in it."""
        ...


class Found(NamedTuple):
    """The folders in which a warden's groups can be made, by controller, and what is missing."""

    version: int
    folders: dict[str, str]

    def without(self) -> set[str]:
        return {"memory", "pids", "cpu"} - set(self.folders)


def find() -> Found:
    mounts = _mounts()
    for point in (m for kind, m, _ in mounts if kind == "cgroup2"):
        folder = _second(point, _own().get("", "/"))
        if folder:
            return Found(2, {c: folder for c in ("memory", "pids", "cpu") if c in _read(folder + "/cgroup.subtree_control").split()})
    folders: dict[str, str] = {}
    own = _own()
    for kind, point, options in mounts:
        if kind != "cgroup":
            continue
        for controller in ("memory", "pids", "cpu", "cpuacct"):
            if controller in options:
                base = point + own.get(controller, "/").rstrip("/")
                base = base if os.path.isdir(base) else point
                with contextlib.suppress(OSError):
                    folders[controller] = _made(base)
    return Found(1, folders)


def _mounts() -> list[tuple[str, str, list[str]]]:
    rows = []
    for line in _read(MOUNTS).splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        rows.append((kind, left.split(" ")[4], options.split(",")))
    return rows


def _own() -> dict[str, str]:
    """This process's place, by controller; "" for version 2."""
    rows = [line.split(":", 2) for line in _read(OWN).splitlines()]
    return {controller: path for _, controllers, path in rows for controller in controllers.split(",")}


def _second(point: str, own: str) -> str:
    """A folder of the version 2 tree that hands its controllers on to what is made in it, as near to us as there is one."""
    path, best, most = own, "", 1
    while True:
        base = (point + path).rstrip("/")
        have = set(_read(base + "/cgroup.controllers").split()) & {"memory", "pids", "cpu"}
        if len(have) > most:
            with contextlib.suppress(OSError):
                for controller in have - set(_read(base + "/cgroup.subtree_control").split()):
                    with contextlib.suppress(OSError):
                        _write(base + "/cgroup.subtree_control", "+" + controller)
                folder = _made(base)
                for controller in have:
                    with contextlib.suppress(OSError):
                        _write(folder + "/cgroup.subtree_control", "+" + controller)
                given = len(have & set(_read(folder + "/cgroup.subtree_control").split()))
                if given > most and _can_join(folder):
                    if best:
                        os.rmdir(best)
                    best, most = folder, given
                else:
                    os.rmdir(folder)
        if most == 3 or path in ("", "/"):
            return best
        path = os.path.dirname(path)


def _can_join(folder: str) -> bool:
    """Whether a process of ours may be moved there: tried by one that ends at once."""
    trial = folder + "/trial"
    os.mkdir(trial)
    child = os.fork()
    if not child:
        try:
            _write(trial + "/cgroup.procs", "0")
        except OSError:
            os._exit(1)
        os._exit(0)
    allowed = os.waitpid(child, 0)[1] == 0
    os.rmdir(trial)
    return allowed


def _made(base: str) -> str:
    sweep(base)
    folder = f"{base}/{name(os.getpid())}"
    os.makedirs(folder, exist_ok=True)
    return folder


def name(pid: int) -> str:
    return f"fogbank-{pid}-{_born(pid)}"


def _born(pid: int) -> str:
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split(" ")[20:21][0] if os.path.exists(f"/proc/{pid}") else ""


def sweep(base: str) -> None:
    """Removes the folders of wardens that are no more."""
    for entry in os.listdir(base):
        _, _, rest = entry.partition("fogbank-")
        pid, _, born = rest.partition("-")
        if pid.isdigit() and _born(int(pid)) != born:
            remove(base + "/" + entry)


def remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            if os.path.isdir(folder + "/" + entry):
                with contextlib.suppress(OSError):
                    os.rmdir(folder + "/" + entry)
        os.rmdir(folder)


def make(found: Found, number: int) -> Group | None:
    if not found.folders:
        return None
    return Second(found, number) if found.version == 2 else First(found, number)


class First:
    """Version 1: one folder per controller."""

    def __init__(self, found: Found, number: int) -> None:
        self.of = {controller: f"{folder}/{number}" for controller, folder in found.folders.items()}
        self.folders = sorted({os.path.realpath(f) for f in self.of.values()})
        for folder in self.folders:
            os.mkdir(folder)
        self.gauge: tuple[str, ...] = ("1", self.of.get("memory", ""), self.of.get("cpuacct", ""))

    def joins(self) -> list[int]:
        return [os.open(folder + "/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders]

    def limit(self, memory_bytes: int, processes: int) -> None:
        if "memory" in self.of:
            _write(self.of["memory"] + "/memory.limit_in_bytes", str(memory_bytes))
            try:
                _write(self.of["memory"] + "/memory.memsw.limit_in_bytes", str(memory_bytes))
            except OSError:
                _write(self.of["memory"] + "/memory.swappiness", "0")
        if "pids" in self.of:
            _write(self.of["pids"] + "/pids.max", str(processes + 1))

    def share(self, cpus: float) -> None:
        if "cpu" in self.of:
            quota = max(1000, int(cpus * PERIOD_US))
            with contextlib.suppress(OSError):  # it may never be more than the quota
                _write(self.of["cpu"] + "/cpu.cfs_burst_us", "0")
            _write(self.of["cpu"] + "/cpu.cfs_period_us", str(PERIOD_US))
            _write(self.of["cpu"] + "/cpu.cfs_quota_us", str(quota))
            with contextlib.suppress(OSError):
                _write(self.of["cpu"] + "/cpu.cfs_burst_us", str(quota))

    def freeze(self, frozen: bool) -> bool:
        """Never: what this version has frozen does not even die, and would outlive a warden that is killed."""
        return False

    def killed_for_memory(self) -> bool:
        text = _read(self.of["memory"] + "/memory.oom_control") if "memory" in self.of else ""
        return "oom_kill " in text and "oom_kill 0" not in text

    def remove(self) -> bool:
        return _removed(self.folders)


class Second:
    """Version 2: one folder for all."""

    def __init__(self, found: Found, number: int) -> None:
        self.controllers = set(found.folders)
        self.folder = f"{next(iter(found.folders.values()))}/{number}"
        os.mkdir(self.folder)
        self.gauge: tuple[str, ...] = ("2", self.folder if "memory" in self.controllers else "", self.folder)

    def joins(self) -> list[int]:
        return [os.open(self.folder + "/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]

    def limit(self, memory_bytes: int, processes: int) -> None:
        if "memory" in self.controllers:
            _write(self.folder + "/memory.max", str(memory_bytes))
            for file, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(FileNotFoundError):
                    _write(f"{self.folder}/{file}", value)
        if "pids" in self.controllers:
            _write(self.folder + "/pids.max", str(processes + 1))

    def share(self, cpus: float) -> None:
        if "cpu" in self.controllers:
            quota = max(1000, int(cpus * PERIOD_US))
            with contextlib.suppress(OSError):  # it may never be more than the quota
                _write(self.folder + "/cpu.max.burst", "0")
            _write(self.folder + "/cpu.max", f"{quota} {PERIOD_US}")
            with contextlib.suppress(OSError):
                _write(self.folder + "/cpu.max.burst", str(quota))

    def freeze(self, frozen: bool) -> bool:
        with contextlib.suppress(OSError):
            _write(self.folder + "/cgroup.freeze", "1" if frozen else "0")
            return True
        return False

    def killed_for_memory(self) -> bool:
        rows = dict(line.split(" ") for line in _read(self.folder + "/memory.events").splitlines())
        return int(rows.get("oom_kill", 0)) > 0

    def remove(self) -> bool:
        return _removed([self.folder])


def _removed(folders: list[str]) -> bool:
    for folder in list(folders):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:
            return False
    return True


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
