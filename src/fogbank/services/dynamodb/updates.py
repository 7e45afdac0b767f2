"""UpdateTable: capacity, class, protection, and global indexes that come and go."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import definitions, encryption, replicas, replicating, streaming
from fogbank.services.dynamodb.addresses import usable_table_at
from fogbank.services.dynamodb.definitions import ON_DEMAND, PROVISIONED
from fogbank.services.dynamodb.descriptions import DAY_MS, describe
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import TABLES, Index, Table, Throughput
from fogbank.services.dynamodb.tables import settle_soon
from fogbank.store import change

NOT_IN_UPDATE_TABLE = (
    "GlobalTableWitnessUpdates",
    "GlobalTableSettingsReplicationMode",
    "DisassociationProtectionEnabled",
    "VectorIndexUpdates",
    "WarmThroughput",
)
FREE_DECREASES = 4
"""Decreases of capacity on a UTC day that need no hour's rest before them."""
HOUR_MS = 3_600_000


@operation("UpdateTable")
def update_table(ctx: Context, req: Any) -> Answer:
    """Changes a table: UPDATING first, ACTIVE a moment later. One index can be added or taken away by a call.

    Capacity can be decreased four times on a UTC day, and further once an hour.

    Errors: ResourceNotFoundException, ResourceInUseException, LimitExceededException, ValidationException.
    Source: API reference, UpdateTable.
    """
    for member in NOT_IN_UPDATE_TABLE:
        if getattr(req, member) is not None:
            raise NotImplementedOperation("dynamodb", "UpdateTable", f"with {member}")
    if req.MultiRegionConsistency is not None and req.ReplicaUpdates is None:
        raise invalid_values("MultiRegionConsistency can only be specified with ReplicaUpdates that Create")
    table = usable_table_at(ctx, req.TableName)
    changed = _shared(ctx, table, req)
    if req.TableClass is not None and req.TableClass != (table.table_class or "STANDARD"):
        changed = change(changed, table_class=req.TableClass, class_changed_at_ms=ctx.now)
    if req.DeletionProtectionEnabled is not None:
        changed = change(changed, deletion_protection=req.DeletionProtectionEnabled)
    if req.StreamSpecification is not None:
        changed = streaming.specified(ctx, changed, req.StreamSpecification)
    if req.SSESpecification is not None and (table.group or req.ReplicaUpdates is not None):
        raise NotImplementedOperation("dynamodb", "UpdateTable", "with SSESpecification of a table that has replicas")
    if req.SSESpecification is not None:
        changed = encryption.specified(ctx, changed, req.SSESpecification)
    if req.ReplicaUpdates is not None:
        changed = replicas.updated(ctx, changed, req)
    if changed is table and req.TableClass is None and req.ReplicaUpdates is None:
        raise invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification "
            "or ReplicaUpdates is required"
        )
    definitions.check_indexes(changed.indexes)
    for replica in replicating.others(ctx, table):
        _follow(ctx, table, replica, req)
    return {"TableDescription": describe(ctx, _updating(ctx, changed))}


def _updating(ctx: Context, changed: Table) -> Table:
    """Writes a table that was changed, on its way."""
    changed = change(changed, status="UPDATING", version=ctx.random.hex(16))
    TABLES.put(ctx, changed)
    settle_soon(ctx, changed)
    return changed


def _shared(ctx: Context, table: Table, req: Any) -> Table:
    """The table with what all replicas of a global table have in common: capacity and global indexes."""
    return _indexes(ctx, _capacity(ctx, table, req), req)


def _follow(ctx: Context, table: Table, replica: Table, req: Any) -> None:
    """Changes another replica as its table is changed. One that has its own capacity for reading keeps it."""
    own_read = replica.throughput.read != table.throughput.read
    changed = _shared(ctx, replica, req)
    if changed.billing_mode == replica.billing_mode and own_read:
        changed = change(changed, throughput=change(changed.throughput, read=replica.throughput.read))
    if changed is not replica:
        if replica.status != "ACTIVE":
            raise ServiceException(
                "ResourceInUseException", f"Attempt to change a resource which is still in use: the replica in {replica.region}"
            )
        _updating(ctx, changed)


# capacity


def _capacity(ctx: Context, table: Table, req: Any) -> Table:
    """The table with the billing mode and the capacity that a request asks for."""
    mode = req.BillingMode or table.billing_mode
    if mode != table.billing_mode:
        return _switched(ctx, table, req, mode)
    if req.ProvisionedThroughput is not None:
        if mode == ON_DEMAND:
            raise invalid_values("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
        table = change(table, throughput=_provisioned(ctx, table.throughput, req.ProvisionedThroughput, "table"))
    if req.OnDemandThroughput is not None:
        if mode == PROVISIONED:
            raise invalid_values("OnDemandThroughput cannot be specified when BillingMode is PROVISIONED")
        table = change(table, throughput=_limited(table.throughput, req.OnDemandThroughput))
    return table


def _switched(ctx: Context, table: Table, req: Any, mode: str) -> Table:
    """The table in the other billing mode. To PROVISIONED, every global index needs its capacity in the same request."""
    throughput = definitions.throughput_of(req, mode)
    given = {one.Update.IndexName: one.Update for one in req.GlobalSecondaryIndexUpdates or () if one.Update is not None}
    indexes = []
    for index in table.indexes:
        if index.local:
            indexes.append(index)
            continue
        update = given.get(index.name)
        if mode == ON_DEMAND:
            indexes.append(change(index, throughput=Throughput()))
        elif update is None:
            raise invalid_values(f"ProvisionedThroughput must be specified for index: {index.name}")
        else:
            indexes.append(change(index, throughput=definitions.index_throughput(index.name, update, mode)))
    at_ms = ctx.now if mode == ON_DEMAND else table.on_demand_at_ms
    return change(table, billing_mode=mode, on_demand_at_ms=at_ms, throughput=throughput, indexes=tuple(indexes))


def _provisioned(ctx: Context, before: Throughput, given: Any, what: str) -> Throughput:
    """Changed capacity. Raises ValidationException where it is what it was, LimitExceededException for too many decreases."""
    read, write = definitions.units_of(given)
    if (read, write) == (before.read, before.write):
        raise invalid(
            f"The provisioned throughput for the {what} will not change. The requested value equals the current value. "
            f"Current ReadCapacityUnits provisioned for the {what}: {before.read}. Requested ReadCapacityUnits: {read}. "
            f"Current WriteCapacityUnits provisioned for the {what}: {before.write}. Requested WriteCapacityUnits: {write}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    after = change(before, read=read, write=write)
    if read > before.read or write > before.write:
        after = change(after, increased_at_ms=ctx.now)
    if read < before.read or write < before.write:
        today = before.decreases if before.decreased_at_ms // DAY_MS == ctx.now // DAY_MS else 0
        if today >= FREE_DECREASES and before.decreased_at_ms + HOUR_MS > ctx.now:
            raise ServiceException(
                "LimitExceededException",
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first "
                f"{FREE_DECREASES} decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 "
                f"seconds. Number of decreases today: {today}.",
            )
        after = change(after, decreased_at_ms=ctx.now, decreases=today + 1)
    return after


def _limited(before: Throughput, given: Any) -> Throughput:
    read, write = definitions.limits_of(given)
    if given.MaxReadRequestUnits is not None:
        before = change(before, read_limit=read)
    if given.MaxWriteRequestUnits is not None:
        before = change(before, write_limit=write)
    return before


# global indexes


def _indexes(ctx: Context, table: Table, req: Any) -> Table:
    """The table with the global indexes that a request asks for."""
    updates = req.GlobalSecondaryIndexUpdates or []
    switched = req.BillingMode is not None and req.BillingMode != ON_DEMAND
    if sum(one.Create is not None or one.Delete is not None for one in updates) > 1:
        raise ServiceException(
            "LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
        )
    for one in updates:
        if sum(action is not None for action in (one.Create, one.Update, one.Delete)) != 1:
            raise invalid_values("One of GlobalSecondaryIndexUpdate's Create, Update and Delete must be specified")
        if one.Create is not None:
            table = _created(ctx, table, one.Create, req)
        elif one.Delete is not None:
            table = _deleted(table, one.Delete.IndexName)
        elif not switched:
            table = _updated(ctx, table, one.Update)
    return table


def _global_index(table: Table, name: str) -> Index:
    index = next((i for i in table.indexes if i.name == name and not i.local), None)
    if index is None:
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Index: {name} not found")
    return index


def _with(table: Table, index: Index) -> Table:
    return change(table, indexes=tuple(index if i.number == index.number else i for i in table.indexes))


def _created(ctx: Context, table: Table, given: Any, req: Any) -> Table:
    if any(index.name == given.IndexName for index in table.indexes):
        raise invalid("Attempting to create an index which already exists")
    if any(index.backfilling for index in table.indexes):
        raise ServiceException(
            "LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
        )
    attributes = definitions.attributes_of(req.AttributeDefinitions)
    for name, kind in attributes.items():
        if table.attributes.get(name, kind) != kind:
            raise invalid_values(f"Attempting to change the type of attribute {name}, which is part of a key")
    merged = {**table.attributes, **attributes}
    index = definitions.global_index(given, merged, table.billing_mode, ctx.tx.unique())
    used = {part.name for part in (*index.partition, *index.sort)} | set(table.attributes)
    definitions.check_used(merged, used)
    return change(table, attributes=merged, indexes=(*table.indexes, index))


def _deleted(table: Table, name: str) -> Table:
    return _with(table, change(_global_index(table, name), status="DELETING", backfilling=False))


def _updated(ctx: Context, table: Table, given: Any) -> Table:
    index = _global_index(table, given.IndexName)
    if given.WarmThroughput is not None:
        raise NotImplementedOperation("dynamodb", "UpdateTable", "with WarmThroughput")
    throughput = index.throughput
    if given.ProvisionedThroughput is not None:
        if table.billing_mode == ON_DEMAND:
            raise invalid_values(f"ProvisionedThroughput should not be specified for index: {index.name}")
        throughput = _provisioned(ctx, throughput, given.ProvisionedThroughput, f"index {index.name}")
    if given.OnDemandThroughput is not None:
        throughput = _limited(throughput, given.OnDemandThroughput)
    return _with(table, change(index, throughput=throughput, status="UPDATING"))
