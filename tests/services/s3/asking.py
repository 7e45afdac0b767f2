"""What tests ask of S3 again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.testing.cloud import Cloud

MIB = 1 << 20


def refused(call: Callable[..., Any], **members: Any) -> dict[str, Any]:
    """The error that a call is refused with: Code, Message, its further members, and `status`."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response: dict[str, Any] = caught.value.response  # type: ignore[assignment]
    return {
        **response["Error"],
        "status": response["ResponseMetadata"]["HTTPStatusCode"],
        "headers": response["ResponseMetadata"]["HTTPHeaders"],
    }


def code(call: Callable[..., Any], **members: Any) -> str:
    """Just the error's code."""
    found: str = refused(call, **members)["Code"]
    return found


def as_user(cloud: Cloud, name: str, *statements: dict[str, Any], service: str = "s3", account: str = "test") -> Any:
    """A client of an IAM user who may do what the statements say."""
    iam = cloud.client("iam", access_key=account)
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client(service, access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions: str, on: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": on, **more}
