"""Who may: narrow policies, tags, other accounts, KMS keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fogbank.testing import Process

OTHER = "111111111111"
RECORD = {"PartitionKey": "a", "Data": b"x"}


def test_narrow_policy(kinesis: Any, make: Any, user: Any, refused: Any) -> None:
    """A user who may put into one stream may do that, and nothing else."""
    arn = make()
    make("other")
    writer = user({"Effect": "Allow", "Action": ["kinesis:PutRecord", "kinesis:PutRecords"], "Resource": arn})
    writer.put_record(StreamName="stream", **RECORD)
    writer.put_records(StreamARN=arn, Records=[RECORD])
    code, message = refused(writer.put_record, StreamName="other", **RECORD)
    assert code == "AccessDeniedException"
    assert message == (
        "User: arn:aws:iam::000000000000:user/user is not authorized to perform: kinesis:PutRecord on resource: "
        f"{arn.replace('/stream', '/other')} because no identity-based policy allows the kinesis:PutRecord action"
    )
    shard = {"ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"}
    assert refused(writer.get_shard_iterator, StreamARN=arn, **shard)[0] == "AccessDeniedException"
    iterator = kinesis.get_shard_iterator(StreamARN=arn, **shard)["ShardIterator"]
    assert refused(writer.get_records, ShardIterator=iterator)[0] == "AccessDeniedException"


def test_tags_decide(kinesis: Any, make: Any, user: Any, refused: Any) -> None:
    """aws:ResourceTag speaks of the stream's tags, aws:RequestTag of those that a request brings."""
    make("mine", Tags={"team": "a"})
    make("theirs", Tags={"team": "b"})
    tagged = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    reader = user({"Effect": "Allow", "Action": "kinesis:*", "Resource": "*", "Condition": tagged})
    reader.put_record(StreamName="mine", **RECORD)
    assert refused(reader.put_record, StreamName="theirs", **RECORD)[0] == "AccessDeniedException"
    asked = {"StringEquals": {"aws:RequestTag/team": "a"}}
    maker = user(
        {"Effect": "Allow", "Action": ["kinesis:CreateStream", "kinesis:AddTagsToStream"], "Resource": "*", "Condition": asked}, "maker"
    )
    maker.create_stream(StreamName="new", ShardCount=1, Tags={"team": "a"})
    assert refused(maker.create_stream, StreamName="newer", ShardCount=1, Tags={"team": "b"})[0] == "AccessDeniedException"


def test_other_accounts(kinesis: Any, arn: str, cloud: Any, refused: Any) -> None:
    """Another account reads and writes a stream by its ARN where the stream's policy lets it; it never administers it."""
    other = cloud.client("kinesis", access_key=OTHER)
    assert refused(other.put_record, StreamARN=arn, **RECORD)[0] == "AccessDeniedException"
    allowed = ["kinesis:PutRecord", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DeleteStream", "kinesis:ListShards"]
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": allowed, "Resource": arn},
    }
    kinesis.put_resource_policy(ResourceARN=arn, Policy=json.dumps(policy))
    assert json.loads(kinesis.get_resource_policy(ResourceARN=arn)["Policy"]) == policy
    other.put_record(StreamARN=arn, **RECORD)
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = other.get_shard_iterator(**asked)["ShardIterator"]
    assert len(other.get_records(ShardIterator=iterator)["Records"]) == 1
    assert refused(other.delete_stream, StreamARN=arn)[0] == "AccessDeniedException"
    kinesis.delete_resource_policy(ResourceARN=arn)
    assert refused(other.get_records, ShardIterator=iterator)[0] == "AccessDeniedException"
    assert refused(kinesis.put_resource_policy, ResourceARN=arn, Policy="{")[0] == "InvalidArgumentException"


@pytest.fixture
def key(cloud: Any) -> str:
    made: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


def test_encryption(kinesis: Any, arn: str, key: str, cloud: Any, read: Any) -> None:
    """Records are sealed from StartStreamEncryption on until StopStreamEncryption; all of them are read as they were put."""
    kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"plain")
    kinesis.start_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId=key)
    cloud.settle()
    described = kinesis.describe_stream(StreamARN=arn)["StreamDescription"]
    assert (described["EncryptionType"], described["KeyId"]) == ("KMS", key)
    assert kinesis.put_record(StreamARN=arn, PartitionKey="hidden", Data=b"secret-content")["EncryptionType"] == "KMS"
    kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b"%d" % n} for n in range(3)])
    kinesis.stop_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId=key)
    cloud.settle()
    kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"open")
    got = [(record["Data"], record["PartitionKey"], record["EncryptionType"]) for record in read()]
    assert got == [
        (b"plain", "a", "NONE"),
        (b"secret-content", "hidden", "KMS"),
        *[(b"%d" % n, "a", "KMS") for n in range(3)],
        (b"open", "a", "NONE"),
    ]


def test_readers_need_the_key(kinesis: Any, arn: str, key: str, cloud: Any, user: Any, refused: Any) -> None:
    """Who puts needs kms:GenerateDataKey, who reads kms:Decrypt; a disabled key is of use to nobody after five minutes."""
    kinesis.start_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId=key)
    cloud.settle()
    nobody = user({"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}, "nobody")
    writer = user({"Effect": "Allow", "Action": ["kinesis:*", "kms:GenerateDataKey"], "Resource": "*"}, "writer")
    reader = user({"Effect": "Allow", "Action": ["kinesis:*", "kms:Decrypt"], "Resource": "*"}, "reader")
    assert refused(nobody.put_record, StreamARN=arn, **RECORD)[0] == "KMSAccessDeniedException"
    assert refused(reader.put_record, StreamARN=arn, **RECORD)[0] == "KMSAccessDeniedException"
    writer.put_record(StreamARN=arn, **RECORD)
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
    assert refused(nobody.get_records, ShardIterator=iterator)[0] == "KMSAccessDeniedException"
    assert [record["Data"] for record in reader.get_records(ShardIterator=iterator)["Records"]] == [b"x"]
    cloud.client("kms").disable_key(KeyId=key)
    cloud.advance(301)
    iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
    assert refused(reader.get_records, ShardIterator=iterator)[0] == "KMSDisabledException"
    assert refused(kinesis.start_stream_encryption, StreamARN=arn, EncryptionType="KMS", KeyId=key)[0] == "KMSDisabledException"
    assert refused(kinesis.start_stream_encryption, StreamARN=arn, EncryptionType="KMS", KeyId="alias/no")[0] == "KMSNotFoundException"


def test_nothing_readable_on_disk(tmp_path: Path) -> None:
    """Of records put under a KMS key nothing is to be found in the data directory; they are there after kill -9."""
    process = Process(tmp_path).start()
    try:
        kms, kinesis = process.client("kms"), process.client("kinesis")
        key = kms.create_key()["KeyMetadata"]["Arn"]
        kinesis.create_stream(StreamName="s", ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName="s")
        kinesis.start_stream_encryption(StreamName="s", EncryptionType="KMS", KeyId=key)
        kinesis.get_waiter("stream_exists").wait(StreamName="s")
        kinesis.put_record(StreamName="s", PartitionKey="very-hidden-key", Data=b"very-secret-content")
        process.kill()
        content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"very-secret-content" not in content
        assert b"very-hidden-key" not in content
        process.start()
        asked = {"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
        (record,) = kinesis.get_records(ShardIterator=iterator)["Records"]
        assert (record["PartitionKey"], record["Data"]) == ("very-hidden-key", b"very-secret-content")
    finally:
        process.stop()
