"""Endpoints of a cluster: its two own, and those that users make, which lead to some of its instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import converging, making, masters, tagging
from fogbank.services.rds.addresses import (
    TAGGED,
    arn,
    cluster_at,
    cluster_by_id,
    filters,
    get_cluster,
    identifier,
    page,
    passing,
    resource_id,
    take_slot,
)
from fogbank.services.rds.faults import combination, instance_missing, invalid
from fogbank.services.rds.state import (
    CLUSTERS,
    CLUSTERS_BY_NAME,
    ENDPOINTS,
    ENDPOINTS_OF,
    INSTANCES,
    Cluster,
    CustomEndpoint,
    members,
)
from fogbank.store import change

KINDS = ("READER", "WRITER", "ANY")
CUSTOM_LIMIT = 5


def described(ctx: Context, custom: CustomEndpoint) -> dict[str, Any]:
    """DBClusterEndpoint."""
    row = cluster_by_id(ctx, custom.cluster)
    return {
        "DBClusterEndpointIdentifier": custom.name,
        "DBClusterIdentifier": row.name if row is not None else None,
        "DBClusterEndpointResourceIdentifier": custom.id,
        "Endpoint": ctx.databases.address(custom.slot),
        "Status": custom.status,
        "EndpointType": "CUSTOM",
        "CustomEndpointType": custom.kind,
        "StaticMembers": _names(ctx, custom, custom.members),
        "ExcludedMembers": _names(ctx, custom, custom.excluded),
        "DBClusterEndpointArn": arn(custom.account, custom.region, "cluster-endpoint", custom.name),
    }


def _names(ctx: Context, custom: CustomEndpoint, ids: tuple[str, ...]) -> list[str]:
    found = (INSTANCES.get(ctx, custom.account, custom.region, id) for id in ids)
    return [instance.name for instance in found if instance is not None]


def _own(ctx: Context, row: Cluster) -> Iterator[dict[str, Any]]:
    """The endpoints that every cluster has."""
    status = "creating" if row.status == "creating" else "available"
    for kind, slot in (("WRITER", row.writer_slot), ("READER", row.reader_slot)):
        yield {"DBClusterIdentifier": row.name, "Endpoint": ctx.databases.address(slot), "Status": status, "EndpointType": kind}


def _ids(ctx: Context, row: Cluster, names: list[str] | None) -> tuple[str, ...]:
    there = {instance.name: instance.id for instance in members(ctx, row)}
    for name in names or ():
        if name.lower() not in there:
            raise instance_missing(name)
    return tuple(there[name.lower()] for name in names or ())


def _kind(given: str) -> str:
    if given.upper() not in KINDS:
        raise invalid(f"Invalid endpoint type: {given}. Valid types are {', '.join(KINDS)}.")
    return given.upper()


@operation("CreateDBClusterEndpoint")
def create_db_cluster_endpoint(ctx: Context, req: Any) -> Answer:
    """Makes an endpoint that leads, in turn, to the instances that are listed, or to all but those that are excluded.

    READER: those of them that do not write; ANY: all; WRITER: the writer. At most 5 of a cluster.

    Errors: DBClusterNotFoundFault, DBClusterEndpointAlreadyExistsFault, DBClusterEndpointQuotaExceededFault, DBInstanceNotFoundFault,
    InvalidDBClusterStateFault, InvalidParameterCombination. Source: API reference, CreateDBClusterEndpoint.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    masters.lacks("CreateDBClusterEndpoint", row)
    making.check_available(row, "modifying")
    name = identifier(req.DBClusterEndpointIdentifier, "DBClusterEndpointIdentifier")
    if ENDPOINTS.get(ctx, ctx.account, ctx.region, name) is not None:
        raise ServiceException("DBClusterEndpointAlreadyExistsFault", f"DB cluster endpoint {name} already exists.")
    if sum(1 for _ in ENDPOINTS_OF.scan(ctx, ctx.account, ctx.region, row.id)) >= CUSTOM_LIMIT:
        message = f"The cluster already has the maximum number of {CUSTOM_LIMIT} custom endpoints."
        raise ServiceException("DBClusterEndpointQuotaExceededFault", message, status=403)
    _check_lists(req)
    id = resource_id(ctx, "cluster-endpoint-")
    custom = CustomEndpoint(
        account=ctx.account,
        region=ctx.region,
        name=name,
        id=id,
        cluster=row.id,
        kind=_kind(req.EndpointType),
        slot=take_slot(ctx, id),
        members=_ids(ctx, row, req.StaticMembers),
        excluded=_ids(ctx, row, req.ExcludedMembers),
        tags=tagging.given(ctx, req.Tags, arn(ctx.account, ctx.region, "cluster-endpoint", name)),
    )
    ENDPOINTS.put(ctx, custom)
    converging.ask(ctx, row)
    return described(ctx, custom)


def _check_lists(req: Any) -> None:
    if req.StaticMembers and req.ExcludedMembers:
        raise combination("You can't specify both a list of static members and a list of excluded members.")


def _at(ctx: Context, name: str) -> CustomEndpoint:
    found = ENDPOINTS.get(ctx, ctx.account, ctx.region, name.lower())
    if found is None:
        raise TAGGED["cluster-endpoint"].not_found(name)
    if found.status != "available":
        raise ServiceException("InvalidDBClusterEndpointStateFault", f"DB cluster endpoint {found.name} is in {found.status} state.")
    return found


def _row_of(ctx: Context, custom: CustomEndpoint) -> Cluster:
    row = cluster_by_id(ctx, custom.cluster)
    assert row is not None
    return row


@operation("ModifyDBClusterEndpoint")
def modify_db_cluster_endpoint(ctx: Context, req: Any) -> Answer:
    """Changes where an endpoint leads. A list that is given takes the place of either list.

    Errors: DBClusterEndpointNotFoundFault, InvalidDBClusterEndpointStateFault, DBInstanceNotFoundFault, InvalidParameterCombination.
    Source: API reference, ModifyDBClusterEndpoint.
    """
    custom = _at(ctx, req.DBClusterEndpointIdentifier)
    row = _row_of(ctx, custom)
    _check_lists(req)
    if req.EndpointType:
        custom = change(custom, kind=_kind(req.EndpointType))
    if req.StaticMembers is not None:
        custom = change(custom, members=_ids(ctx, row, req.StaticMembers), excluded=() if req.StaticMembers else custom.excluded)
    if req.ExcludedMembers is not None:
        custom = change(custom, excluded=_ids(ctx, row, req.ExcludedMembers), members=() if req.ExcludedMembers else custom.members)
    custom = change(custom, status="modifying")
    ENDPOINTS.put(ctx, custom)
    converging.ask(ctx, row)
    return described(ctx, custom)


@operation("DeleteDBClusterEndpoint")
def delete_db_cluster_endpoint(ctx: Context, req: Any) -> Answer:
    """Deletes an endpoint that a user made.

    Errors: DBClusterEndpointNotFoundFault, InvalidDBClusterEndpointStateFault. Source: API reference, DeleteDBClusterEndpoint.
    """
    custom = change(_at(ctx, req.DBClusterEndpointIdentifier), status="deleting")
    ENDPOINTS.put(ctx, custom)
    converging.ask(ctx, _row_of(ctx, custom))
    return described(ctx, custom)


_FILTERS = {
    "db-cluster-endpoint-type": lambda each: (each["EndpointType"].lower(),),
    "db-cluster-endpoint-custom-type": lambda each: ((each.get("CustomEndpointType") or "").lower(),),
    "db-cluster-endpoint-id": lambda each: (each.get("DBClusterEndpointIdentifier") or "",),
    "db-cluster-endpoint-status": lambda each: (each["Status"].lower(),),
}


@operation("DescribeDBClusterEndpoints")
def describe_db_cluster_endpoints(ctx: Context, req: Any) -> Answer:
    """The endpoints of a cluster, or of all: their own, and those that users made.

    Errors: DBClusterNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBClusterEndpoints.
    """
    wanted = {name: [value.lower() for value in values] for name, values in filters(req, _FILTERS).items()}
    one = cluster_at(ctx, req.DBClusterIdentifier) if req.DBClusterIdentifier else None
    rows = [one] if one is not None else list(CLUSTERS_BY_NAME.scan(ctx, ctx.account, ctx.region))
    found = [
        each
        for row in rows
        for each in (
            *_own(ctx, row),
            *(described(ctx, custom) for custom in ENDPOINTS_OF.scan(ctx, row.account, row.region, row.id)),
        )
    ]
    if req.DBClusterEndpointIdentifier:
        found = [each for each in found if each.get("DBClusterEndpointIdentifier") == req.DBClusterEndpointIdentifier.lower()]
    passed = passing(found, wanted, _FILTERS)
    listed, marker = page(req, passed, _place)
    return {"DBClusterEndpoints": listed, "Marker": marker}


def _place(each: dict[str, Any]) -> str:
    """Where it stands in the listing: a cluster's writer, reader, then the others by name."""
    order = {"WRITER": "0", "READER": "1"}.get(each["EndpointType"], "2")
    return f"{each['DBClusterIdentifier']} {order} {each.get('DBClusterEndpointIdentifier', '')}"


# The endpoint of the Data API


def _http(ctx: Context, arn_: str, *, enabled: bool) -> Answer:
    row = get_cluster(ctx, arn_)
    if row is None or (row.account, row.region) != (ctx.account, ctx.region):
        raise ServiceException("ResourceNotFoundFault", f"There is no DB cluster {arn_}.", status=404)
    if row.status != "available":
        raise ServiceException("InvalidResourceStateFault", f"DbCluster {row.name} is in {row.status} state, but expected available.")
    CLUSTERS.put(ctx, change(row, http_endpoint=enabled))
    return {"ResourceArn": arn_, "HttpEndpointEnabled": enabled}


@operation("EnableHttpEndpoint")
def enable_http_endpoint(ctx: Context, req: Any) -> Answer:
    """Lets the Data API reach a cluster. Errors: ResourceNotFoundFault, InvalidResourceStateFault. Source: API reference."""
    return _http(ctx, req.ResourceArn, enabled=True)


@operation("DisableHttpEndpoint")
def disable_http_endpoint(ctx: Context, req: Any) -> Answer:
    """Keeps the Data API from a cluster. Errors: ResourceNotFoundFault, InvalidResourceStateFault. Source: API reference."""
    return _http(ctx, req.ResourceArn, enabled=False)
