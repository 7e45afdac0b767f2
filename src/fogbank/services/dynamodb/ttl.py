"""Time to live: switched on and off, and carried out."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.dynamodb import bodies, changes, expiring, replicating, schema
from fogbank.services.dynamodb.addresses import known_table_at, table_of, usable_table_at
from fogbank.services.dynamodb.expiring import BY_TTL
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import ITEMS, TABLES, Expiry, Table
from fogbank.services.dynamodb.timeline import EXPIRIES, SWEEPS
from fogbank.store import change

PORTION = 200
"""Items looked at in one transaction, so that other calls get their turn."""
BLOCKED_S = 3600
"""After how long items that could not be read are tried again."""
REST_MS = 3_600_000
"""How long a change of time to live keeps the next one waiting."""


@operation("UpdateTimeToLive")
def update_time_to_live(ctx: Context, req: Any) -> Answer:
    """Switches time to live on, by one attribute, or off; once an hour. Replicas of the table follow.

    Errors: ResourceNotFoundException, ResourceInUseException, ValidationException. Source: API reference, UpdateTimeToLive.
    """
    table = usable_table_at(ctx, req.TableName)
    wanted = req.TimeToLiveSpecification
    before = table.expiry
    on = before is not None and before.status in ("ENABLED", "ENABLING")
    if before is not None and before.changed_at_ms + REST_MS > ctx.now:
        raise invalid("Time to live has been modified multiple times within a fixed interval")
    if wanted.Enabled and on:
        raise invalid("TimeToLive is already enabled")
    if not wanted.Enabled and not on:
        raise invalid("TimeToLive is already disabled")
    if not wanted.Enabled and before is not None and before.attribute != wanted.AttributeName:
        raise invalid(f"TimeToLive is active on a different AttributeName: current AttributeName is {before.attribute}")
    for one in (table, *replicating.others(ctx, table)):
        _switch(ctx, one, Expiry(wanted.AttributeName, "ENABLING" if wanted.Enabled else "DISABLING", ctx.now))
    return {"TimeToLiveSpecification": {"Enabled": wanted.Enabled, "AttributeName": wanted.AttributeName}}


def _switch(ctx: Context, table: Table, expiry: Expiry) -> None:
    TABLES.put(ctx, change(table, expiry=expiry, version=ctx.random.hex(16)))
    ctx.later(f"dynamodb.{'list' if expiry.status == 'ENABLING' else 'forget'}_expiries", expiring.about(table))


@operation("DescribeTimeToLive")
def describe_time_to_live(ctx: Context, req: Any) -> Answer:
    """Whether items expire, and by which attribute. Errors: ResourceNotFoundException. Source: API reference, DescribeTimeToLive."""
    return {"TimeToLiveDescription": describe(known_table_at(ctx, req.TableName))}


def describe(table: Table) -> dict[str, Any]:
    expiry = table.expiry
    if expiry is None or expiry.status == "DISABLED":
        return {"TimeToLiveStatus": "DISABLED"}
    return {"TimeToLiveStatus": expiry.status, "AttributeName": expiry.attribute}


# carried out


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes items that have expired, some at a time, and has itself called when the next one has."""
    sweep = SWEEPS.get(ctx, payload["contents"])
    if sweep is None or sweep.at_ms != payload["at_ms"]:
        return None
    SWEEPS.delete(ctx, sweep)
    table = table_of(ctx, payload)
    if table is None or table.expiry is None or table.expiry.status not in ("ENABLED", "ENABLING"):
        return None
    mark = ctx.tx.mark()
    try:
        _delete_expired(ctx, table)
    except ServiceException:  # the table's KMS key cannot be used now
        ctx.tx.undo(mark)
        expiring.sweep_by(ctx, table, ctx.now // 1000 + BLOCKED_S)
        return None
    following = next(EXPIRIES.scan(ctx, table.contents), None)
    if following is not None:
        expiring.sweep_by(ctx, table, following.at_s)
    return None


def _delete_expired(ctx: Context, table: Table) -> None:
    compiled = schema.of(table)
    for due in list(islice(EXPIRIES.scan(ctx, table.contents, before=ctx.now // 1000), PORTION)):
        row = ITEMS.get(ctx, table.contents, due.partition, due.sort)
        if row is None:
            EXPIRIES.delete(ctx, due)
            continue
        key = compiled.key_of(bodies.item_of(ctx, table, row))
        deletion = changes.Change(ctx, table, compiled, (due.partition, due.sort), key, row)
        deletion.by = BY_TTL
        changes.apply(ctx, deletion)


@task("list_expiries")
def list_expiries(ctx: Context, payload: dict[str, Any]) -> Answer:
    """After time to live was switched on: finds the items that are there already. Items written meanwhile come by themselves."""
    table = table_of(ctx, payload)
    if table is None or table.expiry is None or table.expiry.status != "ENABLING":
        return None
    after = tuple(payload["after"]) if "after" in payload else None
    rows = list(islice(ITEMS.scan(ctx, table.contents, after=after), PORTION))
    for row in rows:
        at_s = expiring.expires_at(bodies.item_of(ctx, table, row), table.expiry.attribute, ctx.now)
        if at_s is not None:
            expiring.keep(ctx, table, at_s, (row.partition, row.sort))
    if len(rows) == PORTION:
        ctx.later("dynamodb.list_expiries", {**payload, "after": [rows[-1].partition, rows[-1].sort]})
    else:
        TABLES.put(ctx, change(table, expiry=change(table.expiry, status="ENABLED")))
    return None


@task("forget_expiries")
def forget_expiries(ctx: Context, payload: dict[str, Any]) -> Answer:
    """After time to live was switched off, or the table deleted: its places go. They come again should it be switched on."""
    table = table_of(ctx, payload)
    if table is not None and table.expiry is not None and table.expiry.status in ("ENABLED", "ENABLING"):
        return None
    rows = list(islice(EXPIRIES.scan(ctx, payload["contents"]), PORTION))
    for due in rows:
        EXPIRIES.delete(ctx, due)
    if len(rows) == PORTION:
        ctx.later("dynamodb.forget_expiries", payload)
        return None
    if (sweep := SWEEPS.get(ctx, payload["contents"])) is not None:
        SWEEPS.delete(ctx, sweep)
    if table is not None and table.expiry is not None and table.expiry.status == "DISABLING":
        TABLES.put(ctx, change(table, expiry=change(table.expiry, status="DISABLED"), version=ctx.random.hex(16)))
    return None
