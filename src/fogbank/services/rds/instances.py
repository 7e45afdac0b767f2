"""DB instances: members of an Aurora cluster, and those that are by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import (
    changing,
    converging,
    describing,
    engine_versions,
    failover,
    keeping,
    making,
    masters,
    monitoring,
    passwords,
    planning,
    repeating,
)
from fogbank.services.rds.addresses import (
    cluster_arn,
    cluster_at,
    cluster_of,
    filters,
    get_instance,
    identifier,
    instance_arn,
    instance_at,
    page,
    passing,
)
from fogbank.services.rds.faults import (
    check_engine,
    cluster_state,
    combination,
    instance_missing,
    instance_state,
    invalid,
    missing,
    refuse,
)
from fogbank.services.rds.state import INSTANCES, INSTANCES_BY_NAME, Cluster, Instance, members
from fogbank.store import change

UNMET = (
    "DBSecurityGroups",
    "NcharCharacterSetName",
    "CharacterSetName",
    "TdeCredentialArn",
    "TdeCredentialPassword",
    "StorageEncrypted",
    "KmsKeyId",
    "PreSignedUrl",
    "Domain",
    "DomainFqdn",
    "DomainOu",
    "DomainAuthSecretArn",
    "DomainDnsIps",
    "DomainIAMRoleName",
    "Timezone",
    "ProcessorFeatures",
    "MaxAllocatedStorage",
    "EnableCustomerOwnedIp",
    "CustomIamInstanceProfile",
    "DBSystemId",
    "MultiTenant",
    "DedicatedLogVolume",
    "AdditionalStorageVolumes",
    "DBCapacityReservationIdentifier",
    "PerformanceInsightsKMSKeyId",
    "StorageThroughput",
    "ReplicaMode",
    "UpgradeStorageConfig",
)
_CLUSTERS = {
    "MasterUsername": "master user name",
    "MasterUserPassword": "master user password",
    "ManageMasterUserPassword": "master user password management",
    "MasterUserSecretKmsKeyId": "master user secret",
    "DBName": "database name",
    "AllocatedStorage": "allocated storage",
    "Iops": "provisioned IOPS",
    "BackupRetentionPeriod": "backup retention period",
    "PreferredBackupWindow": "backup window",
    "Port": "port",
    "VpcSecurityGroupIds": "VPC security groups",
    "OptionGroupName": "option group",
    "EnableIAMDatabaseAuthentication": "IAM database authentication",
    "DeletionProtection": "deletion protection",
    "MultiAZ": "availability",
    "EnableCloudwatchLogsExports": "log exports",
    "CloudwatchLogsExportConfiguration": "log exports",
}
"""What the cluster decides, not its members."""


def check(operation: str, req: Any, engine: str) -> None:
    """Refuses by name what an instance of an engine cannot have."""
    refuse(operation, req, *UNMET)
    making.only(operation, making.Asked(req, StorageType=None))
    if getattr(req, "LicenseModel", None) not in (None, describing.LICENSES.get(engine, "general-public-license")):
        raise invalid(f"Invalid license model for {engine}: {req.LicenseModel}")


@operation("CreateDBInstance")
def create_db_instance(ctx: Context, req: Any) -> Answer:
    """Makes an instance: a member of the Aurora cluster that DBClusterIdentifier names, or one by itself.

    The first member of a cluster writes, up to 15 others read. Members are spread over the cluster's zones. An instance with MultiAZ has
    a hidden standby in another zone.

    Errors: DBInstanceAlreadyExistsFault, InstanceQuotaExceededFault, DBClusterNotFoundFault, InvalidDBClusterStateFault,
    InvalidParameterValue, InvalidParameterCombination, MissingParameter, DBParameterGroupNotFoundFault, DBSubnetGroupNotFoundFault.
    Source: API reference, CreateDBInstance.
    """
    check_engine("CreateDBInstance", req.Engine)
    check("CreateDBInstance", req, req.Engine)
    if req.DBClusterIdentifier:
        instance, row = _member(ctx, req)
    else:
        instance, row = _by_itself(ctx, req)
    return {"DBInstance": begun(ctx, instance, row)}


def begun(ctx: Context, instance: Instance, row: Cluster) -> dict[str, Any]:
    """Puts a new instance and its cluster, has it made, and describes it."""
    instance = monitoring.begin(ctx, instance)
    row = making.put_instance(ctx, row, instance)
    row = converging.ask(ctx, row)
    planning.watch_insights(ctx, row, instance)
    return describing.instance(ctx, instance, row)


def _member(ctx: Context, req: Any) -> tuple[Instance, Cluster]:
    """A new member of an Aurora cluster."""
    row = cluster_at(ctx, req.DBClusterIdentifier)
    if req.Engine != row.engine:
        raise combination(
            f"The engine name requested for your DB instance ({req.Engine}) doesn't match that of your DB cluster ({row.engine})."
        )
    for name, what in _CLUSTERS.items():
        if getattr(req, name, None) not in (None, False, []):
            raise combination(f"The requested DB Instance will be a member of a DB Cluster. Set {what} for the DB Cluster.")
    if req.EngineVersion and engine_versions.chosen(ctx, row.engine, req.EngineVersion) != row.version:
        raise combination(
            f"The engine version that you requested for your DB instance ({req.EngineVersion}) does not match the engine version of your "
            f"DB cluster ({row.version})."
        )
    if row.status not in ("available", "creating", "modifying"):
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected available.")
    if req.StorageType not in (None, "aurora"):
        raise combination("Aurora DB instances have the storage of their DB cluster.")
    engine_versions.check_class(row.engine, row.version, req.DBInstanceClass)
    making.check_readers(ctx, row)
    masters.check_writers(ctx, row)
    return making.new_instance(ctx, req, req.DBInstanceIdentifier, row, req.DBInstanceClass), row


def _by_itself(ctx: Context, req: Any) -> tuple[Instance, Cluster]:
    """A new instance with a cluster of its own."""
    if req.Engine.startswith("aurora"):
        raise combination("DBClusterIdentifier is required for Aurora DB instances: create a DB cluster first.")
    if req.PromotionTier is not None:
        raise combination("PromotionTier is for instances of Aurora DB clusters only.")
    if not req.MasterUsername:
        raise missing("The parameter MasterUsername must be provided and must not be blank.")
    if req.AllocatedStorage is None:
        raise combination(f"Invalid storage size for engine name {req.Engine} and storage type gp2: null")
    version = engine_versions.chosen(ctx, req.Engine, req.EngineVersion)
    engine_versions.check_class(req.Engine, version, req.DBInstanceClass)
    name = identifier(req.DBInstanceIdentifier, "DBInstanceIdentifier")
    row = making.new_plain(ctx, req, name, req.Engine, version)
    row = change(row, user=passwords.check_user(req.MasterUsername, req.Engine), database=making.database_name(req.DBName))
    row = passwords.first(ctx, req, row)
    instance = change(plain_instance(ctx, req, name, row, req.DBInstanceClass), **making.storage(req, None))
    planning.begin(ctx, row)
    return instance, row


def plain_instance(ctx: Context, req: Any, name: str, row: Cluster, klass: str) -> Instance:
    """An instance by itself; with a standby, where MultiAZ asks for one."""
    if req.MultiAZ and req.AvailabilityZone:
        raise combination("Requesting a specific availability zone is not valid for Multi-AZ instances.")
    instance = making.new_instance(ctx, req, name, row, klass)
    return making.with_standby(ctx, row, instance) if req.MultiAZ else instance


_FILTERS = {
    "db-instance-id": lambda pair: (pair[0].name, instance_arn(pair[0])),
    "db-cluster-id": lambda pair: () if pair[1].plain else (pair[1].name, cluster_arn(pair[1])),
    "dbi-resource-id": lambda pair: (pair[0].id,),
    "engine": lambda pair: (pair[1].engine,),
}


@operation("DescribeDBInstances")
def describe_db_instances(ctx: Context, req: Any) -> Answer:
    """The account's instances in the region by name, one of them, or those that pass filters.

    Errors: DBInstanceNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBInstances.
    """
    wanted = filters(req, (*_FILTERS, "domain"))
    if wanted.pop("domain", None):
        return {"DBInstances": []}
    rows: Iterable[Instance]
    if req.DBInstanceIdentifier:
        one = get_instance(ctx, req.DBInstanceIdentifier)
        if one is None or one.region != ctx.region:
            raise instance_missing(req.DBInstanceIdentifier)
        rows = [one]
    else:
        rows = INSTANCES_BY_NAME.scan(ctx, ctx.account, ctx.region)
    pairs = ((row, cluster_of(ctx, row)) for row in rows)
    found, marker = page(req, passing(pairs, wanted, _FILTERS), lambda pair: pair[0].name)
    return {"DBInstances": [describing.instance(ctx, row, of) for row, of in found], "Marker": marker}


@operation("ModifyDBInstance")
def modify_db_instance(ctx: Context, req: Any) -> Answer:
    """Changes an instance: at once where ApplyImmediately is true, else what interrupts it waits for the maintenance window.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBInstanceAlreadyExistsFault, DBParameterGroupNotFoundFault,
    InvalidParameterValue, InvalidParameterCombination. Source: API reference, ModifyDBInstance.
    """
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    check("ModifyDBInstance", req, row.engine)
    refuse(
        "ModifyDBInstance",
        req,
        "AutomationMode",
        "ResumeFullAutomationModeMinutes",
        "AwsBackupRecoveryPointArn",
        "Engine",
        "DBSubnetGroupName",
    )
    if instance.status not in ("available", "stopped", "creating"):
        raise instance_state(f"Database instance is not in available state: {instance.name} is {instance.status}.")
    if not row.plain:
        for name, what in (_CLUSTERS | {"DBPortNumber": "port", "EngineVersion": "engine version"}).items():
            if getattr(req, name, None) not in (None, False, []):
                raise combination(f"The DB instance is a member of a DB cluster. Modify the {what} of the DB cluster.")
    elif req.PromotionTier is not None:
        raise combination("PromotionTier is for instances of Aurora DB clusters only.")
    instance, row = changing.modify(ctx, req, instance, row)
    return {"DBInstance": describing.instance(ctx, instance, row)}


@operation("DeleteDBInstance")
def delete_db_instance(ctx: Context, req: Any) -> Answer:
    """Deletes an instance; one that is by itself with a last snapshot, unless SkipFinalSnapshot.

    A writer's place is taken by a reader, as in a failover; a cluster without instances keeps its data. Replicas of an instance that is
    deleted go on by themselves.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, InvalidDBClusterStateFault, InvalidParameterCombination,
    DBSnapshotAlreadyExistsFault. Source: API reference, DeleteDBInstance.
    """
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if instance.status == "deleting":
        raise instance_state(f"Instance {instance.name} is already being deleted.")
    if not row.plain:
        return {"DBInstance": _delete_member(ctx, req, instance, row)}
    if row.deletion_protection:
        raise combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    if row.follows and req.FinalDBSnapshotIdentifier:
        raise combination("FinalDBSnapshotIdentifier cannot be specified when deleting a read replica.")
    if not row.follows:
        making.check_final(req)
        if not req.SkipFinalSnapshot:
            if instance.status != "available":
                raise instance_state(f"Instance {instance.name} is not in available state.")
            tags = instance.tags if row.copy_tags else {}
            keeping.begin(ctx, row, instance, "snapshot", req.FinalDBSnapshotIdentifier, tags=tags)
    repeating.let_go(ctx, row)
    instance = change(instance, status="deleting")
    INSTANCES.put(ctx, instance)
    row = converging.ask(ctx, change(row, status="deleting", keep_backups=req.DeleteAutomatedBackups is False))
    return {"DBInstance": describing.instance(ctx, instance, row)}


def _delete_member(ctx: Context, req: Any, instance: Instance, row: Cluster) -> dict[str, Any]:
    if req.FinalDBSnapshotIdentifier:
        raise combination("FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance")
    others = [other for other in members(ctx, row) if other.id != instance.id and other.status != "deleting"]
    if not others and row.follows and row.global_cluster == "" and row.source:
        raise cluster_state("Cannot delete the last instance of the read replica DB cluster. Promote the DB cluster before deleting it.")
    instance = change(instance, status="deleting")
    INSTANCES.put(ctx, instance)
    if row.writer == instance.node:
        row = change(row, writer=failover.next_writer(others) if others else "")
    row = converging.ask(ctx, row)
    return describing.instance(ctx, instance, row)
