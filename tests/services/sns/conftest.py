"""What the SNS tests share."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ACCOUNT = "000000000000"


@pytest.fixture
def sns(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("sns")


@pytest.fixture
def sqs(cloud: Any) -> Any:
    return cloud.client("sqs")


@pytest.fixture
def topic(sns: Any) -> str:
    made: str = sns.create_topic(Name="topic")["TopicArn"]
    return made


@pytest.fixture
def fifo(sns: Any) -> str:
    made: str = sns.create_topic(Name="topic.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    return made


@pytest.fixture
def queue(sqs: Any) -> Callable[..., tuple[str, str]]:
    """Makes a queue into which SNS may send; its URL and ARN."""

    def make(name: str = "queue", *, allow: str | None = "arn:aws:sns:*:*:*", **attributes: str) -> tuple[str, str]:
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        if allow is not None:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(arn, allow)})
        return url, arn

    return make


def policy(queue_arn: str, source: str) -> str:
    """Lets SNS send into a queue, for topics of this form."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture
def received(sqs: Any) -> Callable[..., list[dict[str, Any]]]:
    """The messages that a queue has, which are deleted."""

    def take(url: str) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        while got := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", []):
            for message in got:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            out += got
        return out

    return take


@pytest.fixture
def bodies(received: Any) -> Callable[[str], list[str]]:
    """What was published, as a queue got it in envelopes."""
    return lambda url: [json.loads(message["Body"])["Message"] for message in received(url)]


class Subscriber:
    """An HTTP endpoint: what it was sent, and what it answers (the statuses in turn, then 200)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The JSON of what came of one Type."""
        return [json.loads(body) for _, headers, body in self.requests if headers["x-amz-sns-message-type"] == kind]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def outbox(cloud: Any) -> Callable[[], list[dict[str, Any]]]:
    """What left the cloud, oldest first."""
    from fogbank.services.sns import letters

    def look() -> list[dict[str, Any]]:
        cloud.settle()
        shown: list[dict[str, Any]] = cloud.house.on_loop(lambda: letters.listed(cloud.inner.reader(), cloud.inner.store.blobs.vault))
        return shown[::-1]

    return look


@pytest.fixture
def user(cloud: Any) -> Callable[..., Any]:
    """A client of a new IAM user with one policy statement."""

    def make(name: str, statement: dict[str, Any], service: str = "sns") -> Any:
        iam = cloud.client("iam")
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"])

    return make
