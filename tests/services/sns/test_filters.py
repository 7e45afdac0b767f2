"""Filter policies: their operators, their limits, what they say of a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.services.sns import filters
from fogbank.services.sns.matching import InvalidFilter
from fogbank.services.sns.state import Attribute, Message


def message(body: str = "", **attributes: Any) -> Message:
    """A message with attributes: text, numbers, lists (String.Array) and bytes."""

    def attribute(name: str, value: Any) -> Attribute:
        if isinstance(value, bytes):
            return Attribute(name, "Binary", binary=value)
        if isinstance(value, list):
            return Attribute(name, "String.Array", json.dumps(value))
        return Attribute(name, "String" if isinstance(value, str) else "Number", str(value))

    return Message(id="m", at_ms=0, body=body, attributes=tuple(attribute(name, value) for name, value in attributes.items()))


def on_attributes(policy: Any, **attributes: Any) -> bool:
    return filters.read(json.dumps(policy), "MessageAttributes").passes(message(**attributes))


def on_body(policy: Any, body: Any) -> bool:
    return filters.read(json.dumps(policy), "MessageBody").passes(message(body if isinstance(body, str) else json.dumps(body)))


CASES: list[tuple[Any, list[Any], list[Any]]] = [
    (["rugby", "tennis"], ["rugby", ["golf", "tennis"]], ["Rugby", "", 1, ["golf"], b"rugby"]),
    ([1], [1, 1.0, 1.000001, ["x", 1]], ["1", 1.1]),
    ([True, None], [[True], [None, "x"]], ["true", "null", 1]),
    ([{"prefix": "bas"}], ["baseball", ["x", "basket"]], ["rebas", 1]),
    ([{"suffix": "ball"}], ["baseball"], ["balls"]),
    ([{"equals-ignore-case": "tennis"}], ["TENNIS", "Tennis"], ["tenni"]),
    ([{"anything-but": ["rugby", "tennis"]}], ["golf", ["golf", "swimming"], 1], ["rugby", ["rugby", "golf"]]),
    ([{"anything-but": 1}], [2, "x"], [1]),
    ([{"anything-but": {"prefix": "order-"}}], ["data", "x-order-"], ["order-1"]),
    ([{"anything-but": {"suffix": [".png", ".jpg"]}}], ["a.txt"], ["a.png", "a.jpg"]),
    ([{"numeric": ["=", 301.5]}], [301.5, 3.015e2], [301.4, "301.5"]),
    ([{"numeric": [">", 0, "<=", 150]}], [150, 0.1], [0, 150.1]),
    ([{"numeric": ["<", 0]}, "none"], [-1, "none"], [0, "some"]),
    ([{"cidr": "10.0.0.0/24"}], ["10.0.0.7"], ["10.0.1.7", "x", 7]),
    ([{"cidr": "2001:db8::/32"}], ["2001:db8::1"], ["10.0.0.1"]),
]


@pytest.mark.parametrize(("asked", "passes", "fails"), CASES)
def test_operators(asked: Any, passes: list[Any], fails: list[Any]) -> None:
    """Each operator, of an attribute and of a property of the body."""
    for value in passes:
        assert on_attributes({"a": asked}, a=value), value
        assert on_body({"a": asked}, {"a": value}), value
    for value in fails:
        assert not on_attributes({"a": asked}, a=value), value
        if not isinstance(value, bytes):
            assert not on_body({"a": asked}, {"a": value}), value
    assert not on_attributes({"a": asked}, b="x")


def test_exists() -> None:
    """Of a property that is there, or is not; bytes do not count, nor does an object."""
    assert on_attributes({"a": [{"exists": True}]}, a="x")
    assert not on_attributes({"a": [{"exists": True}]}, b="x")
    assert not on_attributes({"a": [{"exists": True}]}, a=b"x")
    assert on_attributes({"a": [{"exists": False}]}, b="x")
    assert on_attributes({"a": [{"exists": False}, {"anything-but": "x"}]})
    assert on_body({"a": {"b": [{"exists": False}]}}, {})
    assert on_body({"a": {"b": [{"exists": False}]}}, {"a": {"c": 1}})
    assert not on_body({"a": [{"exists": True}]}, {"a": {"c": 1}})


def test_and_or() -> None:
    """All properties, any value; `$or` between policies, and an ordinary name where it is no list of policies."""
    policy = {"source": ["aws.cloudwatch"], "$or": [{"metricName": ["CPU"]}, {"namespace": ["ec2"], "unit": ["ms"]}]}
    assert on_attributes(policy, source="aws.cloudwatch", metricName="CPU")
    assert on_attributes(policy, source="aws.cloudwatch", namespace="ec2", unit="ms")
    assert not on_attributes(policy, source="aws.cloudwatch", namespace="ec2", unit="s")
    assert not on_attributes(policy, source="other", metricName="CPU")
    assert on_body({"$or": ["x"]}, {"$or": "x"})
    assert on_body({"$or": [{"prefix": "x"}, {"prefix": "y"}]}, {"$or": "yz"})


def test_bodies() -> None:
    """Paths into objects; lists of objects, of which one must satisfy all that is said; a body that is no object passes nothing."""
    policy = {"store": {"name": ["here"], "items": {"sku": ["a"], "count": [{"numeric": [">", 2]}]}}}
    assert on_body(policy, {"store": {"name": "here", "items": [{"sku": "b"}, {"sku": "a", "count": 3}]}})
    assert not on_body(policy, {"store": {"name": "here", "items": [{"sku": "a", "count": 1}, {"sku": "b", "count": 3}]}})
    assert not on_body({"a": [{"exists": False}]}, "no JSON")
    assert not on_body({"a": [{"exists": False}]}, "[1]")


REFUSALS: list[tuple[str, str, str]] = [
    ("{", "MessageAttributes", "failed to parse JSON."),
    ('{"a": "x"}', "MessageAttributes", '"a" must be an object or an array'),
    ('{"a": []}', "MessageAttributes", "Empty arrays are not allowed"),
    ('{"a": {"b": ["x"]}}', "MessageAttributes", "Filter policy scope MessageAttributes does not support nested filter policy"),
    ('{"a": [["x"]]}', "MessageBody", "Match value must be String, number, true, false, or null"),
    ('{"a": [{"like": "x"}]}', "MessageBody", "Unrecognized match type like"),
    ('{"a": [{"exists": "x"}]}', "MessageBody", "exists match pattern must be either true or false."),
    ('{"a": [{"prefix": 1}]}', "MessageBody", "prefix match pattern must be a string"),
    ('{"a": [{"numeric": ["<", "x"]}]}', "MessageBody", "Value of < must be numeric"),
    ('{"a": [{"numeric": [">", 5, "<", 5]}]}', "MessageBody", "Bottom must be less than top"),
    ('{"a": [{"anything-but": [true]}]}', "MessageBody", "Inside anything but list, start|null|boolean is not supported."),
    (json.dumps({k: ["x"] for k in "abcdef"}), "MessageBody", "Filter policy can not have more than 5 keys"),
    (json.dumps({"a": list("0123456789abcdef"), "b": list("0123456789")}), "MessageAttributes", "Filter policy is too complex"),
    (
        '{"a": {"b": {"c": ["1", "2", "3", "4"]}}, "d": {"e": ["1", "2", "3"]}, "f": ["1", "2", "3"]}',
        "MessageBody",
        "Filter policy is too complex",
    ),
    ('{"a": [2000000000]}', "MessageBody", "Value must be between -1.0E9 and 1.0E9, inclusive, and is 2000000000"),
]


@pytest.mark.parametrize(("policy", "scope", "sentence"), REFUSALS)
def test_refusals(policy: str, scope: str, sentence: str) -> None:
    """AWS's sentences; 5 keys, and 150 combinations, where nesting multiplies."""
    with pytest.raises(InvalidFilter) as caught:
        filters.read(policy, scope)
    assert str(caught.value) == sentence


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["x", "xy", "zxy", 1, 2.5, -3, True, False, None])
TESTS = st.one_of(
    VALUES,
    st.sampled_from([{"prefix": "x"}, {"suffix": "y"}, {"exists": True}, {"exists": False}, {"equals-ignore-case": "XY"}]),
    st.sampled_from(
        [{"anything-but": ["x", 1]}, {"anything-but": {"prefix": "z"}}, {"numeric": [">=", 1]}, {"numeric": [">", -4, "<", 2]}]
    ),
)
POLICIES = st.dictionaries(NAMES, st.lists(TESTS, min_size=1, max_size=3), min_size=1, max_size=3)
BODIES = st.dictionaries(NAMES, st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=3)


def _plain(test: Any, values: list[Any]) -> bool:
    """What one test says, spelt out."""

    def same(one: Any, other: Any) -> bool:
        numbers = {type(one), type(other)} <= {int, float}
        return bool(one == other) and (numbers or type(one) is type(other))

    if not isinstance(test, dict):
        return any(same(test, value) for value in values)
    [(name, argument)] = test.items()
    if name == "exists":
        return bool(values) == argument
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if type(value) in (int, float)]
    if name == "prefix":
        return any(text.startswith(argument) for text in texts)
    if name == "suffix":
        return any(text.endswith(argument) for text in texts)
    if name == "equals-ignore-case":
        return any(text.lower() == argument.lower() for text in texts)
    if name == "anything-but":
        if len(texts) + len(numbers) < len(values) or not values:
            return False
        excluded = [argument] if isinstance(argument, dict) else argument
        return not any(_plain(one, values) for one in excluded)
    sides = {">=": lambda n, b: n >= b, ">": lambda n, b: n > b, "<": lambda n, b: n < b}
    return any(all(sides[argument[i]](n, argument[i + 1]) for i in range(0, len(argument), 2)) for n in numbers)


@settings(max_examples=400)
@given(POLICIES, BODIES)
def test_matching_is_what_a_plain_reading_says(policy: dict[str, Any], body: dict[str, Any]) -> None:
    """All properties; of each, any of its tests on any of its values."""

    def values(name: str) -> list[Any]:
        found = body.get(name, [])
        return found if isinstance(found, list) else [found]

    wanted = all(any(_plain(test, values(name)) for test in tests) for name, tests in policy.items())
    assert on_body(policy, body) == wanted


def test_filtered_messages_do_not_come(sns: Any, topic: str, queue: Any, bodies: Any) -> None:
    """By attributes, and, with the scope MessageBody, by the body; until the policy is taken away."""
    url, arn = queue()
    other, other_arn = queue("other")
    policy = {"FilterPolicy": json.dumps({"kind": ["a"]})}
    first = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=other_arn, Attributes={**policy, "FilterPolicyScope": "MessageBody"})
    for kind in ("a", "b"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=kind, MessageAttributes=attributes)
        sns.publish(TopicArn=topic, Message=json.dumps({"kind": kind}))
    assert bodies(url) == ["a"]
    assert bodies(other) == ['{"kind": "a"}']
    sns.set_subscription_attributes(SubscriptionArn=first, AttributeName="FilterPolicy", AttributeValue="{}")
    sns.publish(TopicArn=topic, Message="all")
    assert bodies(url) == ["all"]
    shown = sns.get_subscription_attributes(SubscriptionArn=first)["Attributes"]
    assert "FilterPolicy" not in shown


def test_a_policy_that_is_wrong(sns: Any, topic: str, queue: Any, refused: Any) -> None:
    """It is refused when it is set, and when one subscribes with it; nested policies need the scope first."""
    _, arn = queue()
    given_ = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn}
    nested = json.dumps({"a": {"b": ["x"]}})
    code, sentence = refused(sns.subscribe, **given_, Attributes={"FilterPolicy": nested})
    assert code == "InvalidParameter"
    assert sentence.startswith("Invalid parameter: Attributes Reason: FilterPolicy: Filter policy scope MessageAttributes does not")
    made = sns.subscribe(**given_)["SubscriptionArn"]

    def put(name: str, value: str) -> str:
        found: str = refused(sns.set_subscription_attributes, SubscriptionArn=made, AttributeName=name, AttributeValue=value)[1]
        return found

    assert put("FilterPolicy", "{") == "Invalid parameter: FilterPolicy: failed to parse JSON."
    assert put("FilterPolicyScope", "x") == (
        "Invalid parameter: FilterPolicyScope: Invalid value [x]. Please use either MessageBody or MessageAttributes"
    )
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="FilterPolicy", AttributeValue=nested)
    assert put("FilterPolicyScope", "MessageAttributes").startswith("Invalid parameter: FilterPolicy: Filter policy scope")
