"""A cluster's place in a global one: the first member writes, the others repeat it in other regions."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import repeating
from fogbank.services.rds.addresses import TAGGED
from fogbank.services.rds.faults import combination
from fogbank.services.rds.state import CLUSTERS, GLOBALS, Cluster, GlobalCluster, Member
from fogbank.store import change

SECONDARIES_LIMIT = 10


def global_at(ctx: Context, name: str) -> GlobalCluster:
    """Errors: GlobalClusterNotFoundFault."""
    found = GLOBALS.get(ctx, ctx.account, name.lower())
    if found is None:
        raise TAGGED["global-cluster"].not_found(name)
    return found


def state(message: str) -> ServiceException:
    return ServiceException("InvalidGlobalClusterStateFault", message)


def writer_of(ctx: Context, row: GlobalCluster) -> Cluster | None:
    """The member that writes."""
    return next((member_row(ctx, row, member) for member in row.members if member.writer), None)


def member_row(ctx: Context, row: GlobalCluster, member: Member) -> Cluster | None:
    return CLUSTERS.get(ctx, row.account, member.region, member.cluster)


def joined(ctx: Context, req: Any, row: Cluster) -> Cluster | None:
    """A new cluster as a member of the global one that the request names: the first, or one that repeats it. None: it names none.

    Errors: GlobalClusterNotFoundFault, InvalidGlobalClusterStateFault, InvalidParameterCombination.
    """
    if not req.GlobalClusterIdentifier:
        return None
    whole = global_at(ctx, req.GlobalClusterIdentifier)
    if whole.status != "available":
        raise state(f"Global cluster {whole.name} is in {whole.status} state, but expected available.")
    if whole.engine != row.engine:
        raise combination(f"The engine {row.engine} doesn't match that of the global cluster, {whole.engine}.")
    if any(member.region == row.region for member in whole.members):
        raise combination(f"Global cluster {whole.name} has a member in {row.region} already: each is in a region of its own.")
    writer = writer_of(ctx, whole)
    if whole.members and writer is None:
        raise state(f"Global cluster {whole.name} has no primary cluster.")
    if len(whole.members) > SECONDARIES_LIMIT:
        raise state(f"Global cluster {whole.name} has {SECONDARIES_LIMIT} secondary clusters already.")
    GLOBALS.put(ctx, change(whole, members=(*whole.members, Member(row.region, row.id, writer is None))))
    row = change(row, global_cluster=whole.name)
    if writer is None:
        return change(row, database=row.database or whole.database)
    if req.DatabaseName:
        raise combination("You can't specify DatabaseName for a secondary cluster.")
    return change(repeating.following(ctx, row, writer), source="")
