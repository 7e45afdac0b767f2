"""BatchGetItem and BatchWriteItem: many items of many tables, each by itself. What throttling leaves over is given back."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import access, bodies, capacity, changes, collections, expressions, schema, values
from fogbank.services.dynamodb.addresses import address, table_at
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.changes import Change
from fogbank.services.dynamodb.expressions import Asked
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import ITEMS, Table
from fogbank.services.dynamodb.values import Item

GET_LIMIT = 100
WRITE_LIMIT = 25
BATCH_BYTES = 16 << 20
THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException")
_NOTHING = Asked()


def _check_tables(ctx: Context, names: Any) -> None:
    """A table is named only once, by name or by ARN."""
    found = [address(ctx.account, ctx.region, name) for name in names]
    if len(set(found)) < len(found):
        raise invalid("One table is referenced in the request more than once")


@operation("BatchGetItem", authorized_here=True)
def batch_get_item(ctx: Context, req: Any) -> Answer:
    """Up to 100 items by their keys, up to 16 MB; in no order. What did not fit is in UnprocessedKeys.

    Errors: ResourceNotFoundException, ProvisionedThroughputExceededException (nothing could be read), ValidationException.
    Source: API reference, BatchGetItem.
    """
    wanted: dict[str, Any] = req.RequestItems
    asked = {name: expressions.of(part) for name, part in wanted.items()}
    _check_tables(ctx, wanted)
    for name, part in wanted.items():
        access.authorize_batch(ctx, "BatchGetItem", name, req, part.Keys, asked[name])
    if sum(len(part.Keys) for part in wanted.values()) > GET_LIMIT:
        raise invalid("Too many items requested for the BatchGetItem call")
    tables = {name: table_at(ctx, name) for name in wanted}
    places = {name: _places(tables[name], part.Keys) for name, part in wanted.items()}
    responses: dict[str, list[Any]] = {name: [] for name in wanted}
    units = {name: Units() for name in wanted}
    left: dict[str, list[Item]] = {}
    room = BATCH_BYTES
    refused: ServiceException | None = None
    for name, part in wanted.items():
        table, projection = tables[name], asked[name].projection
        metered = schema.of(table).metered
        for key, place in zip(part.Keys, places[name], strict=True):
            row = ITEMS.get(ctx, table.contents, *place)
            size = row.size if row is not None else 0
            cost = Units(capacity.read(size, part.ConsistentRead))
            try:
                if room >= size:
                    capacity.use(ctx, table, cost, write=False, metered=metered)
            except ServiceException as problem:
                refused = problem
                left.setdefault(name, []).append(key)
                continue
            if room < size:
                left.setdefault(name, []).append(key)
                continue
            units[name].add(cost)
            room -= size
            if row is not None:
                whole = projection is None
                responses[name].append(bodies.raw_of(ctx, table, row) if whole else projection.pick(bodies.item_of(ctx, table, row)))  # type: ignore[union-attr]
    if refused is not None and not any(one.table for one in units.values()):
        raise refused
    answer: dict[str, Any] = {
        "Responses": responses,
        "UnprocessedKeys": {name: _keys_left(wanted[name], keys) for name, keys in left.items()},
    }
    _tell_units(req, tables, units, answer)
    return answer


def _places(table: Table, keys: list[Item]) -> list[schema.Place]:
    compiled = schema.of(table)
    places = [compiled.place_of_key(values.checked(key)) for key in keys]
    if len(set(places)) < len(places):
        raise invalid("Provided list of item keys contains duplicates")
    return places


def _keys_left(part: Any, keys: list[Item]) -> dict[str, Any]:
    """A part of a BatchGetItem with the keys that are left."""
    members = {name: getattr(part, name) for name in part.__struct_fields__ if name != "Keys"}
    return {"Keys": keys, **{name: value for name, value in members.items() if value is not None}}


def _tell_units(req: Any, tables: dict[str, Table], units: dict[str, Units], answer: dict[str, Any]) -> None:
    mode = req.ReturnConsumedCapacity
    if capacity.wanted(mode):
        answer["ConsumedCapacity"] = [capacity.describe(tables[name], name, one, mode) for name, one in units.items() if one.total]


@operation("BatchWriteItem", authorized_here=True)
def batch_write_item(ctx: Context, req: Any) -> Answer:
    """Up to 25 puts and deletes, up to 16 MB, of items that are all different; each by itself, without conditions.

    What throttling left over is in UnprocessedItems.

    Errors: ResourceNotFoundException, ProvisionedThroughputExceededException (nothing could be written), ValidationException,
    ItemCollectionSizeLimitExceededException. Source: API reference, BatchWriteItem.
    """
    wanted: dict[str, list[Any]] = req.RequestItems
    _check_tables(ctx, wanted)
    for name, requests in wanted.items():
        access.authorize_batch(ctx, "BatchWriteItem", name, req, [item for _, item in map(_part, requests)], None)
    if sum(map(len, wanted.values())) > WRITE_LIMIT:
        raise invalid("Too many items requested for the BatchWriteItem call")
    tables = {name: table_at(ctx, name) for name in wanted}
    prepared = [(name, request, _prepared(ctx, req, tables[name], request)) for name, requests in wanted.items() for request in requests]
    _check_parts([change for _, _, change in prepared])
    units = {name: Units() for name in wanted}
    metrics: dict[str, list[Any]] = {}
    left: dict[str, list[Any]] = {}
    refused: ServiceException | None = None
    for name, request, change in prepared:
        try:
            changes.pay(ctx, change)
        except ServiceException as problem:
            refused = problem
            left.setdefault(name, []).append(_given_back(request))
            continue
        changes.apply(ctx, change)
        units[name].add(change.consumed())
        if req.ReturnItemCollectionMetrics == "SIZE" and (metric := collections.describe(ctx, change)) is not None:
            metrics.setdefault(name, []).append(metric)
    if refused is not None and not any(one.total for one in units.values()):
        raise refused
    answer: dict[str, Any] = {"UnprocessedItems": left}
    if metrics:
        answer["ItemCollectionMetrics"] = metrics
    _tell_units(req, tables, units, answer)
    return answer


def _part(request: Any) -> tuple[bool, Item]:
    """Whether a WriteRequest puts, and its item or key."""
    put, delete = request.PutRequest, request.DeleteRequest
    if (put is None) == (delete is None):
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
            if put is not None
            else "Supplied WriteRequest is empty, must contain exactly one of PutRequest and DeleteRequest"
        )
    return (True, put.Item) if put is not None else (False, delete.Key)


def _prepared(ctx: Context, req: Any, table: Table, request: Any) -> Change:
    puts, item = _part(request)
    if puts:
        return changes.put(ctx, table, item, _NOTHING, look=capacity.wanted(req.ReturnConsumedCapacity))
    return changes.delete(ctx, table, item, _NOTHING)


def _check_parts(prepared: list[Change]) -> None:
    if len({(change.table.contents, *change.place) for change in prepared}) < len(prepared):
        raise invalid("Provided list of item keys contains duplicates")
    if sum(change.size for change in prepared) > BATCH_BYTES:
        raise invalid(f"The total size of the items exceeds the limit of {BATCH_BYTES} bytes")


def _given_back(request: Any) -> dict[str, Any]:
    puts, item = _part(request)
    return {"PutRequest": {"Item": item}} if puts else {"DeleteRequest": {"Key": item}}
