"""What the Lambda tests share."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing import Cloud

from .stage import Stage

ACCOUNT = "000000000000"
REGION = "us-east-1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
Refused = Callable[..., tuple[str, str]]
ECHO = "def handler(event, context):\n    return event\n"


def zipped(**files: str) -> bytes:
    """A zip archive of Python modules: name=source."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, source in files.items():
            entry = zipfile.ZipInfo(f"{name}.py")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, source)
    return out.getvalue()


def arn(name: str, qualifier: str = "") -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


@pytest.fixture
def lam(cloud: Cloud) -> Any:
    """A client of the root user."""
    return cloud.client("lambda")


@pytest.fixture
def make_role(cloud: Cloud) -> Callable[..., str]:
    """Makes a role that Lambda may assume, with these statements as its policy."""
    iam = cloud.client("iam")

    def make(name: str, *statements: dict[str, Any], trust: dict[str, Any] = TRUST) -> str:
        made: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
        return made

    return make


@pytest.fixture
def role(make_role: Any) -> Any:
    """A role without permissions."""
    return make_role("plain")


@pytest.fixture
def create(lam: Any, role: str) -> Callable[..., Any]:
    """Makes a function of one Python module."""

    def make(name: str = "f", source: str = ECHO, **more: Any) -> Any:
        members = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": role,
            "Handler": "index.handler",
            "Code": {"ZipFile": zipped(index=source)},
            **more,
        }
        return lam.create_function(**members)

    return make


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Any]:
    """Makes a user with these statements as their policy: a function from a service's name to their client."""
    iam = cloud.client("iam")

    def make(name: str, *statements: dict[str, Any]) -> Callable[..., Any]:
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return lambda service, **more: cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"], **more)

    return make


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def stage(cloud: Cloud) -> Stage:
    """The cloud's workshop, for these tests."""
    made = Stage(cloud.house.loop)
    cloud.inner._workshop = made
    return made
