"""Service control policies: the hook is there before organizations are."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from fogbank.access.policy import Named, parse
from fogbank.testing import Cloud

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def test_scp_limits_even_root(cloud: Cloud) -> None:
    """What a service control policy denies, nobody in the account may do: not even its root user; other accounts may."""
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [ALLOW_ALL, {"Effect": "Deny", "Action": "sqs:CreateQueue", "Resource": "*"}]}
    )
    level = (Named("ou", parse(document, "scp")),)

    def install() -> None:
        cloud.inner.callers.scps = lambda at, account: (level,) if account == "000000000000" else ()
        cloud.inner.callers.forget()

    cloud.house.on_loop(install)
    cloud.client("sqs").list_queues()
    with pytest.raises(ClientError, match="with an explicit deny in a service control policy"):
        cloud.client("sqs").create_queue(QueueName="q")
    cloud.client("sqs", access_key="111111111111").create_queue(QueueName="q")
