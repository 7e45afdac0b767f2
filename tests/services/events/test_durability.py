"""Events survive a crash."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fogbank.testing.cloud import ACCOUNT, Process


def test_kill(tmp_path: Path) -> None:
    """Whatever PutEvents said it took arrives at its queue, by way of another bus, through crashes at any point."""
    process = Process(tmp_path).start()
    try:
        queue = _set_up(process)
        taken: list[str] = []
        for _ in range(4):
            stop = threading.Event()
            sender = threading.Thread(target=_send, args=(process, taken, stop))
            sender.start()
            before = len(taken)
            while len(taken) < before + 40:
                assert sender.is_alive()
                stop.wait(0.001)
            process.kill()
            stop.set()
            sender.join()
            process.start()
        assert set(taken) <= _arrived(process, queue, set(taken))
    finally:
        process.stop()


def _set_up(process: Process) -> str:
    sqs, events, iam = process.client("sqs"), process.client("events"), process.client("iam")
    url: str = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowed]})})
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    may = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}))
    events.create_event_bus(Name="second")
    second = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/second"
    for bus, target in (("default", {"Arn": second, "RoleArn": role["Role"]["Arn"]}), ("second", {"Arn": arn})):
        events.put_rule(Name="r", EventPattern='{"source": ["shop"]}', EventBusName=bus)
        events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "t", **target}])
    return url


def _send(process: Process, taken: list[str], stop: threading.Event) -> None:
    events = process.client("events")
    while not stop.is_set():
        try:
            answer = events.put_events(Entries=[{"Source": "shop", "DetailType": "Order", "Detail": "{}"}])
        except (BotoCoreError, ClientError):
            return
        taken.append(answer["Entries"][0]["EventId"])


def _arrived(process: Process, url: str, wanted: set[str]) -> set[str]:
    """What the queue has, once it has what is wanted, or nothing more comes."""
    sqs: Any = process.client("sqs")
    arrived: set[str] = set()
    while not wanted <= arrived:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages")
        if not found:
            break
        for message in found:
            arrived.add(json.loads(message["Body"])["id"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return arrived
