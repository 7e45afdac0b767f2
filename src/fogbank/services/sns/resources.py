"""Topics, their policies, and subscriptions as CloudFormation has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    each,
    every,
    exists,
    found,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
    unpaired,
)

_TOPIC_DEFAULTS: dict[str, Any] = {
    "ArchivePolicy": {},
    "ContentBasedDeduplication": False,
    "DisplayName": "",
    "FifoThroughputScope": "Topic",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": 262_144,
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}
"""The properties that are attributes of the same name, and what each is again when it is taken away."""
_JSON = ("ArchivePolicy", "DeliveryPolicy", "FilterPolicy", "RedrivePolicy", "ReplayPolicy")
_LOGGED = {"http/s": "HTTP", "sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose", "application": "Application"}
_FEEDBACK = ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else document(value) if isinstance(value, dict) else str(value)


def _texts(properties: Properties, names: Iterable[str]) -> dict[str, str]:
    return {name: _text(properties[name]) for name in names if properties.get(name) is not None}


def _value(name: str, text: str, default: Any) -> Any:
    kind = type(default)
    return parsed(text) if name in _JSON else text == "true" if kind is bool else int(text) if kind is int else text


# Topics


def _topic_attributes(ctx: Context, arn: str) -> dict[str, str]:
    attributes: dict[str, str] = ctx.call("sns", "GetTopicAttributes", {"TopicArn": arn})["Attributes"]
    return attributes


def _set_topic(ctx: Context, arn: str, name: str, text: str) -> None:
    ctx.call("sns", "SetTopicAttributes", {"TopicArn": arn, "AttributeName": name, "AttributeValue": text})


def _create_topic(ctx: Context, properties: Properties) -> str:
    name = properties["TopicName"]
    made: str = ctx.arn(name, service="sns")
    if found(lambda: _topic_attributes(ctx, made), "NotFoundException"):
        raise exists("AWS::SNS::Topic", made)
    attributes = _texts(properties, _TOPIC_DEFAULTS)
    if properties.get("FifoTopic"):
        attributes["FifoTopic"] = "true"
    members = given(Name=name, Attributes=attributes, Tags=properties.get("Tags"))
    ctx.call("sns", "CreateTopic", members)
    return made


def _read_topic(ctx: Context, arn: str) -> Properties:
    held = _topic_attributes(ctx, arn)
    values = {name: _value(name, held[name], default) for name, default in _TOPIC_DEFAULTS.items() if name in held}
    fifo = {"FifoTopic": True} if held.get("FifoTopic") == "true" else {}
    return {**values, **fifo, "TopicArn": arn, "TopicName": arn.rpartition(":")[2], "DeliveryStatusLogging": _logging(held)}


def _logging(held: dict[str, str]) -> list[Properties] | None:
    """Delivery status attributes, protocol by protocol."""
    shown = []
    for protocol, prefix in _LOGGED.items():
        said = {name: held[prefix + name] for name in _FEEDBACK if prefix + name in held}
        if said:
            shown.append({"Protocol": protocol, **said})
    return shown or None


def _put_topic(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    for name, default in _TOPIC_DEFAULTS.items():
        if before.get(name, default) != after.get(name, default):
            _set_topic(ctx, arn, name, _text(after.get(name, default)))


def _put_logging(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    def said(properties: Properties) -> dict[str, str]:
        listed = properties.get("DeliveryStatusLogging") or ()
        return {_LOGGED[one["Protocol"]] + name: one[name] for one in listed for name in _FEEDBACK if name in one}

    old, new = said(before), said(after)
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            _set_topic(ctx, arn, name, new.get(name, ""))


def _put_protection(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    policy = after.get("DataProtectionPolicy")
    text = "" if policy is None else document(policy)
    ctx.call("sns", "PutDataProtectionPolicy", {"ResourceArn": arn, "DataProtectionPolicy": text})


def _get_protection(ctx: Context, arn: str) -> Properties:
    text = ctx.call("sns", "GetDataProtectionPolicy", {"ResourceArn": arn})["DataProtectionPolicy"]
    return {"DataProtectionPolicy": parsed(text) if text else None}


def _subscriptions(ctx: Context, arn: str) -> list[Properties]:
    return list(every(ctx, "sns", "ListSubscriptionsByTopic", {"TopicArn": arn}, "Subscriptions"))


def _subscribe(ctx: Context, arn: str, one: Properties) -> None:
    ctx.call("sns", "Subscribe", {"TopicArn": arn, **one})


def _unsubscribe(ctx: Context, arn: str, one: Properties) -> None:
    for held in _subscriptions(ctx, arn):
        if (held["Protocol"], held["Endpoint"]) == (one["Protocol"], one["Endpoint"]) and held["SubscriptionArn"].startswith("arn:"):
            ctx.call("sns", "Unsubscribe", {"SubscriptionArn": held["SubscriptionArn"]})


def _listed(ctx: Context, arn: str) -> list[Properties]:
    return [{"Endpoint": one["Endpoint"], "Protocol": one["Protocol"]} for one in _subscriptions(ctx, arn)]


TOPIC = ResourceType(
    "AWS::SNS::Topic",
    create=_create_topic,
    made_with=("TopicName", "FifoTopic", "Tags", *_TOPIC_DEFAULTS),
    read=_read_topic,
    delete=lambda ctx, arn, properties: (_topic_attributes(ctx, arn), ctx.call("sns", "DeleteTopic", {"TopicArn": arn})),
    list=lambda ctx: (one["TopicArn"] for one in every(ctx, "sns", "ListTopics", {}, "Topics")),
    parts=(
        Part(tuple(_TOPIC_DEFAULTS), _put_topic),
        Part(("DeliveryStatusLogging",), _put_logging),
        Part(("DataProtectionPolicy",), _put_protection, _get_protection),
        each("Subscription", _subscribe, _unsubscribe, _listed, key=lambda one: (one["Protocol"], one["Endpoint"])),
        tags(
            read=lambda ctx, arn: pairs(ctx.call("sns", "ListTagsForResource", {"ResourceArn": arn})["Tags"]),
            add=lambda ctx, arn, added: ctx.call("sns", "TagResource", {"ResourceArn": arn, "Tags": unpaired(added)}),
            remove=lambda ctx, arn, keys: ctx.call("sns", "UntagResource", {"ResourceArn": arn, "TagKeys": keys}),
        ),
    ),
    naming=Naming("TopicName", 256, tail=lambda properties: ".fifo" if properties.get("FifoTopic") else ""),
    absent=("NotFoundException",),
    present=("Present",),
)


# Subscriptions

_SUBSCRIPTION_DEFAULTS: dict[str, Any] = {
    "DeliveryPolicy": {},
    "FilterPolicyScope": "MessageAttributes",
    "FilterPolicy": {},
    "RawMessageDelivery": False,
    "RedrivePolicy": {},
    "ReplayPolicy": {},
    "SubscriptionRoleArn": "",
}


def _regional(ctx: Context, properties: Properties) -> str:
    """The region of the topic, which may be another one than the stack's."""
    arn = Arn.parse(properties["TopicArn"])
    return properties.get("Region") or (arn.region if arn is not None else ctx.region)


def _create_subscription(ctx: Context, properties: Properties) -> str:
    members: Properties = {name: properties[name] for name in ("TopicArn", "Protocol", "Endpoint") if name in properties}
    attributes = _texts(properties, _SUBSCRIPTION_DEFAULTS)
    if attributes.get("RawMessageDelivery") == "false":
        del attributes["RawMessageDelivery"]
    asked: dict[str, Any] = {**members, "Attributes": attributes, "ReturnSubscriptionArn": True}
    made: str = ctx.call("sns", "Subscribe", asked, region=_regional(ctx, properties))["SubscriptionArn"]
    return made


def _in_its_region(ctx: Context, operation: str, arn: str, **members: Any) -> Any:
    parts = Arn.parse(arn)
    return ctx.call("sns", operation, {"SubscriptionArn": arn, **members}, region=parts.region if parts else None)


def _read_subscription(ctx: Context, arn: str) -> Properties:
    held = _in_its_region(ctx, "GetSubscriptionAttributes", arn)["Attributes"]
    values = {name: _value(name, held[name], default) for name, default in _SUBSCRIPTION_DEFAULTS.items() if name in held}
    return {**values, "TopicArn": held["TopicArn"], "Protocol": held["Protocol"], "Endpoint": held["Endpoint"], "Arn": arn}


def _put_subscription(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    scope = "FilterPolicyScope"
    if before.get("FilterPolicy") and before.get(scope) != after.get(scope):  # a policy may not fit another scope
        _in_its_region(ctx, "SetSubscriptionAttributes", arn, AttributeName="FilterPolicy", AttributeValue="{}")
        before = {**before, "FilterPolicy": {}}
    for name, default in _SUBSCRIPTION_DEFAULTS.items():
        if before.get(name, default) != after.get(name, default):
            text = _text(after.get(name, default))
            _in_its_region(ctx, "SetSubscriptionAttributes", arn, AttributeName=name, AttributeValue=text)


SUBSCRIPTION = ResourceType(
    "AWS::SNS::Subscription",
    create=_create_subscription,
    made_with=("TopicArn", "Protocol", "Endpoint", "Region", *_SUBSCRIPTION_DEFAULTS),
    read=_read_subscription,
    delete=lambda ctx, arn, properties: (_read_subscription(ctx, arn), _in_its_region(ctx, "Unsubscribe", arn)),
    list=lambda ctx: (
        one["SubscriptionArn"]
        for one in every(ctx, "sns", "ListSubscriptions", {}, "Subscriptions")
        if one["SubscriptionArn"].startswith("arn:")
    ),
    parts=(Part(tuple(_SUBSCRIPTION_DEFAULTS), _put_subscription), not_updatable("AWS::SNS::Subscription", "Region")),
    absent=("NotFoundException",),
)


# Policies: attributes of topics that are there already


def _set_policy(ctx: Context, arn: str, policy: Any) -> None:
    """None: the policy that topics have by themselves."""
    _set_topic(ctx, arn, "Policy", "" if policy is None else document(policy))


def _put_policies(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    for arn in before.get("Topics", ()):
        if arn not in after["Topics"]:
            _set_policy(ctx, arn, None)
    for arn in after["Topics"]:
        _set_policy(ctx, arn, after["PolicyDocument"])


def _delete_policies(ctx: Context, identifier: str, properties: Properties) -> None:
    for arn in properties["Topics"]:
        try:
            _set_policy(ctx, arn, None)
        except ServiceException as refused:
            if refused.code != "NotFoundException":  # the topic went before its policy
                raise


TOPIC_POLICY = ResourceType(
    "AWS::SNS::TopicPolicy",
    create=lambda ctx, properties: ctx.random.uuid(),
    read=lambda ctx, identifier: {"Id": identifier},
    delete=_delete_policies,
    parts=(Part(("PolicyDocument", "Topics"), _put_policies),),
)


def _read_policy(ctx: Context, arn: str) -> Properties:
    held = _topic_attributes(ctx, arn).get("Policy")
    if held is None or parsed(held).get("Id") == "__default_policy_ID":
        raise absent("AWS::SNS::TopicInlinePolicy", arn)
    return {"TopicArn": arn, "PolicyDocument": parsed(held)}


def _create_policy(ctx: Context, properties: Properties) -> str:
    arn: str = properties["TopicArn"]
    if found(lambda: _read_policy(ctx, arn), "Absent"):
        raise exists("AWS::SNS::TopicInlinePolicy", arn)
    _set_policy(ctx, arn, properties["PolicyDocument"])
    return arn


def _delete_policy(ctx: Context, arn: str, properties: Properties) -> None:
    _read_policy(ctx, arn)
    _set_policy(ctx, arn, None)


TOPIC_INLINE_POLICY = ResourceType(
    "AWS::SNS::TopicInlinePolicy",
    create=_create_policy,
    made_with=("TopicArn", "PolicyDocument"),
    read=_read_policy,
    delete=_delete_policy,
    parts=(Part(("PolicyDocument",), lambda ctx, arn, before, after: _set_policy(ctx, arn, after["PolicyDocument"])),),
    absent=("Absent", "NotFoundException"),
    present=("Present",),
)

TYPES = (TOPIC, SUBSCRIPTION, TOPIC_POLICY, TOPIC_INLINE_POLICY)
