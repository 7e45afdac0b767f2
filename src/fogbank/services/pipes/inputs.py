"""What the enrichment and the target get of an event: all of it, or a template filled in.

Placeholders are `<$.path>`, which leads into content that is JSON too, and `<aws.pipes.*>`.
Source: "Amazon EventBridge Pipes input transformation" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.languages import documents, paths, templates
from fogbank.services.pipes import events
from fogbank.services.pipes.addresses import invalid, pipe_arn
from fogbank.services.pipes.state import Pipe
from fogbank.wire import instants

_placeholder = re.compile(r"<(\$[^<>\s]*|aws\.pipes\.[\w.\-]+)>")
RESERVED = frozenset(
    f"aws.pipes.{name}"
    for name in (
        "pipe-arn",
        "pipe-name",
        "source-arn",
        "enrichment-arn",
        "target-arn",
        "event.ingestion-time",
        "event",
        "event.json",
    )
)


def check(template: str) -> None:
    """Raises ValidationException."""
    for piece in templates.pieces(template, _placeholder):
        if isinstance(piece, str):
            continue
        if piece.name.startswith("$"):
            check_path(piece.name)
        elif piece.name not in RESERVED:
            raise invalid(f"Invalid InputTemplate: there is no variable <{piece.name}>.")


def check_path(path: str) -> None:
    try:
        paths.parse(path)
    except paths.InvalidPath:
        raise invalid(f"Invalid JSONPath: {path}.") from None


def made(pipe: Pipe, kind: str, template: str | None, event: Any, now_ms: int) -> Any:
    """The event for a stage: JSON, or a template's text where that is none. `kind`: of the event, "" of one that the enrichment made."""
    if not template:
        return event
    within = events.parsed(kind, event)

    def value_of(name: str) -> Any:
        if name.startswith("$"):
            return paths.parse(name).find(within)
        if name in ("aws.pipes.event", "aws.pipes.event.json"):
            return within if name.endswith("json") else event
        return _reserved(pipe, name, now_ms)

    text = templates.filled(templates.pieces(template, _placeholder), value_of)
    try:
        return documents.read(text)
    except documents.Malformed:
        return text


def _reserved(pipe: Pipe, name: str, now_ms: int) -> str:
    return {
        "aws.pipes.pipe-arn": pipe_arn(pipe),
        "aws.pipes.pipe-name": pipe.name,
        "aws.pipes.source-arn": pipe.source_arn,
        "aws.pipes.enrichment-arn": pipe.enrichment_arn,
        "aws.pipes.target-arn": pipe.target_arn,
        "aws.pipes.event.ingestion-time": instants.iso8601_milliseconds(now_ms),
    }[name]


def dynamic(value: Any, kind: str, event: Any) -> Any:
    """A parameter: as it is, or what its path finds in the event (nothing: None)."""
    if isinstance(value, list):
        return [found for one in value if (found := dynamic(one, kind, event)) is not None]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    found = paths.parse(value).find(events.parsed(kind, event))
    return None if found is paths.MISSING or found is None else text(found)


def text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
