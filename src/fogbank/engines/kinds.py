"""The two engines, by one shape: what `engines.postgres` and `engines.mariadb` both offer. Imported when first used."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from fogbank.engines.processes import Process
from fogbank.engines.spec import Failed, Result


class Image(Protocol):
    """A data directory at a known position, never changed."""

    folder: Path
    timeline: int
    position: int
    system: str
    at_ms: int


class Until(NamedTuple):
    """How far a new writer repeats its volume's log before it goes on by itself.

    position  the log's durable end, or an earlier position to stop at
    at_ms     stops before the first commit after this instant of the machine's clock, when that comes first; 0: at the position
    """

    timeline: int
    position: int
    at_ms: int = 0


class Instance(Protocol):
    """One server process and its data directory."""

    process: Process | None
    socket: Path

    async def start(self, settings: dict[str, str], *, upstream: Path | None = None, until: Until | None = None) -> None: ...
    async def attach(self) -> None: ...
    async def reach(self, timeline: int, position: int) -> None: ...
    async def promote(self) -> int: ...
    async def apply(self, settings: dict[str, str]) -> tuple[str, ...]: ...
    async def prepare(self, user: str, password: str, database: str, *, iam: bool) -> None: ...
    async def admit(self, iam: bool) -> None: ...
    async def checkpoint(self) -> None: ...
    async def stop(self, mode: str = "fast") -> None: ...
    def kill(self) -> None: ...
    async def sql(self, statement: str, parameters: Any = None, database: str = "") -> Result: ...
    async def lag_ms(self) -> float: ...
    async def connections(self) -> int: ...


class Kind(NamedTuple):
    """An engine. `volume`: the module of its volume's process; `own`: the house's own database ("": whatever there is); `dated`: its
    volume's process knows what was durable at an instant (`until`)."""

    name: str
    engine: Any
    volume: str
    own: str = ""
    dated: bool = False


_KINDS: dict[str, tuple[Any, ...]] = {
    "postgres": ("fogbank.engines.postgres", "fogbank.engines.volume", "rdsadmin"),
    "mariadb": ("fogbank.engines.mariadb", "fogbank.engines.binlog", "", True),
}


def kind(name: str) -> Kind:
    """An engine by its name. Raises Failed where we have no such."""
    found = _KINDS.get(name)
    if found is None:
        raise Failed(f"there is no engine {name}")
    return Kind(name, importlib.import_module(found[0]), *found[1:])


def instance(of: Kind, folder: Path, binaries: Any, loop: asyncio.AbstractEventLoop) -> Instance:
    """A server of that engine, whose files are below a folder."""
    return cast(Instance, of.engine.Instance(folder, binaries, loop))
