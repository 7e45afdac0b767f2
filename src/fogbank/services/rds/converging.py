"""Making it so: each change of rows raises the cluster's revision, and a task has the engines follow.

`rds.converge` is done at least once, and only for the latest revision: one that was overtaken has nothing to say any more. When the
engines have done it, what was under way is over: statuses, the writer and the version are put as they are.
"""

from __future__ import annotations

from typing import Any

from fogbank.engines.spec import Actual, Failed, NodeState
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.rds import deleting, engine_versions, events
from fogbank.services.rds.addresses import cluster_by_id, free_slot
from fogbank.services.rds.state import (
    BACKTRACKS,
    CLUSTERS,
    ENDPOINTS,
    ENDPOINTS_OF,
    INSTANCES,
    Cluster,
    Instance,
    members,
)
from fogbank.services.rds.wanted import wanted
from fogbank.store import change

RESTING = frozenset(("available", "stopped", "failed", "deleting", "backing-up", "inaccessible-encryption-credentials"))
"""What is not over when the engines have done what they were asked for."""
_OVER = {"stopping": "stopped"}
_SAID = {
    "creating": ("created", "creation"),
    "rebooting": ("restarted", "availability"),
    "stopping": ("stopped", "notification"),
    "starting": ("started", "notification"),
    "modifying": ("Finished applying modification", "configuration change"),
    "resetting-master-credentials": ("Reset master credentials", "configuration change"),
    "backtracking": ("backtrack has completed", "notification"),
    "promoting": ("promoted", "configuration change"),
}
"""What was under way -> how its end is told, and under which category."""


def ask(ctx: Context, cluster: Cluster, *, paused: bool = False) -> Cluster:
    """Puts a cluster with a new revision, and has the engines follow. Its other rows are put in the same call.

    One that was paused goes on, unless it is to be `paused`.
    """
    cluster = change(cluster, revision=cluster.revision + 1, paused=paused)
    CLUSTERS.put(ctx, cluster)
    again(ctx, cluster)
    return cluster


def again(ctx: Context, cluster: Cluster) -> None:
    """Has the engines follow the rows as they are."""
    where = ctx.of(cluster.account, cluster.region)
    where.later("rds.converge", {"cluster": cluster.id, "revision": cluster.revision})


@task("converge")
def converge(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Makes a cluster what its rows say, or ends it."""
    cluster = cluster_by_id(ctx, payload["cluster"])
    if cluster is None or cluster.revision != payload["revision"]:
        return None
    if cluster.status == "deleting":
        deleting.finish(ctx, cluster)
        return None
    what = f"converge-{cluster.revision}"
    try:
        if ctx.under_way(what):
            actual = ctx.outside(what, lambda done: None)
        else:
            asked = wanted(ctx, cluster)
            actual = ctx.outside(what, lambda done: ctx.databases.converge(asked, done))
    except Failed as problem:
        failed(ctx, cluster, str(problem))
        return None
    settle(ctx, cluster, actual)
    return None


def settle(ctx: Context, cluster: Cluster, actual: Actual) -> None:
    """Puts rows as things are, now that they are as the rows said."""
    before = cluster.status
    nodes = {node.id: node for node in actual.nodes}
    for instance in list(members(ctx, cluster)):
        _settle_instance(ctx, cluster, instance, nodes)
    for custom in list(ENDPOINTS_OF.scan(ctx, cluster.account, cluster.region, cluster.id)):
        if custom.status == "deleting":
            free_slot(ctx, custom.slot)
            ENDPOINTS.delete(ctx, custom)
        elif custom.status != "available":
            ENDPOINTS.put(ctx, change(custom, status="available"))
    if before not in RESTING:
        cluster = change(cluster, status=_OVER.get(before, "available"))
    if before == "stopping":
        ctx.later("rds.stage", {"cluster": cluster.id, "volume": cluster.volume})
    writer = actual.writer if actual.writer in nodes else cluster.writer
    for instance in list(members(ctx, cluster)):
        if writer and instance.standby == writer:
            INSTANCES.put(ctx, swapped(instance))
    version = engine_versions.as_described(cluster.engine, actual.version) or cluster.version
    cluster = change(cluster, settled=cluster.revision, stood=cluster.volume, writer=writer, version=version)
    CLUSTERS.put(ctx, cluster)
    _end_backtracks(ctx, cluster, "COMPLETED")
    if not cluster.plain and before not in RESTING:
        _tell(ctx, "db-cluster", cluster.name, before)
        if before == "failing-over":
            events.tell(ctx, "db-cluster", cluster.name, f"Completed failover to DB instance: {named(ctx, cluster, writer)}", "failover")


def _end_backtracks(ctx: Context, cluster: Cluster, status: str) -> None:
    for backtrack in list(BACKTRACKS.scan(ctx, cluster.id)):
        if backtrack.status == "APPLYING":
            BACKTRACKS.put(ctx, change(backtrack, status=status))


def _settle_instance(ctx: Context, cluster: Cluster, instance: Instance, nodes: dict[str, NodeState]) -> None:
    if instance.status == "deleting":
        if instance.node not in nodes:
            deleting.remove(ctx, cluster, instance)
        return
    node = nodes.get(instance.node)
    status = instance.status
    if node is not None and node.state == "dead":
        after = "failed"
    elif status == "failed" and node is not None:
        after = "available"
    elif status in RESTING or (node is None and cluster.status not in ("stopping", "stopped")):
        return
    else:
        after = "stopped" if cluster.status in ("stopping", "stopped") else "available"
    if after != status:
        INSTANCES.put(ctx, change(instance, status=after))
        _tell(ctx, "db-instance", instance.name, status)


def swapped(instance: Instance) -> Instance:
    """A Multi-AZ instance after a failover: its standby is what it was before."""
    return change(instance, node=instance.standby, standby=instance.node, zone=instance.standby_zone, standby_zone=instance.zone)


def named(ctx: Context, cluster: Cluster, node: str) -> str:
    """The instance of a node, by its name."""
    return next((i.name for i in members(ctx, cluster) if node in (i.node, i.standby)), node)


def _tell(ctx: Context, kind: str, name: str, before: str) -> None:
    """Tells of the end of what was under way."""
    if before in _SAID:
        message, category = _SAID[before]
        what = "DB instance " if kind == "db-instance" else "DB cluster "
        events.tell(ctx, kind, name, what + message if message.islower() else message, category)


def failed(ctx: Context, cluster: Cluster, why: str) -> None:
    """What was under way could not be had: it is said why, and what runs goes on as it was."""
    look = ctx.databases.look(cluster.id)
    running = {node.id for node in look.nodes if node.state == "running"} if look is not None else set()
    for instance in list(members(ctx, cluster)):
        if instance.status not in RESTING:
            INSTANCES.put(ctx, change(instance, status="available" if instance.node in running else "failed"))
            events.tell(ctx, "db-instance", instance.name, why, "failure")
    if cluster.status not in RESTING:
        CLUSTERS.put(ctx, change(cluster, status="failed" if cluster.status == "creating" else "available", settled=cluster.revision))
    _end_backtracks(ctx, cluster, "FAILED")
    if not cluster.plain:
        events.tell(ctx, "db-cluster", cluster.name, why, "failure")


def unmended(ctx: Context, cluster: Cluster, nodes: list[str], why: str) -> None:
    """What died could not be made anew: it is tried again, by the engines."""
    for instance in list(members(ctx, cluster)):
        if instance.node in nodes and instance.status == "available":
            INSTANCES.put(ctx, change(instance, status="failed"))
            events.tell(ctx, "db-instance", instance.name, why, "failure")


@task("awake")
def awake(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Has the engines follow the rows of all clusters: when a cloud is opened, cloned, or taken back."""
    for cluster in list(CLUSTERS.scan(ctx)):
        if cluster.status != "deleting":
            again(ctx, cluster)
    return None
