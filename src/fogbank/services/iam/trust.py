"""May this caller take on that role? The role's trust policy is the resource policy; nothing is allowed without it.

Source: "Policy evaluation logic" and "Role trust policies" in the IAM User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.access import context as keys
from fogbank.access.evaluate import Decision, Policies, Query
from fogbank.access.policy import Named, parse
from fogbank.access.principal import Principal
from fogbank.access.question import denial_message
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.iam.identities import policies_of
from fogbank.services.iam.state import ROLES, Role
from fogbank.store.tables import At


def get_role(at: At, arn: str) -> Role | None:
    """A role of any account by its ARN."""
    parsed = Arn.parse(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("role/"):
        return None
    role = ROLES.get(at, parsed.account, parsed.resource.rpartition("/")[2].lower())
    return role if role is not None and role.arn == arn else None


def decision(ctx: Context, principal: Principal, action: str, role: Role, values: dict[str, Any]) -> tuple[Query, Decision]:
    """What the caller's policies and the role's trust policy say to an action of STS."""
    identity, boundary, session = policies_of(ctx, principal)
    known = {"aws:resourcetag/": role.tags, "iam:resourcetag/": role.tags, "aws:resourceaccount": role.account, **values}
    query = Query(principal, action, role.arn, keys.Context(principal, ctx.request, ctx.region, ctx.now, known))
    policies = Policies(
        identity=identity,
        boundary=boundary,
        session=session or (),
        resource=Named(role.arn, parse(role.trust, "trust")),
        resource_account=role.account,
        resource_required=True,
    )
    return query, ctx.decide(query, policies)


def check(ctx: Context, principal: Principal, action: str, role: Role, values: dict[str, Any]) -> None:
    """Raises AccessDenied unless the caller may."""
    query, made = decision(ctx, principal, action, role, values)
    if not made.allowed:
        raise denied(denial_message(query, made))


def denied(message: str) -> ServiceException:
    return ServiceException("AccessDenied", message, status=403)


def refused(principal: Principal, action: str, role_arn: str) -> ServiceException:
    """The denial for a role that is not there, which tells no more than that the caller may not."""
    return denied(f"User: {principal.arn or 'anonymous'} is not authorized to perform: {action} on resource: {role_arn}")
