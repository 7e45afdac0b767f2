"""Items copied from one table into another, as they are or as they were, a portion at a time."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.dynamodb import bodies, changes, schema
from fogbank.services.dynamodb.schema import Place
from fogbank.services.dynamodb.state import ITEMS, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.values import Item

PORTION = 500
PORTION_BYTES = 4 << 20
"""What is copied in one transaction, so that other calls get their turn."""


def portion(at: Any, table: Table, after: Any, count: int = PORTION, size: int = PORTION_BYTES) -> tuple[list[Row], Place | None]:
    """The next rows of a table after a place, and the place to go on from where there may be more."""
    rows: list[Row] = []
    for row in ITEMS.scan(at, table.contents, after=tuple(after) if after is not None else None):
        rows.append(row)
        size -= row.size
        if len(rows) == count or size <= 0:
            return rows, (row.partition, row.sort)
    return rows, None


def write(ctx: Context, table: Table, item: Item, size: int, place: Place, by: str) -> None:
    """Puts an item where there is none, without a call's checks and costs."""
    change = changes.Change(ctx, table, schema.of(table), place, item, None)
    change.new, change.size, change.by = item, size, by
    changes.apply(ctx, change)


def copy(ctx: Context, at: Any, source: Table, target: Table, after: Any, by: str) -> Place | None:
    """Copies the next items into a table that does not have them; the place to go on from, where there may be more."""
    rows, further = portion(at, source, after)
    for row in rows:
        write(ctx, target, bodies.item_of(ctx, source, row), row.size, (row.partition, row.sort), by)
    return further
