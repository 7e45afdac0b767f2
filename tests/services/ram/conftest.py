"""What the RAM tests share: two accounts, and clusters to share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from rds.stage import Stage

from fogbank.testing import Cloud

ACCOUNT, OTHER, THIRD = "000000000000", "111111111111", "222222222222"
PERMISSION = "arn:aws:ram::aws:permission/AWSRAMDefaultPermissionRDSCluster"


@pytest.fixture(autouse=True)
def stage(cloud: Cloud) -> Stage:
    """The cloud's databases, for these tests."""
    made = Stage(cloud)
    cloud.inner._databases = made
    return made


@pytest.fixture
def ram(cloud: Cloud) -> Any:
    """A client of the account that shares."""
    return cloud.client("ram")


@pytest.fixture
def other(cloud: Cloud) -> Any:
    """A client of an account that is shared with."""
    return cloud.client("ram", OTHER)


@pytest.fixture
def cluster(cloud: Cloud) -> Callable[..., str]:
    """Makes a cluster; its ARN."""

    def make(name: str = "c") -> str:
        basic = {"Engine": "aurora-postgresql", "MasterUsername": "boss", "MasterUserPassword": "correct-horse"}
        made = cloud.client("rds").create_db_cluster(DBClusterIdentifier=name, **basic)["DBCluster"]
        cloud.settle()
        arn: str = made["DBClusterArn"]
        return arn

    return make


@pytest.fixture
def share(cloud: Cloud, ram: Any) -> Callable[..., str]:
    """Makes a share; its ARN."""

    def make(name: str = "s", **members: Any) -> str:
        made = ram.create_resource_share(name=name, **members)["resourceShare"]
        cloud.settle()
        arn: str = made["resourceShareArn"]
        return arn

    return make


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Any]:
    """Makes a user with these statements as their policy; their client of RAM."""

    def make(name: str, *statements: dict[str, Any], account: str = ACCOUNT) -> Any:
        iam = cloud.client("iam", account)
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("ram", key["AccessKeyId"], key["SecretAccessKey"])

    return make


def allow(action: str | list[str], resource: str = "*", **condition: Any) -> dict[str, Any]:
    """A statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **({"Condition": condition} if condition else {})}


def invitations(ram: Any) -> list[tuple[str, str]]:
    """The invitations that an account has received: ARN and status."""
    found = ram.get_resource_share_invitations()["resourceShareInvitations"]
    return [(one["resourceShareInvitationArn"], one["status"]) for one in found]


def accept(ram: Any) -> None:
    """Accepts what is pending."""
    for arn, status in invitations(ram):
        if status == "PENDING":
            ram.accept_resource_share_invitation(resourceShareInvitationArn=arn)


def statuses(ram: Any, kind: str, **members: Any) -> dict[str, str]:
    """The associations of a kind: entity -> status."""
    found = ram.get_resource_share_associations(associationType=kind, **members)["resourceShareAssociations"]
    return {one["associatedEntity"]: one["status"] for one in found}
