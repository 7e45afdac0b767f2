"""Pipes: a queue to read, a queue to see what arrives, a role."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from lambda_.stage import Stage

from fogbank.testing.cloud import ACCOUNT, Cloud

EVERYTHING = {
    "sqs": ["sqs:*"],
    "kinesis": ["kinesis:*"],
    "dynamodb": ["dynamodb:*"],
    "rest": ["sns:Publish", "events:PutEvents", "logs:*", "firehose:*", "lambda:InvokeFunction", "s3:PutObject", "kms:Decrypt"],
}


class Queue:
    def __init__(self, cloud: Cloud, name: str, attributes: dict[str, str] | None = None) -> None:
        self._cloud = cloud
        self.sqs = cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def send(self, *bodies: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

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

    def left(self) -> int:
        """Messages that are in the queue, received or not."""
        got = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(got["ApproximateNumberOfMessages"]) + int(got["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture
def client(cloud: Cloud) -> Any:
    return cloud.client("pipes")


@pytest.fixture
def source(cloud: Cloud) -> Queue:
    return Queue(cloud, "source")


@pytest.fixture
def arrivals(cloud: Cloud) -> Queue:
    return Queue(cloud, "arrivals")


def make_role(cloud: Cloud, name: str, *statements: tuple[Any, Any], service: str = "pipes.amazonaws.com") -> str:
    """A role that Pipes may assume, with statements (action, resource): its ARN."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if statements:
        allow(cloud, name, *statements)
    return arn


def allow(cloud: Cloud, role: str, *statements: tuple[Any, Any]) -> None:
    allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    cloud.client("iam").put_role_policy(RoleName=role, PolicyName="it", PolicyDocument=document)


@pytest.fixture
def role(cloud: Cloud) -> str:
    return make_role(cloud, "pipe", *((actions, "*") for actions in EVERYTHING.values()))


@pytest.fixture
def pipe(cloud: Cloud, client: Any, source: Queue, arrivals: Queue, role: str) -> Callable[..., Any]:
    """Makes a pipe `p`, from `source` to `arrivals` where nothing else is said: what it is when it has settled."""

    def make(**members: Any) -> Any:
        given = {"Name": "p", "Source": source.arn, "Target": arrivals.arn, "RoleArn": role, **members}
        assert client.create_pipe(**given)["CurrentState"] == "CREATING"
        cloud.settle()
        return client.describe_pipe(Name=given["Name"])

    return make


@pytest.fixture
def stage(cloud: Cloud) -> Stage:
    """Runs functions in the place of the workshop."""
    made = Stage(cloud.house.loop)
    cloud.inner._workshop = made
    return made


@pytest.fixture
def function(cloud: Cloud, stage: Stage) -> Callable[[str, str], str]:
    """Makes a function of Python source: its ARN."""
    role = make_role(cloud, "function", service="lambda.amazonaws.com")

    def make(name: str, source: str) -> str:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("main.py"), source)
        members = {"Runtime": "python3.12", "Role": role, "Handler": "main.handler", "Code": {"ZipFile": out.getvalue()}}
        arn: str = cloud.client("lambda").create_function(FunctionName=name, **members)["FunctionArn"]
        cloud.settle()
        return arn

    return make


def refused(call: Any, **members: Any) -> tuple[str, int, str]:
    """Code, status and message of a refusal."""
    with pytest.raises(Exception) as caught:
        call(**members)
    answer = caught.value.response  # type: ignore[attr-defined]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]
