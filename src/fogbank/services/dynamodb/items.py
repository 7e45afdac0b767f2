"""Single items: put, got, updated, deleted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import bodies, capacity, changes, collections, expressions, schema, values
from fogbank.services.dynamodb.addresses import table_at
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.changes import Change
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import ITEMS


@operation("PutItem")
def put_item(ctx: Context, req: Any) -> Answer:
    """Puts an item in place of whatever has its key; at most 400 KB, names included. ReturnValues: NONE, ALL_OLD.

    Errors: ResourceNotFoundException, ConditionalCheckFailedException, ProvisionedThroughputExceededException, ValidationException,
    ItemCollectionSizeLimitExceededException. Source: API reference, PutItem.
    """
    returned = _only_all_old(req.ReturnValues)
    table = table_at(ctx, req.TableName)
    asked = expressions.of(req)
    look = returned or capacity.wanted(req.ReturnConsumedCapacity)
    change = changes.put(ctx, table, req.Item, asked, req.ReturnValuesOnConditionCheckFailure, look=look)
    changes.pay(ctx, change)
    changes.apply(ctx, change)
    answer: dict[str, Any] = {}
    if returned and change.row is not None:
        answer["Attributes"] = bodies.raw_of(ctx, table, change.row)
    return tell(ctx, req, change, answer)


@operation("GetItem")
def get_item(ctx: Context, req: Any) -> Answer:
    """The attributes of the item with a key, or some of them; no Item where there is none.

    Errors: ResourceNotFoundException, ProvisionedThroughputExceededException, ValidationException. Source: API reference, GetItem.
    """
    table = table_at(ctx, req.TableName)
    projection = expressions.of(req).projection
    compiled = schema.of(table)
    place = compiled.place_of_key(values.checked(req.Key))
    row = ITEMS.get(ctx, table.contents, *place)
    answer: dict[str, Any] = {}
    units = Units(capacity.read(row.size if row is not None else 0, req.ConsistentRead))
    capacity.use(ctx, table, units, write=False, metered=compiled.metered)
    if capacity.wanted(req.ReturnConsumedCapacity):
        answer["ConsumedCapacity"] = capacity.describe(table, req.TableName, units, req.ReturnConsumedCapacity)
    if row is not None:
        if projection is None:
            answer["Item"] = bodies.raw_of(ctx, table, row)
        else:
            answer["Item"] = projection.pick(bodies.item_of(ctx, table, row))
    return answer


@operation("UpdateItem")
def update_item(ctx: Context, req: Any) -> Answer:
    """Changes attributes of an item, which is made where there is none.

    Errors: as PutItem. Source: API reference, UpdateItem.
    """
    table = table_at(ctx, req.TableName)
    asked = expressions.of(req)
    change = changes.update(ctx, table, req.Key, asked, req.ReturnValuesOnConditionCheckFailure)
    changes.pay(ctx, change)
    changes.apply(ctx, change)
    answer: dict[str, Any] = {}
    returned = req.ReturnValues
    if returned is not None and returned != "NONE":
        shown = change.new if returned.endswith("NEW") else change.old
        if shown is not None and returned.startswith("UPDATED"):
            shown = asked.update.touched(shown) if asked.update is not None else {}
        if shown:
            answer["Attributes"] = shown
    return tell(ctx, req, change, answer)


@operation("DeleteItem")
def delete_item(ctx: Context, req: Any) -> Answer:
    """Deletes the item with a key, if it is there. ReturnValues: NONE, ALL_OLD. Errors: as PutItem. Source: API reference, DeleteItem."""
    returned = _only_all_old(req.ReturnValues)
    table = table_at(ctx, req.TableName)
    change = changes.delete(ctx, table, req.Key, expressions.of(req), req.ReturnValuesOnConditionCheckFailure)
    changes.pay(ctx, change)
    changes.apply(ctx, change)
    answer: dict[str, Any] = {}
    if returned and change.row is not None:
        answer["Attributes"] = bodies.raw_of(ctx, table, change.row)
    return tell(ctx, req, change, answer)


def _only_all_old(returned: str | None) -> bool:
    """Whether the old item is wanted. Raises ValidationException for what only UpdateItem can return."""
    if returned is None or returned == "NONE":
        return False
    if returned != "ALL_OLD":
        raise invalid("ReturnValues can only be ALL_OLD or NONE")
    return True


def tell(ctx: Context, req: Any, change: Change, answer: dict[str, Any]) -> dict[str, Any]:
    """Adds to the answer what the request wants to know about a write: ConsumedCapacity, ItemCollectionMetrics."""
    if capacity.wanted(req.ReturnConsumedCapacity):
        answer["ConsumedCapacity"] = capacity.describe(change.table, req.TableName, change.consumed(), req.ReturnConsumedCapacity)
    if req.ReturnItemCollectionMetrics == "SIZE":
        metrics = collections.describe(ctx, change)
        if metrics is not None:
            answer["ItemCollectionMetrics"] = metrics
    return answer
