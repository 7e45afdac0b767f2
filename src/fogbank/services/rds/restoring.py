"""Restores and clones: a new cluster or instance, whose volume begins as a fork of what another one's was at some instant.

A clone shares what it has in common with its source, whether a copy on write was asked for or a full copy: it is the same to whoever
uses it, and neither takes longer than the other.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import (
    converging,
    describing,
    engine_versions,
    events,
    instances,
    making,
    masters,
    passwords,
    planning,
    sharing,
    snapshots,
)
from fogbank.services.rds.addresses import cluster_of, get_cluster, get_instance, identifier, parse
from fogbank.services.rds.faults import (
    ENGINES,
    absent,
    cluster_state,
    combination,
    instance_missing,
    invalid,
    missing,
    refuse,
    source_missing,
)
from fogbank.services.rds.keeping import CLUSTER, INSTANCE
from fogbank.services.rds.state import BACKUPS, VOLUMES_OF, Backup, Cluster, Instance, Origin, Snapshot
from fogbank.services.rds.wanted import password_of, sealed
from fogbank.store import change


def origin_at(ctx: Context, row: Cluster, at_ms: int | None) -> Origin:
    """Where a volume begins that is as a cluster's was at an instant (None: as it is now): on the volume that it had then.

    Errors: InvalidParameterValue, for an instant that it cannot be restored to.
    """
    if at_ms is None:
        return Origin(row.volume)
    look = ctx.databases.look(row.id)
    earliest_ms = describing.earliest_ms(row, look)
    latest_ms = look.volume.latest_ms if look is not None and look.volume is not None else ctx.now
    if not earliest_ms <= at_ms <= max(latest_ms, earliest_ms):
        raise invalid(
            "The specified restore time is not within the restorable window: it is before the earliest restorable time or after the latest."
        )
    for left in VOLUMES_OF.scan(ctx, row.id):
        if left.left_at_ms > at_ms:
            return Origin(left.name, at_ms)
    return Origin(row.volume, at_ms)


def _when(req: Any, time: int | None) -> int | None:
    """The instant to restore to; None for the latest. Errors: InvalidParameterCombination."""
    if time is not None and req.UseLatestRestorableTime:
        raise combination("You can't specify both a restore time and UseLatestRestorableTime.")
    if time is None and not req.UseLatestRestorableTime:
        raise combination("Either UseLatestRestorableTime or the time to restore to must be specified.")
    return time


def _whose(ctx: Context, row: Cluster, base: Cluster) -> Cluster:
    """A new cluster with the master user and password of what it is made from."""
    return change(row, password=sealed(ctx, row.id, password_of(ctx, base)))


def _put_cluster(ctx: Context, row: Cluster, message: str) -> dict[str, Any]:
    row = converging.ask(ctx, row)
    planning.begin(ctx, row)
    events.tell(ctx, "db-cluster", row.name, message, "creation")
    return describing.cluster(ctx, row)


@operation("RestoreDBClusterToPointInTime")
def restore_db_cluster_to_point_in_time(ctx: Context, req: Any) -> Answer:
    """Makes a cluster as another one was at a second of its backup retention period, or as it is now: a clone.

    The cluster that is made has no instances yet. Parameter group, port and the like are the source's or the defaults, as for
    CreateDBCluster. RestoreType: full-copy or copy-on-write. The source may be one that was deleted, by SourceDbClusterResourceId; or, for
    a clone, by its ARN one that another account shares through RAM (one clone for each account, 15 in all).

    Errors: DBClusterNotFoundFault, DBClusterAlreadyExistsFault, InvalidDBClusterStateFault, DBClusterQuotaExceededFault,
    InvalidParameterValue, InvalidParameterCombination, DBClusterAutomatedBackupNotFoundFault.
    Source: API reference, RestoreDBClusterToPointInTime.
    """
    making.check_cluster("RestoreDBClusterToPointInTime", req)
    refuse("RestoreDBClusterToPointInTime", req, "OptionGroupName")
    if (req.RestoreType or "full-copy") not in ("full-copy", "copy-on-write"):
        raise invalid(f"Invalid RestoreType: {req.RestoreType}")
    at_ms = _when(req, req.RestoreToTime)
    if req.RestoreType == "copy-on-write" and at_ms is not None:
        raise combination("A clone is made of the latest state: RestoreToTime can't be specified with RestoreType copy-on-write.")
    base, origin = _cluster_source(ctx, req, at_ms)
    masters.lacks("RestoreDBClusterToPointInTime", base)
    row = making.new_cluster(ctx, req, req.DBClusterIdentifier, base.engine, base.version, base=base, origin=origin)
    row = change(_whose(ctx, row, base), cross_account=base.account != ctx.account)
    return {"DBCluster": _put_cluster(ctx, row, f"Restored from cluster {base.name}")}


def _cluster_source(ctx: Context, req: Any, at_ms: int | None) -> tuple[Cluster, Origin]:
    if bool(req.SourceDBClusterIdentifier) == bool(req.SourceDbClusterResourceId):
        raise missing("Either SourceDBClusterIdentifier or SourceDbClusterResourceId must be specified.")
    if req.SourceDBClusterIdentifier:
        base = get_cluster(ctx, req.SourceDBClusterIdentifier)
        if base is None or base.region != ctx.region:
            raise source_missing(req.SourceDBClusterIdentifier)
        if base.account != ctx.account:
            sharing.check_clone(ctx, req, base)
        if base.status in ("creating", "deleting", "failed"):
            raise cluster_state(f"DbCluster {base.name} is in {base.status} state, but expected available.")
        if base.follows and at_ms is not None:
            raise cluster_state(f"DbCluster {base.name} replicates another one: restore that one.")
        return base, origin_at(ctx, base, at_ms)
    backup = _retained(ctx, req.SourceDbClusterResourceId, "DBClusterAutomatedBackupNotFoundFault")
    return backup.of, _retained_origin(ctx, backup, at_ms)


def _retained(ctx: Context, id: str, code: str) -> Backup:
    found = BACKUPS.get(ctx, ctx.account, ctx.region, id)
    if found is None or found.until_ms <= ctx.now:
        raise ServiceException(code, f"There is no automated backup of {id}.", status=404)
    return found


def _retained_origin(ctx: Context, backup: Backup, at_ms: int | None) -> Origin:
    if at_ms is not None and not backup.earliest_ms <= at_ms <= backup.latest_ms:
        raise invalid("The specified restore time is not within the restorable window of the automated backup.")
    for left in VOLUMES_OF.scan(ctx, backup.of.id):
        if at_ms is not None and left.left_at_ms > at_ms:
            return Origin(left.name, at_ms)
    return Origin(backup.of.volume, at_ms or 0)


@operation("RestoreDBClusterFromSnapshot")
def restore_db_cluster_from_snapshot(ctx: Context, req: Any) -> Answer:
    """Makes a cluster from a snapshot of a cluster, or of an instance of an engine that goes with it (postgres to aurora-postgresql).

    Errors: DBClusterSnapshotNotFoundFault, InvalidDBClusterSnapshotStateFault, DBClusterAlreadyExistsFault, InvalidParameterCombination.
    Source: API reference, RestoreDBClusterFromSnapshot.
    """
    making.check_cluster("RestoreDBClusterFromSnapshot", req)
    refuse("RestoreDBClusterFromSnapshot", req, "OptionGroupName")
    if req.DatabaseName:
        raise absent("RestoreDBClusterFromSnapshot", "DatabaseName")
    of_instance = parse(req.SnapshotIdentifier, "snapshot") is not None
    snapshot = snapshots.check_available(snapshots.readable(ctx, INSTANCE if of_instance else CLUSTER, req.SnapshotIdentifier))
    base = snapshot.of
    if not req.Engine.startswith("aurora") or ENGINES.get(req.Engine) != ENGINES[base.engine]:
        raise combination(f"The snapshot is of {base.engine}: it can't be restored to {req.Engine}.")
    version = engine_versions.chosen(ctx, req.Engine, req.EngineVersion or (base.version if req.Engine == base.engine else None))
    row = making.new_cluster(ctx, req, req.DBClusterIdentifier, req.Engine, version, base=base, origin=_at_point(snapshot))
    row = change(_whose(ctx, row, base), clone_group=ctx.random.uuid())
    return {"DBCluster": _put_cluster(ctx, row, f"Restored from snapshot {snapshot.name}")}


def _at_point(snapshot: Snapshot) -> Origin:
    return Origin(snapshot.volume, 0, snapshot.point)


# Instances that are by themselves


def _engine(req: Any, base: Cluster) -> str:
    if req.Engine and req.Engine != base.engine:
        raise combination(f"The source is of {base.engine}: it can't be restored to {req.Engine}.")
    return base.engine


def _restored(ctx: Context, req: Any, name: str, base: Cluster, before: Instance, origin: Origin) -> Answer:
    """A new instance from what another one was."""
    req = making.Asked(req)
    instances.check(ctx.operation, req, base.engine)
    if req.DBName and req.DBName != base.database:
        raise absent(ctx.operation, "DBName: databases keep their names")
    name = identifier(name, "DBInstanceIdentifier")
    klass = req.DBInstanceClass or before.klass
    engine_versions.check_class(_engine(req, base), base.version, klass)
    row = making.new_plain(ctx, req, name, base.engine, base.version, base=base, origin=origin)
    row = _whose(ctx, row, base)
    if req.ManageMasterUserPassword:
        row = passwords.managed(ctx, row, req.MasterUserSecretKmsKeyId)
    elif req.MasterUserSecretKmsKeyId:
        raise combination("You can specify MasterUserSecretKmsKeyId only when ManageMasterUserPassword is enabled.")
    instance = change(instances.plain_instance(ctx, req, name, row, klass), **making.storage(req, before))
    planning.begin(ctx, row)
    return {"DBInstance": instances.begun(ctx, instance, row)}


@operation("RestoreDBInstanceFromDBSnapshot")
def restore_db_instance_from_db_snapshot(ctx: Context, req: Any) -> Answer:
    """Makes an instance from a snapshot of one. Its class, port and storage are those of that one where the request does not say.

    Errors: DBSnapshotNotFoundFault, InvalidDBSnapshotStateFault, DBInstanceAlreadyExistsFault, InvalidParameterCombination.
    Source: API reference, RestoreDBInstanceFromDBSnapshot.
    """
    if req.DBClusterSnapshotIdentifier:
        raise absent("RestoreDBInstanceFromDBSnapshot", "DBClusterSnapshotIdentifier: there are no Multi-AZ DB clusters")
    if not req.DBSnapshotIdentifier:
        raise missing("The parameter DBSnapshotIdentifier must be provided and must not be blank.")
    snapshot = snapshots.check_available(snapshots.readable(ctx, INSTANCE, req.DBSnapshotIdentifier))
    assert snapshot.instance is not None
    return _restored(ctx, req, req.DBInstanceIdentifier, snapshot.of, snapshot.instance, _at_point(snapshot))


@operation("RestoreDBInstanceToPointInTime")
def restore_db_instance_to_point_in_time(ctx: Context, req: Any) -> Answer:
    """Makes an instance as another one was at a second of its retention period; also one that was deleted, by SourceDbiResourceId.

    Errors: DBInstanceNotFoundFault, DBInstanceAlreadyExistsFault, PointInTimeRestoreNotEnabledFault, InvalidParameterValue,
    InvalidParameterCombination, DBInstanceAutomatedBackupNotFoundFault. Source: API reference, RestoreDBInstanceToPointInTime.
    """
    at_ms = _when(req, req.RestoreTime)
    refuse("RestoreDBInstanceToPointInTime", req, "SourceDBInstanceAutomatedBackupsArn")
    if bool(req.SourceDBInstanceIdentifier) == bool(req.SourceDbiResourceId):
        raise missing("Either SourceDBInstanceIdentifier or SourceDbiResourceId must be specified.")
    if req.SourceDbiResourceId:
        backup = _retained(ctx, req.SourceDbiResourceId, "DBInstanceAutomatedBackupNotFoundFault")
        assert backup.instance is not None
        return _restored(ctx, req, req.TargetDBInstanceIdentifier, backup.of, backup.instance, _retained_origin(ctx, backup, at_ms))
    before = get_instance(ctx, req.SourceDBInstanceIdentifier)
    if before is None or (before.account, before.region) != (ctx.account, ctx.region):
        raise instance_missing(req.SourceDBInstanceIdentifier)
    base = cluster_of(ctx, before)
    if not base.plain:
        raise combination("The source is a member of a DB cluster: use RestoreDBClusterToPointInTime.")
    if not base.retention_days or base.follows:
        raise ServiceException("PointInTimeRestoreNotEnabledFault", f"Point in time restore is not enabled for {before.name}.")
    return _restored(ctx, req, req.TargetDBInstanceIdentifier, base, before, origin_at(ctx, base, at_ms))
