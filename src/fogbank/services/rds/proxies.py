"""RDS Proxy: proxies, made, changed, described, deleted. What they lead to is in `proxy_targets`, further endpoints in `proxy_endpoints`.

A proxy knows database users by secrets that it reads as its role; when one of them changes, it goes on with what is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, Wait, operation, task
from fogbank.services.rds import addresses, converging, events, proxy_routes, subnet_groups, tagging
from fogbank.services.rds.faults import combination, invalid
from fogbank.services.rds.groups_state import (
    PROXIES,
    PROXY_BY_ID,
    PROXY_ENDPOINTS,
    TARGET_GROUPS,
    Auth,
    Proxy,
    ProxyEndpoint,
    TargetGroup,
)
from fogbank.services.rds.network import network
from fogbank.services.rds.state import DAY_MS, MINUTE_MS, Cluster
from fogbank.store import change

LIMIT = 20
IDLE_S = (1, 28_800)
_ID_LETTERS = "0123456789abcdef"
_name = re.compile(r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*").fullmatch
_PASSWORDS = {
    "POSTGRESQL": ("POSTGRES_SCRAM_SHA_256",),
    "MYSQL": ("MYSQL_NATIVE_PASSWORD",),
}
"""How clients show a password."""


def missing(name: str) -> ServiceException:
    return ServiceException("DBProxyNotFoundFault", f"DB Proxy {name} not found.", status=404)


def proxy_at(ctx: Context, name: str) -> Proxy:
    """Errors: DBProxyNotFoundFault."""
    found = PROXIES.get(ctx, ctx.account, ctx.region, name.lower())
    if found is None:
        raise missing(name)
    return found


def arn_of(proxy: Proxy) -> str:
    return addresses.arn(proxy.account, proxy.region, "db-proxy", proxy.id)


def new_id(ctx: Context, prefix: str) -> str:
    """ "prx-" and 17 hexadecimal digits."""
    return prefix + ctx.random.hex(17)


def group_of(ctx: Context, proxy: Proxy) -> TargetGroup:
    """A proxy's target group."""
    found = TARGET_GROUPS.get(ctx, proxy.account, proxy.region, proxy.group)
    assert found is not None
    return found


def named(text: str, member: str) -> str:
    """A name as it is kept. Errors: InvalidParameterValue."""
    if not _name(text) or len(text) > 63:
        raise invalid(f"The parameter {member} is not a valid identifier.")
    return text.lower()


def refuse_networks(ctx: Context, req: Any, *members: str) -> None:
    """Errors: NotImplemented, for what is not IPv4."""
    for member in members:
        if getattr(req, member, None) not in (None, "IPV4"):
            raise NotImplementedOperation("rds", ctx.operation, f"with {member} {getattr(req, member)}")


def subnets(ctx: Context, given: Iterable[str]) -> tuple[str, ...]:
    """Subnets in at least two zones. Errors: InvalidSubnet."""
    found = subnet_groups.check_subnets(ctx, given)
    if len(found) < subnet_groups.ZONES_LEAST:
        raise ServiceException("InvalidSubnet", "You must provide subnets in at least two Availability Zones.")
    return found


def follow(ctx: Context, proxy: Proxy) -> None:
    """Has the target of a proxy that was changed follow."""
    group = TARGET_GROUPS.get(ctx, proxy.account, proxy.region, proxy.group)
    cluster = addresses.cluster_by_id(ctx, group.cluster) if group is not None and group.cluster else None
    if cluster is not None and cluster.status != "deleting":
        converging.ask(ctx, cluster)


def forget(ctx: Context, cluster: Cluster) -> None:
    """A cluster is gone: nothing is the target of its proxies any more."""
    for proxy, group in list(proxy_routes.targeting(ctx, cluster)):
        TARGET_GROUPS.put(ctx, change(group, cluster="", updated_at_ms=ctx.now))
        what = "DB instance" if cluster.plain else "DB cluster"
        said = f"RDS detected the deletion of {what} {cluster.name} and automatically removed it from the target group of DB proxy "
        events.tell(ctx, "db-proxy", proxy.name, said + proxy.name, arn=arn_of(proxy))


def described(ctx: Context, proxy: Proxy, status: str = "available") -> dict[str, Any]:
    """The DBProxy structure."""
    return {
        "DBProxyName": proxy.name,
        "DBProxyArn": arn_of(proxy),
        "Status": status,
        "EngineFamily": proxy.engine_family,
        "VpcId": network(proxy.account, proxy.region).vpc,
        "VpcSecurityGroupIds": list(proxy.security_groups),
        "VpcSubnetIds": list(proxy.subnets),
        "DefaultAuthScheme": proxy.scheme,
        "Auth": [
            {
                "Description": auth.description or None,
                "UserName": auth.user or None,
                "AuthScheme": "SECRETS",
                "SecretArn": auth.secret,
                "IAMAuth": auth.iam,
                "ClientPasswordAuthType": auth.client or _PASSWORDS[proxy.engine_family][0],
            }
            for auth in proxy.auth
        ],
        "RoleArn": proxy.role,
        "Endpoint": ctx.databases.address(proxy.slot),
        "RequireTLS": proxy.require_tls,
        "IdleClientTimeout": proxy.idle_timeout_s,
        "DebugLogging": False,
        "CreatedDate": proxy.created_at_ms,
        "UpdatedDate": proxy.updated_at_ms,
        "EndpointNetworkType": "IPV4",
        "TargetConnectionNetworkType": "IPV4",
    }


# Checks of what is given


def _auth(ctx: Context, family: str, given: Iterable[Any] | None) -> tuple[Auth, ...]:
    """Errors: InvalidParameterValue, InvalidParameterCombination, NotImplemented."""
    found = []
    for one in given or ():
        parts = Arn.parse(one.SecretArn or "")
        if parts is None or parts.service != "secretsmanager":
            raise invalid(f"Invalid SecretArn: {one.SecretArn}")
        if one.IAMAuth == "ENABLED":
            raise invalid("IAMAuth ENABLED is valid only for proxies with RDS for Microsoft SQL Server.")
        client = one.ClientPasswordAuthType or ""
        if client and not client.startswith(family[:5]):
            raise combination(f"ClientPasswordAuthType {client} is not valid for the engine family {family}.")
        if client and client not in _PASSWORDS[family]:
            raise NotImplementedOperation("rds", ctx.operation, f"with ClientPasswordAuthType {client}")
        found.append(Auth(one.SecretArn, one.IAMAuth or "DISABLED", one.Description or "", one.UserName or "", client))
    if not found:
        raise combination("You must specify at least one Auth entry.")
    if len({auth.iam for auth in found}) > 1:
        raise NotImplementedOperation("rds", ctx.operation, "with IAMAuth that differs from user to user")
    return tuple(found)


def _check_free(ctx: Context, name: str) -> None:
    """A proxy's own endpoint has its name. Errors: DBProxyAlreadyExistsFault."""
    if any(table.get(ctx, ctx.account, ctx.region, name) is not None for table in (PROXIES, PROXY_ENDPOINTS)):
        raise ServiceException("DBProxyAlreadyExistsFault", f"DB Proxy {name} already exists.")


def _role(ctx: Context, arn: str) -> str:
    """Errors: InvalidParameterValue, AccessDenied."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "iam" or not parts.resource.startswith("role/"):
        raise invalid(f"Invalid RoleArn: {arn}")
    ctx.authorize("iam:PassRole", arn, iam__PassedToService="rds.amazonaws.com")
    return arn


def _refuse(ctx: Context, req: Any) -> None:
    if req.DebugLogging:
        raise NotImplementedOperation("rds", ctx.operation, "with DebugLogging")
    if req.DefaultAuthScheme == "IAM_AUTH":
        raise NotImplementedOperation("rds", ctx.operation, "with DefaultAuthScheme IAM_AUTH")


def _idle(given: int | None, before: int) -> int:
    if given is None:
        return before
    if not IDLE_S[0] <= given <= IDLE_S[1]:
        raise invalid(f"Invalid value {given} for IdleClientTimeout. Must be between {IDLE_S[0]} and {IDLE_S[1]}")
    return given


# Operations


@operation("CreateDBProxy")
def create_db_proxy(ctx: Context, req: Any) -> Answer:
    """Makes a proxy, at once available; it leads nowhere until it has a target. At most 20 in a region. Needs iam:PassRole on its role.

    Errors: DBProxyAlreadyExistsFault, DBProxyQuotaExceededFault, InvalidSubnet, InvalidParameterValue, InvalidParameterCombination,
    NotImplemented. Source: API reference, CreateDBProxy.
    """
    name = named(req.DBProxyName, "DBProxyName")
    _check_free(ctx, name)
    if sum(1 for _ in PROXIES.scan(ctx, ctx.account, ctx.region)) >= LIMIT:
        raise ServiceException("DBProxyQuotaExceededFault", f"You can't have more than {LIMIT} DB proxies.")
    if req.EngineFamily not in _PASSWORDS:
        raise NotImplementedOperation("rds", ctx.operation, f"with EngineFamily {req.EngineFamily}")
    refuse_networks(ctx, req, "EndpointNetworkType", "TargetConnectionNetworkType")
    _refuse(ctx, req)
    proxy = Proxy(
        account=ctx.account,
        region=ctx.region,
        name=name,
        id=new_id(ctx, "prx-"),
        group=new_id(ctx, "prx-tg-"),
        engine_family=req.EngineFamily,
        role=_role(ctx, req.RoleArn),
        slot=-1,
        subnets=subnets(ctx, req.VpcSubnetIds),
        security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds),
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
        auth=_auth(ctx, req.EngineFamily, req.Auth),
        require_tls=bool(req.RequireTLS),
        idle_timeout_s=_idle(req.IdleClientTimeout, 1800),
    )
    tags = tagging.given(ctx, req.Tags, addresses.arn(ctx.account, ctx.region, "db-proxy", "*"))
    proxy = change(proxy, tags=tags, slot=addresses.take_slot(ctx, proxy.id))
    PROXIES.put(ctx, proxy)
    group = TargetGroup(
        account=ctx.account, region=ctx.region, id=proxy.group, proxy=proxy.id, created_at_ms=ctx.now, updated_at_ms=ctx.now
    )
    TARGET_GROUPS.put(ctx, group)
    events.tell(ctx, "db-proxy", name, f"RDS created DB proxy {name}", arn=arn_of(proxy))
    ctx.later("rds.proxy_secrets", {"account": ctx.account, "region": ctx.region, "proxy": proxy.id, "seen": None})
    return {"DBProxy": described(ctx, proxy, "creating")}


@operation("ModifyDBProxy")
def modify_db_proxy(ctx: Context, req: Any) -> Answer:
    """Changes a proxy's name, credentials, role, or settings. Clients that are connected stay.

    Errors: DBProxyNotFoundFault, DBProxyAlreadyExistsFault, InvalidParameterValue, InvalidParameterCombination, NotImplemented.
    Source: API reference, ModifyDBProxy.
    """
    old = proxy_at(ctx, req.DBProxyName)
    _refuse(ctx, req)
    name = old.name if req.NewDBProxyName is None else named(req.NewDBProxyName, "NewDBProxyName")
    if name != old.name:
        _check_free(ctx, name)
        PROXIES.delete(ctx, old)
    new = change(
        old,
        name=name,
        auth=old.auth if req.Auth is None else _auth(ctx, old.engine_family, req.Auth),
        role=old.role if req.RoleArn is None else _role(ctx, req.RoleArn),
        require_tls=old.require_tls if req.RequireTLS is None else req.RequireTLS,
        idle_timeout_s=_idle(req.IdleClientTimeout, old.idle_timeout_s),
        security_groups=old.security_groups if req.SecurityGroups is None else subnet_groups.security_groups(ctx, req.SecurityGroups),
        updated_at_ms=ctx.now,
    )
    PROXIES.put(ctx, new)
    follow(ctx, new)
    events.tell(ctx, "db-proxy", name, f"RDS modified DB proxy {name}", arn=arn_of(new))
    return {"DBProxy": described(ctx, new, "modifying")}


@operation("DeleteDBProxy")
def delete_db_proxy(ctx: Context, req: Any) -> Answer:
    """Deletes a proxy with its target group and its further endpoints; clients lose their connections.

    Errors: DBProxyNotFoundFault. Source: API reference, DeleteDBProxy.
    """
    proxy = proxy_at(ctx, req.DBProxyName)
    answer = {"DBProxy": described(ctx, proxy, "deleting")}
    PROXIES.delete(ctx, proxy)
    rest: list[ProxyEndpoint] = proxy_routes.further(ctx, proxy)
    for endpoint in rest:
        PROXY_ENDPOINTS.delete(ctx, endpoint)
    for slot in (proxy.slot, *(endpoint.slot for endpoint in rest)):
        addresses.free_slot(ctx, slot)
    follow(ctx, proxy)
    TARGET_GROUPS.delete(ctx, group_of(ctx, proxy))
    events.tell(ctx, "db-proxy", proxy.name, f"RDS deleted DB proxy {proxy.name}", arn=arn_of(proxy))
    return answer


@operation("DescribeDBProxies")
def describe_db_proxies(ctx: Context, req: Any) -> Answer:
    """The proxies by name, or the one that is named. Errors: DBProxyNotFoundFault, InvalidParameterValue."""
    addresses.filters(req, ())
    if req.DBProxyName is not None:
        return {"DBProxies": [described(ctx, proxy_at(ctx, req.DBProxyName))]}
    found, marker = addresses.page(req, PROXIES.scan(ctx, ctx.account, ctx.region), lambda proxy: proxy.name)
    return {"DBProxies": [described(ctx, proxy) for proxy in found], "Marker": marker}


@task("proxy_secrets")
def proxy_secrets(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Watches a proxy's secrets for as long as the proxy is there: when one changes, its target's endpoints are told."""
    where = ctx.of(payload["account"], payload["region"])
    proxy = PROXY_BY_ID.first(ctx, payload["account"], payload["region"], payload["proxy"])
    if proxy is None:
        return None
    held = proxy_routes.credentials(where, proxy)
    if payload["seen"] != list(held.seen):
        if payload["seen"] is not None:
            follow(where, proxy)
        where.later("rds.proxy_secrets", {**payload, "seen": list(held.seen)})
        return None
    again_ms = 5 * MINUTE_MS if held.problem else DAY_MS
    return Wait((PROXIES.watch(proxy.account, proxy.region, proxy.name), *held.watches), ctx.now + again_ms)


addresses.TAGGED["db-proxy"] = addresses.Tagged(PROXY_BY_ID.first, PROXIES, missing)
addresses.TAGGED["target-group"] = addresses.Tagged(
    TARGET_GROUPS.get,
    TARGET_GROUPS,
    lambda name: ServiceException("DBProxyTargetGroupNotFoundFault", f"Target group {name} not found.", status=404),
)
