"""Input transformers by themselves."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.events import inputs
from fogbank.services.events.event import Event
from fogbank.services.events.state import Rule, Target

RULE = Rule(account="000000000000", region="us-east-1", bus="default", name="r", created_at_ms=0)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def filled(template: str, value: Any) -> str:
    event = Event.made(
        id="1",
        source="s",
        detail_type="d",
        account="000000000000",
        region="us-east-1",
        at_ms=0,
        resources=[],
        detail={"x": value},
        detail_text=msgspec.json.encode({"x": value}),
        ingested_at_ms=0,
    )
    target = Target("t", "arn", "", {"InputTransformer": {"InputPathsMap": {"x": "$.detail.x"}, "InputTemplate": template}})
    inputs.check(target)
    return inputs.message(RULE, "arn:rule", target, event)


@given(VALUES)
def test_always_json(value: Any) -> None:
    """Whatever a placeholder stands for, the result is JSON that has the value outside of quotes, and its text inside."""
    made = json.loads(filled('{"value": <x>, "text": "it is \\"<x>\\"", "list": [<x>, "<x>"]}', value))
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    assert made == {"value": value, "text": f'it is "{text}"', "list": [value, text]}


@given(TEXTS)
def test_a_template_without_placeholders(text: str) -> None:
    """What holds no placeholder is given as it is."""
    template = json.dumps(text.replace("<", "("))
    assert filled(template, 1) == template
