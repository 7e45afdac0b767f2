"""What the clock does: backups in their window, what waits for maintenance, rotation of managed passwords, and each minute a look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.services.rds import changing, clusters, converging, events, keeping, passwords, planning, scaling, windows
from fogbank.services.rds.addresses import cluster_by_id
from fogbank.services.rds.state import CLUSTERS, DAY_MS, INSTANCES, MINUTE_MS, SNAPSHOTS, Secret, members
from fogbank.store import change

HOUR_MS = 3_600_000


@task("backup")
def backup(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Makes the day's automated snapshot, and deletes those that are older than the retention period."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is None or row.status == "deleting" or row.backup_window != payload["window"]:
        return None
    planning.plan_backup(ctx, row, row.backup_window)
    for old in list(keeping.automated(ctx, row)):
        if old.created_at_ms < ctx.now - row.retention_days * DAY_MS:
            keeping.remove(ctx, old)
    instances = list(members(ctx, row))
    if row.status == "available" and row.retention_days and not row.follows and (instances or not row.plain):
        name = f"rds:{row.name}-{datetime.fromtimestamp(ctx.now / 1000, UTC):%Y-%m-%d-%H-%M}"
        kind = "snapshot" if row.plain else "cluster-snapshot"
        instance = instances[0] if row.plain else None
        if SNAPSHOTS.get(ctx, row.account, row.region, kind, name) is None:
            tags = (instance.tags if instance is not None else row.tags) if row.copy_tags else {}
            keeping.begin(ctx, row, instance, kind, name, tags=tags, type="automated")
            if row.plain:
                events.tell(ctx, "db-instance", row.name, "Backing up DB instance", "backup")
    return None


@task("maintain")
def maintain(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Applies what has waited. A window that was moved meanwhile is waited for; what is busy is come back to."""
    instance = INSTANCES.get(ctx, ctx.account, ctx.region, payload["instance"]) if "instance" in payload else None
    row = cluster_by_id(ctx, instance.cluster if instance is not None else payload.get("cluster", ""))
    pending = instance.pending if instance is not None else row.pending if row is not None and "cluster" in payload else {}
    if row is None or not pending or row.status == "deleting":
        return None
    window = instance.maintenance_window if instance is not None else row.maintenance_window
    if window != payload["window"]:
        ctx.later("rds.maintain", payload | {"window": window}, at_ms=windows.next_weekly(window, ctx.now))
        return None
    status = instance.status if instance is not None else row.status
    if status not in ("available", "stopped"):
        return Wait((), ctx.now + MINUTE_MS)
    after = "modifying" if status == "available" else status
    if instance is None:
        converging.ask(ctx, change(clusters.apply(ctx, row, row.pending), status=after))
        return None
    instance, row = changing.apply(ctx, instance, row, instance.pending)
    INSTANCES.put(ctx, change(instance, status=after))
    converging.ask(ctx, change(row, status=after) if row.plain else row)
    return None


@task("rotate")
def rotate(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Gives a cluster with a managed password another one, seven days after the last."""
    row = cluster_by_id(ctx, payload["cluster"])
    secret = row.secret if row is not None else None
    if row is None or secret is None or secret.rotates_at_ms != payload["at_ms"] or row.status == "deleting":
        return None
    if row.status != "available":
        later = Secret(secret.arn, secret.key, secret.status, ctx.now + HOUR_MS)
        CLUSTERS.put(ctx, change(row, secret=later))
        passwords.plan(ctx, row, later)
        return None
    row = converging.ask(ctx, passwords.rotated(ctx, row))
    kind = "db-instance" if row.plain else "db-cluster"
    events.tell(ctx, kind, row.name, "Reset master credentials", "configuration change")
    return None


@task("minute")
def minute(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Looks whether a cluster is in use, has its logs shipped, and the engines follow its rows where they do not know it (yet)."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is None:
        return None
    look = ctx.databases.look(row.id)
    if look is None:
        if row.status not in ("creating", "deleting", "stopped"):
            converging.again(ctx, row)
    else:
        scaling.look(ctx, row, look)
        if row.log_exports:
            ctx.later("rds.ship", payload)
    return Wait((), ctx.now + MINUTE_MS)
