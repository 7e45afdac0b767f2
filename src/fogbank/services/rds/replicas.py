"""Read replicas: clusters that repeat another one's volume, in any region; and their promotion, after which they go on by themselves."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import converging, describing, engine_versions, events, failover, instances, making, planning, volumes
from fogbank.services.rds.addresses import cluster_arn, cluster_at, cluster_of, get_cluster, get_instance, identifier, instance_at
from fogbank.services.rds.faults import (
    ENGINES,
    cluster_missing,
    cluster_state,
    combination,
    instance_missing,
    instance_state,
    missing,
    within,
)
from fogbank.services.rds.state import CLUSTERS, INSTANCES, Cluster, Instance, Origin, members, next_volume
from fogbank.services.rds.wanted import password_of, sealed
from fogbank.store import change

REPLICAS_LIMIT = 15


def source_at(ctx: Context, text: str) -> Cluster:
    """What is to be repeated: a cluster or an instance, by ARN. Errors: DBClusterNotFoundFault, DBInstanceNotFoundFault."""
    if ":db:" in text:
        instance = get_instance(ctx, text)
        if instance is None or instance.account != ctx.account:
            raise instance_missing(text)
        return cluster_of(ctx, instance)
    found = get_cluster(ctx, text)
    if found is None or found.account != ctx.account:
        raise cluster_missing(text)
    return found


def following(ctx: Context, row: Cluster, source: Cluster) -> Cluster:
    """A cluster that repeats another one, with its master user and database. Errors: InvalidDBClusterStateFault and the like."""
    if source.status not in ("available", "backing-up", "modifying"):
        raise cluster_state(f"The source {source.name} is in {source.status} state, but expected available.")
    if source.follows:
        raise cluster_state(f"The source {source.name} replicates another one itself.")
    if ENGINES[source.engine] != ENGINES[row.engine] or (
        (source.version, source.engine) > (row.version, row.engine) and source.engine == row.engine
    ):
        raise combination(f"The engine {row.engine} {row.version} cannot replicate {source.engine} {source.version}.")
    if not source.retention_days:
        raise instance_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance."
        )
    return change(
        row,
        version=source.version if source.engine == row.engine else row.version,
        follows=source.volume,
        source=cluster_arn(source),
        user=source.user,
        password=sealed(ctx, row.id, password_of(ctx, source)),
        database=source.database,
    )


@operation("CreateDBInstanceReadReplica")
def create_db_instance_read_replica(ctx: Context, req: Any) -> Answer:
    """Makes an instance that repeats another one, in this region or, by its ARN, of another; at most 15 of one source.

    Its class, port and storage are the source's where the request does not say otherwise.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBInstanceAlreadyExistsFault, InstanceQuotaExceededFault,
    InvalidParameterCombination. Source: API reference, CreateDBInstanceReadReplica.
    """
    instances.check("CreateDBInstanceReadReplica", req)
    req = making.Asked(req)
    if bool(req.SourceDBInstanceIdentifier) == bool(req.SourceDBClusterIdentifier):
        raise missing("Either SourceDBInstanceIdentifier or SourceDBClusterIdentifier must be provided.")
    if req.SourceDBClusterIdentifier:
        raise combination("Only Multi-AZ DB clusters can be the source of a DB instance read replica.")
    origin = get_instance(ctx, req.SourceDBInstanceIdentifier)
    if origin is None or origin.account != ctx.account:
        raise instance_missing(req.SourceDBInstanceIdentifier)
    source = cluster_of(ctx, origin)
    if not source.plain:
        raise combination("Aurora DB instances cannot be the source of a DB instance read replica: their DB cluster has Aurora Replicas.")
    if origin.status not in ("available", "backing-up", "modifying"):
        raise instance_state(f"Instance {origin.name} is not in available state.")
    if sum(1 for _ in describing.replicas(ctx, source)) >= REPLICAS_LIMIT:
        raise ServiceException("InstanceQuotaExceededFault", f"{origin.name} has {REPLICAS_LIMIT} read replicas already.")
    name = identifier(req.DBInstanceIdentifier, "DBInstanceIdentifier")
    row = change(making.new_plain(ctx, req, name, source.engine, source.version, base=source), retention_days=0)
    row = following(ctx, row, source)
    klass = req.DBInstanceClass or origin.klass
    engine_versions.check_class(row.engine, row.version, klass)
    instance = instances.plain_instance(ctx, req, name, row, klass)
    instance = change(instance, **instances.storage(req, origin))
    planning.begin(ctx, row)
    return {"DBInstance": instances.begun(ctx, instance, row)}


def promoted(ctx: Context, row: Cluster, *, of: str = "") -> Cluster:
    """A cluster that goes on by itself: on a new volume, a fork of what it has repeated so far, or of another one (`of`)."""
    there = [one for one in members(ctx, row) if one.status != "deleting"]
    after = change(
        row,
        volume=next_volume(row),
        origin=Origin(of or row.volume),
        follows="",
        source="",
        writer=failover.next_writer(there) if there else "",
    )
    volumes.leave(ctx, row.volume, row.id, ctx.now, ctx.now)
    return after


@operation("PromoteReadReplica")
def promote_read_replica(ctx: Context, req: Any) -> Answer:
    """Has a replica go on by itself, from what it has. Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault.

    Source: API reference, PromoteReadReplica.
    """
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if not row.plain or not row.follows:
        raise instance_state(f"DB Instance {instance.name} is not a read replica.")
    if instance.status != "available":
        raise instance_state(f"Instance {instance.name} is not in available state.")
    window = req.PreferredBackupWindow or row.backup_window
    tags = making.specified(ctx, req, "auto-backup")
    row = change(row, retention_days=within(req, "BackupRetentionPeriod", 0, 35, 1), backup_window=window, backup_tags=tags)
    instance, row = _promote_plain(ctx, instance, row)
    if window != row.backup_window:
        planning.plan_backup(ctx, row, window)
    return {"DBInstance": describing.instance(ctx, instance, row)}


def _promote_plain(ctx: Context, instance: Instance, row: Cluster) -> tuple[Instance, Cluster]:
    instance = change(instance, status="promoting", restarted_at_ms=ctx.now)
    INSTANCES.put(ctx, instance)
    events.tell(ctx, "db-instance", instance.name, "Started promoting the read replica", "read replica")
    return instance, converging.ask(ctx, change(promoted(ctx, row), status="modifying"))


@operation("PromoteReadReplicaDBCluster")
def promote_read_replica_db_cluster(ctx: Context, req: Any) -> Answer:
    """Has a cluster that repeats another one go on by itself, from what it has.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault. Source: API reference, PromoteReadReplicaDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    if not row.follows or row.global_cluster:
        raise cluster_state(f"DbCluster {row.name} is not a read replica.")
    if row.status != "available":
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected available.")
    row = converging.ask(ctx, change(promoted(ctx, row), status="promoting"))
    return {"DBCluster": describing.cluster(ctx, row)}


def let_go(ctx: Context, row: Cluster) -> None:
    """Has everything that repeats a cluster go on by itself: it is being deleted."""
    for other in [each for each in CLUSTERS.scan(ctx, row.account) if each.follows == row.volume and not each.global_cluster]:
        where = ctx.of(other.account, other.region)
        if other.plain:
            for instance in list(members(ctx, other)):
                _promote_plain(where, instance, other)
        else:
            converging.ask(where, change(promoted(where, other), status="promoting"))
