"""What the KMS tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.access.principal import Principal, root

Refused = Callable[..., tuple[str, str]]
Make = Callable[..., dict[str, Any]]
ACCOUNT = "000000000000"
OTHER = "111122223333"
DAY_S = 86_400


def policy(*statements: dict[str, Any]) -> str:
    """A document of statements: Effect Allow and Resource * unless they say otherwise."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **s} for s in statements]})


ROOT = {"Sid": "root", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
"""The statement by which a key policy hands the key to the account."""


@pytest.fixture
def kms(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("kms")


@pytest.fixture
def make(kms: Any) -> Make:
    """CreateKey's metadata."""

    def call(**members: Any) -> dict[str, Any]:
        made: dict[str, Any] = kms.create_key(**members)["KeyMetadata"]
        return made

    return call


@pytest.fixture
def key(make: Make) -> str:
    """The ARN of a symmetric key with the defaults."""
    made: str = make()["Arn"]
    return made


@pytest.fixture
def user(cloud: Any) -> Callable[..., Any]:
    """A KMS client of a new user with an inline policy of these statements; of another account if one is named."""

    def call(name: str, *statements: dict[str, Any], account: str = "test") -> Any:
        iam = cloud.client("iam", access_key=account)
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("kms", access_key=made["AccessKeyId"], secret=made["SecretAccessKey"])

    return call


@pytest.fixture
def through(cloud: Any) -> Callable[..., Any]:
    """Calls KMS as a service does on somebody's behalf, in a transaction of its own."""

    def call(service: str, operation: str, members: dict[str, Any], who: Principal | None = None, **options: Any) -> Any:
        def run() -> Any:
            inner = cloud.inner
            gateway = inner._gateway
            tx = inner.begin()
            caller = who or root(ACCOUNT)
            ctx = gateway.context(inner, tx, None, caller, caller.account, "us-east-1", service, "Operation", "request")
            try:
                answer = ctx.call("kms", operation, members, **options)
            except Exception:
                inner.undo(tx)
                raise
            inner.commit(tx)
            return answer

        return cloud.house.on_loop(run)

    return call
