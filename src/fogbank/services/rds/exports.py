"""Exports to S3: the tables of a snapshot or of a cluster, each as Parquet files.

They are read from a fork that only the export has; an export is a chain of tasks, one for each file, so that a kill loses one file's work.

    PREFIX/EXPORT/DATABASE/SCHEMA.TABLE/1/part-00000.gz.parquet
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.engines import spec
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.rds import engine_versions, parquet, snapshots
from fogbank.services.rds.addresses import filters, get_cluster, located, page, parse, passing, resource_id
from fogbank.services.rds.faults import ENGINES, absent, cluster_missing, cluster_state, invalid
from fogbank.services.rds.keeping import CLUSTER, INSTANCE
from fogbank.services.rds.state import EXPORTS, Cluster, Export, Origin
from fogbank.services.rds.wanted import password_of
from fogbank.store import change

SERVICE = "export.rds.amazonaws.com"
ROWS = 20_000
"""Of one file."""
_name = re.compile(r"[A-Za-z](?!.*--)[A-Za-z0-9-]{0,59}(?<!-)").fullmatch
_DATABASES = {
    "postgres": "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'rdsadmin' ORDER BY 1",
    "mariadb": "SELECT schema_name FROM information_schema.schemata"
    " WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1",
}
_TABLES = {
    "postgres": "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
    " AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    "mariadb": "SELECT table_schema, table_name FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND table_schema = database() ORDER BY 1, 2",
}


def described(row: Export) -> dict[str, Any]:
    """ExportTask."""
    return {
        "ExportTaskIdentifier": row.name,
        "SourceArn": row.source,
        "SourceType": row.kind,
        "ExportOnly": list(row.only) or None,
        "SnapshotTime": row.snapshot_ms or None,
        "TaskStartTime": row.started_at_ms or None,
        "TaskEndTime": row.ended_at_ms or None,
        "S3Bucket": row.bucket,
        "S3Prefix": row.prefix or None,
        "IamRoleArn": row.role,
        "KmsKeyId": row.key,
        "Status": row.status,
        "PercentProgress": row.percent,
        "TotalExtractedDataInGB": row.size_bytes >> 30,
        "FailureCause": row.failure or None,
        "WarningMessage": row.warning or None,
    }


def _role(row: Export) -> Role:
    return Role(row.role, SERVICE, f"RDSExport-{row.name}"[:64], row.source, row.account)


@operation("StartExportTask")
def start_export_task(ctx: Context, req: Any) -> Answer:
    """Writes the tables of a snapshot or a cluster to S3 as Parquet, as the role, encrypted under the key.

    ExportOnly: databases, or `database.schema` and `database.schema.table` (PostgreSQL), `database.table` (MySQL and MariaDB).

    Errors: ExportTaskAlreadyExistsFault, DBSnapshotNotFoundFault, DBClusterSnapshotNotFoundFault, DBClusterNotFoundFault,
    InvalidExportSourceStateFault, InvalidS3BucketFault, IamRoleMissingPermissionsFault, KMSKeyNotAccessibleFault.
    Source: API reference, StartExportTask.
    """
    if not _name(req.ExportTaskIdentifier):
        raise invalid("The export task identifier must have up to 60 letters, digits and single hyphens, and begin with a letter.")
    if EXPORTS.get(ctx, ctx.account, ctx.region, req.ExportTaskIdentifier) is not None:
        raise ServiceException("ExportTaskAlreadyExistsFault", f"Export task {req.ExportTaskIdentifier} already exists.")
    if not parquet.there():
        raise absent("StartExportTask", "Parquet: pyarrow is not installed")
    origin, kind, at_ms = _source(ctx, req.SourceArn)
    row = Export(
        account=ctx.account,
        region=ctx.region,
        name=req.ExportTaskIdentifier,
        source=req.SourceArn,
        bucket=req.S3BucketName,
        prefix=(req.S3Prefix or "").strip("/"),
        role=req.IamRoleArn,
        key=_key(ctx, req.KmsKeyId),
        asked_at_ms=ctx.now,
        only=tuple(req.ExportOnly or ()),
        snapshot_ms=at_ms,
        kind=kind,
        volume=origin.volume,
        point=origin.point,
    )
    ctx.authorize("iam:PassRole", row.role, iam__PassedToService=SERVICE)
    _check_bucket(ctx, row)
    EXPORTS.put(ctx, row)
    ctx.later("rds.export", {"name": row.name, "id": resource_id(ctx, "export-"), "tables": None, "table": 0, "part": 0})
    return described(row)


def _source(ctx: Context, arn: str) -> tuple[Origin, str, int]:
    """Where the fork begins, what kind of a source it is, and from when."""
    for kind in (CLUSTER, INSTANCE):
        if parse(arn, kind.type) is not None:
            snapshot = snapshots.readable(ctx, kind, arn)
            if snapshot.status != "available":
                raise ServiceException("InvalidExportSourceStateFault", f"Snapshot {snapshot.name} is in {snapshot.status} state.")
            return Origin(snapshot.volume, 0, snapshot.point), "SNAPSHOT", snapshot.created_at_ms
    row = _cluster_of(ctx, arn)
    if row.status not in ("available", "stopped"):
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected available.")
    return Origin(row.volume), "CLUSTER", ctx.now


def _cluster_of(ctx: Context, arn: str) -> Cluster:
    """The cluster that a source is, or was made of."""
    for kind in (CLUSTER, INSTANCE):
        if parse(arn, kind.type) is not None:
            return snapshots.readable(ctx, kind, arn).of
    row = get_cluster(ctx, arn)
    if row is None or located(ctx, arn, "cluster")[:2] != (ctx.account, ctx.region):
        raise cluster_missing(arn)
    return row


def _key(ctx: Context, key: str) -> str:
    try:
        arn: str = ctx.call("kms", "DescribeKey", {"KeyId": key})["KeyMetadata"]["Arn"]
    except ServiceException as refused:
        raise ServiceException("KMSKeyNotAccessibleFault", f"The KMS key {key} can't be used: {refused.message}") from None
    return arn


def _check_bucket(ctx: Context, row: Export) -> None:
    try:
        ctx.as_role(_role(row))
    except ServiceException as refused:
        raise ServiceException("IamRoleMissingPermissionsFault", f"The role {row.role} can't be taken on: {refused.message}") from None
    try:
        ctx.call("s3", "GetBucketLocation", {"Bucket": row.bucket}, acting=_role(row))
    except ServiceException as refused:
        code = "InvalidS3BucketFault" if refused.code == "NoSuchBucket" else "IamRoleMissingPermissionsFault"
        raise ServiceException(code, f"The bucket {row.bucket} can't be written to by {row.role}: {refused.message}") from None


@operation("CancelExportTask")
def cancel_export_task(ctx: Context, req: Any) -> Answer:
    """Ends an export that is under way; what it has written stays. Errors: ExportTaskNotFoundFault, InvalidExportTaskStateFault.

    Source: API reference, CancelExportTask.
    """
    row = EXPORTS.get(ctx, ctx.account, ctx.region, req.ExportTaskIdentifier)
    if row is None:
        raise _missing(req.ExportTaskIdentifier)
    if row.status not in ("STARTING", "IN_PROGRESS"):
        raise ServiceException("InvalidExportTaskStateFault", f"Export task {row.name} is in {row.status} state and can't be canceled.")
    row = change(row, status="CANCELING")
    EXPORTS.put(ctx, row)
    return described(row)


def _missing(name: str) -> ServiceException:
    return ServiceException("ExportTaskNotFoundFault", f"Export task {name} not found.", status=404)


@operation("DescribeExportTasks")
def describe_export_tasks(ctx: Context, req: Any) -> Answer:
    """Exports of the account in the region: all, one, those of a source, or those that pass filters.

    Errors: ExportTaskNotFoundFault, InvalidParameterValue. Source: API reference, DescribeExportTasks.
    """
    values = {
        "export-task-identifier": lambda row: (row.name,),
        "s3-bucket": lambda row: (row.bucket,),
        "source-arn": lambda row: (row.source,),
        "status": lambda row: (row.status.lower(), row.status),
    }
    wanted = filters(req, values)
    found = list(EXPORTS.scan(ctx, ctx.account, ctx.region))
    if req.ExportTaskIdentifier:
        found = [row for row in found if row.name == req.ExportTaskIdentifier]
        if not found:
            raise _missing(req.ExportTaskIdentifier)
    found = [row for row in found if req.SourceArn in (None, row.source) and req.SourceType in (None, row.kind)]
    rows, marker = page(req, passing(found, wanted, values), lambda row: row.name)
    return {"ExportTasks": [described(row) for row in rows], "Marker": marker}


# The chain


@task("export")
def export(ctx: Context, payload: dict[str, Any]) -> Answer:
    """One step of an export: what tables there are, or one file of one of them."""
    row = EXPORTS.get(ctx, ctx.account, ctx.region, payload["name"])
    if row is None or row.status in ("COMPLETE", "FAILED", "CANCELED"):
        return None
    if row.status == "CANCELING":
        return _end(ctx, row, payload, "CANCELED")
    try:
        if payload["tables"] is None:
            return _begin(ctx, row, payload)
        return _file(ctx, row, payload)
    except (spec.Failed, spec.Refused, ServiceException) as problem:
        if isinstance(problem, spec.Refused) and problem.code == "SESSION":
            ctx.later("rds.export", payload | {"part": 0})
            return None
        return _end(ctx, row, payload, "FAILED", str(problem))


def _fork(ctx: Context, row: Export, id: str) -> None:
    """Has the fork that is read from run."""
    of = _cluster_of(ctx, row.source)
    node = spec.Node(f"{id}-0", of.zones[0])
    asked = spec.Cluster(
        id=id,
        engine=ENGINES[of.engine],
        version=engine_versions.really(of.engine, of.version),
        volume=f"{id}-1",
        fork=spec.Fork(row.volume, 0, row.point),
        user=of.user,
        password=password_of(ctx, of),
        database=of.database,
        nodes=(node,),
        writer=node.id,
        parameters={},
        endpoints=(),
        iam=False,
        tls_only=False,
        account=row.account,
        region=row.region,
        arn=row.source,
    )
    ctx.outside("fork", lambda done: ctx.databases.converge(asked, done))


def _run(ctx: Context, what: str, id: str, database: str, sql: str, session: str = "") -> spec.Result:
    """What a statement gives, as the engine's own superuser."""
    found: spec.Result = ctx.outside(what, lambda done: ctx.databases.execute(id, "", "", database, session, spec.Statement(sql), done))
    return found


def _begin(ctx: Context, row: Export, payload: dict[str, Any]) -> Answer:
    id, engine = payload["id"], ENGINES[_cluster_of(ctx, row.source).engine]
    _fork(ctx, row, id)
    tables: list[list[str]] = []
    first = "postgres" if engine == "postgres" else ""
    for (database,) in _run(ctx, "databases", id, first, _DATABASES[engine]).rows:
        found = _run(ctx, f"tables of {database}", id, database, _TABLES[engine])
        tables += [[database, schema, table] for schema, table in found.rows if _asked(row.only, engine, database, schema, table)]
    if row.only and not tables:
        return _end(ctx, row, payload, "FAILED", "There are no tables that ExportOnly names.")
    EXPORTS.put(ctx, change(row, status="IN_PROGRESS", started_at_ms=ctx.now))
    ctx.later("rds.export", payload | {"tables": tables})
    return None


def _asked(only: tuple[str, ...], engine: str, database: str, schema: str, table: str) -> bool:
    path = [database, schema, table] if engine == "postgres" else [database, table]
    return not only or any(path[: len(each.split("."))] == each.split(".") for each in only)


def _file(ctx: Context, row: Export, payload: dict[str, Any]) -> Answer:
    """One file, and the next step; none of a table that is empty but its first."""
    tables, number, part, id = payload["tables"], payload["table"], payload["part"], payload["id"]
    if number == len(tables):
        return _end(ctx, row, payload, "COMPLETE")
    if ctx.databases.look(id) is None:
        _fork(ctx, row, id)
    database, schema, table = tables[number]
    found = _rows(ctx, ENGINES[_cluster_of(ctx, row.source).engine], payload, f"{id}-{number}")
    if found.rows or not part:
        content = parquet.written(found)
        name = f"{database}.{table}" if schema == database else f"{schema}.{table}"
        key = "/".join(filter(None, (row.prefix, row.name, database, name, "1", f"part-{part:05}.gz.parquet")))
        _put(ctx, row, key, content)
        row = change(row, size_bytes=row.size_bytes + len(content))
    over = len(found.rows) < ROWS
    EXPORTS.put(ctx, change(row, percent=(number + over) * 100 // len(tables)))
    ctx.later("rds.export", payload | ({"table": number + 1, "part": 0} if over else {"part": part + 1}))
    return None


def _rows(ctx: Context, engine: str, payload: dict[str, Any], session: str) -> spec.Result:
    database, schema, table = payload["tables"][payload["table"]]
    if engine == "mariadb":
        name = f"`{database.replace('`', '``')}`.`{table.replace('`', '``')}`"
        return _run(ctx, "rows", payload["id"], database, f"SELECT * FROM {name} LIMIT {ROWS} OFFSET {payload['part'] * ROWS}")
    name = ".".join('"' + each.replace('"', '""') + '"' for each in (schema, table))
    if not payload["part"]:
        _run(ctx, "begin", payload["id"], database, "BEGIN", session)
        _run(ctx, "cursor", payload["id"], database, f"DECLARE export NO SCROLL CURSOR FOR SELECT * FROM {name}", session)
    found = _run(ctx, "rows", payload["id"], database, f"FETCH {ROWS} FROM export", session)
    if len(found.rows) < ROWS:
        ctx.outside("end", lambda done: ctx.databases.end(payload["id"], session, done))
    return found


def _put(ctx: Context, row: Export, key: str, content: bytes) -> None:
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": row.key}
    ctx.call("s3", "PutObject", {"Bucket": row.bucket, "Key": key, "Body": content, **sealed}, acting=_role(row))


def _end(ctx: Context, row: Export, payload: dict[str, Any], status: str, failure: str = "") -> Answer:
    """Lets go of the fork, and says in S3, too, what was exported."""
    ctx.outside("drop", lambda done: ctx.databases.drop(payload["id"], done))
    ctx.outside("forget", lambda done: ctx.databases.forget(f"{payload['id']}-1", done))
    row = change(row, status=status, failure=failure, ended_at_ms=ctx.now, percent=100 if status == "COMPLETE" else row.percent)
    if status == "COMPLETE":
        told = {"exportTaskIdentifier": row.name, "sourceArn": row.source, "status": status, "tables": payload["tables"]}
        key = "/".join(filter(None, (row.prefix, row.name, f"export_info_{row.name}.json")))
        _put(ctx, row, key, msgspec.json.encode(told))
    EXPORTS.put(ctx, row)
    return None
