"""Proxies, their endpoints and target groups as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Part, Properties, ResourceType, absent, every, given, not_updatable
from fogbank.services.rds.resources_groups import listed, tagged

_PROXY = ("DBProxyName", "DBProxyArn", "EngineFamily", "RoleArn", "VpcId", "Endpoint", "DefaultAuthScheme", "RequireTLS")
_NETWORKS = (
    "IdleClientTimeout",
    "DebugLogging",
    "EndpointNetworkType",
    "TargetConnectionNetworkType",
    "VpcSubnetIds",
    "VpcSecurityGroupIds",
)


def _described(ctx: Context, operation: str, answer: str, member: str, identifier: str) -> dict[str, Any]:
    one: dict[str, Any] = ctx.call("rds", operation, {member: identifier})[answer][0]
    return one


def _proxy(ctx: Context, identifier: str) -> dict[str, Any]:
    return _described(ctx, "DescribeDBProxies", "DBProxies", "DBProxyName", identifier)


def _id(ctx: Context, identifier: str) -> str:
    arn: str = _proxy(ctx, identifier)["DBProxyArn"]
    return arn.rpartition(":")[2]


def _create_proxy(ctx: Context, properties: Properties) -> str:
    made: str = ctx.call("rds", "CreateDBProxy", properties)["DBProxy"]["DBProxyName"]
    return made


def _read_proxy(ctx: Context, identifier: str) -> Properties:
    one = _proxy(ctx, identifier)
    shown = {name: one.get(name) for name in (*_PROXY, *_NETWORKS)}
    auth = [{name: value for name, value in each.items() if name != "UserName" and value is not None} for each in one["Auth"]]
    return {**shown, "Auth": auth}


_CHANGED = ("Auth", "DefaultAuthScheme", "RequireTLS", "IdleClientTimeout", "DebugLogging", "RoleArn")


def _put_proxy(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = {name: after[name] for name in _CHANGED if name in after and before.get(name) != after[name]}
    groups = given(SecurityGroups=after.get("VpcSecurityGroupIds"))
    ctx.call("rds", "ModifyDBProxy", {"DBProxyName": identifier, **members, **groups})


PROXY = ResourceType(
    "AWS::RDS::DBProxy",
    create=_create_proxy,
    made_with=("DBProxyName", "EngineFamily", *_CHANGED, *_NETWORKS, "Tags"),
    read=_read_proxy,
    delete=lambda ctx, identifier, properties: ctx.call("rds", "DeleteDBProxy", {"DBProxyName": identifier}),
    list=listed("DescribeDBProxies", "DBProxies", "DBProxyName"),
    parts=(Part((*_CHANGED, "VpcSecurityGroupIds"), _put_proxy), tagged("db-proxy", _id)),
    absent=("DBProxyNotFoundFault",),
    present=("DBProxyAlreadyExistsFault",),
)


# Endpoints


def _endpoint(ctx: Context, identifier: str) -> dict[str, Any]:
    return _described(ctx, "DescribeDBProxyEndpoints", "DBProxyEndpoints", "DBProxyEndpointName", identifier)


def _endpoint_id(ctx: Context, identifier: str) -> str:
    arn: str = _endpoint(ctx, identifier)["DBProxyEndpointArn"]
    return arn.rpartition(":")[2]


def _create_endpoint(ctx: Context, properties: Properties) -> str:
    made: str = ctx.call("rds", "CreateDBProxyEndpoint", properties)["DBProxyEndpoint"]["DBProxyEndpointName"]
    return made


def _read_endpoint(ctx: Context, identifier: str) -> Properties:
    one = _endpoint(ctx, identifier)
    return {name: one[name] for name in one if name not in ("Status", "CreatedDate")}


def _put_endpoint(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = given(VpcSecurityGroupIds=after.get("VpcSecurityGroupIds"))
    ctx.call("rds", "ModifyDBProxyEndpoint", {"DBProxyEndpointName": identifier, **members})


ENDPOINT = ResourceType(
    "AWS::RDS::DBProxyEndpoint",
    create=_create_endpoint,
    made_with=("DBProxyName", "DBProxyEndpointName", "VpcSubnetIds", "VpcSecurityGroupIds", "TargetRole", "EndpointNetworkType", "Tags"),
    read=_read_endpoint,
    delete=lambda ctx, identifier, properties: ctx.call("rds", "DeleteDBProxyEndpoint", {"DBProxyEndpointName": identifier}),
    list=lambda ctx: (
        one["DBProxyEndpointName"]
        for one in every(ctx, "rds", "DescribeDBProxyEndpoints", {}, "DBProxyEndpoints", "Marker")
        if not one["IsDefault"]
    ),
    parts=(
        Part(("VpcSecurityGroupIds",), _put_endpoint),
        not_updatable("AWS::RDS::DBProxyEndpoint", "TargetRole"),
        tagged("db-proxy-endpoint", _endpoint_id),
    ),
    absent=("DBProxyEndpointNotFoundFault",),
    present=("DBProxyEndpointAlreadyExistsFault",),
)


# Target groups: each proxy has one, which a stack fills


_UNSET = {"MaxConnectionsPercent": 100, "ConnectionBorrowTimeout": 120, "SessionPinningFilters": [], "InitQuery": ""}
_UNSET_POOL = {"MaxConnectionsPercent": 100, "MaxIdleConnectionsPercent": 50, "ConnectionBorrowTimeout": 120}


def _groups(ctx: Context) -> list[dict[str, Any]]:
    found = []
    for proxy in every(ctx, "rds", "DescribeDBProxies", {}, "DBProxies", "Marker"):
        found += ctx.call("rds", "DescribeDBProxyTargetGroups", {"DBProxyName": proxy["DBProxyName"]})["TargetGroups"]
    return found


def _used(ctx: Context, group: dict[str, Any]) -> bool:
    """Whether a proxy's group was given anything: before, and after a stack is gone, there is none for CloudFormation."""
    pool = {name: value for name, value in group["ConnectionPoolConfig"].items() if value}
    return pool != _UNSET_POOL or bool(_targets(ctx, group["DBProxyName"]))


def _group(ctx: Context, arn: str) -> dict[str, Any]:
    one = next((group for group in _groups(ctx) if group["TargetGroupArn"] == arn and _used(ctx, group)), None)
    if one is None:
        raise absent("AWS::RDS::DBProxyTargetGroup", arn)
    return one


def _create_group(ctx: Context, properties: Properties) -> str:
    where = {name: properties[name] for name in ("DBProxyName", "TargetGroupName")}
    made: str = ctx.call("rds", "DescribeDBProxyTargetGroups", where)["TargetGroups"][0]["TargetGroupArn"]
    return made


def _targets(ctx: Context, proxy: str) -> Properties:
    """The registered target, as CloudFormation names it."""
    every_target = list(every(ctx, "rds", "DescribeDBProxyTargets", {"DBProxyName": proxy}, "Targets", "Marker"))
    clusters = [one["RdsResourceId"] for one in every_target if one["Type"] == "TRACKED_CLUSTER"]
    instances = [one["RdsResourceId"] for one in every_target if one["Type"] == "RDS_INSTANCE" and not one.get("TrackedClusterId")]
    return given(DBClusterIdentifiers=clusters or None, DBInstanceIdentifiers=instances or None)


def _read_group(ctx: Context, arn: str) -> Properties:
    one = _group(ctx, arn)
    pool = {name: value for name, value in one["ConnectionPoolConfig"].items() if value is not None}
    shown = {name: one[name] for name in ("DBProxyName", "TargetGroupName", "TargetGroupArn")}
    return {**shown, "ConnectionPoolConfigurationInfo": pool, **_targets(ctx, one["DBProxyName"])}


_REGISTERED = ("DBClusterIdentifiers", "DBInstanceIdentifiers")
_POOL = "ConnectionPoolConfigurationInfo"


def _put_targets(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    proxy = after["DBProxyName"]
    old, new = _targets(ctx, proxy), {name: after[name] for name in _REGISTERED if after.get(name)}
    if old == new:
        return
    if old:
        ctx.call("rds", "DeregisterDBProxyTargets", {"DBProxyName": proxy, **old})
    if new:
        ctx.call("rds", "RegisterDBProxyTargets", {"DBProxyName": proxy, **new})


def _put_pool(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    where = {name: after[name] for name in ("DBProxyName", "TargetGroupName")}
    ctx.call("rds", "ModifyDBProxyTargetGroup", {**where, "ConnectionPoolConfig": {**_UNSET, **(after.get(_POOL) or {})}})


def _delete_group(ctx: Context, arn: str, properties: Properties) -> None:
    """What it was given goes; the group itself goes with its proxy."""
    one = _group(ctx, arn)
    proxy = one["DBProxyName"]
    where = {name: one[name] for name in ("DBProxyName", "TargetGroupName")}
    ctx.call("rds", "ModifyDBProxyTargetGroup", {**where, "ConnectionPoolConfig": _UNSET})
    targets = _targets(ctx, proxy)
    if targets:
        ctx.call("rds", "DeregisterDBProxyTargets", {"DBProxyName": proxy, **targets})


TARGET_GROUP = ResourceType(
    "AWS::RDS::DBProxyTargetGroup",
    create=_create_group,
    made_with=("DBProxyName", "TargetGroupName"),
    read=_read_group,
    delete=_delete_group,
    list=lambda ctx: (one["TargetGroupArn"] for one in _groups(ctx) if _used(ctx, one)),
    parts=(Part(_REGISTERED, _put_targets), Part((_POOL,), _put_pool), tagged("target-group", lambda ctx, arn: arn.rpartition(":")[2])),
    absent=("Absent", "DBProxyNotFoundFault"),
)

TYPES = (PROXY, ENDPOINT, TARGET_GROUP)
