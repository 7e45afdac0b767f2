"""Data directories that are at rest: the template that every volume begins with, images, and what a clean stop leaves.

In each lies `fogbank.json` (`Rest`): of which volume, up to where. It is taken away when a server is started on it and written when that
server has stopped cleanly; a directory without it is of no use, as it may lack what the server had in memory only. `fogbank.secret` is
the superuser's password. Images are never changed; a server gets a copy.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from fogbank.engines.mariadb import accounts, settings
from fogbank.engines.mariadb.programs import Binaries
from fogbank.engines.postgres.images import copy
from fogbank.engines.processes import give, spawn
from fogbank.engines.spec import Failed

__all__ = ["Image", "Rest", "copy", "template"]

FIRST = (1, 4)
"""Where a new volume begins: timeline and position."""
_REST = "fogbank.json"
_SECRET = "fogbank.secret"


class Rest(msgspec.Struct, frozen=True):
    """What a data directory at rest is.

    timeline, position  of the volume: all up to there is in it
    file, offset        the same in MariaDB's words; 0: nothing was ever logged
    system              whose log can be repeated onto it
    at_ms               when that was (machine's clock)
    writes              it was the writer's, and has its binlog
    """

    timeline: int
    position: int
    file: int
    offset: int
    system: str
    at_ms: int
    writes: bool = False

    @classmethod
    def of(cls, folder: Path) -> Rest:
        """Raises Failed where the directory is not at rest."""
        try:
            return msgspec.json.decode((folder / _REST).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            raise Failed(f"the files of {folder.parent.name} were not left by a clean stop: they have to be made anew") from None

    def put(self, folder: Path) -> None:
        """Says so, in the directory."""
        file = folder / _REST
        file.write_bytes(msgspec.json.encode(self))
        give(file)


class Image(NamedTuple):
    """A data directory at a known position, never changed."""

    folder: Path
    timeline: int
    position: int
    system: str
    at_ms: int

    @classmethod
    def of(cls, folder: Path) -> Image:
        """Raises Failed where it is none."""
        rest = Rest.of(folder)
        return cls(folder, rest.timeline, rest.position, rest.system, rest.at_ms)


def begins(image: Image) -> tuple[int, int]:
    """From where on a node that is made from it needs the log."""
    return image.timeline, image.position


def wall_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


def taken(folder: Path) -> Rest:
    """The directory is in use from now on. Raises Failed where it was not at rest."""
    rest = Rest.of(folder)
    (folder / _REST).unlink()
    return rest


async def template(folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    """An empty server as RDS hands it out; made once below a folder, and kept. Raises Failed."""
    made = folder / f"mariadb-{binaries.version}"
    if not made.exists():
        making = folder / f"{made.name}.{secrets.token_hex(4)}"
        tmp = making.with_name(f"{making.name}.tmp")  # (in /tmp, servers that are installed at once delete one another's files)
        for each in (making, tmp):
            each.mkdir(mode=0o700, parents=True)
            give(each)
        try:
            await _install(making, tmp, binaries, loop)
            os.rename(making, made)
        except OSError:  # another was faster
            if not made.exists():
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
            shutil.rmtree(tmp, ignore_errors=True)
    return Image.of(made)


async def _install(folder: Path, tmp: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> None:
    """mariadb-install-db, then the house's accounts."""
    log = folder.with_name(f"{folder.name}.log")
    options = [f"--datadir={folder}", f"--tmpdir={tmp}", *settings.QUICK, *binaries.options]
    install: list[str | Path] = [binaries.install, "--no-defaults", *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
    install += ["--skip-name-resolve", "--force"]
    if await spawn(install, loop, log=log, environment=binaries.environment).ended != 0:
        raise Failed(f"mariadb-install-db failed: {settings.last(log)}")
    system, word = secrets.token_hex(16), secrets.token_hex(24)
    bootstrap = spawn(
        [binaries.server, "--no-defaults", "--bootstrap", *options], loop, log=log, environment=binaries.environment, pipe=True
    )
    assert bootstrap.stdin is not None
    bootstrap.stdin.write("".join(f"{statement};\n" for statement in accounts.first(word, system)).encode())
    bootstrap.stdin.close()
    if await bootstrap.ended != 0:
        raise Failed(f"the template's accounts could not be made: {settings.last(log)}")
    file = folder / _SECRET
    file.touch(mode=0o600)
    file.write_text(word)
    give(file)
    Rest(*FIRST, 0, 0, system, wall_ms()).put(folder)
    log.unlink()


def settle(folder: Path) -> None:
    """Has all of a stopped server's files on disk (it does not sync them itself)."""
    for place, folders, files in os.walk(folder):
        for name in (*files, *folders):
            number = os.open(os.path.join(place, name), os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
