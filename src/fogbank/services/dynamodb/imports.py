"""Imports: a new table from the objects under a prefix of an S3 bucket; `importing` reads them. ListImports, DescribeImport."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import encryption, importing, transfers
from fogbank.services.dynamodb.addresses import address, arn
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES
from fogbank.services.dynamodb.tables import check_room, defined
from fogbank.services.dynamodb.timeline import IMPORTS, Transfer

NOT_GIVEN = ("LocalSecondaryIndexes", "Tags", "TableClass", "DeletionProtectionEnabled")
"""What CreateTable takes, and an import does not."""


@operation("ImportTable")
def import_table(ctx: Context, req: Any) -> Answer:
    """Makes a table and puts the items of all objects under a prefix into it; CREATING until all are there.

    Lines that are no item of the table are counted as errors and left out; of several items with one key one stays. S3 is read as
    the caller, who needs s3:ListBucket and s3:GetObject. It consumes no write capacity.

    Errors: ResourceInUseException, ImportConflictException, LimitExceededException, ValidationException.
    Source: API reference, ImportTable.
    """
    if req.InputFormat == "ION":
        raise NotImplementedOperation("dynamodb", "ImportTable", "with InputFormat=ION")
    if req.InputFormatOptions is not None and req.InputFormatOptions.Csv is not None and req.InputFormat != "CSV":
        raise invalid("InputFormatOptions.Csv belongs to an InputFormat of CSV")
    if req.InputCompressionType == "ZSTD" and not importing.zstandard_is_there():
        raise NotImplementedOperation("dynamodb", "ImportTable", "with InputCompressionType=ZSTD: zstandard is not installed")
    members = transfers.asked(req)
    conflict = ServiceException("ImportConflictException", "There was a conflict with an import that used the same ClientToken")
    known = transfers.known(ctx, IMPORTS, members, conflict)
    if known is not None:
        return {"ImportTableDescription": describe(known)}
    wanted = req.TableCreationParameters
    if wanted.VectorIndexes is not None:
        raise NotImplementedOperation("dynamodb", "ImportTable", "with VectorIndexes")
    where = address(ctx.account, ctx.region, wanted.TableName)
    if TABLES.get(ctx, *where) is not None:
        raise ServiceException("ResourceInUseException", f"Table already exists: {where.name}")
    check_room(ctx)
    given = {name: getattr(wanted, name) for name in wanted.__struct_fields__} | dict.fromkeys(NOT_GIVEN)
    table = defined(ctx, SimpleNamespace(**given), where)
    if wanted.SSESpecification is not None:
        table = encryption.specified(ctx, table, wanted.SSESpecification)
    one = transfers.begun(ctx, table, members)
    TABLES.put(ctx, table)
    IMPORTS.put(ctx, one)
    importing.begin(ctx, one)
    return {"ImportTableDescription": describe(one)}


@operation("DescribeImport")
def describe_import(ctx: Context, req: Any) -> Answer:
    """An import: how far it is, and how many lines were no items. Errors: ImportNotFoundException.

    Source: API reference, DescribeImport.
    """
    return {"ImportTableDescription": describe(transfers.at(ctx, IMPORTS, "import", req.ImportArn))}


@operation("ListImports")
def list_imports(ctx: Context, req: Any) -> Answer:
    """The region's imports of the last 90 days, or a table's, at most 25 a page. Errors: ValidationException.

    Source: API reference, ListImports.
    """
    page, further = transfers.listed(ctx, IMPORTS, req.TableArn, req.PageSize, req.NextToken)
    names = ("ImportArn", "ImportStatus", "TableArn", "S3BucketSource", "InputFormat", "StartTime", "EndTime")
    found = [{name: told[name] for name in names if name in told} for told in map(describe, page)]
    return {"ImportSummaryList": found, "NextToken": further or None}


GIVEN_BACK = ("ClientToken", "S3BucketSource", "InputFormat", "InputFormatOptions", "TableCreationParameters")


def describe(one: Transfer) -> dict[str, Any]:
    """ImportTableDescription."""
    members: dict[str, Any] = one.members
    answer: dict[str, Any] = {
        "ImportArn": transfers.arn_of("import", one),
        "ImportStatus": one.status,
        "TableArn": arn(one.account, one.region, one.table),
        "TableId": one.table_id,
        "InputCompressionType": members.get("InputCompressionType", "NONE"),
        "ErrorCount": one.errors,
        "ProcessedSizeBytes": one.size,
        "ProcessedItemCount": one.processed,
        "ImportedItemCount": one.items,
        "StartTime": one.started_at_ms,
        **{name: members[name] for name in GIVEN_BACK if name in members},
    }
    if one.ended_at_ms:
        answer["EndTime"] = one.ended_at_ms
    if one.failure:
        answer |= {"FailureCode": one.failure, "FailureMessage": one.message}
    return answer
