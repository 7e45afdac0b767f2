"""Roles, instance profiles and service-linked roles."""

from __future__ import annotations

import json

import pytest

from .conftest import ACCOUNT, policy, trust

EC2 = trust({"Service": "ec2.amazonaws.com"})


def test_role_made_and_found(iam, refused):
    """A role has its trust policy, an hour's longest session unless it says otherwise, and an unused RoleLastUsed."""
    made = iam.create_role(RoleName="R", Path="/p/", AssumeRolePolicyDocument=EC2, Description="d")["Role"]
    assert made["RoleId"].startswith("AROA")
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/p/R"
    found = iam.get_role(RoleName="r")["Role"]
    assert found["AssumeRolePolicyDocument"] == json.loads(EC2)
    assert (found["MaxSessionDuration"], found["RoleLastUsed"], found["Description"]) == (3600, {}, "d")
    with refused("EntityAlreadyExists", "Role with name r already exists."):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    assert [r["RoleName"] for r in iam.list_roles(PathPrefix="/p/")["Roles"]] == ["R"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (policy({"Action": "sts:AssumeRole"}), ""),
        (trust(f"arn:aws:iam::{ACCOUNT}:user/nobody"), f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/nobody"'),
        (trust({"Service": "ec2.amazonaws.com"}, "s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ],
)
def test_trust_policies_that_are_malformed(iam, refused, document, sentence):
    """No principal, a principal that is not there, and actions that are not STS's."""
    with refused("MalformedPolicyDocument", sentence):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)


def test_role_changes(iam):
    """Description, longest session, trust policy and tags can be changed."""
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2, Tags=[{"Key": "a", "Value": "1"}])
    iam.update_role(RoleName="r", Description="x", MaxSessionDuration=7200)
    iam.update_role(RoleName="r", MaxSessionDuration=7200)
    assert iam.get_role(RoleName="r")["Role"]["Description"] == "x"
    assert iam.update_role_description(RoleName="r", Description="y")["Role"]["Description"] == "y"
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.tag_role(RoleName="r", Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName="r", TagKeys=["a"])
    found = iam.get_role(RoleName="r")["Role"]
    assert (found["MaxSessionDuration"], found["Tags"]) == (7200, [{"Key": "b", "Value": "2"}])
    assert found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "b", "Value": "2"}]


def test_role_delete_conflicts(iam, refused):
    """Instance profiles and policies must go first."""
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    with refused("DeleteConflict", "must remove roles from instance profile first"):
        iam.delete_role(RoleName="r")
    iam.remove_role_from_instance_profile(InstanceProfileName="ip", RoleName="r")
    with refused("DeleteConflict", "must delete policies first"):
        iam.delete_role(RoleName="r")
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    with refused("DeleteConflict", "must detach all policies first"):
        iam.delete_role(RoleName="r")
    iam.detach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.delete_role(RoleName="r")
    with refused("NoSuchEntity", "The role with name r cannot be found."):
        iam.get_role(RoleName="r")


def test_instance_profiles(iam, refused):
    """One role each; shown with the role; a profile with a role cannot be deleted."""
    for name in ("r", "s"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=EC2)
    made = iam.create_instance_profile(InstanceProfileName="ip", Path="/p/", Tags=[{"Key": "a", "Value": "1"}])["InstanceProfile"]
    assert made["InstanceProfileId"].startswith("AIPA")
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/p/ip"
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    with refused("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"):
        iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="s")
    found = iam.get_instance_profile(InstanceProfileName="IP")["InstanceProfile"]
    assert [r["RoleName"] for r in found["Roles"]] == ["r"]
    assert [p["InstanceProfileName"] for p in iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]] == ["ip"]
    assert len(iam.list_instance_profiles(PathPrefix="/p/")["InstanceProfiles"]) == 1
    with refused("DeleteConflict"):
        iam.delete_instance_profile(InstanceProfileName="ip")
    with refused("NoSuchEntity"):
        iam.remove_role_from_instance_profile(InstanceProfileName="ip", RoleName="s")
    iam.remove_role_from_instance_profile(InstanceProfileName="ip", RoleName="r")
    iam.tag_instance_profile(InstanceProfileName="ip", Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_instance_profile(InstanceProfileName="ip", TagKeys=["a"])
    assert iam.list_instance_profile_tags(InstanceProfileName="ip")["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.delete_instance_profile(InstanceProfileName="ip")
    with refused("NoSuchEntity", "Instance Profile ip cannot be found."):
        iam.get_instance_profile(InstanceProfileName="ip")


def test_service_linked_role(iam, cloud, refused):
    """It has the service's name, trust and policy; the account cannot change it; its deletion is a task with a status."""
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="d")["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    attached = iam.list_attached_role_policies(RoleName="AWSServiceRoleForECS")["AttachedPolicies"]
    assert attached[0]["PolicyArn"] == "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"
    with refused("InvalidInput", "has been taken in this account"):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    with refused("UnmodifiableEntity", "is only modifiable by AWS"):
        iam.put_role_policy(RoleName="AWSServiceRoleForECS", PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))
    with refused("UnmodifiableEntity"):
        iam.delete_role(RoleName="AWSServiceRoleForECS")
    task = iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    assert task.startswith("task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/")
    cloud.settle()
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    with refused("NoSuchEntity"):
        iam.get_role(RoleName="AWSServiceRoleForECS")


def test_service_linked_role_suffix(iam, refused):
    """A suffix only where the service takes one; services that have no such role are InvalidInput."""
    made = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="x")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForAutoScaling_x"
    with refused("InvalidInput", "Custom suffix is not allowed"):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", CustomSuffix="x")
    with refused("InvalidInput"):
        iam.create_service_linked_role(AWSServiceName="none.amazonaws.com")


def test_role_boundary(iam, refused):
    """A role's boundary is shown, changed and taken away."""
    arn = "arn:aws:iam::aws:policy/PowerUserAccess"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2, PermissionsBoundary=arn)
    assert iam.get_role(RoleName="r")["Role"]["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")["Policy"]["PermissionsBoundaryUsageCount"] == 1
    iam.delete_role_permissions_boundary(RoleName="r")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="r")["Role"]
    with refused("NoSuchEntity"):
        iam.delete_role_permissions_boundary(RoleName="r")
