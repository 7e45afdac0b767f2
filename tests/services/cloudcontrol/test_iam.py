"""The types of IAM that Cloud Control handles."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

ROLE, USER, GROUP = "AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"
MANAGED, PROFILE = "AWS::IAM::ManagedPolicy", "AWS::IAM::InstanceProfile"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def inline(name: str, action: str) -> dict[str, Any]:
    return {"PolicyName": name, "PolicyDocument": allow(action)}


def test_role(cloud: Any, control: Control) -> None:
    """A role is made with its policies, changes in everything but its name and path, and goes with all that it has."""
    wanted = {
        "RoleName": "worker",
        "Path": "/app/",
        "AssumeRolePolicyDocument": trust("lambda.amazonaws.com"),
        "Description": "works",
        "MaxSessionDuration": 7200,
        "ManagedPolicyArns": [READ_ONLY],
        "Policies": [inline("one", "s3:GetObject"), inline("two", "s3:PutObject")],
        "PermissionsBoundary": ADMIN,
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    name = control.create(ROLE, wanted)
    found = control.read(ROLE, name)
    assert {**found, "Arn": "", "RoleId": ""} == {**wanted, "Arn": "", "RoleId": ""}
    assert found["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/worker"
    found = control.update(
        ROLE,
        name,
        ("replace", "/AssumeRolePolicyDocument", trust("ec2.amazonaws.com")),
        ("replace", "/ManagedPolicyArns", [ADMIN]),
        ("replace", "/Policies", [inline("two", "s3:*"), inline("three", "sqs:*")]),
        ("remove", "/PermissionsBoundary"),
        ("remove", "/Description"),
        ("remove", "/Tags"),
    )
    assert found["AssumeRolePolicyDocument"] == trust("ec2.amazonaws.com")
    assert found["ManagedPolicyArns"] == [ADMIN]
    assert sorted(policy["PolicyName"] for policy in found["Policies"]) == ["three", "two"]
    assert next(p for p in found["Policies"] if p["PolicyName"] == "two")["PolicyDocument"] == allow("s3:*")
    assert not {"PermissionsBoundary", "Description", "Tags"} & found.keys()
    assert name in control.listed(ROLE)
    control.delete(ROLE, name)


def test_user(cloud: Any, control: Control) -> None:
    """A user has groups, a password and policies; it goes with its access keys."""
    for group in ("dev", "ops"):
        control.create(GROUP, {"GroupName": group})
    wanted = {
        "UserName": "ann",
        "Path": "/a/",
        "Groups": ["dev"],
        "LoginProfile": {"Password": "Correct-Horse-1!", "PasswordResetRequired": True},
        "ManagedPolicyArns": [READ_ONLY],
        "Policies": [inline("one", "s3:GetObject")],
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    assert control.create(USER, wanted) == "ann"
    found = control.read(USER, "ann")
    assert found.pop("Arn") == f"arn:aws:iam::{ACCOUNT}:user/a/ann"
    assert found == {**wanted, "LoginProfile": {"PasswordResetRequired": True}}
    found = control.update(
        USER, "ann", ("replace", "/Groups", ["ops"]), ("replace", "/Path", "/b/"), ("remove", "/LoginProfile"), ("remove", "/Policies")
    )
    assert (found["Groups"], found["Path"]) == (["ops"], "/b/")
    assert not {"LoginProfile", "Policies"} & found.keys()
    cloud.client("iam").create_access_key(UserName="ann")
    assert control.listed(USER) == ["ann"]
    control.delete(USER, "ann")


def test_group(control: Control) -> None:
    """A group has policies, inline and attached."""
    name = control.create(GROUP, {"ManagedPolicyArns": [READ_ONLY], "Policies": [inline("one", "s3:GetObject")]})
    found = control.read(GROUP, name)
    assert (found["ManagedPolicyArns"], found["Policies"]) == ([READ_ONLY], [inline("one", "s3:GetObject")])
    found = control.update(GROUP, name, ("remove", "/ManagedPolicyArns"), ("add", "/Policies/-", inline("two", "s3:*")))
    assert "ManagedPolicyArns" not in found
    assert [policy["PolicyName"] for policy in found["Policies"]] == ["one", "two"]
    control.delete(GROUP, name)


def test_managed_policy(cloud: Any, control: Control) -> None:
    """Each new document of a managed policy is a version; the oldest goes when there are five."""
    control.create(ROLE, {"RoleName": "worker", "AssumeRolePolicyDocument": trust("lambda.amazonaws.com")})
    control.create(GROUP, {"GroupName": "dev"})
    wanted = {"ManagedPolicyName": "reads", "Description": "d", "PolicyDocument": allow("s3:GetObject"), "Roles": ["worker"]}
    arn = control.create(MANAGED, wanted)
    found = control.read(MANAGED, arn)
    assert found.items() >= {**wanted, "AttachmentCount": 1, "DefaultVersionId": "v1", "Path": "/"}.items()
    for number in range(6):
        document = allow(f"s3:Get{number}")
        found = control.update(MANAGED, arn, ("replace", "/PolicyDocument", document))
        assert found["PolicyDocument"] == document
    assert found["DefaultVersionId"] == "v7"
    assert len(cloud.client("iam").list_policy_versions(PolicyArn=arn)["Versions"]) <= 5
    found = control.update(MANAGED, arn, ("remove", "/Roles"), ("add", "/Groups", ["dev"]))
    assert found["Groups"] == ["dev"]
    assert "Roles" not in found
    assert control.listed(MANAGED) == [arn]
    control.delete(MANAGED, arn)


def test_instance_profile(control: Control) -> None:
    """An instance profile has one role, which can be another one."""
    for role in ("one", "two"):
        control.create(ROLE, {"RoleName": role, "AssumeRolePolicyDocument": trust("ec2.amazonaws.com")})
    name = control.create(PROFILE, {"InstanceProfileName": "p", "Roles": ["one"]})
    assert control.read(PROFILE, name)["Roles"] == ["one"]
    assert control.update(PROFILE, name, ("replace", "/Roles", ["two"]))["Roles"] == ["two"]
    assert control.listed(PROFILE) == ["p"]
    control.delete(PROFILE, name)


def test_inline_policy_of_a_role(control: Control) -> None:
    """A compound identifier is the values of its properties, joined."""
    control.create(ROLE, {"RoleName": "worker", "AssumeRolePolicyDocument": trust("ec2.amazonaws.com")})
    kind = "AWS::IAM::RolePolicy"
    wanted = {"RoleName": "worker", "PolicyName": "p", "PolicyDocument": allow("s3:GetObject")}
    identifier = control.create(kind, wanted)
    assert identifier == "p|worker"
    assert control.read(kind, identifier) == wanted
    assert control.update(kind, identifier, ("replace", "/PolicyDocument", allow("s3:*")))["PolicyDocument"] == allow("s3:*")
    assert control.refused(kind, wanted)[0] == "AlreadyExists"
    control.delete(kind, identifier)
