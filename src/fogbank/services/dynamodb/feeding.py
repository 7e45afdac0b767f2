"""Changes of a table's items put into a Kinesis stream: they wait here, in order, until a task has put them there.

DynamoDB writes as its service-linked role. What the stream does not take is tried again for 24 hours. All records of an item have
one partition key. Source: developer guide, Using Kinesis Data Streams to capture changes to DynamoDB.
"""

from __future__ import annotations

from hashlib import md5
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import bodies, values
from fogbank.services.dynamodb.addresses import table_of
from fogbank.services.dynamodb.expiring import BY_TTL, about
from fogbank.services.dynamodb.state import Destination, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.timeline import DAY_MS, OUTGOING, Outgoing

if TYPE_CHECKING:
    from fogbank.services.dynamodb.changes import Change

SERVICE = "kinesisreplication.dynamodb.amazonaws.com"
_ROLE = f"role/aws-service-role/{SERVICE}/AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"
PORTION = 400
PORTION_BYTES = 4 << 20
PAUSE_S, LONG_PAUSE_S = 1.0, 60.0
_encode = msgspec.json.Encoder().encode


def role(account: str, region: str) -> Role:
    return Role(f"arn:{partition_of(region)}:iam::{account}:{_ROLE}", SERVICE, "DynamoDB")


def active(table: Table) -> Destination | None:
    """Where a table's changes go."""
    return next((one for one in table.destinations if one.status in ("ACTIVE", "UPDATING")), None)


def follow(ctx: Context, table: Table, change: Change, row: Row | None) -> None:
    """Has a change wait. `row` is the item as it is stored now."""
    if active(table) is None:
        return
    item = change.new if change.new is not None else change.old
    assert item is not None
    keys = change.schema.key_of(item)
    if next(OUTGOING.scan(ctx, table.contents), None) is None:
        ctx.later("dynamodb.feed", about(table))
    OUTGOING.put(
        ctx,
        Outgoing(
            table.contents,
            ctx.tx.unique(),
            ctx.now,
            "INSERT" if change.row is None else "MODIFY" if row is not None else "REMOVE",
            bodies.packed(ctx, table, keys),
            change.row.body if change.row is not None else b"",
            row.body if row is not None else b"",
            values.size(keys) + change.old_size + (row.size if row is not None else 0),
            change.by,
            md5("\0".join(change.place).encode(), usedforsecurity=False).hexdigest().upper(),
        ),
    )


@task("feed")
def feed(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Puts the next waiting changes into the stream; those that it had no capacity for wait on, and what waited for 24 hours is gone."""
    table = table_of(ctx, payload)
    destination = active(table) if table is not None else None
    waiting = _portion(ctx, payload["contents"])
    if table is None or destination is None:
        for one in waiting:
            OUTGOING.delete(ctx, one)
        if waiting:
            ctx.later("dynamodb.feed", payload)
        return None
    if not waiting:
        return None
    refused, pause_s = _put(ctx, table, destination, waiting)
    for one, wrong in zip(waiting, refused, strict=True):
        if not wrong or one.at_ms + DAY_MS <= ctx.now:
            OUTGOING.delete(ctx, one)
    if next(OUTGOING.scan(ctx, table.contents), None) is not None:
        ctx.later("dynamodb.feed", payload, delay_s=pause_s)
    return None


def _portion(ctx: Context, contents: int) -> list[Outgoing]:
    """What waits first, as much as one call can carry."""
    found: list[Outgoing] = []
    size = 0
    for one in islice(OUTGOING.scan(ctx, contents), PORTION):
        size += len(one.keys) + len(one.old) + len(one.new)
        if found and size > PORTION_BYTES:
            break
        found.append(one)
    return found


def _put(ctx: Context, table: Table, destination: Destination, waiting: list[Outgoing]) -> tuple[list[bool], float]:
    """Which of the changes the stream did not take, and how many seconds to wait before the next."""
    records = [{"Data": _record(ctx, table, destination, one), "PartitionKey": one.partition} for one in waiting]
    members = {"StreamARN": destination.stream_arn, "Records": records}
    try:
        answer = ctx.call("kinesis", "PutRecords", members, acting=role(table.account, table.region))
    except NotImplementedOperation:
        raise
    except ServiceException:
        return [True] * len(waiting), LONG_PAUSE_S
    refused = ["ErrorCode" in result for result in answer["Records"]]
    return refused, PAUSE_S if any(refused) else 0.0


def _record(ctx: Context, table: Table, destination: Destination, one: Outgoing) -> bytes:
    """A change as the stream's readers get it."""
    micro = destination.precision == "MICROSECOND"
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": one.at_ms * 1000 if micro else one.at_ms,
        "Keys": _image(ctx, table, one.keys),
        "SizeBytes": one.size,
    }
    for member, body in (("NewImage", one.new), ("OldImage", one.old)):
        if body:
            change[member] = _image(ctx, table, body)
    if micro:
        change["ApproximateCreationDateTimePrecision"] = "MICROSECOND"
    by = {"principalId": "dynamodb.amazonaws.com", "type": "Service"} if one.by == BY_TTL else None
    number = f"{table.contents & 0xFFFFFFFFFFFFFFFF:016x}{one.number:016x}"
    return _encode(
        {
            "awsRegion": table.region,
            "eventID": f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}",
            "eventName": one.event,
            "userIdentity": by,
            "recordFormat": "application/json",
            "tableName": table.name,
            "dynamodb": change,
            "eventSource": "aws:dynamodb",
        }
    )


def _image(ctx: Context, table: Table, body: bytes) -> msgspec.Raw:
    return bodies.raw_of(ctx, table, Row(table.contents, "", "", body, 0))
