"""Execution roles: who may give one to a function, and what Lambda does as one."""

from __future__ import annotations

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.lambda_.addresses import arn_of
from fogbank.services.lambda_.faults import invalid, refusal
from fogbank.services.lambda_.state import Version

PRINCIPAL = "lambda.amazonaws.com"


def check_passed(ctx: Context, role_arn: str, function_arn: str) -> None:
    """The caller may pass the role, and Lambda may take it on. Errors: AccessDeniedException, InvalidParameterValueException."""
    parsed = Arn.parse(role_arn)
    if parsed is not None and parsed.account != ctx.account:
        raise refusal("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
    ctx.authorize("iam:PassRole", role_arn, iam__PassedToService=PRINCIPAL)
    try:
        ctx.as_role(Role(role_arn, PRINCIPAL, "awslambda", function_arn, ctx.account))
    except ServiceException:
        raise invalid("The role defined for the function cannot be assumed by Lambda.") from None


def session(function: str, role_arn: str, function_arn: str, account: str) -> Role:
    """A role, in a session of the function's name: in the 2 to 64 characters that one has."""
    return Role(role_arn, PRINCIPAL, function[:64].ljust(2, "_"), function_arn, account)


def role_of(version: Version) -> Role:
    """The execution role, as a service acts with it on the function's behalf."""
    return session(version.name, version.role, arn_of(version), version.account)


def may(ctx: Context, version: Version, action: str, resource: str) -> bool:
    """Whether the execution role is allowed to do something. Raises AccessDenied, where Lambda may not take it on any more."""
    return ctx.as_role(role_of(version)).may(action, resource)
