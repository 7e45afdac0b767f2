"""What targets are sent: AWS's JSON, letter by letter, and the string that a signature is made over. Arithmetic, without ctx.

Source: "Parsing message formats" and "Verifying the signatures of Amazon SNS messages" in the Developer Guide, "Using Lambda with Amazon
SNS" in Lambda's.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.services.sns.state import Attribute, Message

FIRST_SEQUENCE = 10_000_000_000_000_000_000
_encode = msgspec.json.Encoder().encode


def quoted(text: str) -> str:
    """Text as a JSON string."""
    return _encode(text).decode()


@lru_cache(256)
def instant(at_ms: int) -> str:
    """2026-01-31T12:00:00.000Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def sequence_number(sequence: int) -> str:
    """20 digits that grow."""
    return str(FIRST_SEQUENCE + sequence)


def value_of(attribute: Attribute) -> str:
    """An attribute's value as text: bytes in base64."""
    return attribute.text if attribute.binary is None else base64.b64encode(attribute.binary).decode()


def attributes_of(message: Message) -> dict[str, dict[str, str]]:
    return {a.name: {"Type": a.type, "Value": value_of(a)} for a in message.attributes}


def body_for(message: Message, protocol: str) -> str:
    """What the publisher says to this protocol."""
    structure = message.structure
    return message.body if structure is None else structure.get(protocol, structure["default"])


def string_to_sign(message: Message, topic_arn: str, body: str, kind: str = "Notification", token: str = "", url: str = "") -> bytes:
    """Names and values by turns, in order of the names."""
    parts = ["Message", body, "MessageId", message.id]
    if kind == "Notification":
        if message.subject is not None:
            parts += ["Subject", message.subject]
        parts += ["Timestamp", instant(message.at_ms)]
    else:
        parts += ["SubscribeURL", url, "Timestamp", instant(message.at_ms), "Token", token]
    parts += ["TopicArn", topic_arn, "Type", kind, ""]
    return "\n".join(parts).encode()


def unsubscribe_url(endpoint: str, subscription_arn: str) -> str:
    return f"{endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}&Version=2010-03-31"


def subscribe_url(endpoint: str, topic_arn: str, token: str) -> str:
    return f"{endpoint}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}&Version=2010-03-31"


class Notification:
    """The JSON envelope of a message for one protocol: the same for every subscription but for what it unsubscribes."""

    __slots__ = ("_after", "_before")

    def __init__(self, message: Message, topic_arn: str, endpoint: str, body: str, signed: tuple[str, str, str] | None) -> None:
        """`signed`: version, signature and the certificate's URL; None on a FIFO topic."""
        lines = ['"Type" : "Notification"', f'"MessageId" : "{message.id}"']
        if message.sequence:
            lines.append(f'"SequenceNumber" : "{sequence_number(message.sequence)}"')
        lines.append(f'"TopicArn" : "{topic_arn}"')
        if message.subject is not None:
            lines.append(f'"Subject" : {quoted(message.subject)}')
        lines += [f'"Message" : {quoted(body)}', f'"Timestamp" : "{instant(message.at_ms)}"']
        if signed is not None:
            version, signature, url = signed
            lines += [f'"SignatureVersion" : "{version}"', f'"Signature" : "{signature}"', f'"SigningCertURL" : "{url}"']
        if message.replayed:
            lines.append('"Replayed" : "true"')
        mark = "\0"
        lines.append(f'"UnsubscribeURL" : "{unsubscribe_url(endpoint, mark)}"')
        if message.attributes:
            shown = ",\n".join(
                f'    {quoted(a.name)} : {{"Type":{quoted(a.type)},"Value":{quoted(value_of(a))}}}' for a in message.attributes
            )
            lines.append(f'"MessageAttributes" : {{\n{shown}\n  }}')
        self._before, _, self._after = ("{\n  " + ",\n  ".join(lines) + "\n}").partition(mark)

    def to(self, subscription_arn: str) -> str:
        return f"{self._before}{subscription_arn}{self._after}"


def confirmation(kind: str, message: Message, topic_arn: str, endpoint: str, token: str, signed: tuple[str, str, str]) -> str:
    """A SubscriptionConfirmation or an UnsubscribeConfirmation."""
    version, signature, url = signed
    pairs = {
        "Type": kind,
        "MessageId": message.id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": message.body,
        "SubscribeURL": subscribe_url(endpoint, topic_arn, token),
        "Timestamp": instant(message.at_ms),
        "SignatureVersion": version,
        "Signature": signature,
        "SigningCertURL": url,
    }
    return "{\n  " + ",\n  ".join(f'"{name}" : {quoted(value)}' for name, value in pairs.items()) + "\n}"


def confirmation_text(kind: str, topic_arn: str) -> str:
    if kind == "SubscriptionConfirmation":
        return (
            f"You have chosen to subscribe to the topic {topic_arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
    return (
        f"You have chosen to deactivate subscription to the topic {topic_arn}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )


def lambda_event(
    kind: str, message: Message, topic_arn: str, subscription_arn: str, endpoint: str, body: str, signed: tuple[str, str, str] | None
) -> bytes:
    """The event of a Lambda function: one record. Its URLs are spelt `Url` there, and what has no value is null."""
    version, signature, url = signed or ("", "", "")
    told: dict[str, Any] = {
        "Type": kind,
        "MessageId": message.id,
        "TopicArn": topic_arn,
        "Subject": message.subject,
        "Message": body,
        "Timestamp": instant(message.at_ms),
        "SignatureVersion": version,
        "Signature": signature,
        "SigningCertUrl": url,
        "UnsubscribeUrl": unsubscribe_url(endpoint, subscription_arn),
        "MessageAttributes": attributes_of(message),
    }
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "Sns": told}
    return _encode({"Records": [record]})
