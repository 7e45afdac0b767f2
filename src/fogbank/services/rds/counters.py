"""What is asked of an engine for metrics, and what its answers say, by AWS's names. Pure.

Amounts grow as long as the server runs: it is told how much a second, or how many there were. Levels are as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

_DATABASES = """select sum(xact_commit) as commits, sum(deadlocks) as deadlocks, sum(blks_hit) as hits, sum(blks_read) as misses,
  (select max(age(datfrozenxid)) from pg_catalog.pg_database) as ages, (select sum(size) from pg_catalog.pg_ls_waldir()) as log"""
_TRANSFERS = """, (select sum(reads) from pg_catalog.pg_stat_io) as reads,
  (select sum(coalesce(writes, 0) + coalesce(extends, 0)) from pg_catalog.pg_stat_io) as writes"""
_OTHERS = " from pg_catalog.pg_stat_database where datname is distinct from 'rdsadmin'"
_STATUS = """select lower(variable_name), variable_value from information_schema.global_status where variable_name in ('Binlog_commits',
  'Innodb_deadlocks', 'Innodb_buffer_pool_reads', 'Innodb_buffer_pool_read_requests', 'Innodb_data_reads', 'Innodb_data_writes',
  'Queries', 'Com_select', 'Com_insert', 'Com_update', 'Com_delete', 'Connections', 'Aborted_clients')"""


class Rate(NamedTuple):
    """A metric that says how much there was of something, in each second or (Count) since the last time. `amounts`: added up."""

    metric: str
    amounts: tuple[str, ...]
    unit: str = "Count/Second"
    aurora: bool = False


_RATES = {
    "postgres": (
        Rate("CommitThroughput", ("commits",), aurora=True),
        Rate("Deadlocks", ("deadlocks",), aurora=True),
        Rate("ReadIOPS", ("reads",)),
        Rate("WriteIOPS", ("writes",)),
    ),
    "mariadb": (
        Rate("CommitThroughput", ("binlog_commits",), aurora=True),
        Rate("Deadlocks", ("innodb_deadlocks",), aurora=True),
        Rate("ReadIOPS", ("innodb_data_reads",)),
        Rate("WriteIOPS", ("innodb_data_writes",)),
        Rate("Queries", ("queries",), aurora=True),
        Rate("SelectThroughput", ("com_select",), aurora=True),
        Rate("InsertThroughput", ("com_insert",), aurora=True),
        Rate("UpdateThroughput", ("com_update",), aurora=True),
        Rate("DeleteThroughput", ("com_delete",), aurora=True),
        Rate("DMLThroughput", ("com_insert", "com_update", "com_delete"), aurora=True),
        Rate("ConnectionAttempts", ("connections",), "Count", aurora=True),
        Rate("AbortedClients", ("aborted_clients",), "Count", aurora=True),
    ),
}
_HITS = {"postgres": ("hits", "misses"), "mariadb": ("innodb_buffer_pool_read_requests", "innodb_buffer_pool_reads")}

Amounts = dict[str, float]


def question(engine: str, version: str) -> str:
    """What to ask. PostgreSQL counts reads and writes since 16."""
    if engine != "postgres":
        return _STATUS
    major = version.partition(".")[0]
    return _DATABASES + (_TRANSFERS if not major.isdigit() or int(major) >= 16 else "") + _OTHERS


def amounts(engine: str, columns: list[str], rows: list[tuple[Any, ...]]) -> Amounts:
    """What an answer says, by the names of its columns, or of status variables."""
    told = zip(columns, rows[0], strict=True) if engine == "postgres" and rows else rows
    return {str(name): float(value) for name, value in told if value is not None}


def values(engine: str, aurora: bool, before: Amounts, now: Amounts, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Metrics with their values and units, of the time between two answers of the same server."""
    grown = {name: value - before[name] for name, value in now.items() if name in before}
    for rate in _RATES[engine]:
        if (aurora or not rate.aurora) and all(grown.get(name, -1) >= 0 for name in rate.amounts):
            total = sum(grown[name] for name in rate.amounts)
            yield rate.metric, total if rate.unit == "Count" else total / seconds, rate.unit
    hits, misses = (grown.get(name, 0.0) for name in _HITS[engine])
    asked = hits + misses if engine == "postgres" else hits
    if aurora and asked > 0:
        yield "BufferCacheHitRatio", max(asked - misses, 0.0) * 100 / asked, "Percent"
    if "ages" in now:
        yield "MaximumUsedTransactionIDs", now["ages"], "Count"
    if "log" in now and not aurora:
        yield "TransactionLogsDiskUsage", now["log"], "Bytes"
