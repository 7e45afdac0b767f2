"""The identity policies of an entity with where each comes from; and which of them grant access to a service."""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.access import authorization
from fogbank.access.policy import Named, Policy, parse
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.groups import groups_of
from fogbank.services.iam.lookups import get_policy, group_at, role_at, user_at
from fogbank.services.iam.refusals import invalid
from fogbank.services.iam.state import ATTACHMENTS, Group, Role, User


class Source(NamedTuple):
    """A policy, and where it comes from.

    `kind` is "user", "group" or "role" for an inline policy of `owner` with the name `inline`; "aws-managed" or "user-managed"
    for a managed one, whose `owner` is its ARN. `holder` is the entity that has it: its kind and name.
    """

    named: Named
    kind: str
    owner: str = ""
    inline: str = ""
    holder: tuple[str, str] = ("", "")


def entity_at(ctx: Context, arn: str) -> User | Group | Role:
    """The user, group or role of the account with this ARN.

    Errors: NoSuchEntity, InvalidInput.
    """
    parsed = Arn.parse(arn)
    kind, _, path = parsed.resource.partition("/") if parsed else ("", "", "")
    finders: dict[str, Any] = {"user": user_at, "group": group_at, "role": role_at}
    if parsed is None or parsed.service != "iam" or kind not in finders or parsed.account != ctx.account:
        raise invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    entity: User | Group | Role = finders[kind](ctx, path.rpartition("/")[2])
    return entity


def sources_of(ctx: Context, entity: User | Group | Role) -> list[Source]:
    """The entity's identity policies, and whose each is."""
    kind = {User: "user", Group: "group", Role: "role"}[type(entity)]
    found = [
        Source(Named(f"{kind}_{entity.name}_{name}", parse(document, "identity")), kind, entity.name, name, (kind, entity.name))
        for name, document in entity.policies.items()
    ]
    for attachment in ATTACHMENTS.scan(ctx, ctx.account, entity.id):
        policy = get_policy(ctx, attachment.policy_arn)
        if policy is not None:
            owner = "aws-managed" if policy.account == "aws" else "user-managed"
            found.append(Source(Named(policy.name, parse(policy.document, "identity")), owner, policy.arn, "", (kind, entity.name)))
    if isinstance(entity, User):
        for group in groups_of(ctx, entity):
            found += sources_of(ctx, group)
    return found


@operation("ListPoliciesGrantingServiceAccess")
def list_policies_granting_service_access(ctx: Context, req: Any) -> Answer:
    """For each service, the identity policies that allow any of its actions on anything; a user's groups' count too.

    Errors: NoSuchEntity, InvalidInput.
    """
    found = sources_of(ctx, entity_at(ctx, req.Arn))
    return {
        "PoliciesGrantingServiceAccess": [
            {"ServiceNamespace": name, "Policies": [_describe(s) for s in found if _grants(s.named.policy, name)]}
            for name in req.ServiceNamespaces
        ],
        "IsTruncated": False,
    }


def _grants(policy: Policy, namespace: str) -> bool:
    actions = [f"{namespace}:{name}".lower() for name in authorization.action_names(namespace)]
    return any(statement.action_test(action) for statement in policy.statements if not statement.deny for action in actions)


def _describe(source: Source) -> dict[str, Any]:
    if source.inline:
        kind, name = source.holder
        return {"PolicyName": source.inline, "PolicyType": "INLINE", "EntityType": kind.upper(), "EntityName": name}
    return {"PolicyName": source.named.name, "PolicyType": "MANAGED", "PolicyArn": source.owner}
