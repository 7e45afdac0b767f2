"""Capacity units: what a request consumes, whether the table has so many left, and how the answer tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import metrics
from fogbank.services.dynamodb.addresses import arn_of, index_arn
from fogbank.services.dynamodb.schema import Schema
from fogbank.services.dynamodb.state import Table, Throughput
from fogbank.services.dynamodb.values import Item

WRITE_BYTES = 1024
READ_BYTES = 4096
BURST_S = 300
"""For how long unused provisioned capacity is kept."""


class Units:
    """Units of one table: its own, and those of its indexes by name."""

    __slots__ = ("indexes", "table")

    def __init__(self, table: float = 0.0, indexes: dict[str, float] | None = None) -> None:
        self.table = table
        self.indexes = indexes or {}

    @property
    def total(self) -> float:
        return self.table + sum(self.indexes.values())

    def add(self, other: Units, factor: float = 1.0) -> None:
        self.table += other.table * factor
        for name, units in other.indexes.items():
            self.indexes[name] = self.indexes.get(name, 0.0) + units * factor


def written(size: int) -> float:
    """The units of writing so many bytes."""
    return float(-(-size // WRITE_BYTES) or 1)


def read(size: int, consistent: bool | None) -> float:
    """The units of reading so many bytes; half where the read may be a little behind."""
    units = -(-size // READ_BYTES) or 1
    return float(units) if consistent else units / 2


def of_write(schema: Schema, old: Item | None, old_size: int, new: Item | None, new_size: int) -> Units:
    """What replacing an item by another (or by nothing) consumes, in the table and in its indexes."""
    units = Units(written(max(old_size, new_size)))
    for view in schema.indexes:
        before = view.place(old) if old is not None else None
        after = view.place(new) if new is not None else None
        was = view.size(old, old_size) if before is not None and old is not None else 0
        now = view.size(new, new_size) if after is not None and new is not None else 0
        if before is not None and before == after:
            if view.shown(old or {}) != view.shown(new or {}):
                units.indexes[view.name] = written(max(was, now))
        elif was or now:
            units.indexes[view.name] = (written(was) if was else 0.0) + (written(now) if now else 0.0)
    return units


def use(ctx: Context, table: Table, units: Units, *, write: bool, metered: bool) -> None:
    """Takes what a request consumes, where the table is `metered`, and tells CloudWatch. Raises as `spend`."""
    if metered:
        spend(ctx, table, units, write=write)
        if table.billing_mode == "PROVISIONED":
            metrics.provisioned(ctx, table)
    own, indexes = units.table, units.indexes
    if indexes:
        local = [index.name for index in table.indexes if index.local]
        own += sum([indexes.get(name, 0.0) for name in local])
        indexes = {name: used for name, used in indexes.items() if name not in local}
    metrics.consumed(ctx, table, own, indexes, write=write)


def spend(ctx: Context, table: Table, units: Units, *, write: bool) -> None:
    """Takes what a request consumes. Local indexes use the table's capacity, global ones their own.

    Raises ProvisionedThroughputExceededException; on demand, ThrottlingException past a limit that was set.
    """
    own = units.table
    for index in table.indexes:
        used = units.indexes.get(index.name)
        if used:
            if index.local:
                own += used
            elif not _take(ctx, table, f"{table.contents}/{index.number}", used, index.throughput, write):
                metrics.throttled(ctx, table, index.name, write=write)
                raise _exceeded(table, index.name, write=write)
    if own and not _take(ctx, table, str(table.contents), own, table.throughput, write):
        metrics.throttled(ctx, table, "", write=write)
        raise _exceeded(table, "", write=write)


def _take(ctx: Context, table: Table, key: str, units: float, throughput: Throughput, write: bool) -> bool:
    if table.billing_mode == "PROVISIONED":
        rate, kept_s = throughput.write if write else throughput.read, BURST_S
    else:
        rate, kept_s = throughput.write_limit if write else throughput.read_limit, 1
        if not rate:
            return True
    return ctx.spend(f"dynamodb:{key}:{table.billing_mode}:{'w' if write else 'r'}", units, rate, rate * kept_s)


def _exceeded(table: Table, index: str, *, write: bool) -> ServiceException:
    kind = f"{'Index' if index else 'Table'}{'Write' if write else 'Read'}"
    arn = index_arn(table, index) if index else arn_of(table)
    if table.billing_mode != "PROVISIONED":
        reasons = [{"reason": f"{kind}MaxOnDemandThroughputExceeded", "resource": arn}]
        message = "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
        return ServiceException("ThrottlingException", message, throttlingReasons=reasons)
    message = (
        "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. "
        "Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
        if index
        else "The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API."
    )
    reasons = [{"reason": f"{kind}ProvisionedThroughputExceeded", "resource": arn}]
    return ServiceException("ProvisionedThroughputExceededException", message, ThrottlingReasons=reasons)


def describe(table: Table, shown: str, units: Units, mode: str, transaction: str = "") -> dict[str, Any]:
    """ConsumedCapacity. `shown` is the table as the request named it; `transaction` is Read or Write for a part of one."""

    def one(amount: float) -> dict[str, float]:
        amounts = {"CapacityUnits": amount}
        if transaction:
            amounts[f"{transaction}CapacityUnits"] = amount
        return amounts

    answer: dict[str, Any] = {"TableName": shown, **one(units.total)}
    if mode == "INDEXES":
        answer["Table"] = one(units.table)
        local = {index.name for index in table.indexes if index.local}
        for member, names in (
            ("LocalSecondaryIndexes", [name for name in units.indexes if name in local]),
            ("GlobalSecondaryIndexes", [name for name in units.indexes if name not in local]),
        ):
            if names:
                answer[member] = {name: one(units.indexes[name]) for name in names}
    return answer


def wanted(mode: str | None) -> bool:
    """Whether a request asks for ConsumedCapacity."""
    return mode is not None and mode != "NONE"


def summed(parts: Iterable[Units]) -> Units:
    whole = Units()
    for part in parts:
        whole.add(part)
    return whole
