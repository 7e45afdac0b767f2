"""People and policies for the tests of IAM and STS."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.testing.cloud import Cloud

ACCOUNT = "000000000000"
OTHER = "111122223333"


def policy(*statements: dict[str, Any]) -> str:
    """A document of statements: Effect Allow and Resource * unless they say otherwise."""
    whole = [{"Effect": "Allow", **({} if "Principal" in s or "NotResource" in s else {"Resource": "*"}), **s} for s in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


def trust(who: Any, *actions: str, **more: Any) -> str:
    """A trust policy for `who`: an ARN, or a whole Principal element."""
    principal = who if isinstance(who, dict) else {"AWS": who}
    return policy({"Principal": principal, "Action": list(actions) or ["sts:AssumeRole"], **more})


class Person:
    """A caller with a key: `person("s3")` is a client."""

    def __init__(self, cloud: Cloud, key: str, secret: str, token: str | None = None) -> None:
        self.cloud, self.key, self.secret, self.token = cloud, key, secret, token

    def __call__(self, service: str, **more: Any) -> Any:
        return self.cloud.client(service, access_key=self.key, secret=self.secret, token=self.token, **more)


class People:
    """Makes users and sessions."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.iam = cloud.client("iam")

    def user(self, name: str = "bob", document: str | None = None, **more: Any) -> Person:
        """A user with a key, and with an inline policy."""
        self.iam.create_user(UserName=name, **more)
        if document is not None:
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Person(self.cloud, made["AccessKeyId"], made["SecretAccessKey"])

    def session(self, answer: dict[str, Any]) -> Person:
        """Whoever holds the credentials of an answer."""
        given = answer["Credentials"]
        return Person(self.cloud, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def root(self, account: str) -> Person:
        return Person(self.cloud, account, "test")

    def role(self, name: str, trusted: str, document: str | None = None, **more: Any) -> str:
        """A role's ARN."""
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted, **more)["Role"]["Arn"]
        if document is not None:
            self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
        return arn


@pytest.fixture
def people(cloud: Cloud) -> People:
    return People(cloud)


@pytest.fixture
def iam(cloud: Cloud) -> Any:
    return cloud.client("iam")


@pytest.fixture
def sts(cloud: Cloud) -> Any:
    return cloud.client("sts")


class Refused:
    """The error that a call must raise."""

    def __init__(self, code: str, *parts: str) -> None:
        self.code, self.parts = code, parts
        self.raises = pytest.raises(ClientError)

    def __enter__(self) -> Refused:
        self.info = self.raises.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        caught = bool(self.raises.__exit__(kind, error, trace))
        if caught:
            found = self.info.value.response["Error"]
            assert found["Code"] == self.code, found
            for part in self.parts:
                assert part in found["Message"], found
        return caught


@pytest.fixture
def refused() -> Callable[..., AbstractContextManager[Any]]:
    """`with refused("NoSuchEntity", "part of the message"): ...`"""
    return Refused
