"""Who may: users' policies, tags, condition keys, and the policies of secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER


def allow(action: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": f"secretsmanager:{action}", "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def document(*statements: dict[str, Any]) -> str:
    whole = [{"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*", **s} for s in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


def test_a_narrow_policy(sm: Any, secret: str, user: Any, refused: Any) -> None:
    """A user may what their policy says of a secret's ARN, whatever its six characters, and nothing else."""
    sm.create_secret(Name="other", SecretString="x")
    bob = user("bob", allow("GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:db-??????"))("secretsmanager")
    assert bob.get_secret_value(SecretId="db")["SecretString"] == "one"
    code, message = refused(bob.get_secret_value, SecretId="other")
    assert code == "AccessDeniedException"
    assert f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: secretsmanager:GetSecretValue on resource" in message
    assert "because no identity-based policy allows the secretsmanager:GetSecretValue action" in message
    assert refused(bob.describe_secret, SecretId="db")[0] == "AccessDeniedException"


def test_making_under_a_prefix(sm: Any, user: Any, refused: Any) -> None:
    """CreateSecret is checked against the name; tags and replicas need permissions of their own."""
    bob = user("bob", allow("CreateSecret", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:team/*"))("secretsmanager")
    bob.create_secret(Name="team/one")
    assert refused(bob.create_secret, Name="one")[0] == "AccessDeniedException"
    assert "secretsmanager:TagResource" in refused(bob.create_secret, Name="team/two", Tags=[{"Key": "a", "Value": "b"}])[1]
    regions = [{"Region": "eu-west-1"}]
    assert "secretsmanager:ReplicateSecretToRegions" in refused(bob.create_secret, Name="team/two", AddReplicaRegions=regions)[1]
    assert len(sm.list_secrets()["SecretList"]) == 1


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "secretsmanager:ResourceTag/team"])
def test_tags_decide(sm: Any, secret: str, user: Any, refused: Any, key: str) -> None:
    """A condition on the secret's tags lets in, and keeps out once the tag is another."""
    bob = user("bob", allow("GetSecretValue", StringEquals={key: "red"}))("secretsmanager")
    assert refused(bob.get_secret_value, SecretId="db")[0] == "AccessDeniedException"
    sm.tag_resource(SecretId="db", Tags=[{"Key": "team", "Value": "red"}])
    assert bob.get_secret_value(SecretId="db")["SecretString"] == "one"


def test_requested_tags_decide(user: Any, refused: Any) -> None:
    """A condition on the tags of the request holds for CreateSecret."""
    bob = user("bob", allow("*", StringEquals={"aws:RequestTag/team": "red"}))("secretsmanager")
    bob.create_secret(Name="a", Tags=[{"Key": "team", "Value": "red"}])
    assert refused(bob.create_secret, Name="b", Tags=[{"Key": "team", "Value": "blue"}])[0] == "AccessDeniedException"


def test_nobody_tags_themselves_out(sm: Any, secret: str, user: Any, refused: Any) -> None:
    """Tagging that would take away the permission to tag is refused, and changes nothing."""
    sm.tag_resource(SecretId="db", Tags=[{"Key": "team", "Value": "red"}])
    bob = user("bob", allow("*", StringEquals={"aws:ResourceTag/team": "red"}))("secretsmanager")
    bob.tag_resource(SecretId="db", Tags=[{"Key": "other", "Value": "x"}])
    assert refused(bob.tag_resource, SecretId="db", Tags=[{"Key": "team", "Value": "blue"}])[0] == "AccessDeniedException"
    assert refused(bob.untag_resource, SecretId="db", TagKeys=["team"])[0] == "AccessDeniedException"
    assert {"Key": "team", "Value": "red"} in sm.describe_secret(SecretId="db")["Tags"]


CONDITIONS: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = [
    (
        "GetSecretValue",
        {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
        "get_secret_value",
        {},
        {"VersionStage": "AWSPREVIOUS"},
    ),
    (
        "DeleteSecret",
        {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}},
        "delete_secret",
        {"ForceDeleteWithoutRecovery": True},
        {},
    ),
    (
        "DeleteSecret",
        {"NumericGreaterThan": {"secretsmanager:RecoveryWindowInDays": "10"}},
        "delete_secret",
        {"RecoveryWindowInDays": 20},
        {"RecoveryWindowInDays": 8},
    ),
    (
        "UpdateSecret",
        {"StringLike": {"secretsmanager:Description": "ok*"}},
        "update_secret",
        {"Description": "ok 1"},
        {"Description": "no"},
    ),
    (
        "PutResourcePolicy",
        {"Bool": {"secretsmanager:BlockPublicPolicy": "true"}},
        "put_resource_policy",
        {"ResourcePolicy": document({"Principal": {"AWS": ACCOUNT}}), "BlockPublicPolicy": True},
        {"ResourcePolicy": document({"Principal": {"AWS": ACCOUNT}})},
    ),
    ("DescribeSecret", {"StringEquals": {"secretsmanager:SecretId": "db"}}, "describe_secret", {}, {"SecretId": "other"}),
]


@pytest.mark.parametrize(("action", "condition", "operation", "good", "bad"), CONDITIONS)
def test_condition_keys(
    sm: Any, secret: str, user: Any, refused: Any, action: str, condition: Any, operation: str, good: Any, bad: Any
) -> None:
    """Each of the service's condition keys lets the one request in and keeps the other out."""
    sm.create_secret(Name="other")
    bob = user("bob", allow(action, **condition))("secretsmanager")
    assert refused(getattr(bob, operation), **{"SecretId": "db"} | bad)[0] == "AccessDeniedException"
    assert getattr(bob, operation)(**{"SecretId": "db"} | good)["Name"] == "db"


def test_a_batch_is_allowed_one_by_one(sm: Any, secret: str, user: Any, refused: Any) -> None:
    """BatchGetSecretValue tells what the caller may not read; filters need ListSecrets."""
    sm.create_secret(Name="other", SecretString="x")
    bob = user("bob", allow("BatchGetSecretValue"), allow("GetSecretValue", "arn:*:secret:db-*"))("secretsmanager")
    answer = bob.batch_get_secret_value(SecretIdList=["db", "other"])
    assert [v["Name"] for v in answer["SecretValues"]] == ["db"]
    assert [(e["SecretId"], e["ErrorCode"]) for e in answer["Errors"]] == [("other", "AccessDeniedException")]
    assert "secretsmanager:ListSecrets" in refused(bob.batch_get_secret_value, Filters=[{"Key": "name", "Values": ["d"]}])[1]


def test_a_secrets_policy_is_enforced(cloud: Cloud, sm: Any, secret: str, user: Any, refused: Any) -> None:
    """The policy of a secret lets a user in whose own does not, and keeps out even the root user whom it denies."""
    bob = user("bob", allow("ListSecrets"))("secretsmanager")
    assert refused(bob.get_secret_value, SecretId="db")[0] == "AccessDeniedException"
    text = document({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}})
    assert sm.put_resource_policy(SecretId="db", ResourcePolicy=text)["ARN"] == secret
    assert bob.get_secret_value(SecretId="db")["SecretString"] == "one"
    assert sm.get_resource_policy(SecretId="db")["ResourcePolicy"] == text
    assert sm.list_resource_policies(SecretId="db")["ResourcePolicies"] == [{"PolicyName": "default"}]
    sm.put_resource_policy(SecretId="db", ResourcePolicy=document({"Effect": "Deny"}))
    code, message = refused(sm.get_secret_value, SecretId="db")
    assert code == "AccessDeniedException"
    assert "with an explicit deny in a resource-based policy" in message
    sm.delete_resource_policy(SecretId="db")
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId="db")
    assert sm.list_resource_policies(SecretId="db")["ResourcePolicies"] == []
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one"


def test_listing_policies_needs_permission(sm: Any, secret: str, user: Any, refused: Any) -> None:
    """ListResourcePolicies is checked against the secret."""
    bob = user("bob", allow("ListResourcePolicies", "arn:*:secret:db-*"))("secretsmanager")
    assert bob.list_resource_policies(SecretId="db")["ResourcePolicies"] == []
    sm.create_secret(Name="other")
    assert refused(bob.list_resource_policies, SecretId="other")[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": OTHER}}, False),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, True),
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_public_policies(sm: Any, secret: str, refused: Any, statement: dict[str, Any], public: bool) -> None:
    """BlockPublicPolicy refuses, and ValidateResourcePolicy tells, what lets everybody in; without it, it is put."""
    text = document(statement)
    put = {"SecretId": "db", "ResourcePolicy": text, "BlockPublicPolicy": True}
    checks = [e["CheckName"] for e in sm.validate_resource_policy(ResourcePolicy=text)["ValidationErrors"]]
    assert checks == (["PublicPolicy"] if public else [])
    if public:
        assert refused(sm.put_resource_policy, **put)[0] == "PublicPolicyException"
        del put["BlockPublicPolicy"]
    assert sm.put_resource_policy(**put)["Name"] == "db"


def test_validating_finds_a_lock_out(sm: Any, secret: str) -> None:
    """ValidateResourcePolicy tells of a policy that would lock the caller out, and attaches nothing."""
    text = document({"Effect": "Deny", "Action": "secretsmanager:*"})
    answer = sm.validate_resource_policy(SecretId="db", ResourcePolicy=text)
    assert not answer["PolicyValidationPassed"]
    assert [e["CheckName"] for e in answer["ValidationErrors"]] == ["LockOut"]
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId="db")
    fine = document({"Principal": {"AWS": OTHER}})
    assert sm.validate_resource_policy(SecretId="db", ResourcePolicy=fine)["PolicyValidationPassed"]


@pytest.mark.parametrize(
    "text",
    ["nonsense", "{}", document({"Action": "s3:GetObject"}), '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*"}]}'],
)
def test_malformed_policies(sm: Any, secret: str, refused: Any, text: str) -> None:
    """A policy with a mistake, or of another service's actions, is refused."""
    assert refused(sm.put_resource_policy, SecretId="db", ResourcePolicy=text)[0] == "MalformedPolicyDocumentException"
    assert refused(sm.validate_resource_policy, ResourcePolicy=text)[0] == "MalformedPolicyDocumentException"


def test_another_account_is_not_let_in(cloud: Cloud, secret: str, refused: Any) -> None:
    """Another account's root user is not let in without the secret's policy."""
    other = cloud.client("secretsmanager", OTHER)
    assert refused(other.get_secret_value, SecretId=secret)[0] == "AccessDeniedException"


def test_deep_policies(sm: Any, secret: str, refused: Any) -> None:
    """Policies of any depth are read or refused."""
    for document in ("[" * 20_000, '{"Statement":' + "[" * 15_000):
        assert refused(sm.put_resource_policy, SecretId=secret, ResourcePolicy=document)[0] == "MalformedPolicyDocumentException"
