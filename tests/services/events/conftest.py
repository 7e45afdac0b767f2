"""EventBridge, and queues to see what arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud


class Queue:
    """A queue that EventBridge may send to."""

    def __init__(self, cloud: Cloud, name: str, *, open_: bool = True, region: str = "us-east-1", fifo: bool = False) -> None:
        self._cloud = cloud
        name += ".fifo" if fifo else ""
        self.sqs = cloud.client("sqs", region=region)
        self.url = self.sqs.create_queue(
            QueueName=name, Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        )["QueueUrl"]
        self.arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        if open_:
            self.allow()

    def allow(self, **condition: Any) -> None:
        """Lets EventBridge send, under a condition."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            **({"Condition": condition} if condition else {}),
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": document})

    def messages(self) -> list[dict[str, Any]]:
        """Everything that has arrived, and is then deleted."""
        self._cloud.settle()
        out: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        ).get("Messages"):
            for message in found:
                out.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return out

    def bodies(self) -> list[Any]:
        return [json.loads(message["Body"]) for message in self.messages()]


@pytest.fixture
def events(cloud: Cloud) -> Any:
    return cloud.client("events")


@pytest.fixture
def queue(cloud: Cloud) -> Queue:
    return Queue(cloud, "arrivals")


@pytest.fixture
def make_queue(cloud: Cloud) -> Callable[..., Queue]:
    return lambda name, **options: Queue(cloud, name, **options)


def put(events: Any, source: str = "shop", kind: str = "Order", detail: Any = None, **more: Any) -> dict[str, Any]:
    """Puts one event: its result."""
    entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail if detail is not None else {"id": 1}), **more}
    answer = events.put_events(Entries=[entry])
    result: dict[str, Any] = answer["Entries"][0]
    return result


def rule_to(events: Any, target: Any, pattern: Any = None, name: str = "rule", bus: str | None = None, **settings: Any) -> str:
    """A rule with one target: its ARN."""
    where = {"EventBusName": bus} if bus else {}
    arn: str = events.put_rule(Name=name, EventPattern=json.dumps(pattern or {"source": ["shop"]}), **where)["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": getattr(target, "arn", target), **settings}], **where)
    return arn


def make_role(cloud: Cloud, name: str, service: str, *statements: tuple[Any, Any], account: str = ACCOUNT) -> str:
    """A role that a service may assume, with statements (action, resource): its ARN."""
    iam = cloud.client("iam", account) if account != ACCOUNT else cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"][
        "Arn"
    ]
    allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
    if allowed:
        iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    return arn
