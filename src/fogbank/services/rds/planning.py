"""When things are to be done: tasks that are put into the outbox for their instant (`clockwork` carries them out)."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.services.rds import windows
from fogbank.services.rds.faults import ENGINES
from fogbank.services.rds.state import Cluster, Instance

STAGE_S = 300
"""How often what is new of a cluster is staged."""


def begin(ctx: Context, row: Cluster) -> None:
    """Begins what the clock does with a new cluster."""
    plan_backup(ctx, row, row.backup_window)
    ctx.later("rds.minute", {"cluster": row.id}, delay_s=60)
    ctx.later("rds.measure", {"cluster": row.id}, delay_s=60)
    ctx.later("rds.stage", {"cluster": row.id}, delay_s=STAGE_S)


def plan_backup(ctx: Context, row: Cluster, window: str) -> None:
    """Has an automated backup made when the window opens next."""
    ctx.later("rds.backup", {"cluster": row.id, "window": window}, at_ms=windows.next_daily(window, ctx.now))


def plan_maintenance(ctx: Context, row: Cluster) -> None:
    """Has what waits for a cluster's maintenance window applied when it opens."""
    window = row.maintenance_window
    ctx.later("rds.maintain", {"cluster": row.id, "window": window}, at_ms=windows.next_weekly(window, ctx.now))


def plan_maintenance_of(ctx: Context, instance: Instance) -> None:
    """Has what waits for an instance's maintenance window applied when it opens."""
    window = instance.maintenance_window
    ctx.later("rds.maintain", {"instance": instance.id, "window": window}, at_ms=windows.next_weekly(window, ctx.now))


def watch_insights(ctx: Context, row: Cluster, instance: Instance, *, stop: bool = False) -> None:
    """Has Performance Insights sample an instance, or not any more."""
    if instance.insights:
        engine, days = ENGINES[row.engine], instance.insights_days
        members = {"identifier": instance.id, "cluster": row.id, "node": instance.node, "engine": engine, "days": days}
        ctx.later("pi.sample", members)
    elif stop:
        ctx.later("pi.stop", {"identifier": instance.id})
