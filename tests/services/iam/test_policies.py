"""Managed and inline policies, their versions and who has them."""

from __future__ import annotations

import json

import pytest

from .conftest import ACCOUNT, policy, trust

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def arn(iam):
    return iam.create_policy(PolicyName="p", Path="/x/", PolicyDocument=policy({"Action": "s3:*"}), Description="d")["Policy"]["Arn"]


def test_policy_made_and_found(iam, arn, refused):
    """A policy has v1 as its default; its name is unique whatever path and case."""
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/x/p"
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert found["PolicyId"].startswith("ANPA")
    assert (found["DefaultVersionId"], found["AttachmentCount"], found["IsAttachable"], found["Description"]) == ("v1", 0, True, "d")
    with refused("EntityAlreadyExists", "A policy called P already exists. Duplicate names are not allowed."):
        iam.create_policy(PolicyName="P", PolicyDocument=policy({"Action": "s3:*"}))
    with refused("NoSuchEntity", "was not found"):
        iam.get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p")
    with refused("InvalidInput", "is not valid"):
        iam.get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:user/p")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "Syntax errors in policy."),
        ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}', "Policy statement must contain resources."),
        (
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"get","Resource":"*"}]}',
            "Actions/Conditions must be prefaced by a vendor",
        ),
        (
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}]}',
            "Policy document should not specify a principal.",
        ),
    ],
)
def test_documents_that_are_malformed(iam, refused, document, sentence):
    """Each fault has AWS's sentence."""
    with refused("MalformedPolicyDocument", sentence):
        iam.create_policy(PolicyName="p", PolicyDocument=document)


def test_versions(iam, arn, refused):
    """Five at most; numbers are not used again; the default cannot be deleted; the newest is listed first."""
    for n in range(4):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": f"s3:Get{n}"}))["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v5", False)
    with refused("LimitExceeded", "A managed policy can have up to 5 versions."):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": "s3:*"}))
    with refused("DeleteConflict", "Cannot delete the default version of a policy."):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    assert (
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": "s3:*"}), SetAsDefault=True)["PolicyVersion"]["VersionId"]
        == "v6"
    )
    assert [v["VersionId"] for v in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v6", "v4", "v3", "v2", "v1"]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v6"
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert found["Document"] == json.loads(policy({"Action": "s3:Get0"}))
    with refused("NoSuchEntity"):
        iam.get_policy_version(PolicyArn=arn, VersionId="v5")


def test_delete_conflicts(iam, arn, refused):
    """A policy that is attached, or has more than one version, stays."""
    iam.create_user(UserName="bob")
    iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    with refused("DeleteConflict", "Cannot delete a policy attached to entities."):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_user_policy(UserName="bob", PolicyArn=arn)
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=arn)
    with refused("DeleteConflict"):
        iam.delete_policy(PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="bob")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": "s3:*"}))
    with refused("DeleteConflict", "This policy has more than one version."):
        iam.delete_policy(PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity"):
        iam.get_policy(PolicyArn=arn)


def test_sizes(iam, refused):
    """Quotas do not count white space: 6144 for a managed policy, 2048 for all inline policies of a user."""
    actions = [f"s3:Get{n:04}" for n in range(480)]
    with refused("LimitExceeded", "Cannot exceed quota for PolicySize: 6144"):
        iam.create_policy(PolicyName="big", PolicyDocument=policy({"Action": actions}))
    iam.create_policy(PolicyName="wide", PolicyDocument=policy({"Action": "s3:*"}) + " " * 7000)
    iam.create_user(UserName="bob")
    iam.put_user_policy(UserName="bob", PolicyName="a", PolicyDocument=policy({"Action": actions[:100]}))
    with refused("LimitExceeded"):
        iam.put_user_policy(UserName="bob", PolicyName="b", PolicyDocument=policy({"Action": actions[:100]}))
    iam.put_user_policy(UserName="bob", PolicyName="a", PolicyDocument=policy({"Action": "s3:*"}))
    iam.put_user_policy(UserName="bob", PolicyName="b", PolicyDocument=policy({"Action": actions[:100]}))


def test_attachments(iam, arn, refused):
    """Attached once; ten at most; listed by path; counted; detaching what is not attached is NoSuchEntity."""
    iam.create_user(UserName="bob")
    for _ in range(2):
        iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    iam.attach_user_policy(UserName="bob", PolicyArn=READ_ONLY)
    assert {p["PolicyName"] for p in iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]} == {"p", "ReadOnlyAccess"}
    assert [p["PolicyArn"] for p in iam.list_attached_user_policies(UserName="bob", PathPrefix="/x/")["AttachedPolicies"]] == [arn]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    for n in range(8):
        made = iam.create_policy(PolicyName=f"q{n}", PolicyDocument=policy({"Action": "s3:*"}))["Policy"]["Arn"]
        iam.attach_user_policy(UserName="bob", PolicyArn=made)
    with refused("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10"):
        iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.detach_user_policy(UserName="bob", PolicyArn=arn)
    with refused("NoSuchEntity", f"Policy {arn} was not found."):
        iam.detach_user_policy(UserName="bob", PolicyArn=arn)
    with refused("NoSuchEntity", "does not exist or is not attachable"):
        iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/Nonsense")


def test_entities_for_policy(iam, arn):
    """Users, groups and roles, by attachment and by boundary."""
    iam.create_user(UserName="u", PermissionsBoundary=arn)
    iam.create_user(UserName="v")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.attach_user_policy(UserName="v", PolicyArn=arn)
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    answer = iam.list_entities_for_policy(PolicyArn=arn)
    assert [u["UserName"] for u in answer["PolicyUsers"]] == ["u", "v"]
    assert [g["GroupName"] for g in answer["PolicyGroups"]] == ["g"]
    assert [r["RoleName"] for r in answer["PolicyRoles"]] == ["r"]
    assert [u["UserName"] for u in iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")["PolicyUsers"]] == [
        "u"
    ]
    only = iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role")
    assert (only["PolicyUsers"], [r["RoleName"] for r in only["PolicyRoles"]]) == ([], ["r"])


def test_aws_policies(iam, refused):
    """AWS's own policies are there with their documents, cannot be changed, and are listed under their scope."""
    listed = [p for page in iam.get_paginator("list_policies").paginate(Scope="AWS") for p in page["Policies"]]
    assert len(listed) > 1000
    assert {"AdministratorAccess", "PowerUserAccess", "AmazonS3ReadOnlyAccess", "AWSLambdaBasicExecutionRole"} <= {
        p["PolicyName"] for p in listed
    }
    found = iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")["Policy"]
    document = iam.get_policy_version(PolicyArn=found["Arn"], VersionId=found["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert document["Statement"] == [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    with refused("InvalidInput"):
        iam.delete_policy(PolicyArn=found["Arn"])
    iam.create_user(UserName="bob")
    with refused("PolicyNotAttachable"):
        iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy")


def test_aws_policies_can_all_be_read():
    """Every document in the archive passes our own grammar."""
    from fogbank.access.policy import parse
    from fogbank.services.iam import aws_managed

    for arn in aws_managed.policies():
        found = aws_managed.policy(arn)
        assert found is not None
        assert parse(found.document, "identity").statements


def test_list_policies(iam, arn):
    """Local ones first; only those attached, or used as boundaries, when asked."""
    iam.create_policy(PolicyName="q", PolicyDocument=policy({"Action": "s3:*"}))
    iam.create_user(UserName="bob", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/q")
    iam.attach_user_policy(UserName="bob", PolicyArn=READ_ONLY)
    names = lambda **asked: [p["PolicyName"] for p in iam.list_policies(**asked)["Policies"]]  # noqa: E731
    assert names(Scope="Local") == ["p", "q"]
    assert names(Scope="Local", PathPrefix="/x/") == ["p"]
    assert names(MaxItems=3)[:2] == ["p", "q"]
    assert names(OnlyAttached=True, PolicyUsageFilter="PermissionsPolicy") == ["ReadOnlyAccess"]
    assert names(PolicyUsageFilter="PermissionsBoundary") == ["q"]
    pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 700})
    every = [p["Arn"] for page in pages for p in page["Policies"]]
    assert len(every) == len(set(every)) > 1000


def test_policy_tags(iam, arn):
    """Policies carry tags."""
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_inline_policies_of_each_kind(iam, refused):
    """Users, groups and roles have inline policies; the documents come back as they were put."""
    iam.create_user(UserName="x")
    iam.create_group(GroupName="x")
    iam.create_role(RoleName="x", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    document = policy({"Sid": "One", "Action": "s3:*", "Resource": "arn:aws:s3:::b/%20 ~*"})
    for kind in ("user", "group", "role"):
        name = {f"{kind.capitalize()}Name": "x"}
        getattr(iam, f"put_{kind}_policy")(PolicyName="p", PolicyDocument=document, **name)
        assert getattr(iam, f"get_{kind}_policy")(PolicyName="p", **name)["PolicyDocument"] == json.loads(document)
        assert getattr(iam, f"list_{kind}_policies")(**name)["PolicyNames"] == ["p"]
        getattr(iam, f"delete_{kind}_policy")(PolicyName="p", **name)
        with refused("NoSuchEntity", f"The {kind} policy with name p cannot be found."):
            getattr(iam, f"get_{kind}_policy")(PolicyName="p", **name)
