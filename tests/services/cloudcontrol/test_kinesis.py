"""Kinesis streams, consumers, policies and delivery streams as resources."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT

STREAM, CONSUMER, POLICY = "AWS::Kinesis::Stream", "AWS::Kinesis::StreamConsumer", "AWS::Kinesis::ResourcePolicy"
DELIVERY = "AWS::KinesisFirehose::DeliveryStream"
ARN = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"


def test_stream(control: Any, cloud: Any) -> None:
    """A stream is made, changed property by property, listed and deleted."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    wanted = {
        "Name": "s",
        "ShardCount": 2,
        "RetentionPeriodHours": 48,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": key},
        "DesiredShardLevelMetrics": ["IncomingBytes"],
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    assert control.create(STREAM, wanted) == "s"
    found = control.read(STREAM, "s")
    assert {name: found[name] for name in wanted} == wanted
    assert found["Arn"] == ARN
    found = control.update(
        STREAM, "s", ("replace", "/ShardCount", 4), ("replace", "/RetentionPeriodHours", 24), ("remove", "/StreamEncryption")
    )
    assert (found["ShardCount"], found["RetentionPeriodHours"], "StreamEncryption" in found) == (4, 24, False)
    changes = (("replace", "/StreamModeDetails", {"StreamMode": "ON_DEMAND"}), ("remove", "/ShardCount"))
    assert control.update(STREAM, "s", *changes)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert control.listed(STREAM) == ["s"]
    control.delete(STREAM, "s")


def test_consumer_and_policy(control: Any) -> None:
    """A consumer and a policy of a stream."""
    control.create(STREAM, {"Name": "s", "ShardCount": 1})
    consumer = control.create(CONSUMER, {"ConsumerName": "c", "StreamARN": ARN, "Tags": [{"Key": "a", "Value": "1"}]})
    assert control.read(CONSUMER, consumer)["ConsumerStatus"] == "ACTIVE"
    assert control.listed(CONSUMER) == [consumer]
    statement = {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:GetRecords", "Resource": ARN}
    policy = {"Version": "2012-10-17", "Statement": statement}
    assert control.create(POLICY, {"ResourceArn": ARN, "ResourcePolicy": policy}) == ARN
    changed = {**policy, "Statement": {**statement, "Action": "kinesis:ListShards"}}
    assert control.update(POLICY, ARN, ("replace", "/ResourcePolicy", changed))["ResourcePolicy"] == changed
    control.delete(POLICY, ARN)
    control.delete(CONSUMER, consumer)


def test_delivery_stream(control: Any, cloud: Any) -> None:
    """A delivery stream is made, changed, listed and deleted."""
    statement = {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    where = {"RoleARN": role, "BucketARN": "arn:aws:s3:::b", "Prefix": "p/"}
    backup = {"S3BackupMode": "Enabled", "S3BackupConfiguration": {"RoleARN": role, "BucketARN": "arn:aws:s3:::backup"}}
    wanted = {"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": {**where, **backup}, "Tags": [{"Key": "a", "Value": "1"}]}
    assert control.create(DELIVERY, wanted) == "d"
    found = control.read(DELIVERY, "d")
    assert (found["DeliveryStreamType"], found["Tags"]) == ("DirectPut", wanted["Tags"])
    destination = found["ExtendedS3DestinationConfiguration"]
    assert (destination["Prefix"], destination["S3BackupConfiguration"]["BucketARN"]) == ("p/", "arn:aws:s3:::backup")
    found = control.update(
        DELIVERY,
        "d",
        ("replace", "/ExtendedS3DestinationConfiguration/Prefix", "q/"),
        ("add", "/DeliveryStreamEncryptionConfigurationInput", {"KeyType": "AWS_OWNED_CMK"}),
        ("remove", "/Tags"),
    )
    assert found["ExtendedS3DestinationConfiguration"]["Prefix"] == "q/"
    assert found["DeliveryStreamEncryptionConfigurationInput"] == {"KeyType": "AWS_OWNED_CMK"}
    assert control.listed(DELIVERY) == ["d"]
    control.delete(DELIVERY, "d")
