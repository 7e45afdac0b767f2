"""What the SQS tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]
ACCOUNT = "000000000000"


@pytest.fixture
def sqs(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    """A standard queue with the defaults."""
    made: str = sqs.create_queue(QueueName="queue")["QueueUrl"]
    return made


@pytest.fixture
def fifo_url(sqs: Any) -> str:
    """A FIFO queue that deduplicates by content."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    made: str = sqs.create_queue(QueueName="queue.fifo", Attributes=attributes)["QueueUrl"]
    return made


@pytest.fixture
def receive(sqs: Any) -> Callable[..., list[dict[str, Any]]]:
    """The messages that a ReceiveMessage gives, with all there is to know about them."""

    def call(url: str, count: int = 10, **members: Any) -> list[dict[str, Any]]:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=count, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], **members
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    return call


@pytest.fixture
def counts(sqs: Any) -> Callable[[str], tuple[int, int, int]]:
    """(visible, in flight, delayed)."""

    def call(url: str) -> tuple[int, int, int]:
        got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
        visible, in_flight, delayed = (int(got[name]) for name in names)
        return visible, in_flight, delayed

    return call
