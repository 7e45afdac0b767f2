"""HTTP endpoints: confirmation, signed messages, retries."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

_TRUSTED = re.compile(r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?/SimpleNotificationService-[0-9a-f]{32}\.pem").fullmatch


def certificate(cloud: Any, message: dict[str, Any]) -> bytes:
    """The certificate of SigningCertURL, whose host is pointed here."""
    assert _TRUSTED(message["SigningCertURL"])
    with urllib.request.urlopen(cloud.endpoint + urlsplit(message["SigningCertURL"]).path) as answer:
        found: bytes = answer.read()
    return found


def verify(cloud: Any, message: dict[str, Any]) -> None:
    """As AWS's documentation says. Raises InvalidSignature."""
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    key: Any = x509.load_pem_x509_certificate(certificate(cloud, message)).public_key()
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[message["SignatureVersion"]]
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


def visit(url: str) -> str:
    """What a browser gets."""
    with urllib.request.urlopen(url) as answer:
        body: str = answer.read().decode()
    return body


def confirmed(cloud: Any, sns: Any, topic: str, subscriber: Any, **attributes: str) -> str:
    """Subscribes an HTTP endpoint, which confirms with the link that it is sent: the subscription's ARN."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url, Attributes=attributes)
    cloud.settle()
    [told] = subscriber.told("SubscriptionConfirmation")
    visit(told["SubscribeURL"])
    found: str = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"]
    return found


def test_an_endpoint_confirms(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """It is sent a token in a signed message; until it has visited the link, without any signature, it gets nothing."""
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Message="too early")
    cloud.settle()
    [told] = subscriber.told("SubscriptionConfirmation")
    verify(cloud, told)
    [(path, headers, _)] = subscriber.requests
    assert path == "/hook"
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["x-amz-sns-topic-arn"] == topic
    assert headers["x-amz-sns-message-id"] == told["MessageId"]
    assert list(told)[:6] == ["Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL"]
    assert parse_qs(urlsplit(told["SubscribeURL"]).query)["Token"] == [told["Token"]]
    assert topic in visit(told["SubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    got = sns.get_subscription_attributes(SubscriptionArn=listed["SubscriptionArn"])["Attributes"]
    assert (got["PendingConfirmation"], got["ConfirmationWasAuthenticated"]) == ("false", "false")
    sns.publish(TopicArn=topic, Message="m", Subject="s")
    cloud.settle()
    [notification] = subscriber.told("Notification")
    assert notification["Message"] == "m"
    verify(cloud, notification)
    assert subscriber.requests[-1][1]["x-amz-sns-subscription-arn"] == listed["SubscriptionArn"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_signatures(cloud: Any, sns: Any, topic: str, queue: Any, received: Any, version: str) -> None:
    """Version 1 signs with SHA-1, version 2 with SHA-256; what was altered does not hold."""
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version)
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for message in ({"Message": "ä\n"}, {"Message": "b", "Subject": "s"}):
        sns.publish(TopicArn=topic, **message)
        [got] = received(url)
        told = json.loads(got["Body"])
        assert told["SignatureVersion"] == version
        verify(cloud, told)
        with pytest.raises(InvalidSignature):
            verify(cloud, {**told, "Message": "altered"})


def test_no_other_certificate(cloud: Any, sns: Any, topic: str, queue: Any, received: Any) -> None:
    """Only the name of the cloud's own certificate is known."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        visit(f"{cloud.endpoint}/SimpleNotificationService-{'0' * 32}.pem")
    assert caught.value.code == 404


def test_the_link_that_unsubscribes(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """Whoever visits it ends the subscription; the endpoint is told, with a signed way back."""
    confirmed(cloud, sns, topic, subscriber)
    sns.publish(TopicArn=topic, Message="m")
    cloud.settle()
    visit(subscriber.told("Notification")[0]["UnsubscribeURL"])
    cloud.settle()
    [told] = subscriber.told("UnsubscribeConfirmation")
    verify(cloud, told)
    assert sns.list_subscriptions()["Subscriptions"] == []
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"


def test_authenticate_on_unsubscribe(cloud: Any, sns: Any, topic: str, subscriber: Any, refused: Any) -> None:
    """Confirmed so, only a signed call of its owner or the topic's ends it; confirming so needs a signature."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    cloud.settle()
    [told] = subscriber.told("SubscriptionConfirmation")
    with pytest.raises(urllib.error.HTTPError):
        visit(told["SubscribeURL"] + "&AuthenticateOnUnsubscribe=true")
    arn = sns.confirm_subscription(TopicArn=topic, Token=told["Token"], AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        visit(f"{cloud.endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}&Version=2010-03-31")
    assert caught.value.code == 403
    code, _ = refused(cloud.client("sns", "111111111111").unsubscribe, SubscriptionArn=arn)
    assert code == "AuthorizationError"
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_a_token_is_good_for_two_days(cloud: Any, sns: Any, topic: str, subscriber: Any, refused: Any) -> None:
    """Then it is invalid, and the subscription that nobody confirmed is gone. Subscribing again sends another."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    cloud.settle()
    cloud.advance(86_400)
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    cloud.advance(86_400)
    old, new = (told["Token"] for told in subscriber.told("SubscriptionConfirmation"))
    assert refused(sns.confirm_subscription, TopicArn=topic, Token=old) == ("InvalidParameter", "Invalid parameter: Token")
    assert sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    cloud.advance(86_400)
    assert refused(sns.confirm_subscription, TopicArn=topic, Token=new)[0] == "InvalidParameter"
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_raw_delivery_over_http(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """The message alone, and a header that says so; the content type is the delivery policy's."""
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    confirmed(cloud, sns, topic, subscriber, RawMessageDelivery="true", DeliveryPolicy=policy)
    sns.publish(TopicArn=topic, Message='{"a": 1}')
    cloud.settle()
    _, headers, body = subscriber.requests[-1]
    assert body == b'{"a": 1}'
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert headers["content-type"] == "application/json"


def attempts(cloud: Any, subscriber: Any, seconds: int, sns: Any, topic: str, *messages: str) -> list[int]:
    """Publishes, and says at which seconds from then on the endpoint was called."""
    out: list[int] = []
    seen = len(subscriber.requests)
    for message in messages:
        sns.publish(TopicArn=topic, Message=message)
    for second in range(seconds):
        cloud.settle()
        out += [second] * (len(subscriber.requests) - seen)
        seen = len(subscriber.requests)
        cloud.advance(1)
    return out


def test_retries(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """By itself three retries, 20 seconds apart; 4xx is not tried again."""
    confirmed(cloud, sns, topic, subscriber)
    subscriber.statuses = [500, 503, 429, 200]
    assert attempts(cloud, subscriber, 100, sns, topic, "m") == [0, 20, 40, 60]
    assert len({told["MessageId"] for told in subscriber.told("Notification")}) == 1
    subscriber.statuses = [404]
    assert attempts(cloud, subscriber, 60, sns, topic, "n") == [0]


def test_a_delivery_policy(cloud: Any, sns: Any, topic: str, subscriber: Any, queue: Any, received: Any) -> None:
    """Immediate retries, some at the least delay, some growing, some at the greatest; then the dead-letter queue."""
    retry = {
        "numRetries": 7,
        "numNoDelayRetries": 1,
        "numMinDelayRetries": 1,
        "numMaxDelayRetries": 2,
        "minDelayTarget": 2,
        "maxDelayTarget": 6,
        "backoffFunction": "linear",
    }
    url, arn = queue("dead")
    confirmed(
        cloud,
        sns,
        topic,
        subscriber,
        DeliveryPolicy=json.dumps({"healthyRetryPolicy": retry}),
        RedrivePolicy=json.dumps({"deadLetterTargetArn": arn}),
    )
    subscriber.statuses = [500] * 20
    assert attempts(cloud, subscriber, 40, sns, topic, "m") == [0, 0, 2, 4, 8, 14, 20, 26]
    [dead] = received(url)
    assert json.loads(dead["Body"])["Message"] == "m"
    verify(cloud, json.loads(dead["Body"]))


def test_a_throttle_policy(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """maxReceivesPerSecond holds."""
    confirmed(cloud, sns, topic, subscriber, DeliveryPolicy=json.dumps({"throttlePolicy": {"maxReceivesPerSecond": 2}}))
    times = attempts(cloud, subscriber, 6, sns, topic, *"abcdef")
    assert len(times) == 6
    assert max(times.count(second) for second in times) <= 3


def test_the_topics_policy_can_overrule(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """disableSubscriptionOverrides: what subscriptions say does not count."""
    http = {"defaultHealthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 5, "maxDelayTarget": 5}, "disableSubscriptionOverrides": True}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps({"http": http}))
    arn = confirmed(cloud, sns, topic, subscriber, DeliveryPolicy=json.dumps({"healthyRetryPolicy": {"numRetries": 50}}))
    effective = json.loads(sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["EffectiveDeliveryPolicy"])
    assert effective["healthyRetryPolicy"]["numRetries"] == 1
    subscriber.statuses = [500] * 5
    assert attempts(cloud, subscriber, 30, sns, topic, "m") == [0, 5]


def test_a_killed_cloud_sends_what_it_owes(tmp_path: Any, subscriber: Any) -> None:
    """After kill -9 what an HTTP endpoint has not taken is sent again."""
    from fogbank.testing import Process

    process = Process(tmp_path).start()
    try:
        sns = process.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        subscriber.statuses = [200, 500]
        policy = json.dumps({"healthyRetryPolicy": {"numRetries": 3, "minDelayTarget": 1, "maxDelayTarget": 1}})
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url, Attributes={"DeliveryPolicy": policy})
        _wait(lambda: subscriber.told("SubscriptionConfirmation"))
        visit(subscriber.told("SubscriptionConfirmation")[0]["SubscribeURL"])
        sns.publish(TopicArn=topic, Message="kept until it is taken")
        _wait(lambda: subscriber.told("Notification"))
        process.kill()
        assert b"kept until it is taken" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        process.start()
        _wait(lambda: len(subscriber.told("Notification")) > 1)
    finally:
        process.stop()
    assert {told["Message"] for told in subscriber.told("Notification")} == {"kept until it is taken"}


def _wait(there: Any, seconds: float = 60) -> None:
    """Until something has come from another process."""
    import time

    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")
def test_the_signature_as_node_sees_it(cloud: Any, sns: Any, topic: str, queue: Any, received: Any, tmp_path: Any) -> None:
    """OpenSSL in another language takes the certificate and the signature."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="m")
    told = json.loads(received(url)[0]["Body"])
    (tmp_path / "cert.pem").write_bytes(certificate(cloud, told))
    (tmp_path / "message.json").write_text(json.dumps(told))
    script = """
        const fs = require('fs'), crypto = require('crypto');
        const m = JSON.parse(fs.readFileSync('message.json'));
        const names = ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];
        const v = crypto.createVerify('RSA-SHA1');
        for (const n of names) if (n in m) v.update(n + '\\n' + m[n] + '\\n', 'utf8');
        process.stdout.write(String(v.verify(fs.readFileSync('cert.pem'), m.Signature, 'base64')));
    """
    ran = subprocess.run(["node", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "true"


def test_an_endpoint_with_a_password(cloud: Any, sns: Any, topic: str, subscriber: Any) -> None:
    """The user name and the password of its address are sent to an endpoint that answers 401, and shown to nobody."""
    subscriber.statuses = [401, 200, 401, 200]
    url = subscriber.url.replace("//", "//me:s%40fe@")
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    cloud.settle()
    [first, second] = [headers.get("authorization") for _, headers, _ in subscriber.requests]
    assert (first, second) == (None, f"Basic {base64.b64encode(b'me:s@fe').decode()}")
    visit(subscriber.told("SubscriptionConfirmation")[1]["SubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["Endpoint"] == subscriber.url.replace("//", "//me:****@")
    attributes = sns.get_subscription_attributes(SubscriptionArn=listed["SubscriptionArn"])["Attributes"]
    assert attributes["Endpoint"] == listed["Endpoint"]
    sns.publish(TopicArn=topic, Message="m")
    cloud.settle()
    assert len(subscriber.told("Notification")) == 2


@pytest.mark.parametrize("endpoint", ["http://[foo", "http://x:99999/", "http:///x", "http://", "https://x/"])
def test_no_endpoint(sns: Any, topic: str, refused: Any, endpoint: str) -> None:
    """An endpoint is an address of its protocol."""
    members = {"TopicArn": topic, "Protocol": "http", "Endpoint": endpoint}
    assert refused(sns.subscribe, **members) == ("InvalidParameter", "Invalid parameter: Endpoint must match the specified protocol")
