"""Clusters that repeat another one's volume, and how they come to go on by themselves."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.services.rds import converging, events, failover, masters, volumes
from fogbank.services.rds.addresses import cluster_arn, cluster_of, get_cluster, get_instance
from fogbank.services.rds.faults import ENGINES, cluster_missing, cluster_state, combination, instance_missing, instance_state
from fogbank.services.rds.state import CLUSTERS, INSTANCES, Cluster, Instance, Origin, members, next_volume
from fogbank.services.rds.wanted import password_of, sealed
from fogbank.store import change


def source_at(ctx: Context, text: str) -> Cluster:
    """What is to be repeated: a cluster or an instance, by ARN. Errors: DBClusterNotFoundFault, DBInstanceNotFoundFault."""
    if ":db:" in text:
        instance = get_instance(ctx, text)
        if instance is None or instance.account != ctx.account:
            raise instance_missing(text)
        return cluster_of(ctx, instance)
    found = get_cluster(ctx, text)
    if found is None or found.account != ctx.account:
        raise cluster_missing(text)
    return found


def following(ctx: Context, row: Cluster, source: Cluster) -> Cluster:
    """A cluster that repeats another one, with its master user and database. Errors: InvalidDBClusterStateFault and the like."""
    if source.status not in ("available", "backing-up", "modifying"):
        raise cluster_state(f"The source {source.name} is in {source.status} state, but expected available.")
    masters.lacks("CreateDBCluster", source)
    if source.follows:
        raise cluster_state(f"The source {source.name} replicates another one itself.")
    if ENGINES[source.engine] != ENGINES[row.engine] or (
        (source.version, source.engine) > (row.version, row.engine) and source.engine == row.engine
    ):
        raise combination(f"The engine {row.engine} {row.version} cannot replicate {source.engine} {source.version}.")
    if not source.retention_days:
        raise instance_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance."
        )
    return change(
        row,
        version=source.version if source.engine == row.engine else row.version,
        follows=source.volume,
        source=cluster_arn(source),
        user=source.user,
        password=sealed(ctx, row.id, password_of(ctx, source)),
        database=source.database,
    )


def promoted(ctx: Context, row: Cluster) -> Cluster:
    """A cluster that goes on by itself: on a new volume, a fork of what it has repeated so far."""
    there = [one for one in members(ctx, row) if one.status != "deleting"]
    after = change(
        row,
        volume=next_volume(row),
        origin=Origin(row.volume),
        follows="",
        source="",
        writer=failover.next_writer(there) if there else "",
    )
    volumes.leave(ctx, row.volume, row.id, ctx.now, ctx.now)
    return after


def promote_plain(ctx: Context, instance: Instance, row: Cluster) -> tuple[Instance, Cluster]:
    """Has a replica that is by itself go on without its source."""
    instance = change(instance, status="promoting", restarted_at_ms=ctx.now)
    INSTANCES.put(ctx, instance)
    events.tell(ctx, "db-instance", instance.name, "Started promoting the read replica", "read replica")
    return instance, converging.ask(ctx, change(promoted(ctx, row), status="modifying"))


def let_go(ctx: Context, row: Cluster) -> None:
    """Has everything that repeats a cluster go on by itself: it is being deleted."""
    for other in [each for each in CLUSTERS.scan(ctx, row.account) if each.follows == row.volume and not each.global_cluster]:
        where = ctx.of(other.account, other.region)
        if other.plain:
            for instance in list(members(ctx, other)):
                promote_plain(where, instance, other)
        else:
            converging.ask(where, change(promoted(where, other), status="promoting"))
