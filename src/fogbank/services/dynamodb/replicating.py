"""Global tables, written: what was changed in one replica waits here until the others have it.

All replicas are one group; a table of another region with the same name and group. What is written to a replica is noted in
PENDING, and a task takes the newest state of the item to all others. The last writer wins: a change that is noted with
a later number than what comes from elsewhere stays, and goes out itself. Source: developer guide, Global tables: how it works.
"""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.services.dynamodb.expiring import about
from fogbank.services.dynamodb.schema import Place
from fogbank.services.dynamodb.state import GROUPED, TABLES, Table
from fogbank.services.dynamodb.timeline import PENDING, Pending
from fogbank.store import change

BY_REPLICA = "replica"
DELAY_S = 0.5
"""What it takes to the other regions: whoever reads there at once reads the past, as on AWS."""


def others(ctx: Context, table: Table) -> list[Table]:
    """The other replicas of a table."""
    if not table.group:
        return []
    return [one for one in GROUPED.scan(ctx, table.group) if one.region != table.region]


def follow(ctx: Context, table: Table, place: Place) -> None:
    """Has the others told of a changed item."""
    if next(PENDING.scan(ctx, table.contents), None) is None:
        ctx.later("dynamodb.replicate", about(table), delay_s=DELAY_S)
    PENDING.put(ctx, Pending(table.contents, *place, ctx.tx.unique()))


def left(ctx: Context, table: Table) -> Table:
    """The table without its group; a replica that is alone then is none any more."""
    rest = others(ctx, table)
    if len(rest) == 1:
        TABLES.put(ctx, change(rest[0], group="", version=ctx.random.hex(16)))
    return change(table, group="")
