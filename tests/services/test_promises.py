"""Services at their edges."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    client = cloud.client("s3")
    client.create_bucket(Bucket="bkt")
    return client


def test_a_bucket_is_emptied_page_by_page(s3: Any) -> None:
    """Deleting every version of each page, as boto3's `bucket.object_versions.delete()` does, empties a bucket."""
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    for number in range(5):
        for _ in range(3):
            s3.put_object(Bucket="bkt", Key=f"k{number}", Body=b"x")
        s3.delete_object(Bucket="bkt", Key=f"k{number}")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="bkt", PaginationConfig={"PageSize": 2}):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket="bkt", Key=version["Key"], VersionId=version["VersionId"])
    assert "Versions" not in s3.list_object_versions(Bucket="bkt")
    s3.delete_bucket(Bucket="bkt")


def test_a_bucket_with_null_versions_is_emptied_page_by_page(s3: Any) -> None:
    """The same where some versions are null."""
    for number in range(3):
        s3.put_object(Bucket="bkt", Key=f"k{number}", Body=b"null")
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket="bkt", Key=f"k{number}", Body=b"x")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="bkt", PaginationConfig={"PageSize": 1}):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket="bkt", Key=version["Key"], VersionId=version["VersionId"])
    assert "Versions" not in s3.list_object_versions(Bucket="bkt")


def test_messages_come_though_the_machine_s_clock_was_set_back(cloud: Cloud) -> None:
    """A message that was sent after the machine's clock was set back is received."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="0")
    sqs.send_message(QueueUrl=url, MessageBody="1")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    clock = cloud.inner.clock
    cloud.house.on_loop(lambda: clock._set(clock.now_ms() - 5000, False))
    sqs.send_message(QueueUrl=url, MessageBody="2")
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    assert sorted(m["Body"] for m in found) == ["1", "2"]


def test_events_wait_for_a_queue_that_is_missing(cloud: Cloud, s3: Any) -> None:
    """An event whose queue is gone is tried again, and arrives when the queue is back; after an hour and a half it is a dead letter."""
    sqs = cloud.client("sqs")
    policy = '{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}'
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": policy})["QueueUrl"]
    events = [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(Bucket="bkt", NotificationConfiguration={"QueueConfigurations": events})
    sqs.delete_queue(QueueUrl=url)
    s3.put_object(Bucket="bkt", Key="k", Body=b"x")
    cloud.settle()
    cloud.advance(61)
    sqs.create_queue(QueueName="q", Attributes={"Policy": policy})
    cloud.advance(900)
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert ['"ObjectCreated:Put"' in m["Body"] for m in found] == [True]
    assert not cloud.problems()


def test_fifo_windows_by_the_clock(cloud: Cloud) -> None:
    """Deduplication ends after five minutes of the cloud's clock, visibility after its timeout, retention after its period."""
    sqs = cloud.client("sqs")
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "MessageRetentionPeriod": "3600"}
    url = sqs.create_queue(QueueName="q.fifo", Attributes=attributes)["QueueUrl"]
    first = sqs.send_message(QueueUrl=url, MessageBody="m", MessageGroupId="g")
    cloud.advance(299)
    assert sqs.send_message(QueueUrl=url, MessageBody="m", MessageGroupId="g")["MessageId"] == first["MessageId"]
    cloud.advance(1)
    assert sqs.send_message(QueueUrl=url, MessageBody="m", MessageGroupId="g")["MessageId"] != first["MessageId"]
    assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    cloud.advance(30)
    found = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert found[0]["Attributes"]["ApproximateReceiveCount"] == "2"
    cloud.advance(3600)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [v for k, v in counts.items() if k.startswith("ApproximateNumber")] == ["0", "0", "0"]
    assert not cloud.problems()


def test_the_newest_version_left_is_the_latest(s3: Any) -> None:
    """A page that begins after a version that was deleted since tells which version is the latest now."""
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="bkt", Key="k", Body=b"x")["VersionId"] for _ in range(3)]
    s3.delete_object(Bucket="bkt", Key="k", VersionId=ids[2])
    rest = s3.list_object_versions(Bucket="bkt", KeyMarker="k", VersionIdMarker=ids[2])["Versions"]
    assert [(v["VersionId"], v["IsLatest"]) for v in rest] == [(ids[1], True), (ids[0], False)]
    rest = s3.list_object_versions(Bucket="bkt", KeyMarker="k", VersionIdMarker=ids[1])["Versions"]
    assert [(v["VersionId"], v["IsLatest"]) for v in rest] == [(ids[0], False)]
