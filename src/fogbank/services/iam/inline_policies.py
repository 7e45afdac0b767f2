"""Inline policies: documents that belong to one user, group or role and go with it."""

from __future__ import annotations

from typing import Any, TypeVar

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.documents import check_identity, shown, size
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import group_at, own_role_at, role_at, user_at
from fogbank.services.iam.refusals import limit, no_such
from fogbank.services.iam.state import GROUPS, QUOTAS, ROLES, USERS, Group, Role, User
from fogbank.store.tables import change

E = TypeVar("E", User, Group, Role)


def _with(entity: E, req: Any, kind: str) -> E:
    """The entity with the policy of a request. All its inline policies together have one size quota.

    Errors: MalformedPolicyDocument; LimitExceeded.
    """
    quota = f"{kind.capitalize()}PolicySizeQuota"
    check_identity(req.PolicyDocument, quota)
    policies = {**entity.policies, req.PolicyName: req.PolicyDocument}
    if sum(map(size, policies.values())) > QUOTAS[quota]:
        raise limit(f"Maximum policy size of {QUOTAS[quota]} bytes exceeded for {kind} {entity.name}")
    return change(entity, policies=policies)


def _without(entity: E, req: Any, kind: str) -> E:
    _document(entity, req, kind)
    return change(entity, policies={k: v for k, v in entity.policies.items() if k != req.PolicyName})


def _document(entity: User | Group | Role, req: Any, kind: str) -> str:
    document = entity.policies.get(req.PolicyName)
    if document is None:
        raise no_such(f"{kind} policy", req.PolicyName)
    return document


def _names(entity: User | Group | Role, req: Any) -> Answer:
    return page_of(req, "PolicyNames", entity.policies, str, str)


@operation("PutUserPolicy")
def put_user_policy(ctx: Context, req: Any) -> Answer:
    """Puts or replaces an inline policy; 2048 characters for all of a user's."""
    USERS.put(ctx, _with(user_at(ctx, req.UserName), req, "user"))
    return None


@operation("GetUserPolicy")
def get_user_policy(ctx: Context, req: Any) -> Answer:
    """One inline policy's document."""
    user = user_at(ctx, req.UserName)
    document = _document(user, req, "user")
    return {"UserName": user.name, "PolicyName": req.PolicyName, "PolicyDocument": shown(document)}


@operation("DeleteUserPolicy")
def delete_user_policy(ctx: Context, req: Any) -> Answer:
    """Deletes an inline policy."""
    USERS.put(ctx, _without(user_at(ctx, req.UserName), req, "user"))
    return None


@operation("ListUserPolicies")
def list_user_policies(ctx: Context, req: Any) -> Answer:
    """The names of a user's inline policies."""
    return _names(user_at(ctx, req.UserName), req)


@operation("PutGroupPolicy")
def put_group_policy(ctx: Context, req: Any) -> Answer:
    """Puts or replaces an inline policy; 5120 characters for all of a group's."""
    GROUPS.put(ctx, _with(group_at(ctx, req.GroupName), req, "group"))
    return None


@operation("GetGroupPolicy")
def get_group_policy(ctx: Context, req: Any) -> Answer:
    """One inline policy's document."""
    group = group_at(ctx, req.GroupName)
    document = _document(group, req, "group")
    return {"GroupName": group.name, "PolicyName": req.PolicyName, "PolicyDocument": shown(document)}


@operation("DeleteGroupPolicy")
def delete_group_policy(ctx: Context, req: Any) -> Answer:
    """Deletes an inline policy."""
    GROUPS.put(ctx, _without(group_at(ctx, req.GroupName), req, "group"))
    return None


@operation("ListGroupPolicies")
def list_group_policies(ctx: Context, req: Any) -> Answer:
    """The names of a group's inline policies."""
    return _names(group_at(ctx, req.GroupName), req)


@operation("PutRolePolicy")
def put_role_policy(ctx: Context, req: Any) -> Answer:
    """Puts or replaces an inline policy; 10240 characters for all of a role's.

    Errors: NoSuchEntity, MalformedPolicyDocument, LimitExceeded, UnmodifiableEntity (a service-linked role).
    """
    ROLES.put(ctx, _with(own_role_at(ctx, req.RoleName), req, "role"))
    return None


@operation("GetRolePolicy")
def get_role_policy(ctx: Context, req: Any) -> Answer:
    """One inline policy's document."""
    role = role_at(ctx, req.RoleName)
    document = _document(role, req, "role")
    return {"RoleName": role.name, "PolicyName": req.PolicyName, "PolicyDocument": shown(document)}


@operation("DeleteRolePolicy")
def delete_role_policy(ctx: Context, req: Any) -> Answer:
    """Deletes an inline policy."""
    ROLES.put(ctx, _without(own_role_at(ctx, req.RoleName), req, "role"))
    return None


@operation("ListRolePolicies")
def list_role_policies(ctx: Context, req: Any) -> Answer:
    """The names of a role's inline policies."""
    return _names(role_at(ctx, req.RoleName), req)
