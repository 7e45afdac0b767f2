"""The rules of composite alarms: ALARM("a") AND (OK(b) OR NOT INSUFFICIENT_DATA("arn:...")).

Names may be in quotes. Precedence is NOT, AND, OR. Source: API reference, PutCompositeAlarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.tokens import Lexer, Malformed, Reader

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
CHILDREN_LIMIT = 100
ELEMENTS_LIMIT = 500
_LEXER = Lexer(
    {
        "space": r"\s+",
        "string": r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'",
        "sign": r"[()]",
        "word": r"[^\s()\"']+",
    }
)


class Is(NamedTuple):
    """An alarm, by name or ARN, in a state."""

    state: str
    alarm: str


class Constant(NamedTuple):
    value: bool


class Not(NamedTuple):
    of: Rule


class Every(NamedTuple):
    of: tuple[Rule, ...]


class Any(NamedTuple):
    of: tuple[Rule, ...]


Rule = Is | Constant | Not | Every | Any


@lru_cache(1024)
def parse(text: str) -> Rule:
    """Raises Malformed."""
    tokens = _LEXER.cut(text)
    if len(tokens) > ELEMENTS_LIMIT * 4:
        raise Malformed(f"AlarmRule must not have more than {ELEMENTS_LIMIT} elements")
    reader = Reader(tokens)
    rule = _any(reader)
    reader.end()
    if len(set(alarms(rule))) > CHILDREN_LIMIT:
        raise Malformed(f"AlarmRule must not refer to more than {CHILDREN_LIMIT} alarms")
    return rule


def holds(rule: Rule, state_of: Callable[[str], str | None]) -> bool:
    """Whether a rule is met; `state_of` an alarm, None where there is none."""
    match rule:
        case Is(state, alarm):
            return state_of(alarm) == state
        case Constant(value):
            return value
        case Not(inner):
            return not holds(inner, state_of)
        case Every(rules):
            return all(holds(one, state_of) for one in rules)
        case Any(rules):
            return any(holds(one, state_of) for one in rules)


def alarms(rule: Rule) -> Iterator[str]:
    """The alarms that a rule refers to, by name or ARN."""
    match rule:
        case Is(_, alarm):
            yield alarm
        case Not(inner):
            yield from alarms(inner)
        case Every(rules) | Any(rules):
            for one in rules:
                yield from alarms(one)


def _any(reader: Reader) -> Rule:
    parts = [_every(reader)]
    while reader.accept("OR"):
        parts.append(_every(reader))
    return parts[0] if len(parts) == 1 else Any(tuple(parts))


def _every(reader: Reader) -> Rule:
    parts = [_not(reader)]
    while reader.accept("AND"):
        parts.append(_not(reader))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _not(reader: Reader) -> Rule:
    negated = False
    while reader.accept("NOT"):
        negated = not negated
    rule = _primary(reader)
    return Not(rule) if negated else rule


def _primary(reader: Reader) -> Rule:
    if reader.accept("("):
        rule = _any(reader)
        reader.expect(")")
        return rule
    if constant := reader.accept("TRUE", "FALSE"):
        return Constant(constant == "TRUE")
    state = reader.expect(*STATES).text.upper()
    reader.expect("(")
    words = []
    while reader.next.kind in ("string", "word"):
        words.append(reader.take().text)
    reader.expect(")")
    if not words:
        raise Malformed(f"{state}() needs the name of an alarm")
    return Is(state, " ".join(words))
