"""Roles that ask on whose behalf Firehose takes them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_a_role_for_one_stream(cloud: Any, firehose: Any, make: Callable[..., str], objects: Callable[..., dict[str, bytes]]) -> None:
    """A role whose trust policy names a stream by aws:SourceArn serves that stream; no other may have it."""
    condition = {"ArnEquals": {"aws:SourceArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/mine"}}
    statement = {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": condition}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").update_assume_role_policy(RoleName="delivery", PolicyDocument=trust)
    with pytest.raises(ClientError) as caught:
        make("other")
    assert "unable to assume role" in caught.value.response["Error"]["Message"]
    make("mine")
    firehose.put_record(DeliveryStreamName="mine", Record={"Data": b"x"})
    cloud.advance(61)
    assert list(objects().values()) == [b"x"]
