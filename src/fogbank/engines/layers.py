"""A data directory that can be used before it is copied: overlayfs, mounted in the server's own namespace.

    <node>/data     what the node has of its own: small files from the beginning, a large one once it was opened for writing
    <node>/below    links to the image's large files, until the node has them all
    <node>/work     the file system's own

A file is copied whole when the server first opens it for writing, as both engines open what tables are kept in, even to read it; the
others are in the background, the smallest first. What is missing still when the server stops, the next one copies. The mount is
the server's and ends with it, so nothing is left by a kill. Where the machine grants none, everything is copied before, as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fogbank.engines import processes
from fogbank.engines.processes import Process
from fogbank.engines.spec import Failed

LARGE_BYTES = 1 << 20
ENOUGH_BYTES = 64 << 20
"""What is copied sooner than it is worth a mount."""
AFTER_S = 1.0
"""So long a server is left alone before the others are copied."""
_AT_ONCE = 500
_NEWNS, _NEWUSER, _RECURSIVE, _SLAVE = 0x20000, 0x10000000, 1 << 14, 1 << 19
_OPTIONS = "lowerdir=below,upperdir=data,workdir=work,volatile,index=off,metacopy=off"
_granted: dict[int, bool] = {}
_copying: dict[Path, Process] = {}
"""What copies the files of a node, by its folder."""


def below(data: Path) -> Path | None:
    """Where the large files of a data directory may be linked instead of copied; None: they have to be copied."""
    device = data.parent.stat().st_dev
    if device not in _granted:
        _granted[device] = sys.platform == "linux" and _tried(data.parent)
    return data.parent / "below" if _granted[device] else None


def clear(folder: Path) -> None:
    """Deletes a node's data, all layers of them."""
    _halt(folder)
    for name in ("data", "below", "work"):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder / name)


def spawn(folder: Path, command: Sequence[str | Path], loop: asyncio.AbstractEventLoop, **options: Any) -> Process:
    """`processes.spawn`, of a server for the data of a node's folder. Raises Failed."""
    folder = folder.resolve()
    _halt(folder)
    shutil.rmtree(folder / "work", ignore_errors=True)
    if not any(_files(folder / "below")):
        if (folder / "below").exists():
            _unveil(folder / "data")
            shutil.rmtree(folder / "below")
        return processes.spawn(command, loop, **options)
    try:
        process = processes.spawn(command, loop, before=_mounting(folder), **options)
    except subprocess.SubprocessError:
        _granted[folder.stat().st_dev] = False
        raise Failed(f"the layers of {folder.name} could not be mounted: it has to be made anew") from None
    task = loop.create_task(_complete(folder, process, loop))

    def over(_: asyncio.Future[int]) -> None:
        task.cancel()
        _halt(folder)

    process.ended.add_done_callback(over)
    return process


def inside(data: Path, process: Process | None) -> Path:
    """A data directory as its server sees it: for what is written while it runs."""
    if process is None or not process.alive or not (data.parent / "below").exists():
        return data
    seen = Path(f"/proc/{process.pid}/root{data.resolve()}")
    return seen if seen.exists() else data


# the mount


def _mounting(folder: Path) -> Callable[[], None]:
    """What a child does before it becomes the server: its `data` is all layers from then on."""
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    options = _OPTIONS if user == 0 else f"{_OPTIONS},userxattr"
    (folder / "work").mkdir(mode=0o700)

    def checked(answer: int) -> None:
        if answer:
            raise OSError(ctypes.get_errno(), "overlayfs")

    def mount() -> None:
        checked(library.unshare(_NEWNS if user == 0 else _NEWNS | _NEWUSER))
        if user:
            for name, said in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
                Path("/proc/self", name).write_text(said)
        os.chdir(folder)
        checked(library.mount(None, b"/", None, ctypes.c_ulong(_RECURSIVE | _SLAVE), None))
        checked(library.mount(b"overlay", b"data", b"overlay", ctypes.c_ulong(0), options.encode()))
        for own in ("work/work", "work/work/incompat", "work/work/incompat/volatile"):  # (so that whoever may not do all can delete it)
            os.chmod(own, 0o700)
        os.chdir("/")

    return mount


def _tried(folder: Path) -> bool:
    """Whether the machine grants such a mount, and lets us see what a server sees."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            trial = Path(place).resolve()
            for name in ("data", "below"):
                (trial / name).mkdir()
            (trial / "below" / "file").write_text("before")
            with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=_mounting(trial)) as child:
                Path(f"/proc/{child.pid}/root{trial}/data/file").write_text("after")
                child.kill()
            return (trial / "data" / "file").read_text() == "after" and (trial / "below" / "file").read_text() == "before"
    except (OSError, subprocess.SubprocessError):
        return False


def _unveil(data: Path) -> None:
    """Deletes what says in an upper layer that there is a file no more."""
    for place, _, names in os.walk(data):
        for name in names:
            seen = os.lstat(f"{place}/{name}")
            if stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0:
                os.unlink(f"{place}/{name}")


# the rest is copied


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)


async def _complete(folder: Path, process: Process, loop: asyncio.AbstractEventLoop) -> None:
    """Copies what the server has not opened yet; the links go when nothing is missing."""
    await asyncio.sleep(AFTER_S)
    data = folder / "data"
    links = sorted(_files(folder / "below"), key=lambda file: file.stat().st_size)
    names = [str(link.relative_to(folder / "below")) for link in links]
    seen = inside(data, process)
    for some in range(0, len(names), _AT_ONCE):
        touch = ["touch", "-c", "--", *(f"{seen}/{name}" for name in names[some : some + _AT_ONCE])]
        _copying[folder] = one = processes.spawn(touch, loop, log=Path(os.devnull), drop=False)
        await one.ended
    if seen != data and all((data / name).exists() or not (seen / name).exists() for name in names) and process.alive:
        for link in links:
            link.unlink()


def _halt(folder: Path) -> None:
    one = _copying.pop(folder.resolve(), None)
    if one is not None:
        one.kill_now()
