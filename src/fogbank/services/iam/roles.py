"""Roles and their trust policies."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import ids, tagging
from fogbank.services.iam.boundaries import boundary_answer, checked_boundary
from fogbank.services.iam.documents import check_trust, follow_principal, shown
from fogbank.services.iam.listing import page, place
from fogbank.services.iam.lookups import own_role_at, role_at
from fogbank.services.iam.refusals import check_quota, conflict, exists, invalid
from fogbank.services.iam.state import ATTACHMENTS, LAST_USES, PROFILE_BY_ROLE, ROLES, Role
from fogbank.store.tables import At, change

LINKED_PATH = "/aws-service-role/"
DEFAULT_SESSION_S = 3600


def describe(role: Role) -> dict[str, Any]:
    """A role as listings show it."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created_at_ms,
        "AssumeRolePolicyDocument": shown(role.trust),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_s,
    }


def last_used(at: At, role: Role) -> dict[str, Any]:
    """RoleLastUsed: empty for a role that nobody used."""
    use = LAST_USES.get(at, role.id)
    return {} if use is None else {"LastUsedDate": use.at_ms, "Region": use.region}


def describe_whole(at: At, role: Role) -> dict[str, Any]:
    """With boundary, tags and last use, which listings leave out."""
    return describe(role) | {
        "PermissionsBoundary": boundary_answer(role.boundary),
        "Tags": pairs(role.tags) or None,
        "RoleLastUsed": last_used(at, role),
    }


@operation("CreateRole")
def create_role(ctx: Context, req: Any) -> Answer:
    """Makes a role that those may assume whom its trust policy allows.

    MaxSessionDuration: 3600 to 43200 s. Trust policy: 2048 characters; the users and roles that it names must exist.
    Errors: EntityAlreadyExists (whatever the case), MalformedPolicyDocument, NoSuchEntity (the boundary), InvalidInput,
    LimitExceeded (1000 roles).
    """
    path = req.Path or "/"
    if path.startswith(LINKED_PATH):
        raise invalid(f"Path {path} is reserved for service-linked roles.")
    role = new_role(ctx, req.RoleName, path, req.AssumeRolePolicyDocument, req.Description)
    check_trust(ctx, role.trust)
    role = change(
        role,
        max_session_s=req.MaxSessionDuration or DEFAULT_SESSION_S,
        tags=tagging.tagged({}, req.Tags),
        boundary=checked_boundary(ctx, req.PermissionsBoundary),
    )
    ROLES.put(ctx, role)
    return {"Role": describe_whole(ctx, role)}


def new_role(ctx: Context, name: str, path: str, trust: str, description: str | None) -> Role:
    """A role that is not yet put.

    Errors: EntityAlreadyExists, LimitExceeded.
    """
    if ROLES.get(ctx, ctx.account, name.lower()) is not None:
        raise exists(f"Role with name {name} already exists.")
    check_quota("RolesQuota", sum(1 for _ in ROLES.scan(ctx, ctx.account)))
    return Role(
        account=ctx.account,
        key=name.lower(),
        name=name,
        path=path,
        id=ids.unique_id(ctx.random, "AROA"),
        arn=ctx.arn(f"role{path}{name}", service="iam", region=""),
        created_at_ms=ctx.now,
        trust=trust,
        description=description,
    )


@operation("GetRole")
def get_role(ctx: Context, req: Any) -> Answer:
    """One role."""
    return {"Role": describe_whole(ctx, role_at(ctx, req.RoleName))}


@operation("ListRoles")
def list_roles(ctx: Context, req: Any) -> Answer:
    """Roles under a path, in order of their names."""
    prefix = req.PathPrefix or "/"
    found = (r for r in ROLES.scan(ctx, ctx.account, after=place(req)) if r.path.startswith(prefix))
    return page(req, "Roles", found, lambda r: r.key, describe)


@operation("UpdateRole")
def update_role(ctx: Context, req: Any) -> Answer:
    """Sets the description, if one is given, and the longest session: an hour unless the request says otherwise.

    Errors: NoSuchEntity, UnmodifiableEntity (a service-linked role).
    """
    role = own_role_at(ctx, req.RoleName)
    description = role.description if req.Description is None else req.Description
    ROLES.put(ctx, change(role, description=description, max_session_s=req.MaxSessionDuration or DEFAULT_SESSION_S))
    return {}


@operation("UpdateRoleDescription")
def update_role_description(ctx: Context, req: Any) -> Answer:
    """Sets the description."""
    role = change(role_at(ctx, req.RoleName), description=req.Description)
    ROLES.put(ctx, role)
    return {"Role": describe_whole(ctx, role)}


@operation("UpdateAssumeRolePolicy")
def update_assume_role_policy(ctx: Context, req: Any) -> Answer:
    """Replaces the trust policy. Sessions that run are not ended.

    Errors: NoSuchEntity, MalformedPolicyDocument, LimitExceeded, UnmodifiableEntity.
    """
    role = own_role_at(ctx, req.RoleName)
    check_trust(ctx, req.PolicyDocument)
    ROLES.put(ctx, change(role, trust=req.PolicyDocument))
    return None


@operation("DeleteRole")
def delete_role(ctx: Context, req: Any) -> Answer:
    """Deletes a role that is in no instance profile and has no policies; its sessions stop working.

    Errors: NoSuchEntity, DeleteConflict, UnmodifiableEntity.
    """
    role = own_role_at(ctx, req.RoleName)
    if PROFILE_BY_ROLE.first(ctx, ctx.account, role.id) is not None:
        raise conflict("remove roles from instance profile first")
    if role.policies:
        raise conflict("delete policies first")
    if next(ATTACHMENTS.scan(ctx, ctx.account, role.id), None) is not None:
        raise conflict("detach all policies first")
    remove(ctx, role)
    return None


def remove(ctx: Context, role: Role) -> None:
    """The role and what is known of its use."""
    ROLES.delete(ctx, role)
    follow_principal(ctx, role.arn, role.id)
    use = LAST_USES.get(ctx, role.id)
    if use is not None:
        LAST_USES.delete(ctx, use)


@operation("TagRole")
def tag_role(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    role = role_at(ctx, req.RoleName)
    ROLES.put(ctx, change(role, tags=tagging.tagged(role.tags, req.Tags)))
    return None


@operation("UntagRole")
def untag_role(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    role = role_at(ctx, req.RoleName)
    ROLES.put(ctx, change(role, tags=tagging.untagged(role.tags, req.TagKeys)))
    return None


@operation("ListRoleTags")
def list_role_tags(ctx: Context, req: Any) -> Answer:
    """A role's tags, in order of the keys."""
    return tagging.listed(req, role_at(ctx, req.RoleName).tags)
