"""Encryption at rest: SSE-SQS and SSE-KMS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.control import client as control
from fogbank.testing import Process
from fogbank.testing.cloud import boto

KEY_ACTIONS = ["kms:GenerateDataKey", "kms:Decrypt"]


@pytest.fixture
def key(cloud: Any) -> str:
    made: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


@pytest.fixture
def kms_url(sqs: Any, key: str) -> str:
    made: str = sqs.create_queue(QueueName="sealed", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    return made


def user(cloud: Any, name: str, *actions: str) -> Any:
    """An SQS client of a user who may do these actions everywhere."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("sqs", made["AccessKeyId"], made["SecretAccessKey"])


def test_messages_come_through(sqs: Any, kms_url: str, receive: Any) -> None:
    """Small and large messages with attributes are given back as they were sent."""
    attributes = {"colour": {"DataType": "String", "StringValue": "grey"}}
    for body in ("small", "large" * 3000, "huge" * 50_000):
        sqs.send_message(QueueUrl=kms_url, MessageBody=body, MessageAttributes=attributes)
    got = receive(kms_url)
    assert sorted(len(m["Body"]) for m in got) == [5, 15_000, 200_000]
    assert all(m["MessageAttributes"] == attributes for m in got)


def test_one_kind_of_encryption(sqs: Any, url: str, key: str, refused: Any) -> None:
    """A KMS key ends SSE-SQS and the other way round; both at once are refused."""

    def shown() -> dict[str, str]:
        names = ["SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"]
        got: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return got

    assert shown() == {"SqsManagedSseEnabled": "true"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
    assert shown() == {"SqsManagedSseEnabled": "false", "KmsMasterKeyId": key, "KmsDataKeyReusePeriodSeconds": "300"}
    both = {"KmsMasterKeyId": key, "SqsManagedSseEnabled": "true"}
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=both)[0] == "InvalidAttributeValue"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    assert shown() == {"SqsManagedSseEnabled": "true"}


def test_the_key_is_asked(cloud: Any, kms_url: str) -> None:
    """Who may use the queue but not its key can neither send nor receive."""
    sender = user(cloud, "sender", "sqs:*", *KEY_ACTIONS)
    sender.send_message(QueueUrl=kms_url, MessageBody="x")
    stranger = user(cloud, "stranger", "sqs:*")
    for call in (lambda: stranger.send_message(QueueUrl=kms_url, MessageBody="x"), lambda: stranger.receive_message(QueueUrl=kms_url)):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "KMS.AccessDeniedException"
    reader = user(cloud, "reader", "sqs:*", "kms:Decrypt")
    assert reader.receive_message(QueueUrl=kms_url)["Messages"][0]["Body"] == "x"


def test_a_data_key_serves_for_a_while(cloud: Any, sqs: Any, kms_url: str, key: str, receive: Any, refused: Any) -> None:
    """A key that is disabled goes on serving those who have its data key, for the reuse period."""
    sqs.send_message(QueueUrl=kms_url, MessageBody="one")
    cloud.client("kms").disable_key(KeyId=key)
    sqs.send_message(QueueUrl=kms_url, MessageBody="two")
    cloud.advance(301)
    assert "KMS.Disabled" in refused(sqs.send_message, QueueUrl=kms_url, MessageBody="three")[0]
    assert "KMS.Disabled" in refused(sqs.receive_message, QueueUrl=kms_url)[0]
    cloud.client("kms").enable_key(KeyId=key)
    assert sorted(m["Body"] for m in receive(kms_url)) == ["one", "two"]


def test_a_dead_letter_keeps_its_key(cloud: Any, sqs: Any, kms_url: str, receive: Any) -> None:
    """A message that is moved to another queue can be read there under the key of its old one."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:dead"
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})}
    sqs.set_queue_attributes(QueueUrl=kms_url, Attributes=redrive)
    sqs.send_message(QueueUrl=kms_url, MessageBody="lost")
    receive(kms_url)
    cloud.advance(31)
    assert receive(kms_url) == []
    assert receive(dead)[0]["Body"] == "lost"


def test_nothing_is_plain_on_disk(tmp_path: Path) -> None:
    """Neither small nor large bodies can be found in the data directory; after kill -9 they are given all the same."""
    process = Process(tmp_path / "data").start()
    try:
        sqs = process.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="needle-small")
        sqs.send_message(QueueUrl=url, MessageBody="needle-large" * 10_000)
        process.kill()
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert files
        assert not any(b"needle" in path.read_bytes() for path in files)
        process.start()
        got = process.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert sorted(len(m["Body"]) for m in got) == [12, 120_000]
    finally:
        process.stop()


def test_a_producer_needs_both_permissions(cloud: Any, kms_url: str, refused: Any) -> None:
    """A new data key is decrypted once before it is used: kms:GenerateDataKey alone does not send."""
    half = user(cloud, "half", "sqs:*", "kms:GenerateDataKey")
    assert "AccessDenied" in refused(half.send_message, QueueUrl=kms_url, MessageBody="x")[0]


def test_a_clone_asks_the_key_itself(cloud: Any, sqs: Any, kms_url: str, refused: Any) -> None:
    """Who was given the data key in one cloud has not got it in its clone, where they have no permission."""
    sqs.send_message(QueueUrl=kms_url, MessageBody="x")
    reader = user(cloud, "reader", "sqs:*")
    clone = control.ask(cloud.endpoint, "POST", "/clones", {"name": "apart"})
    try:
        every = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}})
        cloud.client("iam").put_user_policy(UserName="reader", PolicyName="more", PolicyDocument=every)
        assert reader.receive_message(QueueUrl=kms_url)["Messages"][0]["Body"] == "x"
        signed = reader._request_signer._credentials
        there = boto(clone["endpoint"], "sqs", signed.access_key, signed.secret_key)
        url = there.get_queue_url(QueueName="sealed")["QueueUrl"]
        assert "AccessDenied" in refused(there.receive_message, QueueUrl=url)[0]
    finally:
        control.ask(cloud.endpoint, "DELETE", "/clones/apart")
