"""The attributes of a topic: AWS's names and texts on one side, the fields of its record on the other.

Source: API reference, CreateTopic, SetTopicAttributes and GetTopicAttributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fogbank.access import grammar
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.languages import documents
from fogbank.services.sns import retries
from fogbank.services.sns.addresses import PRINCIPAL, arn_of, topic_arn
from fogbank.services.sns.envelopes import instant
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import BY_TOPIC, Topic

Fields = dict[str, Any]

MESSAGE_BYTES_LIMIT = 262_144
LARGE_BYTES_LIMIT = 1_048_576
LARGE_SUBSCRIPTIONS_LIMIT = 100
LARGE_PROTOCOLS = ("sqs", "lambda", "firehose")
ARCHIVE_DAYS_LIMIT = 365
DAY_MS = 86_400_000
FIFO_ONLY = ("ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy")
CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    "ContentBasedDeduplication": ("content_based_deduplication", {"true": True, "false": False}),
    "FifoThroughputScope": ("throughput_scope", {"Topic": "Topic", "MessageGroup": "MessageGroup"}),
    "SignatureVersion": ("signature_version", {"1": "1", "2": "2"}),
    "TracingConfig": ("tracing", {"PassThrough": "PassThrough", "Active": "Active"}),
}
PROTOCOLS_LOGGED = ("HTTP", "Firehose", "Lambda", "Application", "SQS")
FEEDBACK = tuple(
    f"{protocol}{what}"
    for protocol in PROTOCOLS_LOGGED
    for what in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")
)
OWNERS_ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)

DESCRIBED: dict[str, Callable[[Topic], Any]] = {
    "DisplayName": lambda t: t.display_name,
    "Policy": lambda t: t.policy or None,
    "DeliveryPolicy": lambda t: t.delivery_policy or None,
    "KmsMasterKeyId": lambda t: t.kms_key or None,
    "SignatureVersion": lambda t: t.signature_version or None,
    "TracingConfig": lambda t: t.tracing or None,
    "MaximumMessageSize": lambda t: t.maximum_message_bytes or None,
    "FifoTopic": lambda t: "true" if t.fifo else None,
    "ContentBasedDeduplication": lambda t: str(t.content_based_deduplication).lower() if t.fifo else None,
    "FifoThroughputScope": lambda t: t.throughput_scope if t.fifo else None,
    "ArchivePolicy": lambda t: t.archive_policy or None,
}


def default_policy(account: str, region: str, name: str) -> str:
    """The policy that a topic has from the beginning: its owner may do everything with it, also through services that say SourceOwner."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in OWNERS_ACTIONS],
        "Resource": topic_arn(account, region, name),
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return encoded({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def archive_days(topic: Topic) -> int:
    """For how many days the topic keeps its messages; 0: it does not."""
    return int(msgspec.json.decode(topic.archive_policy)["MessageRetentionPeriod"]) if topic.archive_policy else 0


def describe(ctx: Context, topic: Topic) -> dict[str, str]:
    """All attributes that the topic has, as text."""
    counts = {"SubscriptionsConfirmed": 0, "SubscriptionsPending": 0}
    for subscription in BY_TOPIC.scan(ctx, topic.account, topic.region, topic.name):
        counts["SubscriptionsConfirmed" if subscription.confirmed else "SubscriptionsPending"] += 1
    answer: dict[str, Any] = {
        "TopicArn": arn_of(topic),
        "Owner": topic.account,
        **counts,
        "SubscriptionsDeleted": topic.deleted_subscriptions,
        "EffectiveDeliveryPolicy": encoded(retries.effective_topic_policy(topic.delivery_policy)),
        **{name: value for name, read in DESCRIBED.items() if (value := read(topic)) is not None},
        **topic.feedback,
    }
    if topic.archive_policy:
        begins_ms = max(topic.archived_since_ms, ctx.now - archive_days(topic) * DAY_MS)
        answer["BeginningArchiveTime"] = instant(begins_ms)
    return {name: str(value) for name, value in answer.items()}


def read(ctx: Context, topic: Topic, given: Mapping[str, str], parameter: str = "") -> Fields:
    """The fields that given attributes set on a topic (which may be one that is still to be made).

    `parameter`: what a refusal names first ("Attributes", where they came together). Raises InvalidParameter.
    """
    fields: Fields = {}
    for name, text in given.items():
        if name in FIFO_ONLY and not topic.fifo:
            raise _refused(parameter, name, f"Attribute {name} is not supported for standard topics")
        if name in CHOICES:
            field, values = CHOICES[name]
            if text not in values:
                raise _refused(parameter, name, f"Invalid value [{text}]. Must be one of {' or '.join(values)}.")
            fields[field] = values[text]
        elif name in FEEDBACK:
            feedback = fields.get("feedback", topic.feedback)
            fields["feedback"] = _feedback(ctx, feedback, name, text, parameter)
        elif name in _READERS:
            fields |= _READERS[name](ctx, topic, text, parameter)
        elif name == "FifoTopic":
            if (text == "true") != topic.fifo or text not in ("true", "false"):
                raise invalid("FifoTopic")
        else:
            raise invalid("AttributeName") if not parameter else invalid(parameter, f"Unknown attribute {name}")
    return fields


def _refused(parameter: str, name: str, sentence: str) -> ServiceException:
    return invalid(parameter, f"{name}: {sentence}") if parameter else invalid(f"{name}: {sentence}")


def _feedback(ctx: Context, feedback: Mapping[str, str], name: str, text: str, parameter: str) -> dict[str, str]:
    if not text:
        return {key: value for key, value in feedback.items() if key != name}
    if name.endswith("SampleRate"):
        if not text.isdecimal() or int(text) > 100:
            raise _refused(parameter, name, "Invalid value. Must be an integer from 0 to 100.")
    elif not (text.startswith("arn:") and ":role/" in text):
        raise _refused(parameter, name, "Invalid value. Must be the ARN of an IAM role.")
    elif feedback.get(name) != text:
        ctx.authorize("iam:PassRole", text, iam__PassedToService=PRINCIPAL)
    return {**feedback, name: text}


def _display_name(ctx: Context, topic: Topic, text: str, parameter: str) -> Fields:
    if len(text) > 100 or any(ord(letter) < 32 for letter in text):
        raise _refused(parameter, "DisplayName", "Invalid display name")
    return {"display_name": text}


def _policy(ctx: Context, topic: Topic, text: str, parameter: str) -> Fields:
    """ "" puts the default policy back."""
    if not text.strip():
        return {"policy": default_policy(topic.account, topic.region, topic.name)}
    check_policy(text, parameter)
    return {"policy": text}


def check_policy(text: str, parameter: str = "") -> None:
    """A topic policy's syntax, and that it speaks of SNS. Raises InvalidParameter."""
    try:
        document = grammar.read(text, "resource")
    except ServiceException as refused:
        raise _refused(parameter, "Policy", f"Error:{refused.message}") from None
    statements = document["Statement"] if isinstance(document, dict) else ()
    for statement in [statements] if isinstance(statements, dict) else statements:
        actions = statement.get("Action", ())
        for action in [actions] if isinstance(actions, str) else actions:
            if action != "*" and not action.lower().startswith("sns:"):
                raise _refused(parameter, "Policy", "statement action out of service scope!")


def _delivery_policy(ctx: Context, topic: Topic, text: str, parameter: str) -> Fields:
    if text.strip() and (wrong := retries.problem(text, of_topic=True)):
        raise _refused(parameter, "DeliveryPolicy", wrong)
    return {"delivery_policy": text.strip()}


def _archive_policy(ctx: Context, topic: Topic, text: str, parameter: str) -> Fields:
    """{"MessageRetentionPeriod": days}; "" or {} ends the archive."""
    try:
        policy = documents.read_object(text or "{}")
        days = int(policy.get("MessageRetentionPeriod", 0))
    except (ValueError, TypeError, OverflowError):
        raise _refused(parameter, "ArchivePolicy", "failed to parse JSON.") from None
    if not policy:
        return {"archive_policy": "", "archived_since_ms": 0}
    if set(policy) != {"MessageRetentionPeriod"} or not 1 <= days <= ARCHIVE_DAYS_LIMIT:
        raise _refused(parameter, "ArchivePolicy", f"MessageRetentionPeriod must be between 1 and {ARCHIVE_DAYS_LIMIT} days.")
    return {"archive_policy": text, "archived_since_ms": topic.archived_since_ms or ctx.now}


def _maximum_message_size(ctx: Context, topic: Topic, text: str, parameter: str) -> Fields:
    """More than 256 KiB only where there are few subscriptions, and all to SQS, Lambda or Firehose."""
    if not text.isdecimal() or not 1024 <= int(text) <= LARGE_BYTES_LIMIT:
        raise _refused(parameter, "MaximumMessageSize", f"Must be between 1024 and {LARGE_BYTES_LIMIT}.")
    if int(text) > MESSAGE_BYTES_LIMIT:
        subscriptions = list(BY_TOPIC.scan(ctx, topic.account, topic.region, topic.name))
        if len(subscriptions) > LARGE_SUBSCRIPTIONS_LIMIT or any(s.protocol not in LARGE_PROTOCOLS for s in subscriptions):
            raise _refused(
                parameter,
                "MaximumMessageSize",
                f"A value above {MESSAGE_BYTES_LIMIT} needs {LARGE_SUBSCRIPTIONS_LIMIT} or fewer subscriptions, all of protocol"
                f" {', '.join(LARGE_PROTOCOLS)}.",
            )
    return {"maximum_message_bytes": int(text)}


_READERS: dict[str, Callable[[Context, Topic, str, str], Fields]] = {
    "DisplayName": _display_name,
    "Policy": _policy,
    "DeliveryPolicy": _delivery_policy,
    "KmsMasterKeyId": lambda ctx, topic, text, parameter: {"kms_key": text.strip()},
    "ArchivePolicy": _archive_policy,
    "MaximumMessageSize": _maximum_message_size,
}
