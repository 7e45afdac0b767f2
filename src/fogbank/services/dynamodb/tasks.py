"""What happens with time: statuses that were on their way arrive, new indexes are filled, what is abandoned is cleared up."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import backups, bodies
from fogbank.services.dynamodb.addresses import table_of
from fogbank.services.dynamodb.expiring import about
from fogbank.services.dynamodb.schema import View
from fogbank.services.dynamodb.state import (
    COLLECTIONS,
    COUNTS,
    ENTRIES,
    ITEMS,
    OLDEST_TOKENS,
    TABLES,
    TOKEN_MS,
    TOKENS,
    Entry,
    Index,
    Table,
)
from fogbank.store import change

PORTION = 500
"""Rows looked at in one transaction, so that other calls get their turn."""


def _where(table: Table) -> dict[str, Any]:
    return {"account": table.account, "region": table.region, "name": table.name, "id": table.id}


@task("settle")
def settle(ctx: Context, payload: dict[str, Any]) -> Answer:
    """CREATING and UPDATING become ACTIVE, DELETING nothing; an index that was added to a table begins to be filled."""
    table = table_of(ctx, payload)
    if table is None:
        return None
    if table.status == "DELETING":
        backups.at_deletion(ctx, table)
        TABLES.delete(ctx, table)
        if table.expiry is not None:
            ctx.later("dynamodb.forget_expiries", about(table))
        ctx.later("dynamodb.drop", {"contents": table.contents, "indexes": [index.number for index in table.indexes]})
        return None
    kept: list[Index] = []
    for index in table.indexes:
        if index.status == "DELETING":
            ctx.later("dynamodb.drop", {"contents": 0, "indexes": [index.number]})
        elif index.status == "CREATING" and table.status == "UPDATING":
            if not index.backfilling:
                ctx.later("dynamodb.backfill", {**_where(table), "index": index.number})
            kept.append(change(index, backfilling=True))
        else:
            kept.append(change(index, status="ACTIVE", backfilling=False))
    used = {table.partition, table.sort, *(part.name for index in kept for part in (*index.partition, *index.sort))}
    attributes = {name: kind for name, kind in table.attributes.items() if name in used}
    TABLES.put(ctx, change(table, status="ACTIVE", indexes=tuple(kept), attributes=attributes, version=ctx.random.hex(16)))
    return None


@task("backfill")
def backfill(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Fills a new index with the items that are there, a portion at a time; those that it cannot take stay out.

    Items written meanwhile enter it by themselves.
    """
    table = table_of(ctx, payload)
    index = next((i for i in table.indexes if i.number == payload["index"]), None) if table is not None else None
    if table is None or index is None or not index.backfilling:
        return None
    view = View(table, (table.partition, table.sort) if table.sort else (table.partition,), index)
    after = tuple(payload["after"]) if "after" in payload else None
    rows = list(islice(ITEMS.scan(ctx, table.contents, after=after), PORTION))
    for row in rows:
        item = bodies.item_of(ctx, table, row)
        place = view.place(item)
        if place is not None and view.takes(item):
            ENTRIES.put(ctx, Entry(index.number, *place, row.partition, row.sort))
    if len(rows) == PORTION:
        ctx.later("dynamodb.backfill", {**payload, "after": [rows[-1].partition, rows[-1].sort]})
        return None
    filled = tuple(change(i, status="ACTIVE", backfilling=False) if i.number == index.number else i for i in table.indexes)
    TABLES.put(ctx, change(table, indexes=filled, version=ctx.random.hex(16)))
    return None


@task("turn")
def turn(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Seals the bodies of a table that got a KMS key, or opens those of one that is losing it, a portion at a time."""
    table = table_of(ctx, payload)
    if table is None or table.encryption is None or table.encryption.status == "ENABLED":
        return None
    after = tuple(payload["after"]) if "after" in payload else None
    rows = list(islice(ITEMS.scan(ctx, table.contents, after=after), PORTION))
    for row in rows:
        turned = bodies.turned(ctx, table, row.body)
        if turned is not row.body:
            ITEMS.put(ctx, change(row, body=turned))
    if len(rows) == PORTION:
        ctx.later("dynamodb.turn", {**payload, "after": [rows[-1].partition, rows[-1].sort]})
    else:
        enabled = table.encryption.status == "ENABLING"
        TABLES.put(ctx, change(table, encryption=change(table.encryption, status="ENABLED") if enabled else None))
    return None


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes the rows of contents that no table has any more (0: of none) and of indexes that are gone, a portion at a time."""
    left = PORTION
    for number in payload["indexes"]:
        for entry in list(islice(ENTRIES.scan(ctx, number), left)):
            ENTRIES.delete(ctx, entry)
            left -= 1
    contents = payload["contents"]
    if contents:
        for row in list(islice(ITEMS.scan(ctx, contents), left)):
            ITEMS.delete(ctx, row)
            left -= 1
        for collection in list(islice(COLLECTIONS.scan(ctx, contents), left)):
            COLLECTIONS.delete(ctx, collection)
            left -= 1
        if (known := COUNTS.get(ctx, contents)) is not None:
            COUNTS.delete(ctx, known)
    if left <= 0:
        ctx.later("dynamodb.drop", payload)
    return None


@task("forget_tokens")
def forget_tokens(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Forgets tokens after ten minutes, and comes again when the next one is as old."""
    account, region = payload["account"], payload["region"]
    expired = list(islice(OLDEST_TOKENS.scan(ctx, account, region, before=ctx.now - TOKEN_MS + 1), PORTION))
    for token in expired:
        TOKENS.delete(ctx, token)
    oldest = OLDEST_TOKENS.first(ctx, account, region)
    if oldest is not None:
        ctx.later("dynamodb.forget_tokens", payload, at_ms=max(oldest.at_ms + TOKEN_MS, ctx.now))
    return None
