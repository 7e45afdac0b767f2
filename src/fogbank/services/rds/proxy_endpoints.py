"""Further endpoints of a proxy: for reading and writing, or for reading only."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, events, proxy_routes, subnet_groups, tagging
from fogbank.services.rds.groups_state import ENDPOINT_BY_ID, PROXIES, PROXY_BY_ID, PROXY_ENDPOINTS, Proxy, ProxyEndpoint
from fogbank.services.rds.network import network
from fogbank.services.rds.proxies import arn_of, follow, group_of, named, new_id, proxy_at, refuse_networks, subnets
from fogbank.store import change

LIMIT = 20
"""Of endpoints of a proxy."""


def _missing(name: str) -> ServiceException:
    return ServiceException("DBProxyEndpointNotFoundFault", f"DB Proxy Endpoint {name} not found.", status=404)


def _at(ctx: Context, name: str) -> tuple[ProxyEndpoint, Proxy]:
    """Errors: DBProxyEndpointNotFoundFault, InvalidDBProxyEndpointStateFault (a proxy's own endpoint)."""
    found = PROXY_ENDPOINTS.get(ctx, ctx.account, ctx.region, name.lower())
    if found is None:
        if PROXIES.get(ctx, ctx.account, ctx.region, name.lower()) is not None:
            raise ServiceException("InvalidDBProxyEndpointStateFault", f"{name} is a default endpoint: it goes with its DB proxy.")
        raise _missing(name)
    proxy = PROXY_BY_ID.first(ctx, ctx.account, ctx.region, found.proxy)
    assert proxy is not None
    return found, proxy


def _described(ctx: Context, one: ProxyEndpoint, proxy: Proxy, status: str = "available") -> dict[str, Any]:
    return {
        "DBProxyEndpointName": one.name,
        "DBProxyEndpointArn": addresses.arn(one.account, one.region, "db-proxy-endpoint", one.id),
        "DBProxyName": proxy.name,
        "Status": status,
        "VpcId": network(one.account, one.region).vpc,
        "VpcSecurityGroupIds": list(one.security_groups),
        "VpcSubnetIds": list(one.subnets),
        "Endpoint": ctx.databases.address(one.slot),
        "CreatedDate": one.created_at_ms,
        "TargetRole": one.role,
        "IsDefault": one.id == proxy.id,
        "EndpointNetworkType": "IPV4",
    }


def _free(ctx: Context, name: str) -> str:
    """Errors: DBProxyEndpointAlreadyExistsFault."""
    if any(table.get(ctx, ctx.account, ctx.region, name) is not None for table in (PROXY_ENDPOINTS, PROXIES)):
        raise ServiceException("DBProxyEndpointAlreadyExistsFault", f"DB Proxy Endpoint {name} already exists.")
    return name


@operation("CreateDBProxyEndpoint")
def create_db_proxy_endpoint(ctx: Context, req: Any) -> Answer:
    """Makes a further endpoint of a proxy whose target is an Aurora cluster. READ_ONLY: to readers, never to the writer.

    Errors: DBProxyNotFoundFault, DBProxyEndpointAlreadyExistsFault, DBProxyEndpointQuotaExceededFault, InvalidDBProxyStateFault,
    InvalidSubnet, NotImplemented. Source: API reference, CreateDBProxyEndpoint.
    """
    proxy = proxy_at(ctx, req.DBProxyName)
    refuse_networks(ctx, req, "EndpointNetworkType")
    group = group_of(ctx, proxy)
    cluster = addresses.cluster_by_id(ctx, group.cluster) if group.cluster else None
    if cluster is not None and cluster.plain:
        message = f"DB Proxy {proxy.name} is not associated with an Aurora DB cluster."
        raise ServiceException("InvalidDBProxyStateFault", message)
    if len(proxy_routes.further(ctx, proxy)) >= LIMIT:
        raise ServiceException("DBProxyEndpointQuotaExceededFault", f"A DB proxy can't have more than {LIMIT} endpoints.")
    made = ProxyEndpoint(
        account=ctx.account,
        region=ctx.region,
        name=_free(ctx, named(req.DBProxyEndpointName, "DBProxyEndpointName")),
        id=new_id(ctx, "prx-endpoint-"),
        proxy=proxy.id,
        role=req.TargetRole or "READ_WRITE",
        slot=-1,
        subnets=subnets(ctx, req.VpcSubnetIds),
        security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds),
        created_at_ms=ctx.now,
    )
    tags = tagging.given(ctx, req.Tags, addresses.arn(ctx.account, ctx.region, "db-proxy-endpoint", "*"))
    made = change(made, tags=tags, slot=addresses.take_slot(ctx, made.id))
    PROXY_ENDPOINTS.put(ctx, made)
    follow(ctx, proxy)
    events.tell(ctx, "db-proxy", proxy.name, f"RDS created endpoint {made.name} for DB proxy {proxy.name}", arn=arn_of(proxy))
    return {"DBProxyEndpoint": _described(ctx, made, proxy, "creating")}


@operation("ModifyDBProxyEndpoint")
def modify_db_proxy_endpoint(ctx: Context, req: Any) -> Answer:
    """Gives an endpoint another name, or other security groups. Its address stays.

    Errors: DBProxyEndpointNotFoundFault, DBProxyEndpointAlreadyExistsFault, InvalidDBProxyEndpointStateFault. Source: API reference.
    """
    old, proxy = _at(ctx, req.DBProxyEndpointName)
    new = old
    if req.NewDBProxyEndpointName is not None and req.NewDBProxyEndpointName.lower() != old.name:
        PROXY_ENDPOINTS.delete(ctx, old)
        new = change(new, name=_free(ctx, named(req.NewDBProxyEndpointName, "NewDBProxyEndpointName")))
    if req.VpcSecurityGroupIds is not None:
        new = change(new, security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds))
    PROXY_ENDPOINTS.put(ctx, new)
    events.tell(ctx, "db-proxy", proxy.name, f"RDS modified the endpoint of DB proxy {proxy.name}", arn=arn_of(proxy))
    return {"DBProxyEndpoint": _described(ctx, new, proxy, "modifying")}


@operation("DeleteDBProxyEndpoint")
def delete_db_proxy_endpoint(ctx: Context, req: Any) -> Answer:
    """Deletes a further endpoint; its clients lose their connections.

    Errors: DBProxyEndpointNotFoundFault, InvalidDBProxyEndpointStateFault. Source: API reference, DeleteDBProxyEndpoint.
    """
    found, proxy = _at(ctx, req.DBProxyEndpointName)
    answer = {"DBProxyEndpoint": _described(ctx, found, proxy, "deleting")}
    PROXY_ENDPOINTS.delete(ctx, found)
    addresses.free_slot(ctx, found.slot)
    follow(ctx, proxy)
    events.tell(ctx, "db-proxy", proxy.name, f"RDS deleted endpoint {found.name} for DB proxy {proxy.name}", arn=arn_of(proxy))
    return answer


@operation("DescribeDBProxyEndpoints")
def describe_db_proxy_endpoints(ctx: Context, req: Any) -> Answer:
    """The endpoints of proxies by name, with those that proxies have by themselves; of one proxy, or the one that is named.

    Errors: DBProxyNotFoundFault, DBProxyEndpointNotFoundFault, InvalidParameterValue. Source: API reference.
    """
    addresses.filters(req, ())
    proxies = [proxy_at(ctx, req.DBProxyName)] if req.DBProxyName is not None else list(PROXIES.scan(ctx, ctx.account, ctx.region))
    every = [(one, proxy) for proxy in proxies for one in proxy_routes.every(ctx, proxy)]
    if req.DBProxyEndpointName is not None:
        every = [(one, proxy) for one, proxy in every if one.name == req.DBProxyEndpointName.lower()]
        if not every:
            raise _missing(req.DBProxyEndpointName)
    found, marker = addresses.page(req, sorted(every, key=lambda pair: pair[0].name), lambda pair: pair[0].name)
    return {"DBProxyEndpoints": [_described(ctx, one, proxy) for one, proxy in found], "Marker": marker}


addresses.TAGGED["db-proxy-endpoint"] = addresses.Tagged(ENDPOINT_BY_ID.first, PROXY_ENDPOINTS, _missing)
