"""Search expressions: which metrics SEARCH(...) finds.

    '{AWS/EC2,InstanceId} MetricName="CPUUtilization" (prod OR test) NOT host="a b"'

In braces, the metric schema: namespace and exactly the names of the dimensions. Then terms, joined by AND (which may be left out), OR
and NOT: words of a metric's names and values, or `property=value` for one of them (Namespace, MetricName, :aws.AccountId or a
dimension). Quoted, a value has to be met exactly; else its words have to be found, in order, in any case: words begin at each
change from lower to upper case, between letters and digits, and at every other character.
Source: "Search expression syntax" in the CloudWatch User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.tokens import Lexer, Malformed, Reader

Dimensions = tuple[tuple[str, str], ...]
Meets = Callable[[str, str, Dimensions], bool]

_LEXER = Lexer(
    {
        "space": r"\s+",
        "schema": r"\{[^}]*\}",
        "string": r"\"(?:[^\"\\]|\\.)*\"",
        "sign": r"[()=]",
        "word": r"[^\s(){}=\"]+",
    }
)
_words = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+").findall
_schema_parts = re.compile(r"\s*(?:\"([^\"]*)\"|([^,\"]*?))\s*(?:,|\Z)").finditer


class Search(NamedTuple):
    """`schema`: namespace and names of dimensions, where given; `meets(namespace, name, dimensions)` the rest of it."""

    schema: tuple[str, frozenset[str]] | None
    meets: Meets

    def finds(self, namespace: str, name: str, dimensions: Dimensions) -> bool:
        if self.schema is not None and (namespace != self.schema[0] or {key for key, _ in dimensions} != self.schema[1]):
            return False
        return self.meets(namespace, name, dimensions)


@lru_cache(256)
def parse(text: str) -> Search:
    """Raises Malformed."""
    reader = Reader(_LEXER.cut(text))
    schema = None
    if reader.next.kind == "schema":
        parts = [found[1] if found[1] is not None else found[2] for found in _schema_parts(reader.take().text[1:-1])]
        parts = [part for part in parts if part]
        if not parts:
            raise Malformed("A metric schema needs a namespace")
        schema = (parts[0], frozenset(parts[1:]))
    meets: Meets = (lambda namespace, name, dimensions: True) if reader.next.kind == "end" else _any(reader)
    reader.end()
    return Search(schema, meets)


def _any(reader: Reader) -> Meets:
    parts = [_every(reader)]
    while reader.accept("OR"):
        parts.append(_every(reader))
    return parts[0] if len(parts) == 1 else lambda *metric: any(part(*metric) for part in parts)


def _every(reader: Reader) -> Meets:
    parts = [_not(reader)]
    while reader.accept("AND") or not (reader.next.kind == "end" or reader.has(")", "OR")):
        parts.append(_not(reader))
    return parts[0] if len(parts) == 1 else lambda *metric: all(part(*metric) for part in parts)


def _not(reader: Reader) -> Meets:
    negated = False
    while reader.accept("NOT"):
        negated = not negated
    if reader.accept("("):
        inner = _any(reader)
        reader.expect(")")
    else:
        inner = _term(reader)
    return (lambda *metric: not inner(*metric)) if negated else inner


def _term(reader: Reader) -> Meets:
    token = reader.take()
    if token.kind not in ("string", "word"):
        raise Malformed(f"Unexpected '{token.text}' in a search expression" if token.text else "A search expression ends too early")
    if not reader.accept("="):
        meets = _text(token.kind == "string", token.text)
        return lambda namespace, name, dimensions: (
            meets(namespace) or meets(name) or any(meets(key) or meets(value) for key, value in dimensions)
        )
    if reader.accept("("):  # property=(one OR another)
        values = [_value(reader)]
        while reader.accept("OR"):
            values.append(_value(reader))
        reader.expect(")")
    else:
        values = [_value(reader)]
    return _property(token.text, values)


def _value(reader: Reader) -> Callable[[str], bool]:
    token = reader.take()
    if token.kind not in ("string", "word"):
        raise Malformed("A property in a search expression needs a value")
    return _text(token.kind == "string", token.text)


def _property(property: str, values: list[Callable[[str], bool]]) -> Meets:
    def meets(namespace: str, name: str, dimensions: Dimensions) -> bool:
        text = namespace if property == "Namespace" else name if property == "MetricName" else dict(dimensions).get(property)
        return text is not None and any(value(text) for value in values)

    return meets


def _text(exact: bool, wanted: str) -> Callable[[str], bool]:
    if exact:
        return lambda text: text == wanted
    words = words_of(wanted)
    if not words:
        return lambda text: wanted.lower() in text.lower()
    count = len(words)
    whole = wanted.lower()

    def found(text: str) -> bool:
        there = words_of(text)
        return text.lower() == whole or any(there[i : i + count] == words for i in range(len(there) - count + 1)) or whole in _runs(text)

    return found


@lru_cache(4096)
def words_of(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _words(text))


@lru_cache(4096)
def _runs(text: str) -> frozenset[str]:
    """The pieces between separators, unsplit: "httpserver2" is found as it is."""
    return frozenset(piece.lower() for piece in re.split(r"[^A-Za-z0-9]+", text))
