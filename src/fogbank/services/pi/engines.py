"""What is asked of an engine, and what its answers say: active sessions, counters, and what statements did."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple
from zlib import crc32

from fogbank.languages import sql

SESSIONS = {
    "postgres": """select coalesce(usename, ''), coalesce(application_name, ''),
      coalesce(datname, ''), coalesce(wait_event_type, 'CPU'), coalesce(wait_event, 'CPU'), backend_type,
      coalesce(query_id::text, ''), coalesce(query, '')
      from pg_catalog.pg_stat_activity where state in ('active', 'fastpath function call') and pid <> pg_catalog.pg_backend_pid()
      and backend_type <> 'walsender' and usename is distinct from 'rdsadmin'""",
    "mariadb": """select user, '', coalesce(db, ''), if(s = 'CPU', s, 'state'), s, 'client', '', info from
      (select user, db, info, if(coalesce(state, '') in ('', 'Sending data', 'executing', 'Statistics', 'Opening tables', 'init',
      'Sorting result', 'Creating sort index', 'Copying to tmp table', 'Updating', 'Update', 'End of update loop', 'Query end'),
      'CPU', state) as s from information_schema.processlist where command not in ('Sleep', 'Daemon', 'Binlog Dump', 'Connect')
      and info is not null and id <> connection_id()) as active""",
}
COUNTERS = {
    "postgres": """select sum(xact_commit), sum(xact_rollback), sum(blks_read), sum(blks_hit), sum(tup_returned), sum(tup_fetched),
      sum(tup_inserted), sum(tup_updated), sum(tup_deleted), sum(temp_files), sum(temp_bytes), sum(deadlocks), sum(blk_read_time),
      sum(blk_write_time), sum(numbackends) from pg_catalog.pg_stat_database""",
    "mariadb": """select lower(variable_name), variable_value from information_schema.global_status where variable_name in ('Com_select',
      'Com_insert', 'Com_update', 'Com_delete', 'Com_commit', 'Com_rollback', 'Questions', 'Queries', 'Slow_queries', 'Connections',
      'Threads_running', 'Threads_connected', 'Rows_read', 'Rows_sent',
      'Innodb_buffer_pool_reads', 'Innodb_buffer_pool_read_requests', 'Innodb_deadlocks')""",
}
STATEMENTS = """select queryid::text, sum(calls), sum(rows), sum(total_exec_time), sum(shared_blks_hit), sum(shared_blks_read),
  sum(shared_blks_dirtied), sum(shared_blks_written), sum(temp_blks_read), sum(temp_blks_written)
  from pg_stat_statements group by queryid"""
"""What PostgreSQL says that statements did."""
STATS = (
    "calls", "rows", "total_time", "shared_blks_hit", "shared_blks_read", "shared_blks_dirtied", "shared_blks_written",
    "temp_blks_read", "temp_blks_written",
)  # fmt: skip


class Counter(NamedTuple):
    """`column`: of the engine's answer; `level`: it is no count of what happened, but how many there are."""

    name: str
    column: str | int
    unit: str
    description: str
    level: bool = False


_PER_S = "per second"
CATALOGUE: dict[str, tuple[Counter, ...]] = {
    "postgres": (
        Counter("db.Transactions.xact_commit", 0, f"Commits {_PER_S}", "Transactions that were committed"),
        Counter("db.Transactions.xact_rollback", 1, f"Rollbacks {_PER_S}", "Transactions that were rolled back"),
        Counter("db.IO.blks_read", 2, f"Blocks {_PER_S}", "Blocks that were read from storage"),
        Counter("db.Cache.blks_hit", 3, f"Blocks {_PER_S}", "Blocks that were found in the buffer cache"),
        Counter("db.SQL.tup_returned", 4, f"Tuples {_PER_S}", "Rows that scans returned"),
        Counter("db.SQL.tup_fetched", 5, f"Tuples {_PER_S}", "Rows that index scans fetched"),
        Counter("db.SQL.tup_inserted", 6, f"Tuples {_PER_S}", "Rows that were inserted"),
        Counter("db.SQL.tup_updated", 7, f"Tuples {_PER_S}", "Rows that were updated"),
        Counter("db.SQL.tup_deleted", 8, f"Tuples {_PER_S}", "Rows that were deleted"),
        Counter("db.Temp.temp_files", 9, f"Files {_PER_S}", "Temporary files that were made"),
        Counter("db.Temp.temp_bytes", 10, f"Bytes {_PER_S}", "Bytes that were written to temporary files"),
        Counter("db.Concurrency.deadlocks", 11, f"Deadlocks {_PER_S}", "Deadlocks"),
        Counter("db.IO.blk_read_time", 12, f"Milliseconds {_PER_S}", "Time that was spent reading blocks"),
        Counter("db.IO.blk_write_time", 13, f"Milliseconds {_PER_S}", "Time that was spent writing blocks"),
        Counter("db.User.numbackends", 14, "Connections", "Connections that are open", level=True),
    ),
    "mariadb": (
        *(
            Counter(f"db.SQL.{name}", name.lower(), f"Queries {_PER_S}", f"The status variable {name}")
            for name in ("Com_select", "Com_insert", "Com_update", "Com_delete", "Questions", "Queries", "Slow_queries")
        ),
        Counter("db.Transactions.Com_commit", "com_commit", f"Commits {_PER_S}", "Statements that committed"),
        Counter("db.Transactions.Com_rollback", "com_rollback", f"Rollbacks {_PER_S}", "Statements that rolled back"),
        *(Counter(f"db.SQL.{name}", name.lower(), f"Rows {_PER_S}", f"The status variable {name}") for name in ("Rows_read", "Rows_sent")),
        Counter("db.Cache.Innodb_buffer_pool_reads", "innodb_buffer_pool_reads", f"Pages {_PER_S}", "Pages that were read from storage"),
        Counter(
            "db.Cache.Innodb_buffer_pool_read_requests", "innodb_buffer_pool_read_requests", f"Pages {_PER_S}", "Pages that were asked for"
        ),
        Counter("db.Locks.Innodb_deadlocks", "innodb_deadlocks", f"Deadlocks {_PER_S}", "Deadlocks"),
        Counter("db.Users.Connections", "connections", f"Connections {_PER_S}", "Connections that were made"),
        Counter("db.Users.Threads_running", "threads_running", "Connections", "Connections that are not idle", level=True),
        Counter("db.Users.Threads_connected", "threads_connected", "Connections", "Connections that are open", level=True),
    ),
}


class Digest(NamedTuple):
    """A statement without its literals. `db_id`: the engine's own id of it, or one of ours ("pi-...")."""

    id: str
    db_id: str
    text: str


def identity(text: str) -> str:
    """The id of a statement, or of a digest."""
    return sha1(text.encode(), usedforsecurity=False).hexdigest().upper()


@lru_cache(2000)
def digest(text: str, query_id: str, engine: str) -> Digest:
    tokenized = sql.tokenized(text, engine)
    if query_id:
        return Digest(identity(query_id), query_id, tokenized)
    return Digest(identity(tokenized), f"pi-{crc32(tokenized.encode())}", tokenized)


def levels(engine: str, rows: list[tuple[Any, ...]]) -> dict[str, float]:
    """The engine's counters, by our names, as they stand."""
    told: dict[str | int, Any] = dict(enumerate(rows[0])) if engine == "postgres" else dict(rows)
    return {one.name: float(told[one.column]) for one in CATALOGUE[engine] if told.get(one.column) is not None}


def rates(engine: str, before: dict[str, float], after: dict[str, float], span_ms: int) -> dict[str, float]:
    """What counters say of the time between two readings; nothing of those that began anew meanwhile."""
    found = {}
    for one in CATALOGUE[engine]:
        value = after.get(one.name)
        if value is None:
            continue
        if one.level:
            found[one.name] = value
        elif one.name in before and value >= before[one.name] and span_ms > 0:
            found[one.name] = (value - before[one.name]) * 1000 / span_ms
    return found


def done(before: dict[str, tuple[float, ...]], rows: Iterable[tuple[Any, ...]], most: int) -> dict[str, tuple[float, ...]]:
    """What statements did since `before`, by the id of their digest: of those that took the longest."""
    found: dict[str, tuple[float, ...]] = {}
    for row in rows:
        old = before.get(row[0])
        values = tuple(float(value or 0) for value in row[1:])
        if old is not None and values[0] > old[0]:
            found[identity(row[0])] = tuple(max(now - then, 0.0) for now, then in zip(values, old, strict=True))
    longest = sorted(found.items(), key=lambda item: -item[1][2])[:most]
    return dict(longest)
