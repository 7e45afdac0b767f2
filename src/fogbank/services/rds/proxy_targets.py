"""The target group of a proxy: its one target, an Aurora cluster or an instance by itself, and the pool of connections to it."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, converging, events, masters, proxy_routes
from fogbank.services.rds.addresses import cluster_arn, cluster_at, cluster_of, instance_arn, instance_at
from fogbank.services.rds.faults import ENGINES, cluster_state, combination, instance_state, invalid
from fogbank.services.rds.groups_state import TARGET_GROUPS, Proxy, TargetGroup
from fogbank.services.rds.proxies import arn_of, follow, group_of, proxy_at
from fogbank.services.rds.state import Cluster, Instance, members
from fogbank.store import change

DEFAULT = "default"
_FAMILIES = {"postgres": "POSTGRESQL", "mariadb": "MYSQL"}
PINNING = ("EXCLUDE_VARIABLE_SETS",)
BORROW_S = (0, 300)


def _group(ctx: Context, proxy: Proxy, name: str | None) -> TargetGroup:
    """Errors: DBProxyTargetGroupNotFoundFault."""
    if name not in (None, DEFAULT):
        message = f"Target group {name} of DB Proxy {proxy.name} not found."
        raise ServiceException("DBProxyTargetGroupNotFoundFault", message, status=404)
    return group_of(ctx, proxy)


def _described(proxy: Proxy, group: TargetGroup) -> dict[str, Any]:
    return {
        "DBProxyName": proxy.name,
        "TargetGroupName": DEFAULT,
        "TargetGroupArn": addresses.arn(group.account, group.region, "target-group", group.id),
        "IsDefault": True,
        "Status": "available",
        "ConnectionPoolConfig": {
            "MaxConnectionsPercent": group.percent,
            "MaxIdleConnectionsPercent": proxy_routes.idle_percent(group),
            "ConnectionBorrowTimeout": group.borrow_timeout_s,
            "SessionPinningFilters": list(group.pinning_filters),
            "InitQuery": group.init_query or None,
        },
        "CreatedDate": group.created_at_ms,
        "UpdatedDate": group.updated_at_ms,
    }


@operation("DescribeDBProxyTargetGroups")
def describe_db_proxy_target_groups(ctx: Context, req: Any) -> Answer:
    """The target groups of a proxy: each has one, "default". Errors: DBProxyNotFoundFault, DBProxyTargetGroupNotFoundFault."""
    addresses.filters(req, ())
    proxy = proxy_at(ctx, req.DBProxyName)
    return {"TargetGroups": [_described(proxy, _group(ctx, proxy, req.TargetGroupName))]}


def _percents(group: TargetGroup, given: Any) -> tuple[int, int]:
    """Errors: InvalidParameterValue, InvalidParameterCombination."""
    most, idle = given.MaxConnectionsPercent, given.MaxIdleConnectionsPercent
    if idle is not None and most is None:
        raise combination("If you specify MaxIdleConnectionsPercent, then you must also include a value for MaxConnectionsPercent.")
    if most is None:
        return group.percent, group.idle_percent
    if not 1 <= most <= 100:
        raise invalid(f"Invalid value {most} for MaxConnectionsPercent. Must be between 1 and 100")
    if idle is not None and not 0 <= idle <= most:
        raise invalid(f"Invalid value {idle} for MaxIdleConnectionsPercent. Must be between 0 and the value of MaxConnectionsPercent")
    return most, -1 if idle is None else idle


def _pool(group: TargetGroup, proxy: Proxy, given: Any) -> TargetGroup:
    """Errors: InvalidParameterValue, InvalidParameterCombination."""
    percent, idle = _percents(group, given)
    timeout = given.ConnectionBorrowTimeout
    if timeout is not None and not BORROW_S[0] <= timeout <= BORROW_S[1]:
        raise invalid(f"Invalid value {timeout} for ConnectionBorrowTimeout. Must be between {BORROW_S[0]} and {BORROW_S[1]}")
    filters = group.pinning_filters if given.SessionPinningFilters is None else tuple(dict.fromkeys(given.SessionPinningFilters))
    if filters and proxy.engine_family != "MYSQL":
        raise combination("SessionPinningFilters are only supported for the MYSQL engine family.")
    for one in filters:
        if one not in PINNING:
            raise invalid(f"Invalid session pinning filter: {one}")
    return change(
        group,
        percent=percent,
        idle_percent=idle,
        borrow_timeout_s=group.borrow_timeout_s if timeout is None else timeout,
        pinning_filters=filters,
        init_query=group.init_query if given.InitQuery is None else given.InitQuery,
    )


@operation("ModifyDBProxyTargetGroup")
def modify_db_proxy_target_group(ctx: Context, req: Any) -> Answer:
    """Changes the pool of connections: its size in percent of max_connections, how many stay idle, how long clients wait for one.

    Errors: DBProxyNotFoundFault, DBProxyTargetGroupNotFoundFault, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference, ModifyDBProxyTargetGroup.
    """
    proxy = proxy_at(ctx, req.DBProxyName)
    group = _group(ctx, proxy, req.TargetGroupName)
    if req.NewName not in (None, DEFAULT):
        raise invalid("You can't rename the default target group.")
    if req.ConnectionPoolConfig is not None:
        group = change(_pool(group, proxy, req.ConnectionPoolConfig), updated_at_ms=ctx.now)
        TARGET_GROUPS.put(ctx, group)
        follow(ctx, proxy)
        events.tell(ctx, "db-proxy", proxy.name, f"RDS modified DB proxy {proxy.name}", arn=arn_of(proxy))
    return {"DBProxyTargetGroup": _described(proxy, group)}


# Targets


class _Health:
    """Whether a proxy can lead clients to a cluster's nodes, as far as is known."""

    def __init__(self, ctx: Context, cluster: Cluster, proxy: Proxy) -> None:
        look = ctx.databases.look(cluster.id)
        self._running = {one.id for one in look.nodes if one.state == "running"} if look is not None else set()
        held = proxy_routes.credentials(ctx, proxy)
        self._problem = "" if held.users else held.problem or "The secrets hold no credentials."

    def of(self, node: str = "") -> dict[str, Any]:
        """The TargetHealth of a node, or of the cluster."""
        if not (node in self._running if node else self._running):
            return {"State": "UNAVAILABLE", "Reason": "UNREACHABLE", "Description": "The database is not running."}
        if self._problem:
            return {"State": "UNAVAILABLE", "Reason": "AUTH_FAILURE", "Description": self._problem}
        return {"State": "AVAILABLE"}


def _targets(ctx: Context, proxy: Proxy, cluster: Cluster) -> list[dict[str, Any]]:
    """DBProxyTarget structures: a tracked cluster and its instances, or an instance by itself."""
    health = _Health(ctx, cluster, proxy)
    there = [_instance(ctx, cluster, instance, health) for instance in members(ctx, cluster)]
    if cluster.plain:
        return there
    tracked = {
        "TargetArn": cluster_arn(cluster),
        "Endpoint": ctx.databases.address(cluster.writer_slot),
        "RdsResourceId": cluster.name,
        "Port": cluster.port,
        "Type": "TRACKED_CLUSTER",
        "TargetHealth": health.of(),
    }
    return [tracked, *there]


def _instance(ctx: Context, cluster: Cluster, instance: Instance, health: _Health) -> dict[str, Any]:
    return {
        "TargetArn": instance_arn(instance),
        "Endpoint": ctx.databases.address(instance.slot),
        "TrackedClusterId": None if cluster.plain else cluster.name,
        "RdsResourceId": instance.name,
        "Port": cluster.port,
        "Type": "RDS_INSTANCE",
        "Role": "READ_WRITE" if cluster.writer in (instance.node, instance.standby or instance.node) else "READ_ONLY",
        "TargetHealth": health.of(instance.node),
    }


@operation("DescribeDBProxyTargets")
def describe_db_proxy_targets(ctx: Context, req: Any) -> Answer:
    """The targets of a proxy with their health: a cluster and its instances, or an instance.

    Errors: DBProxyNotFoundFault, DBProxyTargetGroupNotFoundFault, InvalidParameterValue. Source: API reference.
    """
    addresses.filters(req, ())
    proxy = proxy_at(ctx, req.DBProxyName)
    group = _group(ctx, proxy, req.TargetGroupName)
    cluster = addresses.cluster_by_id(ctx, group.cluster) if group.cluster else None
    every = _targets(ctx, proxy, cluster) if cluster is not None else []
    found, marker = addresses.page(req, sorted(every, key=lambda one: one["TargetArn"]), lambda one: str(one["TargetArn"]))
    return {"Targets": found, "Marker": marker}


def _named(ctx: Context, req: Any) -> list[Cluster]:
    """The clusters behind what a request names. Errors: DBClusterNotFoundFault, DBInstanceNotFound, InvalidDBInstanceState."""
    found = [cluster_at(ctx, name) for name in req.DBClusterIdentifiers or ()]
    for name in req.DBInstanceIdentifiers or ():
        instance = instance_at(ctx, name)
        ctx.authorize(f"rds:{ctx.operation}", instance_arn(instance))
        cluster = cluster_of(ctx, instance)
        if not cluster.plain:
            raise instance_state(f"DB instance {instance.name} belongs to the DB cluster {cluster.name}: register the cluster.")
        found.append(cluster)
    if not found:
        raise combination("You must specify DBInstanceIdentifiers or DBClusterIdentifiers.")
    return found


@operation("RegisterDBProxyTargets")
def register_db_proxy_targets(ctx: Context, req: Any) -> Answer:
    """Gives a proxy its target: one cluster, or one instance that is by itself, of the proxy's engine family.

    Errors: DBProxyNotFoundFault, DBProxyTargetGroupNotFoundFault, DBProxyTargetAlreadyRegisteredFault, DBClusterNotFoundFault,
    DBInstanceNotFound, InvalidDBClusterStateFault, InvalidDBInstanceState, InvalidParameterCombination. Source: API reference.
    """
    proxy = proxy_at(ctx, req.DBProxyName)
    group = _group(ctx, proxy, req.TargetGroupName)
    named = _named(ctx, req)
    if len(named) > 1:
        raise combination("A target group can have one DB cluster or one DB instance as its target.")
    cluster = named[0]
    masters.lacks("RegisterDBProxyTargets", cluster)
    if _FAMILIES[ENGINES[cluster.engine]] != proxy.engine_family:
        raise combination(
            f"DB Proxy {proxy.name} of the engine family {proxy.engine_family} cannot connect to the engine {cluster.engine}."
        )
    if cluster.status == "deleting":
        raise (instance_state if cluster.plain else cluster_state)(f"{cluster.name} is not in available state.")
    if group.cluster:
        message = f"DB Proxy {proxy.name} already has a target registered: a target group can have one."
        raise ServiceException("DBProxyTargetAlreadyRegisteredFault", message)
    if cluster.plain and proxy_routes.further(ctx, proxy):
        raise combination(f"DB Proxy {proxy.name} has endpoints that only an Aurora DB cluster can be the target of.")
    TARGET_GROUPS.put(ctx, change(group, cluster=cluster.id, updated_at_ms=ctx.now))
    converging.ask(ctx, cluster)
    return {"DBProxyTargets": _targets(ctx, proxy, cluster)}


@operation("DeregisterDBProxyTargets")
def deregister_db_proxy_targets(ctx: Context, req: Any) -> Answer:
    """Takes a proxy's target away; its clients lose their connections.

    Errors: DBProxyNotFoundFault, DBProxyTargetGroupNotFoundFault, DBProxyTargetNotFoundFault. Source: API reference.
    """
    proxy = proxy_at(ctx, req.DBProxyName)
    group = _group(ctx, proxy, req.TargetGroupName)
    for cluster in _named(ctx, req):
        if cluster.id != group.cluster:
            raise ServiceException("DBProxyTargetNotFoundFault", f"{cluster.name} is not a target of DB Proxy {proxy.name}.", status=404)
        group = change(group, cluster="", updated_at_ms=ctx.now)
        TARGET_GROUPS.put(ctx, group)
        converging.ask(ctx, cluster)
    return None
