"""The example under kill -9: every order arrives at least once, FIFO stays in order, and nothing is left behind."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from fogbank.control import client as control
from fogbank.testing.cloud import Process

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders"
T = TypeVar("T")
WAIT_S = 240


class Victim:
    """A cloud that is killed again and again; its callers try until they are answered."""

    def __init__(self, data: Path) -> None:
        self.process = Process(data).start()
        self.clients: dict[str, Any] = {}
        self.kills = 0

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.process.client(service, read_timeout=20)
        return self.clients[service]

    def surely(self, call: Callable[[], T]) -> T:
        """The answer of a call that may meet a dead cloud."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                return call()
            except BotoCoreError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            except ClientError as refused:
                if refused.response["ResponseMetadata"]["HTTPStatusCode"] < 500 or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.start()
        self.kills += 1


def built(victim: Victim) -> Any:
    sys.path.insert(0, str(EXAMPLE))
    try:
        from deploy import deploy  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(EXAMPLE))
    app = deploy(victim.client)
    sqs, sns = victim.client("sqs"), victim.client("sns")
    url = sqs.create_queue(QueueName="steps.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    topic = sns.create_topic(Name="steps.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": app.arn("sqs", "steps.fifo")}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=app.arn("sqs", "steps.fifo"), Attributes=raw)
    app.queues["steps.fifo"] = url
    app.steps = topic
    return app


def upload(victim: Victim, files: int, orders: int) -> None:
    for file in range(files):
        numbers = range(file * orders, (file + 1) * orders)
        lines = [json.dumps({"customer": f"c{n % 7}", "number": n, "cents": n}) for n in numbers]
        victim.surely(
            lambda f=file, body="\n".join(lines): victim.client("s3").put_object(Bucket="shop-uploads", Key=f"{f}", Body=body.encode())
        )


def step(victim: Victim, topic: str, count: int) -> None:
    """Numbers in order, through a FIFO topic into a FIFO queue."""
    for number in range(count):
        victim.surely(lambda n=number: victim.client("sns").publish(TopicArn=topic, Message=str(n), MessageGroupId="steps"))


def drain(victim: Victim, url: str, read: Callable[[str], int], wanted: int) -> list[int]:
    """Receives and deletes until all numbers have come; in the order in which they came."""
    came: list[int] = []
    end = time.monotonic() + WAIT_S
    while len(set(came)) < wanted and time.monotonic() < end:
        answer = victim.surely(lambda: victim.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1))
        messages = answer.get("Messages", [])
        came += [read(m["Body"]) for m in messages]
        if messages:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
            victim.surely(lambda e=entries: victim.client("sqs").delete_message_batch(QueueUrl=url, Entries=e))
    return came


def sandboxed(data: Path) -> list[str]:
    """Processes that run functions of the example, on the whole machine."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if str(data).encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().decode())
            except OSError:
                pass
    return found


@pytest.fixture(params=[pytest.param((5, 10, 20), id="sample"), pytest.param((100, 100, 100), id="all", marks=pytest.mark.slow)])
def size(request: Any) -> tuple[int, int, int]:
    """How many kills, files, and orders a file."""
    wanted: tuple[int, int, int] = request.param
    return wanted


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    made = Victim(tmp_path)
    yield made
    made.process.stop()


def test_killed_again_and_again(victim: Victim, tmp_path: Path, size: tuple[int, int, int]) -> None:
    """Each order is in the table, in the packers' queue and in the archive; what went through FIFO came in order; nothing is orphaned."""
    kills, files, orders = size
    count = files * orders
    app = built(victim)
    chance = random.Random(4)
    workers = [
        threading.Thread(target=upload, args=(victim, files, orders)),
        threading.Thread(target=step, args=(victim, app.steps, count // 10)),
    ]
    for worker in workers:
        worker.start()
    while victim.kills < kills:
        time.sleep(chance.uniform(0.1, 0.9))
        victim.kill()
    for worker in workers:
        worker.join(WAIT_S)
        assert not worker.is_alive()
    packed = drain(victim, app.queues["packing.fifo"], lambda body: int(json.loads(body)["number"]), count)
    assert set(packed) == set(range(count))
    steps = drain(victim, app.queues["steps.fifo"], int, count // 10)
    assert steps == sorted(steps)
    assert set(steps) == set(range(count // 10))
    table = sum(p["Count"] for p in victim.client("dynamodb").get_paginator("scan").paginate(TableName="orders", Select="COUNT"))
    assert table == count
    assert archived(victim, count) == set(range(count))
    for name, url in app.queues.items():
        if name.startswith("lost"):
            attributes = victim.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            assert attributes["ApproximateNumberOfMessages"] == "0", name
    assert control.ask(victim.process.endpoint, "GET", "/dead-letters")["letters"] == []
    victim.process.stop()
    end = time.monotonic() + 60
    while sandboxed(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert sandboxed(tmp_path) == []


def archived(victim: Victim, count: int) -> set[int]:
    """The numbers in the archive, once there are that many (the clock is moved past the buffer's minute)."""
    import gzip

    found: set[int] = set()
    end = time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < end:
        control.ask(victim.process.endpoint, "POST", "/clock", {"advance": "61s", "settle": False})
        time.sleep(1)
        found.clear()
        s3 = victim.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="shop-archive"):
            for each in page.get("Contents", []):
                text = gzip.decompress(s3.get_object(Bucket="shop-archive", Key=each["Key"])["Body"].read())
                found |= {json.loads(line)["detail"]["number"] for line in text.splitlines() if line}
    return found
