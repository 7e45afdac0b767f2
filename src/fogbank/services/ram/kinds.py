"""What can be shared: how its service is asked whether it is there, and what whoever it is shared with may do."""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException

PRINCIPAL = "ram.amazonaws.com"


class Kind(NamedTuple):
    """A type of resource. `operation`, `member`, `listed`: how its service describes one by its ARN; it must be in the state `ready`.

    `permission`: the managed permission, of these actions.
    """

    type: str
    service: str
    prefix: str
    operation: str
    member: str
    listed: str
    ready: str
    permission: str
    actions: tuple[str, ...]


KINDS = (
    Kind(
        type="rds:Cluster",
        service="rds",
        prefix="cluster:",
        operation="DescribeDBClusters",
        member="DBClusterIdentifier",
        listed="DBClusters",
        ready="available",
        permission="AWSRAMDefaultPermissionRDSCluster",
        actions=("rds:DescribeDBClusters", "rds:RestoreDBClusterToPointInTime"),
    ),
)


def kind_of(ctx: Context, arn: str) -> Kind:
    """Errors: MalformedArnException, NotImplemented (other types)."""
    parts = Arn.parse(arn)
    if parts is None:
        raise ServiceException("MalformedArnException", f"The specified resource ARN {arn} is not valid. Verify the ARN and try again.")
    for kind in KINDS:
        if parts.service == kind.service and parts.resource.startswith(kind.prefix):
            return kind
    raise NotImplementedOperation("ram", ctx.operation, f"with resources other than {', '.join(k.type for k in KINDS)}: {arn}")


def check(ctx: Context, arn: str) -> Kind:
    """The kind of a resource that the caller's account owns.

    Errors: MalformedArnException, OperationNotPermittedException (another account's, or not in a state to be shared),
    UnknownResourceException, NotImplemented (other types).
    """
    kind, parts = kind_of(ctx, arn), Arn.parse(arn)
    assert parts is not None
    if parts.account != ctx.account:
        raise ServiceException(
            "OperationNotPermittedException", f"Resource {arn} is owned by another account: only its owner can share it."
        )
    if parts.region != ctx.region:
        raise unknown(arn)
    try:
        found: Any = ctx.call(kind.service, kind.operation, {kind.member: arn}, acting=Acting(PRINCIPAL, arn, ctx.account))
    except ServiceException as refused:
        if refused.status != 404:
            raise
        raise unknown(arn) from None
    status = found[kind.listed][0]["Status"]
    if status != kind.ready:
        raise ServiceException("OperationNotPermittedException", f"Resource {arn} is in the state {status}, but expected {kind.ready}.")
    return kind


def unknown(arn: str) -> ServiceException:
    return ServiceException("UnknownResourceException", f"Resource {arn} could not be found.")


def check_type(name: str | None, error: str = "InvalidParameterException") -> str | None:
    """A type as we spell it, whatever the case. Errors: InvalidParameterException, or another."""
    if name is None:
        return None
    for kind in KINDS:
        if kind.type.lower() == name.lower():
            return kind.type
    raise ServiceException(error, f"The specified resource type {name} is not valid.")
