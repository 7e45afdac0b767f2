"""Patterns over JSON events: { ($.a.b = "x*" || $.c[0] > 1.5e3) && $.d NOT EXISTS && $.e IS NULL }.

A selector goes by names and by indexes of lists; `[*]` stands for each item, and a condition holds where it holds for one of them.
A comparison does not hold for what is not there, nor for objects and lists. `&&` binds more strongly than `||`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.services.logs.patterns.literals import Characters, Test, comparison, invalid, text_of

Condition = Callable[[Any], bool]
Step = str | int | None
"""A name, an index, or None for each item."""
_decode = msgspec.json.Decoder().decode
_name = re.compile(r"[^\s.\[\]=!<>()&|{}\"]+")
_index = re.compile(r"\[\s*(\d+|\*|'[^']*'|\"[^\"]*\")\s*\]")
_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")
_STOPS = ")&|}"


def _indexed(text: str, at: int) -> re.Match[str] | None:
    """An index that stands there, with a point before it or without."""
    return _index.match(text, at + 1 if text.startswith(".[", at) else at)


def _selector(characters: Characters) -> str:
    """The text of a selector."""
    start = characters.at
    characters.need("$")
    if characters.text[characters.at : characters.at + 1] not in (".", "["):
        raise invalid()
    while True:
        text, at = characters.text, characters.at
        if (text.startswith(".", at) and (found := _name.match(text, at + 1))) or (
            found := _index.match(text, at + 1 if text.startswith(".[", at) else at)
        ):
            characters.at = found.end()
        else:
            return text[start:at].strip()


@lru_cache(4096)
def steps(selector: str) -> tuple[Step, ...] | None:
    """The way that a selector goes; None for what is no selector."""
    out: list[Step] = []
    at = 1
    while at < len(selector):
        if selector[at] == "." and (found := _name.match(selector, at + 1)):
            out.append(found[0])
        elif found := _indexed(selector, at):
            inner = found[1]
            out.append(None if inner == "*" else int(inner) if inner.isdecimal() else inner[1:-1])
        else:
            return None
        at = found.end()
    return tuple(out) if out and selector.startswith("$") else None


def values_at(value: Any, way: tuple[Step, ...]) -> Iterator[Any]:
    """What stands at the end of a way: several values where it goes through the items of lists."""
    for place, step in enumerate(way):
        if step is None:
            if isinstance(value, list):
                for item in value:
                    yield from values_at(item, way[place + 1 :])
            return
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return
            value = value[step]
        else:
            if not isinstance(value, list) or step >= len(value):
                return
            value = value[step]
    yield value


class Found:
    """An event that a pattern matched."""

    def __init__(self, event: Any, selectors: tuple[str, ...]) -> None:
        self._event = event
        self._selectors = selectors

    def value(self, selector: str) -> Any:
        way = steps(selector)
        found = next(values_at(self._event, way), None) if way is not None else None
        return None if isinstance(found, (dict, list)) else found

    def values(self) -> dict[str, str]:
        found = ((selector, self.value(selector)) for selector in self._selectors)
        return {selector: text_of(value) for selector, value in found if value is not None}


class Structured:
    def __init__(self, condition: Condition, named: tuple[str, ...], regexes: int) -> None:
        self.selectors: tuple[str, ...] | None = None
        self.regexes = regexes
        self._condition = condition
        self._named = named

    def matches(self, message: str) -> bool:
        event = _event(message)
        return event is not None and self._condition(event)

    def find(self, message: str) -> Found | None:
        event = _event(message)
        return Found(event, self._named) if event is not None and self._condition(event) else None


def _event(message: str) -> Any:
    """The object or list that a message is, None where it is neither."""
    if message[:1] not in ("{", "[") and message.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return _decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def read(text: str) -> Structured:
    """Errors: InvalidParameterException."""
    characters = Characters(text)
    named: list[str] = []
    characters.need("{")
    condition = _either(characters, named)
    characters.need("}")
    if characters.peek():
        raise invalid()
    return Structured(condition, tuple(dict.fromkeys(named)), characters.regexes)


def _either(characters: Characters, named: list[str]) -> Condition:
    conditions = [_both(characters, named)]
    while characters.take("||"):
        conditions.append(_both(characters, named))
    return conditions[0] if len(conditions) == 1 else lambda event: any(holds(event) for holds in conditions)


def _both(characters: Characters, named: list[str]) -> Condition:
    conditions = [_one(characters, named)]
    while characters.take("&&"):
        conditions.append(_one(characters, named))
    return conditions[0] if len(conditions) == 1 else lambda event: all(holds(event) for holds in conditions)


def _one(characters: Characters, named: list[str]) -> Condition:
    if characters.take("("):
        inner = _either(characters, named)
        characters.need(")")
        return inner
    characters.skip()
    selector = _selector(characters)
    way = steps(selector)
    if way is None:
        raise invalid()
    named.append(selector)
    if characters.keyword("NOT"):
        if not characters.keyword("EXISTS"):
            raise invalid()
        return lambda event: next(values_at(event, way), _NOTHING) is _NOTHING
    if characters.keyword("EXISTS"):
        return lambda event: next(values_at(event, way), _NOTHING) is not _NOTHING
    if characters.keyword("IS"):
        word = characters.keyword("NULL", "TRUE", "FALSE")
        if not word:
            raise invalid()
        constant = {"NULL": None, "TRUE": True, "FALSE": False}[word]
        return lambda event: any(value is constant for value in values_at(event, way))
    operator = characters.take(*_OPERATORS)
    if not operator:
        raise invalid()
    return _comparing(way, comparison(operator, *characters.literal(_STOPS)))


_NOTHING = object()


def _comparing(way: tuple[Step, ...], test: Test) -> Condition:
    if len(way) == 1 and isinstance(name := way[0], str):

        def top(event: Any) -> bool:
            value = event.get(name, _NOTHING) if isinstance(event, dict) else _NOTHING
            return value is not _NOTHING and not isinstance(value, (dict, list)) and test(value)

        return top
    return lambda event: any(test(value) for value in values_at(event, way) if not isinstance(value, (dict, list)))
