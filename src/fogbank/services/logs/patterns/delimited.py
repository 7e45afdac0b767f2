"""Patterns over events whose fields are between spaces: [ip, user, ..., status = 4* && status != 404, bytes > 1000].

A field of an event is a word, or what is between quotes or square brackets. Each field of a pattern is a name, a name with
conditions, or a condition on a field without a name; `...` stands for any number of fields, and may stand once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fogbank.services.logs.patterns.literals import Characters, Named, comparison, invalid

_fields = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|\[([^\]]*)\](?=\s|$)|(\S+)').finditer
_name = re.compile(r"[A-Za-z0-9_\-.@#/:]+")
_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")
_STOPS = ",]&|)"
Holds = Callable[[str], bool]


class Field(NamedTuple):
    name: str
    holds: Holds | None


class Delimited:
    """`fields` before and after the `...`; `after` is None where there is no such."""

    def __init__(self, before: list[Field], after: list[Field] | None, regexes: int) -> None:
        self.regexes = regexes
        self._before, self._after = before, after
        self.selectors: tuple[str, ...] | None = tuple(f"${field.name}" for field in [*before, *(after or ())] if field.name)

    def matches(self, message: str) -> bool:
        return self._matched(message) is not None

    def find(self, message: str) -> Named | None:
        words = self._matched(message)
        if words is None:
            return None
        names = {place: field.name for place, field in enumerate(self._before)}
        for place, field in enumerate(reversed(self._after or ()), 1):
            names[len(words) - place] = field.name
        return Named({f"${names.get(place) or place + 1}": word for place, word in enumerate(words)})

    def _matched(self, message: str) -> list[str] | None:
        words = [found[found.lastindex or 0] for found in _fields(message)]
        after = self._after
        tail = 0 if after is None else len(after)
        if len(words) < len(self._before) + tail or (after is None and len(words) != len(self._before)):
            return None
        for place, field in enumerate(self._before):
            if field.holds is not None and not field.holds(words[place]):
                return None
        for place, field in enumerate(after or (), len(words) - tail):
            if field.holds is not None and not field.holds(words[place]):
                return None
        return words


def read(text: str) -> Delimited:
    """Errors: InvalidParameterException."""
    characters = Characters(text)
    characters.need("[")
    before: list[Field] = []
    after: list[Field] | None = None
    while True:
        if characters.take("..."):
            if after is not None:
                raise invalid("There can be one ellipsis")
            after = []
        else:
            (before if after is None else after).append(_field(characters))
        if characters.take("]"):
            break
        characters.need(",")
    if characters.peek():
        raise invalid()
    return Delimited(before, after, characters.regexes)


def _field(characters: Characters) -> Field:
    if characters.peek() in ("", ",", "]"):
        return Field("", None)
    start = characters.at
    name, holds = _either(characters)
    if holds is None and characters.peek() not in (",", "]"):
        raise invalid(f"Unexpected text after {characters.text[start : characters.at]}")
    return Field(name, holds)


def _either(characters: Characters) -> tuple[str, Holds | None]:
    name, first = _both(characters)
    if not characters.take("||"):
        return name, first
    tests = [first]
    while True:
        tests.append(_both(characters)[1])
        if not characters.take("||"):
            return name, lambda word: any(holds is None or holds(word) for holds in tests)


def _both(characters: Characters) -> tuple[str, Holds | None]:
    name, first = _one(characters)
    if not characters.take("&&"):
        return name, first
    tests = [first]
    while True:
        tests.append(_one(characters)[1])
        if not characters.take("&&"):
            return name, lambda word: all(holds is None or holds(word) for holds in tests)


def _one(characters: Characters) -> tuple[str, Holds | None]:
    if characters.take("("):
        found = _either(characters)
        characters.need(")")
        return found
    mark = characters.peek()
    if mark in ('"', "%"):
        return "", comparison("=", *characters.literal(_STOPS))
    match = _name.match(characters.text, characters.at)
    name = match[0] if match else ""
    characters.at += len(name)
    operator = characters.take(*_OPERATORS)
    if operator:
        return name, comparison(operator, *characters.literal(_STOPS))
    if not name or characters.peek() not in (",", "]", "&", "|", ")"):
        raise invalid()
    return name, None
