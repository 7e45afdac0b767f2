"""Clusters that accounts share through RAM: which they are, and what a clone across accounts is bound to.

RAM is asked each time, by RDS itself: nothing of what it knows is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import groups
from fogbank.services.rds.addresses import cluster_arn, get_cluster, parse
from fogbank.services.rds.faults import combination, source_missing
from fogbank.services.rds.state import CLUSTERS, Cluster

PRINCIPAL = "rds.amazonaws.com"
TYPE = "rds:Cluster"
CLONES_LIMIT = 15
_PAGE = 500


def _ask(ctx: Context, operation: str, account: str, **members: Any) -> Any:
    return ctx.call("ram", operation, members, acting=Acting(PRINCIPAL, "", account))


def policy(ctx: Context, arn: str) -> str | None:
    """What lets the accounts at a cluster that it is shared with, the caller's among them."""
    named = parse(arn, "cluster")
    if named is None or named[0] == ctx.account or get_cluster(ctx, arn) is None:
        return None
    found: list[str] = _ask(ctx, "GetResourcePolicies", named[0], resourceArns=[arn], principal=ctx.account)["policies"]
    return found[0] if found else None


def with_caller(ctx: Context) -> Iterator[Cluster]:
    """The clusters that others share with the caller's account, in the order of their ARNs."""
    arns: set[str] = set()
    asked: dict[str, Any] = {"resourceOwner": "OTHER-ACCOUNTS", "resourceType": TYPE, "maxResults": _PAGE}
    while True:
        answer = _ask(ctx, "ListResources", ctx.account, **asked)
        arns.update(one["arn"] for one in answer["resources"] if one["status"] == "AVAILABLE")
        asked["nextToken"] = answer["nextToken"]
        if asked["nextToken"] is None:
            break
    for arn in sorted(arns):
        row = get_cluster(ctx, arn)
        if row is not None:
            yield row


def by_owner(ctx: Context, row: Cluster) -> bool:
    """Whether a cluster is in a share of its account's, also one that nobody has accepted yet."""
    found = _ask(ctx, "ListResources", row.account, resourceOwner="SELF", resourceArns=[cluster_arn(row)], maxResults=1)
    return bool(found["resources"])


def end(ctx: Context, row: Cluster) -> None:
    """Has RAM know that a cluster is no more."""
    if by_owner(ctx, row):
        ctx.later("ram.gone", {"arn": cluster_arn(row)})


def check_clone(ctx: Context, req: Any, source: Cluster) -> None:
    """Whether the caller may clone another account's cluster: shared with their account, and one clone of its kind for each account.

    A cluster and its clones count as one here. Errors: DBClusterNotFoundFault, AccessDenied, InvalidParameterCombination,
    DBClusterQuotaExceededFault.
    """
    arn = cluster_arn(source)
    if policy(ctx, arn) is None:
        raise source_missing(arn)
    ctx.authorize("rds:RestoreDBClusterToPointInTime", arn)
    if req.RestoreType != "copy-on-write":
        raise combination("A DB cluster that another account shares can only be cloned: RestoreType must be copy-on-write.")
    if not req.DBClusterParameterGroupName and source.parameter_group != groups.default_name(source.engine, source.version):
        raise combination("The cluster parameter group name is required when the source cluster uses a custom parameter group.")
    owners = [row.account for row in CLUSTERS.scan(ctx) if row.cross_account and row.clone_group == source.clone_group]
    if ctx.account in owners:
        raise _too_many("This account already has a cross-account clone of the DB cluster, or of a clone of it.")
    if len(owners) >= CLONES_LIMIT:
        raise _too_many(f"The DB cluster and its clones already have {CLONES_LIMIT} cross-account clones.")


def _too_many(message: str) -> ServiceException:
    return ServiceException("DBClusterQuotaExceededFault", message, status=403)
