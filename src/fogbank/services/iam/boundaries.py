"""Permissions boundaries: the managed policy that limits what a user's or role's policies can grant."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.lookups import attachable, own_role_at, user_at
from fogbank.services.iam.refusals import no_such
from fogbank.services.iam.state import ROLES, USERS
from fogbank.store.tables import change


def checked_boundary(ctx: Context, arn: str | None) -> str:
    """The ARN of a policy that may be a boundary; "" for none.

    Errors: NoSuchEntity, InvalidInput.
    """
    return attachable(ctx, arn).arn if arn else ""


def boundary_answer(arn: str) -> dict[str, str] | None:
    """As users and roles show it."""
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None


@operation("PutUserPermissionsBoundary")
def put_user_permissions_boundary(ctx: Context, req: Any) -> Answer:
    """Sets or replaces a user's boundary."""
    user = user_at(ctx, req.UserName)
    USERS.put(ctx, change(user, boundary=checked_boundary(ctx, req.PermissionsBoundary)))
    return None


@operation("DeleteUserPermissionsBoundary")
def delete_user_permissions_boundary(ctx: Context, req: Any) -> Answer:
    """Takes a user's boundary away.

    Errors: NoSuchEntity (no such user, or no boundary).
    """
    user = user_at(ctx, req.UserName)
    if not user.boundary:
        raise no_such("permissions boundary of user", user.name)
    USERS.put(ctx, change(user, boundary=""))
    return None


@operation("PutRolePermissionsBoundary")
def put_role_permissions_boundary(ctx: Context, req: Any) -> Answer:
    """Sets or replaces a role's boundary.

    Errors: NoSuchEntity, InvalidInput, UnmodifiableEntity (a service-linked role).
    """
    role = own_role_at(ctx, req.RoleName)
    ROLES.put(ctx, change(role, boundary=checked_boundary(ctx, req.PermissionsBoundary)))
    return None


@operation("DeleteRolePermissionsBoundary")
def delete_role_permissions_boundary(ctx: Context, req: Any) -> Answer:
    """Takes a role's boundary away.

    Errors: NoSuchEntity (no such role, or no boundary), UnmodifiableEntity.
    """
    role = own_role_at(ctx, req.RoleName)
    if not role.boundary:
        raise no_such("permissions boundary of role", role.name)
    ROLES.put(ctx, change(role, boundary=""))
    return None
