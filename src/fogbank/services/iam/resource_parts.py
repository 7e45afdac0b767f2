"""What roles, users and groups share as resources of CloudFormation, by operations that differ in one word of their names."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Part, Properties, document, each, every, given, pairs, parsed, tags, unpaired

ABSENT = ("NoSuchEntityException", "Absent")
PRESENT = ("EntityAlreadyExistsException", "Present")
NAME_LIMITS = {"Role": 64, "User": 64, "Group": 128, "InstanceProfile": 128, "Policy": 128}


def call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("iam", operation, given(**members))


def every_one(ctx: Context, operation: str, answer: str, **members: Any) -> list[Any]:
    return list(every(ctx, "iam", operation, members, answer, "Marker"))


def shown(text: str) -> Any:
    """A document as IAM answers it."""
    return parsed(unquote(text))


def attached(entity: str) -> Part:
    def arns(ctx: Context, name: str) -> list[str]:
        listed = every_one(ctx, f"ListAttached{entity}Policies", "AttachedPolicies", **{f"{entity}Name": name})
        return [policy["PolicyArn"] for policy in listed]

    return each(
        "ManagedPolicyArns",
        add=lambda ctx, name, arn: call(ctx, f"Attach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        remove=lambda ctx, name, arn: call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        read=arns,
    )


def put_inline(ctx: Context, entity: str, owner: str, name: str, policy: Any) -> None:
    call(ctx, f"Put{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name, PolicyDocument=document(policy))


def delete_inline(ctx: Context, entity: str, owner: str, name: str) -> None:
    call(ctx, f"Delete{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name)


def get_inline(ctx: Context, entity: str, owner: str, name: str) -> Any:
    return shown(call(ctx, f"Get{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name)["PolicyDocument"])


def inline(entity: str) -> Part:
    def policies(ctx: Context, owner: str) -> list[Any]:
        names = every_one(ctx, f"List{entity}Policies", "PolicyNames", **{f"{entity}Name": owner})
        return [{"PolicyName": name, "PolicyDocument": get_inline(ctx, entity, owner, name)} for name in names]

    return each(
        "Policies",
        add=lambda ctx, owner, policy: put_inline(ctx, entity, owner, policy["PolicyName"], policy["PolicyDocument"]),
        remove=lambda ctx, owner, policy: delete_inline(ctx, entity, owner, policy["PolicyName"]),
        read=policies,
        key=lambda policy: policy["PolicyName"],
    )


def tags_of(entity: str) -> Part:
    return tags(
        read=lambda ctx, name: pairs(every_one(ctx, f"List{entity}Tags", "Tags", **{f"{entity}Name": name})),
        add=lambda ctx, name, added: call(ctx, f"Tag{entity}", **{f"{entity}Name": name}, Tags=unpaired(added)),
        remove=lambda ctx, name, keys: call(ctx, f"Untag{entity}", **{f"{entity}Name": name}, TagKeys=keys),
    )


def bounded(entity: str) -> Part:
    def put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
        wanted = after.get("PermissionsBoundary")
        operation = f"{'Put' if wanted else 'Delete'}{entity}PermissionsBoundary"
        call(ctx, operation, **{f"{entity}Name": name}, PermissionsBoundary=wanted)

    return Part(("PermissionsBoundary",), put)


def boundary_of(described: Any) -> str | None:
    arn: str | None = (described.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return arn


def strip(ctx: Context, entity: str, name: str) -> None:
    """Takes away what would keep a role, user or group from being deleted."""
    for policy in every_one(ctx, f"ListAttached{entity}Policies", "AttachedPolicies", **{f"{entity}Name": name}):
        call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=policy["PolicyArn"])
    for policy in every_one(ctx, f"List{entity}Policies", "PolicyNames", **{f"{entity}Name": name}):
        delete_inline(ctx, entity, name, policy)


def listed(entity: str) -> Any:
    return lambda ctx: [one[f"{entity}Name"] for one in every_one(ctx, f"List{entity}s", f"{entity}s")]
