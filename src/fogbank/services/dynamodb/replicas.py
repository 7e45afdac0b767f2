"""Global tables (version 2019.11.21): replicas of a table in other regions, made, changed, taken away and fed.

Replicas are eventually consistent, and each can be written. They have the same items, keys, indexes, capacity for writing and time
to live; class, capacity for reading, tags, policy, protection, recovery are each replica's own.

Source: developer guide, Global tables: multi-active, multi-Region replication.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, TypeVar

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.dynamodb import bodies, changes, copying, schema, streaming
from fogbank.services.dynamodb.addresses import arn, arn_of, table_of
from fogbank.services.dynamodb.expiring import about
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.replicating import BY_REPLICA, left, others
from fogbank.services.dynamodb.schema import Place
from fogbank.services.dynamodb.state import ITEMS, TABLES, Index, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.tables import settle_soon
from fogbank.services.dynamodb.timeline import PENDING
from fogbank.store import change

PORTION = 200
VIEW = "NEW_AND_OLD_IMAGES"
ACTIONS = ("CreateTable", "CreateTableReplica", "Query", "Scan", "UpdateItem", "PutItem", "GetItem", "DeleteItem", "BatchWriteItem")
"""What the caller must be allowed to do with a new replica."""
TableOrIndex = TypeVar("TableOrIndex", Table, Index)
_region = re.compile(r"[a-z]{2}(-[a-z]+)+-\d").fullmatch


def updated(ctx: Context, table: Table, req: Any) -> Table:
    """The table after an UpdateTable's ReplicaUpdates. Raises ValidationException, AccessDenied."""
    if req.MultiRegionConsistency == "STRONG":
        raise NotImplementedOperation("dynamodb", "UpdateTable", "with MultiRegionConsistency=STRONG")
    for one in req.ReplicaUpdates:
        given = [action for action in (one.Create, one.Update, one.Delete, one.Disassociate) if action is not None]
        if len(given) != 1:
            raise invalid_values("One of ReplicaUpdate's Create, Update, Delete and Disassociate must be specified")
        if one.Disassociate is not None:
            raise NotImplementedOperation("dynamodb", "UpdateTable", "with ReplicaUpdates that Disassociate")
        if given[0].RegionName == table.region:
            raise invalid(
                "Cannot add, delete, or update the local region through ReplicaUpdates. "
                "Use CreateTable, DeleteTable, or UpdateTable as required."
            )
        if one.Create is not None:
            table = _created(ctx, table, one.Create)
        elif one.Update is not None:
            TABLES.put(ctx, _overridden(ctx, _replica_at(ctx, table, one.Update.RegionName), one.Update))
        else:
            table = _deleted(ctx, table, one.Delete.RegionName)
    return table


def _replica_at(ctx: Context, table: Table, region: str) -> Table:
    replica = next((one for one in others(ctx, table) if one.region == region), None)
    if replica is None:
        raise ServiceException(
            "ValidationException",
            f"Replica specified in the Replica Update or Replica Delete action of the request was not found: {region}",
        )
    if replica.status != "ACTIVE":
        raise ServiceException("ResourceInUseException", f"Replica is being {replica.status.lower()}: {region}")
    return replica


def _created(ctx: Context, table: Table, given: Any) -> Table:
    """The table with one more replica, which a task fills. Its stream is switched on where it has none."""
    region = given.RegionName
    if not _region(region):
        raise invalid(f"Region {region} does not exist")
    if table.encryption is not None or given.KMSMasterKeyId is not None:
        raise NotImplementedOperation("dynamodb", "UpdateTable", "with ReplicaUpdates of a table under a KMS key")
    for action in ACTIONS:
        ctx.authorize(f"dynamodb:{action}", arn(table.account, region, table.name))
    if TABLES.get(ctx, table.account, region, table.name) is not None:
        raise invalid(
            f"Failed to create a the new replica of table with name: '{table.name}' because one or more replicas already existed as tables."
        )
    if table.stream is None or not table.stream.enabled:
        table = streaming.enabled(ctx, table, VIEW)
    elif table.stream.view != VIEW:
        raise invalid_values(f"Table must have a stream of {VIEW}, to have replicas")
    table = change(table, group=table.group or ctx.random.uuid())
    replica = change(
        table,
        region=region,
        id=ctx.random.uuid(),
        contents=ctx.tx.unique(),
        version=ctx.random.hex(16),
        status="CREATING",
        created_at_ms=ctx.now,
        indexes=tuple(change(i, number=ctx.tx.unique(), status="CREATING") for i in table.indexes if i.status != "DELETING"),
        deletion_protection=False,
        tags={},
        policy="",
        policy_revision="",
        recovery=None,
        restored=None,
        stream=None,
        destinations=(),
    )
    if replica.expiry is not None:
        on = replica.expiry.status in ("ENABLED", "ENABLING")
        replica = change(replica, expiry=change(replica.expiry, status="ENABLED") if on else None)
    replica = _overridden(ctx, streaming.enabled(ctx, replica, VIEW), given)
    TABLES.put(ctx, replica)
    ctx.later("dynamodb.fill_replica", {**about(replica), "from": table.region, "after": None})
    return table


def _overridden(ctx: Context, replica: Table, given: Any) -> Table:
    """The replica with what it is to have for itself."""
    if given.TableClassOverride is not None:
        replica = change(replica, table_class=given.TableClassOverride)
    named = {one.IndexName: one for one in given.GlobalSecondaryIndexes or ()}
    if unknown := named.keys() - {index.name for index in replica.indexes if not index.local}:
        raise invalid_values(f"Replica has no global secondary index {sorted(unknown)[0]}")
    indexes = tuple(_read(index, named[index.name]) if index.name in named else index for index in replica.indexes)
    return _read(change(replica, indexes=indexes, version=ctx.random.hex(16)), given)


def _read(what: TableOrIndex, given: Any) -> TableOrIndex:
    """A table or an index with its own capacity for reading."""
    if given.ProvisionedThroughputOverride is not None:
        what = change(what, throughput=change(what.throughput, read=given.ProvisionedThroughputOverride.ReadCapacityUnits))
    if given.OnDemandThroughputOverride is not None:
        limit = given.OnDemandThroughputOverride.MaxReadRequestUnits
        what = change(what, throughput=change(what.throughput, read_limit=0 if limit == -1 else limit))
    return what


def _deleted(ctx: Context, table: Table, region: str) -> Table:
    """The table with one replica less."""
    replica = _replica_at(ctx, table, region)
    ctx.authorize("dynamodb:DeleteTable", arn_of(replica))
    ctx.authorize("dynamodb:DeleteTableReplica", arn_of(replica))
    if replica.deletion_protection:
        raise invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
    alone = len(others(ctx, table)) == 1
    gone = change(left(ctx, streaming.disabled(ctx, replica)), status="DELETING", version=ctx.random.hex(16))
    TABLES.put(ctx, gone)
    settle_soon(ctx, gone)
    return change(table, group="") if alone else table


# version 2017.11.29


@operation("ListGlobalTables")
def list_global_tables(ctx: Context, req: Any) -> Answer:
    """Global tables of the first version: there are none here. Those of today are tables with Replicas (DescribeTable)."""
    return {"GlobalTables": []}


@operation("DescribeGlobalTable")
def describe_global_table(ctx: Context, req: Any) -> Answer:
    """A global table of the first version, which none is. Errors: GlobalTableNotFoundException."""
    raise ServiceException("GlobalTableNotFoundException", f"Global table not found: {req.GlobalTableName}")


# fed


@task("fill_replica")
def fill_replica(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Copies the next items into a new replica; those that were changed meanwhile have come by themselves."""
    replica = table_of(ctx, payload)
    if replica is None or replica.status != "CREATING":
        return None
    source = next((one for one in others(ctx, replica) if one.region == payload["from"]), None)
    if source is not None:
        rows, after = copying.portion(ctx, source, payload["after"])
        for row in rows:
            place = (row.partition, row.sort)
            if ITEMS.get(ctx, replica.contents, *place) is None:
                copying.write(ctx, replica, bodies.item_of(ctx, source, row), row.size, place, BY_REPLICA)
        if after is not None:
            ctx.later("dynamodb.fill_replica", {**payload, "after": after})
            return None
    settle_soon(ctx, replica)
    return None


@task("replicate")
def replicate(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Takes the next changed items of a replica to the others, all in one transaction: so nothing older can arrive later."""
    table = table_of(ctx, payload)
    waiting = list(islice(PENDING.scan(ctx, payload["contents"]), PORTION))
    targets = others(ctx, table) if table is not None else []
    for pending in waiting:
        PENDING.delete(ctx, pending)
        place = (pending.partition, pending.sort)
        row = ITEMS.get(ctx, payload["contents"], *place)
        for target in targets:
            theirs = PENDING.get(ctx, target.contents, *place)
            if theirs is None or theirs.number < pending.number:
                if theirs is not None:
                    PENDING.delete(ctx, theirs)
                assert table is not None
                _take_over(ctx, table, row, target, place)
    if len(waiting) == PORTION:
        ctx.later("dynamodb.replicate", payload)
    return None


def _take_over(ctx: Context, source: Table, row: Row | None, target: Table, place: Place) -> None:
    """Makes an item of a replica what it is in another one."""
    there = ITEMS.get(ctx, target.contents, *place)
    newest = row if row is not None else there
    if newest is None:
        return
    compiled = schema.of(target)
    item = bodies.item_of(ctx, source if row is not None else target, newest)
    taken = changes.Change(ctx, target, compiled, place, compiled.key_of(item), there)
    taken.by = BY_REPLICA
    if row is not None:
        taken.new, taken.size = item, row.size
    changes.apply(ctx, taken)
