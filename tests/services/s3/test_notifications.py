from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

import pytest

from fogbank.testing.cloud import Cloud

from .asking import code, refused


class Queue:
    """A queue that S3 may send to."""

    def __init__(self, cloud: Cloud, name: str = "events", open_: bool = True) -> None:
        self._cloud = cloud
        self.sqs = cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        if open_:
            statement = {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": self.arn,
                "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}, "StringEquals": {"aws:SourceAccount": "000000000000"}},
            }
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": document})

    def bodies(self) -> list[dict[str, Any]]:
        """Everything that has arrived, and is then deleted."""
        self._cloud.settle()
        out = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                out.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return out

    def records(self) -> list[dict[str, Any]]:
        return sorted((r for b in self.bodies() for r in b.get("Records", [])), key=lambda r: r["s3"]["object"]["sequencer"])

    def names(self) -> list[tuple[str, str]]:
        return [(r["eventName"], unquote_plus(r["s3"]["object"]["key"])) for r in self.records()]


def configure(s3: Any, bucket: str, *configured: dict[str, Any], **members: Any) -> None:
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(configured)}, **members)


def to(queue: Queue, *events: str, prefix: str = "", suffix: str = "", **more: Any) -> dict[str, Any]:
    rules = [{"Name": n, "Value": v} for n, v in (("prefix", prefix), ("suffix", suffix)) if v]
    return {"QueueArn": queue.arn, "Events": list(events), **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}), **more}


def test_an_event_arrives(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A put is told to the queue, in AWS's event structure; the configuration was tested by s3:TestEvent."""
    queue = Queue(cloud)
    configure(s3, bucket, to(queue, "s3:ObjectCreated:*", Id="made"))
    test = queue.bodies()
    assert [(t["Event"], t["Bucket"], t["Service"]) for t in test] == [("s3:TestEvent", bucket, "Amazon S3")]
    put = s3.put_object(Bucket=bucket, Key="a b/ü+.txt", Body=b"hello")
    (record,) = queue.records()
    assert record["eventVersion"] == "2.1"
    assert (record["eventSource"], record["awsRegion"], record["eventName"]) == ("aws:s3", "us-east-1", "ObjectCreated:Put")
    assert record["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert record["responseElements"]["x-amz-id-2"] == put["ResponseMetadata"]["HostId"]
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert (record["s3"]["configurationId"], record["s3"]["bucket"]["name"], record["s3"]["bucket"]["arn"]) == (
        "made",
        bucket,
        f"arn:aws:s3:::{bucket}",
    )
    about = record["s3"]["object"]
    assert (about["key"], about["size"], about["eTag"]) == ("a+b/%C3%BC%2B.txt", 5, put["ETag"].strip('"'))
    assert unquote_plus(about["key"]) == "a b/ü+.txt"
    assert len(about["sequencer"]) == 16


def test_every_kind_of_event(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Puts, copies, completions, deletions, markers and tags each have their name; sequencers tell the order."""
    queue = Queue(cloud)
    configure(s3, versioned, to(queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"))
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    s3.copy_object(Bucket=versioned, Key="k", CopySource=f"{versioned}/k", MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]
    tag = s3.upload_part(Bucket=versioned, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket=versioned, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    s3.put_object_tagging(Bucket=versioned, Key="k", Tagging={"TagSet": []})
    s3.delete_object_tagging(Bucket=versioned, Key="k")
    s3.delete_object(Bucket=versioned, Key="k")
    s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    records = queue.records()
    assert [r["eventName"] for r in records] == [
        "ObjectCreated:Put",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
    ]
    assert records[0]["s3"]["object"]["versionId"] == records[-1]["s3"]["object"]["versionId"] == version
    assert "size" not in records[-1]["s3"]["object"]


def test_filters(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Prefix and suffix choose keys, and the events listed are the only ones."""
    images, logs = Queue(cloud, "images"), Queue(cloud, "logs")
    configure(s3, bucket, to(images, "s3:ObjectCreated:Put", suffix=".png"), to(logs, "s3:ObjectRemoved:Delete", prefix="logs/"))
    for key in ("a.png", "logs/1", "a.txt"):
        s3.put_object(Bucket=bucket, Key=key)
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_object(Bucket=bucket, Key="logs/none")
    assert images.names() == [("ObjectCreated:Put", "a.png")]
    assert logs.names() == [("ObjectRemoved:Delete", "logs/1")]


def test_a_configuration_is_kept(cloud: Cloud, s3: Any, bucket: str) -> None:
    """What was put is got; an empty one takes all away."""
    queue = Queue(cloud)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    configure(s3, bucket, to(queue, "s3:ObjectCreated:*", prefix="a", suffix="b", Id="x"))
    (found,) = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert (found["Id"], found["QueueArn"], found["Events"]) == ("x", queue.arn, ["s3:ObjectCreated:*"])
    assert found["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "a"}, {"Name": "Suffix", "Value": "b"}]
    configure(s3, bucket)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_destinations_are_validated(cloud: Cloud, s3: Any, bucket: str) -> None:
    """The queue has to be there and let S3 send."""
    shut, absent = Queue(cloud, "shut", open_=False), Queue(cloud, "absent")
    absent.sqs.delete_queue(QueueUrl=absent.url)
    for queue, why in ((shut, "do not allow S3"), (absent, "does not exist")):
        error = refused(
            s3.put_bucket_notification_configuration,
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": [to(queue, "s3:ObjectCreated:*")]},
        )
        assert error["Code"] == "InvalidArgument"
        assert error["Message"] == "Unable to validate the following destination configurations"
        assert why in error["ArgumentValue"]
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    configure(s3, bucket, to(shut, "s3:ObjectCreated:*"), SkipDestinationValidation=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"events": ["s3:ObjectCreated:*"]}, {"events": ["s3:ObjectCreated:Put"]}),
        ({"events": ["s3:ObjectCreated:*"], "prefix": "a"}, {"events": ["s3:ObjectCreated:*"], "prefix": "ab"}),
        ({"events": ["s3:ObjectCreated:*"], "prefix": "a"}, {"events": ["s3:ObjectCreated:*"], "suffix": "b"}),
    ],
)
def test_overlapping_configurations(cloud: Cloud, s3: Any, bucket: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    """One event of one key may not go to two destinations."""
    queue = Queue(cloud)
    both = [to(queue, *one.pop("events"), **one) for one in (dict(first), dict(second))]
    error = code(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration={"QueueConfigurations": both})
    assert error == "InvalidArgument"
    apart = [to(queue, "s3:ObjectCreated:*", prefix="a"), to(queue, "s3:ObjectCreated:*", prefix="b"), to(queue, "s3:ObjectRemoved:*")]
    configure(s3, bucket, *apart)


def test_a_write_that_fails_tells_nothing(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Events are part of the transaction."""
    queue = Queue(cloud)
    configure(s3, bucket, to(queue, "s3:ObjectCreated:*"))
    queue.bodies()
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32="AAAAAA==") == "BadDigest"
    assert queue.bodies() == []
