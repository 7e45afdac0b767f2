"""Secrets, their policies and rotation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, Resource, Service, operation

from .conftest import ACCOUNT, Control

SECRET = "AWS::SecretsManager::Secret"
POLICY = "AWS::SecretsManager::ResourcePolicy"
SCHEDULE = "AWS::SecretsManager::RotationSchedule"


def test_secret(cloud: Any, control: Control) -> None:
    """A secret's value is written and never read; its replicas come and go; a deleted secret's name is free at once."""
    wanted = {"Name": "db", "Description": "d", "ReplicaRegions": [{"Region": "eu-west-1"}], "Tags": [{"Key": "a", "Value": "1"}]}
    arn = control.create(SECRET, {**wanted, "SecretString": "s1"})
    found = control.read(SECRET, arn)
    assert "SecretString" not in found
    assert [replica["Region"] for replica in found["ReplicaRegions"]] == ["eu-west-1"]
    assert found.items() >= {k: v for k, v in {**wanted, "Id": arn}.items() if k != "ReplicaRegions"}.items()
    secrets = cloud.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "s1"
    found = control.update(SECRET, arn, ("add", "/SecretString", "s2"), ("remove", "/Description"), ("remove", "/ReplicaRegions"))
    assert not {"Description", "ReplicaRegions"} & found.keys()
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "s2"
    assert control.listed(SECRET) == [arn]
    control.delete(SECRET, arn)
    control.create(SECRET, {"Name": "db", "SecretString": "s3"})


def test_generated_value(cloud: Any, control: Control) -> None:
    """A value can be made up, and put into a template."""
    generate = {"SecretStringTemplate": '{"user":"ann"}', "GenerateStringKey": "password", "PasswordLength": 40, "ExcludePunctuation": True}
    arn = control.create(SECRET, {"GenerateSecretString": generate})
    value = json.loads(cloud.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    assert value["user"] == "ann"
    assert len(value["password"]) == 40
    assert value["password"].isalnum()
    both = {"SecretString": "x", "GenerateSecretString": {}}
    assert control.refused(SECRET, both) == ("InvalidRequest", "You can't specify both SecretString and GenerateSecretString")


def test_resource_policy(control: Control) -> None:
    """A secret's policy is a resource by itself."""
    arn = control.create(SECRET, {"Name": "db", "SecretString": "s"})

    def policy(action: str) -> dict[str, Any]:
        root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": root, "Action": action, "Resource": "*"}]}

    reads = policy("secretsmanager:GetSecretValue")
    assert control.create(POLICY, {"SecretId": "db", "ResourcePolicy": reads, "BlockPublicPolicy": True}) == arn
    assert control.read(POLICY, arn) == {"Id": arn, "SecretId": arn, "ResourcePolicy": reads}
    other = policy("secretsmanager:DescribeSecret")
    assert control.update(POLICY, arn, ("replace", "/ResourcePolicy", other))["ResourcePolicy"] == other
    assert control.listed(POLICY) == [arn]
    control.delete(POLICY, arn)


FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:rotator"
INVOKED = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"*"}}'


@operation("Invoke")
def invoke(ctx: Context, req: Any) -> Answer:
    """A function that does nothing, and says that it has."""
    return {"StatusCode": 204 if req.InvocationType == "DryRun" else 200}


@pytest.fixture
def function(cloud: Any) -> Iterator[str]:
    """The ARN of a function that can be asked to rotate."""
    gateway = cloud.house.app.gateway
    function = Resource("function", arn=lambda ctx, req: req.FunctionName, policy=lambda ctx, arn: INVOKED)
    made = Service("lambda", modules=[sys.modules[__name__]], resources=[function])

    def put(value: Any) -> Any:
        before = gateway.manifest("lambda")
        gateway._manifests["lambda"] = value
        for key in [key for key in gateway._entries if key[0] == "lambda"]:
            del gateway._entries[key]
        return before

    before = cloud.house.on_loop(lambda: put(made))
    yield FUNCTION
    cloud.house.on_loop(lambda: put(before))


def test_rotation(cloud: Any, control: Control, function: str) -> None:
    """How a secret is rotated is a resource by itself; a function that AWS would write is refused by name."""
    arn = control.create(SECRET, {"Name": "db", "SecretString": "s"})
    rules = {"AutomaticallyAfterDays": 30}
    wanted = {"SecretId": "db", "RotationLambdaARN": function, "RotationRules": rules, "RotateImmediatelyOnUpdate": False}
    assert control.create(SCHEDULE, wanted) == arn
    assert control.read(SCHEDULE, arn) == {"Id": arn, "SecretId": arn, "RotationLambdaARN": function, "RotationRules": rules}
    assert control.refused(SCHEDULE, wanted)[0] == "AlreadyExists"
    later = ("replace", "/RotationRules", {"AutomaticallyAfterDays": 60})
    found = control.update(SCHEDULE, arn, later, ("add", "/RotateImmediatelyOnUpdate", False))
    assert found["RotationRules"] == {"AutomaticallyAfterDays": 60}
    assert control.listed(SCHEDULE) == [arn]
    hosted = json.dumps({"SecretId": "db", "HostedRotationLambda": {"RotationType": "MySQLSingleUser"}})
    with pytest.raises(control.client.exceptions.ClientError, match="with HostedRotationLambda"):
        control.client.create_resource(TypeName=SCHEDULE, DesiredState=hosted)
    control.delete(SCHEDULE, arn)


def test_attachment_to_a_database(control: Control) -> None:
    """There are no databases to attach a secret to."""
    kind = "AWS::SecretsManager::SecretTargetAttachment"
    state = json.dumps({"SecretId": "db", "TargetId": "d", "TargetType": "AWS::RDS::DBInstance"})
    with pytest.raises(control.client.exceptions.ClientError, match="does not implement cloudcontrol:CreateResource for resources of type"):
        control.client.create_resource(TypeName=kind, DesiredState=state)
