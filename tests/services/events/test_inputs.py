"""What targets get of an event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Queue, put, rule_to

DETAIL = {"instance": "i-1", "state": 'so-called "RUNNING"', "n": 3, "list": [1, {"a": None}], "object": {"k": "v"}}


def arrived(events: Any, queue: Queue, **settings: Any) -> str:
    rule_to(events, queue, **settings)
    put(events, detail=DETAIL, Time=1_513_968_228)
    body: str = queue.messages()[0]["Body"]
    return body


def transformed(events: Any, queue: Queue, template: str, **paths: str) -> str:
    return arrived(events, queue, InputTransformer={"InputPathsMap": paths, "InputTemplate": template})


def test_constants_and_parts(events: Any, queue: Queue) -> None:
    """Input is given as it is; InputPath gives a part of the event."""
    assert arrived(events, queue, Input='{"a":  1}') == '{"a":  1}'
    assert arrived(events, queue, InputPath="$.detail.list") == '[1,{"a":null}]'
    assert arrived(events, queue, InputPath="$.detail-type") == '"Order"'
    assert arrived(events, queue, InputPath="$.detail.nothing") == "null"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('"instance <i> is <n>"', '"instance i-1 is 3"'),
        ('"state <s>"', '"state so-called \\"RUNNING\\""'),
        ('"a <i>"\n"b <n>"', '"a i-1"\n"b 3"'),
        ('{"i": <i>, "n": <n>, "o": <o>, "x": [<n>, <l>]}', '{"i": "i-1", "n": 3, "o": {"k":"v"}, "x": [3, [1,{"a":null}]]}'),
        ('{"i": "<i>", "t": "n is \\"<n>\\"", "o": "<o>"}', '{"i": "i-1", "t": "n is \\"3\\"", "o": "{\\"k\\":\\"v\\"}"}'),
        ('{"gone": <gone>, "text": "<gone>"}', '{"gone": null, "text": ""}'),
        ("<o>", '{"k":"v"}'),
    ],
)
def test_templates(events: Any, queue: Queue, template: str, expected: str) -> None:
    """Placeholders outside of quotes are values, and inside of quotes text."""
    paths = {"i": "$.detail.instance", "n": "$.detail.n", "s": "$.detail.state", "o": "$.detail.object", "l": "$.detail.list"}
    assert transformed(events, queue, template, gone="$.detail.gone", **paths) == expected


def test_reserved_variables(events: Any, queue: Queue) -> None:
    """The rule, the event and when it came are there without a path."""
    template = '{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>, '
    template += '"event": <aws.events.event.json>, "text": "<aws.events.event>"}'
    made = json.loads(transformed(events, queue, template))
    assert made["arn"].endswith(":rule/rule")
    assert made["name"] == "rule"
    assert made["at"].endswith("Z")
    assert made["event"]["detail"] == DETAIL
    assert json.loads(made["text"]) == made["event"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Input": "{"}, "JSON syntax error in input for target t."),
        ({"Input": "{}", "InputPath": "$.a"}, "Only one of Input, InputPath, or InputTransformer must be provided for target t."),
        ({"InputPath": "detail"}, "Invalid JSONPath"),
        ({"InputTransformer": {"InputTemplate": "<x>"}}, "InputTemplate for target t contains invalid placeholder x."),
        (
            {"InputTransformer": {"InputPathsMap": {"x": "$.id"}, "InputTemplate": "it is <x>"}},
            "Invalid InputTemplate for target t : [Source:",
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"x": "$.id"}, "InputTemplate": "{<x>: 1}"}},
            "Invalid InputTemplate for target t : [Source:",
        ),
        ({"InputTransformer": {"InputPathsMap": {"aws.x": "$.id"}, "InputTemplate": "1"}}, ""),
        ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, ""),
        ({"DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead.fifo"}}, "Parameter DeadLetterConfig.Arn is not valid."),
        ({"Arn": "nothing"}, "Provided Arn is not in correct format."),
        ({"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "RoleArn is required for target"),
        ({"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default"}, "The event bus of the rule can't be its target"),
        ({"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/other"}, "RoleArn is required for target"),
    ],
)
def test_what_is_refused(
    events: Any, queue: Queue, refused: Callable[..., tuple[str, str]], settings: dict[str, Any], message: str
) -> None:
    """What cannot be carried out is refused when it is set."""
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    code, said = refused(events.put_targets, Rule="rule", Targets=[{"Id": "t", "Arn": queue.arn, **settings}])
    assert code == "ValidationException"
    assert said.startswith(message)


@pytest.mark.parametrize(
    "settings",
    [
        {"EcsParameters": {"TaskDefinitionArn": "arn:x"}},
        {"Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"},
        {"Arn": "arn:aws:batch:us-east-1:000000000000:job-queue/q"},
    ],
)
def test_what_is_not_there(events: Any, queue: Queue, refused: Callable[..., tuple[str, str]], settings: dict[str, Any]) -> None:
    """Targets of services that do not exist are refused by name."""
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    assert refused(events.put_targets, Rule="rule", Targets=[{"Id": "t", "Arn": queue.arn, **settings}])[0] == "NotImplemented"
