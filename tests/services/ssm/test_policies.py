"""Who may read and write parameters; shared parameters; and the policies that parameters themselves have."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER, allow

ARN = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/shared"


def test_a_narrow_policy(put: Any, user: Any, refused: Any) -> None:
    """A user may what their policy says of a path, and nothing else."""
    put("/app/db")
    put("/other")
    bob = user("bob", allow("GetParameter*", "parameter/app/*"), allow("PutParameter", "parameter/app/*"))
    assert bob.get_parameter(Name="/app/db:1")["Parameter"]["Value"] == "v"
    code, message = refused(bob.get_parameter, Name="/other")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: ssm:GetParameter on resource:"
        f" arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/other because no identity-based policy allows the ssm:GetParameter action"
    )
    assert refused(bob.get_parameters, Names=["/app/db", "/other"])[0] == "AccessDeniedException"
    assert bob.get_parameters(Names=["/app/db"])["Parameters"]
    bob.put_parameter(Name="/app/x", Value="v", Type="String")
    assert refused(bob.put_parameter, Name="/app/y", Value="v", Type="String", Tags=[{"Key": "a", "Value": "b"}])[0] == (
        "AccessDeniedException"
    )
    assert refused(bob.delete_parameter, Name="/app/db")[0] == "AccessDeniedException"
    assert refused(bob.delete_parameters, Names=["/app/db"])[0] == "AccessDeniedException"
    assert refused(bob.describe_parameters)[0] == "AccessDeniedException"


def test_a_path_opens_all_below(put: Any, user: Any, refused: Any) -> None:
    """GetParametersByPath is checked against the path; whoever may it reads all below, whatever else is denied."""
    put("/app/a/secret")
    deny = {**allow("GetParameter", "parameter/app/a/*"), "Effect": "Deny"}
    bob = user("bob", allow("GetParametersByPath", "parameter/app"), deny)
    found = bob.get_parameters_by_path(Path="/app", Recursive=True)["Parameters"]
    assert [parameter["Name"] for parameter in found] == ["/app/a/secret"]
    assert refused(bob.get_parameters_by_path, Path="/")[0] == "AccessDeniedException"


CONDITIONS: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any]]] = [
    ("GetParametersByPath", {"ssm:Recursive": "true"}, "get_parameters_by_path", {"Path": "/", "Recursive": True}, {"Path": "/"}),
    (
        "PutParameter",
        {"ssm:Overwrite": "false"},
        "put_parameter",
        {"Name": "new", "Value": "v", "Type": "String"},
        {"Name": "a", "Value": "v", "Type": "String", "Overwrite": True},
    ),
    ("GetParameter", {"ssm:resourceTag/team": "red"}, "get_parameter", {"Name": "a"}, {"Name": "b"}),
    ("GetParameter", {"aws:ResourceTag/team": "red"}, "get_parameter", {"Name": "a"}, {"Name": "b"}),
    (
        "*",
        {"aws:RequestTag/team": "red"},
        "put_parameter",
        {"Name": "new", "Value": "v", "Type": "String", "Tags": [{"Key": "team", "Value": "red"}]},
        {"Name": "new", "Value": "v", "Type": "String", "Tags": [{"Key": "team", "Value": "blue"}]},
    ),
]


@pytest.mark.parametrize(("action", "keys", "operation", "good", "bad"), CONDITIONS)
def test_condition_keys(put: Any, user: Any, refused: Any, action: str, keys: Any, operation: str, good: Any, bad: Any) -> None:
    """Each condition key lets the one request in and keeps the other out."""
    put("a", Tags=[{"Key": "team", "Value": "red"}])
    put("b", Tags=[{"Key": "team", "Value": "blue"}])
    bob = user("bob", allow(action, StringEquals=keys))
    assert refused(getattr(bob, operation), **bad)[0] == "AccessDeniedException"
    getattr(bob, operation)(**good)


def test_public_parameters_need_a_permission_like_all(user: Any, refused: Any) -> None:
    """Public parameters belong to no account."""
    bob = user("bob", allow("GetParameter", "arn:aws:ssm:*::parameter/aws/service/*"))
    assert bob.get_parameter(Name="/aws/service/global-infrastructure/regions/us-east-1")["Parameter"]["Value"] == "us-east-1"
    eve = user("eve", allow("GetParameter", f"arn:aws:ssm:*:{ACCOUNT}:parameter/*"))
    assert refused(eve.get_parameter, Name="/aws/service/global-infrastructure/regions/us-east-1")[0] == "AccessDeniedException"


def sharing(*actions: str, resource: str = ARN) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": [f"ssm:{action}" for action in actions], "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_sharing_a_parameter(cloud: Cloud, ssm: Any, put: Any, refused: Any) -> None:
    """An advanced parameter with a resource policy can be read by its ARN from the other account, and only as the policy says."""
    put("/shared", Tier="Advanced")
    other = cloud.client("ssm", OTHER)
    assert refused(other.get_parameter, Name=ARN)[0] == "AccessDeniedException"
    made = ssm.put_resource_policy(ResourceArn=ARN, Policy=sharing("GetParameter", "GetParameters"))
    assert other.get_parameter(Name=ARN)["Parameter"]["Value"] == "v"
    assert other.get_parameters(Names=[ARN])["Parameters"][0]["ARN"] == ARN
    assert refused(other.get_parameter_history, Name=ARN)[0] == "AccessDeniedException"
    assert refused(other.get_parameter, Name="/shared")[0] == "ParameterNotFound"
    found = ssm.get_resource_policies(ResourceArn=ARN)["Policies"]
    assert [(p["PolicyId"], p["PolicyHash"]) for p in found] == [(made["PolicyId"], made["PolicyHash"])]
    ssm.delete_resource_policy(ResourceArn=ARN, PolicyId=made["PolicyId"], PolicyHash=made["PolicyHash"])
    assert refused(other.get_parameter, Name=ARN)[0] == "AccessDeniedException"
    assert ssm.get_resource_policies(ResourceArn=ARN)["Policies"] == []


def test_changing_a_shared_parameters_policy(ssm: Any, put: Any, refused: Any) -> None:
    """A change needs the policy's id and its current hash."""
    put("/shared", Tier="Advanced")
    first = ssm.put_resource_policy(ResourceArn=ARN, Policy=sharing("GetParameter"))
    change = {"ResourceArn": ARN, "Policy": sharing("GetParameters"), "PolicyId": first["PolicyId"]}
    second = ssm.put_resource_policy(**change, PolicyHash=first["PolicyHash"])
    assert second["PolicyId"] == first["PolicyId"]
    assert refused(ssm.put_resource_policy, **change, PolicyHash=first["PolicyHash"])[0] == "ResourcePolicyConflictException"
    assert refused(ssm.put_resource_policy, ResourceArn=ARN, Policy=sharing("GetParameter"))[0] == "ResourcePolicyLimitExceededException"
    gone = {"ResourceArn": ARN, "PolicyId": "none", "PolicyHash": second["PolicyHash"]}
    assert refused(ssm.delete_resource_policy, **gone)[0] == "ResourcePolicyNotFoundException"


def test_what_cannot_be_shared(ssm: Any, put: Any, refused: Any) -> None:
    """Standard parameters, SecureStrings under the AWS managed key, other actions, other resources."""
    put("/shared")
    call = {"ResourceArn": ARN, "Policy": sharing("GetParameter")}
    assert refused(ssm.put_resource_policy, **call)[0] == "ResourcePolicyInvalidParameterException"
    put("/shared", Tier="Advanced", Overwrite=True)
    for policy in (sharing("PutParameter"), sharing("GetParameter", resource="*"), "{}"):
        assert refused(ssm.put_resource_policy, ResourceArn=ARN, Policy=policy)[0] == "MalformedResourcePolicyDocumentException"
    put("/secure", Type="SecureString", Tier="Advanced")
    secure = ARN.replace("shared", "secure")
    policy = sharing("GetParameter", resource=secure)
    assert refused(ssm.put_resource_policy, ResourceArn=secure, Policy=policy)[0] == "ResourcePolicyInvalidParameterException"
    assert refused(ssm.get_resource_policies, ResourceArn=ARN + "x")[0] == "ResourceNotFoundException"


def expiration(cloud: Cloud, **after: float) -> str:
    at = datetime.fromtimestamp(cloud.now_ms / 1000, UTC) + timedelta(**after)
    return json.dumps([{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": at.isoformat()}}])


def test_a_parameter_expires(cloud: Cloud, ssm: Any, put: Any, refused: Any) -> None:
    """At the instant of its Expiration policy a parameter is deleted, however often it was updated."""
    put("a", Tier="Advanced", Policies=expiration(cloud, hours=2))
    described = ssm.describe_parameters()["Parameters"][0]["Policies"]
    assert [(p["PolicyType"], p["PolicyStatus"]) for p in described] == [("Expiration", "Pending")]
    cloud.advance(3600)
    put("a", "w", Overwrite=True)
    cloud.advance(3599)
    assert ssm.get_parameter(Name="a")["Parameter"]["Value"] == "w"
    cloud.advance(1)
    assert refused(ssm.get_parameter, Name="a")[0] == "ParameterNotFound"


def test_an_expiration_moves_or_goes(cloud: Cloud, ssm: Any, put: Any) -> None:
    """A new policy takes the place of the old, an empty list takes it away."""
    put("a", Tier="Advanced", Policies=expiration(cloud, hours=1))
    put("b", Tier="Advanced", Policies=expiration(cloud, hours=1))
    put("a", Policies=expiration(cloud, hours=3), Overwrite=True)
    put("b", Policies="[{}]", Overwrite=True)
    cloud.advance(2 * 3600)
    assert ssm.get_parameters(Names=["a", "b"])["InvalidParameters"] == []
    cloud.advance(2 * 3600)
    assert ssm.get_parameters(Names=["a", "b"])["InvalidParameters"] == ["a"]


def test_policies_are_checked(cloud: Cloud, put: Any, refused: Any) -> None:
    """A list of policies for an advanced parameter; each type has its attributes."""

    def code(policies: Any, tier: str = "Advanced") -> str:
        text = policies if isinstance(policies, str) else json.dumps(policies)
        found: str = refused(put, "a", Tier=tier, Policies=text)[0]
        return found

    good = json.loads(expiration(cloud, hours=1))
    assert code(good[0]) == "ValidationException"
    assert code("nonsense") == "ValidationException"
    assert code(good, tier="Standard") == "ValidationException"
    assert code(good * 2) == "IncompatiblePolicyException"
    assert code(good * 11) == "PoliciesLimitExceededException"
    assert code([{**good[0], "Type": "Other"}]) == "InvalidPolicyTypeException"
    assert code([{**good[0], "Attributes": {"Timestamp": "tomorrow"}}]) == "InvalidPolicyAttributeException"
    assert code(expiration(cloud, hours=-1)) == "InvalidPolicyAttributeException"
    notice = {"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": "20", "Unit": "Days"}}
    assert code([notice]) == "IncompatiblePolicyException"
    assert code([*good, {**notice, "Attributes": {"Before": "20", "Unit": "Weeks"}}]) == "InvalidPolicyAttributeException"
    assert code([*good, {**notice, "Attributes": {"After": "20", "Unit": "Days"}}]) == "InvalidPolicyAttributeException"
    assert put("a", Tier="Intelligent-Tiering", Policies=json.dumps(good))["Tier"] == "Advanced"


def test_an_arn_has_one_spelling(put: Any, user: Any, refused: Any) -> None:
    """Who is denied a parameter is denied it however they spell its ARN."""
    put("/s/x")
    denied = {"Effect": "Deny", "Action": "ssm:GetParameter*", "Resource": f"arn:aws:ssm:*:{ACCOUNT}:parameter/s/x"}
    bob = user("bob", allow("*"), denied)
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/s/x"
    for name in ("/s/x", " /s/x", arn, f" {arn}:1"):
        assert refused(bob.get_parameter, Name=name)[0] == "AccessDeniedException"
    for partition in ("aws-cn", "nonsense"):
        assert refused(bob.get_parameter, Name=arn.replace("arn:aws:", f"arn:{partition}:"))[0] == "ValidationException"


def test_an_arn_is_of_one_parameter(put: Any, refused: Any) -> None:
    """`x` and `/x` would have the same ARN, and so the same permissions: there is one of them only."""
    put("x")
    assert refused(put, "/x")[0] == "ParameterAlreadyExists"
    assert refused(put, "/x", Overwrite=True)[0] == "ParameterAlreadyExists"
    put("/y/x")
    put("/z")
    assert refused(put, "z")[0] == "ParameterAlreadyExists"
