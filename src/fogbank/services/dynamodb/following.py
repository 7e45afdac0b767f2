"""What follows a change of an item: its table's streams, time to live, and replicas are told, in the same transaction.

`changes.apply` comes here for tables that have one of these; others pay nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fogbank.kernel.context import Context
from fogbank.services.dynamodb import expiring, feeding, replicating, streaming
from fogbank.services.dynamodb.state import Item as Row

BY_CALL = ""

if TYPE_CHECKING:
    from fogbank.services.dynamodb.changes import Change


def tell(ctx: Context, change: Change, row: Row | None) -> None:
    """Tells of a change that has been written; `row` is what is stored now."""
    table = change.table
    if table.group and change.by != replicating.BY_REPLICA:
        replicating.follow(ctx, table, change.place)
    if change.old == change.new:
        return
    if table.stream is not None and table.stream.enabled:
        streaming.follow(ctx, table, table.stream, change, row)
    if table.destinations:
        feeding.follow(ctx, table, change, row)
    if table.expiry is not None:
        expiring.follow(ctx, table, table.expiry, change)
