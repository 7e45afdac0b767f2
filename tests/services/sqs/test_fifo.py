"""FIFO queues: order within groups, the deduplication window, receive attempts."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest


def send(sqs: Any, url: str, body: str, group: str = "g", **members: Any) -> Any:
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **members)


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [m["Body"] for m in messages]


def test_a_fifo_message_goes_through(sqs: Any, fifo_url: str, receive: Any) -> None:
    """Group, deduplication id (the body's SHA-256) and a sequence number of 20 digits come with it."""
    first = send(sqs, fifo_url, "a")
    second = send(sqs, fifo_url, "b")
    got = receive(fifo_url)
    assert bodies(got) == ["a", "b"]
    for sent, message in zip((first, second), got, strict=True):
        assert message["Attributes"]["SequenceNumber"] == sent["SequenceNumber"]
        assert message["Attributes"]["MessageGroupId"] == "g"
        assert message["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(message["Body"].encode()).hexdigest()
        assert len(sent["SequenceNumber"]) == 20
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])


def test_a_group_in_flight_gives_nothing_more(cloud: Any, sqs: Any, fifo_url: str, receive: Any) -> None:
    """Only when all that were taken of a group are deleted or back does it go on, in order; other groups go on meanwhile."""
    for body in ("a1", "a2", "a3"):
        send(sqs, fifo_url, body, "a")
    send(sqs, fifo_url, "b1", "b")
    taken = receive(fifo_url, 2)
    assert bodies(taken) == ["a1", "a2"]
    assert bodies(receive(fifo_url)) == ["b1"]
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=taken[0]["ReceiptHandle"])
    assert receive(fifo_url) == []
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=taken[1]["ReceiptHandle"])
    [third] = receive(fifo_url, VisibilityTimeout=10)
    assert third["Body"] == "a3"
    send(sqs, fifo_url, "a4", "a")
    assert receive(fifo_url) == []
    cloud.advance(10)
    assert bodies(receive(fifo_url)) == ["a3", "a4"]


def test_giving_a_message_back_keeps_the_order(sqs: Any, fifo_url: str, receive: Any) -> None:
    """ChangeMessageVisibility to 0 of the only message in flight frees its group, which begins with it again."""
    send(sqs, fifo_url, "a")
    send(sqs, fifo_url, "b")
    [first] = receive(fifo_url, 1)
    sqs.change_message_visibility(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(fifo_url, 1)) == ["a"]


def test_an_old_handle_does_not_delete(cloud: Any, sqs: Any, fifo_url: str, receive: Any, refused: Any) -> None:
    """A FIFO queue takes only the handle of a receive that is in force."""
    send(sqs, fifo_url, "a")
    [old] = receive(fifo_url, VisibilityTimeout=5)
    cloud.advance(5)
    [new] = receive(fifo_url)
    code, message = refused(sqs.delete_message, QueueUrl=fifo_url, ReceiptHandle=old["ReceiptHandle"])
    assert code == "InvalidParameterValue"
    assert message.endswith("Reason: The receipt handle has expired.")
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=new["ReceiptHandle"])
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=new["ReceiptHandle"])


def test_a_duplicate_is_accepted_and_not_delivered_for_five_minutes(cloud: Any, sqs: Any, fifo_url: str, receive: Any) -> None:
    """It gets its original's ids, also after the original was deleted; then the id is free again."""
    first = send(sqs, fifo_url, "a", MessageDeduplicationId="d")
    again = send(sqs, fifo_url, "other", group="h", MessageDeduplicationId="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert again["MD5OfMessageBody"] == hashlib.md5(b"other").hexdigest()
    [got] = receive(fifo_url)
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=got["ReceiptHandle"])
    cloud.advance(299.999)
    assert send(sqs, fifo_url, "a", MessageDeduplicationId="d")["MessageId"] == first["MessageId"]
    assert receive(fifo_url) == []
    cloud.advance(0.001)
    assert send(sqs, fifo_url, "a", MessageDeduplicationId="d")["MessageId"] != first["MessageId"]
    assert bodies(receive(fifo_url)) == ["a"]


def test_content_is_deduplicated_by_its_body(sqs: Any, fifo_url: str, receive: Any, refused: Any) -> None:
    """By the SHA-256 of the body, not of the attributes; an explicit id wins; without either the send is refused."""
    attribute = {"n": {"DataType": "String", "StringValue": "v"}}
    first = send(sqs, fifo_url, "a")
    assert send(sqs, fifo_url, "a", MessageAttributes=attribute)["MessageId"] == first["MessageId"]
    assert send(sqs, fifo_url, "a", MessageDeduplicationId="d")["MessageId"] != first["MessageId"]
    digest = hashlib.sha256(b"a").hexdigest()
    assert send(sqs, fifo_url, "z", MessageDeduplicationId=digest)["MessageId"] == first["MessageId"]
    assert bodies(receive(fifo_url)) == ["a", "a"]
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"ContentBasedDeduplication": "false"})
    assert refused(sqs.send_message, QueueUrl=fifo_url, MessageBody="a", MessageGroupId="g") == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )


def test_the_scope_of_deduplication_can_be_the_group(sqs: Any, fifo_url: str, receive: Any) -> None:
    """With DeduplicationScope messageGroup each group has its own ids."""
    sqs.set_queue_attributes(
        QueueUrl=fifo_url, Attributes={"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    )
    for group in ("a", "a", "b"):
        send(sqs, fifo_url, "same", group)
    assert sorted(m["Attributes"]["MessageGroupId"] for m in receive(fifo_url)) == ["a", "b"]


@pytest.mark.parametrize("bad", ["a b", "ü", "x" * 129])
def test_ids_have_an_alphabet(sqs: Any, fifo_url: str, refused: Any, bad: str) -> None:
    """Group and deduplication ids: 1 to 128 letters, digits and punctuation."""
    for members in ({"MessageGroupId": bad}, {"MessageGroupId": "g", "MessageDeduplicationId": bad}):
        assert refused(sqs.send_message, QueueUrl=fifo_url, MessageBody="x", **members)[0] == "InvalidParameterValue"
    assert refused(sqs.receive_message, QueueUrl=fifo_url, ReceiveRequestAttemptId=bad)[0] == "InvalidParameterValue"


def test_a_fifo_send_needs_a_group_and_has_no_delay_of_its_own(sqs: Any, fifo_url: str, refused: Any) -> None:
    """MissingParameter; InvalidParameterValue."""
    error = ("MissingParameter", "The request must contain the parameter MessageGroupId.")
    assert refused(sqs.send_message, QueueUrl=fifo_url, MessageBody="x") == error
    code, message = refused(sqs.send_message, QueueUrl=fifo_url, MessageBody="x", MessageGroupId="g", DelaySeconds=1)
    assert code == "InvalidParameterValue"
    assert message.startswith("Value 1 for parameter DelaySeconds is invalid.")


def test_a_fifo_queues_delay_counts_for_what_is_in_it(cloud: Any, sqs: Any, fifo_url: str, receive: Any, counts: Any) -> None:
    """Changing DelaySeconds of a FIFO queue changes when its messages come, also those already sent."""
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DelaySeconds": "100"})
    send(sqs, fifo_url, "a", "a")
    send(sqs, fifo_url, "b", "b")
    assert counts(fifo_url) == (0, 0, 2)
    cloud.advance(10)
    assert receive(fifo_url) == []
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DelaySeconds": "10"})
    assert counts(fifo_url) == (2, 0, 0)
    assert bodies(receive(fifo_url, 1)) == ["a"]
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DelaySeconds": "11"})
    assert counts(fifo_url) == (0, 1, 1)
    assert receive(fifo_url) == []
    cloud.advance(1)
    assert bodies(receive(fifo_url)) == ["b"]


def test_a_receive_can_be_repeated_by_its_attempt_id(cloud: Any, sqs: Any, fifo_url: str, receive: Any) -> None:
    """The same messages with the same handles, hidden anew; not after one of them was changed, nor after it came back."""
    for body in ("a", "b", "c"):
        send(sqs, fifo_url, body)
    first = receive(fifo_url, 2, ReceiveRequestAttemptId="attempt", VisibilityTimeout=20)
    cloud.advance(15)
    again = receive(fifo_url, 2, ReceiveRequestAttemptId="attempt", VisibilityTimeout=20)
    assert again == first
    cloud.advance(15)
    assert receive(fifo_url) == []
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=again[0]["ReceiptHandle"])
    assert receive(fifo_url, ReceiveRequestAttemptId="attempt") == []
    cloud.advance(5)
    later = receive(fifo_url, ReceiveRequestAttemptId="attempt")
    assert bodies(later) == ["b", "c"]
    assert later[0]["ReceiptHandle"] != again[1]["ReceiptHandle"]


def test_an_attempt_id_is_good_for_five_minutes(cloud: Any, sqs: Any, fifo_url: str, receive: Any, url: str, refused: Any) -> None:
    """After that it is a new receive; a standard queue has none."""
    send(sqs, fifo_url, "a")
    assert len(receive(fifo_url, ReceiveRequestAttemptId="x", VisibilityTimeout=1000)) == 1
    cloud.advance(299)
    assert len(receive(fifo_url, ReceiveRequestAttemptId="x", VisibilityTimeout=1000)) == 1
    cloud.advance(1)
    assert receive(fifo_url, ReceiveRequestAttemptId="x") == []
    assert refused(sqs.receive_message, QueueUrl=url, ReceiveRequestAttemptId="x")[0] == "InvalidParameterValue"


def test_many_groups_are_given_oldest_first(sqs: Any, fifo_url: str, receive: Any) -> None:
    """All that a group has comes before what another has, the group with the oldest message first."""
    for body, group in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("b2", "b")):
        send(sqs, fifo_url, body, group)
    assert bodies(receive(fifo_url, 3)) == ["a1", "a2", "b1"]
    assert bodies(receive(fifo_url)) == ["c1"]


def test_expired_fifo_messages_make_way(cloud: Any, sqs: Any, fifo_url: str, receive: Any, counts: Any) -> None:
    """The group goes on with its first message that is not past its retention."""
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"MessageRetentionPeriod": "60"})
    send(sqs, fifo_url, "a")
    receive(fifo_url, VisibilityTimeout=600)
    cloud.advance(30)
    send(sqs, fifo_url, "b")
    cloud.advance(30)
    assert counts(fifo_url) == (1, 0, 0)
    assert bodies(receive(fifo_url)) == ["b"]


def test_a_full_fifo_queue_gives_nothing(cloud: Any, sqs: Any, fifo_url: str, receive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of messages in flight (120,000; here 2) a FIFO queue answers with no messages and no error."""
    from fogbank.services.sqs import receiving

    monkeypatch.setattr(receiving, "IN_FLIGHT_LIMIT", 2)
    for group in ("a", "b", "c"):
        send(sqs, fifo_url, group, group)
    assert bodies(receive(fifo_url)) == ["a", "b"]
    assert receive(fifo_url) == []
    cloud.advance(30)
    assert len(receive(fifo_url)) == 2


def test_purging_a_fifo_queue_frees_its_groups(cloud: Any, sqs: Any, fifo_url: str, receive: Any, counts: Any) -> None:
    """Nothing of a purged group stands in the way of what is sent later; what was sent is still a duplicate."""
    send(sqs, fifo_url, "a")
    receive(fifo_url)
    sqs.purge_queue(QueueUrl=fifo_url)
    cloud.settle()
    send(sqs, fifo_url, "a")
    send(sqs, fifo_url, "b")
    assert bodies(receive(fifo_url)) == ["b"]
    assert counts(fifo_url) == (0, 1, 0)
