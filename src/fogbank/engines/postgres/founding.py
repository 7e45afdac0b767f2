"""The template: an empty database as RDS hands it out, made once for each version below a folder, and kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.postgres import logs, roles, surroundings
from fogbank.engines.postgres.connections import SUPERUSER
from fogbank.engines.postgres.images import Image
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.postgres.programs import Binaries, install
from fogbank.engines.spec import Failed

_FORM = 2
"""Counts up when a template has other contents than before."""
_making: dict[Path, asyncio.Task[Image]] = {}


async def template(folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    """The image that a new volume begins with; `binaries` run from a place below the folder from now on. Raises Failed."""
    await install(binaries, folder)
    place = folder / f"postgres-{binaries.version}-{_FORM}"
    if place.exists():
        return Image.of(place)
    if place not in _making:
        _making[place] = loop.create_task(_make(place, binaries, loop))
        _making[place].add_done_callback(lambda _: _making.pop(place))
    return await asyncio.shield(_making[place])


async def _make(place: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    making = Path(tempfile.mkdtemp(prefix="fogbank-template-", dir="/tmp"))  # (a short path, for the socket)
    processes.give(making)
    try:
        made = await _found(making, binaries, loop)
        await asyncio.to_thread(_move, made.folder, place)
    finally:
        await asyncio.to_thread(shutil.rmtree, making, True)
    return Image.of(place)


def _move(made: Path, place: Path) -> None:
    """Beside its place first: a template that is there is whole."""
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.move(made, beside)
    who = processes.owner()
    if who is not None:  # (moving between file systems gives everything to us)
        for inside, folders, files in os.walk(beside):
            for name in (".", *folders, *files):
                os.chown(os.path.join(inside, name), *who)
    try:
        beside.rename(place)
    except OSError:  # another was faster
        shutil.rmtree(beside)


async def _found(folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    log = folder / "starting.log"
    command: list[str | Path] = [
        binaries.folder / "initdb",
        "-D",
        folder / "data",
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        *_collation(binaries),
    ]
    process = processes.spawn(command, loop, log=log)
    if await process.ended != 0:
        raise Failed(f"A database could not be made: {logs.complaint(folder)}")
    instance = Instance(folder, binaries, loop)
    await instance.start({"wal_init_zero": "on"})
    try:
        async with instance.pool.connection() as connection:
            for statement in (*roles.founding(binaries.major), f"create database rdsadmin owner {SUPERUSER}"):
                await connection.one(statement)
        await surroundings.prepare(instance.pool, instance.socket, aurora=True)
        async with instance.pool.connection("rdsadmin") as connection:
            for statement in ("revoke all on database rdsadmin from public", "create extension pg_stat_statements", "vacuum freeze"):
                await connection.one(statement)
            await connection.one("select pg_switch_wal()")  # so that the log of a new volume begins with a segment
    finally:
        await instance.stop()
    return Image.of(folder / "data")


def _collation(binaries: Binaries) -> list[str]:
    """The same on every machine: by code point, as libc's locales differ from one to the next."""
    if binaries.major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]
