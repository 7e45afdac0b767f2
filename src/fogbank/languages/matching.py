"""What one value of an event may be: the comparison operators of event patterns.

Source: "Comparison operators for use in event patterns" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

Test = Callable[[Any], bool]
"""Whether a scalar is what an operator wants."""

NUMBER_LIMIT = 5_000_000_000
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


class InvalidPattern(ValueError):
    """What is wrong with a pattern, as AWS says it."""


class Leaf:
    """A list of alternatives for one field: values and operators, of which one must hold.

    `absent`: the field may also be missing. `only` are the texts, where nothing but one of them will do.
    """

    __slots__ = ("_others", "_tests", "_texts", "absent", "only")

    def __init__(self, texts: frozenset[str], others: frozenset[tuple[type, Any]], tests: tuple[Test, ...], absent: bool) -> None:
        self._texts = texts
        self._others = others
        self._tests = tests
        self.absent = absent
        self.only = texts if not (others or tests or absent) else None

    def accepts(self, value: Any) -> bool:
        """Whether a scalar is one of the alternatives."""
        if value.__class__ is str:
            if value in self._texts:
                return True
        elif (value.__class__, value) in self._others:
            return True
        for test in self._tests:  # noqa: SIM110 (a loop costs half of what a generator does)
            if test(value):
                return True
        return False


def leaf(items: Sequence[Any]) -> Leaf:
    """A compiled list of alternatives. Raises InvalidPattern."""
    if not items:
        raise InvalidPattern("Empty arrays are not allowed")
    texts: set[str] = set()
    others: set[tuple[type, Any]] = set()
    tests: list[Test] = []
    absent = False
    for item in items:
        if isinstance(item, str):
            texts.add(item)
        elif isinstance(item, dict):
            if item.get("exists") is False and len(item) == 1:
                absent = True
            else:
                tests.append(_operator(item))
        elif isinstance(item, list):
            raise InvalidPattern("Match value must be String, number, true, false, or null")
        else:
            others.add((item.__class__, item))
    return Leaf(frozenset(texts), frozenset(others), tuple(tests), absent)


def _operator(item: dict[str, Any]) -> Test:
    if len(item) != 1:
        raise InvalidPattern("Only one key allowed in match expression" if item else "Empty objects are not allowed")
    (name, wanted), *_ = item.items()
    if name not in OPERATORS:
        raise InvalidPattern(f"Unrecognized match type {name}")
    return OPERATORS[name](wanted)


def _text(name: str, wanted: Any) -> str:
    if not isinstance(wanted, str):
        raise InvalidPattern(f"{name} match pattern must be a string")
    return wanted


def _is_text(test: Callable[[str], bool]) -> Test:
    return lambda value: value.__class__ is str and test(value)


def _affix(name: str, wanted: Any) -> Test:
    """prefix and suffix, also {"prefix": {"equals-ignore-case": "x"}}."""
    if isinstance(wanted, dict):
        if list(wanted) != ["equals-ignore-case"]:
            raise InvalidPattern(f"Unsupported anonymous match type in {name} pattern: {next(iter(wanted), '')}")
        text = _text(name, wanted["equals-ignore-case"]).lower()
        if name == "prefix":
            return _is_text(lambda value: value.lower().startswith(text))
        return _is_text(lambda value: value.lower().endswith(text))
    text = _text(name, wanted)
    return _is_text(lambda value: value.startswith(text)) if name == "prefix" else _is_text(lambda value: value.endswith(text))


def prefix(wanted: Any) -> Test:
    return _affix("prefix", wanted)


def suffix(wanted: Any) -> Test:
    return _affix("suffix", wanted)


def equals_ignore_case(wanted: Any) -> Test:
    text = _text("equals-ignore-case", wanted).lower()
    return _is_text(lambda value: value.lower() == text)


def _pieces(text: str) -> list[str]:
    """What lies between the stars of a wildcard; a backslash takes a star, or another backslash, as it is."""
    pieces, piece, place = [], "", 0
    while place < len(text):
        letter = text[place]
        if letter == "\\":
            place += 1
            if text[place : place + 1] not in ("*", "\\"):
                raise InvalidPattern(f"Invalid escape character at pos {place - 1}")
            piece += text[place]
        elif letter == "*":
            if text[place + 1 : place + 2] == "*":
                raise InvalidPattern(f"Consecutive wildcard characters at pos {place}")
            pieces.append(piece)
            piece = ""
        else:
            piece += letter
        place += 1
    return [*pieces, piece]


def wildcard(wanted: Any) -> Test:
    """`*` stands for any characters, also none. Linear: each piece is looked for from where the last one ended."""
    pieces = _pieces(_text("wildcard", wanted))
    if len(pieces) == 1:
        return _is_text(lambda value: value == pieces[0])
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    least = len(first) + len(last)

    def test(value: str) -> bool:
        if len(value) < least or not value.startswith(first) or not value.endswith(last):
            return False
        place, end = len(first), len(value) - len(last)
        for piece in middle:
            found = value.find(piece, place, end)
            if found < 0:
                return False
            place = found + len(piece)
        return True

    return _is_text(test)


def is_number(value: Any) -> bool:
    return value.__class__ is int or value.__class__ is float


def _limit(operator: str, value: Any) -> Decimal:
    if not is_number(value):
        raise InvalidPattern(f"Value of {operator} must be numeric")
    if not -NUMBER_LIMIT <= value <= NUMBER_LIMIT:
        raise InvalidPattern("Value must be between -5.0E9 and 5.0E9, inclusive")
    return Decimal(repr(value))


def numeric(wanted: Any) -> Test:
    """["=", 5], ["<", 5], [">", 0, "<=", 5]: five fractional digits count."""
    if not isinstance(wanted, list):
        raise InvalidPattern("Value of numeric must be an array.")
    if not wanted:
        raise InvalidPattern("Invalid member in numeric match: ]")
    if len(wanted) > 4:
        raise InvalidPattern("Too many elements in numeric expression")
    checks: list[tuple[Callable[[Any, Any], bool], float]] = []
    for place in range(0, len(wanted), 2):
        operator = wanted[place]
        if not isinstance(operator, str):
            raise InvalidPattern(f"Invalid member in numeric match: {operator}")
        if operator not in _COMPARISONS:
            raise InvalidPattern(f"Unrecognized numeric range operator: {operator}")
        if place + 1 == len(wanted):
            raise InvalidPattern(f"Value of {operator} must be numeric")
        checks.append((_COMPARISONS[operator], float(_limit(operator, wanted[place + 1]))))
    if len(checks) == 2:
        (low, bottom), (high, top) = checks
        if low not in (gt, ge):
            raise InvalidPattern("Too many terms in numeric range" if low in (eq, lt, le) else "Bad numeric range operator")
        if high not in (lt, le):
            raise InvalidPattern(f"Bad numeric range operator: {wanted[2]}")
        if bottom >= top:
            raise InvalidPattern("Bottom must be less than top")
    return lambda value: is_number(value) and all(compare(value, limit) for compare, limit in checks)


def exists(wanted: Any) -> Test:
    if not isinstance(wanted, bool):
        raise InvalidPattern("exists match pattern must be either true or false.")
    return lambda value: True


def cidr(wanted: Any) -> Test:
    """IPv4 and IPv6 addresses of a block."""
    text = _text("cidr", wanted)
    if text.count("/") > 1:
        raise InvalidPattern("Malformed CIDR, only one '/' allowed")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidPattern(f"Nonstandard IP address: {text}") from None

    def test(value: str) -> bool:
        try:
            return ip_address(value) in network
        except ValueError:
            return False

    return _is_text(test)


def anything_but(wanted: Any) -> Test:
    """Anything but a value, any of some values, or what an operator in it means (itself with one text or some)."""
    if isinstance(wanted, dict):
        if len(wanted) != 1:
            raise InvalidPattern("Only one key allowed in match expression")
        (name, inner), *_ = wanted.items()
        if name not in _INSIDE_ANYTHING_BUT:
            raise InvalidPattern(f"Unsupported anything-but pattern: {name}")
        tests = [_INSIDE_ANYTHING_BUT[name](one) for one in _listed(inner, f"{name} match pattern must be a string")]
        return lambda value: not any(test(value) for test in tests)
    listed = _listed(wanted, "Value of anything-but must be an array or single string/number value.")
    if not all(isinstance(value, str) or is_number(value) for value in listed):
        raise InvalidPattern("Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(value, str) for value in listed}) > 1:
        raise InvalidPattern("Inside anything but list, either all values are number or string, mixed type is not supported")
    refused = frozenset(listed)
    kinds: tuple[type, ...] = (str,) if isinstance(listed[0], str) else (int, float)
    return lambda value: value.__class__ not in kinds or value not in refused


def _listed(wanted: Any, problem: str) -> list[Any]:
    listed = wanted if isinstance(wanted, list) else [wanted]
    if not listed:
        raise InvalidPattern(problem)
    return listed


OPERATORS: dict[str, Callable[[Any], Test]] = {
    "prefix": prefix,
    "suffix": suffix,
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
    "anything-but": anything_but,
    "numeric": numeric,
    "exists": exists,
    "cidr": cidr,
}
_INSIDE_ANYTHING_BUT = {name: OPERATORS[name] for name in ("prefix", "suffix", "equals-ignore-case", "wildcard")}
