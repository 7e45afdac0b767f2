"""What CloudWatch is told of tables (AWS/DynamoDB). Latencies and errors it knows from the door, which counts calls by their TableName.

What a blind put replaces is not looked at, so a put on demand is told by the size of the new item.
"""

from __future__ import annotations

from functools import lru_cache

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.dynamodb.state import Table

NAMESPACE = "AWS/DynamoDB"
Dimensions = tuple[tuple[str, str], ...]


@lru_cache(4096)
def by(table: str, index: str = "", operation: str = "") -> Dimensions:
    """Dimensions, in the order of their names."""
    found = (("GlobalSecondaryIndexName", index), ("Operation", operation), ("TableName", table))
    return tuple((name, value) for name, value in found if value)


def tell(ctx: Context, table: Table, name: str, value: float, dimensions: Dimensions) -> None:
    ctx.tell(MEASURES, Measure(table.account, table.region, NAMESPACE, name, dimensions, value, "Count", ctx.now))


def consumed(ctx: Context, table: Table, units: float, indexes: dict[str, float], *, write: bool) -> None:
    """Capacity that a request has used, of a table and of its global indexes."""
    what = "ConsumedWriteCapacityUnits" if write else "ConsumedReadCapacityUnits"
    if units:
        tell(ctx, table, what, units, by(table.name))
    for index, used in indexes.items():
        if used:
            tell(ctx, table, what, used, by(table.name, index))


def provisioned(ctx: Context, table: Table) -> None:
    """What is provisioned is told when it is used (AWS tells it every five minutes)."""
    tell(ctx, table, "ProvisionedReadCapacityUnits", float(table.throughput.read), by(table.name))
    tell(ctx, table, "ProvisionedWriteCapacityUnits", float(table.throughput.write), by(table.name))


def throttled(ctx: Context, table: Table, index: str, *, write: bool) -> None:
    tell(ctx, table, "WriteThrottleEvents" if write else "ReadThrottleEvents", 1.0, by(table.name, index))
