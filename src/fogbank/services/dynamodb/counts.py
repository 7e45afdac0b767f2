"""How many items and bytes a table and its indexes have.

Nothing is counted when items are written. A table of up to AT_ONCE items is counted when it is described, so the figures are
exact; of a larger one, they are what was counted last, and describing it has it counted again where that is six hours ago.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import bodies, schema
from fogbank.services.dynamodb.state import COUNTS, ITEMS, TABLES, Count, Table
from fogbank.store import change

AT_ONCE = 250
PORTION = 1000
"""Items counted in one transaction of the task."""
ENTRY_BYTES = 100
"""What an index's row takes beside the attributes. Source: developer guide, Storage considerations for global secondary indexes."""
STALE_MS = 6 * 3_600_000

Figure = tuple[int, int]


class Figures(NamedTuple):
    """(items, bytes) of a table, and of its indexes by name."""

    table: Figure
    indexes: dict[str, Figure]


NOTHING = Figures((0, 0), {})


def of(ctx: Context, table: Table) -> Figures:
    """The figures of a table."""
    rows = list(islice(ITEMS.scan(ctx, table.contents), AT_ONCE + 1))
    sealed = table.encryption is not None and bool(table.indexes)  # who looks at a table need not be let in to its items
    if len(rows) <= AT_ONCE and not sealed:
        return _counted(ctx, table, rows)
    known = COUNTS.get(ctx, table.contents) or Count(contents=table.contents)
    if not known.counting and known.at_ms + STALE_MS <= ctx.now:
        COUNTS.put(ctx, change(known, counting=True))
        where = {"account": table.account, "region": table.region, "name": table.name, "contents": table.contents}
        ctx.later("dynamodb.count", where)
    return Figures((known.items, known.size), known.indexes)


def _counted(ctx: Context, table: Table, rows: list[Any]) -> Figures:
    compiled = schema.of(table)
    indexes: dict[str, Figure] = {}
    if compiled.indexes and rows:
        for row in rows:
            item = bodies.item_of(ctx, table, row)
            for view in compiled.indexes:
                if view.place(item) is not None:
                    items, size = indexes.get(view.name, (0, 0))
                    indexes[view.name] = (items + 1, size + view.size(item, row.size) + ENTRY_BYTES)
    return Figures((len(rows), sum(row.size for row in rows)), indexes)


@task("count")
def count(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Counts a large table, a portion at a time; `after` is where the last portion ended, `items`... what it has come to."""
    table = TABLES.get(ctx, payload["account"], payload["region"], payload["name"])
    if table is None or table.contents != payload["contents"]:
        return None
    after = tuple(payload["after"]) if "after" in payload else None
    rows = list(islice(ITEMS.scan(ctx, table.contents, after=after), PORTION))
    part = _counted(ctx, table, rows)
    items, size = payload.get("items", 0) + part.table[0], payload.get("size", 0) + part.table[1]
    indexes: dict[str, Figure] = {name: (figure[0], figure[1]) for name, figure in payload.get("indexes", {}).items()}
    for name, figure in part.indexes.items():
        before = indexes.get(name, (0, 0))
        indexes[name] = (before[0] + figure[0], before[1] + figure[1])
    if len(rows) == PORTION:
        place = [rows[-1].partition, rows[-1].sort]
        ctx.later("dynamodb.count", {**payload, "after": place, "items": items, "size": size, "indexes": indexes})
    else:
        COUNTS.put(ctx, Count(contents=table.contents, at_ms=ctx.now, items=items, size=size, indexes=indexes))
    return None
