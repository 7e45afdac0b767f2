"""What IAM keeps is what the door enforces, from the next call on."""

from __future__ import annotations

import json

import pytest

from .conftest import ACCOUNT, policy

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"


def test_denied_then_allowed_then_denied(people, iam, refused):
    """A policy counts at once, and no longer once it is deleted; the denial says why."""
    bob = people.user()
    with refused(
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: iam:ListUsers",
        "no identity-based policy allows",
    ):
        bob("iam").list_users()
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=policy({"Action": "iam:ListUsers"}))
    assert len(bob("iam").list_users()["Users"]) == 1
    iam.delete_user_policy(UserName="bob", PolicyName="p")
    with refused("AccessDenied"):
        bob("iam").list_users()


def test_explicit_deny_wins(people, iam, refused):
    """A denial in any policy comes before every allowance."""
    bob = people.user("bob", policy({"Action": "*"}))
    iam.create_policy(PolicyName="no", PolicyDocument=policy({"Effect": "Deny", "Action": "iam:ListUsers"}))
    iam.attach_user_policy(UserName="bob", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/no")
    with refused("AccessDenied", "with an explicit deny in an identity-based policy"):
        bob("iam").list_users()
    assert bob("iam").list_roles()["Roles"] == []


def test_group_policies_count(people, iam, refused):
    """A member has what the group has, inline and attached, while being a member."""
    bob = people.user()
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=policy({"Action": "iam:ListUsers"}))
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    iam.add_user_to_group(GroupName="readers", UserName="bob")
    assert len(bob("iam").list_users()["Users"]) == 1
    assert bob("sqs").list_queues().get("QueueUrls", []) == []
    iam.remove_user_from_group(GroupName="readers", UserName="bob")
    with refused("AccessDenied"):
        bob("iam").list_users()


def test_managed_policy_by_its_default_version(people, iam, refused):
    """The default version counts; changing it changes what all may to whom it is attached."""
    bob = people.user()
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy({"Action": "iam:ListUsers"}))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    bob("iam").list_users()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": "iam:ListRoles"}), SetAsDefault=True)
    bob("iam").list_roles()
    with refused("AccessDenied"):
        bob("iam").list_users()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    bob("iam").list_users()


def test_boundary_limits(people, iam, refused):
    """With a boundary only what both it and a policy allow is allowed."""
    bob = people.user("bob", policy({"Action": ["iam:ListUsers", "iam:ListRoles"]}))
    arn = iam.create_policy(PolicyName="b", PolicyDocument=policy({"Action": ["iam:ListUsers", "iam:ListGroups"]}))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=arn)
    bob("iam").list_users()
    with refused("AccessDenied", "no permissions boundary allows"):
        bob("iam").list_roles()
    with refused("AccessDenied", "no identity-based policy allows"):
        bob("iam").list_groups()
    iam.delete_user_permissions_boundary(UserName="bob")
    bob("iam").list_roles()


def test_inactive_key(people, iam, refused):
    """A key that is switched off is no key, from the next call on; switched on it works again."""
    bob = people.user("bob", policy({"Action": "*"}))
    bob("iam").list_users()
    iam.update_access_key(UserName="bob", AccessKeyId=bob.key, Status="Inactive")
    with refused("InvalidClientTokenId"):
        bob("iam").list_users()
    iam.update_access_key(UserName="bob", AccessKeyId=bob.key, Status="Active")
    bob("iam").list_users()
    iam.delete_access_key(UserName="bob", AccessKeyId=bob.key)
    with refused("InvalidClientTokenId"):
        bob("iam").list_users()


def test_principal_tags_and_resource_tags(people, iam, refused):
    """A policy may compare the caller's tag with the resource's."""
    document = policy(
        {
            "Action": "iam:GetUser",
            "Condition": {"StringEquals": {"aws:ResourceTag/project": "${aws:PrincipalTag/project}"}},
        }
    )
    bob = people.user("bob", document, Tags=[{"Key": "project", "Value": "dorky"}])
    iam.create_user(UserName="same", Tags=[{"Key": "project", "Value": "dorky"}])
    iam.create_user(UserName="other", Tags=[{"Key": "project", "Value": "smart"}])
    bob("iam").get_user(UserName="same")
    with refused("AccessDenied"):
        bob("iam").get_user(UserName="other")
    iam.tag_user(UserName="other", Tags=[{"Key": "project", "Value": "dorky"}])
    bob("iam").get_user(UserName="other")


# The "IAM policy master" examples


def test_create_policy_only_with_a_name_prefix(people, refused):
    """CreatePolicy is allowed for names that begin with the prefix, and no others."""
    bob = people.user("bob", policy({"Action": "iam:CreatePolicy", "Resource": f"arn:aws:iam::{ACCOUNT}:policy/dorky-*"}))
    bob("iam").create_policy(PolicyName="dorky-1", PolicyDocument=policy({"Action": "s3:*"}))
    for name in ("smart-1", "dork"):
        with refused("AccessDenied", f"arn:aws:iam::{ACCOUNT}:policy/{name}"):
            bob("iam").create_policy(PolicyName=name, PolicyDocument=policy({"Action": "s3:*"}))


def test_create_role_only_with_a_given_boundary(people, iam, refused):
    """CreateRole is allowed when the given boundary is attached; neither without one nor with another."""
    arns = [iam.create_policy(PolicyName=n, PolicyDocument=policy({"Action": "s3:*"}))["Policy"]["Arn"] for n in ("right", "wrong")]
    bob = people.user("bob", policy({"Action": "iam:CreateRole", "Condition": {"StringEquals": {"iam:PermissionsBoundary": arns[0]}}}))
    trusted = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
        }
    )
    made = bob("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trusted, PermissionsBoundary=arns[0])["Role"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == arns[0]
    with refused("AccessDenied"):
        bob("iam").create_role(RoleName="r2", AssumeRolePolicyDocument=trusted)
    with refused("AccessDenied"):
        bob("iam").create_role(RoleName="r2", AssumeRolePolicyDocument=trusted, PermissionsBoundary=arns[1])


def test_policies_of_one_with_the_boundary_only(people, iam, refused):
    """iam:PermissionsBoundary is the boundary of the user whom a call would change."""
    arn = iam.create_policy(PolicyName="b", PolicyDocument=policy({"Action": "s3:*"}))["Policy"]["Arn"]
    iam.create_user(UserName="bounded", PermissionsBoundary=arn)
    iam.create_user(UserName="free")
    bob = people.user("bob", policy({"Action": "iam:PutUserPolicy", "Condition": {"ArnEquals": {"iam:PermissionsBoundary": arn}}}))
    bob("iam").put_user_policy(UserName="bounded", PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))
    with refused("AccessDenied"):
        bob("iam").put_user_policy(UserName="free", PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))


def test_only_a_given_policy_may_be_attached(people, iam, refused):
    """iam:PolicyARN limits what may be attached."""
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    bob = people.user("bob", policy({"Action": "iam:AttachUserPolicy", "Condition": {"ArnEquals": {"iam:PolicyARN": arn}}}))
    bob("iam").attach_user_policy(UserName="bob", PolicyArn=arn)
    with refused("AccessDenied"):
        bob("iam").attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def test_tags_only_at_creation_with_forced_keys(people, refused):
    """aws:RequestTag and aws:TagKeys force a tag's value and forbid other keys."""
    document = policy(
        {
            "Action": ["iam:CreateUser", "iam:TagUser"],
            "Condition": {
                "StringEquals": {"aws:RequestTag/project": ["dorky", "smart"]},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["project", "owner"]},
            },
        }
    )
    bob = people.user("bob", document)
    bob("iam").create_user(UserName="u1", Tags=[{"Key": "project", "Value": "dorky"}])
    for tags in ([], [{"Key": "project", "Value": "x"}], [{"Key": "project", "Value": "dorky"}, {"Key": "cost", "Value": "1"}]):
        with refused("AccessDenied"):
            bob("iam").create_user(UserName="u2", Tags=tags)


def test_tag_only_what_is_tagged_already(people, iam, refused):
    """TagUser only on users that carry project=dorky."""
    bob = people.user("bob", policy({"Action": "iam:TagUser", "Condition": {"StringEquals": {"iam:ResourceTag/project": "dorky"}}}))
    iam.create_user(UserName="tagged", Tags=[{"Key": "project", "Value": "dorky"}])
    iam.create_user(UserName="plain")
    bob("iam").tag_user(UserName="tagged", Tags=[{"Key": "a", "Value": "b"}])
    with refused("AccessDenied"):
        bob("iam").tag_user(UserName="plain", Tags=[{"Key": "a", "Value": "b"}])


def test_region_restricted(people, refused):
    """Everything in one region only."""
    bob = people.user("bob", policy({"Action": "sqs:*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}))
    bob("sqs", region="eu-west-1").list_queues()
    with refused("AccessDenied"):
        bob("sqs", region="us-east-1").list_queues()


@pytest.mark.parametrize("operation", ["list_users", "get_account_summary"])
def test_read_only_access(people, iam, refused, operation):
    """AWS's ReadOnlyAccess reads and does not write."""
    bob = people.user()
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    getattr(bob("iam"), operation)()
    with refused("AccessDenied"):
        bob("iam").create_user(UserName="x")


def test_pass_role_into_a_profile(people, iam, refused):
    """AddRoleToInstanceProfile needs iam:PassRole on the role, to EC2."""
    people.role("r", policy({"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}))
    iam.create_instance_profile(InstanceProfileName="ip")
    bob = people.user("bob", policy({"Action": "iam:AddRoleToInstanceProfile"}))
    with refused("AccessDenied", "iam:PassRole"):
        bob("iam").add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    iam.put_user_policy(
        UserName="bob",
        PolicyName="pass",
        PolicyDocument=policy({"Action": "iam:PassRole", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}),
    )
    bob("iam").add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
