"""Messages of standard queues: sent, received, hidden, deleted, expired."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from typing import Any

import pytest


def attributes_md5(attributes: dict[str, tuple[str, str | bytes]]) -> str:
    """The documented digest, worked out here once more."""
    out = b""
    for name in sorted(attributes):
        kind, value = attributes[name]
        raw = value.encode() if isinstance(value, str) else value
        out += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(kind)) + kind.encode()
        out += (b"\x01" if isinstance(value, str) else b"\x02") + struct.pack(">I", len(raw)) + raw
    return hashlib.md5(out).hexdigest()


def test_a_message_goes_through(cloud: Any, sqs: Any, url: str) -> None:
    """Body, MD5s, id and system attributes arrive as they were sent."""
    given = {
        "text": {"DataType": "String", "StringValue": "grün"},
        "number": {"DataType": "Number.int", "StringValue": "-1.5e3"},
        "raw": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="hällo\n", MessageAttributes=given)
    md5 = attributes_md5({"text": ("String", "grün"), "number": ("Number.int", "-1.5e3"), "raw": ("Binary.png", b"\x00\xff")})
    assert sent["MD5OfMessageBody"] == hashlib.md5("hällo\n".encode()).hexdigest()
    assert sent["MD5OfMessageAttributes"] == md5
    assert "SequenceNumber" not in sent
    [got] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"]
    assert got["MessageId"] == sent["MessageId"]
    assert got["Body"] == "hällo\n"
    assert got["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert got["MessageAttributes"] == given
    assert got["MD5OfMessageAttributes"] == md5
    assert got["Attributes"] == {
        "SenderId": "000000000000",
        "SentTimestamp": str(cloud.now_ms),
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": str(cloud.now_ms),
    }


def test_only_what_is_asked_for_comes_with_a_message(sqs: Any, url: str, refused: Any) -> None:
    """Attribute names select by name, `prefix.*`, `.*` and All; the MD5 is that of the selection."""
    given = {name: {"DataType": "String", "StringValue": name} for name in ("bar.a", "bar.b", "foo")}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)
    cases: list[tuple[list[str], list[str]]] = [
        ([], []),
        (["foo"], ["foo"]),
        (["bar.*"], ["bar.a", "bar.b"]),
        ([".*"], ["bar.a", "bar.b", "foo"]),
        (["All"], ["bar.a", "bar.b", "foo"]),
        (["none"], []),
    ]
    for names, expected in cases:
        [got] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MessageAttributeNames=names)["Messages"]
        assert sorted(got.get("MessageAttributes", {})) == expected
        assert got.get("MD5OfMessageAttributes") == (attributes_md5({n: ("String", n) for n in expected}) if expected else None)
        assert "Attributes" not in got
    [got] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, AttributeNames=["SentTimestamp"])["Messages"]
    assert list(got["Attributes"]) == ["SentTimestamp"]
    assert refused(sqs.receive_message, QueueUrl=url, AttributeNames=["Nope"])[0] == "InvalidAttributeName"


def test_a_received_message_is_hidden_and_comes_back(cloud: Any, sqs: Any, url: str, receive: Any, counts: Any) -> None:
    """Nobody else gets a message until its visibility timeout is over; then it comes with another handle."""
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert counts(url) == (1, 0, 0)
    [first] = receive(url)
    assert counts(url) == (0, 1, 0)
    cloud.advance(29.999)
    assert receive(url) == []
    cloud.advance(0.001)
    [second] = receive(url, VisibilityTimeout=5)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["Attributes"]["ApproximateFirstReceiveTimestamp"] == first["Attributes"]["ApproximateFirstReceiveTimestamp"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    cloud.advance(5)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert receive(url) == []
    assert counts(url) == (0, 0, 0)


def test_deleting_twice_is_no_error(sqs: Any, url: str, receive: Any) -> None:
    """DeleteMessage of a message that is gone succeeds."""
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [got] = receive(url)
    for _ in range(2):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])


def test_handles_are_of_their_queue(sqs: Any, url: str, receive: Any, refused: Any) -> None:
    """What is no handle, or another queue's, is ReceiptHandleIsInvalid."""
    other = sqs.create_queue(QueueName="other")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [got] = receive(url)
    handle = got["ReceiptHandle"]
    assert refused(sqs.delete_message, QueueUrl=other, ReceiptHandle=handle) == (
        "ReceiptHandleIsInvalid",
        f'The receipt handle "{handle}" is not valid for this queue.',
    )
    for bad in ("fake", handle[:-4] + "AAAA", "A" + handle[1:].lower()):
        assert refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=bad) == (
            "ReceiptHandleIsInvalid",
            f'The input receipt handle "{bad}" is not a valid receipt handle.',
        )
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


def test_visibility_can_be_changed_while_a_message_is_in_flight(cloud: Any, sqs: Any, url: str, receive: Any, refused: Any) -> None:
    """The new timeout counts from the call; 0 gives the message back; in all it may be hidden for 12 hours."""
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [got] = receive(url)
    handle = got["ReceiptHandle"]
    cloud.advance(20)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=20)
    cloud.advance(19.999)
    assert receive(url) == []
    assert refused(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_200) == (
        "InvalidParameterValue",
        "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit"
        " [43200 seconds]",
    )
    for bad in (-1, 43_201):
        code, _ = refused(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=bad)
        assert code == "InvalidParameterValue"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    code, message = refused(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=10)
    assert code == "InvalidParameterValue"
    assert message.endswith("Reason: Message does not exist or is not available for visibility timeout change.")
    assert len(receive(url)) == 1


def test_a_delayed_message_comes_later(cloud: Any, sqs: Any, url: str, receive: Any, counts: Any, refused: Any) -> None:
    """DelaySeconds of the message, else of the queue; changing the queue's does not touch what was sent."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "10"})
    sqs.send_message(QueueUrl=url, MessageBody="queue's")
    sqs.send_message(QueueUrl=url, MessageBody="own", DelaySeconds=0)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0"})
    assert counts(url) == (1, 0, 1)
    assert [m["Body"] for m in receive(url)] == ["own"]
    cloud.advance(10)
    assert [m["Body"] for m in receive(url)] == ["queue's"]
    for bad in (-1, 901):
        assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=bad) == (
            "InvalidParameterValue",
            f"Value {bad} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        )


def test_messages_expire_by_the_clock(cloud: Any, sqs: Any, url: str, receive: Any, counts: Any) -> None:
    """After the retention period a message is neither counted nor given, wherever it is; a shorter period counts at once."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "120"})
    sqs.send_message(QueueUrl=url, MessageBody="a")
    receive(url, VisibilityTimeout=600)
    cloud.advance(60)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    cloud.advance(59.999)
    assert counts(url) == (1, 1, 0)
    cloud.advance(0.001)
    assert counts(url) == (1, 0, 0)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert counts(url) == (0, 0, 0)
    assert receive(url) == []


def test_expired_messages_are_swept_without_being_asked_for(cloud: Any, sqs: Any, url: str) -> None:
    """The store does not keep them."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 50_000)
    cloud.advance(60)
    from fogbank.services.sqs.state import HIDDEN, MESSAGES, TALLIES

    def left() -> list[int]:
        tx = cloud.inner.begin()
        return [
            len(list(MESSAGES.scan(tx))),
            len(list(HIDDEN.scan(tx))),
            sum(t.messages for t in TALLIES.scan(tx)),
        ]

    assert cloud.house.on_loop(left) == [0, 0, 0]


@pytest.mark.parametrize("size", [1, 4096, 4097, 40_000, 1_048_576])
def test_bodies_of_all_sizes_arrive(sqs: Any, url: str, receive: Any, size: int) -> None:
    """Up to 1 MiB, whether kept in the record, in a row or in a file."""
    body = "x" * size
    sqs.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(2):
        [got] = receive(url, VisibilityTimeout=0)
        assert got["Body"] == body
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])


def test_a_message_has_a_maximum_size(sqs: Any, url: str, refused: Any) -> None:
    """Body and attributes (names, types, values) together, counted in bytes."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})
    error = ("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="ü" * 513) == error
    sqs.send_message(QueueUrl=url, MessageBody="ü" * 512)
    one = {"n": {"DataType": "String", "StringValue": "v"}}
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 1017, MessageAttributes=one) == error
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1016, MessageAttributes=one)


@pytest.mark.parametrize("bad", ["\x00", "a\x0b", "\ufffe", "\x1f"])
def test_characters_that_xml_has_not_are_refused(sqs: Any, url: str, refused: Any, bad: str) -> None:
    """InvalidMessageContents."""
    assert refused(sqs.send_message, QueueUrl=url, MessageBody=bad)[0] == "InvalidMessageContents"


def test_an_empty_body_is_missing(sqs: Any, url: str, refused: Any) -> None:
    """A message has at least one character."""
    error = ("MissingParameter", "The request must contain the parameter MessageBody.")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="") == error


def string(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


@pytest.mark.parametrize(
    "attributes",
    [
        {"AWS.x": string("v")},
        {"amazon.x": string("v")},
        {".x": string("v")},
        {"x.": string("v")},
        {"x..y": string("v")},
        {"x y": string("v")},
        {"x" * 257: string("v")},
        {"x": string("v", "Text")},
        {"x": string("v", "")},
        {"x": string("", "String")},
        {"x": string("v", "Number")},
        {"x": string("1" * 39, "Number")},
        {"x": string("1e127", "Number")},
        {"x": string("NaN", "Number")},
        {"x": string("v", "Binary")},
        {"x": {"DataType": "String", "BinaryValue": b"v"}},
        {"x": {"DataType": "Binary", "BinaryValue": b""}},
        {f"x{i}": string("v") for i in range(11)},
    ],
)
def test_bad_message_attributes_are_refused(sqs: Any, url: str, refused: Any, counts: Any, attributes: Any) -> None:
    """Names, types, values and number of message attributes follow the documented rules."""
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageAttributes=attributes)[0] == "InvalidParameterValue"
    assert counts(url) == (0, 0, 0)


def test_good_message_attributes_are_taken(sqs: Any, url: str) -> None:
    """Ten of them, the largest numbers, custom types, all characters of a name."""
    attributes = {f"x{i}": string("v") for i in range(7)}
    attributes["a-Z_0.b"] = string("v", "String.my.own-type")
    attributes["big"] = string("-1e128", "Number")
    attributes["small"] = string("0." + "1" * 38, "Number")
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)


def test_the_trace_header_travels_with_the_message(sqs: Any, url: str, refused: Any, receive: Any) -> None:
    """AWSTraceHeader is the one system attribute that can be sent."""
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageSystemAttributes={"AWSTraceHeader": string(header)})
    assert sent["MD5OfMessageSystemAttributes"] == attributes_md5({"AWSTraceHeader": ("String", header)})
    [got] = receive(url)
    assert got["Attributes"]["AWSTraceHeader"] == header
    for bad in ({"Other": string("v")}, {"AWSTraceHeader": string("v")}, {"AWSTraceHeader": string(header, "Number")}):
        code, _ = refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageSystemAttributes=bad)
        assert code == "InvalidParameterValue"


def test_a_standard_queue_takes_a_group_but_no_deduplication_id(sqs: Any, url: str, receive: Any, refused: Any) -> None:
    """Fair queues: MessageGroupId names the tenant and comes back; groups do not block."""
    for body in ("a", "b"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="tenant")
    first, second = receive(url, 1) + receive(url, 1)
    assert (first["Body"], second["Body"]) == ("a", "b")
    assert first["Attributes"]["MessageGroupId"] == "tenant"
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")[0] == "InvalidParameterValue"
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="a b")[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("MaxNumberOfMessages", 0),
        ("MaxNumberOfMessages", 11),
        ("WaitTimeSeconds", -1),
        ("WaitTimeSeconds", 21),
        ("VisibilityTimeout", -1),
        ("VisibilityTimeout", 43_201),
    ],
)
def test_receiving_has_ranges(sqs: Any, url: str, refused: Any, name: str, bad: int) -> None:
    """InvalidParameterValue outside of them."""
    code, message = refused(sqs.receive_message, QueueUrl=url, **{name: bad})
    assert code == "InvalidParameterValue"
    assert message.startswith(f"Value {bad} for parameter {name} is invalid. Reason: Must be ")


def in_thread(act: Any) -> tuple[threading.Thread, list[Any]]:
    out: list[Any] = []
    thread = threading.Thread(target=lambda: out.append(act()))
    thread.start()
    return thread, out


def parked(cloud: Any) -> None:
    """Returns once a call waits."""
    end = time.monotonic() + 60
    while not cloud.house.on_loop(lambda: bool(cloud.inner._timed)):
        assert time.monotonic() < end


def test_a_long_poll_wakes_at_once(cloud: Any, sqs: Any, url: str) -> None:
    """A waiting ReceiveMessage gets a message that is sent, though the clock stands still."""
    thread, out = in_thread(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    parked(cloud)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    thread.join(60)
    assert out[0]["Messages"][0]["Body"] == "x"


def test_a_long_poll_ends_empty(cloud: Any, sqs: Any, url: str) -> None:
    """After WaitTimeSeconds, or the queue's ReceiveMessageWaitTimeSeconds, without a message."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "5"})
    thread, out = in_thread(lambda: sqs.receive_message(QueueUrl=url))
    parked(cloud)
    cloud.advance(4.999)
    assert not out
    cloud.advance(0.001)
    thread.join(60)
    assert "Messages" not in out[0]


def test_a_long_poll_gets_what_becomes_visible(cloud: Any, sqs: Any, url: str, receive: Any) -> None:
    """A message whose visibility timeout ends during the wait is given then."""
    sqs.send_message(QueueUrl=url, MessageBody="x")
    receive(url, VisibilityTimeout=3)
    thread, out = in_thread(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    parked(cloud)
    cloud.advance(3)
    thread.join(60)
    assert out[0]["Messages"][0]["Body"] == "x"


def test_a_long_poll_gets_what_follows_in_its_group(cloud: Any, sqs: Any, fifo_url: str, receive: Any) -> None:
    """When the message in flight is deleted, a waiting receive gets the next of the group."""
    for body in ("a", "b"):
        sqs.send_message(QueueUrl=fifo_url, MessageBody=body, MessageGroupId="g")
    [first] = receive(fifo_url, 1)
    thread, out = in_thread(lambda: sqs.receive_message(QueueUrl=fifo_url, WaitTimeSeconds=20))
    parked(cloud)
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"])
    thread.join(60)
    assert out[0]["Messages"][0]["Body"] == "b"


def test_a_long_poll_outlives_a_purge(cloud: Any, sqs: Any, url: str) -> None:
    """It gets what is sent after the purge."""
    thread, out = in_thread(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    parked(cloud)
    sqs.purge_queue(QueueUrl=url)
    parked(cloud)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    thread.join(60)
    assert out[0]["Messages"][0]["Body"] == "x"


def test_a_long_poll_on_a_queue_that_is_deleted(cloud: Any, sqs: Any, url: str) -> None:
    """It ends with QueueDoesNotExist."""

    def receive() -> str:
        try:
            sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        except sqs.exceptions.QueueDoesNotExist:
            return "gone"
        return "here"

    thread, out = in_thread(receive)
    parked(cloud)
    sqs.delete_queue(QueueUrl=url)
    thread.join(60)
    assert out == ["gone"]


def test_too_many_messages_in_flight(cloud: Any, sqs: Any, url: str, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard queue says OverLimit at its limit (120,000; here 3), until a message is deleted or comes back."""
    from fogbank.services.sqs import receiving

    assert receiving.IN_FLIGHT_LIMIT == 120_000
    monkeypatch.setattr(receiving, "IN_FLIGHT_LIMIT", 3)
    for _ in range(5):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert len(taken) == 3
    assert refused(sqs.receive_message, QueueUrl=url)[0] == "OverLimit"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken[0]["ReceiptHandle"])
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 1
    assert refused(sqs.receive_message, QueueUrl=url)[0] == "OverLimit"
    cloud.advance(30)
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 3
