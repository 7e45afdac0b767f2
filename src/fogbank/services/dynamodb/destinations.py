"""Kinesis streams that a table's changes go to: one at a time, switched on, changed, and off."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.dynamodb import feeding
from fogbank.services.dynamodb.addresses import known_table_at, table_of, usable_table_at
from fogbank.services.dynamodb.expiring import about
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES, Destination, Table
from fogbank.store import change


def _put(ctx: Context, table: Table, destination: Destination) -> None:
    """The table with a destination in place of the one with the same stream."""
    others = [one for one in table.destinations if one.stream_arn != destination.stream_arn]
    TABLES.put(ctx, change(table, destinations=(*others, destination), version=ctx.random.hex(16)))


def _destination_at(table: Table, stream_arn: str) -> Destination:
    """A destination that is switched on. Raises ResourceNotFoundException, ResourceInUseException."""
    found = next((one for one in table.destinations if one.stream_arn == stream_arn), None)
    if found is None or found.status == "DISABLED":
        message = f"Requested resource not found: Kinesis data stream {stream_arn} is not a destination of Table: {table.name}"
        raise ServiceException("ResourceNotFoundException", message)
    if found.status != "ACTIVE":
        raise ServiceException(
            "ResourceInUseException", f"Table is in the process of {found.status.lower()} Kinesis streaming: {table.name}"
        )
    return found


def _later(ctx: Context, table: Table, stream_arn: str) -> None:
    ctx.later("dynamodb.settle_destination", {**about(table), "stream": stream_arn})


@operation("EnableKinesisStreamingDestination")
def enable_kinesis_streaming_destination(ctx: Context, req: Any) -> Answer:
    """Has a table's changes put into a Kinesis stream of the same account and region, from now on.

    The caller must be allowed to describe the stream and to put records into it; DynamoDB then writes as its service-linked role.

    Errors: ResourceNotFoundException, ResourceInUseException, ValidationException (another destination is on).
    Source: API reference, EnableKinesisStreamingDestination.
    """
    table = usable_table_at(ctx, req.TableName)
    there = next((one for one in table.destinations if one.status not in ("DISABLED", "ENABLE_FAILED")), None)
    if there is not None:
        raise invalid(f"Table {table.name} already has an enabled Kinesis data stream destination: {there.stream_arn}")
    _check_stream(ctx, req.StreamArn)
    _ensure_role(ctx)
    asked = req.EnableKinesisStreamingConfiguration
    precision = (asked.ApproximateCreationDateTimePrecision if asked is not None else None) or "MILLISECOND"
    _put(ctx, table, Destination(req.StreamArn, "ENABLING", precision))
    _later(ctx, table, req.StreamArn)
    configuration = {"ApproximateCreationDateTimePrecision": precision} if asked is not None else None
    return {
        "TableName": table.name,
        "StreamArn": req.StreamArn,
        "DestinationStatus": "ENABLING",
        "EnableKinesisStreamingConfiguration": configuration,
    }


def _check_stream(ctx: Context, stream_arn: str) -> None:
    """Raises ResourceNotFoundException, AccessDeniedException, ValidationException (a stream of elsewhere)."""
    parts = stream_arn.split(":")
    if len(parts) != 6 or parts[3:5] != [ctx.region, ctx.account]:
        raise invalid(f"The Kinesis data stream must be in the account and region of the table: {stream_arn}")
    ctx.call("kinesis", "DescribeStreamSummary", {"StreamARN": stream_arn})
    ctx.authorize("kinesis:PutRecord", stream_arn)
    ctx.authorize("kinesis:PutRecords", stream_arn)


def _ensure_role(ctx: Context) -> None:
    """Has the account get the service-linked role where it has none yet."""
    try:
        ctx.as_role(feeding.role(ctx.account, ctx.region))
    except ServiceException:
        ctx.call("iam", "CreateServiceLinkedRole", {"AWSServiceName": feeding.SERVICE})


@operation("DisableKinesisStreamingDestination")
def disable_kinesis_streaming_destination(ctx: Context, req: Any) -> Answer:
    """Has no more changes put into a stream. Errors: ResourceNotFoundException, ResourceInUseException.

    Source: API reference, DisableKinesisStreamingDestination.
    """
    table = usable_table_at(ctx, req.TableName)
    found = _destination_at(table, req.StreamArn)
    _put(ctx, table, change(found, status="DISABLING"))
    _later(ctx, table, req.StreamArn)
    return {"TableName": table.name, "StreamArn": req.StreamArn, "DestinationStatus": "DISABLING"}


@operation("UpdateKinesisStreamingDestination")
def update_kinesis_streaming_destination(ctx: Context, req: Any) -> Answer:
    """Changes the precision of the times of changes. Errors: ResourceNotFoundException, ResourceInUseException, ValidationException.

    Source: API reference, UpdateKinesisStreamingDestination.
    """
    table = usable_table_at(ctx, req.TableName)
    found = _destination_at(table, req.StreamArn)
    asked = req.UpdateKinesisStreamingConfiguration
    precision = asked.ApproximateCreationDateTimePrecision if asked is not None else None
    if precision is None or precision == found.precision:
        raise invalid("Invalid Request: Precision is already set to the desired value or is not provided.")
    _put(ctx, table, change(found, status="UPDATING", precision=precision))
    _later(ctx, table, req.StreamArn)
    return {
        "TableName": table.name,
        "StreamArn": req.StreamArn,
        "DestinationStatus": "UPDATING",
        "UpdateKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": precision},
    }


@operation("DescribeKinesisStreamingDestination")
def describe_kinesis_streaming_destination(ctx: Context, req: Any) -> Answer:
    """The Kinesis streams that a table's changes go to, or went to. Errors: ResourceNotFoundException.

    Source: API reference, DescribeKinesisStreamingDestination.
    """
    table = known_table_at(ctx, req.TableName)
    return {
        "TableName": table.name,
        "KinesisDataStreamDestinations": [
            {"StreamArn": one.stream_arn, "DestinationStatus": one.status, "ApproximateCreationDateTimePrecision": one.precision}
            for one in table.destinations
        ],
    }


@task("settle_destination")
def settle_destination(ctx: Context, payload: dict[str, Any]) -> Answer:
    """ENABLING and UPDATING become ACTIVE, DISABLING becomes DISABLED."""
    table = table_of(ctx, payload)
    found = next((one for one in table.destinations if one.stream_arn == payload["stream"]), None) if table is not None else None
    if table is not None and found is not None:
        _put(ctx, table, change(found, status="DISABLED" if found.status in ("DISABLING", "DISABLED") else "ACTIVE"))
    return None
