"""Feeding a server with a volume's log: it becomes a replica of the volume's process, which speaks as a MariaDB that writes a binlog."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from fogbank.engines.control import Control
from fogbank.engines.mariadb.accounts import REPLICATION, literal
from fogbank.engines.mariadb.connections import Pool
from fogbank.engines.mariadb.settings import BINLOG
from fogbank.engines.spec import Failed

_STUCK_S = 30.0
_IDLE = "has read all relay log"


class Place(NamedTuple):
    """A place of a binlog: the number of its file, and the offset in it."""

    file: int
    offset: int

    @property
    def name(self) -> str:
        return f"{BINLOG}.{self.file:06d}"

    @classmethod
    def of(cls, name: str, offset: int) -> Place:
        number = name.rpartition(".")[2]
        return cls(int(number) if number.isdigit() else 0, offset)


async def ask(upstream: Path, do: str, **what: Any) -> dict[str, Any]:
    """Asks a volume's process. Raises Failed."""
    control = Control(upstream / "control", lambda said: None)
    await control.connect(lambda: True)
    try:
        return await control.ask(do, **what)
    finally:
        control.close()


async def feed(sql: Pool, upstream: Path, start: Place, until: Place | None = None) -> None:
    """Begins to repeat a volume's log, from a place on."""
    port, word = int((upstream / "port").read_text()), (upstream / "secret").read_text()
    await sql.run(
        f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{REPLICATION}', MASTER_PASSWORD={literal(word)},"
        f" MASTER_LOG_FILE='{start.name}', MASTER_LOG_POS={start.offset}, MASTER_USE_GTID=no, MASTER_CONNECT_RETRY=1"
    )
    limit = "" if until is None else f" UNTIL MASTER_LOG_FILE='{until.name}', MASTER_LOG_POS={until.offset}"
    await sql.run(f"START SLAVE{limit}")


class Progress(NamedTuple):
    """Where a fed server is. `port`: of the volume's process as it knows it; `asking`: it gets the log, or tries to; `applying`: it repeats
    it; `busy`: there is more of it to repeat; `why`: what keeps it."""

    place: Place
    port: int
    asking: str
    applying: bool
    busy: bool
    why: str


async def progress(sql: Pool) -> Progress | None:
    """None where it is not fed."""
    result = await sql.run("SHOW SLAVE STATUS")
    if not result.rows:
        return None
    found = dict(zip((column.name for column in result.columns), result.rows[0], strict=True))
    why = found["Last_SQL_Error"] or found["Last_IO_Error"] or ""
    place = Place.of(found["Relay_Master_Log_File"], int(found["Exec_Master_Log_Pos"]))
    applying = found["Slave_SQL_Running"] == "Yes"
    busy = applying and _IDLE not in (found["Slave_SQL_Running_State"] or "")
    return Progress(place, int(found["Master_Port"]), found["Slave_IO_Running"], applying, busy, why)


async def reach(sql: Pool, upstream: Path, target: Place, until: Place | None = None) -> Place:
    """Waits until all up to a place is repeated; and nothing after `until`. Raises Failed where it cannot go on."""
    loop = asyncio.get_running_loop()
    since, before = loop.time(), Place(0, 0)
    while True:
        now = await progress(sql)
        if now is None:
            raise Failed("the server is not fed by a volume")
        if now.place >= target:
            return now.place
        if now.place > before or now.busy:  # (one statement may take long)
            since, before = loop.time(), now.place
        elif not now.applying and now.why:
            raise Failed(f"the log cannot be repeated: {now.why}")
        elif loop.time() - since > _STUCK_S:
            raise Failed(f"the log was repeated up to {now.place} of {target} and no further. {now.why}".strip())
        await again(sql, upstream, now, until)
        await sql.run(f"SELECT MASTER_POS_WAIT('{target.name}', {target.offset}, 1)")


async def again(sql: Pool, upstream: Path, now: Progress, until: Place | None = None) -> None:
    """Connects anew where it was refused, or the volume's process is another one, at another port."""
    port = int((upstream / "port").read_text())
    if now.asking == "Yes" or (port == now.port and (now.asking != "No" or not now.why)):
        return
    place = await stop(sql)  # (what had come was repeated meanwhile)
    await feed(sql, upstream, place or now.place, until)


async def stop(sql: Pool) -> Place | None:
    """Repeats no more; gives where it is."""
    await sql.run("STOP SLAVE")
    now = await progress(sql)
    return None if now is None else now.place
