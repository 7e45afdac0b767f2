"""Aurora clusters: made, described, changed, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import (
    converging,
    describing,
    engine_versions,
    events,
    global_members,
    groups,
    keeping,
    log_exports,
    making,
    masters,
    passwords,
    planning,
    repeating,
    sharing,
    subnet_groups,
    windows,
)
from fogbank.services.rds.addresses import cluster_arn, cluster_at, filters, get_cluster, identifier, page, passing
from fogbank.services.rds.faults import check_engine, cluster_missing, cluster_state, combination, missing, refuse, within
from fogbank.services.rds.groups_state import CLUSTER, DB
from fogbank.services.rds.state import CLUSTERS_BY_NAME, INSTANCES, Cluster, members
from fogbank.store import change

_UNMET = (*making.UNMET, "OptionGroupName")


@operation("CreateDBCluster")
def create_db_cluster(ctx: Context, req: Any) -> Answer:
    """Makes an Aurora cluster: a volume and its addresses; the first instance made in it writes.

    With ReplicationSourceIdentifier it repeats another cluster or instance, with GlobalClusterIdentifier it is the first member of a
    global cluster, or repeats the one that is. PostgreSQL's default database `postgres` is always there. EngineMode multimaster: up to
    two instances, which both write.

    Errors: DBClusterAlreadyExistsFault, DBClusterQuotaExceededFault, InvalidParameterValue, InvalidParameterCombination,
    MissingParameter, GlobalClusterNotFoundFault, InvalidGlobalClusterStateFault, DBClusterParameterGroupNotFoundFault,
    DBSubnetGroupNotFoundFault. Source: API reference, CreateDBCluster.
    """
    if req.Engine in ("postgres", "mysql"):
        making.check_cluster("CreateDBCluster", req)
        refuse("CreateDBCluster", req, "Engine")
    check_engine("CreateDBCluster", req.Engine, aurora=True)
    multimaster = req.EngineMode == masters.MODE
    making.check_cluster("CreateDBCluster", making.Asked(req, EngineMode=None) if multimaster else req)
    refuse("CreateDBCluster", req, "OptionGroupName")
    version = engine_versions.chosen(ctx, req.Engine, req.EngineVersion)
    row = making.new_cluster(ctx, req, req.DBClusterIdentifier, req.Engine, version)
    row = change(row, clone_group=ctx.random.uuid(), database=making.database_name(req.DatabaseName))
    if multimaster:
        row = masters.chosen("CreateDBCluster", req, row)
    source = global_members.joined(ctx, req, row)
    if source is not None:
        row = source
    elif req.ReplicationSourceIdentifier:
        row = repeating.following(ctx, row, repeating.source_at(ctx, req.ReplicationSourceIdentifier))
    if row.follows:
        if req.MasterUsername or req.MasterUserPassword or req.ManageMasterUserPassword:
            raise combination("You can't specify a master user name or password for a cluster that replicates another one.")
    else:
        if not req.MasterUsername:
            raise missing("The parameter MasterUsername must be provided and must not be blank.")
        row = change(row, user=passwords.check_user(req.MasterUsername, row.engine))
        row = passwords.first(ctx, req, row)
    row = converging.ask(ctx, row)
    planning.begin(ctx, row)
    return {"DBCluster": describing.cluster(ctx, row)}


_AFTER = "~"
"""No name begins so, and it comes after all that names may begin with."""
FILTERS = {
    "clone-group-id": lambda row: (row.clone_group,),
    "db-cluster-id": lambda row: (row.name, cluster_arn(row)),
    "db-cluster-resource-id": lambda row: (row.id,),
    "engine": lambda row: (row.engine,),
}


@operation("DescribeDBClusters")
def describe_db_clusters(ctx: Context, req: Any) -> Answer:
    """The account's clusters in the region by name, one of them, or those that pass filters. With IncludeShared also those that others
    share with it, after its own: no more of them than a clone has to know.

    Errors: DBClusterNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBClusters.
    """

    def own(row: Cluster) -> bool:
        return row.account == ctx.account

    wanted = filters(req, (*FILTERS, "domain"))
    if wanted.pop("domain", None):
        return {"DBClusters": []}
    found: Iterable[Cluster]
    if req.DBClusterIdentifier:
        one = get_cluster(ctx, req.DBClusterIdentifier)
        if one is None or one.region != ctx.region or not (req.IncludeShared or own(one)):
            raise cluster_missing(req.DBClusterIdentifier)
        found = [one]
    else:
        found = chain(CLUSTERS_BY_NAME.scan(ctx, ctx.account, ctx.region), sharing.with_caller(ctx) if req.IncludeShared else ())
    rows, marker = page(req, passing(found, wanted, FILTERS), lambda row: row.name if own(row) else f"{_AFTER}{cluster_arn(row)}")
    return {"DBClusters": [describing.cluster(ctx, row) if own(row) else describing.shared(row) for row in rows], "Marker": marker}


@operation("ModifyDBCluster")
def modify_db_cluster(ctx: Context, req: Any) -> Answer:
    """Changes a cluster. Another name, IAM authentication or engine version waits for the maintenance window where ApplyImmediately is
    false, and is given up for what a later request says; all else is applied at once.

    Another port restarts nothing: it is the addresses' port. Parameters of another group that need a restart wait for a reboot.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, DBClusterAlreadyExistsFault, DBClusterParameterGroupNotFoundFault,
    InvalidParameterValue, InvalidParameterCombination. Source: API reference, ModifyDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    refuse("ModifyDBCluster", req, *_UNMET, "AwsBackupRecoveryPointArn")
    making.only("ModifyDBCluster", req)
    masters.check_changes("ModifyDBCluster", req, row)
    making.check_available(row, "creating", "stopped")
    if row.follows and (req.MasterUserPassword or req.ManageMasterUserPassword):
        raise cluster_state("The master user of a cluster that replicates another one is the other one's.")
    after = _with_settings(ctx, req, row)
    after = _with_groups(ctx, req, after)
    after = passwords.modified(ctx, req, after)
    pending = after.pending | _deferred(ctx, req, after)
    if req.ApplyImmediately:
        after = apply(ctx, after, pending)
    elif pending != after.pending:
        after = change(after, pending=pending)
        planning.plan_maintenance(ctx, after)
    if after == row:
        return {"DBCluster": describing.cluster(ctx, row)}
    if row.status == "available":
        renamed = after.name != row.name
        status = "resetting-master-credentials" if after.password != row.password else "renaming" if renamed else "modifying"
        after = change(after, status=status)
    after = converging.ask(ctx, after)
    return {"DBCluster": describing.cluster(ctx, after)}


def _with_settings(ctx: Context, req: Any, row: Cluster) -> Cluster:
    """What is in force at once, whatever ApplyImmediately says."""
    backup = req.PreferredBackupWindow or row.backup_window
    maintenance = (req.PreferredMaintenanceWindow or row.maintenance_window).lower()
    windows.check(backup, maintenance)
    if backup != row.backup_window:
        planning.plan_backup(ctx, row, backup)

    return change(
        row,
        backup_window=backup,
        maintenance_window=maintenance,
        retention_days=within(req, "BackupRetentionPeriod", 1, 35, row.retention_days),
        port=within(req, "Port", 1150, 65535, row.port),
        backtrack_s=within(req, "BacktrackWindow", 0, making.BACKTRACK_LIMIT_S, row.backtrack_s),
        deletion_protection=making.flag(req.DeletionProtection, row.deletion_protection),
        log_exports=log_exports.modified(ctx, req, row),
        http_endpoint=making.flag(req.EnableHttpEndpoint, row.http_endpoint),
        copy_tags=making.flag(req.CopyTagsToSnapshot, row.copy_tags),
        auto_minor=making.flag(req.AutoMinorVersionUpgrade, row.auto_minor),
        scaling=making.scaling(req, row.scaling),
    )


def _with_groups(ctx: Context, req: Any, row: Cluster) -> Cluster:
    if req.VpcSecurityGroupIds:
        row = change(row, security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds))
    if req.DBClusterParameterGroupName:
        row = change(row, parameter_group=groups.chosen(ctx, CLUSTER, req.DBClusterParameterGroupName, row.engine, row.version))
    if req.DBInstanceParameterGroupName:
        if not req.EngineVersion:
            raise combination("DBInstanceParameterGroupName can be given only with an EngineVersion of another major version.")
        group = groups.chosen(ctx, DB, req.DBInstanceParameterGroupName, row.engine, row.version)
        for instance in list(members(ctx, row)):
            INSTANCES.put(ctx, change(instance, parameter_group=group))
    return row


def _deferred(ctx: Context, req: Any, row: Cluster) -> dict[str, str]:
    """What may wait for the maintenance window, by the names of PendingModifiedValues."""
    found: dict[str, str] = {}
    if req.NewDBClusterIdentifier:
        name = identifier(req.NewDBClusterIdentifier, "NewDBClusterIdentifier")
        other = get_cluster(ctx, name)
        if other is not None and other.id != row.id:
            raise making.cluster_exists()
        if name != row.name:
            if sharing.by_owner(ctx, row):
                raise cluster_state(f"DbCluster {row.name} is shared with other accounts: it can't be renamed.")
            found["DBClusterIdentifier"] = name
    if req.EnableIAMDatabaseAuthentication is not None and req.EnableIAMDatabaseAuthentication != row.iam:
        found["IAMDatabaseAuthenticationEnabled"] = "true" if req.EnableIAMDatabaseAuthentication else "false"
    if req.EngineVersion:
        version = engine_versions.chosen(ctx, row.engine, req.EngineVersion)
        engine_versions.check_upgrade(ctx, row.engine, row.version, version, bool(req.AllowMajorVersionUpgrade))
        if version != row.version:
            found["EngineVersion"] = version
    return found


def apply(ctx: Context, row: Cluster, found: dict[str, str]) -> Cluster:
    """A cluster with what could have waited, or has waited, for its maintenance window."""
    iam = found.get("IAMDatabaseAuthenticationEnabled")
    renamed = found.get("DBClusterIdentifier", row.name)
    if renamed != row.name:
        sharing.end(ctx, row)
        events.tell(ctx, "db-cluster", row.name, f"Renamed cluster from {row.name} to {renamed}", "notification")
    return change(
        row,
        name=renamed,
        version=found.get("EngineVersion", row.version),
        iam=row.iam if iam is None else iam == "true",
        pending={},
    )


@operation("DeleteDBCluster")
def delete_db_cluster(ctx: Context, req: Any) -> Answer:
    """Deletes a cluster that has no instances any more; with a last snapshot, unless SkipFinalSnapshot.

    Its automated backups go with it, unless DeleteAutomatedBackups is false: then they are kept for the retention period.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, InvalidParameterCombination, DBClusterSnapshotAlreadyExistsFault,
    InvalidGlobalClusterStateFault. Source: API reference, DeleteDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    if row.deletion_protection:
        raise combination("Cannot delete protected Cluster, please disable deletion protection and try again.")
    if any(instance.status != "deleting" for instance in members(ctx, row)):
        raise cluster_state("Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
    if row.status == "deleting":
        raise cluster_state(f"DbCluster {row.name} is already being deleted.")
    if row.global_cluster:
        raise cluster_state(
            "This cluster is a part of a global cluster, please remove it from globalcluster first",
        )
    making.check_final(req)
    if not req.SkipFinalSnapshot:
        masters.lacks("DeleteDBCluster", row)
        making.check_available(row)
        tags = row.tags if row.copy_tags else {}
        keeping.begin(ctx, row, None, "cluster-snapshot", req.FinalDBSnapshotIdentifier, tags=tags)
    row = change(row, status="deleting", keep_backups=req.DeleteAutomatedBackups is False)
    row = converging.ask(ctx, row)
    return {"DBCluster": describing.cluster(ctx, row)}
