"""What a target gets of an event: all of it, a constant, a part, or a template filled in.

A template is JSON in which placeholders stand outside of quotes, for a value, or inside, for its text; or JSON strings, one after the
other. What a path does not find is null outside of quotes, and nothing inside.

Source: "Amazon EventBridge input transformation" in the Amazon EventBridge User Guide; API reference, InputTransformer.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from fogbank.languages import documents, paths, templates
from fogbank.services.events.addresses import invalid
from fogbank.services.events.event import Event
from fogbank.services.events.state import Rule, Target
from fogbank.wire import instants

_encode = msgspec.json.Encoder().encode
_placeholder = re.compile(r"<([\w.\-]+)>")

RESERVED = ("aws.events.rule-arn", "aws.events.rule-name", "aws.events.event", "aws.events.event.json", "aws.events.event.ingestion-time")


def check(target: Target) -> None:
    """Raises ValidationException where the input of a target is not what it should be."""
    settings = target.settings
    given = [name for name in ("Input", "InputPath", "InputTransformer") if settings.get(name) is not None]
    if len(given) > 1:
        raise invalid(f"Only one of Input, InputPath, or InputTransformer must be provided for target {target.id}.")
    if "Input" in settings:
        try:
            documents.read(settings["Input"])
        except documents.Malformed:
            raise invalid(f"JSON syntax error in input for target {target.id}.") from None
    elif settings.get("InputPath"):
        check_path(settings["InputPath"], target.id)
    elif "InputTransformer" in settings:
        _check_transformer(settings["InputTransformer"], target.id)


def check_path(path: str, id: str) -> None:
    try:
        paths.parse(path)
    except paths.InvalidPath:
        raise invalid(f"Invalid JSONPath {path} for target {id}.") from None


def _check_transformer(transformer: dict[str, Any], id: str) -> None:
    named = transformer.get("InputPathsMap") or {}
    for name, path in named.items():
        if name.lower().startswith("aws"):
            raise invalid(f"InputPathsMap of target {id} contains the key {name}: keys can't start with AWS.")
        check_path(path, id)
    tried = ""
    for piece in templates.pieces(transformer["InputTemplate"], _placeholder):
        if isinstance(piece, str):
            tried += piece
        elif piece.name not in named and piece.name not in RESERVED:
            raise invalid(f"InputTemplate for target {id} contains invalid placeholder {piece.name}.")
        else:
            tried += "" if piece.quoted else "null"
    _check_json(tried, id)


def _check_json(text: str, id: str) -> None:
    """JSON values, one after the other."""
    place = len(text) - len(text.lstrip())
    try:
        while place < len(text):
            _, place = json.JSONDecoder(strict=False).raw_decode(text, place)
            place += len(text[place:]) - len(text[place:].lstrip())
    except RecursionError:
        raise invalid(f"Invalid InputTemplate for target {id} : it is nested too deeply.") from None
    except json.JSONDecodeError as wrong:
        where = f'[Source: (String)"{text}"; line: {wrong.lineno}, column: {wrong.colno}]'
        raise invalid(f"Invalid InputTemplate for target {id} : {where}.") from None


def message(rule: Rule, rule_arn: str, target: Target, event: Event) -> str:
    """The text that a target gets."""
    settings = target.settings
    if not settings:
        return event.text.decode()
    if (constant := settings.get("Input")) is not None:
        text: str = constant
        return text
    if path := settings.get("InputPath"):
        found = paths.parse(path).find(event.body)
        return _encode(None if found is paths.MISSING else found).decode()
    if (transformer := settings.get("InputTransformer")) is not None:
        return _filled(transformer, rule, rule_arn, event)
    return event.text.decode()


def _filled(transformer: dict[str, Any], rule: Rule, rule_arn: str, event: Event) -> str:
    named = transformer.get("InputPathsMap") or {}

    def value_of(name: str) -> Any:
        return paths.parse(named[name]).find(event.body) if name in named else _reserved(name, rule, rule_arn, event)

    return templates.filled(templates.pieces(transformer["InputTemplate"], _placeholder), value_of)


def _reserved(name: str, rule: Rule, rule_arn: str, event: Event) -> Any:
    if name == "aws.events.rule-arn":
        return rule_arn
    if name == "aws.events.rule-name":
        return rule.name
    if name == "aws.events.event.ingestion-time":
        return instants.iso8601_seconds(event.ingested_at_ms)
    return msgspec.Raw(event.text)
