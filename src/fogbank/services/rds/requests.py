"""What a request is about, for the door: ARNs of resources, and the condition keys of RDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.services.rds import inside, sharing
from fogbank.services.rds.addresses import arn, get_cluster, get_instance, located, parse
from fogbank.services.rds.state import CLUSTERS, SNAPSHOTS, Cluster, Instance

Named = Callable[[Context, Any], str | None]


def about(kind: str, *members: str) -> Named:
    """The ARN of the resource of a kind that a request names in one of these members, by name or by ARN; a listing is about all."""

    def found(ctx: Context, req: Any) -> str | None:
        for member in ("SourceArn", "ResourceName", "ResourceArn"):
            given = getattr(req, member, None)
            if given and parse(given, kind) is not None:
                return str(given)
        for member in members:
            given = getattr(req, member, None)
            if given and (not given.startswith("arn:") or parse(given, kind) is not None):
                return arn(*located(ctx, given, kind)[:2], kind, located(ctx, given, kind)[2])
        return arn(ctx.account, ctx.region, kind, "*") if ctx.operation.startswith("Describe") else None

    return found


def by_id(kind: str, member: str) -> Named:
    """The ARN of an automated backup, by the resource id of what it is of."""

    def found(ctx: Context, req: Any) -> str | None:
        given = getattr(req, member, None)
        if not given:
            return arn(ctx.account, ctx.region, kind, "*") if ctx.operation.startswith("Describe") else None
        return arn(ctx.account, ctx.region, kind, f"ab-{given.partition('-')[2].lower()}")

    return found


ARNS: dict[str, Named] = {
    "cluster": about("cluster", "DBClusterIdentifier", "TargetDbClusterIdentifier", "DbClusterIdentifier", "SourceDBClusterIdentifier"),
    "db": about("db", "DBInstanceIdentifier", "TargetDBInstanceIdentifier"),
    "cluster-snapshot": about(
        "cluster-snapshot",
        "DBClusterSnapshotIdentifier",
        "TargetDBClusterSnapshotIdentifier",
        "SnapshotIdentifier",
        "FinalDBSnapshotIdentifier",
    ),
    "snapshot": about("snapshot", "DBSnapshotIdentifier", "TargetDBSnapshotIdentifier"),
    "cluster-endpoint": about("cluster-endpoint", "DBClusterEndpointIdentifier"),
    "global-cluster": about("global-cluster", "GlobalClusterIdentifier"),
    "cluster-auto-backup": by_id("cluster-auto-backup", "DbClusterResourceId"),
    "auto-backup": by_id("auto-backup", "DbiResourceId"),
}


_RAM = {"Effect": "Allow", "Principal": {"Service": "ram.amazonaws.com"}, "Action": "rds:DescribeDBClusters", "Resource": "*"}
_SHARER = msgspec.json.encode({"Version": "2012-10-17", "Statement": [_RAM]}).decode()


def open_to(ctx: Context, req: Any, action: str, arn_: str) -> str | None:
    """What lets others at a cluster: services of the house, and the accounts that it is shared with (`Resource.grants`)."""
    if ctx.principal.kind != "service":
        return sharing.policy(ctx, arn_)
    return _SHARER if ctx.principal.service == "ram.amazonaws.com" else inside.neighbours(ctx, req, action, arn_)


_READS = ["rds:Copy*", "rds:Describe*", "rds:Restore*", "rds:StartExportTask"]


def shared(ctx: Context, req: Any, action: str, arn_: str) -> str | None:
    """What lets other accounts copy and restore a snapshot that is shared with them (`Resource.grants`)."""
    for kind in ("cluster-snapshot", "snapshot"):
        named = parse(arn_, kind)
        row = SNAPSHOTS.get(ctx, named[0], named[1], kind, named[2]) if named is not None else None
        if row is not None and row.shared:
            everybody = "all" in row.shared
            principal: Any = "*" if everybody else {"AWS": [f"arn:{partition_of(row.region)}:iam::{one}:root" for one in row.shared]}
            statement = {"Effect": "Allow", "Principal": principal, "Action": _READS, "Resource": arn_}
            return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()
    return None


def _instance(ctx: Context, req: Any) -> Instance | None:
    name = getattr(req, "DBInstanceIdentifier", None)
    return get_instance(ctx, name) if name else None


def _cluster(ctx: Context, req: Any) -> Cluster | None:
    name = getattr(req, "DBClusterIdentifier", None)
    if name:
        return get_cluster(ctx, name)
    instance = _instance(ctx, req)
    return CLUSTERS.get(ctx, instance.account, instance.region, instance.cluster) if instance is not None else None


def _told(member: str, *, cluster: Callable[[Cluster], Any] | None = None, instance: Callable[[Instance], Any] | None = None) -> Any:
    """A key that the request says, or else what it is about."""

    def found(ctx: Context, req: Any) -> Any:
        given = getattr(req, member, None)
        if given is not None:
            return given
        if instance is not None and (row := _instance(ctx, req)) is not None:
            return instance(row)
        if cluster is not None and (of := _cluster(ctx, req)) is not None:
            return cluster(of)
        return None

    return found


CONDITIONS: dict[str, Callable[[Context, Any], Any]] = {
    "rds:backuptarget": _told("BackupTarget"),
    "rds:databaseclass": _told("DBInstanceClass", instance=lambda row: row.klass),
    "rds:databaseengine": _told("Engine", cluster=lambda row: row.engine),
    "rds:databasename": lambda ctx, req: (
        getattr(req, "DBName", None)
        or getattr(req, "DatabaseName", None)
        or ((row := _cluster(ctx, req)) is not None and row.database)
        or None
    ),
    "rds:endpointtype": _told("EndpointType"),
    "rds:managemasteruserpassword": _told("ManageMasterUserPassword"),
    "rds:multiaz": _told("MultiAZ", instance=lambda row: bool(row.standby)),
    "rds:piops": _told("Iops", instance=lambda row: row.iops),
    "rds:publiclyaccessible": _told("PubliclyAccessible"),
    "rds:storageencrypted": _told("StorageEncrypted", instance=lambda row: False, cluster=lambda row: False),
    "rds:storagesize": _told("AllocatedStorage", instance=lambda row: row.storage_gib),
    "rds:vpc": lambda ctx, req: True,
}
