"""Users with narrow policies."""

from __future__ import annotations

import json
from typing import Any

from fogbank.testing import Cloud

ACCOUNT = "000000000000"


def arn(kind: str, name: str, region: str = "us-east-1") -> str:
    return f"arn:aws:rds:{region}:{ACCOUNT}:{kind}:{name}"


def allow(actions: str | list[str], resource: str | list[str] = "*", **condition: Any) -> dict[str, Any]:
    """A statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **({"Condition": condition} if condition else {})}


def person(cloud: Cloud, name: str, *statements: dict[str, Any]) -> Any:
    """A new user's client of RDS."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("rds", key["AccessKeyId"], key["SecretAccessKey"])


def role(cloud: Cloud, name: str, *statements: dict[str, Any], service: str = "rds.amazonaws.com") -> str:
    """A role that a service may assume; its ARN."""
    iam = cloud.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    made: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return made
