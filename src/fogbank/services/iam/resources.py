"""Roles, users and groups, and what belongs to them, as CloudFormation has them.

Read `resource_parts` first: what they share. Policies that are resources by themselves stand in `policy_resources`.
"""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    each,
    found,
)
from fogbank.services.iam.policy_resources import MANAGED_POLICY, POLICY, inline_type
from fogbank.services.iam.resource_parts import (
    ABSENT,
    NAME_LIMITS,
    PRESENT,
    attached,
    boundary_of,
    bounded,
    call,
    every_one,
    inline,
    listed,
    shown,
    strip,
    tags_of,
)

# Roles


def _create_role(ctx: Context, properties: Properties) -> str:
    labels = properties.get("Tags")
    members = {name: properties.get(name) for name in ("Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "RoleName")}
    call(ctx, "CreateRole", **members, AssumeRolePolicyDocument=document(properties["AssumeRolePolicyDocument"]), Tags=labels)
    return str(properties["RoleName"])


def _read_role(ctx: Context, name: str) -> Properties:
    role = call(ctx, "GetRole", RoleName=name)["Role"]
    same = {key: role.get(key) for key in ("Arn", "MaxSessionDuration", "Path", "RoleId", "RoleName")}
    return {
        **same,
        "AssumeRolePolicyDocument": shown(role["AssumeRolePolicyDocument"]),
        "Description": role.get("Description") or None,
        "PermissionsBoundary": boundary_of(role),
    }


def _update_role(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    session_s = after.get("MaxSessionDuration", 3600)
    call(ctx, "UpdateRole", RoleName=name, Description=after.get("Description", ""), MaxSessionDuration=session_s)


def _update_trust(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=document(after["AssumeRolePolicyDocument"]))


def _delete_role(ctx: Context, name: str, properties: Properties) -> None:
    strip(ctx, "Role", name)
    call(ctx, "DeleteRole", RoleName=name)


ROLE = ResourceType(
    "AWS::IAM::Role",
    create=_create_role,
    made_with=("AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "RoleName", "Tags"),
    read=_read_role,
    delete=_delete_role,
    list=listed("Role"),
    parts=(
        Part(("AssumeRolePolicyDocument",), _update_trust),
        Part(("Description", "MaxSessionDuration"), _update_role),
        bounded("Role"),
        attached("Role"),
        inline("Role"),
        tags_of("Role"),
    ),
    naming=Naming("RoleName", NAME_LIMITS["Role"]),
    absent=ABSENT,
    present=PRESENT,
)


# Users


def _create_user(ctx: Context, properties: Properties) -> str:
    call(ctx, "CreateUser", **{name: properties.get(name) for name in ("Path", "PermissionsBoundary", "Tags", "UserName")})
    return str(properties["UserName"])


def _read_user(ctx: Context, name: str) -> Properties:
    user = call(ctx, "GetUser", UserName=name)["User"]
    return {**{key: user[key] for key in ("Arn", "Path", "UserName")}, "PermissionsBoundary": boundary_of(user)}


def _move_user(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateUser", UserName=name, NewPath=after.get("Path", "/"))


def _put_login(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    login = after.get("LoginProfile")
    if login is None:
        call(ctx, "DeleteLoginProfile", UserName=name)
        return
    operation = "UpdateLoginProfile" if before.get("LoginProfile") else "CreateLoginProfile"
    call(ctx, operation, UserName=name, Password=login.get("Password"), PasswordResetRequired=login.get("PasswordResetRequired", False))


def _get_login(ctx: Context, name: str) -> Properties:
    answer = found(lambda: call(ctx, "GetLoginProfile", UserName=name), "NoSuchEntityException")
    return {"LoginProfile": answer and {"PasswordResetRequired": answer["LoginProfile"].get("PasswordResetRequired", False)}}


def _groups_of(ctx: Context, name: str) -> list[str]:
    return [group["GroupName"] for group in every_one(ctx, "ListGroupsForUser", "Groups", UserName=name)]


def _join(ctx: Context, user: str, group: str) -> None:
    call(ctx, "AddUserToGroup", GroupName=group, UserName=user)


def _leave(ctx: Context, user: str, group: str) -> None:
    call(ctx, "RemoveUserFromGroup", GroupName=group, UserName=user)


def _delete_user(ctx: Context, name: str, properties: Properties) -> None:
    strip(ctx, "User", name)
    for group in _groups_of(ctx, name):
        _leave(ctx, name, group)
    for key in every_one(ctx, "ListAccessKeys", "AccessKeyMetadata", UserName=name):
        call(ctx, "DeleteAccessKey", UserName=name, AccessKeyId=key["AccessKeyId"])
    found(lambda: call(ctx, "DeleteLoginProfile", UserName=name), "NoSuchEntityException")
    call(ctx, "DeleteUser", UserName=name)


USER = ResourceType(
    "AWS::IAM::User",
    create=_create_user,
    made_with=("Path", "PermissionsBoundary", "Tags", "UserName"),
    read=_read_user,
    delete=_delete_user,
    list=listed("User"),
    parts=(
        Part(("Path",), _move_user),
        bounded("User"),
        Part(("LoginProfile",), _put_login, _get_login),
        each("Groups", add=_join, remove=_leave, read=_groups_of),
        attached("User"),
        inline("User"),
        tags_of("User"),
    ),
    naming=Naming("UserName", NAME_LIMITS["User"]),
    absent=ABSENT,
    present=PRESENT,
)


# Groups


def _create_group(ctx: Context, properties: Properties) -> str:
    call(ctx, "CreateGroup", GroupName=properties["GroupName"], Path=properties.get("Path"))
    return str(properties["GroupName"])


def _read_group(ctx: Context, name: str) -> Properties:
    group = call(ctx, "GetGroup", GroupName=name)["Group"]
    return {key: group[key] for key in ("Arn", "GroupName", "Path")}


def _move_group(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateGroup", GroupName=name, NewPath=after.get("Path", "/"))


def _delete_group(ctx: Context, name: str, properties: Properties) -> None:
    strip(ctx, "Group", name)
    call(ctx, "DeleteGroup", GroupName=name)


GROUP = ResourceType(
    "AWS::IAM::Group",
    create=_create_group,
    made_with=("GroupName", "Path"),
    read=_read_group,
    delete=_delete_group,
    list=listed("Group"),
    parts=(Part(("Path",), _move_group), attached("Group"), inline("Group")),
    naming=Naming("GroupName", NAME_LIMITS["Group"]),
    absent=ABSENT,
    present=PRESENT,
)


# What belongs to a role or a user


def _create_profile(ctx: Context, properties: Properties) -> str:
    call(ctx, "CreateInstanceProfile", InstanceProfileName=properties["InstanceProfileName"], Path=properties.get("Path"))
    return str(properties["InstanceProfileName"])


def _read_profile(ctx: Context, name: str) -> Properties:
    profile = call(ctx, "GetInstanceProfile", InstanceProfileName=name)["InstanceProfile"]
    roles = [role["RoleName"] for role in profile["Roles"]]
    return {**{key: profile[key] for key in ("Arn", "InstanceProfileName", "Path")}, "Roles": roles}


def _delete_profile(ctx: Context, name: str, properties: Properties) -> None:
    for role in _read_profile(ctx, name)["Roles"]:
        call(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role)
    call(ctx, "DeleteInstanceProfile", InstanceProfileName=name)


INSTANCE_PROFILE = ResourceType(
    "AWS::IAM::InstanceProfile",
    create=_create_profile,
    made_with=("InstanceProfileName", "Path"),
    read=_read_profile,
    delete=_delete_profile,
    list=listed("InstanceProfile"),
    parts=(
        each(
            "Roles",
            add=lambda ctx, name, role: call(ctx, "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=role),
            remove=lambda ctx, name, role: call(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role),
        ),
    ),
    naming=Naming("InstanceProfileName", NAME_LIMITS["InstanceProfile"]),
    absent=ABSENT,
    present=PRESENT,
)


def _create_key(ctx: Context, properties: Properties) -> tuple[str, Properties]:
    key = call(ctx, "CreateAccessKey", UserName=properties["UserName"])["AccessKey"]
    return key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]}


def _owner_of(ctx: Context, id: str) -> str:
    return str(call(ctx, "GetAccessKeyLastUsed", AccessKeyId=id)["UserName"])


def _read_key(ctx: Context, id: str) -> Properties:
    owner = _owner_of(ctx, id)
    for key in every_one(ctx, "ListAccessKeys", "AccessKeyMetadata", UserName=owner):
        if key["AccessKeyId"] == id:
            return {"Id": id, "UserName": owner, "Status": key["Status"]}
    raise absent("AWS::IAM::AccessKey", id)


def _put_status(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateAccessKey", UserName=_owner_of(ctx, id), AccessKeyId=id, Status=after.get("Status", "Active"))


ACCESS_KEY = ResourceType(
    "AWS::IAM::AccessKey",
    create=_create_key,
    made_with=("Serial", "UserName"),
    read=_read_key,
    delete=lambda ctx, id, properties: call(ctx, "DeleteAccessKey", UserName=_owner_of(ctx, id), AccessKeyId=id),
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
    *(inline_type(entity) for entity in ("Role", "User", "Group")),
    INSTANCE_PROFILE,
    ACCESS_KEY,
    USER_TO_GROUP_ADDITION,
)
