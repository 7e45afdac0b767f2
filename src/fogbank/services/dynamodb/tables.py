"""Tables: made, described, listed, deleted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import counts, definitions, encryption, policies, replicating, streaming, tags
from fogbank.services.dynamodb.addresses import Address, address, arn_of, known_table_at
from fogbank.services.dynamodb.definitions import ON_DEMAND, PROVISIONED
from fogbank.services.dynamodb.descriptions import describe
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import TABLES, TABLES_LIMIT, Index, Table
from fogbank.store import change

PAGE_LIMIT = 100
NOT_IN_CREATE_TABLE = ("GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "VectorIndexes", "WarmThroughput")


@operation("CreateTable")
def create_table(ctx: Context, req: Any) -> Answer:
    """Makes a table, CREATING at first and ACTIVE a moment later; at most 20 global and 5 local indexes, 2,500 tables in a region.

    Errors: ResourceInUseException, LimitExceededException, ValidationException. Source: API reference, CreateTable.
    """
    for member in NOT_IN_CREATE_TABLE:
        if getattr(req, member) is not None:
            raise NotImplementedOperation("dynamodb", "CreateTable", f"with {member}")
    where = address(ctx.account, ctx.region, req.TableName)
    table = defined(ctx, req, where)
    if TABLES.get(ctx, *where) is not None:
        raise ServiceException("ResourceInUseException", f"Table already exists: {where.name}")
    check_room(ctx)
    if table.tags:
        ctx.authorize("dynamodb:TagResource", arn_of(table))
    if req.ResourcePolicy is not None:
        ctx.authorize("dynamodb:PutResourcePolicy", arn_of(table))
        table = policies.attached(ctx, table, req.ResourcePolicy)
    if req.StreamSpecification is not None:
        table = streaming.specified(ctx, table, req.StreamSpecification)
    if req.SSESpecification is not None:
        table = encryption.specified(ctx, table, req.SSESpecification)
    TABLES.put(ctx, table)
    settle_soon(ctx, table)
    return {"TableDescription": describe(ctx, table, counts.NOTHING)}


def check_room(ctx: Context) -> None:
    """Raises LimitExceededException where the region has as many tables as it can."""
    _, more = paging.page(TABLES.scan(ctx, ctx.account, ctx.region), TABLES_LIMIT - 1)
    if more:
        raise ServiceException(
            "LimitExceededException", f"Subscriber limit exceeded: There is a limit of {TABLES_LIMIT} tables per region."
        )


def defined(ctx: Context, req: Any, where: Address) -> Table:
    """The table that a CreateTable asks for. Raises ValidationException."""
    if where.account != ctx.account:
        raise invalid("TableArn must name a table of the calling account")
    for member, value in (("attributeDefinitions", req.AttributeDefinitions), ("keySchema", req.KeySchema)):
        if value is None:
            raise invalid(f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null")
    attributes = definitions.attributes_of(req.AttributeDefinitions)
    partition, sort = definitions.table_key(req.KeySchema, attributes)
    billing_mode = req.BillingMode or PROVISIONED
    throughput = definitions.throughput_of(req, billing_mode)
    indexes: list[Index] = []
    if req.LocalSecondaryIndexes is not None:
        if sort is None:
            raise invalid_values("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
        if not req.LocalSecondaryIndexes:
            raise invalid_values("List of LocalSecondaryIndexes is empty")
        indexes += [definitions.local_index(one, attributes, partition.name, ctx.tx.unique()) for one in req.LocalSecondaryIndexes]
    if req.GlobalSecondaryIndexes is not None:
        if not req.GlobalSecondaryIndexes:
            raise invalid_values("List of GlobalSecondaryIndexes is empty")
        indexes += [definitions.global_index(one, attributes, billing_mode, ctx.tx.unique()) for one in req.GlobalSecondaryIndexes]
    definitions.check_indexes(indexes)
    keys = [partition.name, *([sort.name] if sort is not None else []), *keys_of(indexes)]
    definitions.check_used(attributes, keys)
    return Table(
        **where._asdict(),
        id=ctx.random.uuid(),
        contents=ctx.tx.unique(),
        version=ctx.random.hex(16),
        status="CREATING",
        created_at_ms=ctx.now,
        attributes=attributes,
        partition=partition.name,
        sort=sort.name if sort is not None else "",
        indexes=tuple(indexes),
        billing_mode=billing_mode,
        on_demand_at_ms=ctx.now if billing_mode == ON_DEMAND else 0,
        throughput=throughput,
        table_class=req.TableClass or "",
        deletion_protection=bool(req.DeletionProtectionEnabled),
        tags=tags.read(req.Tags or [], {}),
    )


def keys_of(indexes: list[Index]) -> list[str]:
    """The attributes that are part of an index's key."""
    return [part.name for index in indexes for part in (*index.partition, *index.sort)]


def settle_soon(ctx: Context, table: Table) -> None:
    """Has a status that is on its way (CREATING, UPDATING, DELETING) arrive, right after the commit."""
    where = {"account": table.account, "region": table.region, "name": table.name, "id": table.id}
    ctx.later("dynamodb.settle", where)
    if table.encryption is not None and table.encryption.status != "ENABLED":
        ctx.later("dynamodb.turn", where)


@operation("DescribeTable")
def describe_table(ctx: Context, req: Any) -> Answer:
    """A table: status, keys, indexes, capacity. A large table's counts are as of a while ago.

    Errors: ResourceNotFoundException. Source: API reference, DescribeTable.
    """
    return {"Table": describe(ctx, known_table_at(ctx, req.TableName))}


@operation("ListTables")
def list_tables(ctx: Context, req: Any) -> Answer:
    """The names of the account's tables in the region, in order, at most 100 a page. Source: API reference, ListTables."""
    size = req.Limit or PAGE_LIMIT
    tables, more = paging.page(TABLES.scan(ctx, ctx.account, ctx.region, after=req.ExclusiveStartTableName), size)
    names = [table.name for table in tables]
    answer: dict[str, Any] = {"TableNames": names}
    if more:
        answer["LastEvaluatedTableName"] = names[-1]
    return answer


@operation("DeleteTable")
def delete_table(ctx: Context, req: Any) -> Answer:
    """Deletes a table with its items and indexes: DELETING first, gone a moment later.

    Errors: ResourceNotFoundException, ResourceInUseException, ValidationException (deletion protection).
    Source: API reference, DeleteTable.
    """
    table = known_table_at(ctx, req.TableName)
    if table.deletion_protection:
        raise invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
    if table.status in ("CREATING", "UPDATING"):
        words = "created" if table.status == "CREATING" else "updated"
        raise ServiceException(
            "ResourceInUseException", f"Attempt to change a resource which is still in use: Table is being {words}: {table.name}"
        )
    if table.status != "DELETING":
        table = replicating.left(ctx, streaming.disabled(ctx, table))
    deleted = change(table, status="DELETING", version=ctx.random.hex(16))
    TABLES.put(ctx, deleted)
    settle_soon(ctx, deleted)
    return {"TableDescription": describe(ctx, deleted, counts.NOTHING)}
