"""The policy simulator, with the EC2 examples of the "IAM policy master"."""

from __future__ import annotations

import json

import pytest

from .conftest import ACCOUNT, policy

INSTANCE = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-1"


def entry(name, *values, kind="string"):
    return {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": kind}


def decide(iam, document, action, *entries, arn="*"):
    """The one result of a custom policy."""
    answer = iam.simulate_custom_policy(PolicyInputList=[document], ActionNames=[action], ResourceArns=[arn], ContextEntries=list(entries))
    return answer["EvaluationResults"][0]


@pytest.mark.parametrize(
    ("document", "action", "entries", "decision"),
    [
        (
            policy({"Action": "ec2:RunInstances", "Condition": {"StringEquals": {"ec2:Region": "us-east-1"}}}),
            "ec2:RunInstances",
            [entry("ec2:Region", "us-east-1")],
            "allowed",
        ),
        (
            policy({"Action": "ec2:RunInstances", "Condition": {"StringEquals": {"ec2:Region": "us-east-1"}}}),
            "ec2:RunInstances",
            [entry("ec2:Region", "eu-west-1")],
            "implicitDeny",
        ),
        (
            policy(
                {"Action": "*"}, {"Effect": "Deny", "Action": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}}
            ),
            "ec2:StartInstances",
            [entry("aws:RequestedRegion", "eu-west-1")],
            "explicitDeny",
        ),
        (
            policy({"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}}}),
            "ec2:CreateTags",
            [entry("ec2:CreateAction", "RunInstances")],
            "allowed",
        ),
        (
            policy({"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}}}),
            "ec2:CreateTags",
            [],
            "implicitDeny",
        ),
        (
            policy(
                {
                    "Action": "ec2:RunInstances",
                    "Condition": {
                        "ForAllValues:StringEquals": {"aws:TagKeys": ["project", "name"]},
                        "StringEquals": {"aws:RequestTag/project": "dorky"},
                    },
                }
            ),
            "ec2:RunInstances",
            [entry("aws:TagKeys", "project", "name", kind="stringList"), entry("aws:RequestTag/project", "dorky")],
            "allowed",
        ),
        (
            policy({"Action": "ec2:RunInstances", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["project", "name"]}}}),
            "ec2:RunInstances",
            [entry("aws:TagKeys", "project", "cost", kind="stringList")],
            "implicitDeny",
        ),
        (
            policy({"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"ec2:ResourceTag/project": "dorky"}}}),
            "ec2:CreateTags",
            [entry("ec2:ResourceTag/project", "dorky")],
            "allowed",
        ),
        (
            policy(
                {"Action": "ec2:StopInstances", "Condition": {"StringEquals": {"aws:ResourceTag/project": "${aws:PrincipalTag/project}"}}}
            ),
            "ec2:StopInstances",
            [entry("aws:ResourceTag/project", "dorky"), entry("aws:PrincipalTag/project", "dorky")],
            "allowed",
        ),
        (
            policy(
                {"Action": "ec2:StopInstances", "Condition": {"StringEquals": {"aws:ResourceTag/project": "${aws:PrincipalTag/project}"}}}
            ),
            "ec2:StopInstances",
            [entry("aws:ResourceTag/project", "dorky"), entry("aws:PrincipalTag/project", "smart")],
            "implicitDeny",
        ),
    ],
)
def test_policy_master_for_ec2(iam, document, action, entries, decision):
    """Region, tags at creation, forced keys and values, tagging what is tagged, matching tags."""
    assert decide(iam, document, action, *entries, arn=INSTANCE)["EvalDecision"] == decision


def test_matched_statements_have_positions(iam):
    """A matched statement is told by its policy and by lines and columns from 1."""
    document = json.dumps(json.loads(policy({"Action": "s3:GetObject"}, {"Sid": "Two", "Action": ["sqs:*"]})), indent=2)
    found = decide(iam, document, "sqs:SendMessage")["MatchedStatements"]
    lines = document.split("\n")
    start = next(i for i, line in enumerate(lines) if line == "    {" and '"Two"' in "".join(lines[i : i + 5]) and i > 3)
    assert found[0]["SourcePolicyId"] == "PolicyInputList.1"
    assert found[0]["StartPosition"] == {"Line": start + 1, "Column": 5}
    assert lines[found[0]["EndPosition"]["Line"] - 1] == "    }"


def test_missing_context_values(iam):
    """Keys that a policy asks for and nobody told are named."""
    document = policy({"Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
    answer = decide(iam, document, "s3:GetObject")
    assert (answer["EvalDecision"], answer["MissingContextValues"]) == ("implicitDeny", ["aws:SourceIp"])
    told = decide(iam, document, "s3:GetObject", entry("aws:SourceIp", "10.1.2.3", kind="ip"))
    assert (told["EvalDecision"], told["MissingContextValues"]) == ("allowed", [])


def test_principal_policies(iam):
    """A user's own, attached and group policies, and the boundary, count; each is told by name and kind."""
    iam.create_user(UserName="bob")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="bob")
    iam.put_group_policy(GroupName="g", PolicyName="in", PolicyDocument=policy({"Action": "sqs:*"}))
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    ask = lambda **more: iam.simulate_principal_policy(  # noqa: E731
        PolicySourceArn=arn, ActionNames=["sqs:SendMessage", "s3:GetObject", "ec2:RunInstances"], **more
    )["EvaluationResults"]
    results = ask()
    assert [r["EvalDecision"] for r in results] == ["allowed", "allowed", "implicitDeny"]
    assert results[0]["MatchedStatements"][0]["SourcePolicyId"] == "group_g_in"
    assert (results[1]["MatchedStatements"][0]["SourcePolicyType"]) == "aws-managed"
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=policy({"Action": "s3:*"}))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=boundary)
    results = ask()
    assert [r["EvalDecision"] for r in results] == ["implicitDeny", "allowed", "implicitDeny"]
    assert [r["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for r in results] == [False, True, False]
    more = ask(PolicyInputList=[policy({"Effect": "Deny", "Action": "s3:*"})])
    assert more[1]["EvalDecision"] == "explicitDeny"


def test_resource_policy_of_another_account(iam):
    """With a resource policy of another account both sides must allow, and both are told."""
    iam.create_user(UserName="bob")
    bob = f"arn:aws:iam::{ACCOUNT}:user/bob"
    queue = "arn:aws:sqs:us-east-1:111122223333:q"
    given = {
        "PolicySourceArn": bob,
        "ActionNames": ["sqs:SendMessage"],
        "ResourceArns": [queue],
        "ResourcePolicy": policy({"Principal": {"AWS": bob}, "Action": "sqs:*", "Resource": queue}),
        "CallerArn": bob,
    }
    result = iam.simulate_principal_policy(**given)["EvaluationResults"][0]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["EvalDecisionDetails"] == {"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}
    result = iam.simulate_principal_policy(**given, PolicyInputList=[policy({"Action": "sqs:SendMessage"})])["EvaluationResults"][0]
    assert result["EvalDecision"] == "allowed"


def test_context_keys(iam):
    """Every key of conditions and variables."""
    document = policy(
        {"Action": "s3:*", "Resource": "arn:aws:s3:::${aws:username}/*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}}
    )
    names = ["aws:PrincipalTag/team", "aws:username"]
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"] == names
    iam.create_user(UserName="bob")
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document)
    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == names


def test_simulations_that_cannot_be(iam, refused):
    """Malformed policies, action names and source ARNs are InvalidInput."""
    with refused("InvalidInput"):
        iam.simulate_custom_policy(PolicyInputList=["{}"], ActionNames=["s3:GetObject"])
    with refused("InvalidInput"):
        iam.simulate_custom_policy(PolicyInputList=[policy({"Action": "s3:*"})], ActionNames=["GetObject"])
    with refused("NoSuchEntity"):
        iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/none", ActionNames=["s3:GetObject"])


def test_pages(iam):
    """Results come in pages, action by action and resource by resource."""
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[policy({"Action": "s3:*"})],
        ActionNames=["s3:GetObject", "sqs:SendMessage"],
        ResourceArns=["arn:aws:s3:::a/b", "arn:aws:s3:::c/d"],
        PaginationConfig={"PageSize": 3},
    )
    results = [r for p in pages for r in p["EvaluationResults"]]
    assert [(r["EvalActionName"], r["EvalDecision"]) for r in results] == [("s3:GetObject", "allowed")] * 2 + [
        ("sqs:SendMessage", "implicitDeny")
    ] * 2


def test_policies_that_grant_access(iam):
    """For each service, the policies that allow any of its actions: inline ones by their entity, managed ones by ARN."""
    iam.create_user(UserName="bob")
    iam.put_user_policy(
        UserName="bob", PolicyName="in", PolicyDocument=policy({"Action": "sqs:Send*"}, {"Effect": "Deny", "Action": "s3:*"})
    )
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    answer = iam.list_policies_granting_service_access(Arn=f"arn:aws:iam::{ACCOUNT}:user/bob", ServiceNamespaces=["sqs", "s3", "ec2"])
    found = {e["ServiceNamespace"]: e["Policies"] for e in answer["PoliciesGrantingServiceAccess"]}
    assert found["sqs"] == [{"PolicyName": "in", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "bob"}]
    assert [p["PolicyArn"] for p in found["s3"]] == ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    assert found["ec2"] == []
