"""What a PostgreSQL log tells of the statements that ran."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fogbank.engines.auditing import Audit, Watched, events

LOG = """\
2026-11-21 11:53:20 UTC:[local]:boss@shop:[42]:LOG:  statement: select 1
2026-11-21 11:53:21 UTC:10.0.0.7(5555):boss@shop:[43]:LOG:  execute <unnamed>: insert into t values ($1, $2)
2026-11-21 11:53:21 UTC:10.0.0.7(5555):boss@shop:[43]:DETAIL:  Parameters: $1 = 'it''s', $2 = NULL
2026-11-21 11:53:22 UTC:[local]:rdsadmin@postgres:[44]:LOG:  statement: select pg_sleep(1)
2026-11-21 11:53:23 UTC:[local]:boss@shop:[42]:LOG:  statement: create table t (
\ta int)
2026-11-21 11:53:23 UTC:[local]:boss@shop:[42]:ERROR:  relation "t" already exists
2026-11-21 11:53:23 UTC:[local]:boss@shop:[42]:STATEMENT:  create table t (
\ta int)
2026-11-21 11:53:24 UTC:[local]:boss@shop:[42]:ERROR:  syntax error at or near "selekt" at character 1
2026-11-21 11:53:24 UTC:[local]:boss@shop:[42]:STATEMENT:  selekt 1
2026-11-21 11:53:25 UTC::@:[9]:LOG:  checkpoint starting: time
"""


def _node(folder: Path) -> Watched:
    return Watched("0" * 12, "us-east-1", "cluster-1", "db-1", "18.6", folder)


def test_events_of_a_log(tmp_path: Path) -> None:
    """Statements become events with their class, parameters and errors; those of the house and lines of the server do not."""
    told = events(LOG.split("\n"), _node(tmp_path))
    assert [(one["class"], one["command"], one["commandText"], one["errorMessage"]) for one in told] == [
        ("READ", "SELECT", "select 1", None),
        ("WRITE", "INSERT", "insert into t values ($1, $2)", None),
        ("DDL", "CREATE", "create table t (\na int)", 'relation "t" already exists'),
        ("MISC", "SELEKT", "selekt 1", 'syntax error at or near "selekt" at character 1'),
    ]
    assert told[1]["paramList"] == ["it's", None]
    assert (told[1]["remoteHost"], told[1]["remotePort"], told[0]["remoteHost"]) == ("10.0.0.7", "5555", "")
    assert {(one["dbUserName"], one["databaseName"], one["serverHost"]) for one in told} == {("boss", "shop", "db-1")}


def test_a_log_is_followed(tmp_path: Path) -> None:
    """What was there before is not told; what is written later is, once, also in the next file; a line that is not whole waits."""
    first, second = tmp_path / "postgresql.log.2026-11-21-1100", tmp_path / "postgresql.log.2026-11-21-1200"
    line = "2026-11-21 11:53:20 UTC:[local]:boss@shop:[42]:LOG:  statement: select {}\n"
    first.write_text(line.format(0))
    told: list[dict[str, Any]] = []

    async def run() -> None:
        audit = Audit(asyncio.get_running_loop(), lambda: [_node(tmp_path)], lambda account, region, what: told.extend(what["events"]))
        audit.look()
        with open(first, "a") as file:
            file.write(line.format(1))
        second.write_text(line.format(2) + line.format(3)[:-9])
        audit._turn()
        with open(second, "a") as file:
            file.write(line.format(3)[-9:])
        audit._turn()
        audit._turn()
        audit.close()

    asyncio.run(run())
    assert [one["commandText"] for one in told] == ["select 1", "select 2", "select 3"]
