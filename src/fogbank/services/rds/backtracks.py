"""Backtrack: a cluster is taken back in place, to a volume that begins as a fork of its own.

AWS has it for Aurora MySQL only; here Aurora PostgreSQL has it, too.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import converging, describing, events, making, volumes
from fogbank.services.rds.addresses import cluster_at, filters, page, passing
from fogbank.services.rds.faults import cluster_state, combination, invalid
from fogbank.services.rds.state import BACKTRACKS, DAY_MS, Backtrack, Cluster, Origin, next_volume
from fogbank.store import change


def _described(row: Cluster, one: Backtrack) -> dict[str, Any]:
    return {
        "DBClusterIdentifier": row.name,
        "BacktrackIdentifier": one.id,
        "BacktrackTo": one.to_ms,
        "BacktrackedFrom": one.from_ms,
        "BacktrackRequestCreationTime": one.asked_at_ms,
        "Status": one.status,
    }


@operation("BacktrackDBCluster")
def backtrack_db_cluster(ctx: Context, req: Any) -> Answer:
    """Takes a cluster back to an instant of its backtrack window. What was done since is gone from it, but restores still reach it.

    UseEarliestTimeOnPointInTimeUnavailable: an instant before the window stands for the window's earliest.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference, BacktrackDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    making.check_available(row)
    if not row.backtrack_s:
        raise combination("Backtrack is not enabled for the DB cluster.")
    if row.follows or row.global_cluster or any(True for _ in describing.replicas(ctx, row)):
        raise cluster_state(f"DbCluster {row.name} replicates another one or is replicated: it cannot be backtracked.")
    to_ms = req.BacktrackTo
    look = ctx.databases.look(row.id)
    earliest_ms = max(look.volume.earliest_ms if look is not None and look.volume is not None else 0, ctx.now - row.backtrack_s * 1000)
    if to_ms > ctx.now:
        raise invalid("The specified backtrack time is in the future.")
    if to_ms < earliest_ms:
        if not req.UseEarliestTimeOnPointInTimeUnavailable:
            raise invalid("The specified backtrack time is before the earliest time that the DB cluster can be backtracked to.")
        to_ms = earliest_ms
    one = Backtrack(cluster=row.id, id=ctx.random.uuid(), number=ctx.tx.unique(), asked_at_ms=ctx.now, to_ms=to_ms, from_ms=ctx.now)
    BACKTRACKS.put(ctx, one)
    volumes.leave(ctx, row.volume, row.id, ctx.now + row.retention_days * DAY_MS, ctx.now)
    events.tell(ctx, "db-cluster", row.name, "DB cluster backtrack has started", "notification")
    row = change(row, volume=next_volume(row), origin=Origin(row.volume, to_ms), status="backtracking")
    row = converging.ask(ctx, row)
    return _described(row, one)


@operation("DescribeDBClusterBacktracks")
def describe_db_cluster_backtracks(ctx: Context, req: Any) -> Answer:
    """The backtracks of a cluster, the eldest first.

    Errors: DBClusterNotFoundFault, DBClusterBacktrackNotFoundFault. Source: API reference, DescribeDBClusterBacktracks.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    values = {"db-cluster-backtrack-id": lambda one: (one.id,), "db-cluster-backtrack-status": lambda one: (one.status.lower(),)}
    wanted = {name: [value.lower() for value in given] for name, given in filters(req, values).items()}
    found = list(BACKTRACKS.scan(ctx, row.id))
    if req.BacktrackIdentifier:
        found = [one for one in found if one.id == req.BacktrackIdentifier.lower()]
        if not found:
            raise ServiceException("DBClusterBacktrackNotFoundFault", f"Backtrack {req.BacktrackIdentifier} not found.", status=404)
    rows, marker = page(req, passing(found, wanted, values), lambda one: f"{one.number:020}")
    return {"DBClusterBacktracks": [_described(row, one) for one in rows], "Marker": marker}
