"""Groups, and who is in them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids, users
from fogbank.services.iam.listing import page, page_of, place
from fogbank.services.iam.lookups import group_at, user_at
from fogbank.services.iam.refusals import check_quota, conflict, exists
from fogbank.services.iam.state import ATTACHMENTS, GROUP_BY_ID, GROUPS, MEMBERS, MEMBERSHIPS, USER_BY_ID, Group, Membership, User
from fogbank.store.tables import At, change


def describe(group: Group) -> dict[str, Any]:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created_at_ms,
    }


def groups_of(at: At, user: User) -> list[Group]:
    """The groups that a user is in."""
    found = (GROUP_BY_ID.first(at, m.group_id) for m in MEMBERSHIPS.scan(at, user.account, user.id))
    return [group for group in found if group is not None]


def members_of(at: At, group: Group) -> list[User]:
    """The users in a group."""
    found = (USER_BY_ID.first(at, m.user_id) for m in MEMBERS.scan(at, group.account, group.id))
    return [user for user in found if user is not None]


@operation("CreateGroup")
def create_group(ctx: Context, req: Any) -> Answer:
    """Makes an empty group.

    Errors: EntityAlreadyExists (whatever the case), LimitExceeded (300 groups).
    """
    key = req.GroupName.lower()
    if GROUPS.get(ctx, ctx.account, key) is not None:
        raise exists(f"Group with name {req.GroupName} already exists.")
    check_quota("GroupsQuota", sum(1 for _ in GROUPS.scan(ctx, ctx.account)))
    path = req.Path or "/"
    group = Group(
        account=ctx.account,
        key=key,
        name=req.GroupName,
        path=path,
        id=ids.unique_id(ctx.random, "AGPA"),
        arn=ctx.arn(f"group{path}{req.GroupName}", service="iam", region=""),
        created_at_ms=ctx.now,
    )
    GROUPS.put(ctx, group)
    return {"Group": describe(group)}


@operation("GetGroup")
def get_group(ctx: Context, req: Any) -> Answer:
    """A group and a page of its users."""
    group = group_at(ctx, req.GroupName)
    return {"Group": describe(group), **page_of(req, "Users", members_of(ctx, group), lambda u: u.key, users.describe)}


@operation("ListGroups")
def list_groups(ctx: Context, req: Any) -> Answer:
    """Groups under a path, in order of their names."""
    prefix = req.PathPrefix or "/"
    found = (g for g in GROUPS.scan(ctx, ctx.account, after=place(req)) if g.path.startswith(prefix))
    return page(req, "Groups", found, lambda g: g.key, describe)


@operation("ListGroupsForUser")
def list_groups_for_user(ctx: Context, req: Any) -> Answer:
    """The groups that a user is in."""
    return page_of(req, "Groups", groups_of(ctx, user_at(ctx, req.UserName)), lambda g: g.key, describe)


@operation("UpdateGroup")
def update_group(ctx: Context, req: Any) -> Answer:
    """Renames or moves a group: members and policies stay. Needs permission on the old and the new ARN.

    Errors: NoSuchEntity, EntityAlreadyExists.
    """
    group = group_at(ctx, req.GroupName)
    name, path = req.NewGroupName or group.name, req.NewPath or group.path
    key = name.lower()
    arn = ctx.arn(f"group{path}{name}", service="iam", region="")
    ctx.authorize("iam:UpdateGroup", arn)
    if key != group.key:
        if GROUPS.get(ctx, ctx.account, key) is not None:
            raise exists(f"Group with name {name} already exists.")
        GROUPS.delete(ctx, group)
    GROUPS.put(ctx, change(group, key=key, name=name, path=path, arn=arn))
    return None


@operation("DeleteGroup")
def delete_group(ctx: Context, req: Any) -> Answer:
    """Deletes an empty group without policies.

    Errors: NoSuchEntity, DeleteConflict.
    """
    group = group_at(ctx, req.GroupName)
    if MEMBERS.first(ctx, ctx.account, group.id) is not None:
        raise conflict("remove users from group first")
    if group.policies:
        raise conflict("delete policies first")
    if next(ATTACHMENTS.scan(ctx, ctx.account, group.id), None) is not None:
        raise conflict("detach all policies first")
    GROUPS.delete(ctx, group)
    return None


@operation("AddUserToGroup")
def add_user_to_group(ctx: Context, req: Any) -> Answer:
    """Puts a user into a group; it does not matter if the user is there.

    Errors: NoSuchEntity, LimitExceeded (10 groups for a user).
    """
    group, user = group_at(ctx, req.GroupName), user_at(ctx, req.UserName)
    if MEMBERSHIPS.get(ctx, ctx.account, user.id, group.id) is None:
        check_quota("GroupsPerUserQuota", sum(1 for _ in MEMBERSHIPS.scan(ctx, ctx.account, user.id)))
        MEMBERSHIPS.put(ctx, Membership(account=ctx.account, group_id=group.id, user_id=user.id))
    return None


@operation("RemoveUserFromGroup")
def remove_user_from_group(ctx: Context, req: Any) -> Answer:
    """Takes a user out of a group; it does not matter if the user is not there."""
    group, user = group_at(ctx, req.GroupName), user_at(ctx, req.UserName)
    MEMBERSHIPS.delete(ctx, Membership(account=ctx.account, group_id=group.id, user_id=user.id))
    return None
