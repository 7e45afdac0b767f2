"""Automated backups: what each cluster or instance can be restored to; and what is kept of those that were deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.rds import describing, volumes
from fogbank.services.rds.addresses import arn, cluster_of, filters, page, passing
from fogbank.services.rds.network import network
from fogbank.services.rds.state import BACKUPS, CLUSTERS_BY_NAME, INSTANCES_BY_NAME, VOLUMES, VOLUMES_OF, Backup, Cluster, Instance
from fogbank.store import change


def _window(ctx: Context, of: Cluster) -> dict[str, Any]:
    look = ctx.databases.look(of.id)
    latest = look.volume.latest_ms if look is not None and look.volume is not None else None
    return {"EarliestTime": describing.earliest_ms(of, look), "LatestTime": latest}


def _shared(of: Cluster, status: str, window: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    return {
        "Status": status,
        "Engine": of.engine,
        "EngineVersion": of.version,
        "LicenseModel": describing.LICENSES.get(of.engine, "general-public-license"),
        "Region": of.region,
        "VpcId": network(of.account, of.region).vpc,
        "MasterUsername": of.user,
        "Port": of.port,
        "IAMDatabaseAuthenticationEnabled": of.iam,
        "BackupRetentionPeriod": of.retention_days,
        "PreferredBackupWindow": of.backup_window,
        "RestoreWindow": window,
        "TagList": pairs(tags),
    }


def _of_cluster(of: Cluster, status: str, window: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    return _shared(of, status, window, tags) | {
        "DBClusterIdentifier": of.name,
        "DbClusterResourceId": of.id,
        "DBClusterArn": arn(of.account, of.region, "cluster", of.name),
        "DBClusterAutomatedBackupsArn": arn(of.account, of.region, "cluster-auto-backup", f"ab-{of.id[8:].lower()}"),
        "ClusterCreateTime": of.created_at_ms,
        "AvailabilityZones": [of.region + zone for zone in of.zones],
        "EngineMode": "provisioned",
        "StorageEncrypted": False,
        "StorageType": of.storage_type,
        "AllocatedStorage": 1,
    }


def _of_instance(of: Cluster, instance: Instance, status: str, window: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    return _shared(of, status, window, tags) | {
        "DBInstanceIdentifier": instance.name,
        "DbiResourceId": instance.id,
        "DBInstanceArn": arn(of.account, of.region, "db", instance.name),
        "DBInstanceAutomatedBackupsArn": arn(of.account, of.region, "auto-backup", f"ab-{instance.id[3:].lower()}"),
        "InstanceCreateTime": instance.created_at_ms,
        "AvailabilityZone": instance.region + instance.zone,
        "AllocatedStorage": instance.storage_gib,
        "StorageType": instance.storage_type,
        "Iops": instance.iops or None,
        "OptionGroupName": of.option_group or None,
        "Encrypted": False,
        "BackupTarget": "region",
    }


def _kept(ctx: Context, *, plain: bool) -> Iterator[Backup]:
    return (one for one in BACKUPS.scan(ctx, ctx.account, ctx.region) if one.of.plain is plain and one.until_ms > ctx.now)


def _retained(one: Backup) -> dict[str, Any]:
    window = {"EarliestTime": one.earliest_ms, "LatestTime": one.latest_ms}
    if one.instance is not None:
        return _of_instance(one.of, one.instance, "retained", window, one.tags)
    return _of_cluster(one.of, "retained", window, one.tags)


def _missing(word: str, what: str) -> ServiceException:
    return ServiceException(f"{word}AutomatedBackupNotFoundFault", f"No automated backup was found for {what}.", status=404)


@operation("DescribeDBClusterAutomatedBackups")
def describe_db_cluster_automated_backups(ctx: Context, req: Any) -> Answer:
    """The automated backups of clusters, also of deleted ones that were to be kept (retained).

    Errors: DBClusterAutomatedBackupNotFoundFault, InvalidParameterValue. Source: API reference.
    """
    values = {
        "status": lambda one: (one["Status"],),
        "db-cluster-id": lambda one: (one["DBClusterIdentifier"], one["DBClusterArn"]),
        "db-cluster-resource-id": lambda one: (one["DbClusterResourceId"],),
    }
    wanted = filters(req, values)
    found = [
        _of_cluster(of, "active", _window(ctx, of), of.backup_tags)
        for of in CLUSTERS_BY_NAME.scan(ctx, ctx.account, ctx.region)
        if not of.follows and of.status != "deleting"
    ]
    found += [_retained(one) for one in _kept(ctx, plain=False)]
    if req.DBClusterIdentifier:
        found = [one for one in found if one["DBClusterIdentifier"] == req.DBClusterIdentifier.lower()]
    if req.DbClusterResourceId:
        found = [one for one in found if one["DbClusterResourceId"].lower() == req.DbClusterResourceId.lower()]
    if not found and (req.DBClusterIdentifier or req.DbClusterResourceId):
        raise _missing("DBCluster", req.DBClusterIdentifier or req.DbClusterResourceId)
    found.sort(key=_cluster_place)
    rows, marker = page(req, passing(found, wanted, values), _cluster_place)
    return {"DBClusterAutomatedBackups": rows, "Marker": marker}


def _cluster_place(one: dict[str, Any]) -> str:
    return f"{one['DBClusterIdentifier']} {one['DbClusterResourceId']}"


@operation("DescribeDBInstanceAutomatedBackups")
def describe_db_instance_automated_backups(ctx: Context, req: Any) -> Answer:
    """The automated backups of instances that are by themselves, also of deleted ones that were to be kept (retained).

    Errors: DBInstanceAutomatedBackupNotFoundFault, InvalidParameterValue. Source: API reference.
    """
    values = {
        "status": lambda one: (one["Status"],),
        "db-instance-id": lambda one: (one["DBInstanceIdentifier"], one["DBInstanceArn"]),
        "dbi-resource-id": lambda one: (one["DbiResourceId"],),
    }
    wanted = filters(req, values)
    pairs_ = ((instance, cluster_of(ctx, instance)) for instance in INSTANCES_BY_NAME.scan(ctx, ctx.account, ctx.region))
    found = [
        _of_instance(of, instance, "active", _window(ctx, of), of.backup_tags)
        for instance, of in pairs_
        if of.plain and of.retention_days and not of.follows and instance.status != "deleting"
    ]
    found += [_retained(one) for one in _kept(ctx, plain=True)]
    if req.DBInstanceIdentifier:
        found = [one for one in found if one["DBInstanceIdentifier"] == req.DBInstanceIdentifier.lower()]
    for member, value in (("DbiResourceId", req.DbiResourceId), ("DBInstanceAutomatedBackupsArn", req.DBInstanceAutomatedBackupsArn)):
        if value:
            found = [one for one in found if one[member].lower() == value.lower()]
    if not found and (req.DBInstanceIdentifier or req.DbiResourceId):
        raise _missing("DBInstance", req.DBInstanceIdentifier or req.DbiResourceId)
    found.sort(key=_instance_place)
    rows, marker = page(req, passing(found, wanted, values), _instance_place)
    return {"DBInstanceAutomatedBackups": rows, "Marker": marker}


def _instance_place(one: dict[str, Any]) -> str:
    return f"{one['DBInstanceIdentifier']} {one['DbiResourceId']}"


def _let_go(ctx: Context, one: Backup) -> None:
    """Deletes a retained backup: its volumes go, unless snapshots are kept of them."""
    BACKUPS.delete(ctx, one)
    for left in list(VOLUMES_OF.scan(ctx, one.of.id)):
        VOLUMES.put(ctx, change(left, until_ms=ctx.now))
        volumes.forget_later(ctx, left.name)


@operation("DeleteDBClusterAutomatedBackup")
def delete_db_cluster_automated_backup(ctx: Context, req: Any) -> Answer:
    """Deletes what was kept of a deleted cluster.

    Errors: DBClusterAutomatedBackupNotFoundFault, InvalidDBClusterAutomatedBackupStateFault. Source: API reference.
    """
    found = BACKUPS.get(ctx, ctx.account, ctx.region, req.DbClusterResourceId)
    if found is None or found.of.plain:
        raise _missing("DBCluster", req.DbClusterResourceId)
    _let_go(ctx, found)
    return {"DBClusterAutomatedBackup": _retained(found)}


@operation("DeleteDBInstanceAutomatedBackup")
def delete_db_instance_automated_backup(ctx: Context, req: Any) -> Answer:
    """Deletes what was kept of a deleted instance.

    Errors: DBInstanceAutomatedBackupNotFoundFault, InvalidDBInstanceAutomatedBackupStateFault. Source: API reference.
    """
    for one in _kept(ctx, plain=True):
        backup_arn = _retained(one)["DBInstanceAutomatedBackupsArn"]
        if req.DbiResourceId == one.id or (req.DBInstanceAutomatedBackupsArn or "") == backup_arn:
            _let_go(ctx, one)
            return {"DBInstanceAutomatedBackup": _retained(one)}
    raise _missing("DBInstance", req.DbiResourceId or req.DBInstanceAutomatedBackupsArn or "")
