"""A change of one item: prepared (looked up, its condition checked, its outcome computed), paid for, applied.

Everything that writes an item comes through here: PutItem and its kin, batches, transactions, statements, imports, TTL, replicas.
`apply` is the one place that writes ITEMS, and so the one place from which a change is told to others.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import bodies, capacity, collections, following, metrics, schema, values
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.expressions import Asked
from fogbank.services.dynamodb.faults import invalid_values
from fogbank.services.dynamodb.following import BY_CALL
from fogbank.services.dynamodb.schema import Place, Schema
from fogbank.services.dynamodb.state import ENTRIES, ITEMS, Entry, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.values import Item


class Change:
    """One item, before and after. `row` is what is stored, None where there is none; `new` is None where it goes.

    `by`: who changes it (`following`).
    """

    __slots__ = ("_ctx", "_old", "by", "key", "new", "place", "row", "schema", "size", "table", "units")

    def __init__(self, ctx: Context, table: Table, compiled: Schema, place: Place, key: Item, row: Row | None) -> None:
        self._ctx = ctx
        self._old: Item | None = None
        self.by = BY_CALL
        self.table = table
        self.schema = compiled
        self.place = place
        self.key = key
        self.row = row
        self.new: Item | None = None
        self.size = 0
        self.units: Units | None = None

    @property
    def old(self) -> Item | None:
        """The item as it was."""
        if self._old is None and self.row is not None:
            self._old = bodies.item_of(self._ctx, self.table, self.row)
        return self._old

    @property
    def old_size(self) -> int:
        return self.row.size if self.row is not None else 0

    def keep(self) -> None:
        """The item stays as it is: it was only to be looked at."""
        self.new, self.size = self.old, self.old_size

    def consumed(self) -> Units:
        """The units of the write."""
        if self.units is None:
            compiled = self.schema
            if compiled.indexes:
                self.units = capacity.of_write(compiled, self.old, self.old_size, self.new, self.size)
            else:
                self.units = Units(capacity.written(max(self.old_size, self.size)))
        return self.units


# prepared


def put(ctx: Context, table: Table, item: Item, asked: Asked, reveal: str | None = None, *, look: bool = True) -> Change:
    """An item in place of whatever has its key. `look`: what was there is needed for the answer.

    A put that nothing depends on is blind: it does not look.
    """
    compiled = schema.of(table)
    size = values.measured(item)
    place = compiled.place_of(item)
    compiled.check(item, size)
    look = look or asked.condition is not None or compiled.followed
    change = Change(ctx, table, compiled, place, item, ITEMS.get(ctx, table.contents, *place) if look else None)
    if asked.condition is not None:
        require(ctx, change, asked, reveal)
    change.new, change.size = item, size
    return change


def update(ctx: Context, table: Table, key: Item, asked: Asked, reveal: str | None = None) -> Change:
    """An item changed, or made where there is none (unless an older parameter only takes attributes away)."""
    change = look_up(ctx, table, key)
    require(ctx, change, asked, reveal)
    old, compiled = change.old, change.schema
    if asked.update is None:
        new = dict(key) if old is None else old
    else:
        for name in asked.update.plan.written.attributes:
            if name in compiled.keys:
                raise invalid_values(f"Cannot update attribute {name}. This attribute is part of the key")
        if old is None and not asked.update.plan.makes:
            return change
        new = asked.update.apply(key if old is None else old)
    change.new, change.size = new, values.size(new)
    compiled.check(new, change.size, update=True)
    return change


def delete(ctx: Context, table: Table, key: Item, asked: Asked, reveal: str | None = None) -> Change:
    """An item taken away; no error where there is none."""
    change = look_up(ctx, table, key)
    require(ctx, change, asked, reveal)
    return change


def look_up(ctx: Context, table: Table, key: Item) -> Change:
    """The item with a key, not changed yet. Raises ValidationException where it is no key of the table."""
    compiled = schema.of(table)
    place = compiled.place_of_key(values.checked(key))
    return Change(ctx, table, compiled, place, key, ITEMS.get(ctx, table.contents, *place))


def require(ctx: Context, change: Change, asked: Asked, reveal: str | None) -> None:
    """Raises ConditionalCheckFailedException where the item does not meet the condition; `reveal` is ALL_OLD: with the item."""
    condition = asked.condition
    if condition is None or condition.holds(change.old or {}):
        return
    row = change.row
    shown: dict[str, Any] = {"Item": bodies.raw_of(ctx, change.table, row)} if row is not None and reveal == "ALL_OLD" else {}
    capacity.use(ctx, change.table, Units(capacity.written(change.old_size)), write=True, metered=change.schema.metered)
    metrics.tell(ctx, change.table, "ConditionalCheckFailedRequests", 1.0, metrics.by(change.table.name))
    raise ServiceException("ConditionalCheckFailedException", "The conditional request failed", **shown)


# applied


def apply(ctx: Context, change: Change) -> None:
    """Writes a change that has been prepared and paid for."""
    table, new = change.table, change.new
    partition, sort = change.place
    row: Row | None = None
    if new is not None:
        row = Row(table.contents, partition, sort, bodies.packed(ctx, table, new), change.size)
        ITEMS.put(ctx, row)
    elif change.row is not None:
        ITEMS.delete(ctx, change.row)
    else:
        return
    compiled = change.schema
    if compiled.told:
        following.tell(ctx, change, row)
    if compiled.indexes:
        _keep_indexes(ctx, change)
        if compiled.collected:
            collections.follow(ctx, change)


def _keep_indexes(ctx: Context, change: Change) -> None:
    """Moves the item's entries where its index keys have changed."""
    old, new = change.old, change.new
    for view in change.schema.indexes:
        assert view.index is not None
        before = view.place(old) if old is not None else None
        after = view.place(new) if new is not None else None
        if before != after:
            if before is not None:
                ENTRIES.delete(ctx, Entry(view.index.number, *before, *change.place))
            if after is not None:
                ENTRIES.put(ctx, Entry(view.index.number, *after, *change.place))


def pay(ctx: Context, change: Change, factor: float = 1.0) -> None:
    """Takes the units of a write from the table's capacity. Raises ProvisionedThroughputExceededException."""
    units = change.consumed()
    if factor != 1.0:
        whole, units = units, Units()
        units.add(whole, factor)
    capacity.use(ctx, change.table, units, write=True, metered=change.schema.metered)
