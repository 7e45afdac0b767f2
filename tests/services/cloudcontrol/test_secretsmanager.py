"""Secrets, their policies and rotation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..secretsmanager.conftest import *  # noqa: F403 - the function that rotates
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
