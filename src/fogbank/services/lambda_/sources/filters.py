"""Filter criteria: which records of a source a function wants.

Source: "Control which events Lambda sends to your function" in the Lambda Developer Guide.
"""

from __future__ import annotations

import base64

import msgspec

from fogbank.languages import filters, patterns
from fogbank.languages.filters import Event
from fogbank.services.lambda_.faults import invalid

FILTERS = 5
_CONTENT = {"sqs": "body", "kinesis": "data"}
"""Kind of a source -> the field that holds what the producer sent."""


def check(kind: str, texts: tuple[str, ...]) -> None:
    """At most five filters that are patterns. Errors: InvalidParameterValueException."""
    if len(texts) > FILTERS:
        raise invalid(f"The number of filters {len(texts)} exceeds the limit of {FILTERS}.")
    try:
        filters.compiled(_CONTENT.get(kind, ""), texts)
    except patterns.InvalidPattern:
        raise invalid("Invalid filter pattern definition.") from None


def wanted(kind: str, texts: tuple[str, ...], record: Event) -> bool:
    """Whether any filter matches a record, as the function would get it; without filters every record is wanted."""
    return not texts or filters.wanted(_CONTENT.get(kind, ""), texts, _seen(kind, record))


def _seen(kind: str, record: Event) -> Event:
    """A record as filters see it."""
    if kind == "kinesis":
        inner = record["kinesis"]
        return {**inner, "data": base64.b64decode(inner["data"]).decode("utf-8", "replace")}
    if kind == "dynamodb":
        seen: Event = msgspec.json.decode(msgspec.json.encode(record))
        return seen
    return record
