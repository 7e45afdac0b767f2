"""Managed policies, and inline policies that are resources by themselves, as CloudFormation has them."""

from __future__ import annotations

from datetime import UTC, datetime

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, document, each, exists, found
from fogbank.services.iam.resource_parts import (
    ABSENT,
    NAME_LIMITS,
    PRESENT,
    call,
    delete_inline,
    every_one,
    get_inline,
    put_inline,
    shown,
)

VERSIONS_LIMIT = 5


def _policy_arn(ctx: Context, properties: Properties) -> str:
    members = {name: properties.get(name) for name in ("Description", "Path")}
    text = document(properties["PolicyDocument"])
    made = call(ctx, "CreatePolicy", **members, PolicyName=properties["ManagedPolicyName"], PolicyDocument=text)
    return str(made["Policy"]["Arn"])


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_managed(ctx: Context, arn: str) -> Properties:
    policy = call(ctx, "GetPolicy", PolicyArn=arn)["Policy"]
    version = call(ctx, "GetPolicyVersion", PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    same = ("AttachmentCount", "DefaultVersionId", "Description", "IsAttachable", "Path", "PermissionsBoundaryUsageCount", "PolicyId")
    return {
        **{name: policy.get(name) for name in same},
        "Description": policy.get("Description") or None,
        "ManagedPolicyName": policy["PolicyName"],
        "PolicyArn": arn,
        "PolicyDocument": shown(version["Document"]),
        "CreateDate": _instant(policy["CreateDate"]),
        "UpdateDate": _instant(policy["UpdateDate"]),
    }


def _versions(ctx: Context, arn: str) -> list[str]:
    """The versions that could go, the oldest first."""
    found = every_one(ctx, "ListPolicyVersions", "Versions", PolicyArn=arn)
    return sorted((v["VersionId"] for v in found if not v["IsDefaultVersion"]), key=lambda id: int(id[1:]))


def _put_version(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    old = _versions(ctx, arn)
    if len(old) + 1 >= VERSIONS_LIMIT:
        call(ctx, "DeletePolicyVersion", PolicyArn=arn, VersionId=old[0])
    call(ctx, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document(after["PolicyDocument"]), SetAsDefault=True)


def _entities(ctx: Context, arn: str, entity: str) -> list[str]:
    found = every_one(
        ctx, "ListEntitiesForPolicy", f"Policy{entity}s", PolicyArn=arn, EntityFilter=entity, PolicyUsageFilter="PermissionsPolicy"
    )
    return [one[f"{entity}Name"] for one in found]


def _carried_by(entity: str) -> Part:
    return each(
        f"{entity}s",
        add=lambda ctx, arn, name: call(ctx, f"Attach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        remove=lambda ctx, arn, name: call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        read=lambda ctx, arn: _entities(ctx, arn, entity),
    )


def _delete_managed(ctx: Context, arn: str, properties: Properties) -> None:
    for entity in ("Group", "Role", "User"):
        for name in _entities(ctx, arn, entity):
            call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn)
    for version in _versions(ctx, arn):
        call(ctx, "DeletePolicyVersion", PolicyArn=arn, VersionId=version)
    call(ctx, "DeletePolicy", PolicyArn=arn)


MANAGED_POLICY = ResourceType(
    "AWS::IAM::ManagedPolicy",
    create=_policy_arn,
    made_with=("Description", "ManagedPolicyName", "Path", "PolicyDocument"),
    read=_read_managed,
    delete=_delete_managed,
    list=lambda ctx: [policy["Arn"] for policy in every_one(ctx, "ListPolicies", "Policies", Scope="Local")],
    parts=(Part(("PolicyDocument",), _put_version), _carried_by("Group"), _carried_by("Role"), _carried_by("User")),
    naming=Naming("ManagedPolicyName", NAME_LIMITS["Policy"]),
    absent=ABSENT,
    present=PRESENT,
)


def _put_everywhere(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    """One inline policy in several roles, users and groups."""
    old, new = before.get("PolicyName"), after.get("PolicyName")
    for entity in ("Group", "Role", "User"):
        wanted = after.get(f"{entity}s") or []
        for owner in before.get(f"{entity}s") or []:
            if owner not in wanted or old != new:
                delete_inline(ctx, entity, owner, str(old))
        for owner in wanted:
            put_inline(ctx, entity, owner, str(new), after["PolicyDocument"])


POLICY = ResourceType(
    "AWS::IAM::Policy",
    create=lambda ctx, properties: f"{properties['PolicyName']}-{ctx.random.hex(16)}",
    read=lambda ctx, identifier: {"Id": identifier},
    delete=lambda ctx, identifier, properties: _put_everywhere(ctx, identifier, properties, {}),
    parts=(Part(("Groups", "PolicyDocument", "PolicyName", "Roles", "Users"), _put_everywhere),),
    absent=ABSENT,
)


def inline_type(entity: str) -> ResourceType:
    """One inline policy of one role, user or group, by `name|owner`."""
    name, owner = f"AWS::IAM::{entity}Policy", f"{entity}Name"

    def create(ctx: Context, properties: Properties) -> str:
        identifier = f"{properties['PolicyName']}|{properties[owner]}"
        if found(lambda: get_inline(ctx, entity, properties[owner], properties["PolicyName"]), "NoSuchEntityException") is not None:
            raise exists(name, identifier)
        put(ctx, identifier, {}, properties)
        return identifier

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        policy, _, holder = identifier.partition("|")
        put_inline(ctx, entity, holder, policy, after["PolicyDocument"])

    def read(ctx: Context, identifier: str) -> Properties:
        policy, _, holder = identifier.partition("|")
        return {"PolicyName": policy, owner: holder, "PolicyDocument": get_inline(ctx, entity, holder, policy)}

    def delete(ctx: Context, identifier: str, properties: Properties) -> None:
        policy, _, holder = identifier.partition("|")
        delete_inline(ctx, entity, holder, policy)

    return ResourceType(
        name,
        create=create,
        made_with=("PolicyDocument", "PolicyName", owner),
        read=read,
        delete=delete,
        parts=(Part(("PolicyDocument",), put),),
        absent=ABSENT,
        present=PRESENT,
    )
