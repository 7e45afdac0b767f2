"""Exports of a table, as it was at a second, to S3; `exporting` writes the files. ListExports, DescribeExport."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import exporting, transfers
from fogbank.services.dynamodb.addresses import address_of_arn, arn
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.recovery import earliest_ms, recovery_of
from fogbank.services.dynamodb.state import TABLES, Table
from fogbank.services.dynamodb.timeline import EXPORTS, Transfer

LEAST_MS, MOST_MS = 900_000, 86_400_000
"""How much time an incremental export can be about."""
INCREMENTAL = "INCREMENTAL_EXPORT"


@operation("ExportTableToPointInTime")
def export_table_to_point_in_time(ctx: Context, req: Any) -> Answer:
    """Writes a table as it was at a second (or, INCREMENTAL_EXPORT, what changed between two, 15 minutes to 24 hours apart) to S3.

    The table needs point-in-time recovery. S3 is written as the caller, who needs s3:PutObject; an empty file `_started` shows
    that they have it. With a ClientToken the same call again within 8 hours is the same export.

    Errors: TableNotFoundException, PointInTimeRecoveryUnavailableException, InvalidExportTimeException, ExportConflictException,
    ValidationException. Source: API reference, ExportTableToPointInTime.
    """
    if req.ExportFormat == "ION":
        raise NotImplementedOperation("dynamodb", "ExportTableToPointInTime", "with ExportFormat=ION")
    if req.FilterSpecification is not None:
        raise NotImplementedOperation("dynamodb", "ExportTableToPointInTime", "with FilterSpecification")
    where = address_of_arn(req.TableArn)
    table = TABLES.get(ctx, *where) if where is not None and where.region == ctx.region else None
    if table is None:
        raise ServiceException("TableNotFoundException", f"Table not found: {req.TableArn}")
    members = transfers.asked(req)
    conflict = ServiceException("ExportConflictException", "There was a conflict with an export that used the same ClientToken")
    export = transfers.known(ctx, EXPORTS, members, conflict)
    if export is None:
        from_ms, at_ms = _span(ctx, req, table)
        export = transfers.begun(ctx, table, members, from_ms=from_ms, at_ms=at_ms)
        EXPORTS.put(ctx, export)
        exporting.begin(ctx, export, table)
    return {"ExportDescription": describe(export)}


def _span(ctx: Context, req: Any, table: Table) -> tuple[int, int]:
    """From when (0: the whole table) and as of when. Raises InvalidExportTimeException, ValidationException."""
    earliest = earliest_ms(recovery_of(table), ctx.now)
    wanted = req.IncrementalExportSpecification
    if (req.ExportType == INCREMENTAL) != (wanted is not None):
        raise invalid("IncrementalExportSpecification belongs to an ExportType of INCREMENTAL_EXPORT, which needs it")
    from_ms, at_ms = 0, req.ExportTime
    if wanted is not None:
        if req.ExportTime is not None or wanted.ExportFromTime is None:
            raise invalid("An incremental export needs an ExportFromTime, and has no ExportTime")
        from_ms, at_ms = wanted.ExportFromTime, wanted.ExportToTime
    from_ms, at_ms = from_ms // 1000 * 1000, ctx.now if at_ms is None else at_ms // 1000 * 1000
    if not earliest <= at_ms <= ctx.now or (from_ms and from_ms < earliest):
        raise ServiceException("InvalidExportTimeException", "The specified ExportTime is outside of the point in time recovery window.")
    if from_ms and not LEAST_MS <= at_ms - from_ms <= MOST_MS:
        raise invalid("The export period must be at least 15 minutes and at most 24 hours long")
    return from_ms, at_ms


@operation("DescribeExport")
def describe_export(ctx: Context, req: Any) -> Answer:
    """An export: how far it is, what it wrote. Errors: ExportNotFoundException. Source: API reference, DescribeExport."""
    return {"ExportDescription": describe(transfers.at(ctx, EXPORTS, "export", req.ExportArn))}


@operation("ListExports")
def list_exports(ctx: Context, req: Any) -> Answer:
    """The region's exports of the last 90 days, or a table's, the last in the alphabet first, at most 25 a page.

    Errors: ValidationException. Source: API reference, ListExports.
    """
    page, further = transfers.listed(ctx, EXPORTS, req.TableArn, req.MaxResults, req.NextToken)
    names = ("ExportArn", "ExportStatus", "ExportType")
    return {"ExportSummaries": [{name: describe(one)[name] for name in names} for one in page], "NextToken": further or None}


GIVEN_BACK = ("ClientToken", "S3Bucket", "S3BucketOwner", "S3Prefix", "S3SseAlgorithm", "S3SseKmsKeyId")


def describe(export: Transfer) -> dict[str, Any]:
    """ExportDescription."""
    members: dict[str, Any] = export.members
    answer: dict[str, Any] = {
        "ExportArn": transfers.arn_of("export", export),
        "ExportStatus": export.status,
        "StartTime": export.started_at_ms,
        "TableArn": arn(export.account, export.region, export.table),
        "TableId": export.table_id,
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": INCREMENTAL if export.from_ms else "FULL_EXPORT",
        **{name: members[name] for name in GIVEN_BACK if name in members},
    }
    if export.from_ms:
        view = members["IncrementalExportSpecification"].get("ExportViewType", exporting.BOTH)
        answer["IncrementalExportSpecification"] = {
            "ExportFromTime": export.from_ms,
            "ExportToTime": export.at_ms,
            "ExportViewType": view,
        }
    else:
        answer["ExportTime"] = export.at_ms
    if export.ended_at_ms:
        answer["EndTime"] = export.ended_at_ms
    if export.status == "COMPLETED":
        answer |= {"ItemCount": export.items, "BilledSizeBytes": export.size, "ExportManifest": export.manifest}
    if export.failure:
        answer |= {"FailureCode": export.failure, "FailureMessage": export.message}
    return answer
