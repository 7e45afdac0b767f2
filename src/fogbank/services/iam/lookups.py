"""Finding IAM's entities by what a request calls them. `x_at` raises NoSuchEntity."""

from __future__ import annotations

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.iam import aws_managed
from fogbank.services.iam.refusals import invalid, invalid_value, no_such, not_found
from fogbank.services.iam.state import GROUPS, POLICIES, ROLES, USERS, Group, ManagedPolicy, Role, User
from fogbank.store.tables import At


def user_at(ctx: Context, name: str) -> User:
    user = USERS.get(ctx, ctx.account, name.lower())
    if user is None:
        raise no_such("user", name)
    return user


def group_at(ctx: Context, name: str) -> Group:
    group = GROUPS.get(ctx, ctx.account, name.lower())
    if group is None:
        raise no_such("group", name)
    return group


def role_at(ctx: Context, name: str) -> Role:
    role = ROLES.get(ctx, ctx.account, name.lower())
    if role is None:
        raise no_such("role", name)
    return role


def own_role_at(ctx: Context, name: str) -> Role:
    """A role that the account may change: not a service-linked one (UnmodifiableEntity)."""
    role = role_at(ctx, name)
    if role.linked_service:
        raise ServiceException(
            "UnmodifiableEntityException",
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS",
        )
    return role


def caller_name(ctx: Context, name: str | None) -> str:
    """The user that a request names, or the user who asks. Root and sessions must name one (ValidationError)."""
    if name is not None:
        return name
    if ctx.principal.kind != "user":
        raise invalid_value("Must specify userName when calling with non-User credentials")
    return str(ctx.principal.name)


def owner(ctx: Context, name: str | None) -> tuple[str, User | None]:
    """Whose keys, certificates and devices a request is about: an id with its user; the account's number and None for root."""
    if name is None and ctx.principal.kind == "root":
        return ctx.account, None
    user = user_at(ctx, caller_name(ctx, name))
    return user.id, user


def get_policy(at: At, arn: str) -> ManagedPolicy | None:
    """A managed policy of any account, or None."""
    parsed = Arn.parse(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        return None
    if parsed.account == aws_managed.ACCOUNT:
        return aws_managed.policy(arn)
    found = POLICIES.get(at, parsed.account, parsed.resource.rpartition("/")[2].lower())
    return found if found is not None and found.arn == arn else None


def check_policy_arn(arn: str) -> None:
    """Raises InvalidInput for what is no managed policy's ARN."""
    parsed = Arn.parse(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        raise invalid(f"ARN {arn} is not valid.")


def policy_at(ctx: Context, arn: str) -> ManagedPolicy:
    """A managed policy of the account or of AWS."""
    check_policy_arn(arn)
    found = get_policy(ctx, arn)
    if found is None or found.account not in (ctx.account, aws_managed.ACCOUNT):
        raise not_found(f"Policy {arn} was not found.")
    return found


def own_policy_at(ctx: Context, arn: str) -> ManagedPolicy:
    """A customer managed policy of the account."""
    found = policy_at(ctx, arn)
    if found.account == aws_managed.ACCOUNT:
        raise invalid(f"Policy {arn} is an AWS managed policy and cannot be modified.")
    return found


def attachable(ctx: Context, arn: str) -> ManagedPolicy:
    """A policy that is to be attached, or to be a boundary.

    Errors: NoSuchEntity; PolicyNotAttachable (of a service-linked role).
    """
    check_policy_arn(arn)
    found = get_policy(ctx, arn)
    if found is None or found.account not in (ctx.account, aws_managed.ACCOUNT):
        raise not_found(f"Policy {arn} does not exist or is not attachable.")
    return found
