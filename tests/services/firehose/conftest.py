"""What the Firehose tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/delivery"


@pytest.fixture
def firehose(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("firehose")


@pytest.fixture
def bucket(cloud: Any) -> str:
    cloud.client("s3").create_bucket(Bucket="lake")
    return "lake"


@pytest.fixture
def allow(cloud: Any) -> Callable[..., None]:
    """Gives the delivery role a policy in place of the one that it has."""

    def call(*actions: str, resource: str | list[str] = "*") -> None:
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": resource}}
        cloud.client("iam").put_role_policy(RoleName="delivery", PolicyName="p", PolicyDocument=json.dumps(document))

    return call


@pytest.fixture
def role(cloud: Any, allow: Callable[..., None]) -> str:
    """A role that Firehose can be, and that may write to S3."""
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
    cloud.client("iam").create_role(RoleName="delivery", AssumeRolePolicyDocument=json.dumps(trust))
    allow("s3:PutObject")
    return ROLE


@pytest.fixture
def make(cloud: Any, firehose: Any, bucket: str, role: str) -> Callable[..., str]:
    """Makes a stream into the bucket and waits until it is ACTIVE: its ARN."""

    def call(name: str = "stream", extended: dict[str, Any] | None = None, **members: Any) -> str:
        where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}", **(extended or {})}
        where.setdefault("BufferingHints", {"SizeInMBs": 1, "IntervalInSeconds": 60})
        made: str = firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=where, **members)[
            "DeliveryStreamARN"
        ]
        cloud.settle()
        return made

    return call


@pytest.fixture
def objects(cloud: Any) -> Callable[..., dict[str, bytes]]:
    """The objects of a bucket."""

    def call(name: str = "lake") -> dict[str, bytes]:
        s3 = cloud.client("s3")
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=name).get("Contents", [])]
        return {key: s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}

    return call


@pytest.fixture
def put(firehose: Any) -> Callable[..., None]:
    """Puts records into a stream."""

    def call(*records: bytes, name: str = "stream") -> None:
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": record} for record in records])
        assert answer["FailedPutCount"] == 0

    return call


def processor(type: str, **parameters: str) -> dict[str, Any]:
    return {"Type": type, "Parameters": [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]}


def processing(*processors: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": list(processors)}}
