"""Read replicas: made, in any region, and promoted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import converging, describing, engine_versions, instances, making, planning, repeating
from fogbank.services.rds.addresses import cluster_at, cluster_of, get_instance, identifier, instance_at
from fogbank.services.rds.faults import (
    cluster_state,
    combination,
    instance_missing,
    instance_state,
    missing,
    within,
)
from fogbank.store import change

REPLICAS_LIMIT = 15


@operation("CreateDBInstanceReadReplica")
def create_db_instance_read_replica(ctx: Context, req: Any) -> Answer:
    """Makes an instance that repeats another one, in this region or, by its ARN, of another; at most 15 of one source.

    Its class, port and storage are the source's where the request does not say otherwise.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBInstanceAlreadyExistsFault, InstanceQuotaExceededFault,
    InvalidParameterCombination. Source: API reference, CreateDBInstanceReadReplica.
    """
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
    instances.check("CreateDBInstanceReadReplica", req, source.engine)
    if origin.status not in ("available", "backing-up", "modifying"):
        raise instance_state(f"Instance {origin.name} is not in available state.")
    if sum(1 for _ in describing.replicas(ctx, source)) >= REPLICAS_LIMIT:
        raise ServiceException("InstanceQuotaExceededFault", f"{origin.name} has {REPLICAS_LIMIT} read replicas already.")
    name = identifier(req.DBInstanceIdentifier, "DBInstanceIdentifier")
    row = change(making.new_plain(ctx, req, name, source.engine, source.version, base=source), retention_days=0)
    row = repeating.following(ctx, row, source)
    klass = req.DBInstanceClass or origin.klass
    engine_versions.check_class(row.engine, row.version, klass)
    instance = instances.plain_instance(ctx, req, name, row, klass)
    instance = change(instance, **making.storage(req, origin))
    planning.begin(ctx, row)
    return {"DBInstance": instances.begun(ctx, instance, row)}


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
    instance, row = repeating.promote_plain(ctx, instance, row)
    if window != row.backup_window:
        planning.plan_backup(ctx, row, window)
    return {"DBInstance": describing.instance(ctx, instance, row)}


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
    row = converging.ask(ctx, change(repeating.promoted(ctx, row), status="promoting"))
    return {"DBCluster": describing.cluster(ctx, row)}
