"""How things are named and found: identifiers, ARNs, pages, filters; and the addresses of endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import faults
from fogbank.services.rds.state import (
    CLUSTERS,
    CLUSTERS_BY_NAME,
    ENDPOINTS,
    GLOBALS,
    INSTANCES,
    INSTANCES_BY_NAME,
    SLOTS,
    SNAPSHOTS,
    Cluster,
    Instance,
    Slot,
)
from fogbank.store import Table

T = TypeVar("T")
ADDRESSES = 65_280
RESOURCE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_identifier = re.compile(r"[a-z](?!.*--)[a-z0-9-]*(?<!-)").fullmatch


class Tagged(NamedTuple):
    """A type of resource that carries tags: how one is found, and where it is put."""

    find: Callable[[Context, str, str, str], Any]
    table: Table[Any]
    not_found: Callable[[str], ServiceException]


def _cluster(ctx: Context, account: str, region: str, name: str) -> Cluster | None:
    return CLUSTERS_BY_NAME.first(ctx, account, region, name)


def _instance(ctx: Context, account: str, region: str, name: str) -> Instance | None:
    return INSTANCES_BY_NAME.first(ctx, account, region, name)


TAGGED: dict[str, Tagged] = {
    "cluster": Tagged(_cluster, CLUSTERS, faults.cluster_missing),
    "db": Tagged(_instance, INSTANCES, faults.instance_missing),
    "cluster-snapshot": Tagged(
        lambda ctx, account, region, name: SNAPSHOTS.get(ctx, account, region, "cluster-snapshot", name),
        SNAPSHOTS,
        lambda name: ServiceException("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.", status=404),
    ),
    "snapshot": Tagged(
        lambda ctx, account, region, name: SNAPSHOTS.get(ctx, account, region, "snapshot", name),
        SNAPSHOTS,
        lambda name: ServiceException("DBSnapshotNotFoundFault", f"DBSnapshot {name} not found.", status=404),
    ),
    "cluster-endpoint": Tagged(
        lambda ctx, account, region, name: ENDPOINTS.get(ctx, account, region, name),
        ENDPOINTS,
        lambda name: ServiceException("DBClusterEndpointNotFoundFault", f"DBClusterEndpoint {name} not found."),
    ),
    "global-cluster": Tagged(
        lambda ctx, account, region, name: GLOBALS.get(ctx, account, name),
        GLOBALS,
        lambda name: ServiceException("GlobalClusterNotFoundFault", f"Global cluster {name} not found.", status=404),
    ),
}
"""The type that an ARN says -> where such things are. Modules add theirs."""


def arn(account: str, region: str, kind: str, name: str) -> str:
    where = "" if kind == "global-cluster" else region
    return f"arn:{partition_of(region)}:rds:{where}:{account}:{kind}:{name}"


def cluster_arn(cluster: Cluster) -> str:
    """A cluster's ARN; that of its instance, for one that users do not see."""
    return arn(cluster.account, cluster.region, "db" if cluster.plain else "cluster", cluster.name)


def instance_arn(instance: Instance) -> str:
    return arn(instance.account, instance.region, "db", instance.name)


def parse(text: str, kind: str) -> tuple[str, str, str] | None:
    """Account, region and name, where it is an ARN of this kind."""
    found = Arn.parse(text)
    if found is None or found.service != "rds":
        return None
    type_, _, name = found.resource.partition(":")
    return (found.account, found.region, name) if type_ == kind else None


def located(ctx: Context, text: str, kind: str) -> tuple[str, str, str]:
    """What an identifier or an ARN means: account, region, name."""
    return parse(text, kind) or (ctx.account, ctx.region, text.lower())


def identifier(text: str, member: str, limit: int = 63) -> str:
    """An identifier as it is kept: in lower case. Errors: InvalidParameterValue."""
    lower = text.lower()
    if len(lower) > limit or not _identifier(lower):
        raise faults.invalid(
            f"The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, "
            "digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )
    return lower


def resource_id(ctx: Context, prefix: str) -> str:
    """An id that stays when a thing is renamed: "cluster-" or "db-" and 26 characters."""
    return prefix + ctx.random.text(26, RESOURCE_CHARACTERS)


def get_cluster(ctx: Context, name: str) -> Cluster | None:
    """An Aurora cluster by identifier, or by ARN."""
    return _cluster(ctx, *located(ctx, name, "cluster"))


def cluster_at(ctx: Context, name: str) -> Cluster:
    """An Aurora cluster of the caller's account and region. Errors: DBClusterNotFoundFault."""
    found = get_cluster(ctx, name)
    if found is None or (found.account, found.region) != (ctx.account, ctx.region):
        raise faults.cluster_missing(name)
    return found


def get_instance(ctx: Context, name: str) -> Instance | None:
    """An instance by identifier, or by ARN."""
    return _instance(ctx, *located(ctx, name, "db"))


def instance_at(ctx: Context, name: str) -> Instance:
    """An instance of the caller's account and region. Errors: DBInstanceNotFoundFault."""
    found = get_instance(ctx, name)
    if found is None or (found.account, found.region) != (ctx.account, ctx.region):
        raise faults.instance_missing(name)
    return found


def cluster_of(ctx: Context, instance: Instance) -> Cluster:
    """What an instance is a member of."""
    found = CLUSTERS.get(ctx, instance.account, instance.region, instance.cluster)
    assert found is not None
    return found


def cluster_by_id(ctx: Context, id: str) -> Cluster | None:
    """A cluster of this account and region by its resource id, also one that users do not see."""
    return CLUSTERS.get(ctx, ctx.account, ctx.region, id)


# Addresses of endpoints


def take_slot(ctx: Context, owner: str) -> int:
    """The number of an address for an endpoint: one that nothing had before, as long as there is one."""
    last = next(SLOTS.scan(ctx, reverse=True), None)
    number = 0 if last is None else last.number + 1
    if number == ADDRESSES:
        free = next((slot for slot in SLOTS.scan(ctx) if not slot.owner), None)
        if free is None:
            raise ServiceException("InsufficientDBInstanceCapacityFault", "There are no addresses left for endpoints.")
        number = free.number
    SLOTS.put(ctx, Slot(number=number, owner=owner))
    return number


def free_slot(ctx: Context, slot: int) -> None:
    """Gives an address back."""
    if slot >= 0:
        SLOTS.put(ctx, Slot(number=slot, owner=""))


# Listings


def page(req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of what is in the order of its names, and the Marker of the next: MaxRecords from 20 to 100, 100 if not asked otherwise."""
    size = faults.within(req, "MaxRecords", 20, 100, 100)
    after = paging.place(req.Marker, lambda: faults.invalid("Invalid value for Marker."))
    return paging.named((item for item in items if after is None or name(item) > after), size, name)


def filters(req: Any, allowed: Iterable[str]) -> dict[str, list[str]]:
    """Filter's name -> values. Errors: InvalidParameterValue for a name that there is not."""
    known = frozenset(allowed)
    found: dict[str, list[str]] = {}
    for each in req.Filters or ():
        if each.Name not in known:
            raise faults.invalid(f"Unrecognized filter name: {each.Name}")
        found.setdefault(each.Name, []).extend(each.Values)
    return found


def passing(items: Iterable[T], wanted: Mapping[str, list[str]], values: Mapping[str, Callable[[T], Iterable[str]]]) -> Iterator[T]:
    """The items that have one of the values of each filter; `values`: what an item has, by the filter's name."""
    for item in items:
        if all(any(value in given for value in values[name](item)) for name, given in wanted.items()):
            yield item
