"""What surrounds databases, for the manifest: modules, resources, and the condition keys of tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource
from fogbank.services.rds import (
    account,
    activity_streams,
    addresses,
    certificates,
    engine_versions,
    event_subscriptions,
    events,
    group_parameters,
    groups,
    logs,
    maintenance,
    option_groups,
    orderable,
    proxies,
    proxy_endpoints,
    proxy_targets,
    subnet_groups,
    tagging,
)
from fogbank.services.rds.groups_state import PROXIES, PROXY_ENDPOINTS

MODULES = [
    groups,
    group_parameters,
    subnet_groups,
    option_groups,
    events,
    event_subscriptions,
    tagging,
    engine_versions,
    orderable,
    account,
    certificates,
    maintenance,
    logs,
    proxies,
    proxy_targets,
    proxy_endpoints,
    activity_streams,
]
Named = Callable[[Context, Any], str | None]


def requested(kind: str, *members: str) -> Named:
    """The ARN of the resource of a kind that a request is about: by an ARN that it gives, or by the name in the first of these members."""

    def found(ctx: Context, req: Any) -> str | None:
        for member in ("ResourceName", "ResourceArn", "ResourceIdentifier"):
            given = getattr(req, member, None)
            if given and addresses.parse(given, kind) is not None:
                return str(given)
        given = next((value for member in members if (value := getattr(req, member, None))), None)
        if not given:
            return None
        account_id, region, name = addresses.located(ctx, given, kind)
        return addresses.arn(account_id, region, kind, name)

    return found


def _by_id(kind: str, member: str, find: Callable[[Context, str], str | None]) -> Named:
    """As `requested`, of resources whose ARN has an id: any id, where there is none of that name."""
    by_arn = requested(kind)

    def found(ctx: Context, req: Any) -> str | None:
        given = getattr(req, member, None)
        if not given:
            return by_arn(ctx, req)
        return addresses.arn(ctx.account, ctx.region, kind, find(ctx, given.lower()) or "*")

    return found


def _proxy(ctx: Context, name: str) -> str | None:
    found = PROXIES.get(ctx, ctx.account, ctx.region, name)
    return found.id if found is not None else None


def _target_group(ctx: Context, name: str) -> str | None:
    found = PROXIES.get(ctx, ctx.account, ctx.region, name)
    return found.group if found is not None else None


def _endpoint(ctx: Context, name: str) -> str | None:
    found = PROXY_ENDPOINTS.get(ctx, ctx.account, ctx.region, name)
    return found.id if found is not None else None


def _resource(kind: str, arn: Named) -> Resource:
    return Resource(kind, arn=arn, tags=tagging.tags_of)


_ARNS: dict[str, Named] = {
    "pg": requested("pg", "DBParameterGroupName", "TargetDBParameterGroupIdentifier", "DBInstanceParameterGroupName"),
    "cluster-pg": requested("cluster-pg", "DBClusterParameterGroupName", "TargetDBClusterParameterGroupIdentifier"),
    "subgrp": requested("subgrp", "DBSubnetGroupName"),
    "og": requested("og", "OptionGroupName", "TargetOptionGroupIdentifier"),
    "es": requested("es", "SubscriptionName"),
    "proxy": _by_id("db-proxy", "DBProxyName", _proxy),
    "proxy-endpoint": _by_id("db-proxy-endpoint", "DBProxyEndpointName", _endpoint),
    "target-group": _by_id("target-group", "DBProxyName", _target_group),
}
RESOURCES = [_resource(kind, arn) for kind, arn in _ARNS.items()]


# `rds:pg-tag/KEY` and its like: tags of the resource of a kind, whatever the request is also about


def _tags(arn: Named) -> Callable[[Context, Any], Mapping[str, str] | None]:
    def found(ctx: Context, req: Any) -> Mapping[str, str] | None:
        named = arn(ctx, req)
        return (tagging.tags_of(ctx, named) if named else None) or {}

    return found


def _request_tags(ctx: Context, req: Any) -> dict[str, str]:
    return {tag.Key: tag.Value or "" for tag in getattr(req, "Tags", None) or ()}


CONDITIONS: dict[str, Callable[[Context, Any], Any]] = {
    "rds:cluster-pg-tag/": _tags(_ARNS["cluster-pg"]),
    "rds:cluster-snapshot-tag/": _tags(requested("cluster-snapshot", "DBClusterSnapshotIdentifier")),
    "rds:cluster-tag/": _tags(requested("cluster", "DBClusterIdentifier")),
    "rds:db-tag/": _tags(requested("db", "DBInstanceIdentifier")),
    "rds:es-tag/": _tags(_ARNS["es"]),
    "rds:og-tag/": _tags(_ARNS["og"]),
    "rds:pg-tag/": _tags(_ARNS["pg"]),
    "rds:req-tag/": _request_tags,
    "rds:snapshot-tag/": _tags(requested("snapshot", "DBSnapshotIdentifier")),
    "rds:subgrp-tag/": _tags(_ARNS["subgrp"]),
}
