"""A cloud that is closed: who waits for it is let go, and nothing of it stays in memory."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from fogbank.testing.cloud import House


def test_a_long_poll_ends(house: House) -> None:
    """Who polls a clone when it is dropped sees the connection end."""
    cloud = house.cloud()
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    seen: list[Exception] = []

    def poll() -> None:
        try:
            sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        except HTTPClientError as problem:
            seen.append(problem)

    polling = threading.Thread(target=poll)
    polling.start()
    while not house.on_loop(lambda: bool(cloud.inner._timed)):
        polling.join(0.001)
    cloud.close()
    polling.join(60)
    assert len(seen) == 1


def test_nothing_stays(house: House) -> None:
    """A cloud whose users were let in and refused is gone from memory when it is closed."""
    cloud = house.cloud()
    iam = cloud.client("iam")
    iam.create_user(UserName="ada")
    allowed = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    iam.put_user_policy(
        UserName="ada", PolicyName="p", PolicyDocument=f'{{"Version": "2012-10-17", "Statement": [{allowed}]}}'.replace("'", '"')
    )
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = cloud.client("sqs", key["AccessKeyId"], key["SecretAccessKey"])
    ada.list_queues()
    with pytest.raises(ClientError, match="AccessDenied"):
        ada.create_queue(QueueName="q")
    inner = weakref.ref(cloud.inner)
    cloud.close()
    del cloud
    house.on_loop(gc.collect)
    assert inner() is None
