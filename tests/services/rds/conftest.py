"""What the RDS tests share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.delivery import outbox
from fogbank.testing import Cloud

from .stage import Stage

ACCOUNT = "000000000000"
REGION = "us-east-1"


@pytest.fixture
def stage(cloud: Cloud) -> Iterator[Stage]:
    """The cloud's databases, for these tests. After the test no task may have failed."""
    made = Stage(cloud)
    cloud.inner._databases = made
    yield made
    items = [item for table in (outbox.OUTBOX, outbox.PARKED, outbox.DEAD) for item in table.scan(cloud.inner.reader())]
    assert [(item.task, item.error) for item in items if item.error] == []


@pytest.fixture
def rds(cloud: Cloud, stage: Stage) -> Any:
    """A client of the root user."""
    return cloud.client("rds")


@pytest.fixture
def aurora(cloud: Cloud, rds: Any) -> Callable[..., dict[str, Any]]:
    """Makes an Aurora cluster with as many instances: "c" with "c-0", "c-1"..."""

    def make(name: str = "c", instances: int = 1, **more: Any) -> dict[str, Any]:
        rds.create_db_cluster(
            **{
                "DBClusterIdentifier": name,
                "Engine": "aurora-postgresql",
                "MasterUsername": "boss",
                "MasterUserPassword": "correct-horse",
                **more,
            }
        )
        for number in range(instances):
            member(rds, name, f"{name}-{number}")
        cloud.settle()
        return described(rds, name)

    return make


@pytest.fixture
def plain(cloud: Cloud, rds: Any) -> Callable[..., dict[str, Any]]:
    """Makes an instance that is by itself."""

    def make(name: str = "db", **more: Any) -> dict[str, Any]:
        rds.create_db_instance(
            **{
                "DBInstanceIdentifier": name,
                "Engine": "postgres",
                "DBInstanceClass": "db.m6g.large",
                "MasterUsername": "boss",
                "MasterUserPassword": "correct-horse",
                "AllocatedStorage": 20,
                **more,
            }
        )
        cloud.settle()
        return instance(rds, name)

    return make


def member(rds: Any, cluster: str, name: str, **more: Any) -> dict[str, Any]:
    """Makes an instance of an Aurora cluster."""
    made: dict[str, Any] = rds.create_db_instance(
        **{
            "DBInstanceIdentifier": name,
            "DBClusterIdentifier": cluster,
            "Engine": "aurora-postgresql",
            "DBInstanceClass": "db.r6g.large",
            **more,
        }
    )["DBInstance"]
    return made


def described(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return found


def instance(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found


def points(cloud: Cloud, metric: str, **by: str) -> list[float]:
    """The values of a metric of AWS/RDS in the last hour, the eldest first."""
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in by.items()],
        StartTime=cloud.now_ms / 1000 - 3600,
        EndTime=cloud.now_ms / 1000 + 60,
        Period=60,
        Statistics=["Average"],
    )["Datapoints"]
    return [round(point["Average"], 2) for point in sorted(found, key=lambda point: point["Timestamp"])]


def refused(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    """The code and message that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Any]:
    """Makes a user with these statements as their policy: a function from a service's name to their client."""
    iam = cloud.client("iam")

    def make(name: str, *statements: dict[str, Any]) -> Callable[..., Any]:
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return lambda service: cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"])

    return make


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}
