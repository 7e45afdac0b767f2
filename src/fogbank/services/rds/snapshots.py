"""Snapshots of clusters and of instances that are by themselves: points of a volume that the storage keeps.

Both have the same operations under two names. A copy keeps the same point, in any region: it is let go of with the last of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.rds import describing, events, masters, tagging
from fogbank.services.rds.addresses import TAGGED, arn, cluster_at, cluster_of, filters, identifier, instance_at, located, page, passing
from fogbank.services.rds.faults import absent, cluster_state, instance_state, invalid, refuse
from fogbank.services.rds.keeping import CLUSTER, INSTANCE, KINDS, Kind, begin, check_new, remove
from fogbank.services.rds.network import network
from fogbank.services.rds.state import SNAPSHOTS, Snapshot
from fogbank.store import change

SHARED_LIMIT = 20
_account = re.compile(r"\d{12}").fullmatch


def described(row: Snapshot) -> dict[str, Any]:
    """DBClusterSnapshot or DBSnapshot."""
    of, kind = row.of, KINDS[row.kind]
    found: dict[str, Any] = {
        f"{kind.word}Identifier": row.name,
        f"{kind.word}Arn": arn(row.account, row.region, row.kind, row.name),
        "SnapshotCreateTime": row.created_at_ms,
        "SnapshotType": row.type,
        "Status": row.status,
        "PercentProgress": 0 if row.status == "creating" else 100,
        "Engine": of.engine,
        "EngineVersion": of.version,
        "LicenseModel": describing.LICENSES.get(of.engine, "general-public-license"),
        "MasterUsername": of.user,
        "Port": of.port,
        "VpcId": network(row.account, row.region).vpc,
        "AllocatedStorage": row.storage_gib,
        "BackupRetentionPeriod": of.retention_days,
        "PreferredBackupWindow": of.backup_window,
        "IAMDatabaseAuthenticationEnabled": of.iam,
        "TagList": pairs(row.tags),
    }
    if row.instance is None:
        return found | {
            "DBClusterIdentifier": of.name,
            "DbClusterResourceId": of.id,
            "ClusterCreateTime": of.created_at_ms,
            "AvailabilityZones": [of.region + zone for zone in of.zones],
            "EngineMode": "provisioned",
            "StorageType": of.storage_type,
            "StorageEncrypted": False,
            "SourceDBClusterSnapshotArn": row.source or None,
        }
    instance = row.instance
    return found | {
        "DBInstanceIdentifier": instance.name,
        "DbiResourceId": instance.id,
        "InstanceCreateTime": instance.created_at_ms,
        "AvailabilityZone": instance.region + instance.zone,
        "OptionGroupName": of.option_group or None,
        "StorageType": instance.storage_type,
        "Iops": instance.iops or None,
        "Encrypted": False,
        "SnapshotTarget": "region",
        "OriginalSnapshotCreateTime": row.created_at_ms,
        "SnapshotDatabaseTime": row.created_at_ms,
        "SourceDBSnapshotIdentifier": row.source or None,
        "SourceRegion": row.source.split(":")[3] if row.source else None,
    }


def readable(ctx: Context, kind: Kind, text: str) -> Snapshot:
    """A snapshot by identifier or ARN: the caller's, or one shared with them. Errors: DBClusterSnapshotNotFoundFault and such."""
    row = SNAPSHOTS.get(ctx, *_where(ctx, kind, text))
    if row is None or (row.account != ctx.account and not set(row.shared) & {ctx.account, "all"}):
        raise TAGGED[kind.type].not_found(text)
    return row


def _where(ctx: Context, kind: Kind, text: str) -> tuple[str, str, str, str]:
    account, region, name = located(ctx, text, kind.type)
    return account, region, kind.type, name


def own(ctx: Context, kind: Kind, text: str) -> Snapshot:
    """A snapshot of the caller's account and region."""
    row = SNAPSHOTS.get(ctx, *_where(ctx, kind, text))
    if row is None or (row.account, row.region) != (ctx.account, ctx.region):
        raise TAGGED[kind.type].not_found(text)
    return row


def check_available(row: Snapshot) -> Snapshot:
    """Errors: InvalidDBClusterSnapshotStateFault, InvalidDBSnapshotStateFault."""
    if row.status != "available":
        raise ServiceException(KINDS[row.kind].state, f"The snapshot {row.name} is in {row.status} state, but expected available.")
    return row


@operation("CreateDBClusterSnapshot")
def create_db_cluster_snapshot(ctx: Context, req: Any) -> Answer:
    """Keeps a cluster as it is now. Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, DBClusterSnapshotAlreadyExistsFault,
    SnapshotQuotaExceededFault. Source: API reference, CreateDBClusterSnapshot."""
    row = cluster_at(ctx, req.DBClusterIdentifier)
    masters.lacks("CreateDBClusterSnapshot", row)
    if row.status not in ("available", "stopped", "backing-up"):
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected available.")
    if row.follows:
        raise cluster_state(f"DbCluster {row.name} replicates another one: make the snapshot of that one.")
    target = arn(ctx.account, ctx.region, CLUSTER.type, req.DBClusterSnapshotIdentifier.lower())
    tags = (row.tags if row.copy_tags else {}) | tagging.given(ctx, req.Tags, target)
    return {"DBClusterSnapshot": described(begin(ctx, row, None, CLUSTER.type, req.DBClusterSnapshotIdentifier, tags=tags))}


@operation("CreateDBSnapshot")
def create_db_snapshot(ctx: Context, req: Any) -> Answer:
    """Keeps an instance as it is now. Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBSnapshotAlreadyExistsFault,
    SnapshotQuotaExceededFault. Source: API reference, CreateDBSnapshot."""
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if not row.plain:
        raise invalid(f"The specified instance is a member of a cluster and a snapshot cannot be created directly: {instance.name}")
    if instance.status not in ("available", "stopped"):
        raise instance_state(
            f"Cannot create a snapshot because the database instance {instance.name} is not currently in the available state."
        )
    if row.follows:
        raise instance_state(f"Instance {instance.name} is a read replica: make the snapshot of its source.")
    target = arn(ctx.account, ctx.region, INSTANCE.type, req.DBSnapshotIdentifier.lower())
    tags = (instance.tags if row.copy_tags else {}) | tagging.given(ctx, req.Tags, target)
    return {"DBSnapshot": described(begin(ctx, row, instance, INSTANCE.type, req.DBSnapshotIdentifier, tags=tags))}


def _delete(ctx: Context, kind: Kind, text: str) -> Answer:
    row = own(ctx, kind, text)
    if row.type == "automated":
        raise ServiceException(kind.state, f"Automated snapshots cannot be deleted: {row.name}")
    if row.status not in ("available", "failed"):
        raise ServiceException(kind.state, f"Snapshot {row.name} cannot be deleted while it is in {row.status} state.")
    remove(ctx, row)
    what = "DB cluster snapshot" if kind is CLUSTER else "DB snapshot"
    events.tell(ctx, kind.event, row.name, f"Deleted {what}" if kind is CLUSTER else "Deleted user snapshot", "deletion")
    return {kind.word: described(change(row, status="deleted"))}


@operation("DeleteDBClusterSnapshot")
def delete_db_cluster_snapshot(ctx: Context, req: Any) -> Answer:
    """Deletes a manual snapshot of a cluster.

    Errors: DBClusterSnapshotNotFoundFault, InvalidDBClusterSnapshotStateFault. Source: API reference, DeleteDBClusterSnapshot.
    """
    return _delete(ctx, CLUSTER, req.DBClusterSnapshotIdentifier)


@operation("DeleteDBSnapshot")
def delete_db_snapshot(ctx: Context, req: Any) -> Answer:
    """Deletes a manual snapshot of an instance.

    Errors: DBSnapshotNotFoundFault, InvalidDBSnapshotStateFault. Source: API reference, DeleteDBSnapshot.
    """
    return _delete(ctx, INSTANCE, req.DBSnapshotIdentifier)


def _copy(ctx: Context, req: Any, kind: Kind, source: str, target: str) -> Answer:
    refuse(
        ctx.operation,
        req,
        "KmsKeyId",
        "PreSignedUrl",
        "OptionGroupName",
        "TargetCustomAvailabilityZone",
        "SnapshotTarget",
        "CopyOptionGroup",
    )
    refuse(ctx.operation, req, "SnapshotAvailabilityZone")
    row = check_available(readable(ctx, kind, source))
    name = identifier(target, f"Target{kind.word}Identifier", 255)
    tags = tagging.given(ctx, req.Tags, arn(ctx.account, ctx.region, kind.type, name))
    copied = change(
        row,
        account=ctx.account,
        region=ctx.region,
        name=name,
        type="manual",
        source=arn(row.account, row.region, row.kind, row.name),
        shared=(),
        tags=(row.tags if req.CopyTags else {}) | tags,
    )
    check_new(ctx, kind, copied)
    SNAPSHOTS.put(ctx, copied)
    return {kind.word: described(copied)}


@operation("CopyDBClusterSnapshot")
def copy_db_cluster_snapshot(ctx: Context, req: Any) -> Answer:
    """Copies a snapshot, also an automated one, a shared one, or one of another region by its ARN. It is there at once.

    Errors: DBClusterSnapshotNotFoundFault, InvalidDBClusterSnapshotStateFault, DBClusterSnapshotAlreadyExistsFault,
    SnapshotQuotaExceededFault. Source: API reference, CopyDBClusterSnapshot.
    """
    return _copy(ctx, req, CLUSTER, req.SourceDBClusterSnapshotIdentifier, req.TargetDBClusterSnapshotIdentifier)


@operation("CopyDBSnapshot")
def copy_db_snapshot(ctx: Context, req: Any) -> Answer:
    """Copies a snapshot, also an automated one, a shared one, or one of another region by its ARN. It is there at once.

    Errors: DBSnapshotNotFoundFault, InvalidDBSnapshotStateFault, DBSnapshotAlreadyExistsFault, SnapshotQuotaExceededFault.
    Source: API reference, CopyDBSnapshot.
    """
    return _copy(ctx, req, INSTANCE, req.SourceDBSnapshotIdentifier, req.TargetDBSnapshotIdentifier)


def _visible(ctx: Context, req: Any, kind: Kind) -> Iterator[Snapshot]:
    """The caller's, and those of others that the request includes."""
    shared, public = req.IncludeShared or req.SnapshotType == "shared", req.IncludePublic or req.SnapshotType == "public"
    if req.SnapshotType not in ("shared", "public"):
        yield from SNAPSHOTS.scan(ctx, ctx.account, ctx.region, kind.type)
    if shared or public:
        others = (row for row in SNAPSHOTS.scan(ctx) if row.account != ctx.account and (row.region, row.kind) == (ctx.region, kind.type))
        for row in others:
            if (public and "all" in row.shared) or (shared and ctx.account in row.shared):
                yield row


def _listed(
    ctx: Context, req: Any, kind: Kind, of: str | None, id: str | None, wanted: dict[str, Callable[[Snapshot], tuple[str, ...]]]
) -> Answer:
    given = filters(req, wanted)
    name = getattr(req, f"{kind.word}Identifier")
    rows: Iterator[Snapshot]
    if name:
        rows = iter([readable(ctx, kind, name)])
    else:
        rows = _visible(ctx, req, kind)
    if req.SnapshotType in ("manual", "automated"):
        rows = (row for row in rows if row.type == req.SnapshotType)
    elif req.SnapshotType not in (None, "", "shared", "public", "awsbackup"):
        raise invalid(f"Invalid snapshot type: {req.SnapshotType}")
    elif req.SnapshotType == "awsbackup":
        rows = iter(())
    if of:
        rows = (row for row in rows if _source_name(row) == of.lower())
    if id:
        rows = (row for row in rows if id in (row.of.id, row.instance.id if row.instance is not None else ""))
    found, marker = page(req, passing(rows, given, wanted), lambda row: f"{row.name} {row.account}")
    return {f"{kind.word}s": [described(row) for row in found], "Marker": marker}


def _source_name(row: Snapshot) -> str:
    return row.instance.name if row.instance is not None else row.of.name


@operation("DescribeDBClusterSnapshots")
def describe_db_cluster_snapshots(ctx: Context, req: Any) -> Answer:
    """Snapshots of clusters: the account's, of one cluster, of a type; with IncludeShared and IncludePublic also those of others.

    Errors: DBClusterSnapshotNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBClusterSnapshots.
    """
    wanted: dict[str, Callable[[Snapshot], tuple[str, ...]]] = {
        "db-cluster-id": lambda row: (row.of.name, arn(row.of.account, row.of.region, "cluster", row.of.name)),
        "db-cluster-snapshot-id": lambda row: (row.name,),
        "snapshot-type": lambda row: (row.type,),
        "engine": lambda row: (row.of.engine,),
    }
    return _listed(ctx, req, CLUSTER, req.DBClusterIdentifier, req.DbClusterResourceId, wanted)


@operation("DescribeDBSnapshots")
def describe_db_snapshots(ctx: Context, req: Any) -> Answer:
    """Snapshots of instances: the account's, of one instance, of a type; with IncludeShared and IncludePublic also those of others.

    Errors: DBSnapshotNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBSnapshots.
    """
    wanted: dict[str, Callable[[Snapshot], tuple[str, ...]]] = {
        "db-instance-id": lambda row: (_source_name(row), arn(row.of.account, row.of.region, "db", _source_name(row))),
        "db-snapshot-id": lambda row: (row.name,),
        "dbi-resource-id": lambda row: (row.instance.id if row.instance is not None else "",),
        "snapshot-type": lambda row: (row.type,),
        "engine": lambda row: (row.of.engine,),
    }
    return _listed(ctx, req, INSTANCE, req.DBInstanceIdentifier, req.DbiResourceId, wanted)


@operation("ModifyDBSnapshot")
def modify_db_snapshot(ctx: Context, req: Any) -> Answer:
    """Upgrades a snapshot's engine, which cannot be had. Errors: DBSnapshotNotFoundFault, NotImplemented."""
    row = own(ctx, INSTANCE, req.DBSnapshotIdentifier)
    if req.EngineVersion and req.EngineVersion != row.of.version:
        raise absent("ModifyDBSnapshot", "EngineVersion: a snapshot's engine cannot be upgraded")
    refuse("ModifyDBSnapshot", req, "OptionGroupName")
    return {"DBSnapshot": described(row)}


# Sharing


def _attributes(row: Snapshot) -> dict[str, Any]:
    word = KINDS[row.kind].word
    values = [{"AttributeName": "restore", "AttributeValues": list(row.shared)}]
    return {f"{word}AttributesResult": {f"{word}Identifier": row.name, f"{word}Attributes": values}}


def _share(ctx: Context, req: Any, kind: Kind) -> Answer:
    row = check_available(own(ctx, kind, getattr(req, f"{kind.word}Identifier")))
    if row.type != "manual":
        raise ServiceException(kind.state, "Only manual snapshots can be shared.")
    if req.AttributeName != "restore":
        raise invalid(f"Invalid attribute name: {req.AttributeName}. The valid value is restore.")
    for value in req.ValuesToAdd or ():
        if value != "all" and not _account(value):
            raise invalid(f"Invalid value for the attribute restore: {value}")
    shared = [value for value in row.shared if value not in (req.ValuesToRemove or ())]
    shared += [value for value in req.ValuesToAdd or () if value not in shared]
    if len(shared) > SHARED_LIMIT:
        raise ServiceException("SharedSnapshotQuotaExceededFault", f"A snapshot can be shared with at most {SHARED_LIMIT} accounts.")
    row = change(row, shared=tuple(shared))
    SNAPSHOTS.put(ctx, row)
    return _attributes(row)


@operation("ModifyDBClusterSnapshotAttribute")
def modify_db_cluster_snapshot_attribute(ctx: Context, req: Any) -> Answer:
    """Says which accounts ("all": every one) may copy and restore a snapshot. Errors: DBClusterSnapshotNotFoundFault,
    InvalidDBClusterSnapshotStateFault, SharedSnapshotQuotaExceededFault. Source: API reference, ModifyDBClusterSnapshotAttribute."""
    return _share(ctx, req, CLUSTER)


@operation("ModifyDBSnapshotAttribute")
def modify_db_snapshot_attribute(ctx: Context, req: Any) -> Answer:
    """Says which accounts ("all": every one) may copy and restore a snapshot. Errors: DBSnapshotNotFoundFault,
    InvalidDBSnapshotStateFault, SharedSnapshotQuotaExceededFault. Source: API reference, ModifyDBSnapshotAttribute."""
    return _share(ctx, req, INSTANCE)


@operation("DescribeDBClusterSnapshotAttributes")
def describe_db_cluster_snapshot_attributes(ctx: Context, req: Any) -> Answer:
    """With whom a snapshot is shared. Errors: DBClusterSnapshotNotFoundFault. Source: API reference."""
    return _attributes(own(ctx, CLUSTER, req.DBClusterSnapshotIdentifier))


@operation("DescribeDBSnapshotAttributes")
def describe_db_snapshot_attributes(ctx: Context, req: Any) -> Answer:
    """With whom a snapshot is shared. Errors: DBSnapshotNotFoundFault. Source: API reference, DescribeDBSnapshotAttributes."""
    return _attributes(own(ctx, INSTANCE, req.DBSnapshotIdentifier))
