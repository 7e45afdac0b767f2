"""Roles that ask on whose behalf Lambda takes them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.testing import Cloud

from .conftest import arn


def trust(name: str) -> dict[str, Any]:
    """A trust policy that holds for one function alone."""
    conditions = {"StringEquals": {"aws:SourceAccount": "000000000000"}, "ArnEquals": {"aws:SourceArn": arn(name)}}
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": conditions}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_role_for_one_function(cloud: Cloud, lam: Any, create: Callable[..., Any], make_role: Callable[..., str]) -> None:
    """A role whose trust policy names a function by aws:SourceArn serves that function, its queue and its logs; no other may have it."""
    allowed = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    role = make_role("narrow", allowed, trust=trust("mine"))
    create("mine", Role=role)
    with pytest.raises(ClientError) as caught:
        create("other", Role=role)
    assert "cannot be assumed by Lambda" in caught.value.response["Error"]["Message"]
    url = cloud.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    lam.create_event_source_mapping(FunctionName="mine", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:jobs")
    assert json.loads(lam.invoke(FunctionName="mine", Payload=b'{"a": 1}')["Payload"].read()) == {"a": 1}
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    cloud.settle()
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (attributes["ApproximateNumberOfMessages"], attributes["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")
