"""What the Secrets Manager tests share."""

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
def sm(cloud: Cloud) -> Any:
    """A client of the root user."""
    return cloud.client("secretsmanager")


@pytest.fixture
def secret(sm: Any) -> Any:
    """The ARN of a secret `db` with the value `one`."""
    return sm.create_secret(Name="db", SecretString="one")["ARN"]


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Any]:
    """Makes a user with these statements as their policy: a function from a service's name to their client."""
    iam = cloud.client("iam")

    def make(name: str, *statements: dict[str, Any]) -> Callable[..., Any]:
        iam.create_user(UserName=name)
        iam.put_user_policy(
            UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return lambda service, **more: cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"], **more)

    return make


@pytest.fixture
def every() -> Callable[..., list[Any]]:
    """All items of a listing that botocore cannot page by itself."""

    def call(operation: Callable[..., Any], items: str, **members: Any) -> list[Any]:
        found: list[Any] = []
        while True:
            answer = operation(**members)
            found += answer[items]
            if "NextToken" not in answer:
                return found
            members["NextToken"] = answer["NextToken"]

    return call
