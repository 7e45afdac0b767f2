"""Pages of items: what Query and Scan share. Rows are read as they are needed, never more than a page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import bodies, capacity, metrics, schema, values
from fogbank.services.dynamodb.addresses import table_at
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.expressions import Asked, Condition, Projection
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.schema import Schema, View
from fogbank.services.dynamodb.state import ENTRIES, ITEMS, PAGE_BYTES, Entry, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.values import Item

Shown = Item | msgspec.Raw
Start = tuple[str, ...]
"""Where a page goes on: partition and sort in what is read; for an index also those of the item."""


class Source(NamedTuple):
    """What a request reads of, and how."""

    table: Table
    schema: Schema
    view: View
    projection: Projection | None
    fetching: bool
    """Whether a local index is read for attributes that it does not have: then each item is fetched from the table."""
    counting: bool
    """Whether only the count is wanted."""


class Page(NamedTuple):
    items: list[Shown]
    matched: int
    scanned: int
    size: int
    fetched: float
    """Units of fetching items from the table (half of that, where the read may be a little behind)."""
    last: Item | None
    """The key to go on from; None after the last page."""


def source(ctx: Context, req: Any, asked: Asked) -> Source:
    """What a Query or a Scan reads. Raises ValidationException where it asks for what the index has not."""
    table = table_at(ctx, req.TableName)
    compiled = schema.of(table)
    view, fetching = compiled.main, False
    projection, select = asked.projection, req.Select
    if req.IndexName is not None:
        view = _index_at(table, compiled, req.IndexName)
        if req.ConsistentRead and view.index is not None and not view.index.local:
            raise invalid("Consistent reads are not supported on global secondary indexes")
    _check_select(select, projection, view)
    index = view.index
    if index is not None and view.projected is not None:
        wanted = set(projection.attributes) - view.projected if projection is not None else set()
        if index.local:
            fetching = select == "ALL_ATTRIBUTES" or bool(wanted)
        elif select == "ALL_ATTRIBUTES":
            raise invalid_values(
                f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} "
                "because its projection type is not ALL"
            )
        elif wanted:
            raise invalid_values(f"Global secondary index {index.name} does not project [{', '.join(sorted(wanted))}]")
    return Source(table, compiled, view, projection, fetching, select == "COUNT")


def _index_at(table: Table, compiled: Schema, name: str) -> View:
    index = next((i for i in table.indexes if i.name == name), None)
    if index is None or index.status == "DELETING":
        raise invalid(f"The table does not have the specified index: {name}")
    if index.status == "CREATING":
        raise invalid(f"Cannot read from backfilling global secondary index: {name}")
    return compiled.by_name[name]


def _check_select(select: str | None, projection: Projection | None, view: View) -> None:
    if select is None:
        return
    if select == "ALL_PROJECTED_ATTRIBUTES" and view.index is None:
        raise invalid(
            "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
        )
    if select == "SPECIFIC_ATTRIBUTES":
        if projection is None:
            raise invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
    elif projection is not None:
        what = "only the Count" if select == "COUNT" else select
        raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {what}")


# pages


def rows(ctx: Context, source: Source, *prefix: str, start: Start | None, reverse: bool = False, **bounds: Any) -> Iterator[Row]:
    """The rows of items, in the order of what is read. `bounds` as for a table's scan; after `start`."""
    if start is not None:
        bounds["before" if reverse else "after"] = start[len(prefix) :]
    index = source.view.index
    if index is None:
        return ITEMS.scan(ctx, source.table.contents, *prefix, reverse=reverse, **bounds)
    return _pointed_at(ctx, source.table, ENTRIES.scan(ctx, index.number, *prefix, reverse=reverse, **bounds))


def _pointed_at(ctx: Context, table: Table, entries: Iterator[Entry]) -> Iterator[Row]:
    for entry in entries:
        row = ITEMS.get(ctx, table.contents, entry.item_partition, entry.item_sort)
        if row is not None:
            yield row


def page(ctx: Context, source: Source, found: Iterator[Row], test: Condition | None, limit: int | None) -> Page:
    """The next items, up to a limit or to 1 MB of what was read; those that do not pass the test are read, too."""
    table, view, projection = source.table, source.view, source.projection
    partial = view.projected is not None
    items: list[Shown] = []
    matched = scanned = size = 0
    fetched = 0.0
    last: Row | None = None
    for row in found:
        item = bodies.item_of(ctx, table, row) if partial or test is not None or projection is not None else None
        own = view.size(item, row.size) if item is not None else row.size
        if scanned and size + own > PAGE_BYTES:
            break
        size += own
        scanned += 1
        last = row
        if item is not None and partial and not source.fetching:
            item = view.shown(item)
        elif source.fetching:
            fetched += capacity.read(row.size, True)
        if test is None or item is None or test.holds(item):
            matched += 1
            if not source.counting:
                items.append(bodies.raw_of(ctx, table, row) if item is None else item if projection is None else projection.pick(item))
        if scanned == limit:
            break
    else:
        last = None
    return Page(items, matched, scanned, size, fetched, None if last is None else _key(ctx, source, last))


def _key(ctx: Context, source: Source, row: Row) -> Item:
    item = bodies.item_of(ctx, source.table, row)
    return {name: item[name] for name in source.view.key_names}


def start_of(source: Source, key: Item) -> Start:
    """Where an ExclusiveStartKey stands in what is read. Raises ValidationException for one that cannot be."""
    view = source.view
    values.checked(key)
    try:
        if len(key) != len(view.key_names):
            raise KeyError
        for name, kind in view.types.items():
            key[name][kind]
        item = source.schema.place_of_key(source.schema.key_of(key))
    except (KeyError, ServiceException):
        raise invalid("The provided starting key is invalid: The provided key element does not match the schema") from None
    if view.index is None:
        return item
    place = view.place(key)
    assert place is not None
    return (*place, *item)


# the answer


def answer(ctx: Context, req: Any, source: Source, found: Page) -> dict[str, Any]:
    """What Query and Scan answer; the units are taken from the table's capacity, or the index's."""
    table, index = source.table, source.view.index
    told: dict[str, Any] = {"Count": found.matched, "ScannedCount": found.scanned}
    if not source.counting:
        told["Items"] = found.items
    if found.last is not None:
        told["LastEvaluatedKey"] = found.last
    consumed = capacity.read(found.size, req.ConsistentRead)
    if index is None:
        units = Units(consumed)
    else:
        units = Units(found.fetched if req.ConsistentRead else found.fetched / 2, {index.name: consumed})
    capacity.use(ctx, table, units, write=False, metered=source.schema.metered)
    metrics.tell(ctx, table, "ReturnedItemCount", float(found.matched), metrics.by(table.name, operation=ctx.operation))
    if capacity.wanted(req.ReturnConsumedCapacity):
        told["ConsumedCapacity"] = capacity.describe(table, req.TableName, units, req.ReturnConsumedCapacity)
    return told
