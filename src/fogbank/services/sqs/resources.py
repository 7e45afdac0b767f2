"""Queues and their policies as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    exists,
    found,
    pairs,
    parsed,
    tags,
)

DEFAULTS: dict[str, Any] = {
    "ContentBasedDeduplication": False,
    "DeduplicationScope": "queue",
    "DelaySeconds": 0,
    "FifoQueue": False,
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": 300,
    "KmsMasterKeyId": "",
    "MaximumMessageSize": 1_048_576,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": True,
    "VisibilityTimeout": 30,
}
"""The properties that are attributes of the same name, and what each is again when it is taken away."""
_JSON = ("RedriveAllowPolicy", "RedrivePolicy")


def _attributes(properties: Properties) -> dict[str, str]:
    """Properties as the texts that attributes are. A standard queue has no FifoQueue."""
    texts = {name: _text(value) for name, value in properties.items() if name in DEFAULTS}
    return {name: text for name, text in texts.items() if (name, text) != ("FifoQueue", "false")}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else document(value)


def _value(name: str, text: str) -> Any:
    kind = type(DEFAULTS[name])
    return parsed(text) if name in _JSON else text == "true" if kind is bool else kind(text)


def _read(ctx: Context, url: str) -> Properties:
    held = ctx.call("sqs", "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["All"]})["Attributes"]
    values = {name: _value(name, held[name]) for name in DEFAULTS if name in held}
    return {**values, "QueueName": held["QueueArn"].rpartition(":")[2], "Arn": held["QueueArn"], "QueueUrl": url}


def _create(ctx: Context, properties: Properties) -> str:
    name = properties["QueueName"]
    if found(lambda: ctx.call("sqs", "GetQueueUrl", {"QueueName": name}), "QueueDoesNotExist"):
        raise exists("AWS::SQS::Queue", name)
    labels = pairs(properties.get("Tags"))
    made: str = ctx.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": _attributes(properties), "tags": labels})["QueueUrl"]
    return made


def _put(ctx: Context, url: str, before: Properties, after: Properties) -> None:
    changed = {n: after.get(n, DEFAULTS[n]) for n in DEFAULTS if before.get(n, DEFAULTS[n]) != after.get(n, DEFAULTS[n])}
    ctx.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": _attributes(changed)})


QUEUE = ResourceType(
    "AWS::SQS::Queue",
    create=_create,
    made_with=("QueueName", "Tags", *DEFAULTS),
    read=_read,
    delete=lambda ctx, url, properties: ctx.call("sqs", "DeleteQueue", {"QueueUrl": url}),
    list=lambda ctx: every(ctx, "sqs", "ListQueues", {"MaxResults": 1000}, "QueueUrls"),
    parts=(
        Part(tuple(name for name in DEFAULTS if name != "FifoQueue"), _put),
        tags(
            read=lambda ctx, url: ctx.call("sqs", "ListQueueTags", {"QueueUrl": url})["Tags"] or {},
            add=lambda ctx, url, added: ctx.call("sqs", "TagQueue", {"QueueUrl": url, "Tags": added}),
            remove=lambda ctx, url, keys: ctx.call("sqs", "UntagQueue", {"QueueUrl": url, "TagKeys": keys}),
        ),
    ),
    naming=Naming("QueueName", 80, tail=lambda properties: ".fifo" if properties.get("FifoQueue") else ""),
    absent=("QueueDoesNotExist", "InvalidAddress"),
    present=("Present", "QueueNameExists"),
)


# The policies: attributes of queues that are there already


def _set_policy(ctx: Context, url: str, policy: Any) -> None:
    ctx.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": "" if policy is None else document(policy)}})


def _put_policies(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    for url in before.get("Queues", ()):
        if url not in after["Queues"]:
            _set_policy(ctx, url, None)
    for url in after["Queues"]:
        _set_policy(ctx, url, after["PolicyDocument"])


def _delete_policies(ctx: Context, identifier: str, properties: Properties) -> None:
    for url in properties["Queues"]:
        _set_policy(ctx, url, None)


QUEUE_POLICY = ResourceType(
    "AWS::SQS::QueuePolicy",
    create=lambda ctx, properties: ctx.random.uuid(),
    read=lambda ctx, identifier: {"Id": identifier},
    delete=_delete_policies,
    parts=(Part(("PolicyDocument", "Queues"), _put_policies),),
)


def _read_policy(ctx: Context, url: str) -> Properties:
    held = ctx.call("sqs", "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["Policy"]})["Attributes"] or {}
    if "Policy" not in held:
        raise absent("AWS::SQS::QueueInlinePolicy", url)
    return {"Queue": url, "PolicyDocument": parsed(held["Policy"])}


def _create_policy(ctx: Context, properties: Properties) -> str:
    url: str = properties["Queue"]
    if found(lambda: _read_policy(ctx, url), "Absent"):
        raise exists("AWS::SQS::QueueInlinePolicy", url)
    _set_policy(ctx, url, properties["PolicyDocument"])
    return url


def _delete_policy(ctx: Context, url: str, properties: Properties) -> None:
    _read_policy(ctx, url)
    _set_policy(ctx, url, None)


QUEUE_INLINE_POLICY = ResourceType(
    "AWS::SQS::QueueInlinePolicy",
    create=_create_policy,
    made_with=("Queue", "PolicyDocument"),
    read=_read_policy,
    delete=_delete_policy,
    parts=(Part(("PolicyDocument",), lambda ctx, url, before, after: _set_policy(ctx, url, after["PolicyDocument"])),),
    absent=("Absent", "QueueDoesNotExist"),
    present=("Present",),
)

TYPES = (QUEUE, QUEUE_POLICY, QUEUE_INLINE_POLICY)
