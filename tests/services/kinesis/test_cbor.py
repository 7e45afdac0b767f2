"""CBOR instead of JSON, as AWS's SDK for Java and so the Kinesis Client Library speak it, in raw requests."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import cbor2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fogbank.wire.eventstream import frames

CONTENT = "application/x-amz-cbor-1.1"


def ask(cloud: Any, operation: str, members: dict[str, Any]) -> http.client.HTTPResponse:
    """A signed call whose body is CBOR."""
    headers = {"Content-Type": CONTENT, "X-Amz-Target": f"Kinesis_20131202.{operation}"}
    request = AWSRequest("POST", cloud.endpoint + "/", headers, cbor2.dumps(members))
    SigV4Auth(Credentials("test", "test"), "kinesis", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=60)
    connection.request("POST", "/", request.body, dict(request.headers))
    return connection.getresponse()


def raw(content: bytes) -> Any:
    """A CBOR value with its instants as they are sent."""
    return cbor2.loads(content, semantic_decoders={1: lambda value, immutable: ("instant", value)})


def test_calls(cloud: Any, arn: str) -> None:
    """Requests, answers and errors are CBOR; instants are milliseconds."""
    answer = ask(cloud, "PutRecord", {"StreamName": "stream", "PartitionKey": "a", "Data": b"\x00bytes"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT)
    assert raw(answer.read())["ShardId"] == "shardId-000000000000"
    asked = {
        "StreamARN": arn,
        "ShardId": "shardId-000000000000",
        "ShardIteratorType": "AT_TIMESTAMP",
        "Timestamp": cbor2.CBORTag(1, cloud.now_ms),
    }
    iterator = raw(ask(cloud, "GetShardIterator", asked).read())["ShardIterator"]
    (record,) = raw(ask(cloud, "GetRecords", {"ShardIterator": iterator}).read())["Records"]
    assert record["Data"] == b"\x00bytes"
    assert record["ApproximateArrivalTimestamp"] == ("instant", cloud.now_ms)
    refused = ask(cloud, "DescribeStream", {"StreamName": "none"})
    assert (refused.status, refused.headers["Content-Type"]) == (400, CONTENT)
    said = raw(refused.read())
    assert (said["__type"], said["message"]) == ("ResourceNotFoundException", "Stream none under account 000000000000 not found.")


def test_subscription(cloud: Any, kinesis: Any, arn: str) -> None:
    """Events of a subscription are CBOR too."""
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    cloud.settle()
    kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"x")
    start = {"Type": "TRIM_HORIZON"}
    members = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": start}
    with ask(cloud, "SubscribeToShard", members) as answer:
        content = b""
        while b"SubscribeToShardEvent" not in content:
            content += answer.read1(65536)
    found = list(frames(content))
    assert [headers[":event-type"] for headers, _ in found] == ["initial-response", "SubscribeToShardEvent"]
    headers, payload = found[1]
    assert headers[":content-type"] == CONTENT
    assert raw(payload)["Records"][0]["Data"] == b"x"
