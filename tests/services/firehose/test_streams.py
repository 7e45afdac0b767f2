"""Delivery streams: made, described, listed, changed, deleted; encryption and tags; who may."""

from __future__ import annotations

import json
from typing import Any

import pytest

ARN = "arn:aws:firehose:us-east-1:000000000000:deliverystream/stream"


def described(firehose: Any, name: str = "stream") -> Any:
    return firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]


def test_life(firehose: Any, make: Any, cloud: Any, refused: Any, role: str) -> None:
    """A stream is made with defaults, described, deleted."""
    assert make(extended={"BufferingHints": {"SizeInMBs": 7, "IntervalInSeconds": 70}}) == ARN
    found = described(firehose)
    assert (found["DeliveryStreamStatus"], found["DeliveryStreamType"], found["VersionId"]) == ("ACTIVE", "DirectPut", "1")
    (destination,) = found["Destinations"]
    extended = destination["ExtendedS3DestinationDescription"]
    assert extended["CompressionFormat"] == "UNCOMPRESSED"
    assert extended["BufferingHints"] == {"SizeInMBs": 7, "IntervalInSeconds": 70}
    assert extended["EncryptionConfiguration"] == {"NoEncryptionConfig": "NoEncryption"}
    assert (extended["S3BackupMode"], extended["CloudWatchLoggingOptions"]) == ("Disabled", {"Enabled": False})
    assert destination["S3DestinationDescription"]["BucketARN"] == "arn:aws:s3:::lake"
    assert refused(make)[0] == "ResourceInUseException"
    firehose.delete_delivery_stream(DeliveryStreamName="stream")
    cloud.settle()
    assert refused(firehose.describe_delivery_stream, DeliveryStreamName="stream") == (
        "ResourceNotFoundException",
        "Firehose stream under account 000000000000 not found.",
    )


def test_listing(firehose: Any, make: Any) -> None:
    """Streams by name, in pages, of a type."""
    for name in ("b", "a", "c"):
        make(name)
    first = firehose.list_delivery_streams(Limit=2)
    assert (first["DeliveryStreamNames"], first["HasMoreDeliveryStreams"]) == (["a", "b"], True)
    rest = firehose.list_delivery_streams(ExclusiveStartDeliveryStreamName="b")
    assert (rest["DeliveryStreamNames"], rest["HasMoreDeliveryStreams"]) == (["c"], False)
    assert firehose.list_delivery_streams(DeliveryStreamType="KinesisStreamAsSource")["DeliveryStreamNames"] == []


def test_changed_destination(firehose: Any, make: Any, put: Any, objects: Any, cloud: Any, refused: Any) -> None:
    """An update says what changes and which version it is of; what is not said stays."""
    make()
    members = {"DeliveryStreamName": "stream", "DestinationId": described(firehose)["Destinations"][0]["DestinationId"]}
    update = {"Prefix": "new/", "CompressionFormat": "GZIP"}
    firehose.update_destination(**members, CurrentDeliveryStreamVersionId="1", ExtendedS3DestinationUpdate=update)
    assert refused(firehose.update_destination, **members, CurrentDeliveryStreamVersionId="1", ExtendedS3DestinationUpdate=update) == (
        "ConcurrentModificationException",
        "Cannot update firehose: stream since the current version id: 2 and specified version id: 1 do not match",
    )
    found = described(firehose)["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert (found["Prefix"], found["BufferingHints"]) == ("new/", {"SizeInMBs": 1, "IntervalInSeconds": 60})
    put(b"x")
    cloud.advance(60)
    (key,) = objects()
    assert key.startswith("new/2")
    assert "/stream-2-" in key


HTTP = {"EndpointConfiguration": {"Url": "https://localhost:1"}}


@pytest.mark.parametrize(
    ("update", "word"),
    [
        ({"HttpEndpointDestinationUpdate": {"RetryOptions": {"DurationInSeconds": 1}}}, "EndpointConfiguration"),
        ({"HttpEndpointDestinationUpdate": HTTP}, "S3Configuration"),
        ({"HttpEndpointDestinationUpdate": {**HTTP, "S3Update": {"Prefix": "x/"}}}, "RoleARN"),
        ({"ExtendedS3DestinationUpdate": {"DynamicPartitioningConfiguration": {"Enabled": True}}}, "Dynamic Partitioning"),
    ],
)
def test_a_destination_of_another_kind(firehose: Any, make: Any, refused: Any, update: dict[str, Any], word: str) -> None:
    """A destination that becomes one of another kind takes nothing over: what is missing is refused."""
    make()
    members = {"DeliveryStreamName": "stream", "DestinationId": "destinationId-000000000001", "CurrentDeliveryStreamVersionId": "1"}
    code, message = refused(firehose.update_destination, **members, **update)
    assert code == "InvalidArgumentException"
    assert word in message


def test_grants_of_a_stream_that_is_gone(firehose: Any, make: Any, put: Any, cloud: Any) -> None:
    """The grant of an encryption that was stopped is given back, also where the stream is deleted before."""
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    make(DeliveryStreamEncryptionConfigurationInput={"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key})
    put(b"x")
    firehose.stop_delivery_stream_encryption(DeliveryStreamName="stream")
    firehose.delete_delivery_stream(DeliveryStreamName="stream")
    cloud.settle()
    cloud.advance(120)
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_encryption_by_the_service(firehose: Any, make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """Encryption is switched on and off while records wait; all of them arrive."""
    make()
    assert described(firehose)["DeliveryStreamEncryptionConfiguration"] == {"Status": "DISABLED"}
    put(b"1")
    firehose.start_delivery_stream_encryption(DeliveryStreamName="stream")
    cloud.settle()
    assert described(firehose)["DeliveryStreamEncryptionConfiguration"] == {"Status": "ENABLED", "KeyType": "AWS_OWNED_CMK"}
    assert firehose.put_record(DeliveryStreamName="stream", Record={"Data": b"2"})["Encrypted"]
    firehose.stop_delivery_stream_encryption(DeliveryStreamName="stream")
    cloud.settle()
    assert not firehose.put_record(DeliveryStreamName="stream", Record={"Data": b"3"})["Encrypted"]
    cloud.advance(60)
    assert list(objects().values()) == [b"123"]


def test_encryption_by_a_key(firehose: Any, make: Any, put: Any, objects: Any, cloud: Any, refused: Any) -> None:
    """A KMS key is used by a grant, which is given back; while the key is disabled nothing can be put."""
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    make()
    asked = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key}
    firehose.start_delivery_stream_encryption(DeliveryStreamName="stream", DeliveryStreamEncryptionConfigurationInput=asked)
    cloud.settle()
    assert described(firehose)["DeliveryStreamEncryptionConfiguration"] == {"Status": "ENABLED", **asked}
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert grant["Constraints"]["SourceArn"] == ARN
    put(b"1")
    kms.disable_key(KeyId=key)
    cloud.advance(301)
    assert objects() == {}
    assert refused(firehose.put_record, DeliveryStreamName="stream", Record={"Data": b"2"})[0] == "InvalidKMSResourceException"
    kms.enable_key(KeyId=key)
    cloud.advance(300)
    assert list(objects().values()) == [b"1"]
    firehose.stop_delivery_stream_encryption(DeliveryStreamName="stream")
    cloud.advance(60)
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_tags(firehose: Any, make: Any, refused: Any) -> None:
    """At most 50 tags, listed in pages."""
    make(Tags=[{"Key": "a", "Value": "1"}])
    firehose.tag_delivery_stream(DeliveryStreamName="stream", Tags=[{"Key": "b", "Value": "2"}, {"Key": "c"}])
    firehose.untag_delivery_stream(DeliveryStreamName="stream", TagKeys=["a", "none"])
    first = firehose.list_tags_for_delivery_stream(DeliveryStreamName="stream", Limit=1)
    assert (first["Tags"], first["HasMoreTags"]) == ([{"Key": "b", "Value": "2"}], True)
    rest = firehose.list_tags_for_delivery_stream(DeliveryStreamName="stream", ExclusiveStartTagKey="b")
    assert rest["Tags"] == [{"Key": "c", "Value": ""}]


def test_who_may(firehose: Any, make: Any, cloud: Any, refused: Any, role: str, bucket: str) -> None:
    """Putting needs firehose:PutRecord on the stream; making one needs iam:PassRole on its role."""
    make()
    make("other")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statements = [
        {"Effect": "Allow", "Action": "firehose:PutRecord", "Resource": ARN},
        {"Effect": "Allow", "Action": "firehose:CreateDeliveryStream", "Resource": "*"},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("firehose", made["AccessKeyId"], made["SecretAccessKey"])
    user.put_record(DeliveryStreamName="stream", Record={"Data": b"x"})
    code, message = refused(user.put_record, DeliveryStreamName="other", Record={"Data": b"x"})
    assert code == "AccessDeniedException"
    assert "firehose:PutRecord on resource: arn:aws:firehose:us-east-1:000000000000:deliverystream/other" in message
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}"}
    code, message = refused(user.create_delivery_stream, DeliveryStreamName="new", ExtendedS3DestinationConfiguration=where)
    assert (code, "iam:PassRole" in message) == ("AccessDeniedException", True)
