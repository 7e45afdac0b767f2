"""ModifyDBInstance: what is in force at once, what interrupts an instance, and the maintenance window in which that happens."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import (
    converging,
    engine_versions,
    events,
    groups,
    log_exports,
    making,
    monitoring,
    option_groups,
    passwords,
    planning,
    subnet_groups,
    windows,
)
from fogbank.services.rds.addresses import get_instance, identifier
from fogbank.services.rds.faults import combination, within
from fogbank.services.rds.groups_state import DB
from fogbank.services.rds.instance_classes import SERVERLESS
from fogbank.services.rds.state import CLUSTERS, INSTANCES, Cluster, Instance
from fogbank.store import change

Both = tuple[Instance, Cluster]
RESTARTS = ("DBInstanceClass", "EngineVersion")
"""Changes that start the engine anew."""


def modify(ctx: Context, req: Any, instance: Instance, row: Cluster) -> Both:
    """An instance and its cluster, changed as the request says; put, and under way."""
    before = (instance, row)
    instance, row = _at_once(ctx, req, instance, row)
    pending = instance.pending | _deferred(ctx, req, instance, row)
    password = row.password != before[1].password
    if req.ApplyImmediately:
        instance, row = apply(ctx, instance, row, pending)
    elif pending != instance.pending:
        instance = change(instance, pending=pending)
        planning.plan_maintenance_of(ctx, instance)
    if (instance, row) == before:
        return before
    if instance.status == "available":
        renamed = instance.name != before[0].name
        status = "resetting-master-credentials" if password else "renaming" if renamed else "modifying"
        instance = change(instance, status=status)
        if row.plain:
            row = change(row, status=status)
    instance = monitoring.begin(ctx, instance, before[0])
    INSTANCES.put(ctx, instance)
    row = converging.ask(ctx, row)
    if (instance.insights, instance.insights_days) != (before[0].insights, before[0].insights_days):
        planning.watch_insights(ctx, row, instance, stop=True)
    return instance, row


def _at_once(ctx: Context, req: Any, instance: Instance, row: Cluster) -> Both:
    if row.plain:
        row = _plain_at_once(ctx, req, row)
    window = (req.PreferredMaintenanceWindow or instance.maintenance_window).lower()
    if req.PreferredMaintenanceWindow or req.PreferredBackupWindow:
        windows.check(row.backup_window, window)
    group = req.DBParameterGroupName
    changed: dict[str, Any] = {} if req.EnablePerformanceInsights is None else making.insights(req)
    return change(
        instance,
        maintenance_window=window,
        tier=within(req, "PromotionTier", 0, 15, instance.tier),
        auto_minor=making.flag(req.AutoMinorVersionUpgrade, instance.auto_minor),
        certificate=making.certificate(ctx, req) or instance.certificate,
        public=making.flag(req.PubliclyAccessible, instance.public),
        parameter_group=groups.chosen(ctx, DB, group, row.engine, row.version) if group else instance.parameter_group,
        **changed,
        **monitoring.asked(ctx, req, instance),
    ), row


def _plain_at_once(ctx: Context, req: Any, row: Cluster) -> Cluster:
    backup = req.PreferredBackupWindow or row.backup_window
    if backup != row.backup_window:
        planning.plan_backup(ctx, row, backup)
    if req.BackupRetentionPeriod == 0 and any(True for _ in _repeating(ctx, row)):
        raise ServiceException("InvalidDBInstanceStateFault", "Automated backups cannot be turned off: the instance has read replicas.")
    row = change(
        row,
        backup_window=backup,
        retention_days=within(req, "BackupRetentionPeriod", 0, 35, row.retention_days),
        port=within(req, "DBPortNumber", 1150, 65535, row.port),
        copy_tags=making.flag(req.CopyTagsToSnapshot, row.copy_tags),
        log_exports=log_exports.modified(ctx, req, row),
        backup_tags=row.backup_tags | making.specified(ctx, req, "auto-backup"),
        deletion_protection=making.flag(req.DeletionProtection, row.deletion_protection),
    )
    if req.VpcSecurityGroupIds:
        row = change(row, security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds))
    if req.OptionGroupName:
        row = change(row, option_group=option_groups.chosen(ctx, req.OptionGroupName, row.engine, row.version))
    return passwords.modified(ctx, req, row)


def _repeating(ctx: Context, row: Cluster) -> Any:
    return (other for other in CLUSTERS.scan(ctx, row.account) if other.follows == row.volume)


def _deferred(ctx: Context, req: Any, instance: Instance, row: Cluster) -> dict[str, str]:
    """What interrupts an instance, by the names of PendingModifiedValues."""
    found: dict[str, str] = {}
    if req.NewDBInstanceIdentifier:
        name = identifier(req.NewDBInstanceIdentifier, "NewDBInstanceIdentifier")
        other = get_instance(ctx, name)
        if other is not None and other.id != instance.id:
            raise ServiceException("DBInstanceAlreadyExistsFault", "DB instance already exists")
        found["DBInstanceIdentifier"] = name
    if req.DBInstanceClass:
        engine_versions.check_class(row.engine, row.version, req.DBInstanceClass)
        if req.DBInstanceClass == SERVERLESS and row.scaling is None:
            raise combination("Set the Serverless v2 scaling configuration on the parent DB cluster first.")
        found["DBInstanceClass"] = req.DBInstanceClass
    if row.plain:
        found |= _plain_deferred(ctx, req, instance, row)
    now = _current(instance, row)
    return {name: value for name, value in found.items() if value != now[name] or name in instance.pending}


def _plain_deferred(ctx: Context, req: Any, instance: Instance, row: Cluster) -> dict[str, str]:
    found: dict[str, str] = {}
    if req.EngineVersion:
        version = engine_versions.chosen(ctx, row.engine, req.EngineVersion)
        engine_versions.check_upgrade(ctx, row.engine, row.version, version, bool(req.AllowMajorVersionUpgrade))
        found["EngineVersion"] = version
    wanted = making.storage(req, instance)
    found |= {"AllocatedStorage": str(wanted["storage_gib"]), "StorageType": wanted["storage_type"], "Iops": str(wanted["iops"])}
    if req.MultiAZ is not None:
        found["MultiAZ"] = "true" if req.MultiAZ else "false"
    if req.EnableIAMDatabaseAuthentication is not None:
        found["IAMDatabaseAuthenticationEnabled"] = "true" if req.EnableIAMDatabaseAuthentication else "false"
    return found


def _current(instance: Instance, row: Cluster) -> dict[str, str]:
    return {
        "DBInstanceIdentifier": instance.name,
        "DBInstanceClass": instance.klass,
        "EngineVersion": row.version,
        "AllocatedStorage": str(instance.storage_gib),
        "StorageType": instance.storage_type,
        "Iops": str(instance.iops),
        "MultiAZ": "true" if instance.standby else "false",
        "IAMDatabaseAuthenticationEnabled": "true" if row.iam else "false",
    }


def apply(ctx: Context, instance: Instance, row: Cluster, found: dict[str, str]) -> Both:
    """An instance and its cluster with what could have waited, or has waited, for the maintenance window."""
    name = found.get("DBInstanceIdentifier", instance.name)
    if name != instance.name:
        events.tell(ctx, "db-instance", instance.name, f"Renamed instance from {instance.name} to {name}", "notification")
        if row.plain:
            row = change(row, name=name)
    if any(kind in found for kind in RESTARTS):
        instance = change(instance, restarts=instance.restarts + 1, restarted_at_ms=ctx.now)
    if found.get("MultiAZ") == "true" and not instance.standby:
        instance = making.with_standby(ctx, row, instance)
    elif found.get("MultiAZ") == "false":
        instance = change(instance, standby="", standby_zone="")
    iam = found.get("IAMDatabaseAuthenticationEnabled")
    row = change(row, version=found.get("EngineVersion", row.version), iam=row.iam if iam is None else iam == "true")
    instance = change(
        instance,
        name=name,
        klass=found.get("DBInstanceClass", instance.klass),
        storage_gib=int(found.get("AllocatedStorage", instance.storage_gib)),
        storage_type=found.get("StorageType", instance.storage_type),
        iops=int(found.get("Iops", instance.iops)),
        pending={},
    )
    return instance, row
