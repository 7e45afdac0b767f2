"""How a proxy becomes an address of the front: an endpoint of its target's, with the credentials that its secrets hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fogbank.engines import spec
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Watch
from fogbank.services.rds import effective, families
from fogbank.services.rds.groups_state import (
    ENDPOINTS_OF_PROXY,
    PROXY_BY_ID,
    TARGETING,
    Proxy,
    ProxyEndpoint,
    TargetGroup,
)
from fogbank.services.rds.instance_classes import sized
from fogbank.services.rds.state import Cluster, members

PORTS = {"POSTGRESQL": 5432, "MYSQL": 3306}


class Credentials(NamedTuple):
    """What a proxy's secrets hold: user -> password. `problem`: what the last one that could not be read was refused with; `seen`: the
    versions that were read; `watches`: what is written when one of them changes."""

    users: dict[str, str]
    problem: str
    seen: tuple[str, ...]
    watches: tuple[Watch, ...]


def credentials(ctx: Context, proxy: Proxy) -> Credentials:
    """Reads a proxy's secrets as its role."""
    users: dict[str, str] = {}
    problem, seen, watches = "", [], []
    for auth in proxy.auth:
        parts = Arn.parse(auth.secret)
        acting = Role(proxy.role, "rds.amazonaws.com", f"rds-proxy-{proxy.name}"[:64])
        try:
            answer = ctx.call(
                "secretsmanager", "GetSecretValue", {"SecretId": auth.secret}, acting=acting, region=parts.region if parts else None
            )
            held = msgspec.json.decode(answer.get("SecretString") or "{}")
            user, password = auth.user or held["username"], held["password"]
        except ServiceException as refused:
            problem = refused.message
            continue
        except (msgspec.DecodeError, KeyError, TypeError):
            problem = f"The secret {auth.secret} does not have a username and a password."
            continue
        finally:
            seen.append(auth.secret)
        users[str(user)] = str(password)
        seen.append(answer["VersionId"])
        watches += answer.get("@watch", ())
    return Credentials(users, problem, tuple(seen), tuple(watches))


def targeting(ctx: Context, cluster: Cluster) -> Iterator[tuple[Proxy, TargetGroup]]:
    """The proxies whose target a cluster is, each with its target group."""
    for group in TARGETING.scan(ctx, cluster.account, cluster.region, cluster.id):
        proxy = PROXY_BY_ID.first(ctx, group.account, group.region, group.proxy)
        if proxy is not None:
            yield proxy, group


def further(ctx: Context, proxy: Proxy) -> list[ProxyEndpoint]:
    """A proxy's endpoints beside its own."""
    return list(ENDPOINTS_OF_PROXY.scan(ctx, proxy.account, proxy.region, proxy.id))


def own(proxy: Proxy) -> ProxyEndpoint:
    """The endpoint that a proxy has by itself, under its name."""
    return ProxyEndpoint(
        account=proxy.account,
        region=proxy.region,
        name=proxy.name,
        id=proxy.id,
        proxy=proxy.id,
        role="READ_WRITE",
        slot=proxy.slot,
        subnets=proxy.subnets,
        security_groups=proxy.security_groups,
        created_at_ms=proxy.created_at_ms,
    )


def every(ctx: Context, proxy: Proxy) -> list[ProxyEndpoint]:
    """All of a proxy's endpoints, its own first."""
    return [own(proxy), *further(ctx, proxy)]


def endpoints_of(ctx: Context, cluster: Cluster) -> tuple[spec.Endpoint, ...]:
    """The endpoints of all proxies whose target a cluster is."""
    found: list[spec.Endpoint] = []
    for proxy, group in targeting(ctx, cluster):
        settings = _settings(ctx, cluster, proxy, group)
        port = PORTS[proxy.engine_family]
        for endpoint in every(ctx, proxy):
            kind = "reader" if endpoint.role == "READ_ONLY" else "proxy"
            found.append(spec.Endpoint(endpoint.slot, port, kind, proxy=settings))
    return tuple(found)


def most_connections(ctx: Context, cluster: Cluster) -> int:
    """`max_connections` of a cluster's nodes."""
    instance = next(members(ctx, cluster), None)
    told = effective.parameters(ctx, cluster, instance) if instance is not None else families.given(cluster.engine, sized(""))
    return int(told["max_connections"])


def _settings(ctx: Context, cluster: Cluster, proxy: Proxy, group: TargetGroup) -> dict[str, Any]:
    """What the front has to know of a proxy (`engines.front.table.Proxy`)."""
    most = most_connections(ctx, cluster)
    return {
        "name": proxy.name,
        "users": {user: {"password": password} for user, password in credentials(ctx, proxy).users.items()},
        "iam": "REQUIRED" if any(auth.iam == "REQUIRED" for auth in proxy.auth) else "DISABLED",
        "max_connections": max(1, most * group.percent // 100),
        "max_idle": most * idle_percent(group) // 100,
        "borrow_timeout_s": group.borrow_timeout_s,
        "idle_client_timeout_s": proxy.idle_timeout_s,
        "init_query": group.init_query,
        "pinning_filters": list(group.pinning_filters),
        "require_tls": proxy.require_tls,
    }


def idle_percent(group: TargetGroup) -> int:
    """MaxIdleConnectionsPercent: half of the most, where it was not set."""
    return group.idle_percent if group.idle_percent >= 0 else group.percent // 2


def resource_at(ctx: Context, cluster: Cluster, address: str) -> str:
    """What a client's IAM token is about that came to an address: the id of the proxy whose address it is, or the cluster's own."""
    for proxy, _ in targeting(ctx, cluster):
        if any(ctx.databases.address(endpoint.slot) == address for endpoint in every(ctx, proxy)):
            return proxy.id
    return cluster.id
