"""Calls that wait: what their clients do meanwhile must not cost a message."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from fogbank.kernel.operation import Wait

from .raw import Raw, connected, request


@pytest.fixture
def url(cloud: Any) -> str:
    made: str = cloud.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    return made


def receive(cloud: Any, url: str, wait_s: int = 20) -> bytes:
    """A ReceiveMessage that waits."""
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": wait_s}).encode()
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
    return request(cloud.endpoint, "POST", "/", body, headers, service="sqs")


def waiting(cloud: Any) -> int:
    count: int = cloud.house.on_loop(lambda: len(cloud.inner._timed))
    return count


def until(cloud: Any, count: int) -> None:
    """Returns when so many calls wait."""
    end = time.monotonic() + 60
    while waiting(cloud) != count:
        assert time.monotonic() < end, waiting(cloud)
        time.sleep(0.005)


def test_a_waiting_call_gets_its_message(cloud: Any, raw: Raw, url: str) -> None:
    """A long poll is answered as soon as a message is there, and the connection goes on."""
    raw.send(receive(cloud, url))
    until(cloud, 1)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert b"hello" in raw.answer().body
    raw.send(receive(cloud, url, 0))
    assert b"hello" not in raw.answer().body


@pytest.mark.parametrize("how", ["closed", "half closed", "reset"])
def test_a_client_that_goes_away_takes_no_message(cloud: Any, url: str, how: str) -> None:
    """A client that goes away during a long poll receives nothing: the next message is for those who are still there."""
    gone = Raw(cloud.endpoint).send(receive(cloud, url))
    until(cloud, 1)
    if how == "reset":
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "half closed":
        gone.socket.shutdown(socket.SHUT_WR)
    else:
        gone.close()
    until(cloud, 0)
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    received = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"][0]
    assert (received["Body"], received["Attributes"]["ApproximateReceiveCount"]) == ("hello", "1")
    gone.close()


def test_calls_behind_a_waiting_one_wait(cloud: Any, raw: Raw, url: str) -> None:
    """Requests pipelined behind a long poll are answered after it, in order."""
    raw.send(receive(cloud, url) + receive(cloud, url, 0))
    until(cloud, 1)
    assert raw.silent()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert b"hello" in raw.answer().body
    assert b"hello" not in raw.answer().body


def test_the_clock_ends_the_waiting(cloud: Any, raw: Raw, url: str) -> None:
    """A long poll ends, empty, when its time is over by the cloud's clock, and not before."""
    raw.send(receive(cloud, url))
    until(cloud, 1)
    cloud.advance(19)
    assert raw.silent()
    cloud.advance(1)
    assert b"Messages" not in raw.answer().body


def test_many_wait_and_each_message_is_received_once(cloud: Any, url: str) -> None:
    """Twenty clients that wait for ten messages receive each of them once."""
    sqs = cloud.client("sqs")
    everyone = [Raw(cloud.endpoint).send(receive(cloud, url)) for _ in range(20)]
    until(cloud, 20)
    sender = threading.Thread(
        target=lambda: [sqs.send_message(QueueUrl=url, MessageBody=f"message-{number}") for number in range(10)], daemon=True
    )
    sender.start()
    sender.join(60)
    until(cloud, 10)
    cloud.advance(20)
    bodies = [each.answer().body for each in everyone]
    got = [json.loads(body)["Messages"][0]["Body"] for body in bodies if b"Messages" in body]
    assert sorted(got) == [f"message-{number}" for number in range(10)]
    for each in everyone:
        each.close()


def test_a_reset_answers_who_waits(cloud: Any, raw: Raw, url: str) -> None:
    """When the cloud is reset under a long poll, it is answered: the queue does not exist any more."""
    raw.send(receive(cloud, url))
    until(cloud, 1)
    with connected(cloud.endpoint) as other:
        assert other.send(b"POST /_fogbank/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").answer().status == 200
    answer = raw.answer()
    assert (answer.status, b"QueueDoesNotExist" in answer.body) == (400, True)


def test_thousands_that_wait(cloud: Any) -> None:
    """Of thousands that wait those run again whose key is written, or whose instant has come: each once, in order."""
    inner, ran, table = cloud.inner, [], 1 << 20
    now_ms = cloud.now_ms

    def park(n: int) -> Any:
        watches = ((table, b"%04d" % n), (table, b"all"))
        return inner.park(Wait(watches, now_ms + (1000 if n % 2 else 5000)), lambda: ran.append(n))

    def wake(key: bytes) -> None:
        cloud.house.on_loop(lambda: inner.wake(table, key))
        cloud.settle()

    parked = cloud.house.on_loop(lambda: [park(n) for n in range(4000)])
    wake(b"0007 and more")
    wake(b"0007 and more")
    wake(b"al")
    assert ran == [7]
    cloud.advance(1)
    assert ran == [7, *(n for n in range(4000) if n % 2 and n != 7)]
    cloud.house.on_loop(lambda: [inner.leave(one) for one in parked[100:]])
    wake(b"all")
    assert ran[2000:] == list(range(0, 100, 2))
    assert (waiting(cloud), table in inner._parked) == (0, False)
    cloud.house.on_loop(lambda: [inner.leave(park(n)) for n in range(1000)])
    assert len(inner._by_time) < 200
