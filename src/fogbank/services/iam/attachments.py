"""Managed policies on users, groups and roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import attachable, check_policy_arn, group_at, own_role_at, policy_at, role_at, user_at
from fogbank.services.iam.refusals import check_quota, not_found
from fogbank.services.iam.state import (
    ATTACHED,
    ATTACHMENTS,
    GROUP_BY_ID,
    ROLE_BY_BOUNDARY,
    ROLE_BY_ID,
    USER_BY_BOUNDARY,
    USER_BY_ID,
    Attachment,
    Group,
    Role,
    User,
)
from fogbank.store.tables import Index

_BY_ID: dict[str, Index[Any]] = {"user": USER_BY_ID, "group": GROUP_BY_ID, "role": ROLE_BY_ID}


def _attach(ctx: Context, kind: str, entity: User | Group | Role, arn: str) -> Answer:
    """Attaches; it does not matter if it is attached.

    Errors: NoSuchEntity, InvalidInput, PolicyNotAttachable (a service-linked role's policy), LimitExceeded (10).
    """
    policy = attachable(ctx, arn)
    if policy.account == "aws" and policy.path.startswith("/aws-service-role/"):
        raise ServiceException("PolicyNotAttachableException", f"Cannot attach a Service Role Policy to a Customer {kind.capitalize()}.")
    if ATTACHMENTS.get(ctx, ctx.account, entity.id, arn) is None:
        check_quota(f"AttachedPoliciesPer{kind.capitalize()}Quota", sum(1 for _ in ATTACHMENTS.scan(ctx, ctx.account, entity.id)))
        ATTACHMENTS.put(ctx, Attachment(account=ctx.account, entity_id=entity.id, policy_arn=arn, kind=kind))
    return None


def _detach(ctx: Context, entity: User | Group | Role, arn: str) -> Answer:
    check_policy_arn(arn)
    attachment = ATTACHMENTS.get(ctx, ctx.account, entity.id, arn)
    if attachment is None:
        raise not_found(f"Policy {arn} was not found.")
    ATTACHMENTS.delete(ctx, attachment)
    return None


def attached_answer(arn: str) -> dict[str, str]:
    return {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}


def _listed(ctx: Context, entity: User | Group | Role, req: Any) -> Answer:
    """A page of what is attached, under a path."""
    prefix = req.PathPrefix or "/"
    arns = (a.policy_arn for a in ATTACHMENTS.scan(ctx, ctx.account, entity.id))
    return page_of(req, "AttachedPolicies", (a for a in arns if _path(a).startswith(prefix)), str, attached_answer)


def _path(arn: str) -> str:
    parsed = Arn.parse(arn)
    return "/" if parsed is None else parsed.resource.removeprefix("policy").rpartition("/")[0] + "/"


@operation("AttachUserPolicy")
def attach_user_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a managed policy to a user; ten at most."""
    return _attach(ctx, "user", user_at(ctx, req.UserName), req.PolicyArn)


@operation("DetachUserPolicy")
def detach_user_policy(ctx: Context, req: Any) -> Answer:
    """Detaches a managed policy."""
    return _detach(ctx, user_at(ctx, req.UserName), req.PolicyArn)


@operation("ListAttachedUserPolicies")
def list_attached_user_policies(ctx: Context, req: Any) -> Answer:
    """The managed policies of a user; not those of the user's groups."""
    return _listed(ctx, user_at(ctx, req.UserName), req)


@operation("AttachGroupPolicy")
def attach_group_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a managed policy to a group; ten at most."""
    return _attach(ctx, "group", group_at(ctx, req.GroupName), req.PolicyArn)


@operation("DetachGroupPolicy")
def detach_group_policy(ctx: Context, req: Any) -> Answer:
    """Detaches a managed policy."""
    return _detach(ctx, group_at(ctx, req.GroupName), req.PolicyArn)


@operation("ListAttachedGroupPolicies")
def list_attached_group_policies(ctx: Context, req: Any) -> Answer:
    """The managed policies of a group."""
    return _listed(ctx, group_at(ctx, req.GroupName), req)


@operation("AttachRolePolicy")
def attach_role_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a managed policy to a role; ten at most.

    Errors: NoSuchEntity, InvalidInput, LimitExceeded, PolicyNotAttachable, UnmodifiableEntity (a service-linked role).
    """
    return _attach(ctx, "role", own_role_at(ctx, req.RoleName), req.PolicyArn)


@operation("DetachRolePolicy")
def detach_role_policy(ctx: Context, req: Any) -> Answer:
    """Detaches a managed policy."""
    return _detach(ctx, own_role_at(ctx, req.RoleName), req.PolicyArn)


@operation("ListAttachedRolePolicies")
def list_attached_role_policies(ctx: Context, req: Any) -> Answer:
    """The managed policies of a role."""
    return _listed(ctx, role_at(ctx, req.RoleName), req)


@operation("ListEntitiesForPolicy")
def list_entities_for_policy(ctx: Context, req: Any) -> Answer:
    """Who has a policy attached, or as a boundary: groups, users and roles."""
    policy = policy_at(ctx, req.PolicyArn)
    prefix, wanted = req.PathPrefix or "/", (req.EntityFilter or "").lower()
    found = [
        (kind, entity)
        for kind, entity in _entities(ctx, policy.arn, req.PolicyUsageFilter)
        if entity.path.startswith(prefix) and (wanted in ("", kind) or kind not in _BY_ID)
    ]
    if wanted and wanted not in _BY_ID:
        found = []  # policies have no policies: the filter's other values fit nothing
    answer = page_of(req, "found", found, lambda e: f"{e[0]}/{e[1].key}", lambda e: e)
    shown = answer.pop("found")
    for kind, member in (("group", "Group"), ("user", "User"), ("role", "Role")):
        answer[f"Policy{member}s"] = [{f"{member}Name": e.name, f"{member}Id": e.id} for k, e in shown if k == kind]
    return answer


def _entities(ctx: Context, arn: str, usage: str | None) -> Iterator[tuple[str, User | Group | Role]]:
    """Each entity once. `usage`: PermissionsPolicy, PermissionsBoundary, or None for both."""
    seen: set[str] = set()
    if usage != "PermissionsBoundary":
        for attachment in ATTACHED.scan(ctx, ctx.account, arn):
            entity: User | Group | Role | None = _BY_ID[attachment.kind].first(ctx, attachment.entity_id)
            if entity is not None:
                seen.add(entity.id)
                yield attachment.kind, entity
    if usage != "PermissionsPolicy":
        yield from (("user", u) for u in USER_BY_BOUNDARY.scan(ctx, ctx.account, arn) if u.id not in seen)
        yield from (("role", r) for r in ROLE_BY_BOUNDARY.scan(ctx, ctx.account, arn) if r.id not in seen)
