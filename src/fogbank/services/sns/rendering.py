"""A message as one topic sends it: each form of it is made once, when the first target needs it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Acting, Context, Role
from fogbank.services.sns import envelopes, signing
from fogbank.services.sns.addresses import PRINCIPAL, arn_of, subscription_arn
from fogbank.services.sns.state import Attribute, Message, Subscription, Topic


class Target(NamedTuple):
    """Where something is sent, and as what. `token`: of a confirmation."""

    protocol: str
    endpoint: str
    subscription_arn: str
    raw: bool = False
    role_arn: str = ""
    kind: str = "Notification"
    token: str = ""


def target_of(subscription: Subscription) -> Target:
    return Target(subscription.protocol, subscription.endpoint, subscription_arn(subscription), subscription.raw, subscription.role_arn)


class Parcel:
    """A message of a topic, in the forms that targets take."""

    def __init__(self, ctx: Context, topic: Topic, message: Message) -> None:
        self.topic = topic
        self.topic_arn = arn_of(topic)
        self.message = message
        self.acting = Acting(PRINCIPAL, self.topic_arn, topic.account)
        self._ctx = ctx
        self._signed: dict[str, tuple[str, str, str]] = {}
        self._envelopes: dict[str, envelopes.Notification] = {}
        self._attributes: dict[str, Any] | None = None

    def role(self, arn: str) -> Role:
        """A role that SNS takes on on behalf of the topic."""
        return Role(arn, PRINCIPAL, "sns-delivery", self.topic_arn, self.topic.account)

    def body(self, protocol: str) -> str:
        """What the publisher says to a protocol."""
        return envelopes.body_for(self.message, protocol)

    def signed(self, body: str) -> tuple[str, str, str] | None:
        """Version, signature and certificate; FIFO topics do not sign."""
        if self.topic.fifo:
            return None
        signed = self._signed.get(body)
        if signed is None:
            text = envelopes.string_to_sign(self.message, self.topic_arn, body)
            signed = self._signed[body] = signing.sign(self._ctx, text, self.topic.signature_version, self.topic.region)
        return signed

    def envelope(self, target: Target) -> str:
        """The JSON that a queue or an HTTP endpoint gets."""
        if target.kind != "Notification":
            return self._confirmation(target)
        body = self.body(target.protocol)
        made = self._envelopes.get(body)
        if made is None:
            made = envelopes.Notification(self.message, self.topic_arn, self._ctx.endpoint, body, self.signed(body))
            self._envelopes[body] = made
        return made.to(target.subscription_arn)

    def _confirmation(self, target: Target) -> str:
        message, endpoint = self.message, self._ctx.endpoint
        url = envelopes.subscribe_url(endpoint, self.topic_arn, target.token)
        text = envelopes.string_to_sign(message, self.topic_arn, message.body, target.kind, target.token, url)
        signed = signing.sign(self._ctx, text, self.topic.signature_version, self.topic.region)
        return envelopes.confirmation(target.kind, message, self.topic_arn, endpoint, target.token, signed)

    def content(self, target: Target) -> str:
        """The body of what is sent: the envelope, or with raw delivery the message itself."""
        return self.body(target.protocol) if target.raw and target.kind == "Notification" else self.envelope(target)

    def event(self, target: Target) -> bytes:
        """What a Lambda function gets."""
        body = self.body("lambda") if target.kind == "Notification" else self.message.body
        return envelopes.lambda_event(
            target.kind, self.message, self.topic_arn, target.subscription_arn, self._ctx.endpoint, body, self.signed(body)
        )

    def line(self, target: Target) -> bytes:
        """What a Firehose stream gets: one line."""
        if target.raw:
            return self.body("firehose").encode() + b"\n"
        message = self.message
        told: dict[str, Any] = {"Type": "Notification", "MessageId": message.id, "TopicArn": self.topic_arn}
        if message.subject is not None:
            told["Subject"] = message.subject
        told |= {
            "Message": self.body("firehose"),
            "Timestamp": envelopes.instant(message.at_ms),
            "UnsubscribeURL": envelopes.unsubscribe_url(self._ctx.endpoint, target.subscription_arn),
        }
        if message.attributes:
            told["MessageAttributes"] = envelopes.attributes_of(message)
        return msgspec.json.encode(told) + b"\n"

    def attributes(self) -> dict[str, Any]:
        """The message's attributes as SQS takes them."""
        if self._attributes is None:
            self._attributes = {a.name: _member(a) for a in self.message.attributes}
        return self._attributes


def _member(attribute: Attribute) -> dict[str, Any]:
    if attribute.binary is not None:
        return {"DataType": attribute.type, "BinaryValue": attribute.binary}
    return {"DataType": attribute.type, "StringValue": attribute.text}
