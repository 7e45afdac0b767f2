"""Records of a source as a pipe has them, and as filters and templates see them.

Source: "Amazon EventBridge Pipes sources" and "... filtering" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from fogbank.languages import filters

Event = dict[str, Any]
CONTENT = {"sqs": "body", "kinesis": "data"}
"""Kind of a source -> the field that holds what the producer sent."""
NAMES = {"sqs": "aws:sqs", "kinesis": "aws:kinesis", "dynamodb": "aws:dynamodb"}


def of(kind: str, record: Event) -> Event:
    """A pipe's event of a record: Kinesis's fields are not one level down, as they are for functions."""
    if kind == "kinesis":
        inner = record["kinesis"]
        return {**inner, **{name: value for name, value in record.items() if name != "kinesis"}}
    if kind == "dynamodb":  # its images are JSON text as yet
        plain: Event = msgspec.json.decode(msgspec.json.encode(record))
        return plain
    return record


def identifier(kind: str, event: Any) -> Any:
    """By what a function names an event in its batchItemFailures."""
    if kind == "sqs":
        return event["messageId"]
    return event["sequenceNumber"] if kind == "kinesis" else event["dynamodb"]["SequenceNumber"]


def seen(kind: str, event: Event) -> Event:
    """An event with its content as text."""
    if kind == "kinesis":
        return {**event, "data": base64.b64decode(event["data"]).decode("utf-8", "replace")}
    return event


def parsed(kind: str, event: Any) -> Any:
    """An event whose content is parsed where it is JSON: what paths lead into."""
    name = CONTENT.get(kind)
    if name is None or not isinstance(event, dict) or not isinstance(event.get(name), str):
        return event
    text = seen(kind, event)[name]
    found = filters.parsed_content(text)
    return {**event, name: text if found is None else found}
