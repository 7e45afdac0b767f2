"""What the Parameter Store tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing import Cloud

ACCOUNT = "000000000000"
OTHER = "111111111111"
Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def ssm(cloud: Cloud) -> Any:
    """A client of the root user."""
    return cloud.client("ssm")


@pytest.fixture
def put(ssm: Any) -> Callable[..., dict[str, Any]]:
    """Puts a String parameter, if not told otherwise."""

    def call(name: str, value: str = "v", **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = ssm.put_parameter(Name=name, Value=value, **{"Type": "String"} | members)
        return answer

    return call


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Any]:
    """Makes a user with these statements as their policy: a client of theirs."""
    iam = cloud.client("iam")

    def make(name: str, *statements: dict[str, Any]) -> Any:
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("ssm", key["AccessKeyId"], key["SecretAccessKey"])

    return make


def allow(action: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    """A statement of a user's policy; `parameter/...` stands for an ARN of this account."""
    where = f"arn:aws:ssm:us-east-1:{ACCOUNT}:{resource}" if resource.startswith("parameter") else resource
    statement = {"Effect": "Allow", "Action": f"ssm:{action}", "Resource": where}
    return {**statement, "Condition": condition} if condition else statement
