"""Backups on demand. A backup names a transaction; the log keeps the items as they were after it, so it is there at once.

When a table with point-in-time recovery is deleted, a SYSTEM backup is made, which stays for 35 days.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.dynamodb import counts, restoring, ttl
from fogbank.services.dynamodb.addresses import address, arn, get_table
from fogbank.services.dynamodb.descriptions import describe as describe_table
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.restoring import Moment
from fogbank.services.dynamodb.state import Table
from fogbank.services.dynamodb.timeline import BACKUPS, DAY_MS, Backup

PAGE_LIMIT = 100
SYSTEM_DAYS = 35


def arn_of(backup: Backup) -> str:
    return f"{arn(backup.account, backup.region, backup.table)}/backup/{backup.id}"


def found_table_at(ctx: Context, name: str) -> Table:
    """A table by name or ARN. Raises TableNotFoundException."""
    table = get_table(ctx, name)
    if table is None:
        raise ServiceException("TableNotFoundException", f"Table not found: {address(ctx.account, ctx.region, name).name}")
    return table


def get_backup(ctx: Context, text: str) -> Backup | None:
    """The backup that an ARN names, in any region."""
    parts = Arn.parse(text)
    named = parts.resource.split("/") if parts is not None else []
    if parts is None or len(named) != 4 or named[0] != "table" or named[2] != "backup":
        return None
    backup = BACKUPS.get(ctx, parts.account, parts.region, named[1], named[3])
    return backup if backup is not None and not (backup.expires_at_ms and backup.expires_at_ms <= ctx.now) else None


def backup_at(ctx: Context, text: str) -> Backup:
    """Raises BackupNotFoundException."""
    backup = get_backup(ctx, text)
    if backup is None:
        raise ServiceException("BackupNotFoundException", f"Backup not found: {text}")
    return backup


@operation("CreateBackup")
def create_backup(ctx: Context, req: Any) -> Answer:
    """Makes a backup of a table as it is; names may repeat. It costs nothing, whatever the table's size, and is AVAILABLE at once.

    Errors: TableNotFoundException, TableInUseException. Source: API reference, CreateBackup.
    """
    table = found_table_at(ctx, req.TableName)
    if table.status in ("CREATING", "DELETING"):
        raise ServiceException(
            "TableInUseException", f"Table is being {'created' if table.status == 'CREATING' else 'deleted'}: {table.name}"
        )
    return {"BackupDetails": _details(make(ctx, table, req.BackupName, "USER"))}


def make(ctx: Context, table: Table, name: str, type: str, expires_at_ms: int = 0) -> Backup:
    """A backup of a table as it is after this transaction."""
    items, size = counts.of(ctx, table).table
    backup = Backup(
        account=table.account,
        region=table.region,
        table=table.name,
        id=f"{ctx.now:014d}-{ctx.random.hex(8)}",
        name=name,
        type=type,
        created_at_ms=ctx.now,
        sequence=ctx.tx.sequence,
        source=table,
        items=items,
        size=size,
        expires_at_ms=expires_at_ms,
    )
    BACKUPS.put(ctx, backup)
    return backup


def at_deletion(ctx: Context, table: Table) -> None:
    """Makes the SYSTEM backup of a table that is about to be deleted and has point-in-time recovery."""
    if table.recovery is not None:
        until_ms = ctx.now + SYSTEM_DAYS * DAY_MS
        backup = make(ctx, table, f"{table.name}$DeletedTableBackup", "SYSTEM", until_ms)
        key = [backup.account, backup.region, backup.table, backup.id]
        ctx.later("dynamodb.expire_backup", {"key": key}, at_ms=until_ms)


@task("expire_backup")
def expire_backup(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a SYSTEM backup when its time is over."""
    backup = BACKUPS.get(ctx, *payload["key"])
    if backup is not None and backup.expires_at_ms <= ctx.now:
        BACKUPS.delete(ctx, backup)
    return None


@operation("DescribeBackup")
def describe_backup(ctx: Context, req: Any) -> Answer:
    """A backup, and the table as it was. Errors: BackupNotFoundException. Source: API reference, DescribeBackup."""
    return {"BackupDescription": describe(ctx, _own_at(ctx, req.BackupArn))}


def _own_at(ctx: Context, text: str) -> Backup:
    """A backup of this region."""
    backup = backup_at(ctx, text)
    if backup.region != ctx.region:
        raise ServiceException("BackupNotFoundException", f"Backup not found: {text}")
    return backup


@operation("DeleteBackup")
def delete_backup(ctx: Context, req: Any) -> Answer:
    """Deletes a backup; what only it needed of the past is forgotten later. Errors: BackupNotFoundException.

    Source: API reference, DeleteBackup.
    """
    backup = _own_at(ctx, req.BackupArn)
    BACKUPS.delete(ctx, backup)
    return {"BackupDescription": describe(ctx, backup, status="DELETED")}


@operation("ListBackups")
def list_backups(ctx: Context, req: Any) -> Answer:
    """The region's backups, or a table's, by table and age, at most 100 a page: of USERs, unless BackupType is SYSTEM or ALL.

    A deleted table's backups are listed by its name. Errors: ValidationException. Source: API reference, ListBackups.
    """
    table = [address(ctx.account, ctx.region, req.TableName).name] if req.TableName is not None else []
    after: dict[str, Any] = {}
    if req.ExclusiveStartBackupArn is not None:
        parts = req.ExclusiveStartBackupArn.split("/")
        if len(parts) != 4:
            raise invalid(f"Invalid ExclusiveStartBackupArn: {req.ExclusiveStartBackupArn}")
        after = {"after": parts[3] if table else (parts[1], parts[3])}
    kinds = {"USER": ("USER",), "SYSTEM": ("SYSTEM",), "AWS_BACKUP": ("AWS_BACKUP",), "ALL": ("USER", "SYSTEM")}[req.BackupType or "USER"]
    lower, upper = req.TimeRangeLowerBound, req.TimeRangeUpperBound
    size = req.Limit or PAGE_LIMIT
    found: list[Backup] = []
    answer: dict[str, Any] = {}
    for backup in BACKUPS.scan(ctx, ctx.account, ctx.region, *table, **after):
        outside = (lower is not None and backup.created_at_ms < lower) or (upper is not None and backup.created_at_ms >= upper)
        if backup.type not in kinds or outside or get_backup(ctx, arn_of(backup)) is None:
            continue
        if len(found) == size:
            answer["LastEvaluatedBackupArn"] = arn_of(found[-1])
            break
        found.append(backup)
    return {"BackupSummaries": [_summary(backup) for backup in found], **answer}


@operation("RestoreTableFromBackup")
def restore_table_from_backup(ctx: Context, req: Any) -> Answer:
    """Makes a new table with the items of a backup, of this region or another; CREATING until all are there.

    Errors: BackupNotFoundException, TableAlreadyExistsException, LimitExceededException, ValidationException.
    Source: API reference, RestoreTableFromBackup.
    """
    backup = backup_at(ctx, req.BackupArn)
    moment = Moment(backup.created_at_ms, backup.sequence)
    try:
        ctx.past(*moment)
    except LookupError:
        raise ServiceException(
            "BackupNotFoundException", f"Backup not found: this cloud's log does not go back to {req.BackupArn}"
        ) from None
    table = restoring.begin(ctx, req, backup.source, moment, backup_arn=req.BackupArn)
    return {"TableDescription": describe_table(ctx, table, counts.NOTHING)}


# described


def _details(backup: Backup, status: str = "AVAILABLE") -> dict[str, Any]:
    return {
        "BackupArn": arn_of(backup),
        "BackupName": backup.name,
        "BackupSizeBytes": backup.size,
        "BackupStatus": status,
        "BackupType": backup.type,
        "BackupCreationDateTime": backup.created_at_ms,
        "BackupExpiryDateTime": backup.expires_at_ms or None,
    }


def _summary(backup: Backup) -> dict[str, Any]:
    return {
        "TableName": backup.table,
        "TableId": backup.source.id,
        "TableArn": arn(backup.account, backup.region, backup.table),
        **_details(backup),
    }


def describe(ctx: Context, backup: Backup, status: str = "AVAILABLE") -> dict[str, Any]:
    """BackupDescription."""
    table = backup.source
    told = describe_table(ctx, table, counts.NOTHING)
    details: dict[str, Any] = {
        "TableName": table.name,
        "TableId": table.id,
        "TableArn": told["TableArn"],
        "TableSizeBytes": backup.size,
        "KeySchema": told["KeySchema"],
        "TableCreationDateTime": table.created_at_ms,
        "ProvisionedThroughput": {"ReadCapacityUnits": table.throughput.read, "WriteCapacityUnits": table.throughput.write},
        "OnDemandThroughput": told.get("OnDemandThroughput"),
        "ItemCount": backup.items,
        "BillingMode": table.billing_mode,
    }
    features: dict[str, Any] = {}
    for member, names in (
        ("LocalSecondaryIndexes", ("IndexName", "KeySchema", "Projection")),
        ("GlobalSecondaryIndexes", ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput", "OnDemandThroughput")),
    ):
        if member in told:
            features[member] = [{name: index[name] for name in names if name in index} for index in told[member]]
            for index in features[member]:
                if (units := index.get("ProvisionedThroughput")) is not None:
                    index["ProvisionedThroughput"] = {name: units[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
    for member, source in (("StreamDescription", "StreamSpecification"), ("SSEDescription", "SSEDescription")):
        if source in told:
            features[member] = told[source]
    if table.expiry is not None:
        features["TimeToLiveDescription"] = ttl.describe(table)
    return {"BackupDetails": _details(backup, status), "SourceTableDetails": details, "SourceTableFeatureDetails": features}
