"""Records delivered to S3: when, under which names, in which form, and what happens when that fails."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cramjam
import pytest

from fogbank.services.firehose.state import PARCELS
from fogbank.testing import Process

from .conftest import ROLE, processing, processor


def test_an_object_after_a_minute(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """What came within the buffer's interval is one object, whose name says the hour and the stream."""
    make()
    put(b"one\n", b"two\n")
    cloud.advance(30)
    put(b"three\n")
    cloud.advance(29)
    assert objects() == {}
    at = datetime.fromtimestamp(cloud.now_ms / 1000 - 59, UTC)
    cloud.advance(1)
    ((key, content),) = objects().items()
    assert content == b"one\ntwo\nthree\n"
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(rf"{at:%Y/%m/%d/%H}/stream-1-{at:%Y-%m-%d-%H-%M-%S}-{uuid}", key)
    put(b"four\n")
    cloud.advance(60)
    assert sorted(objects().values()) == [b"four\n", b"one\ntwo\nthree\n"]


def test_an_object_when_there_is_enough(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """A buffer that is full is delivered at once."""
    make()
    put(bytes(600_000))
    cloud.settle()
    assert objects() == {}
    put(bytes(600_000))
    cloud.settle()
    assert [len(content) for content in objects().values()] == [1_200_000]
    cloud.advance(120)
    assert len(objects()) == 1


def test_no_buffering(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """With an interval of zero each call is delivered at once."""
    make(extended={"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}})
    put(b"a", b"b")
    cloud.settle()
    assert list(objects().values()) == [b"ab"]


@pytest.mark.parametrize("format", ["GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"])
def test_compression(make: Any, put: Any, objects: Any, cloud: Any, format: str) -> None:
    """Objects are compressed and named as the format says."""
    make(extended={"CompressionFormat": format})
    data = b"line of text\n" * 40_000
    put(data)
    cloud.advance(60)
    ((key, content),) = objects().items()
    if format == "GZIP":
        assert key.endswith(".gz")
        assert gzip.decompress(content) == data
    elif format == "ZIP":
        assert key.endswith(".zip")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = archive.namelist()
            assert archive.read(name) == data
    elif format == "Snappy":
        assert key.endswith(".snappy")
        assert bytes(cramjam.snappy.decompress(content)) == data
    else:
        assert key.endswith(".hsnappy")
        assert _of_hadoop(content) == data


def _of_hadoop(content: bytes) -> bytes:
    out, at = b"", 0
    while at < len(content):
        size, packed = (int.from_bytes(content[at + n : at + n + 4], "big") for n in (0, 4))
        block = bytes(cramjam.snappy.decompress_raw(content[at + 8 : at + 8 + packed]))
        assert len(block) == size
        out, at = out + block, at + 8 + packed
    return out


def test_prefix(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """Expressions in a prefix say when the oldest record came, in a time zone, and something random; the extension is one's own."""
    prefix = "a/!{timestamp:yyyy'-'MM}/d=!{timestamp:dd}/!{timestamp:HH}/!{firehose:random-string}/"
    make(
        extended={
            "Prefix": prefix,
            "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
            "CustomTimeZone": "Asia/Tokyo",
            "FileExtension": ".jsonl",
        }
    )
    put(b"x")
    at = datetime.fromtimestamp(cloud.now_ms / 1000 + 9 * 3600, UTC)
    cloud.advance(60)
    (key,) = objects()
    assert re.fullmatch(rf"a/{at:%Y-%m}/d={at:%d}/{at:%H}/[A-Za-z0-9]{{11}}/stream-1-{at:%Y-%m-%d-%H-%M-%S}-[0-9a-f-]{{36}}\.jsonl", key)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"Prefix": "!{timestamp:yyyy}/"}, "ErrorOutputPrefix"),
        ({"Prefix": "!{firehose:error-output-type}/", "ErrorOutputPrefix": "e"}, "error-output-type"),
        ({"Prefix": "a", "ErrorOutputPrefix": "!{timestamp:yyyy}/"}, "error-output-type"),
        ({"Prefix": "!{what:x}/", "ErrorOutputPrefix": "e/"}, "namespace"),
        ({"Prefix": "!{timestamp:bb}/", "ErrorOutputPrefix": "e/"}, "timestamp format"),
        ({"Prefix": "!{timestamp/", "ErrorOutputPrefix": "e/"}, "!{"),
        ({"Prefix": "!{partitionKeyFromQuery:a}/", "ErrorOutputPrefix": "e/"}, "partition"),
        ({"CustomTimeZone": "Mars/Base"}, "time zone"),
        ({"BufferingHints": {"SizeInMBs": 5}}, "BufferingHints"),
        ({"CloudWatchLoggingOptions": {"Enabled": True}}, "LogGroupName"),
        ({"S3BackupMode": "Enabled"}, "S3BackupConfiguration"),
        ({"RoleARN": "arn:aws:iam::000000000000:role/none"}, "unable to assume role"),
        (processing(processor("MetadataExtraction", MetadataExtractionQuery="{a:.a}", JsonParsingEngine="JQ-1.6")), "Dynamic"),
    ],
)
def test_what_cannot_be(firehose: Any, bucket: str, role: str, refused: Any, wrong: dict[str, Any], word: str) -> None:
    """Settings that do not hold are refused when they are made."""
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}", **wrong}
    code, message = refused(firehose.create_delivery_stream, DeliveryStreamName="s", ExtendedS3DestinationConfiguration=where)
    assert code == "InvalidArgumentException"
    assert word in message


def test_what_is_not_there(firehose: Any, bucket: str, role: str, refused: Any) -> None:
    """What Fogbank does not do is refused by name."""
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}"}
    conversion = {"DataFormatConversionConfiguration": {"Enabled": True}}
    call = firehose.create_delivery_stream
    code, message = refused(call, DeliveryStreamName="s", ExtendedS3DestinationConfiguration={**where, **conversion})
    assert code == "NotImplemented"
    assert "Glue" in message
    splunk = {"HECEndpoint": "https://x", "HECEndpointType": "Raw", "S3Configuration": where, "HECToken": "x"}
    code, message = refused(call, DeliveryStreamName="s", SplunkDestinationConfiguration=splunk)
    assert (code, "Splunk" in message) == ("NotImplemented", True)


def test_without_permission_it_waits(make: Any, put: Any, objects: Any, cloud: Any, allow: Any) -> None:
    """Where the role may not write, records are kept and tried again; with the permission they arrive."""
    allow("s3:GetObject")
    make()
    put(b"patient")
    cloud.advance(3600)
    assert objects() == {}
    allow("s3:PutObject")
    cloud.advance(300)
    assert list(objects().values()) == [b"patient"]


def test_after_a_day_it_is_gone(make: Any, put: Any, objects: Any, cloud: Any, allow: Any) -> None:
    """Records that could not be delivered for 24 hours are given up."""
    allow("s3:GetObject")
    make()
    put(b"lost")
    for _ in range(25):
        cloud.advance(3600)
    allow("s3:PutObject")
    cloud.advance(3600)
    assert objects() == {}


def test_encrypted_objects(make: Any, put: Any, cloud: Any, allow: Any, objects: Any) -> None:
    """Objects are under the KMS key of the destination, which the role has to be allowed to use."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    make(extended={"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}})
    put(b"x")
    cloud.advance(60)
    assert objects() == {}
    allow("s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt")
    cloud.advance(300)
    (name,) = objects()
    assert cloud.client("s3").head_object(Bucket="lake", Key=name)["SSEKMSKeyId"] == key


def test_backup(make: Any, put: Any, objects: Any, cloud: Any, role: str) -> None:
    """With S3BackupMode the records as they came go to a bucket of their own."""
    cloud.client("s3").create_bucket(Bucket="source")
    backup = {
        "RoleARN": role,
        "BucketARN": "arn:aws:s3:::source",
        "Prefix": "raw/",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 120},
    }
    delimiter = processing(processor("AppendDelimiterToRecord", Delimiter="\\n"))
    make(extended={"S3BackupMode": "Enabled", "S3BackupConfiguration": backup, **delimiter})
    put(b"a", b"b")
    cloud.advance(60)
    assert (list(objects().values()), objects("source")) == ([b"a\nb\n"], {})
    cloud.advance(60)
    ((key, content),) = objects("source").items()
    assert (key.startswith("raw/2"), content) == (True, b"ab")


def test_quota(firehose: Any, make: Any, refused: Any, cloud: Any) -> None:
    """A stream takes 5 MiB a second."""
    make(extended={"BufferingHints": {"SizeInMBs": 100, "IntervalInSeconds": 900}})
    records = [{"Data": bytes(1_000_000)}] * 4
    firehose.put_record_batch(DeliveryStreamName="stream", Records=records)
    assert refused(firehose.put_record_batch, DeliveryStreamName="stream", Records=records) == ("ServiceUnavailableException", "Slow down.")
    cloud.advance(1)
    firehose.put_record_batch(DeliveryStreamName="stream", Records=records)
    cloud.advance(1)
    many = [{"Data": bytes(900_000)}] * 5
    assert refused(firehose.put_record_batch, DeliveryStreamName="stream", Records=many)[0] == "InvalidArgumentException"


def test_quota_of_other_regions(cloud: Any, bucket: str, role: str, refused: Any) -> None:
    """In most regions a stream takes 1 MiB a second."""
    firehose = cloud.client("firehose", region="eu-central-1")
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}"}
    firehose.create_delivery_stream(DeliveryStreamName="stream", ExtendedS3DestinationConfiguration=where)
    cloud.settle()
    firehose.put_record(DeliveryStreamName="stream", Record={"Data": bytes(600_000)})
    assert refused(firehose.put_record, DeliveryStreamName="stream", Record={"Data": bytes(600_000)})[0] == "ServiceUnavailableException"


def test_many_records(firehose: Any, make: Any, cloud: Any, objects: Any) -> None:
    """A stream takes many small records a second, and objects are about as large as the buffer."""
    make()
    for n in range(20):
        firehose.put_record_batch(DeliveryStreamName="stream", Records=[{"Data": b"%04d %0194d\n" % (n, m)} for m in range(500)])
    firehose.put_record_batch(DeliveryStreamName="stream", Records=[{"Data": b"%0999d\n" % m} for m in range(500)])
    cloud.advance(1)
    firehose.put_record_batch(DeliveryStreamName="stream", Records=[{"Data": b"%08191d\n" % m} for m in range(500)])
    cloud.advance(61)
    sizes = sorted(map(len, objects().values()))
    assert sum(sizes) == 20 * 500 * 200 + 500 * 1000 + 500 * 8192
    assert all((1 << 20) <= size < (1 << 20) + 8192 for size in sizes[1:])


def test_a_key_that_is_taken_away(firehose: Any, make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """Records sealed under a key that may not be used wait, for 24 hours at most; the key back, they come."""
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    make(DeliveryStreamEncryptionConfigurationInput={"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key})
    put(b"a")
    kms.disable_key(KeyId=key)
    cloud.advance(20 * 3600)
    assert objects() == {}
    kms.enable_key(KeyId=key)
    cloud.advance(600)
    assert list(objects().values()) == [b"a"]
    put(b"b")
    kms.disable_key(KeyId=key)
    cloud.advance(25 * 3600)
    kms.enable_key(KeyId=key)
    cloud.advance(600)
    assert list(objects().values()) == [b"a"]
    assert not list(PARCELS.scan(cloud.inner.reader()))


def test_a_backup_says_what_fails_itself(cloud: Any, make: Any, put: Any, role: str) -> None:
    """A backup bucket's failures are told where the backup's own CloudWatchLoggingOptions say."""
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="backup")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["s3:PutObject", "logs:PutLogEvents"], "Resource": "*"}}
    cloud.client("iam").put_role_policy(RoleName="delivery", PolicyName="p", PolicyDocument=json.dumps(document))
    told = {"CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "g", "LogStreamName": "backup"}}
    hints = {"SizeInMBs": 1, "IntervalInSeconds": 60}
    backup = {"RoleARN": role, "BucketARN": "arn:aws:s3:::none", "BufferingHints": hints, **told}
    make(extended={"S3BackupMode": "Enabled", "S3BackupConfiguration": backup})
    put(b"x")
    cloud.advance(60)
    (event, *_) = logs.get_log_events(logGroupName="g", logStreamName="backup")["events"]
    said = json.loads(event["message"])
    assert (said["errorCode"], said["destination"]) == ("S3.NoSuchBucket", "arn:aws:s3:::none")


def _contents(folder: Path) -> Iterator[bytes]:
    """What lies in a folder. (A file may go meanwhile: the archiver ends after its cloud, and tidies up.)"""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            yield path.read_bytes() if path.is_file() else b""


def test_killed(tmp_path: Path) -> None:
    """What was put is delivered once after kill -9, records that were sealed too."""
    process = Process(tmp_path).start()
    try:
        iam, s3, firehose = (process.client(name) for name in ("iam", "s3", "firehose"))
        trust = {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"},
        }
        iam.create_role(RoleName="delivery", AssumeRolePolicyDocument=json.dumps(trust))
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
        iam.put_role_policy(RoleName="delivery", PolicyName="p", PolicyDocument=json.dumps(document))
        s3.create_bucket(Bucket="lake")
        hints = {"SizeInMBs": 1, "IntervalInSeconds": 900}
        where = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "BufferingHints": hints}
        firehose.create_delivery_stream(
            DeliveryStreamName="s",
            ExtendedS3DestinationConfiguration=where,
            DeliveryStreamEncryptionConfigurationInput={"KeyType": "AWS_OWNED_CMK"},
        )
        while firehose.describe_delivery_stream(DeliveryStreamName="s")["DeliveryStreamDescription"]["DeliveryStreamStatus"] != "ACTIVE":
            pass
        for n in range(10):
            assert firehose.put_record(DeliveryStreamName="s", Record={"Data": b"secret-%d " % n})["Encrypted"]
            if n % 3 == 0:
                process.kill()
                assert not any(b"secret-" in content for content in _contents(tmp_path))
                process.start()
        from fogbank.control import client as control

        control.ask(process.endpoint, "POST", "/clock", {"advance": "901s"})
        while not (keys := [one["Key"] for one in s3.list_objects_v2(Bucket="lake").get("Contents", [])]):
            pass
        assert [s3.get_object(Bucket="lake", Key=key)["Body"].read() for key in keys] == [b"".join(b"secret-%d " % n for n in range(10))]
    finally:
        process.stop()
