"""Batches: their rules, and entries that fail by themselves."""

from __future__ import annotations

from typing import Any

import pytest

SEND = ("send_message_batch", {"MessageBody": "x"})
DELETE = ("delete_message_batch", {"ReceiptHandle": "x"})
CHANGE = ("change_message_visibility_batch", {"ReceiptHandle": "x", "VisibilityTimeout": 0})


@pytest.mark.parametrize(("operation", "members"), [SEND, DELETE, CHANGE])
def test_a_batch_has_rules(sqs: Any, url: str, refused: Any, operation: str, members: dict[str, Any]) -> None:
    """1 to 10 entries, with distinct ids of 1 to 80 letters, digits, hyphens and underscores."""
    call = getattr(sqs, operation)
    prefix = "AWS.SimpleQueueService."

    def entries(*ids: str) -> dict[str, Any]:
        return {"QueueUrl": url, "Entries": [{"Id": id, **members} for id in ids]}

    assert refused(call, **entries())[0] == prefix + "EmptyBatchRequest"
    code, message = refused(call, **entries(*[str(i) for i in range(11)]))
    assert code == prefix + "TooManyEntriesInBatchRequest"
    assert message == "Maximum number of entries per request are 10. You have sent 11."
    assert refused(call, **entries("a", "a")) == (prefix + "BatchEntryIdsNotDistinct", "Id a repeated.")
    for bad in ("", "a b", "x" * 81):
        assert refused(call, **entries(bad))[0] == prefix + "InvalidBatchEntryId"


def test_messages_of_a_batch_are_sent_each_by_itself(sqs: Any, url: str, receive: Any) -> None:
    """Good entries are sent, bad ones told with their code; the order is that of the entries."""
    answer = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "a", "MessageBody": "a"},
            {"Id": "b", "MessageBody": "\x00"},
            {"Id": "c", "MessageBody": "c", "DelaySeconds": 901},
            {"Id": "d", "MessageBody": "d", "MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}}},
        ],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a", "d"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("b", "InvalidMessageContents", True),
        ("c", "InvalidParameterValue", True),
    ]
    got = receive(url)
    assert [(m["Body"], m["MessageId"]) for m in got] == [(b, e["MessageId"]) for b, e in zip("ad", answer["Successful"], strict=True)]
    assert got[1]["MD5OfMessageAttributes"] == answer["Successful"][1]["MD5OfMessageAttributes"]


def test_a_batch_has_a_maximum_size(sqs: Any, url: str, refused: Any) -> None:
    """1 MiB over all its entries, attributes included."""
    parts = [{"Id": str(i), "MessageBody": "x" * 262_144} for i in range(4)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=parts)["Successful"]) == 4
    parts[0]["MessageBody"] += "x"
    assert refused(sqs.send_message_batch, QueueUrl=url, Entries=parts) == (
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    )


def test_a_batch_of_fifo_messages_keeps_its_order_and_knows_duplicates(sqs: Any, fifo_url: str, receive: Any) -> None:
    """Also between entries of one batch."""
    entries = [{"Id": str(i), "MessageBody": body, "MessageGroupId": "g"} for i, body in enumerate("abac")]
    sent = sqs.send_message_batch(QueueUrl=fifo_url, Entries=entries)["Successful"]
    assert sent[0]["MessageId"] == sent[2]["MessageId"]
    assert sorted(e["SequenceNumber"] for e in sent[:2]) == [e["SequenceNumber"] for e in sent[:2]]
    assert [m["Body"] for m in receive(fifo_url)] == ["a", "b", "c"]


def test_deleting_and_changing_in_batches(sqs: Any, url: str, receive: Any, counts: Any) -> None:
    """Each handle by itself."""
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    first, second, third = (m["ReceiptHandle"] for m in receive(url))
    answer = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "a", "ReceiptHandle": first, "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": second, "VisibilityTimeout": 43_201},
            {"Id": "c", "ReceiptHandle": "fake", "VisibilityTimeout": 1},
        ],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"]) for e in answer["Failed"]] == [("b", "InvalidParameterValue"), ("c", "ReceiptHandleIsInvalid")]
    assert counts(url) == (1, 2, 0)
    answer = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "a", "ReceiptHandle": second}, {"Id": "b", "ReceiptHandle": "fake"}, {"Id": "c", "ReceiptHandle": third}],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a", "c"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [("b", "ReceiptHandleIsInvalid", True)]
    assert counts(url) == (1, 0, 0)
