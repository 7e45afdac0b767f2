"""What happens with time: what is left of deleted topics is cleared up, subscriptions that nobody confirms end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.sns.state import ARCHIVED, DUPLICATES, SUBSCRIPTIONS, TOPIC_KEYS
from fogbank.store import Table

PORTION = 500
"""Rows deleted in one transaction, so that other calls get their turn."""


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what was remembered of a topic that is gone."""
    left = PORTION
    tables: tuple[Table[Any], ...] = (DUPLICATES, ARCHIVED, TOPIC_KEYS)
    for table in tables:
        left -= _delete(ctx, table, table.scan(ctx, payload["topic"]), left)
    if not left:
        ctx.later("sns.drop", payload)
    return None


def _delete(ctx: Context, table: Table[Any], rows: Iterable[Any], limit: int) -> int:
    found = list(islice(rows, limit))
    for row in found:
        table.delete(ctx, row)
    return len(found)


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Ends a subscription that was not confirmed while its token was good."""
    subscription = SUBSCRIPTIONS.get(ctx, *payload["subscription"])
    if subscription is not None and not subscription.confirmed and subscription.token == payload["token"]:
        SUBSCRIPTIONS.delete(ctx, subscription)
    return None
