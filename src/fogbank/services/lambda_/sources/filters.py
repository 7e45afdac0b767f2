"""Filter criteria: which records of a source a function wants.

Source: "Control which events Lambda sends to your function" in the Lambda Developer Guide.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.languages import patterns
from fogbank.services.lambda_.faults import invalid

FILTERS = 5
_CONTENT = {"sqs": "body", "kinesis": "data"}
"""Kind of a source -> the field that holds what the producer sent."""

Event = dict[str, Any]


class Filter:
    """One filter of a kind of source."""

    def __init__(self, kind: str, text: str) -> None:
        self._pattern = patterns.compile(text)
        self._content = _CONTENT.get(kind, "")
        wanted = msgspec.json.decode(text)
        self._parsed = isinstance(wanted.get(self._content), dict)
        self._asks = self._content in wanted

    def matches(self, event: Event) -> bool:
        """Content that is JSON is matched by an object, other content by a list; the wrong one matches nothing."""
        if not self._asks:
            return self._pattern.matches(event)
        content = event[self._content]
        parsed = _parsed(content)
        if self._parsed:
            return isinstance(parsed, dict) and self._pattern.matches({**event, self._content: parsed})
        return not isinstance(parsed, dict) and self._pattern.matches(event)


def _parsed(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@lru_cache(1024)
def compiled(kind: str, texts: tuple[str, ...]) -> tuple[Filter, ...]:
    return tuple(Filter(kind, text) for text in texts)


def check(kind: str, texts: tuple[str, ...]) -> None:
    """At most five filters that are patterns. Errors: InvalidParameterValueException."""
    if len(texts) > FILTERS:
        raise invalid(f"The number of filters {len(texts)} exceeds the limit of {FILTERS}.")
    try:
        compiled(kind, texts)
    except (patterns.InvalidPattern, msgspec.DecodeError, AttributeError, TypeError):
        raise invalid("Invalid filter pattern definition.") from None


def wanted(kind: str, texts: tuple[str, ...], record: Event) -> bool:
    """Whether any filter matches a record, as the function would get it; without filters every record is wanted."""
    if not texts:
        return True
    event = _seen(kind, record)
    return any(one.matches(event) for one in compiled(kind, texts))


def _seen(kind: str, record: Event) -> Event:
    """A record as filters see it."""
    if kind == "kinesis":
        inner = record["kinesis"]
        return {**inner, "data": base64.b64decode(inner["data"]).decode("utf-8", "replace")}
    if kind == "dynamodb":
        seen: Event = msgspec.json.decode(msgspec.json.encode(record))
        return seen
    return record
