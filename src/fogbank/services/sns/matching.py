"""What a filter policy says of a value: its operators. Arithmetic, without ctx.

Source: "String value matching", "Numeric value matching" and "Key matching" in the Developer Guide.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]
"""Whether one value of a property passes."""

NUMBER_LIMIT = 1_000_000_000
_DIGITS = 5
"""After the decimal point: so many count."""
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class InvalidFilter(ValueError):
    """A filter policy that AWS refuses; the message is its sentence."""


class Exists:
    """Whether a property is there at all: not a question to its values."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted


class Every:
    """A test that all values of a property must pass (anything-but: of a list, none may be excluded)."""

    def __init__(self, test: Test) -> None:
        self.test = test


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_of(value: Any) -> Test | Exists | Every:
    """What one item of a property's list asks. Raises InvalidFilter."""
    if value is None or isinstance(value, bool):
        return lambda given: given is value
    if isinstance(value, str) or is_number(value):
        return _exact(value)
    if not isinstance(value, dict):
        raise InvalidFilter("Match value must be String, number, true, false, or null")
    if len(value) != 1:
        raise InvalidFilter("Only one key allowed in match expression")
    [(name, argument)] = value.items()
    if name not in _OPERATORS:
        raise InvalidFilter(f"Unrecognized match type {name}")
    made: Test | Exists | Every = _OPERATORS[name](argument)
    return made


def _exact(value: Any) -> Test:
    if isinstance(value, str):
        return lambda given: bool(given == value)
    wanted = _rounded(value)
    return lambda given: is_number(given) and round(given, _DIGITS) == wanted


def _rounded(value: float) -> float:
    if not -NUMBER_LIMIT <= value <= NUMBER_LIMIT:
        raise InvalidFilter(f"Value must be between -1.0E9 and 1.0E9, inclusive, and is {value}")
    return round(value, _DIGITS)


def _text(name: str, argument: Any) -> str:
    if not isinstance(argument, str):
        raise InvalidFilter(f"{name} match pattern must be a string")
    return argument


def _prefix(argument: Any) -> Test:
    start = _text("prefix", argument)
    return lambda given: isinstance(given, str) and given.startswith(start)


def _suffix(argument: Any) -> Test:
    end = _text("suffix", argument)
    return lambda given: isinstance(given, str) and given.endswith(end)


def _ignoring_case(argument: Any) -> Test:
    folded = _text("equals-ignore-case", argument).lower()
    return lambda given: isinstance(given, str) and given.lower() == folded


def _exists(argument: Any) -> Exists:
    if not isinstance(argument, bool):
        raise InvalidFilter("exists match pattern must be either true or false.")
    return Exists(argument)


def _cidr(argument: Any) -> Test:
    text = _text("cidr", argument)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidFilter(f"Malformed CIDR: {text}") from None

    def inside(given: Any) -> bool:
        try:
            return isinstance(given, str) and ipaddress.ip_address(given) in network
        except ValueError:
            return False

    return inside


def _numeric(argument: Any) -> Test:
    if not isinstance(argument, list) or not argument:
        raise InvalidFilter("Value of numeric must be an array.")
    if len(argument) not in (2, 4):
        raise InvalidFilter("Too many elements in numeric expression" if len(argument) > 4 else "Missing value in numeric expression")
    bounds: list[tuple[Callable[[Any, Any], bool], float]] = []
    for name, value in zip(argument[::2], argument[1::2], strict=True):
        if name not in _COMPARISONS:
            raise InvalidFilter(f"Unrecognized numeric range operator: {name}")
        if not is_number(value):
            raise InvalidFilter(f"Value of {name} must be numeric")
        bounds.append((_COMPARISONS[name], _rounded(value)))
    if len(bounds) == 2:
        if argument[0] not in (">", ">="):
            raise InvalidFilter("Too many terms in numeric range expression")
        if argument[2] not in ("<", "<="):
            raise InvalidFilter(f"Bad numeric range operator: {argument[2]}")
        if bounds[0][1] >= bounds[1][1]:
            raise InvalidFilter("Bottom must be less than top")
    return lambda given: is_number(given) and all(compare(round(given, _DIGITS), bound) for compare, bound in bounds)


def _anything_but(argument: Any) -> Every:
    if isinstance(argument, dict):
        if len(argument) != 1 or not argument.keys() <= {"prefix", "suffix", "equals-ignore-case"}:
            raise InvalidFilter(f"Unsupported anything-but pattern: {', '.join(argument)}")
        [(name, inner)] = argument.items()
        excluded = [_OPERATORS[name](one) for one in (inner if isinstance(inner, list) else [inner])]
        if not excluded:
            raise InvalidFilter("Empty arrays are not allowed")
    else:
        listed = argument if isinstance(argument, list) else [argument]
        if not listed:
            raise InvalidFilter("Empty arrays are not allowed")
        if not all(isinstance(one, str) or is_number(one) for one in listed):
            raise InvalidFilter("Inside anything but list, start|null|boolean is not supported.")
        excluded = [_exact(one) for one in listed]
    return Every(lambda given: (isinstance(given, str) or is_number(given)) and not any(test(given) for test in excluded))


_OPERATORS: dict[str, Callable[[Any], Any]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "exists": _exists,
    "cidr": _cidr,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
KEYWORDS = frozenset(_OPERATORS)
