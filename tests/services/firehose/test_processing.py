"""Records on their way: taken apart, partitioned, ended."""

from __future__ import annotations

import base64
import gzip
import json
import re
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.services.firehose import prefixes
from fogbank.services.firehose import processing as steps

from .conftest import processing, processor

PARTITIONED = {
    "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
    "DynamicPartitioningConfiguration": {"Enabled": True},
    "Prefix": "user=!{partitionKeyFromQuery:user}/kind=!{partitionKeyFromQuery:kind}/",
    "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
}
EXTRACTION = processor("MetadataExtraction", MetadataExtractionQuery="{user: .user.id, kind: .kind}", JsonParsingEngine="JQ-1.6")


def test_dynamic_partitioning(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """Each set of keys that the query finds is an object of its own; where it finds none, the record is an error."""
    make(extended={**PARTITIONED, **processing(EXTRACTION, processor("AppendDelimiterToRecord", Delimiter="\\n"))})
    records = [{"user": {"id": n % 2}, "kind": "k"} for n in range(4)]
    put(*[json.dumps(record).encode() for record in records], b'{"kind": "k"}', b"no json")
    cloud.advance(60)
    found = {key.rpartition("/")[0]: content for key, content in objects().items()}
    assert sorted(found) == ["failed/processing-failed", "user=0/kind=k", "user=1/kind=k"]
    assert [json.loads(line) for line in found["user=1/kind=k"].splitlines()] == [records[1], records[3]]
    errors = [json.loads(line) for line in found["failed/processing-failed"].splitlines()]
    assert [base64.b64decode(error["rawData"]) for error in errors] == [b'{"kind": "k"}', b"no json"]
    assert {error["errorCode"] for error in errors} == {"DynamicPartitioning.MetadataExtractionFailed"}
    assert errors[0]["arrivalTimestamp"] == cloud.now_ms - 60_000


@pytest.mark.parametrize(
    ("parameters", "record"),
    [
        ({"SubRecordType": "JSON"}, b'{"user":{"id":"a"},"kind":"x"} {"user":{"id":"b"},"kind":"x"}'),
        ({"SubRecordType": "JSON"}, b'[{"user":{"id":"a"},"kind":"x"},{"user":{"id":"b"},"kind":"x"}]'),
        (
            {"SubRecordType": "DELIMITED", "Delimiter": base64.b64encode(b"####").decode()},
            b'{"user":{"id":"a"},"kind":"x"}####{"user":{"id":"b"},"kind":"x"}',
        ),
    ],
)
def test_deaggregation(make: Any, put: Any, objects: Any, cloud: Any, parameters: dict[str, str], record: bytes) -> None:
    """Several documents in one record are partitioned by themselves."""
    make(extended={**PARTITIONED, **processing(processor("RecordDeAggregation", **parameters), EXTRACTION)})
    put(record)
    cloud.advance(60)
    assert sorted(key.rpartition("/")[0] for key in objects()) == ["user=a/kind=x", "user=b/kind=x"]
    assert {json.dumps(json.loads(content)["user"]) for content in objects().values()} == {'{"id": "a"}', '{"id": "b"}'}


def test_a_partition_is_given_up(make: Any, put: Any, objects: Any, cloud: Any, allow: Any) -> None:
    """What cannot be delivered to a partition's prefix goes to the error output after RetryOptions' duration."""
    for_a_while = {"DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 100}}}
    make(extended={**PARTITIONED, **for_a_while, **processing(EXTRACTION)})
    allow("s3:PutObject", resource="arn:aws:s3:::lake/failed/*")
    put(b'{"user": {"id": 1}, "kind": "k"}')
    for seconds in (60, 90, 11):
        cloud.advance(seconds)
        assert objects() == {}
    cloud.advance(60)
    ((key, content),) = objects().items()
    assert key.startswith("failed/processing-failed/")
    assert json.loads(content)["errorCode"] == "S3.AccessDenied"


def test_partitioning_needs_keys(firehose: Any, bucket: str, role: str, refused: Any) -> None:
    """Prefix and query must speak of the same keys, and the buffer be large."""
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}", **PARTITIONED, **processing(EXTRACTION)}
    call = firehose.create_delivery_stream

    def says(**changed: Any) -> str:
        code, message = refused(call, DeliveryStreamName="s", ExtendedS3DestinationConfiguration={**where, **changed})
        assert code == "InvalidArgumentException"
        return str(message)

    assert "64" in says(BufferingHints={"SizeInMBs": 5, "IntervalInSeconds": 60})
    assert "kind" in says(Prefix="!{partitionKeyFromQuery:user}/")
    assert "other" in says(Prefix=f"{PARTITIONED['Prefix']}!{{partitionKeyFromQuery:other}}/")
    assert "namespaces" in says(Prefix="plain/")
    bad = processor("MetadataExtraction", MetadataExtractionQuery="{user: ", JsonParsingEngine="JQ-1.6")
    assert "Invalid MetadataExtractionQuery" in says(**processing(bad))


def test_logs_of_cloudwatch(make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """What a subscription of CloudWatch Logs sends is decompressed, and its messages taken out."""
    chain = processing(
        processor("Decompression", CompressionFormat="GZIP"), processor("CloudWatchLogProcessing", DataMessageExtraction="true")
    )
    make(extended=chain)
    event = {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1, "message": text} for text in ("one", "two")]}
    put(gzip.compress(json.dumps(event).encode()), b"not compressed")
    cloud.advance(60)
    found = {"processing-failed" in key: content for key, content in objects().items()}
    assert found[False] == b"one\ntwo\n"
    assert json.loads(found[True])["errorCode"] == "Decompression.Failed"


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def test_records_of_the_producer_library() -> None:
    """What KPL has packed into one record comes apart; anything else is left alone."""
    inner = [b"\x08" + _varint(index) + _field(3, data) for index, data in ((0, b"a" * 300), (1, b"b"))]
    message = _field(1, b"key0") + _field(1, b"key1") + b"".join(_field(3, one) for one in inner)
    packed = b"\xf3\x89\x9a\xc2" + message + md5(message).digest()
    assert steps.unpacked(packed) == [("key0", b"a" * 300), ("key1", b"b")]
    assert steps.unpacked(packed[:-1] + b"x") == []
    assert steps.unpacked(b"anything") == []


def test_patterns_of_time() -> None:
    """Timestamps follow Java's DateTimeFormatter."""
    at = datetime(2026, 3, 7, 14, 5, 9, 123_000, UTC)
    shown = {
        "yyyy/MM/dd/HH": "2026/03/07/14",
        "yy-M-d H:m:s.SSS": "26-3-7 14:5:9.123",
        "EEE dd MMM yyyy, EEEE MMMM": "Sat 07 Mar 2026, Saturday March",
        "hh 'o''clock' a": "02 o'clock PM",
        "DDD 'Q'Q": "066 Q1",
        "yyyy-MM-dd'T'HH:mm:ssXXX": "2026-03-07T14:05:09Z",
        "HH:mm Z": "14:05 +0000",
        "'year='yyyy": "year=2026",
    }
    assert {pattern: prefixes.formatted(pattern, at) for pattern in shown} == shown
    with pytest.raises(ServiceException):
        prefixes.formatted("bbb", at)


def test_prefix_of_failures() -> None:
    """Without expressions, the type of error and the hour are added to the prefix."""
    at = int(datetime(2026, 3, 7, 14, tzinfo=UTC).timestamp() * 1000)
    text = lambda count, alphabet: "r" * count  # noqa: E731
    assert prefixes.evaluated("p/", at, "", text) == "p/2026/03/07/14/"
    assert prefixes.evaluated("p/", at, "", text, {}, "processing-failed") == "p/processing-failed/2026/03/07/14/"
    assert re.fullmatch("r{11}/x", prefixes.evaluated("!{firehose:random-string}/x", at, "", text))
