"""Scheduler, a role, and a queue to see what arrives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

OFF = {"Mode": "OFF"}


class Queue:
    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self.sqs = cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def messages(self) -> list[dict[str, Any]]:
        """Everything that has arrived, and is then deleted."""
        self._cloud.settle()
        out: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages"):
            for message in found:
                out.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return out

    def bodies(self) -> list[str]:
        return [message["Body"] for message in self.messages()]


@pytest.fixture
def scheduler(cloud: Cloud) -> Any:
    return cloud.client("scheduler")


@pytest.fixture
def queue(cloud: Cloud) -> Queue:
    return Queue(cloud, "arrivals")


@pytest.fixture
def dead(cloud: Cloud) -> Queue:
    return Queue(cloud, "dead")


def make_role(cloud: Cloud, name: str, *statements: tuple[Any, Any], service: str = "scheduler.amazonaws.com") -> str:
    """A role that Scheduler may assume, with statements (action, resource): its ARN."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
    iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    return arn


@pytest.fixture
def role(cloud: Cloud) -> str:
    return make_role(cloud, "schedule", ("sqs:SendMessage", "*"))


def create(scheduler: Any, queue: Queue, role: str, expression: str = "rate(1 hour)", name: str = "s", **more: Any) -> str:
    """A schedule that sends to a queue: its ARN."""
    target = {"Arn": queue.arn, "RoleArn": role, "Input": "hello", **more.pop("Target", {})}
    members = {"FlexibleTimeWindow": OFF, "Target": target, **more}
    arn: str = scheduler.create_schedule(Name=name, ScheduleExpression=expression, **members)["ScheduleArn"]
    return arn
