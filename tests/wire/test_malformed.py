"""Whatever arrives, the answer is AWS's own refusal: a ServiceException, never another exception."""

from __future__ import annotations

import contextlib
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest
from fogbank.wire import eventstream
from fogbank.wire.codec import codec
from fogbank.wire.identify import Unidentified, identify

LABELS = {"Bucket": "b", "Key": "k", "FunctionName": "f", "Id": "Z1"}


def request(body: bytes = b"", query: str = "", headers: dict[str, str] | None = None, method: str = "POST") -> HttpRequest:
    return HttpRequest(method, "/", query, headers or {}, body)


def refusal(service: str, operation: str, protocol: str, body: bytes = b"", **more: Any) -> ServiceException:
    """The refusal of a body; it also must be tellable in the protocol."""
    the = codec(service, operation, protocol)
    with pytest.raises(ServiceException) as caught:
        the.decode(request(body, **more), LABELS)
    response = the.refuse(caught.value, "id")
    assert 400 <= response.status < 500
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"nothing",
        b'"text"',
        b"5",
        b"null",
        b"\xff\xfe",
        b'{"TableName":"\xff"}',
        b'{"TableName":"\\ud800"}',
        b'{"a":' * 5000,
        b"[" * 100_000,
        b"{}x",
    ],
)
def test_broken_json(body: bytes) -> None:
    """JSON that is broken, or no object, is a SerializationException with status 400."""
    assert refusal("dynamodb", "PutItem", "json", body).code == "SerializationException" or body == b"{}x"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"TableName":5,"Item":{}}', "NUMBER_VALUE can not be converted to String"),
        (b'{"TableName":true,"Item":{}}', "TRUE_VALUE can not be converted to String"),
        (b'{"TableName":1.5,"Item":{}}', "DECIMAL_VALUE can not be converted to String"),
        (b'{"TableName":[],"Item":{}}', "Start of list found where not expected"),
        (b'{"TableName":{},"Item":{}}', "Start of structure or map found where not expected."),
        (b'{"TableName":"t","Item":[]}', "Start of list found where not expected"),
        (b'{"TableName":"t","Item":"x"}', "Unexpected token received from parser"),
        (b'{"TableName":"t","Item":{},"Expected":{"a":{"AttributeValueList":"x"}}}', "Unexpected field type"),
        (b'{"TableName":"t","Item":{},"Expected":{"a":{"Exists":"yes"}}}', "STRING_VALUE can not be converted to Boolean"),
    ],
)
def test_wrong_types_in_json(body: bytes, message: str) -> None:
    """A value of the wrong type is a SerializationException that names the types."""
    problem = refusal("dynamodb", "PutItem", "json", body)
    assert (problem.code, problem.message) == ("SerializationException", message)


@pytest.mark.parametrize("number", [b"99999999999", b"1e400", b"-99999999999999999999999999", b"1.5", b'"5"'])
def test_numbers_out_of_range(number: bytes) -> None:
    """An integer member takes 32 bits, whole numbers only, and no text."""
    assert (
        refusal("sqs", "SendMessage", "json", b'{"QueueUrl":"u","MessageBody":"b","DelaySeconds":' + number + b"}").code
        == "SerializationException"
    )


def test_whole_decimals_are_integers() -> None:
    """A number like 5.0 is a whole number however it is written."""
    decoded = codec("sqs", "SendMessage", "json").decode(request(b'{"QueueUrl":"u","MessageBody":"b","DelaySeconds":5.0}'), None)
    assert decoded.DelaySeconds == 5


@pytest.mark.parametrize("text", ["a", "aGk", "!!!!", "aGk=\u00e9"])
def test_invalid_base64(text: str) -> None:
    """A blob that is no Base64 is a SerializationException."""
    body = f'{{"KeyId":"k","Plaintext":"{text}"}}'.encode()
    assert refusal("kms", "Encrypt", "json", body).code == "SerializationException"


def test_all_violations_at_once() -> None:
    """Violated constraints are told together, with the value, the place and the constraint."""
    problem = refusal("dynamodb", "PutItem", "json", b'{"TableName":"","ReturnValues":"SOME"}')
    assert problem.code == "ValidationException"
    assert problem.message == (
        "3 validation errors detected: "
        "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1; "
        "Value null at 'item' failed to satisfy constraint: Member must not be null; "
        "Value 'SOME' at 'returnValues' failed to satisfy constraint: "
        "Member must satisfy enum value set: [NONE, ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATED_NEW]"
    )


def test_places_in_lists() -> None:
    """A place inside a list counts from one."""
    body = b"Action=TagUser&UserName=bob&Tags.member.1.Key=" + b"k" * 129 + b"&Tags.member.1.Value=v"
    problem = refusal("iam", "TagUser", "query", body)
    assert problem.code == "ValidationError"
    assert problem.message == (
        f"1 validation error detected: Value '{'k' * 129}' at 'tags.1.member.key' failed to satisfy constraint: "
        "Member must have length less than or equal to 128"
    )


def test_ranges_and_patterns() -> None:
    """Ranges and patterns have their sentences; IAM has its own for names."""
    assert refusal("iam", "ListUsers", "query", b"MaxItems=0").message.endswith(
        "Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )
    assert refusal("iam", "GetUser", "query", b"UserName=a%20b").message == (
        "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
    )
    assert (
        refusal("lambda", "GetFunction", "rest-json", query="Qualifier=%21").message.endswith(
            "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)"
        )
        or refusal("lambda", "GetFunction", "rest-json", query="Qualifier=%21").code == "ValidationException"
    )


def test_a_pattern_matches_the_whole_value() -> None:
    """A good beginning is not enough, nor a trailing line break."""
    assert refusal("iam", "GetUser", "query", b"UserName=bob%0A").code == "ValidationError"


def test_sensitive_values_are_not_repeated() -> None:
    """The sentence about a secret leaves the secret out."""
    problem = refusal("iam", "CreateLoginProfile", "query", b"UserName=bob&Password=" + b"x" * 200)
    assert "xxx" not in problem.message
    assert "Value at 'password' failed" in problem.message


def test_missing_members_by_service() -> None:
    """SQS names the missing parameter, others say that the member must not be null."""
    assert refusal("sqs", "SendMessage", "json", b"{}").message == "The request must contain the parameter QueueUrl."
    assert refusal("sqs", "SendMessage", "query", b"QueueUrl=u").code == "MissingParameter"
    assert refusal("iam", "CreateUser", "query", b"").message == (
        "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"
    )
    assert refusal("ec2", "RunInstances", "ec2", b"").code == "MissingParameter"


@pytest.mark.parametrize(
    "body",
    [
        b"Tags.member.x.Key=a&UserName=u",
        b"Tags.member=a&UserName=u",
        b"UserName.a=b",
        b"\xff=\xff",
        b"MaxItems=abc",
        b"a." * 5000 + b"=1",
        b"Tags.member.1=x&UserName=u",
    ],
)
def test_broken_forms(body: bytes) -> None:
    """Forms whose names make no tree, or whose values are of a wrong type, are refused."""
    operation = "ListUsers" if b"MaxItems" in body else "CreateUser"
    assert refusal("iam", operation, "query", body).code in ("MalformedInput", "ValidationError")


@pytest.mark.parametrize(
    "body",
    [
        b"<Tagging>",
        b"<Tagging/>",
        b"<Other/>",
        b"text",
        b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key><b/></Key><Value>v</Value></Tag></TagSet></Tagging>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><Tagging><TagSet/></Tagging>',
        b"<Tagging>\xff</Tagging>",
        b"<Tagging>&#0;</Tagging>",
        b"<a>" * 20_000,
        '<?xml version="1.0" encoding="UTF-16"?><Tagging/>'.encode("utf-16"),
    ],
)
def test_broken_xml(body: bytes) -> None:
    """S3 has one sentence for XML that is broken or not what it should be."""
    problem = refusal("s3", "PutBucketTagging", "rest-xml", body)
    assert problem.code == "MalformedXML"
    assert problem.message == "The XML you provided was not well-formed or did not validate against our published schema"


def test_s3_arguments() -> None:
    """A parameter of the wrong type is an InvalidArgument, a missing body a MissingRequestBodyError."""
    assert refusal("s3", "ListObjectsV2", "rest-xml", query="max-keys=many").code == "InvalidArgument"
    assert refusal("s3", "PutBucketTagging", "rest-xml").code == "MissingRequestBodyError"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\xa1",
        b"\x80",
        b"\x9f" * 3000,
        b"\xa1\x61a",
        cbor2.dumps([1]),
        cbor2.dumps({"Namespace": 5}),
        cbor2.dumps({1: 2}),
        b"\xbf" * 100_000,
        b"\x5b\x7f" + b"\xff" * 7,
    ],
)
def test_broken_cbor(body: bytes) -> None:
    """CBOR that is broken, or of wrong types, is a SerializationException or lacks what is required."""
    problem = refusal("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", body)
    assert problem.code in ("SerializationException", "ValidationException")


def test_query_errors_on_every_protocol() -> None:
    """A query-compatible service says the query protocol's code in a header, in the other protocols."""
    response = codec("sqs", "SendMessage", "json").refuse(ServiceException("QueueDoesNotExist", "no"), "id")
    assert dict(response.headers)["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert response.body == b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}'
    response = codec("sqs", "SendMessage", "query").refuse(ServiceException("QueueDoesNotExist", "no"), "id")
    assert b"<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in response.body


def test_events() -> None:
    """Event stream frames: whole ones read back, damaged ones are refused."""
    data = eventstream.frame({":event-type": "a", "n": 5, "yes": True, "raw": b"x", "at": eventstream.Instant(7)}, b"payload")
    assert list(eventstream.frames(data)) == [({":event-type": "a", "n": 5, "yes": True, "raw": b"x", "at": 7}, b"payload")]
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(eventstream.Malformed):
            list(eventstream.frames(damaged))


def test_unknown_operations() -> None:
    """What names no operation is refused in the protocol's own way."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    cases = [
        (request(headers={"x-amz-target": "DynamoDB_20120810.Fly"}), "dynamodb", "UnknownOperationException", 400),
        (request(headers={"x-amz-target": "Nobody.Fly"}), None, "UnknownOperationException", 400),
        (request(b"Action=Fly&Version=2010-05-08", headers=form), "iam", "InvalidAction", 400),
        (request(headers={}), "iam", "MissingAction", 400),
        (HttpRequest("GET", "/fly", "", {}), "lambda", "UnknownOperationException", 404),
        (HttpRequest("PATCH", "/bucket/key", "", {}), "s3", "MethodNotAllowed", 405),
        (
            HttpRequest("POST", "/service/Nobody/operation/Fly", "", {"smithy-protocol": "rpc-v2-cbor"}),
            None,
            "UnknownOperationException",
            404,
        ),
    ]
    for asked, signing_name, code, status in cases:
        with pytest.raises(Unidentified) as caught:
            identify(asked, signing_name)
        assert caught.value.code == code
        assert caught.value.response("id").status == status


_FUZZED = [
    ("dynamodb", "PutItem", "json", b'{"TableName":"t","Item":{"a":{"S":"b"}}}'),
    ("kinesis", "PutRecord", "json", b'{"StreamName":"s","Data":"aGk=","PartitionKey":"k"}'),
    ("iam", "CreateUser", "query", b"Action=CreateUser&UserName=bob&Tags.member.1.Key=a&Tags.member.1.Value=b"),
    ("sqs", "SendMessageBatch", "query", b"QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=b"),
    ("ec2", "RunInstances", "ec2", b"ImageId=a&MinCount=1&MaxCount=1&TagSpecification.1.Tag.1.Key=k"),
    ("s3", "PutBucketTagging", "rest-xml", b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
    (
        "s3",
        "PutBucketAcl",
        "rest-xml",
        b'<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"/>'
        b"</Grant></AccessControlList></AccessControlPolicy>",
    ),
    (
        "route53",
        "ChangeResourceRecordSets",
        "rest-xml",
        b"<ChangeResourceRecordSetsRequest><ChangeBatch><Changes/></ChangeBatch></ChangeResourceRecordSetsRequest>",
    ),
    ("lambda", "CreateFunction", "rest-json", b'{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{}}'),
    (
        "cloudwatch",
        "PutMetricData",
        "smithy-rpc-v2-cbor",
        cbor2.dumps({"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}),
    ),
    (
        "polly",
        "StartSpeechSynthesisStream",
        "rest-json",
        eventstream.frame({":event-type": "TextEvent", ":message-type": "event"}, b'{"Text":"hi"}'),
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "protocol", "sample"), _FUZZED, ids=[f"{each[0]}-{each[1]}-{each[2]}" for each in _FUZZED]
)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes(service: str, operation: str, protocol: str, sample: bytes, data: st.DataObject) -> None:
    """Any bytes, and any damage to good ones, decode or are refused."""
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    body = data.draw(st.one_of(st.binary(max_size=60), st.binary(max_size=12).map(lambda piece: sample[:start] + piece + sample[end:])))
    query = data.draw(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20))
    with contextlib.suppress(ServiceException):
        codec(service, operation, protocol).decode(request(body, query), LABELS)


@settings(max_examples=300)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "?"]),
    path=st.text(st.characters(codec="ascii"), max_size=30).map(lambda text: "/" + text),
    query=st.text(st.characters(codec="latin-1"), max_size=30),
    target=st.one_of(st.none(), st.text(max_size=20)),
    body=st.binary(max_size=30),
    signing_name=st.sampled_from([None, "s3", "lambda", "iam", "sqs", "monitoring", "nobody"]),
)
def test_any_request(method: str, path: str, query: str, target: str | None, body: bytes, signing_name: str | None) -> None:
    """Any request is identified, or refused as unidentified."""
    headers = {"content-type": "application/x-www-form-urlencoded"} | ({"x-amz-target": target} if target is not None else {})
    asked = HttpRequest(method, path, query, headers, body)
    try:
        call = identify(asked, signing_name)
    except Unidentified as caught:
        problem: Unidentified | None = caught
    else:
        problem = None
        assert codec(call.service, call.operation, call.protocol)
    assert problem is None or problem.response("id").status >= 400
