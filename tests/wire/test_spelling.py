"""How single things look on the wire: instants, patterns, headers, errors and answers."""

from __future__ import annotations

import re

import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest
from fogbank.wire import bindings, instants, patterns
from fogbank.wire.codec import codec


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (0, 0),
        (1.5, 1500),
        ("1700000000.123", 1_700_000_000_123),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
        ("2023-11-14", 1_699_920_000_000),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000_000),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_instants_are_read(text: object, ms: int) -> None:
    """Seconds, ISO 8601 and HTTP dates become milliseconds since the epoch."""
    assert instants.parse(text) == ms


@pytest.mark.parametrize("text", ["", "soon", "2023-13-01", "1e99", True, float("nan"), [], "Tue, 99 Nov 2023 22:13:20 GMT", "12:00", None])
def test_what_is_no_instant(text: object) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError):
        instants.parse(text)


def test_instants_are_written() -> None:
    """Milliseconds appear where there are some, or always where the dialect says so."""
    assert instants.epoch(1_700_000_000_000) == 1_700_000_000
    assert instants.epoch(1_700_000_000_123) == 1_700_000_000.123
    assert instants.iso8601(1_700_000_000_000) == "2023-11-14T22:13:20Z"
    assert instants.iso8601(-1) == "1969-12-31T23:59:59.999Z"
    assert instants.iso8601_milliseconds(0) == "1970-01-01T00:00:00.000Z"
    assert instants.http_date(1_700_000_000_999) == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("java", "good", "bad"),
    [
        (r"[\w+=,.@-]+", ["bob@x"], ["b b", "é", "bob\n", ""]),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["", "Größe 1", "漢字"], ["#", "a\tb"]),
        (r"^\P{C}*$", ["text é"], ["\x00"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\t", "\U0001f600"], ["\x01"]),
        (r"(?s).{1,3}", ["a\nb"], ["", "abcd"]),
        (r"^arn:.*", ["arn:x\ny"], ["x arn:"]),
        (r"[a-z\-\d]+", ["a-1"], ["A"]),
        (r"\A\S[\p{Print}]*\z", ["a b"], [" a"]),
        (r"(?<name>a)+", ["aa"], ["b"]),
    ],
)
def test_patterns(java: str, good: list[str], bad: list[str]) -> None:
    """Java's patterns match the whole value, with ASCII classes and Unicode properties."""
    translated = patterns.translate(java)
    assert translated is not None
    for value in good:
        assert re.search(translated, value), value
    for value in bad:
        assert not re.search(translated, value), value


def test_untranslatable_patterns_are_dropped() -> None:
    """A class intersection or a broken pattern checks nothing."""
    assert patterns.translate(r"[\p{Print}&&[^|:/]]+") is None
    assert patterns.translate(r"([") is None


def test_header_lists() -> None:
    """Items are separated by commas; an item with a comma is quoted."""
    assert bindings.split("a, b,c") == ["a", "b", "c"]
    assert bindings.split('"a,b", c, "d\\"e"') == ["a,b", "c", 'd"e']


def test_s3_errors() -> None:
    """S3's errors are one bare element, with what it knows besides; an answer to HEAD has no body."""
    error = ServiceException("NoSuchKey", "The specified key does not exist.", Key="a<b")
    response = codec("s3", "GetObject", "rest-xml").refuse(error, "ID")
    assert response.status == 404
    assert dict(response.headers)["x-amz-request-id"] == "ID"
    assert response.body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>'
        b"<Key>a&lt;b</Key><RequestId>ID</RequestId><HostId>"
    )
    assert codec("s3", "HeadObject", "rest-xml").refuse(error, "ID").body == b""


def test_query_errors_by_shape_or_code() -> None:
    """IAM's shape NoSuchEntityException is NoSuchEntity on the wire, with status 404; either name may be raised."""
    for name in ("NoSuchEntityException", "NoSuchEntity"):
        response = codec("iam", "GetUser", "query").refuse(ServiceException(name, "gone"), "ID")
        assert response.status == 404
        assert response.body == (
            b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
            b"<Code>NoSuchEntity</Code><Message>gone</Message></Error><RequestId>ID</RequestId></ErrorResponse>"
        )


def test_ec2_errors() -> None:
    """EC2 has a form of its own."""
    response = codec("ec2", "RunInstances", "ec2").refuse(ServiceException("InvalidAMIID.NotFound", "no image"), "ID")
    assert response.body.endswith(
        b"<Response><Errors><Error><Code>InvalidAMIID.NotFound</Code><Message>no image</Message></Error></Errors>"
        b"<RequestID>ID</RequestID></Response>"
    )


def test_absent_members_leave_no_trace() -> None:
    """A member that is None is not written: not in JSON, not deep inside, not in XML."""
    answer = {"ConsumedCapacity": {"TableName": "x", "Table": {"CapacityUnits": 1.0, "ReadCapacityUnits": None}}, "Item": None}
    encoded = codec("dynamodb", "GetItem", "json").encode(answer, "ID").body
    assert encoded == b'{"ConsumedCapacity":{"TableName":"x","Table":{"CapacityUnits":1.0}}}'
    listed = codec("s3", "ListBuckets", "rest-xml").encode({"Buckets": [{"Name": "b", "CreationDate": None}], "Owner": None}, "ID")
    assert b"<Buckets><Bucket><Name>b</Name></Bucket></Buckets>" in listed.body
    assert b"Owner" not in listed.body


def test_unknown_members_are_a_mistake_of_ours() -> None:
    """A strict codec refuses to write what the model does not have, or a value of the wrong type."""
    encode = codec("sqs", "CreateQueue", "json").encode
    with pytest.raises(TypeError, match="no member 'QueueURL'"):
        encode({"QueueURL": "u"}, "ID")
    with pytest.raises(TypeError, match="QueueUrl: int where the model has a string"):
        encode({"QueueUrl": 5}, "ID")


def test_streams_pass_through() -> None:
    """A streaming body is handed over as it is, in both directions."""
    body = object()
    decoded = codec("s3", "PutObject", "rest-xml").decode(HttpRequest("PUT", "/b/k", "", {}, body), {"Bucket": "b", "Key": "k"})
    assert decoded.Body is body
    assert codec("s3", "GetObject", "rest-xml").encode({"Body": body, "ContentLength": 3}, "ID").body is body


def test_the_location_of_a_bucket_is_bare_text() -> None:
    """GetBucketLocation's root is the location itself."""
    encode = codec("s3", "GetBucketLocation", "rest-xml").encode
    assert encode({"LocationConstraint": "eu-west-1"}, "ID").body.endswith(
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>'
    )


def test_sqs_speaks_its_old_names_in_query() -> None:
    """The query protocol has SQS's historic names for attributes, message attributes, tags and batch entries."""
    body = b"QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=k&Tag.1.Value=v"
    decoded = codec("sqs", "CreateQueue", "query").decode(HttpRequest("POST", "/", "", {}, body), None)
    assert (decoded.Attributes, decoded.tags) == ({"DelaySeconds": "5"}, {"k": "v"})
    message = {
        "MessageId": "m",
        "Body": "b",
        "Attributes": {"SenderId": "s"},
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}},
    }
    assert (
        b"<ReceiveMessageResult><Message><MessageId>m</MessageId><Body>b</Body><Attribute><Name>SenderId</Name><Value>s</Value></Attribute>"
        b"<MessageAttribute><Name>a</Name><Value><StringValue>x</StringValue><DataType>String</DataType></Value></MessageAttribute></Message>"
    ) in codec("sqs", "ReceiveMessage", "query").encode({"Messages": [message]}, "ID").body
