"""Clusters and instances as they are described."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.engines.spec import Actual
from fogbank.kernel.context import Context
from fogbank.kernel.tags import pairs
from fogbank.services.rds import activity, certificates, engine_versions, groups, masters, monitoring, passwords, subnet_groups
from fogbank.services.rds.addresses import cluster_arn, instance_arn
from fogbank.services.rds.groups_state import CLUSTER, DB
from fogbank.services.rds.state import CLUSTERS, DAY_MS, ENDPOINTS_OF, Cluster, Instance, Scaling, members

LICENSES = engine_versions.LICENSES
_LATEST_MS = 1000


def cluster(ctx: Context, row: Cluster) -> dict[str, Any]:
    """DBCluster."""
    look = ctx.databases.look(row.id)
    there = list(members(ctx, row))
    customs = ENDPOINTS_OF.scan(ctx, row.account, row.region, row.id)
    secondary = bool(row.follows)
    return {
        "DBClusterIdentifier": row.name,
        "DBClusterArn": cluster_arn(row),
        "DbClusterResourceId": row.id,
        "Status": row.status,
        "Engine": row.engine,
        "EngineVersion": row.version,
        "EngineMode": masters.mode(row),
        "AllocatedStorage": 1,
        "StorageType": row.storage_type,
        "StorageEncrypted": False,
        "DatabaseName": row.database or None,
        "MasterUsername": row.user,
        "MasterUserSecret": passwords.described(row),
        "Port": row.port,
        "Endpoint": ctx.databases.address(row.writer_slot),
        "ReaderEndpoint": None if row.masters else ctx.databases.address(row.reader_slot),
        "CustomEndpoints": [ctx.databases.address(custom.slot) for custom in customs] or None,
        "AvailabilityZones": [row.region + zone for zone in row.zones],
        "MultiAZ": len({instance.zone for instance in there}) > 1,
        "DBClusterMembers": [_member(ctx, row, instance, look) for instance in there],
        "DBClusterParameterGroup": row.parameter_group,
        "DBSubnetGroup": row.subnet_group,
        "VpcSecurityGroups": security_groups(row),
        "AssociatedRoles": roles(row),
        "ClusterCreateTime": row.created_at_ms,
        "CloneGroupId": row.clone_group or None,
        "CrossAccountClone": row.cross_account,
        "HttpEndpointEnabled": row.http_endpoint,
        "IAMDatabaseAuthenticationEnabled": row.iam,
        "ServerlessV2ScalingConfiguration": scaling(row.scaling),
        "ReplicationSourceIdentifier": row.source or None,
        "ReadReplicaIdentifiers": [cluster_arn(other) for other in replicas(ctx, row)],
        "GlobalClusterIdentifier": row.global_cluster or None,
        "GlobalWriteForwardingRequested": False if row.global_cluster and secondary else None,
        "AutoMinorVersionUpgrade": row.auto_minor,
        "DeletionProtection": row.deletion_protection,
        "CopyTagsToSnapshot": row.copy_tags,
        "EnabledCloudwatchLogsExports": list(row.log_exports) or None,
        "PendingModifiedValues": cluster_pending(row),
        "AutomaticRestartTime": row.restart_at_ms or None,
        "NetworkType": "IPV4",
        "DomainMemberships": [],
        "TagList": pairs(row.tags),
        **backups(row, look),
        **_earliest(row, look),
        **_backtracking(row, look),
        **activity.described(ctx, cluster_arn(row)),
    }


def shared(row: Cluster) -> dict[str, Any]:
    """DBCluster, as it is shown to an account that it is shared with: what its clone has to be like."""
    return {"DBClusterArn": cluster_arn(row), "Engine": row.engine, "EngineVersion": row.version, "StorageEncrypted": False}


def _member(ctx: Context, row: Cluster, instance: Instance, look: Actual | None) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": instance.name,
        "IsClusterWriter": row.masters or (bool(row.writer) and instance.node == row.writer),
        "PromotionTier": instance.tier,
        "DBClusterParameterGroupStatus": applied(ctx, row, instance, look, CLUSTER, row.parameter_group),
    }


def applied(ctx: Context, row: Cluster, instance: Instance, look: Actual | None, kind: str, group: str) -> str:
    """Whether what a parameter group sets is in force: some of it waits for a reboot."""
    if instance.status in ("creating", "modifying"):
        return "applying" if instance.status == "modifying" else "in-sync"
    node = next((node for node in look.nodes if node.id == instance.node), None) if look is not None else None
    waits = groups.waiting(ctx, row.account, row.region, kind, group, instance.restarted_at_ms)
    if node is not None and node.pending:
        waits = waits or bool(set(node.pending) & set(groups.values(ctx, row.account, row.region, kind, group)))
    return "pending-reboot" if waits else "in-sync"


def backups(row: Cluster, look: Actual | None) -> dict[str, Any]:
    """What it can be restored to."""
    members: dict[str, Any] = {
        "BackupRetentionPeriod": row.retention_days,
        "PreferredBackupWindow": row.backup_window,
        "PreferredMaintenanceWindow": row.maintenance_window,
    }
    if row.retention_days and not row.follows:
        members["LatestRestorableTime"] = latest_ms(row, look) or None
    return members


def latest_ms(row: Cluster, look: Actual | None) -> int:
    """The latest instant that a cluster can be restored to: what is there now, or was staged last. 0: none is known."""
    return look.volume.latest_ms if look is not None and look.volume is not None else row.staged_ms


def _earliest(row: Cluster, look: Actual | None) -> dict[str, Any]:
    return {"EarliestRestorableTime": earliest_ms(row, look) if look is not None and not row.follows and not row.masters else None}


def earliest_ms(row: Cluster, look: Actual | None) -> int:
    """The earliest instant that a cluster can be restored to: what is there, in its retention period."""
    there = row.earliest_ms or (look.volume.earliest_ms if look is not None and look.volume is not None else row.created_at_ms)
    latest = latest_ms(row, look) or there
    return max(there, min(latest, latest - row.retention_days * DAY_MS))


def _backtracking(row: Cluster, look: Actual | None) -> dict[str, Any]:
    if not row.backtrack_s:
        return {}
    there = look.volume if look is not None else None
    if there is None:
        return {"BacktrackWindow": row.backtrack_s}
    return {
        "BacktrackWindow": row.backtrack_s,
        "EarliestBacktrackTime": max(there.earliest_ms, there.latest_ms - row.backtrack_s * 1000),
    }


def scaling(given: Scaling | None) -> dict[str, Any] | None:
    """ServerlessV2ScalingConfigurationInfo."""
    if given is None:
        return None
    bounds: dict[str, Any] = {"MinCapacity": given.low, "MaxCapacity": given.high}
    return bounds | ({"SecondsUntilAutoPause": given.pause_s} if given.pause_s else {})


def security_groups(row: Cluster) -> list[dict[str, str]]:
    """VpcSecurityGroupMembership of each."""
    return [{"VpcSecurityGroupId": group, "Status": "active"} for group in row.security_groups]


def roles(row: Cluster) -> list[dict[str, Any]]:
    """DBClusterRole or DBInstanceRole of each."""
    return [{"RoleArn": role.arn, "Status": "ACTIVE", "FeatureName": role.feature or None} for role in row.roles]


def replicas(ctx: Context, row: Cluster) -> Iterable[Cluster]:
    """The clusters that repeat this one, in any region; members of a global cluster are no replicas."""
    return (other for other in CLUSTERS.scan(ctx, row.account) if other.follows == row.volume and not other.global_cluster)


def cluster_pending(row: Cluster) -> dict[str, Any] | None:
    """ClusterPendingModifiedValues."""
    found: dict[str, Any] = dict(row.pending)
    if "IAMDatabaseAuthenticationEnabled" in found:
        found["IAMDatabaseAuthenticationEnabled"] = found["IAMDatabaseAuthenticationEnabled"] == "true"
    return found or None


def instance(ctx: Context, row: Instance, of: Cluster) -> dict[str, Any]:
    """DBInstance."""
    look = ctx.databases.look(of.id)
    return {
        "DBInstanceIdentifier": row.name,
        "DBInstanceArn": instance_arn(row),
        "DbiResourceId": row.id,
        "DBInstanceClass": row.klass,
        "DBInstanceStatus": row.status,
        "Engine": of.engine,
        "EngineVersion": of.version,
        "LicenseModel": LICENSES.get(of.engine, "general-public-license"),
        "MasterUsername": of.user,
        "MasterUserSecret": passwords.described(of) if of.plain else None,
        "DBName": of.database or None,
        "Endpoint": {"Address": ctx.databases.address(row.slot), "Port": of.port} if row.status != "creating" else None,
        "DbInstancePort": 0,
        "AllocatedStorage": row.storage_gib if of.plain else 1,
        "StorageType": row.storage_type or of.storage_type,
        "Iops": row.iops or None,
        "StorageEncrypted": False,
        "InstanceCreateTime": row.created_at_ms,
        "AvailabilityZone": row.region + row.zone,
        "SecondaryAvailabilityZone": row.region + row.standby_zone if row.standby else None,
        "MultiAZ": bool(row.standby),
        "PubliclyAccessible": row.public,
        "AutoMinorVersionUpgrade": row.auto_minor,
        "DBParameterGroups": [
            {"DBParameterGroupName": row.parameter_group, "ParameterApplyStatus": applied(ctx, of, row, look, DB, row.parameter_group)}
        ],
        "OptionGroupMemberships": [{"OptionGroupName": of.option_group, "Status": "in-sync"}] if of.option_group else [],
        "DBSecurityGroups": [],
        "VpcSecurityGroups": security_groups(of),
        "DBSubnetGroup": subnet_groups.described(ctx, row.account, row.region, of.subnet_group),
        "DBClusterIdentifier": None if of.plain else of.name,
        "PromotionTier": None if of.plain else row.tier,
        "PendingModifiedValues": _pending(row),
        "IAMDatabaseAuthenticationEnabled": of.iam,
        "CopyTagsToSnapshot": of.copy_tags,
        "DeletionProtection": of.deletion_protection if of.plain else False,
        "AssociatedRoles": roles(of) if of.plain else [],
        "EnabledCloudwatchLogsExports": list(of.log_exports) or None,
        "MonitoringInterval": row.monitoring_s,
        "MonitoringRoleArn": row.monitoring_role or None,
        "EnhancedMonitoringResourceArn": monitoring.stream_arn(row),
        "PerformanceInsightsEnabled": row.insights,
        "PerformanceInsightsRetentionPeriod": row.insights_days or None,
        "CACertificateIdentifier": row.certificate,
        "CertificateDetails": certificates.details(ctx, row.certificate),
        "NetworkType": "IPV4",
        "DomainMemberships": [],
        "AutomaticRestartTime": of.restart_at_ms or None if of.plain else None,
        "TagList": pairs(row.tags),
        **(backups(of, look) | {"PreferredMaintenanceWindow": row.maintenance_window}),
        **_replication(ctx, of),
        **activity.described(ctx, instance_arn(row)),
    }


def _pending(row: Instance) -> dict[str, Any]:
    numbers = ("AllocatedStorage", "Port", "BackupRetentionPeriod", "Iops")
    said: dict[str, Any] = {name: int(value) if name in numbers else value for name, value in row.pending.items()}
    for name in ("MultiAZ", "IAMDatabaseAuthenticationEnabled"):
        if name in said:
            said[name] = said[name] == "true"
    if "MasterUserPassword" in said:
        said["MasterUserPassword"] = "****"
    return said


def _replication(ctx: Context, of: Cluster) -> dict[str, Any]:
    """What a plain instance repeats, and what repeats it."""
    found: dict[str, Any] = {"ReadReplicaDBInstanceIdentifiers": []}
    if not of.plain:
        return found
    repeating = list(replicas(ctx, of))
    found["ReadReplicaDBInstanceIdentifiers"] = [
        other.name if other.region == of.region else cluster_arn(other) for other in repeating if other.plain
    ]
    found["ReadReplicaDBClusterIdentifiers"] = [cluster_arn(other) for other in repeating if not other.plain] or None
    if of.follows:
        same = of.source.split(":")[3] == of.region
        found["ReadReplicaSourceDBInstanceIdentifier"] = of.source.rpartition(":")[2] if same else of.source
        found["StatusInfos"] = [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
    return found
