"""Failover: on request, and when the engines say that they had one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.rds import activity_streams, converging, describing, events, making
from fogbank.services.rds.addresses import cluster_at, cluster_by_id
from fogbank.services.rds.faults import cluster_state, instance_missing
from fogbank.services.rds.instance_classes import CLASSES
from fogbank.services.rds.state import CLUSTERS, INSTANCES, Cluster, Instance, members
from fogbank.store import change


def next_writer(readers: Iterable[Instance]) -> str:
    """The node that is promoted: of the first promotion tier, the largest, the eldest."""
    best = min(readers, key=lambda one: (one.tier, -(CLASSES[one.klass].memory_bytes if one.klass in CLASSES else 0), one.created_at_ms))
    return best.node


@operation("FailoverDBCluster")
def failover_db_cluster(ctx: Context, req: Any) -> Answer:
    """Promotes a reader: the one that is named, or the one of the first promotion tier.

    Clients at the writer's address wait for the moment that it takes. Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault,
    DBInstanceNotFoundFault. Source: API reference, FailoverDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    making.check_available(row)
    if row.masters:
        raise cluster_state(f"DbCluster {row.name} is a multi-master cluster: there is no reader to fail over to.")
    if row.follows:
        raise cluster_state(f"DbCluster {row.name} replicates another cluster: it has no writer to fail over.")
    readers = [one for one in members(ctx, row) if one.node != row.writer and one.status == "available"]
    if not readers:
        raise cluster_state(f"DbCluster {row.name} does not have any eligible Aurora Replica to fail over to.")
    name = (req.TargetDBInstanceIdentifier or "").lower()
    chosen = [one for one in readers if one.name == name] if name else readers
    if not chosen:
        if any(one.name == name for one in members(ctx, row)):
            raise cluster_state(f"DB instance {name} is the writer already, or is not available.")
        raise instance_missing(name)
    target = next_writer(chosen)
    events.tell(ctx, "db-cluster", row.name, f"Started failover to DB instance: {converging.named(ctx, row, target)}", "failover")
    row = converging.ask(ctx, change(row, status="failing-over", writer=target))
    return {"DBCluster": describing.cluster(ctx, row)}


@task("noticed")
def noticed(ctx: Context, payload: dict[str, Any]) -> Answer:
    """What happened to a cluster by itself: `{"cluster", "what", "node", "writer"}`."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is None or row.status == "deleting":
        return None
    node, writer = payload.get("node", ""), payload.get("writer", "")
    what = payload["what"]
    if what == "failover" and writer:
        _failed_over(ctx, row, writer)
    elif what == "unreachable":
        for instance in list(members(ctx, row)):
            events.tell(ctx, "db-instance", instance.name, payload["why"], "failure")
    elif what == "resynchronized":
        events.tell(ctx, "db-cluster", row.name, f"DB cluster replicates its source from the beginning: {payload['why']}", "notification")
    elif what == "activity":
        activity_streams.take(ctx, row, node, payload["events"])
    elif what == "failed":
        converging.unmended(ctx, row, payload["nodes"], payload["why"])
    elif what in _HAPPENED:
        _happened(ctx, row, node, what)
    return None


_HAPPENED = {
    "node_died": ("", "DB instance shutdown", "availability"),
    "node_recovered": ("available", "DB instance restarted", "availability"),
    "writer_recovered": ("available", "DB instance restarted", "availability"),
}
"""What the engines tell of a node -> the status of its instance, if it is another one, what is said, and under which category."""


def _failed_over(ctx: Context, row: Cluster, writer: str) -> None:
    for instance in list(members(ctx, row)):
        if instance.standby == writer:
            INSTANCES.put(ctx, converging.swapped(instance))
            events.tell(ctx, "db-instance", instance.name, "Multi-AZ instance failover completed", "failover")
    if row.writer != writer:
        CLUSTERS.put(ctx, change(row, writer=writer))
    if not row.plain:
        name = converging.named(ctx, row, writer)
        events.tell(ctx, "db-cluster", row.name, f"Completed failover to DB instance: {name}", "failover")


def _happened(ctx: Context, row: Cluster, node: str, what: str) -> None:
    status, message, category = _HAPPENED[what]
    for instance in list(members(ctx, row)):
        if instance.node == node:
            if status and instance.status == "failed":
                INSTANCES.put(ctx, change(instance, status=status))
            events.tell(ctx, "db-instance", instance.name, message, category)
