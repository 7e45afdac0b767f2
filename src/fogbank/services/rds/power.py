"""Stopping, starting, rebooting. What is stopped is started again by the clock, seven days later."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.rds import converging, describing, events, keeping, making
from fogbank.services.rds.addresses import cluster_at, cluster_by_id, cluster_of, instance_at
from fogbank.services.rds.faults import absent, cluster_state, combination, instance_state, refuse
from fogbank.services.rds.state import DAY_MS, INSTANCES, Cluster, Instance, members
from fogbank.store import change

STOPPED_MS = 7 * DAY_MS


def _put_all(ctx: Context, row: Cluster, status: str) -> None:
    for instance in list(members(ctx, row)):
        if instance.status != "deleting":
            restarted = ctx.now if status == "starting" else instance.restarted_at_ms
            INSTANCES.put(ctx, change(instance, status=status, restarted_at_ms=restarted))


def _stop(ctx: Context, row: Cluster) -> Cluster:
    _put_all(ctx, row, "stopping")
    restart_at_ms = ctx.now + STOPPED_MS
    ctx.later("rds.restart", {"cluster": row.id, "at_ms": restart_at_ms}, at_ms=restart_at_ms)
    return converging.ask(ctx, change(row, status="stopping", restart_at_ms=restart_at_ms))


def _start(ctx: Context, row: Cluster) -> Cluster:
    _put_all(ctx, row, "starting")
    return converging.ask(ctx, change(row, status="starting", restart_at_ms=0))


@operation("StopDBCluster")
def stop_db_cluster(ctx: Context, req: Any) -> Answer:
    """Ends a cluster's nodes and keeps its data; it is started again after seven days.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, InvalidDBInstanceStateFault. Source: API reference, StopDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    making.check_available(row)
    if row.global_cluster or row.follows:
        raise cluster_state(f"DbCluster {row.name} is part of a global cluster or replicates another one: it cannot be stopped.")
    for instance in members(ctx, row):
        if instance.status != "available":
            raise instance_state(f"Instance {instance.name} is not in available state.")
    return {"DBCluster": describing.cluster(ctx, _stop(ctx, row))}


@operation("StartDBCluster")
def start_db_cluster(ctx: Context, req: Any) -> Answer:
    """Starts a stopped cluster. Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault. Source: API reference, StartDBCluster."""
    row = cluster_at(ctx, req.DBClusterIdentifier)
    if row.status != "stopped":
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected it to be stopped.")
    return {"DBCluster": describing.cluster(ctx, _start(ctx, row))}


def _by_itself(ctx: Context, req: Any, verb: str) -> tuple[Instance, Cluster]:
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if not row.plain:
        raise combination(
            f"aurora DB instances are not eligible for {verb}ping: use {verb.capitalize()}DBCluster.".replace("startping", "starting")
        )
    return instance, row


@operation("StopDBInstance")
def stop_db_instance(ctx: Context, req: Any) -> Answer:
    """Ends an instance's node and keeps its data, with a snapshot of it where one is named; it is started again after seven days.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, InvalidParameterCombination, DBSnapshotAlreadyExistsFault.
    Source: API reference, StopDBInstance.
    """
    instance, row = _by_itself(ctx, req, "stop")
    refuse("StopDBInstance", req, "DetachFromDBCapacityReservation")
    if instance.status != "available":
        raise instance_state(f"Instance {instance.name} is not in available state.")
    if row.follows or any(True for _ in describing.replicas(ctx, row)):
        raise instance_state(f"Instance {instance.name} has a read replica, or is one: it cannot be stopped.")
    if req.DBSnapshotIdentifier:
        keeping.begin(ctx, row, instance, "snapshot", req.DBSnapshotIdentifier, tags=instance.tags if row.copy_tags else {})
    row = _stop(ctx, row)
    return {"DBInstance": describing.instance(ctx, instance_at(ctx, instance.name), row)}


@operation("StartDBInstance")
def start_db_instance(ctx: Context, req: Any) -> Answer:
    """Starts a stopped instance. Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault. Source: API reference, StartDBInstance."""
    instance, row = _by_itself(ctx, req, "start")
    refuse("StartDBInstance", req, "DBCapacityReservationIdentifier")
    if instance.status != "stopped":
        raise instance_state(f"Instance {instance.name} is not in a startable state.")
    row = _start(ctx, row)
    return {"DBInstance": describing.instance(ctx, instance_at(ctx, instance.name), row)}


@task("restart")
def restart(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Starts what has been stopped for seven days."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is not None and row.status == "stopped" and row.restart_at_ms == payload["at_ms"]:
        _start(ctx, row)
        kind = "db-instance" if row.plain else "db-cluster"
        message = f"DB {kind[3:]} is being started due to it exceeding the maximum allowed time being stopped."
        events.tell(ctx, kind, row.name, message, "notification")
    return None


@operation("RebootDBInstance")
def reboot_db_instance(ctx: Context, req: Any) -> Answer:
    """Starts an instance's engine anew: parameters that waited for it are in force then. ForceFailover: its standby takes over.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, InvalidParameterCombination.
    Source: API reference, RebootDBInstance.
    """
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if req.ForceFailover and not instance.standby:
        raise combination("Cannot enable force failover because the instance isn't configured for Multi-AZ.")
    if instance.status != "available":
        raise instance_state(f"Instance {instance.name} is not in available state.")
    instance = change(instance, status="rebooting", restarts=instance.restarts + 1, restarted_at_ms=ctx.now)
    if req.ForceFailover:
        instance = converging.swapped(instance)
        row = change(row, writer=row.writer and instance.node)
        events.tell(ctx, "db-instance", instance.name, "Multi-AZ instance failover started", "failover")
    INSTANCES.put(ctx, instance)
    row = converging.ask(ctx, change(row, status="rebooting") if row.plain else row)
    return {"DBInstance": describing.instance(ctx, instance, row)}


@operation("RebootDBCluster")
def reboot_db_cluster(ctx: Context, req: Any) -> Answer:
    """For Multi-AZ DB clusters only, which there are not. Errors: DBClusterNotFoundFault, NotImplemented."""
    row = cluster_at(ctx, req.DBClusterIdentifier)
    raise absent("RebootDBCluster", f"the Aurora cluster {row.name}: it is for Multi-AZ DB clusters; use RebootDBInstance")
