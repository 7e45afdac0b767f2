"""Logs of engines in CloudWatch Logs: each minute, what their files have more of than the last time.

/aws/rds/cluster/NAME/postgresql, or /aws/rds/instance/NAME/error: a group, with a stream for each instance
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.rds import linked, log_lines
from fogbank.services.rds.addresses import cluster_by_id
from fogbank.services.rds.faults import ENGINES, absent, invalid
from fogbank.services.rds.state import LOG_PLACES, Cluster, Instance, LogPlace, members

_FILES = {
    "postgres": {"postgresql": "postgresql.log"},
    "mariadb": {"error": "mysql-error", "general": "mysql-general", "slowquery": "mysql-slowquery"},
}
"""Engine -> type of log -> how the names of its files begin."""
_OTHERS = ("audit", "iam-db-auth-error", "instance", "upgrade")
PORTION_BYTES = 256_000
LINES = 10_000
PORTIONS = 8
"""Of one file, in one minute."""


def checked(ctx: Context, engine: str, given: list[str] | None) -> tuple[str, ...]:
    """The types of logs that a request names. Errors: InvalidParameterValue, NotImplemented."""
    for kind in given or ():
        if kind in _OTHERS:
            raise absent(ctx.operation, f"logs of the type {kind}")
        if kind not in _FILES[ENGINES[engine]]:
            raise invalid(f"You cannot use the log types {kind!r} with engine {engine}.")
    if given:
        linked.ensure(ctx)
    return tuple(dict.fromkeys(given or ()))


def modified(ctx: Context, req: Any, row: Cluster) -> tuple[str, ...]:
    """The types of logs after a change. Errors: InvalidParameterValue, NotImplemented."""
    given = req.CloudwatchLogsExportConfiguration
    if given is None:
        return row.log_exports
    more = checked(ctx, row.engine, given.EnableLogTypes)
    kept = [kind for kind in row.log_exports if kind not in (given.DisableLogTypes or ())]
    return tuple(dict.fromkeys((*kept, *more)))


@task("ship")
def ship(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Puts the lines that files have got since the last time into their streams."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is None or row.status == "deleting":
        return None
    for instance in list(members(ctx, row)):
        for name, size, _ in ctx.databases.files(row.id, instance.node):
            for kind in row.log_exports:
                if name.startswith(_FILES[ENGINES[row.engine]][kind]):
                    _ship(ctx, row, instance, kind, name, size)
    return None


def _ship(ctx: Context, row: Cluster, instance: Instance, kind: str, name: str, size: int) -> None:
    held = LOG_PLACES.get(ctx, instance.id, name)
    place = held.place if held is not None and held.place <= size else 0
    began = place
    for _ in range(PORTIONS):
        lines, place = _portion(ctx, row, instance, name, place, size)
        if not lines:
            break
        _put(ctx, row, instance, kind, lines)
    if place != began or held is None:
        LOG_PLACES.put(ctx, LogPlace(instance=instance.id, file=name, place=place))


def _portion(ctx: Context, row: Cluster, instance: Instance, name: str, place: int, size: int) -> tuple[list[str], int]:
    """Whole lines from a place on, and where they end."""
    if place >= size:
        return [], place
    try:
        read: bytes = ctx.databases.read(row.id, instance.node, name, place, PORTION_BYTES)
    except LookupError:
        return [], place
    whole = read[: read.rfind(b"\n") + 1] or (read if len(read) == PORTION_BYTES else b"")
    lines = whole.splitlines(keepends=True)[:LINES]
    place += sum(map(len, lines))
    return [line.decode(errors="replace").rstrip("\r\n") or " " for line in lines], place


def _put(ctx: Context, row: Cluster, instance: Instance, kind: str, lines: list[str]) -> None:
    where = f"instance/{instance.name}" if row.plain else f"cluster/{row.name}"
    log_lines.put(ctx, linked.role(row.account, row.region), f"/aws/rds/{where}/{kind}", instance.name, lines)
