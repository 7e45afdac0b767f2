"""RDS's service-linked role, as which it reaches into an account: Secrets Manager, CloudWatch Logs, Kinesis."""

from __future__ import annotations

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException

SERVICE = "rds.amazonaws.com"
_ROLE = f"role/aws-service-role/{SERVICE}/AWSServiceRoleForRDS"


def role(account: str, region: str) -> Role:
    """The role of an account."""
    return Role(f"arn:{partition_of(region)}:iam::{account}:{_ROLE}", SERVICE, "RDS")


def ensure(ctx: Context) -> None:
    """Has the caller's account get the role where it has none yet. Errors: those of CreateServiceLinkedRole."""
    try:
        ctx.as_role(role(ctx.account, ctx.region))
    except ServiceException:
        ctx.call("iam", "CreateServiceLinkedRole", {"AWSServiceName": SERVICE})
