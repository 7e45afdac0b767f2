"""Aurora Serverless v2: a cluster that nobody has used for a while pauses, and goes on when somebody connects.

Nodes have no capacity of their own: they take of the machine what they need. So there is nothing to scale but to nothing.
"""

from __future__ import annotations

from fogbank.engines.spec import Actual
from fogbank.kernel.context import Context
from fogbank.services.rds import converging, events
from fogbank.services.rds.instance_classes import SERVERLESS
from fogbank.services.rds.state import CLUSTERS, Cluster, cluster_of_resource, members
from fogbank.store import change


def look(ctx: Context, row: Cluster, actual: Actual) -> None:
    """Pauses a cluster whose minimum is 0 when none of its nodes has had a connection for as long as was asked for."""
    if row.scaling is None or not row.scaling.pause_s or row.paused or row.status != "available":
        return
    if any(node.connections for node in actual.nodes) or not _serverless(ctx, row):
        if row.idle_since_ms:
            CLUSTERS.put(ctx, change(row, idle_since_ms=0))
        return
    if not row.idle_since_ms:
        CLUSTERS.put(ctx, change(row, idle_since_ms=ctx.now))
    elif ctx.now - row.idle_since_ms >= row.scaling.pause_s * 1000:
        events.tell(ctx, "db-cluster", row.name, "DB cluster paused: it was idle", "notification")
        converging.ask(ctx, change(row, idle_since_ms=0), paused=True)


def _serverless(ctx: Context, row: Cluster) -> bool:
    """Whether all its instances are serverless ones: others do not pause."""
    there = list(members(ctx, row))
    return bool(there) and all(instance.klass == SERVERLESS for instance in there)


def wake(ctx: Context, cluster: str) -> None:
    """Has a paused cluster go on: somebody wants to connect."""
    row = cluster_of_resource(ctx, cluster)
    if row is not None and row.paused:
        where = ctx.of(row.account, row.region)
        events.tell(where, "db-cluster", row.name, "DB cluster resumed", "notification")
        converging.ask(where, row)
