"""The end of instances and clusters. What they stood on goes by itself, when nothing needs it any more (`volumes`)."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Wait, Waiting
from fogbank.services.rds import activity, events, keeping, passwords, proxies, sharing, volumes
from fogbank.services.rds.addresses import free_slot
from fogbank.services.rds.state import (
    BACKTRACKS,
    BACKUPS,
    CLUSTERS,
    DAY_MS,
    ENDPOINTS,
    ENDPOINTS_OF,
    INSTANCES,
    LOG_PLACES,
    SNAPSHOTS,
    SNAPSHOTS_OF,
    VOLUMES_OF,
    Backup,
    Cluster,
    Instance,
    members,
)
from fogbank.store import change


def remove(ctx: Context, cluster: Cluster, instance: Instance) -> None:
    """An instance's row and what belongs to it, when its node is gone."""
    free_slot(ctx, instance.slot)
    INSTANCES.delete(ctx, instance)
    if instance.insights:
        ctx.later("pi.stop", {"identifier": instance.id})
    for custom in list(ENDPOINTS_OF.scan(ctx, cluster.account, cluster.region, cluster.id)):
        if instance.id in custom.members or instance.id in custom.excluded:
            kept = tuple(id for id in custom.members if id != instance.id)
            ENDPOINTS.put(ctx, change(custom, members=kept, excluded=tuple(id for id in custom.excluded if id != instance.id)))
    for place in list(LOG_PLACES.scan(ctx, instance.id)):
        LOG_PLACES.delete(ctx, place)
    events.tell(ctx, "db-instance", instance.name, "DB instance deleted", "deletion")


def finish(ctx: Context, cluster: Cluster) -> None:
    """Ends a cluster: after its last snapshot is made, its nodes, its rows, and what it stood on."""
    if any(snapshot.status == "creating" for snapshot in SNAPSHOTS_OF.scan(ctx, cluster.volume)):
        raise Waiting(Wait((SNAPSHOTS.watch(cluster.account, cluster.region),), ctx.now + DAY_MS))
    ctx.outside("drop", lambda done: ctx.databases.drop(cluster.id, done))
    proxies.forget(ctx, cluster)
    activity.forget(ctx, cluster)
    instances = list(members(ctx, cluster))
    until_ms = _retain(ctx, cluster, instances[0] if cluster.plain and instances else None)
    for instance in instances:
        remove(ctx, cluster, instance)
    for custom in list(ENDPOINTS_OF.scan(ctx, cluster.account, cluster.region, cluster.id)):
        free_slot(ctx, custom.slot)
        ENDPOINTS.delete(ctx, custom)
    for backtrack in list(BACKTRACKS.scan(ctx, cluster.id)):
        BACKTRACKS.delete(ctx, backtrack)
    free_slot(ctx, cluster.writer_slot)
    free_slot(ctx, cluster.reader_slot)
    CLUSTERS.delete(ctx, cluster)
    if until_ms <= ctx.now:
        for automated in list(keeping.automated(ctx, cluster)):
            keeping.remove(ctx, automated)
    for left in list(VOLUMES_OF.scan(ctx, cluster.id)):
        volumes.leave(ctx, left.name, cluster.id, min(left.until_ms, until_ms), left.left_at_ms)
    volumes.leave(ctx, cluster.volume, cluster.id, until_ms, ctx.now)
    if not cluster.plain:
        sharing.end(ctx, cluster)
        events.tell(ctx, "db-cluster", cluster.name, "DB cluster deleted", "deletion")
    if cluster.secret is not None:
        passwords.unmanaged(ctx, cluster)


def _retain(ctx: Context, cluster: Cluster, instance: Instance | None) -> int:
    """Until when what it stood on is to be kept: longer than now where its automated backups are."""
    if not cluster.keep_backups or not cluster.retention_days or cluster.follows:
        return ctx.now
    look = ctx.databases.look(cluster.id)
    since_ms = ctx.now - cluster.retention_days * DAY_MS
    local_ms = look.volume.earliest_ms if look is not None and look.volume is not None else cluster.created_at_ms
    earliest_ms = cluster.earliest_ms or local_ms
    until_ms = ctx.now + cluster.retention_days * DAY_MS
    BACKUPS.put(
        ctx,
        Backup(
            account=cluster.account,
            region=cluster.region,
            id=instance.id if instance is not None else cluster.id,
            name=cluster.name,
            of=cluster,
            instance=instance,
            earliest_ms=max(earliest_ms, since_ms),
            latest_ms=ctx.now,
            until_ms=until_ms,
            tags=cluster.backup_tags,
        ),
    )
    return until_ms
