"""Clusters, instances and global clusters as CloudFormation has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, each, every, found, given
from fogbank.services.rds.resources_groups import tagged

RESTING = ("available", "stopped", "failed")


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("rds", operation, given(**members))


def _of(properties: Properties, names: Iterable[str]) -> dict[str, Any]:
    return {name: properties[name] for name in names if properties.get(name) is not None}


def _master(properties: Properties) -> dict[str, Any]:
    """The key of a managed password's secret."""
    key = (properties.get("MasterUserSecret") or {}).get("KmsKeyId")
    return {"MasterUserSecretKmsKeyId": key} if key else {}


def _secret(held: dict[str, Any]) -> dict[str, Any]:
    secret = held.get("MasterUserSecret")
    if secret is None:
        return {}
    shown = {"SecretArn": secret["SecretArn"], "KmsKeyId": secret.get("KmsKeyId")}
    return {"ManageMasterUserPassword": True, "MasterUserSecret": {name: value for name, value in shown.items() if value}}


def _roles(word: str) -> Part:
    """The roles of a cluster or an instance, each for a feature."""

    def change(operation: str) -> Any:
        return lambda ctx, identifier, role: _call(
            ctx, operation, **{f"{word}Identifier": identifier}, RoleArn=role["RoleArn"], FeatureName=role.get("FeatureName")
        )

    return each(
        "AssociatedRoles",
        change(f"AddRoleTo{word}"),
        change(f"RemoveRoleFrom{word}"),
        key=lambda one: (one["RoleArn"], one.get("FeatureName")),
    )


def _held_roles(held: dict[str, Any]) -> list[dict[str, Any]] | None:
    return [given(RoleArn=one["RoleArn"], FeatureName=one.get("FeatureName")) for one in held.get("AssociatedRoles") or ()] or None


# AWS::RDS::DBCluster

_FIXED = ("EngineLifecycleSupport", "NetworkType", "StorageType")
"""What can be asked for, and have one value only: the operations refuse any other."""
_BOTH = (
    "BacktrackWindow",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBClusterParameterGroupName",
    "DeletionProtection",
    "EnableIAMDatabaseAuthentication",
    "Port",
    "PreferredBackupWindow",
    "ServerlessV2ScalingConfiguration",
    "VpcSecurityGroupIds",
)
"""What creation, restores and modification have in common."""
_CHANGED = (
    *_BOTH,
    "AutoMinorVersionUpgrade",
    "EnableHttpEndpoint",
    "EngineVersion",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "PreferredMaintenanceWindow",
    *_FIXED,
)
_FIRST = ("DBSubnetGroupName", "EngineMode", "StorageEncrypted", "KmsKeyId", "Tags", *_FIXED)
_CREATED = (
    *_CHANGED,
    *_FIRST,
    "AvailabilityZones",
    "DBClusterIdentifier",
    "DatabaseName",
    "Engine",
    "GlobalClusterIdentifier",
    "MasterUsername",
)
_REPEATED = "ReplicationSourceIdentifier"
_SOURCES = (
    "SnapshotIdentifier",
    "SourceDBClusterIdentifier",
    "SourceDbClusterResourceId",
    "RestoreType",
    "RestoreToTime",
    "UseLatestRestorableTime",
)


def _cluster(ctx: Context, identifier: str) -> dict[str, Any]:
    held: dict[str, Any] = _call(ctx, "DescribeDBClusters", DBClusterIdentifier=identifier)["DBClusters"][0]
    return held


def _create_cluster(ctx: Context, properties: Properties) -> str:
    name: str = properties["DBClusterIdentifier"].lower()
    if not any(properties.get(source) for source in _SOURCES[:3]):
        _call(ctx, "CreateDBCluster", **_of(properties, (*_CREATED, _REPEATED)), **_master(properties))
        return name
    members = {"DBClusterIdentifier": name, **_of(properties, (*_BOTH, *_FIRST))}
    if properties.get("SnapshotIdentifier"):
        more = _of(properties, ("SnapshotIdentifier", "Engine", "EngineVersion", "AvailabilityZones"))
        _call(ctx, "RestoreDBClusterFromSnapshot", **members, **more)
    else:
        _call(ctx, "RestoreDBClusterToPointInTime", **members, **_of(properties, _SOURCES[1:]))
    rest = _of(properties, set(_CHANGED) - set(_BOTH) - {"EngineVersion"})
    if rest:
        _call(ctx, "ModifyDBCluster", DBClusterIdentifier=name, ApplyImmediately=True, **rest, **_master(properties))
    return name


def _read_cluster(ctx: Context, identifier: str) -> Properties:
    held = _cluster(ctx, identifier)
    same = [
        "AutoMinorVersionUpgrade",
        "AvailabilityZones",
        "BacktrackWindow",
        "BackupRetentionPeriod",
        "CopyTagsToSnapshot",
        "DBClusterArn",
        "DBClusterIdentifier",
        "DatabaseName",
        "DeletionProtection",
        "Engine",
        "EngineMode",
        "EngineVersion",
        "GlobalClusterIdentifier",
        "MasterUsername",
        "NetworkType",
        "Port",
        "PreferredBackupWindow",
        "PreferredMaintenanceWindow",
        "ReplicationSourceIdentifier",
        "ServerlessV2ScalingConfiguration",
        "StorageEncrypted",
        "StorageType",
    ]
    return {
        **_of(held, same),
        **_secret(held),
        "DBClusterResourceId": held["DbClusterResourceId"],
        "DBClusterParameterGroupName": held["DBClusterParameterGroup"],
        "DBSubnetGroupName": held["DBSubnetGroup"],
        "EnableHttpEndpoint": held["HttpEndpointEnabled"],
        "EnableIAMDatabaseAuthentication": held["IAMDatabaseAuthenticationEnabled"],
        "Endpoint": {"Address": held["Endpoint"], "Port": str(held["Port"])},
        "ReadEndpoint": {"Address": held["ReaderEndpoint"]},
        "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in held["VpcSecurityGroups"]],
        "AssociatedRoles": _held_roles(held),
    }


def _put_cluster(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    changed = _of({name: after.get(name) for name in _CHANGED if before.get(name) != after.get(name)}, _CHANGED)
    if "ManageMasterUserPassword" not in changed and before.get("ManageMasterUserPassword") and not after.get("ManageMasterUserPassword"):
        changed["ManageMasterUserPassword"] = False
    if changed:
        members = changed | (_master(after) if changed.get("ManageMasterUserPassword") else {})
        _call(ctx, "ModifyDBCluster", DBClusterIdentifier=identifier, ApplyImmediately=True, **members)


def _promote(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    if after.get(_REPEATED):
        raise NotImplementedOperation("cloudformation", CLUSTER.name, f"with another {_REPEATED} than it was made with")
    _call(ctx, "PromoteReadReplicaDBCluster", DBClusterIdentifier=identifier)


def _delete_cluster(ctx: Context, identifier: str, properties: Properties) -> None:
    held = _cluster(ctx, identifier)
    if held.get("GlobalClusterIdentifier"):
        whole, arn = held["GlobalClusterIdentifier"], held["DBClusterArn"]
        _call(ctx, "RemoveFromGlobalCluster", GlobalClusterIdentifier=whole, DbClusterIdentifier=arn)
    kept = properties.get("DeleteAutomatedBackups")
    _call(ctx, "DeleteDBCluster", DBClusterIdentifier=identifier, SkipFinalSnapshot=True, DeleteAutomatedBackups=kept)


CLUSTER = ResourceType(
    "AWS::RDS::DBCluster",
    create=_create_cluster,
    made_with=(*_CREATED, *_SOURCES, "MasterUserSecret", "DeleteAutomatedBackups"),
    read=_read_cluster,
    delete=_delete_cluster,
    list=lambda ctx: (one["DBClusterIdentifier"] for one in every(ctx, "rds", "DescribeDBClusters", {}, "DBClusters", "Marker")),
    parts=(Part((*_CHANGED, "MasterUserSecret"), _put_cluster), Part((_REPEATED,), _promote), _roles("DBCluster"), tagged("cluster")),
    naming=Naming("DBClusterIdentifier", 63, lower=True),
    absent=("DBClusterNotFoundFault",),
    present=("DBClusterAlreadyExistsFault",),
    settled=lambda ctx, identifier: _cluster(ctx, identifier)["Status"] in RESTING,
    gone=lambda ctx, identifier: found(lambda: _cluster(ctx, identifier), "DBClusterNotFoundFault") is None,
)


# AWS::RDS::DBInstance

_INSTANCE_CHANGED = (
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBParameterGroupName",
    "DeletionProtection",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "EngineVersion",
    "Iops",
    "LicenseModel",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "MultiAZ",
    "NetworkType",
    "OptionGroupName",
    "PerformanceInsightsRetentionPeriod",
    "Port",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PromotionTier",
    "PubliclyAccessible",
    "StorageType",
    "VPCSecurityGroups",
)
_INSTANCE_CREATED = (
    *_INSTANCE_CHANGED,
    "AvailabilityZone",
    "DBClusterIdentifier",
    "DBInstanceIdentifier",
    "DBName",
    "DBSubnetGroupName",
    "Engine",
    "MasterUsername",
    "StorageEncrypted",
    "Tags",
)
_INSTANCE_SOURCES = ("DBSnapshotIdentifier", "SourceDBInstanceIdentifier", "SourceDbiResourceId", "RestoreTime", "UseLatestRestorableTime")
_OF_REPLICAS = (
    "Engine",
    "EngineVersion",
    "MasterUsername",
    "MasterUserPassword",
    "DBName",
    "LicenseModel",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
)
_NOT_OF_RESTORES = (
    "MasterUsername",
    "MasterUserPassword",
    "EngineVersion",
    "EnablePerformanceInsights",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "PerformanceInsightsRetentionPeriod",
    "PreferredMaintenanceWindow",
    "PromotionTier",
    "StorageEncrypted",
)


def _members(properties: Properties) -> dict[str, Any]:
    """Properties as the operations have them."""
    members = {name: value for name, value in properties.items() if value is not None}
    for name in ("AllocatedStorage", "Port"):
        if name in members:
            members[name] = int(members[name])
    if "VPCSecurityGroups" in members:
        members["VpcSecurityGroupIds"] = members.pop("VPCSecurityGroups")
    return members


def _instance(ctx: Context, identifier: str) -> dict[str, Any]:
    held: dict[str, Any] = _call(ctx, "DescribeDBInstances", DBInstanceIdentifier=identifier)["DBInstances"][0]
    return held


def _create_instance(ctx: Context, properties: Properties) -> str:
    name: str = properties["DBInstanceIdentifier"].lower()
    members = _members(_of(properties, _INSTANCE_CREATED)) | _master(properties)
    if properties.get("DBSnapshotIdentifier"):
        rest = {each_: members.pop(each_) for each_ in _NOT_OF_RESTORES if each_ in members}
        _call(ctx, "RestoreDBInstanceFromDBSnapshot", **members, DBSnapshotIdentifier=properties["DBSnapshotIdentifier"])
        _modify(ctx, name, rest)
    elif properties.get("SourceDBInstanceIdentifier") and not _of(properties, _INSTANCE_SOURCES[3:]):
        rest = {each_: members.pop(each_) for each_ in (*_OF_REPLICAS, "PreferredMaintenanceWindow") if each_ in members}
        source = properties["SourceDBInstanceIdentifier"]
        _call(ctx, "CreateDBInstanceReadReplica", **members, SourceDBInstanceIdentifier=source)
        _modify(ctx, name, {key: value for key, value in rest.items() if key == "PreferredMaintenanceWindow"})
    elif any(properties.get(source) for source in _INSTANCE_SOURCES):
        rest = {each_: members.pop(each_) for each_ in _NOT_OF_RESTORES if each_ in members}
        members["TargetDBInstanceIdentifier"] = members.pop("DBInstanceIdentifier")
        _call(ctx, "RestoreDBInstanceToPointInTime", **members, **_of(properties, _INSTANCE_SOURCES[1:]))
        _modify(ctx, name, rest)
    else:
        _call(ctx, "CreateDBInstance", **members)
    return name


def _modify(ctx: Context, identifier: str, members: dict[str, Any]) -> None:
    changed = {name: value for name, value in members.items() if name not in ("MasterUsername", "StorageEncrypted")}
    if "Port" in changed:
        changed["DBPortNumber"] = changed.pop("Port")
    if changed:
        _call(ctx, "ModifyDBInstance", DBInstanceIdentifier=identifier, ApplyImmediately=True, **changed)


def _read_instance(ctx: Context, identifier: str) -> Properties:
    held = _instance(ctx, identifier)
    same = [
        "AutoMinorVersionUpgrade",
        "AvailabilityZone",
        "BackupRetentionPeriod",
        "CertificateDetails",
        "CopyTagsToSnapshot",
        "DBClusterIdentifier",
        "DBInstanceArn",
        "DBInstanceClass",
        "DBInstanceIdentifier",
        "DBInstanceStatus",
        "DBName",
        "DbiResourceId",
        "DeletionProtection",
        "Engine",
        "EngineVersion",
        "Iops",
        "LicenseModel",
        "MasterUsername",
        "MonitoringInterval",
        "MonitoringRoleArn",
        "MultiAZ",
        "NetworkType",
        "PerformanceInsightsRetentionPeriod",
        "PreferredBackupWindow",
        "PreferredMaintenanceWindow",
        "PromotionTier",
        "PubliclyAccessible",
        "ReadReplicaDBInstanceIdentifiers",
        "SecondaryAvailabilityZone",
        "StorageEncrypted",
        "StorageType",
    ]
    endpoint = held.get("Endpoint")
    properties: Properties = _of(held, same) | _secret(held)
    if held.get("CertificateDetails"):
        properties["CertificateDetails"] = _of(held["CertificateDetails"], ("CAIdentifier",))
    return properties | {
        "AllocatedStorage": str(held["AllocatedStorage"]),
        "DBParameterGroupName": held["DBParameterGroups"][0]["DBParameterGroupName"],
        "DBSubnetGroupName": (held.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "EnableIAMDatabaseAuthentication": held["IAMDatabaseAuthenticationEnabled"],
        "EnablePerformanceInsights": held["PerformanceInsightsEnabled"],
        "Endpoint": {"Address": endpoint["Address"], "Port": str(endpoint["Port"])} if endpoint else None,
        "Port": str(endpoint["Port"]) if endpoint else None,
        "OptionGroupName": next((one["OptionGroupName"] for one in held["OptionGroupMemberships"]), None),
        "VPCSecurityGroups": [group["VpcSecurityGroupId"] for group in held["VpcSecurityGroups"]],
        "AssociatedRoles": _held_roles(held),
    }


def _put_instance(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    changed = {name: after.get(name) for name in _INSTANCE_CHANGED if before.get(name) != after.get(name)}
    if "ManageMasterUserPassword" in changed and not changed["ManageMasterUserPassword"]:
        changed["ManageMasterUserPassword"] = False
    if "MonitoringInterval" in changed and not changed["MonitoringInterval"]:
        changed |= {"MonitoringInterval": 0, "MonitoringRoleArn": None}
    _modify(ctx, identifier, _members(changed) | (_master(after) if changed.get("ManageMasterUserPassword") else {}))


def _delete_instance(ctx: Context, identifier: str, properties: Properties) -> None:
    kept = properties.get("DeleteAutomatedBackups")
    _call(ctx, "DeleteDBInstance", DBInstanceIdentifier=identifier, SkipFinalSnapshot=True, DeleteAutomatedBackups=kept)


INSTANCE = ResourceType(
    "AWS::RDS::DBInstance",
    create=_create_instance,
    made_with=(*_INSTANCE_CREATED, *_INSTANCE_SOURCES, "MasterUserSecret", "DeleteAutomatedBackups"),
    read=_read_instance,
    delete=_delete_instance,
    list=lambda ctx: (one["DBInstanceIdentifier"] for one in every(ctx, "rds", "DescribeDBInstances", {}, "DBInstances", "Marker")),
    parts=(Part((*_INSTANCE_CHANGED, "MasterUserSecret"), _put_instance), _roles("DBInstance"), tagged("db")),
    naming=Naming("DBInstanceIdentifier", 63, lower=True),
    absent=("DBInstanceNotFoundFault",),
    present=("DBInstanceAlreadyExistsFault",),
    settled=lambda ctx, identifier: _instance(ctx, identifier)["DBInstanceStatus"] in RESTING,
    gone=lambda ctx, identifier: found(lambda: _instance(ctx, identifier), "DBInstanceNotFoundFault") is None,
)

TYPES = (CLUSTER, INSTANCE)
