"""Time to live carried out: items are kept by the second in which they expire, and deleted within a minute of that.

Only numbers count, as seconds since the epoch; an instant more than five years in the past when it is written is taken for a
mistake, and the item stays. The deletion costs no capacity, and a stream's record of it names DynamoDB as who did it.
Source: developer guide, Using time to live (TTL) in DynamoDB.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fogbank.kernel.context import Context
from fogbank.services.dynamodb.schema import Place
from fogbank.services.dynamodb.state import Expiry, Table
from fogbank.services.dynamodb.timeline import EXPIRIES, SWEEPS, Due, Sweep
from fogbank.services.dynamodb.values import Item

if TYPE_CHECKING:
    from fogbank.services.dynamodb.changes import Change

BY_TTL = "ttl"
SWEEP_MS = 60_000
OLDEST_S = 5 * 365 * 86_400
LATEST_S = 1 << 40


def _seconds(number: str) -> int:
    return int(number) if "." not in number else int(Decimal(number))


def expires_at(item: Item | None, attribute: str, now_ms: int) -> int | None:
    """The second in which an item expires; None where it does not."""
    number = item.get(attribute, {}).get("N") if item is not None else None
    if number is None:
        return None
    at_s = _seconds(number)
    return at_s if now_ms // 1000 - OLDEST_S <= at_s < LATEST_S else None


def follow(ctx: Context, table: Table, expiry: Expiry, change: Change) -> None:
    """Keeps the place of a changed item among those that expire."""
    if expiry.status not in ("ENABLED", "ENABLING"):
        return
    attribute = expiry.attribute
    if change.old is not None and change.new is not None and change.old.get(attribute) == change.new.get(attribute):
        return
    number = change.old.get(attribute, {}).get("N") if change.old is not None else None
    if number is not None and 0 <= (before := _seconds(number)) < LATEST_S:
        EXPIRIES.delete(ctx, Due(table.contents, before, *change.place))
    after = expires_at(change.new, attribute, ctx.now)
    if after is not None:
        keep(ctx, table, after, change.place)


def keep(ctx: Context, table: Table, at_s: int, place: Place) -> None:
    """Has an item deleted after a second."""
    EXPIRIES.put(ctx, Due(table.contents, at_s, *place))
    sweep_by(ctx, table, at_s)


def sweep_by(ctx: Context, table: Table, at_s: int) -> None:
    """Makes sure that somebody looks, at the first full minute after an instant (at once, where that is over)."""
    at_ms = ctx.now if at_s * 1000 + SWEEP_MS < ctx.now else at_s * 1000 // SWEEP_MS * SWEEP_MS + SWEEP_MS
    known = SWEEPS.get(ctx, table.contents)
    if known is None or known.at_ms > at_ms:
        SWEEPS.put(ctx, Sweep(table.contents, at_ms))
        ctx.later("dynamodb.expire", {**about(table), "at_ms": at_ms}, at_ms=at_ms)


def about(table: Table) -> dict[str, Any]:
    """What a task is told of the table that it is about."""
    return {"account": table.account, "region": table.region, "name": table.name, "id": table.id, "contents": table.contents}
