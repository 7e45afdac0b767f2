"""Roles, users, groups and their policies as CloudFormation has them.

Roles, users and groups share what they have (inline policies, attached policies, tags, boundaries), by operations that differ in
one word of their names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    each,
    every,
    exists,
    found,
    given,
    pairs,
    parsed,
    tags,
    unpaired,
)

ABSENT = ("NoSuchEntity", "Absent")
PRESENT = ("EntityAlreadyExists", "Present")
NAME_LIMITS = {"Role": 64, "User": 64, "Group": 128, "InstanceProfile": 128, "Policy": 128}
VERSIONS_LIMIT = 5


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("iam", operation, given(**members))


def _all(ctx: Context, operation: str, answer: str, **members: Any) -> list[Any]:
    return list(every(ctx, "iam", operation, members, answer, "Marker"))


def _shown(text: str) -> Any:
    """A document as IAM answers it."""
    return parsed(unquote(text))


# What roles, users and groups share


def _attached(entity: str) -> Part:
    def arns(ctx: Context, name: str) -> list[str]:
        listed = _all(ctx, f"ListAttached{entity}Policies", "AttachedPolicies", **{f"{entity}Name": name})
        return [policy["PolicyArn"] for policy in listed]

    return each(
        "ManagedPolicyArns",
        add=lambda ctx, name, arn: _call(ctx, f"Attach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        remove=lambda ctx, name, arn: _call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        read=arns,
    )


def _put_inline(ctx: Context, entity: str, owner: str, name: str, policy: Any) -> None:
    _call(ctx, f"Put{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name, PolicyDocument=document(policy))


def _delete_inline(ctx: Context, entity: str, owner: str, name: str) -> None:
    _call(ctx, f"Delete{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name)


def _get_inline(ctx: Context, entity: str, owner: str, name: str) -> Any:
    return _shown(_call(ctx, f"Get{entity}Policy", **{f"{entity}Name": owner}, PolicyName=name)["PolicyDocument"])


def _inline(entity: str) -> Part:
    def policies(ctx: Context, owner: str) -> list[Any]:
        names = _all(ctx, f"List{entity}Policies", "PolicyNames", **{f"{entity}Name": owner})
        return [{"PolicyName": name, "PolicyDocument": _get_inline(ctx, entity, owner, name)} for name in names]

    return each(
        "Policies",
        add=lambda ctx, owner, policy: _put_inline(ctx, entity, owner, policy["PolicyName"], policy["PolicyDocument"]),
        remove=lambda ctx, owner, policy: _delete_inline(ctx, entity, owner, policy["PolicyName"]),
        read=policies,
        key=lambda policy: policy["PolicyName"],
    )


def _tags(entity: str) -> Part:
    return tags(
        read=lambda ctx, name: pairs(_all(ctx, f"List{entity}Tags", "Tags", **{f"{entity}Name": name})),
        add=lambda ctx, name, added: _call(ctx, f"Tag{entity}", **{f"{entity}Name": name}, Tags=unpaired(added)),
        remove=lambda ctx, name, keys: _call(ctx, f"Untag{entity}", **{f"{entity}Name": name}, TagKeys=keys),
    )


def _boundary(entity: str) -> Part:
    def put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
        boundary = after.get("PermissionsBoundary")
        operation = f"{'Put' if boundary else 'Delete'}{entity}PermissionsBoundary"
        _call(ctx, operation, **{f"{entity}Name": name}, PermissionsBoundary=boundary)

    return Part(("PermissionsBoundary",), put)


def _boundary_of(described: Any) -> str | None:
    arn: str | None = (described.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return arn


def _strip(ctx: Context, entity: str, name: str) -> None:
    """Takes away what would keep a role, user or group from being deleted."""
    for policy in _all(ctx, f"ListAttached{entity}Policies", "AttachedPolicies", **{f"{entity}Name": name}):
        _call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=policy["PolicyArn"])
    for policy in _all(ctx, f"List{entity}Policies", "PolicyNames", **{f"{entity}Name": name}):
        _delete_inline(ctx, entity, name, policy)


def _listed(entity: str) -> Any:
    return lambda ctx: [one[f"{entity}Name"] for one in _all(ctx, f"List{entity}s", f"{entity}s")]


# Roles


def _create_role(ctx: Context, properties: Properties) -> str:
    labels = properties.get("Tags")
    members = {name: properties.get(name) for name in ("Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "RoleName")}
    _call(ctx, "CreateRole", **members, AssumeRolePolicyDocument=document(properties["AssumeRolePolicyDocument"]), Tags=labels)
    return str(properties["RoleName"])


def _read_role(ctx: Context, name: str) -> Properties:
    role = _call(ctx, "GetRole", RoleName=name)["Role"]
    same = {key: role.get(key) for key in ("Arn", "MaxSessionDuration", "Path", "RoleId", "RoleName")}
    return {
        **same,
        "AssumeRolePolicyDocument": _shown(role["AssumeRolePolicyDocument"]),
        "Description": role.get("Description") or None,
        "PermissionsBoundary": _boundary_of(role),
    }


def _update_role(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    session_s = after.get("MaxSessionDuration", 3600)
    _call(ctx, "UpdateRole", RoleName=name, Description=after.get("Description", ""), MaxSessionDuration=session_s)


def _update_trust(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=document(after["AssumeRolePolicyDocument"]))


def _delete_role(ctx: Context, name: str, properties: Properties) -> None:
    _strip(ctx, "Role", name)
    _call(ctx, "DeleteRole", RoleName=name)


ROLE = ResourceType(
    "AWS::IAM::Role",
    create=_create_role,
    made_with=("AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "RoleName", "Tags"),
    read=_read_role,
    delete=_delete_role,
    list=_listed("Role"),
    parts=(
        Part(("AssumeRolePolicyDocument",), _update_trust),
        Part(("Description", "MaxSessionDuration"), _update_role),
        _boundary("Role"),
        _attached("Role"),
        _inline("Role"),
        _tags("Role"),
    ),
    naming=Naming("RoleName", NAME_LIMITS["Role"]),
    absent=ABSENT,
    present=PRESENT,
)


# Users


def _create_user(ctx: Context, properties: Properties) -> str:
    _call(ctx, "CreateUser", **{name: properties.get(name) for name in ("Path", "PermissionsBoundary", "Tags", "UserName")})
    return str(properties["UserName"])


def _read_user(ctx: Context, name: str) -> Properties:
    user = _call(ctx, "GetUser", UserName=name)["User"]
    return {**{key: user[key] for key in ("Arn", "Path", "UserName")}, "PermissionsBoundary": _boundary_of(user)}


def _move_user(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateUser", UserName=name, NewPath=after.get("Path", "/"))


def _put_login(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    login = after.get("LoginProfile")
    if login is None:
        _call(ctx, "DeleteLoginProfile", UserName=name)
        return
    operation = "UpdateLoginProfile" if before.get("LoginProfile") else "CreateLoginProfile"
    _call(ctx, operation, UserName=name, Password=login.get("Password"), PasswordResetRequired=login.get("PasswordResetRequired", False))


def _get_login(ctx: Context, name: str) -> Properties:
    answer = found(lambda: _call(ctx, "GetLoginProfile", UserName=name), "NoSuchEntity")
    return {"LoginProfile": answer and {"PasswordResetRequired": answer["LoginProfile"].get("PasswordResetRequired", False)}}


def _groups_of(ctx: Context, name: str) -> list[str]:
    return [group["GroupName"] for group in _all(ctx, "ListGroupsForUser", "Groups", UserName=name)]


def _join(ctx: Context, user: str, group: str) -> None:
    _call(ctx, "AddUserToGroup", GroupName=group, UserName=user)


def _leave(ctx: Context, user: str, group: str) -> None:
    _call(ctx, "RemoveUserFromGroup", GroupName=group, UserName=user)


def _delete_user(ctx: Context, name: str, properties: Properties) -> None:
    _strip(ctx, "User", name)
    for group in _groups_of(ctx, name):
        _leave(ctx, name, group)
    for key in _all(ctx, "ListAccessKeys", "AccessKeyMetadata", UserName=name):
        _call(ctx, "DeleteAccessKey", UserName=name, AccessKeyId=key["AccessKeyId"])
    found(lambda: _call(ctx, "DeleteLoginProfile", UserName=name), "NoSuchEntity")
    _call(ctx, "DeleteUser", UserName=name)


USER = ResourceType(
    "AWS::IAM::User",
    create=_create_user,
    made_with=("Path", "PermissionsBoundary", "Tags", "UserName"),
    read=_read_user,
    delete=_delete_user,
    list=_listed("User"),
    parts=(
        Part(("Path",), _move_user),
        _boundary("User"),
        Part(("LoginProfile",), _put_login, _get_login),
        each("Groups", add=_join, remove=_leave, read=_groups_of),
        _attached("User"),
        _inline("User"),
        _tags("User"),
    ),
    naming=Naming("UserName", NAME_LIMITS["User"]),
    absent=ABSENT,
    present=PRESENT,
)


# Groups


def _create_group(ctx: Context, properties: Properties) -> str:
    _call(ctx, "CreateGroup", GroupName=properties["GroupName"], Path=properties.get("Path"))
    return str(properties["GroupName"])


def _read_group(ctx: Context, name: str) -> Properties:
    group = _call(ctx, "GetGroup", GroupName=name)["Group"]
    return {key: group[key] for key in ("Arn", "GroupName", "Path")}


def _move_group(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateGroup", GroupName=name, NewPath=after.get("Path", "/"))


def _delete_group(ctx: Context, name: str, properties: Properties) -> None:
    _strip(ctx, "Group", name)
    _call(ctx, "DeleteGroup", GroupName=name)


GROUP = ResourceType(
    "AWS::IAM::Group",
    create=_create_group,
    made_with=("GroupName", "Path"),
    read=_read_group,
    delete=_delete_group,
    list=_listed("Group"),
    parts=(Part(("Path",), _move_group), _attached("Group"), _inline("Group")),
    naming=Naming("GroupName", NAME_LIMITS["Group"]),
    absent=ABSENT,
    present=PRESENT,
)


# Policies of their own


def _policy_arn(ctx: Context, properties: Properties) -> str:
    members = {name: properties.get(name) for name in ("Description", "Path")}
    text = document(properties["PolicyDocument"])
    made = _call(ctx, "CreatePolicy", **members, PolicyName=properties["ManagedPolicyName"], PolicyDocument=text)
    return str(made["Policy"]["Arn"])


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_managed(ctx: Context, arn: str) -> Properties:
    policy = _call(ctx, "GetPolicy", PolicyArn=arn)["Policy"]
    version = _call(ctx, "GetPolicyVersion", PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    same = ("AttachmentCount", "DefaultVersionId", "Description", "IsAttachable", "Path", "PermissionsBoundaryUsageCount", "PolicyId")
    return {
        **{name: policy.get(name) for name in same},
        "Description": policy.get("Description") or None,
        "ManagedPolicyName": policy["PolicyName"],
        "PolicyArn": arn,
        "PolicyDocument": _shown(version["Document"]),
        "CreateDate": _instant(policy["CreateDate"]),
        "UpdateDate": _instant(policy["UpdateDate"]),
    }


def _versions(ctx: Context, arn: str) -> list[str]:
    """The versions that could go, the oldest first."""
    found = _all(ctx, "ListPolicyVersions", "Versions", PolicyArn=arn)
    return sorted((v["VersionId"] for v in found if not v["IsDefaultVersion"]), key=lambda id: int(id[1:]))


def _put_version(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    old = _versions(ctx, arn)
    if len(old) + 1 >= VERSIONS_LIMIT:
        _call(ctx, "DeletePolicyVersion", PolicyArn=arn, VersionId=old[0])
    _call(ctx, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document(after["PolicyDocument"]), SetAsDefault=True)


def _entities(ctx: Context, arn: str, entity: str) -> list[str]:
    found = _all(
        ctx, "ListEntitiesForPolicy", f"Policy{entity}s", PolicyArn=arn, EntityFilter=entity, PolicyUsageFilter="PermissionsPolicy"
    )
    return [one[f"{entity}Name"] for one in found]


def _carried_by(entity: str) -> Part:
    return each(
        f"{entity}s",
        add=lambda ctx, arn, name: _call(ctx, f"Attach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        remove=lambda ctx, arn, name: _call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn),
        read=lambda ctx, arn: _entities(ctx, arn, entity),
    )


def _delete_managed(ctx: Context, arn: str, properties: Properties) -> None:
    for entity in ("Group", "Role", "User"):
        for name in _entities(ctx, arn, entity):
            _call(ctx, f"Detach{entity}Policy", **{f"{entity}Name": name}, PolicyArn=arn)
    for version in _versions(ctx, arn):
        _call(ctx, "DeletePolicyVersion", PolicyArn=arn, VersionId=version)
    _call(ctx, "DeletePolicy", PolicyArn=arn)


MANAGED_POLICY = ResourceType(
    "AWS::IAM::ManagedPolicy",
    create=_policy_arn,
    made_with=("Description", "ManagedPolicyName", "Path", "PolicyDocument"),
    read=_read_managed,
    delete=_delete_managed,
    list=lambda ctx: [policy["Arn"] for policy in _all(ctx, "ListPolicies", "Policies", Scope="Local")],
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
                _delete_inline(ctx, entity, owner, str(old))
        for owner in wanted:
            _put_inline(ctx, entity, owner, str(new), after["PolicyDocument"])


POLICY = ResourceType(
    "AWS::IAM::Policy",
    create=lambda ctx, properties: f"{properties['PolicyName']}-{ctx.random.hex(16)}",
    read=lambda ctx, identifier: {"Id": identifier},
    delete=lambda ctx, identifier, properties: _put_everywhere(ctx, identifier, properties, {}),
    parts=(Part(("Groups", "PolicyDocument", "PolicyName", "Roles", "Users"), _put_everywhere),),
    absent=ABSENT,
)


def _inline_type(entity: str) -> ResourceType:
    """One inline policy of one role, user or group, by `name|owner`."""
    name, owner = f"AWS::IAM::{entity}Policy", f"{entity}Name"

    def create(ctx: Context, properties: Properties) -> str:
        identifier = f"{properties['PolicyName']}|{properties[owner]}"
        if found(lambda: _get_inline(ctx, entity, properties[owner], properties["PolicyName"]), "NoSuchEntity") is not None:
            raise exists(name, identifier)
        put(ctx, identifier, {}, properties)
        return identifier

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        policy, _, holder = identifier.partition("|")
        _put_inline(ctx, entity, holder, policy, after["PolicyDocument"])

    def read(ctx: Context, identifier: str) -> Properties:
        policy, _, holder = identifier.partition("|")
        return {"PolicyName": policy, owner: holder, "PolicyDocument": _get_inline(ctx, entity, holder, policy)}

    def delete(ctx: Context, identifier: str, properties: Properties) -> None:
        policy, _, holder = identifier.partition("|")
        _delete_inline(ctx, entity, holder, policy)

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


# What belongs to a role or a user


def _create_profile(ctx: Context, properties: Properties) -> str:
    _call(ctx, "CreateInstanceProfile", InstanceProfileName=properties["InstanceProfileName"], Path=properties.get("Path"))
    return str(properties["InstanceProfileName"])


def _read_profile(ctx: Context, name: str) -> Properties:
    profile = _call(ctx, "GetInstanceProfile", InstanceProfileName=name)["InstanceProfile"]
    roles = [role["RoleName"] for role in profile["Roles"]]
    return {**{key: profile[key] for key in ("Arn", "InstanceProfileName", "Path")}, "Roles": roles}


def _delete_profile(ctx: Context, name: str, properties: Properties) -> None:
    for role in _read_profile(ctx, name)["Roles"]:
        _call(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role)
    _call(ctx, "DeleteInstanceProfile", InstanceProfileName=name)


INSTANCE_PROFILE = ResourceType(
    "AWS::IAM::InstanceProfile",
    create=_create_profile,
    made_with=("InstanceProfileName", "Path"),
    read=_read_profile,
    delete=_delete_profile,
    list=_listed("InstanceProfile"),
    parts=(
        each(
            "Roles",
            add=lambda ctx, name, role: _call(ctx, "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=role),
            remove=lambda ctx, name, role: _call(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role),
        ),
    ),
    naming=Naming("InstanceProfileName", NAME_LIMITS["InstanceProfile"]),
    absent=ABSENT,
    present=PRESENT,
)


def _create_key(ctx: Context, properties: Properties) -> tuple[str, Properties]:
    key = _call(ctx, "CreateAccessKey", UserName=properties["UserName"])["AccessKey"]
    return key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]}


def _owner_of(ctx: Context, id: str) -> str:
    return str(_call(ctx, "GetAccessKeyLastUsed", AccessKeyId=id)["UserName"])


def _read_key(ctx: Context, id: str) -> Properties:
    owner = _owner_of(ctx, id)
    for key in _all(ctx, "ListAccessKeys", "AccessKeyMetadata", UserName=owner):
        if key["AccessKeyId"] == id:
            return {"Id": id, "UserName": owner, "Status": key["Status"]}
    raise absent("AWS::IAM::AccessKey", id)


def _put_status(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateAccessKey", UserName=_owner_of(ctx, id), AccessKeyId=id, Status=after.get("Status", "Active"))


ACCESS_KEY = ResourceType(
    "AWS::IAM::AccessKey",
    create=_create_key,
    made_with=("Serial", "UserName"),
    read=_read_key,
    delete=lambda ctx, id, properties: _call(ctx, "DeleteAccessKey", UserName=_owner_of(ctx, id), AccessKeyId=id),
    parts=(Part(("Status",), _put_status),),
    absent=ABSENT,
    present=PRESENT,
)


def _put_members(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    same = before.get("GroupName") == after.get("GroupName")
    for user in before.get("Users", ()):
        if not same or user not in after["Users"]:
            _leave(ctx, user, before["GroupName"])
    for user in after.get("Users", ()):
        if not same or user not in before["Users"]:
            _join(ctx, user, after["GroupName"])


USER_TO_GROUP_ADDITION = ResourceType(
    "AWS::IAM::UserToGroupAddition",
    create=lambda ctx, properties: ctx.random.uuid(),
    read=lambda ctx, identifier: {"Id": identifier},
    delete=lambda ctx, identifier, properties: _put_members(ctx, identifier, properties, {}),
    parts=(Part(("GroupName", "Users"), _put_members),),
)

TYPES = (
    ROLE,
    USER,
    GROUP,
    MANAGED_POLICY,
    POLICY,
    *(_inline_type(entity) for entity in ("Role", "User", "Group")),
    INSTANCE_PROFILE,
    ACCESS_KEY,
    USER_TO_GROUP_ADDITION,
)
