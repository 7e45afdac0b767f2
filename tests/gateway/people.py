"""People with keys and policies, and the refusals that they meet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.testing.cloud import Cloud


def policy(*statements: dict[str, Any]) -> str:
    """A document of statements: Effect Allow and Resource * unless they say otherwise."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **s} for s in statements]})


class Person:
    """A user with a key: `person("s3")` is a client."""

    def __init__(self, cloud: Cloud, key: str, secret: str) -> None:
        self.cloud, self.key, self.secret = cloud, key, secret

    def __call__(self, service: str, **more: Any) -> Any:
        return self.cloud.client(service, access_key=self.key, secret=self.secret, **more)


class People:
    """Makes users, with a policy or without."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.iam = cloud.client("iam")

    def user(self, name: str, document: str | None = None) -> Person:
        self.iam.create_user(UserName=name)
        if document is not None:
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Person(self.cloud, made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture
def people(cloud: Cloud) -> People:
    return People(cloud)


@pytest.fixture
def refused() -> Callable[..., AbstractContextManager[None]]:
    """`with refused("AccessDenied", "part of the message"): ...`"""

    @contextmanager
    def expect(code: str, *parts: str) -> Iterator[None]:
        with pytest.raises(ClientError) as told:
            yield
        found = told.value.response["Error"]
        assert found["Code"] == code, found
        assert all(part in found["Message"] for part in parts), found

    return expect
