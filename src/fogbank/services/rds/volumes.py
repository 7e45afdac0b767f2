"""Volumes that no cluster stands on any more, and when they go: after the window of restores, and when no snapshot or replica needs it."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.services.rds.state import BACKUPS, CLUSTERS, DAY_MS, SNAPSHOTS_OF, VOLUMES, Volume


def leave(ctx: Context, volume: str, cluster: str, until_ms: int, left_at_ms: int) -> None:
    """A cluster does not stand on a volume any more: it goes when nothing needs it, not before an instant."""
    VOLUMES.put(ctx, Volume(name=volume, cluster=cluster, left_at_ms=left_at_ms, until_ms=until_ms))
    forget_later(ctx, volume, until_ms)
    if until_ms > ctx.now:
        ctx.later("rds.stage", {"cluster": cluster, "volume": volume})


def forget_later(ctx: Context, volume: str, at_ms: int = 0) -> None:
    """Has a volume forgotten, if nothing needs it then."""
    ctx.later("rds.forget", {"volume": volume}, at_ms=max(at_ms, ctx.now))


def _needed(ctx: Context, volume: str) -> bool:
    """Whether a cluster repeats it, or is still on its way to being its fork."""
    return any(
        volume in (cluster.volume, cluster.follows)
        or (cluster.origin is not None and cluster.origin.volume == volume and cluster.settled != cluster.revision)
        for cluster in CLUSTERS.scan(ctx)
    )


@task("forget")
def forget(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Deletes a volume that nobody stands on and nothing is kept of; whoever needs it now has it looked at again when they let go."""
    left = VOLUMES.get(ctx, payload["volume"])
    if left is None or left.until_ms > ctx.now or SNAPSHOTS_OF.first(ctx, left.name) is not None:
        return None
    if _needed(ctx, left.name):
        return Wait((CLUSTERS.watch(),), ctx.now + DAY_MS)
    ctx.outside("forget", lambda done: ctx.databases.forget(left.name, done))
    VOLUMES.delete(ctx, left)
    ctx.later("rds.unstage", {"volume": left.name})
    for backup in list(BACKUPS.scan(ctx, ctx.account, ctx.region)):
        if backup.until_ms <= ctx.now:
            BACKUPS.delete(ctx, backup)
    return None
