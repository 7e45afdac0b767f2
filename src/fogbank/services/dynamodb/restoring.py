"""A new table with the items of a backup, or of another table as it was.

The new table has the source's keys, indexes and capacity, or those that the request gives instead; it has no tags, policy, stream,
time to live or recovery of its own. It is CREATING while a task fills it from the log, a portion at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import copying, definitions, encryption
from fogbank.services.dynamodb.addresses import address, arn, table_of
from fogbank.services.dynamodb.definitions import ON_DEMAND
from fogbank.services.dynamodb.expiring import about
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES, Index, Restored, Table, Throughput
from fogbank.services.dynamodb.tables import check_room, keys_of, settle_soon
from fogbank.store import change

BY_RESTORE = "restore"
ACTIONS = ("PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan", "BatchWriteItem")
"""What the caller must be allowed to do with the new table."""


class Moment(NamedTuple):
    """A point of the past: an instant, and the last transaction that counts."""

    at_ms: int
    sequence: int


def begin(ctx: Context, req: Any, source: Table, moment: Moment, *, backup_arn: str = "", sealed_as: Table | None = None) -> Table:
    """Makes the table that a restore fills. Raises TableAlreadyExistsException, LimitExceededException, ValidationException.

    `source` is the table with the settings to take, `sealed_as` the one with the key of its items, where that is not the same.
    """
    if req.VectorIndexOverride is not None:
        raise NotImplementedOperation("dynamodb", ctx.operation, "with VectorIndexOverride")
    where = address(ctx.account, ctx.region, req.TargetTableName)
    for action in ACTIONS:
        ctx.authorize(f"dynamodb:{action}", arn(*where))
    if TABLES.get(ctx, *where) is not None:
        raise ServiceException("TableAlreadyExistsException", f"Table already exists: {where.name}")
    check_room(ctx)
    billing_mode, throughput = _capacity(req, source)
    indexes = _indexes(ctx, req, source, billing_mode, throughput)
    used = {source.partition, source.sort, *keys_of(indexes)}
    table = Table(
        **where._asdict(),
        id=ctx.random.uuid(),
        contents=ctx.tx.unique(),
        version=ctx.random.hex(16),
        status="CREATING",
        created_at_ms=ctx.now,
        attributes={name: kind for name, kind in source.attributes.items() if name in used},
        partition=source.partition,
        sort=source.sort,
        indexes=tuple(indexes),
        billing_mode=billing_mode,
        on_demand_at_ms=ctx.now if billing_mode == ON_DEMAND else 0,
        throughput=throughput,
        table_class=source.table_class,
        restored=Restored(arn(source.account, source.region, source.name), backup_arn, moment.at_ms, in_progress=True),
    )
    table = _encrypted(ctx, req, source, table)
    TABLES.put(ctx, table)
    ctx.later("dynamodb.restore", {**about(table), "source": sealed_as or source, "moment": moment, "after": None})
    return table


def _encrypted(ctx: Context, req: Any, source: Table, table: Table) -> Table:
    """The table under the key that the request gives, or under the source's; in another region under DynamoDB's own."""
    wanted = req.SSESpecificationOverride
    if wanted is None and source.encryption is not None:
        key = source.encryption.key_arn if source.region == table.region else None
        wanted = SimpleNamespace(Enabled=True, SSEType=None, KMSMasterKeyId=key)
    return table if wanted is None else encryption.specified(ctx, table, wanted)


def _capacity(req: Any, source: Table) -> tuple[str, Throughput]:
    mode = req.BillingModeOverride or source.billing_mode
    given = SimpleNamespace(ProvisionedThroughput=req.ProvisionedThroughputOverride, OnDemandThroughput=req.OnDemandThroughputOverride)
    if mode == source.billing_mode and given.ProvisionedThroughput is None and given.OnDemandThroughput is None:
        was = source.throughput
        return mode, Throughput(was.read, was.write, was.read_limit, was.write_limit)
    return mode, definitions.throughput_of(given, mode)


def _indexes(ctx: Context, req: Any, source: Table, mode: str, throughput: Throughput) -> list[Index]:
    """The source's indexes, or those of them that the request names."""
    found: list[Index] = []
    wanted: tuple[tuple[bool, Iterable[Any] | None], ...] = (
        (True, req.LocalSecondaryIndexOverride),
        (False, req.GlobalSecondaryIndexOverride),
    )
    for local, overrides in wanted:
        there = {index.name: index for index in source.indexes if index.local is local and index.status != "DELETING"}
        if overrides is None:
            for index in there.values():
                own = Throughput() if local or mode == ON_DEMAND else index.throughput if mode == source.billing_mode else throughput
                found.append(change(index, throughput=own))
            continue
        for given in overrides:
            known = there.get(given.IndexName)
            if local:
                index = definitions.local_index(given, source.attributes, source.partition, 0)
            else:
                index = definitions.global_index(given, source.attributes, mode, 0)
            if known is None or _shape(index) != _shape(known):
                raise invalid(
                    f"One or more parameter values were invalid: Index {given.IndexName} does not match an index of the source table"
                )
            found.append(index)
    return [change(index, number=ctx.tx.unique(), status="CREATING", backfilling=False) for index in found]


def _shape(index: Index) -> tuple[Any, ...]:
    return index.partition, index.sort, index.projection, sorted(index.attributes)


@task("restore")
def restore(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Copies the next items from the past, and makes the table ACTIVE after the last."""
    table = table_of(ctx, payload)
    if table is None or table.restored is None or not table.restored.in_progress:
        return None
    source = msgspec.convert(payload["source"], Table)
    after = copying.copy(ctx, ctx.past(*payload["moment"]), source, table, payload["after"], BY_RESTORE)
    if after is not None:
        ctx.later("dynamodb.restore", {**payload, "after": after})
        return None
    done = change(table, restored=change(table.restored, in_progress=False))
    TABLES.put(ctx, done)
    settle_soon(ctx, done)
    return None
