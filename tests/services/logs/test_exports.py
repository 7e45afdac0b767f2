"""Export tasks: gzipped lines in a bucket that lets CloudWatch Logs write."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def bucket(cloud: Any) -> str:
    """A bucket with the policy that AWS's guide asks for."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="exports")
    service = {"Service": "logs.us-east-1.amazonaws.com"}
    condition = {
        "StringEquals": {"aws:SourceAccount": ["000000000000"]},
        "ArnLike": {"aws:SourceArn": ["arn:aws:logs:us-east-1:000000000000:log-group:*"]},
    }
    statements = [
        {"Effect": "Allow", "Principal": service, "Action": action, "Resource": resource, "Condition": condition}
        for action, resource in (("s3:GetBucketAcl", "arn:aws:s3:::exports"), ("s3:PutObject", "arn:aws:s3:::exports/*"))
    ]
    s3.put_bucket_policy(Bucket="exports", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return "exports"


def begin(cloud: Any, logs: Any, **more: Any) -> str:
    members = {"logGroupName": "group", "fromTime": 0, "to": cloud.now_ms + 1000, "destination": "exports", **more}
    members["from"] = members.pop("fromTime")
    task: str = logs.create_export_task(**members)["taskId"]
    return task


def status(logs: Any, task: str) -> str:
    found: str = logs.describe_export_tasks(taskId=task)["exportTasks"][0]["status"]["code"]
    return found


def test_events_are_exported(cloud: Any, logs: Any, put: Any, bucket: str) -> None:
    """A folder for each stream, with lines of instants and messages."""
    at_ms = cloud.now_ms - 5000
    put("one", "two", stream="a/b", at_ms=at_ms)
    put("three", stream="c", at_ms=at_ms)
    logs.create_log_stream(logGroupName="group", logStreamName="empty")
    task = begin(cloud, logs, taskName="t", fromTime=at_ms + 1 - 1)
    assert status(logs, task) == "PENDING"
    cloud.advance(1)
    assert status(logs, task) == "COMPLETED"
    s3 = cloud.client("s3")
    keys = sorted((one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]), key=lambda key: ("test" in key, key))
    assert keys == [f"exportedlogs/{task}/a-b/000000.gz", f"exportedlogs/{task}/c/000000.gz", "exportedlogs/aws-logs-write-test"]
    lines = gzip.decompress(s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()).decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["one", "two"]
    assert lines[0][10] == "T"
    assert lines[0].split(" ")[0].endswith("Z")


def test_a_bucket_has_to_let_logs_in(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """Without the policy, or without the bucket, the task is refused at once."""
    put("x")
    members = {"logGroupName": "group", "from": 0, "to": cloud.now_ms, "destination": "exports"}
    assert refused(logs.create_export_task, **members) == ("InvalidParameterException", "The specified bucket does not exist.")
    cloud.client("s3").create_bucket(Bucket="exports")
    assert refused(logs.create_export_task, **members) == (
        "InvalidParameterException",
        "GetBucketAcl call on the given bucket failed. Please check if CloudWatch Logs has been granted permission"
        " to perform this operation.",
    )


def test_a_task_can_be_cancelled(cloud: Any, logs: Any, put: Any, bucket: str, refused: Refused) -> None:
    """One task at a time; a cancelled one writes nothing; one that is over cannot be cancelled."""
    put("x")
    task = begin(cloud, logs)
    members = {"logGroupName": "group", "from": 0, "to": cloud.now_ms, "destination": "exports"}
    assert refused(logs.create_export_task, **members)[0] == "LimitExceededException"
    logs.cancel_export_task(taskId=task)
    assert status(logs, task) == "PENDING_CANCEL"
    cloud.advance(1)
    assert status(logs, task) == "CANCELLED"
    assert refused(logs.cancel_export_task, taskId=task)[0] == "InvalidOperationException"
    assert refused(logs.cancel_export_task, taskId="nope")[0] == "ResourceNotFoundException"
    assert [one["taskId"] for one in logs.describe_export_tasks(statusCode="CANCELLED")["exportTasks"]] == [task]
    assert cloud.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_task_that_may_not_write_any_more_fails(cloud: Any, logs: Any, put: Any, bucket: str) -> None:
    """What S3 refuses later fails the task."""
    put("x")
    task = begin(cloud, logs)
    cloud.client("s3").delete_bucket_policy(Bucket=bucket)
    cloud.advance(1)
    assert status(logs, task) == "FAILED"
