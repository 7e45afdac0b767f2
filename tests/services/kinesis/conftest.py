"""What the Kinesis tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

ACCOUNT = "000000000000"


@pytest.fixture
def kinesis(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("kinesis")


@pytest.fixture
def make(cloud: Any, kinesis: Any) -> Callable[..., str]:
    """Makes a stream and waits until it is ACTIVE: its ARN."""

    def call(name: str = "stream", shards: int = 1, **members: Any) -> str:
        count = {} if members.get("StreamModeDetails") else {"ShardCount": shards}
        kinesis.create_stream(StreamName=name, **count, **members)
        cloud.settle()
        return f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{name}"

    return call


@pytest.fixture
def arn(make: Callable[..., str]) -> str:
    """A stream with one shard."""
    return make()


@pytest.fixture
def read(cloud: Any, kinesis: Any) -> Callable[..., list[dict[str, Any]]]:
    """All records of a shard from a position on."""

    def call(shard: int = 0, kind: str = "TRIM_HORIZON", name: str = "stream", client: Any = None, **members: Any) -> list[dict[str, Any]]:
        client = client or kinesis
        iterator = client.get_shard_iterator(StreamName=name, ShardId=f"shardId-{shard:012d}", ShardIteratorType=kind, **members)[
            "ShardIterator"
        ]
        records: list[dict[str, Any]] = []
        while iterator:
            got = client.get_records(ShardIterator=iterator)
            records += got["Records"]
            if not got["Records"]:
                break
            iterator = got.get("NextShardIterator")
        return records

    return call


@pytest.fixture
def user(cloud: Any) -> Callable[..., Any]:
    """A client of a user who may do what a statement says."""

    def call(statement: dict[str, Any], name: str = "user", service: str = "kinesis") -> Any:
        iam = cloud.client("iam")
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": statement}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client(service, made["AccessKeyId"], made["SecretAccessKey"])

    return call
