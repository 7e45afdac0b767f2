"""From rows to what the engines are to make of a cluster (`engines.spec.Cluster`)."""

from __future__ import annotations

from fogbank.engines import spec
from fogbank.kernel.context import Context
from fogbank.services.rds import activity, effective, engine_versions, groups, proxy_routes
from fogbank.services.rds.addresses import cluster_arn
from fogbank.services.rds.faults import ENGINES
from fogbank.services.rds.groups_state import CLUSTER, DB
from fogbank.services.rds.state import ENDPOINTS_OF, Cluster, CustomEndpoint, Instance, members

STOPPED = ("stopping", "stopped")
GONE = ("deleting",)
NOBODY = ("nobody",)
"""What an endpoint leads to whose list of members is empty: an empty list would mean all."""
_KINDS = {"READER": "reader", "WRITER": "writer", "ANY": "any"}


def wanted(ctx: Context, cluster: Cluster) -> spec.Cluster:
    """A cluster as its rows say that it should be."""
    there = [instance for instance in members(ctx, cluster) if instance.status not in GONE]
    stopped = cluster.status in STOPPED or cluster.paused
    nodes = () if stopped else tuple(node for instance in there for node in nodes_of(ctx, cluster, instance))
    return spec.Cluster(
        id=cluster.id,
        engine=ENGINES[cluster.engine],
        version=engine_versions.really(cluster.engine, cluster.version),
        volume=cluster.volume,
        fork=spec.Fork(cluster.origin.volume, cluster.origin.at_ms, cluster.origin.point) if cluster.origin is not None else None,
        user=cluster.user,
        password=password_of(ctx, cluster),
        database=cluster.database,
        nodes=nodes,
        writer=cluster.writer if nodes else "",
        parameters={},
        endpoints=(*endpoints_of(ctx, cluster, there), *proxy_routes.endpoints_of(ctx, cluster)),
        iam=cluster.iam,
        tls_only=_tls_only(ctx, cluster, there),
        account=cluster.account,
        region=cluster.region,
        arn=cluster_arn(cluster),
        roles={role.feature: role.arn for role in cluster.roles},
        follows=cluster.follows,
        existing=cluster.stood == cluster.volume,
        audit=activity.stream_of(ctx, cluster) is not None,
        masters=cluster.masters,
        paused=cluster.paused,
    )


def password_of(ctx: Context, cluster: Cluster) -> str:
    """The master user's password, in the clear."""
    opened: bytes = ctx.vault.open(cluster.password, cluster.id.encode())
    return opened.decode()


def sealed(ctx: Context, id: str, password: str) -> bytes:
    """A master password as it is kept, for the cluster with this id."""
    made: bytes = ctx.vault.seal(password.encode(), id.encode())
    return made


def nodes_of(ctx: Context, cluster: Cluster, instance: Instance) -> list[spec.Node]:
    """An instance's node, and its standby in another zone where it has one."""
    parameters = effective.parameters(ctx, cluster, instance)
    if not cluster.plain:
        parameters |= activity.parameters_of(ctx, cluster)
    node = spec.Node(instance.node, instance.zone, parameters, instance.restarts)
    if not instance.standby:
        return [node]
    return [node, spec.Node(instance.standby, instance.standby_zone, parameters, instance.restarts, hidden=True)]


def endpoints_of(ctx: Context, cluster: Cluster, there: list[Instance]) -> list[spec.Endpoint]:
    """The writer's and the readers' address, one of each instance, and those that users made."""
    port = cluster.port
    if cluster.plain:
        kind = "node" if cluster.follows else "writer"
        return [spec.Endpoint(instance.slot, port, kind, (instance.node,) if cluster.follows else ()) for instance in there]
    return [
        spec.Endpoint(cluster.writer_slot, port, "writer"),
        *(() if cluster.masters else (spec.Endpoint(cluster.reader_slot, port, "reader"),)),
        *(spec.Endpoint(instance.slot, port, "node", (instance.node,)) for instance in there),
        *(
            spec.Endpoint(custom.slot, port, _KINDS[custom.kind], reached(custom, there))
            for custom in ENDPOINTS_OF.scan(ctx, cluster.account, cluster.region, cluster.id)
            if custom.status not in GONE
        ),
    ]


def reached(custom: CustomEndpoint, there: list[Instance]) -> tuple[str, ...]:
    """The nodes that an endpoint of a user's may lead to; empty: all."""
    if not custom.members and not custom.excluded:
        return ()
    chosen = [i.node for i in there if (i.id in custom.members if custom.members else i.id not in custom.excluded)]
    return tuple(chosen) or NOBODY


def _tls_only(ctx: Context, cluster: Cluster, there: list[Instance]) -> bool:
    where = (cluster.account, cluster.region)
    if not cluster.plain:
        return groups.tls_only(ctx, *where, CLUSTER, cluster.parameter_group)
    return any(groups.tls_only(ctx, *where, DB, instance.parameter_group) for instance in there)
