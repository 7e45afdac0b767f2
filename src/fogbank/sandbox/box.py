"""One box: a program and all it starts, closed in, with limits that hold. What every driver takes and gives."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol


class Mount(NamedTuple):
    """A file or folder of the machine, read-only inside."""

    source: Path
    at: str


class Limits(NamedTuple):
    """What a box may use, as a whole: children count.

    cpus        cores' worth of time (Lambda: memory / 1769 MB)
    cpus_at_first  the same until `Box.settle`, for what begins slowly; 0: no other than `cpus`
    tmp_bytes   of /tmp, the only place that can be written
    """

    memory_bytes: int
    cpus: float
    tmp_bytes: int = 512 << 20
    processes: int = 1024
    open_files: int = 1024
    cpus_at_first: float = 0.0


class Zygote(NamedTuple):
    """A Python interpreter kept warm, with these modules imported: a box is then a fork of it that runs `Spec.command[1]`.

    Of `preload`, what begins with "/" is a folder that modules come from.
    """

    interpreter: str
    preload: tuple[str, ...] = ()


class Spec(NamedTuple):
    """What to run, and in which surroundings.

    command     program and arguments, as paths inside
    mounts      what is there besides the system's programs and libraries; later ones lie over earlier ones
    listen      addresses in the box's own, otherwise empty network: a listening socket is made on each and handed out (`Box.listeners`);
                "udp:" before one: for datagrams
    user        the number by which boxes of one tenant are told from others'
    image       a container image to take the files from (a container engine only); "": the machine's own programs. An empty
                command or working directory is then the image's own
    entry_point of an image, in place of its own
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/"
    listen: tuple[tuple[str, int], ...] = ()
    user: int = 0
    zygote: Zygote | None = None
    image: str = ""
    entry_point: tuple[str, ...] = ()


class Ended(NamedTuple):
    """How a box ended. `code` is None where a signal ended it; `why`: "" of itself, "memory", "killed" by us."""

    code: int | None
    signal: int | None
    why: str = ""


class Usage(NamedTuple):
    """What a box has used so far."""

    memory_bytes: int
    peak_memory_bytes: int
    cpu_ms: float


class Box(Protocol):
    """A running box."""

    listeners: tuple[socket.socket, ...]
    output: int
    """The reading end of the pipe that is its stdout and stderr (non-blocking)."""
    peer: str
    """The address from which its programs connect to the listeners; "" where nobody else can reach them."""

    async def ended(self) -> Ended:
        """Waits until nothing of it is left."""
        ...

    def kill(self) -> None:
        """Ends it and all that it started, at once."""
        ...

    def pause(self) -> None:
        """No process of it runs until `resume`."""
        ...

    def resume(self) -> None: ...

    def settle(self) -> None:
        """It has begun: from now on `Limits.cpus` holds."""
        ...

    def usage(self) -> Usage: ...


class Driver(Protocol):
    """A way to make boxes on this machine."""

    name: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The protections that do not hold here, each as a sentence; none where all do."""
        ...

    async def prepare(self, zygote: Zygote | None) -> None:
        """What can be done before the first start: an interpreter started, boxes half made. Nobody has to wait for it."""
        ...

    async def start(self, spec: Spec) -> Box:
        """Raises CannotStart with the reason."""
        ...

    async def close(self) -> None:
        """Ends all its boxes."""
        ...


class CannotStart(Exception):
    """The machine refuses what a box needs, or the box's own surroundings are wrong."""
