"""Users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import ids, tagging
from fogbank.services.iam.boundaries import boundary_answer, checked_boundary
from fogbank.services.iam.documents import follow_principal
from fogbank.services.iam.listing import page, place
from fogbank.services.iam.lookups import caller_name, user_at
from fogbank.services.iam.refusals import check_quota, conflict, exists
from fogbank.services.iam.state import (
    ATTACHMENTS,
    CERTIFICATES,
    DEVICES_OF,
    KEYS_OF,
    MEMBERSHIPS,
    SERVICE_CREDENTIALS,
    SSH_KEYS,
    USERS,
    User,
)
from fogbank.store.tables import change


def describe(user: User) -> dict[str, Any]:
    """A user as listings show it."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created_at_ms,
    }


def describe_whole(user: User) -> dict[str, Any]:
    """With boundary and tags, which listings leave out."""
    return describe(user) | {
        "PermissionsBoundary": boundary_answer(user.boundary),
        "Tags": pairs(user.tags) or None,
    }


@operation("CreateUser")
def create_user(ctx: Context, req: Any) -> Answer:
    """Makes a user, who may nothing yet.

    Errors: EntityAlreadyExists (whatever the case), InvalidInput, NoSuchEntity (the boundary), LimitExceeded (5000 users).
    """
    key = req.UserName.lower()
    if USERS.get(ctx, ctx.account, key) is not None:
        raise exists(f"User with name {req.UserName} already exists.")
    check_quota("UsersQuota", sum(1 for _ in USERS.scan(ctx, ctx.account)))
    path = req.Path or "/"
    user = User(
        account=ctx.account,
        key=key,
        name=req.UserName,
        path=path,
        id=ids.unique_id(ctx.random, "AIDA"),
        arn=ctx.arn(f"user{path}{req.UserName}", service="iam", region=""),
        created_at_ms=ctx.now,
        tags=tagging.tagged({}, req.Tags),
        boundary=checked_boundary(ctx, req.PermissionsBoundary),
    )
    USERS.put(ctx, user)
    return {"User": describe_whole(user)}


@operation("GetUser")
def get_user(ctx: Context, req: Any) -> Answer:
    """A user, or the one who asks. Root is answered too, without a name."""
    if req.UserName is None and ctx.principal.kind == "root":
        return {"User": {"UserId": ctx.account, "Arn": ctx.principal.arn, "CreateDate": 0}}
    return {"User": describe_whole(user_at(ctx, caller_name(ctx, req.UserName)))}


@operation("ListUsers")
def list_users(ctx: Context, req: Any) -> Answer:
    """Users under a path, in order of their names."""
    return page(req, "Users", _under(ctx, req), lambda u: u.key, describe)


def _under(ctx: Context, req: Any) -> Iterator[User]:
    prefix = req.PathPrefix or "/"
    return (u for u in USERS.scan(ctx, ctx.account, after=place(req)) if u.path.startswith(prefix))


@operation("UpdateUser")
def update_user(ctx: Context, req: Any) -> Answer:
    """Renames or moves a user: the id, keys, groups and policies stay. Needs permission on the old and the new ARN.

    Errors: NoSuchEntity, EntityAlreadyExists.
    """
    user = user_at(ctx, req.UserName)
    name, path = req.NewUserName or user.name, req.NewPath or user.path
    key = name.lower()
    arn = ctx.arn(f"user{path}{name}", service="iam", region="")
    ctx.authorize("iam:UpdateUser", arn)
    if key != user.key and USERS.get(ctx, ctx.account, key) is not None:
        raise exists(f"User with name {name} already exists.")
    if key != user.key:
        USERS.delete(ctx, user)
    USERS.put(ctx, change(user, key=key, name=name, path=path, arn=arn))
    follow_principal(ctx, user.arn, arn)
    return None


@operation("DeleteUser")
def delete_user(ctx: Context, req: Any) -> Answer:
    """Deletes a user who has nothing left.

    Errors: NoSuchEntity; DeleteConflict (login profile, keys, certificates, devices, policies, groups).
    """
    user = user_at(ctx, req.UserName)
    if (must := _still_has(ctx, user)) is not None:
        raise conflict(must)
    USERS.delete(ctx, user)
    follow_principal(ctx, user.arn, user.id)
    return None


def _still_has(ctx: Context, user: User) -> str | None:
    """What must be done first, in the order in which AWS looks."""
    mine = (ctx.account, user.id)
    if next(MEMBERSHIPS.scan(ctx, *mine), None) is not None:
        return "remove users from group first"
    if user.policies:
        return "delete policies first"
    if next(ATTACHMENTS.scan(ctx, *mine), None) is not None:
        return "detach all policies first"
    if user.password is not None:
        return "delete login profile first"
    if KEYS_OF.first(ctx, *mine) is not None:
        return "delete access keys first"
    if DEVICES_OF.first(ctx, *mine) is not None:
        return "delete MFA device first"
    if next(CERTIFICATES.scan(ctx, *mine), None) is not None:
        return "delete signing certificates first"
    if next(SSH_KEYS.scan(ctx, *mine), None) is not None:
        return "delete SSH public keys first"
    if next(SERVICE_CREDENTIALS.scan(ctx, *mine), None) is not None:
        return "delete service-specific credentials first"
    return None


@operation("TagUser")
def tag_user(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    user = user_at(ctx, req.UserName)
    USERS.put(ctx, change(user, tags=tagging.tagged(user.tags, req.Tags)))
    return None


@operation("UntagUser")
def untag_user(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    user = user_at(ctx, req.UserName)
    USERS.put(ctx, change(user, tags=tagging.untagged(user.tags, req.TagKeys)))
    return None


@operation("ListUserTags")
def list_user_tags(ctx: Context, req: Any) -> Answer:
    """A user's tags, in order of the keys."""
    return tagging.listed(req, user_at(ctx, req.UserName).tags)
