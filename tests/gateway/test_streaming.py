"""Answers that go on: what the client sees of them on its connection. Kinesis's SubscribeToShard is one."""

from __future__ import annotations

import http.client
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fogbank.gateway.streaming import Streaming
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Body, Flow
from fogbank.kernel.operation import Wait, Waiting
from fogbank.wire.eventstream import frames


@pytest.fixture
def consumer(cloud: Any) -> str:
    """A consumer of a stream with one record."""
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.settle()
    arn = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]["StreamARN"]
    made: str = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    cloud.settle()
    kinesis.put_record(StreamName="s", PartitionKey="a", Data=b"x")
    return made


def subscribe(cloud: Any, consumer: str, **headers: str) -> http.client.HTTPConnection:
    """A connection on which a subscription has been asked for."""
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=60)
    _ask(cloud, connection, consumer, headers)
    return connection


def _ask(cloud: Any, connection: http.client.HTTPConnection, consumer: str, headers: dict[str, str]) -> None:
    members = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "TRIM_HORIZON"}}
    content = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.SubscribeToShard"}
    request = AWSRequest("POST", cloud.endpoint + "/", content, json.dumps(members))
    SigV4Auth(Credentials("test", "test"), "kinesis", "us-east-1").add_auth(request)
    connection.request("POST", "/", request.body, {**dict(request.headers), **headers})


def events(content: bytes) -> list[str]:
    return [headers[":event-type"] for headers, _ in frames(content)]


def test_the_connection_goes_on(cloud: Any, consumer: str) -> None:
    """The body comes in chunks while it is made; when it is over, the connection takes the next request."""
    connection = subscribe(cloud, consumer)
    answer = connection.getresponse()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    content = b""
    while b"SubscribeToShardEvent" not in content:
        content += answer.read1()
    cloud.advance(300)
    content += answer.read()
    assert events(content)[:2] == ["initial-response", "SubscribeToShardEvent"]
    _ask(cloud, connection, consumer, {})
    assert connection.getresponse().status == 200
    connection.close()


def test_a_connection_that_ends(cloud: Any, consumer: str) -> None:
    """Where the client asked for the end of the connection, that is the end of the body."""
    connection = subscribe(cloud, consumer, Connection="close")
    answer = connection.getresponse()
    assert (answer.headers["Transfer-Encoding"], answer.headers["Content-Length"]) == (None, None)
    cloud.advance(300)
    assert events(answer.read())[0] == "initial-response"


def test_a_client_that_goes(cloud: Any, consumer: str) -> None:
    """When the client is gone, what was held for it is let go at once: another may subscribe."""
    connection = subscribe(cloud, consumer)
    connection.getresponse().read1()
    connection.close()
    for _ in range(200):
        again = subscribe(cloud, consumer)
        status = again.getresponse().status
        again.close()
        if status == 200:
            break
    assert status == 200


class Fakes:
    """A call and a transport that remember."""

    def __init__(self) -> None:
        self.written = b""
        self.parked: list[Any] = []
        self.over: list[bool] = []
        tx = SimpleNamespace()
        self.cloud = SimpleNamespace(
            name="c",
            begin=lambda: tx,
            commit=lambda tx: None,
            undo=lambda tx: None,
            leave=lambda parked: self.parked.remove(parked),
            park=self.park,
            beside=SimpleNamespace(over=lambda request_id: None),
        )
        gateway = SimpleNamespace(clouds={"c": self.cloud}, turn=SimpleNamespace(say=lambda send: send()), debug=False)
        entry = SimpleNamespace(service="s", operation="o")
        self.call = SimpleNamespace(cloud=self.cloud, gateway=gateway, entry=entry, request_id="r", context=lambda tx: None)

    def park(self, wait: Wait, again: Any) -> Any:
        self.parked.append((wait, again))
        return self.parked[-1]

    def write(self, content: bytes) -> None:
        self.written += content

    def wake(self) -> None:
        self.parked.pop(0)[1]()

    def streaming(self, body: Body) -> Streaming:
        fake: Any = self
        return Streaming(fake.call, body, fake, chunked=True, when_over=self.over.append)


def test_a_client_that_does_not_read() -> None:
    """While the client does not read, nothing is asked; then it goes on where it was, and ends whole."""
    fakes, asked = Fakes(), iter([b"one", b"two", b"three"])

    def following(ctx: Any) -> tuple[bytes, Wait | None]:
        piece = next(asked)
        return piece, None if piece == b"three" else Wait((), 0)

    streaming = fakes.streaming(Body(Flow(following)))
    streaming.start()
    streaming.pause()
    fakes.wake()
    assert (fakes.written, fakes.parked) == (b"3\r\none\r\n", [])
    streaming.resume()
    assert fakes.written == b"3\r\none\r\n3\r\ntwo\r\n"
    fakes.wake()
    assert fakes.written.endswith(b"5\r\nthree\r\n0\r\n\r\n")
    assert fakes.over == [True]


@pytest.mark.parametrize("told", [True, False])
def test_a_flow_that_fails(told: bool) -> None:
    """A refusal is the last thing said where the body can say it; else the body is cut, not ended. What must wait is asked again."""
    fakes, ended = Fakes(), []
    tries = iter([Waiting(Wait((), 0)), ServiceException("Gone", "It is gone.")])

    def following(ctx: Any) -> tuple[bytes, Wait | None]:
        raise next(tries)

    refuse = (lambda problem: problem.code.encode()) if told else None
    streaming = fakes.streaming(Body(Flow(following, lambda ctx: ended.append(ctx)), b"head", refuse=refuse))
    streaming.start()
    assert (fakes.written, len(fakes.parked)) == (b"4\r\nhead\r\n", 1)
    fakes.wake()
    assert fakes.written == b"4\r\nhead\r\n" + (b"4\r\nGone\r\n0\r\n\r\n" if told else b"")
    assert (fakes.over, len(ended)) == ([told], 1)
