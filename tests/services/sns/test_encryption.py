"""Encryption at rest, data protection."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def key(cloud: Any) -> str:
    made: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


def test_who_publishes_needs_the_key(cloud: Any, sns: Any, topic: str, key: str, user: Any, queue: Any, bodies: Any, refused: Any) -> None:
    """kms:GenerateDataKey and kms:Decrypt, or KMSAccessDenied; a key that is disabled lets nobody."""
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    without = user("without", {"Action": "sns:Publish", "Resource": "*"})
    assert refused(without.publish, TopicArn=topic, Message="m")[0] == "KMSAccessDenied"
    half = user("half", {"Action": ["sns:Publish", "kms:GenerateDataKey"], "Resource": "*"})
    assert refused(half.publish, TopicArn=topic, Message="m")[0] == "KMSAccessDenied"
    user("both", {"Action": ["sns:Publish", "kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"}).publish(TopicArn=topic, Message="m")
    assert bodies(url) == ["m"]
    cloud.client("kms").disable_key(KeyId=key)
    cloud.advance(300)
    assert refused(sns.publish, TopicArn=topic, Message="m")[0] == "KMSDisabled"
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/none")
    assert refused(sns.publish, TopicArn=topic, Message="m")[0] == "KMSNotFound"


def test_what_waits_is_under_the_key(cloud: Any, sns: Any, topic: str, key: str, subscriber: Any, user: Any) -> None:
    """A message that is tried again is opened as who published it; without the key it cannot be."""
    from .test_http import attempts, confirmed

    confirmed(cloud, sns, topic, subscriber)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
    publisher = user("publisher", {"Action": ["sns:Publish", "kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"})
    subscriber.statuses = [500]
    assert attempts(cloud, subscriber, 30, publisher, topic, "m") == [0, 20]
    assert [told["Message"] for told in subscriber.told("Notification")] == ["m", "m"]


def protection(operation: dict[str, Any], direction: str = "Inbound", *identifiers: str) -> str:
    names = identifiers or ("EmailAddress", "CreditCardNumber")
    statement = {
        "Sid": "s",
        "DataDirection": direction,
        "Principal": ["*"],
        "DataIdentifier": [f"arn:aws:dataprotection::aws:data-identifier/{name}" for name in names],
        "Operation": operation,
    }
    return json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": [statement]})


def test_data_protection(sns: Any, topic: str, queue: Any, bodies: Any, refused: Any) -> None:
    """A message is refused, masked or redacted, on its way in or out; what is not done here is refused by name."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def put(policy: str) -> None:
        sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy)

    denying = protection({"Deny": {}})
    put(denying)
    assert sns.get_data_protection_policy(ResourceArn=topic)["DataProtectionPolicy"] == denying
    assert refused(sns.publish, TopicArn=topic, Message="write to a@b.example")[0] == "AuthorizationError"
    sns.publish(TopicArn=topic, Message="4111 1111 1111 1112 is no card")
    put(protection({"Deidentify": {"MaskConfig": {"MaskWithCharacter": "#"}}}))
    sns.publish(TopicArn=topic, Message="card 4111111111111111.")
    put(protection({"Deidentify": {"RedactConfig": {}}}, "Outbound"))
    sns.publish(TopicArn=topic, Message="to a@b.example!")
    put(protection({"Deny": {}}, "Outbound"))
    sns.publish(TopicArn=topic, Message="to a@b.example!")
    assert bodies(url) == ["4111 1111 1111 1112 is no card", "card ################.", "to !"]
    assert refused(put, protection({"Audit": {"SampleRate": "99"}}))[0] == "NotImplemented"
    assert refused(put, protection({"Deny": {}}, "Inbound", "Address"))[0] == "NotImplemented"
    assert refused(put, "{}")[0] == "InvalidParameter"


@pytest.mark.parametrize("operation", [5, [1], {"MaskConfig": 5}, {"MaskConfig": {"MaskWithCharacter": 5}}, {"Other": {}}])
def test_what_no_deidentification_is(sns: Any, topic: str, refused: Any, operation: Any) -> None:
    """A policy is checked when it is put."""
    policy = protection({"Deidentify": operation})
    assert refused(sns.put_data_protection_policy, ResourceArn=topic, DataProtectionPolicy=policy)[0] == "InvalidParameter"
