"""The Condition element: operators, their qualifiers and their values, compiled to tests.

Source: "IAM JSON policy elements: Condition operators" and "... Multivalued context keys" in the IAM User Guide.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fogbank.access import patterns
from fogbank.access.context import Context

One = Callable[[str, Context], bool]
Test = Callable[[Context], bool]

_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "lessthan": lambda found, wanted: found < wanted,
    "lessthanequals": lambda found, wanted: found <= wanted,
    "greaterthan": lambda found, wanted: found > wanted,
    "greaterthanequals": lambda found, wanted: found >= wanted,
}

# Operator (lower-case) -> (its positive form, negated).
_OPERATORS: dict[str, tuple[str, bool]] = {
    "stringequals": ("stringequals", False),
    "stringnotequals": ("stringequals", True),
    "stringequalsignorecase": ("stringequalsignorecase", False),
    "stringnotequalsignorecase": ("stringequalsignorecase", True),
    "stringlike": ("stringlike", False),
    "stringnotlike": ("stringlike", True),
    "bool": ("bool", False),
    "binaryequals": ("binaryequals", False),
    "ipaddress": ("ipaddress", False),
    "notipaddress": ("ipaddress", True),
    "arnequals": ("arnlike", False),
    "arnlike": ("arnlike", False),
    "arnnotequals": ("arnlike", True),
    "arnnotlike": ("arnlike", True),
    "null": ("null", False),
    "numericnotequals": ("numericequals", True),
    "datenotequals": ("dateequals", True),
    **{kind + name: (kind + name, False) for kind in ("numeric", "date") for name in _NUMERIC},
}


class Operator(NamedTuple):
    """An operator taken apart: `ForAllValues:StringNotEqualsIfExists`."""

    name: str  # the positive form, lower-case
    negated: bool
    quantifier: str  # "", "forallvalues", "foranyvalue"
    if_exists: bool


def operator(text: str) -> Operator | None:
    """The operator of this name, whatever its case; None where AWS has none."""
    quantifier, colon, name = text.lower().rpartition(":")
    if colon and quantifier not in ("forallvalues", "foranyvalue"):
        return None
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if name not in _OPERATORS or (name == "null" and (if_exists or quantifier)):
        return None
    return Operator(*_OPERATORS[name], quantifier, if_exists)


def compile_condition(op: Operator, key: str, values: Sequence[str], variables: bool) -> Test:
    """A test of one key. `key` is lower-case; `variables` says whether the policy's version has policy variables."""
    if op.name == "null":
        missing = any(value.lower() == "true" for value in values)
        return lambda context: (context.get(key) is None) == missing
    if op.name == "stringequals" and not op.quantifier and not any(map(patterns.has_variable, values)):
        return _string_equals(key, frozenset(values), op.negated, op.negated or op.if_exists)
    return _quantified(op, key, _one(op.name, values, variables))


def _string_equals(key: str, wanted: frozenset[str], negated: bool, when_missing: bool) -> Test:
    """The operator of nearly every condition, without detours."""

    def test(context: Context) -> bool:
        found = context.get(key)
        if found is None:
            return when_missing
        if isinstance(found, str):
            return (found in wanted) != negated
        return any(value in wanted for value in found) != negated

    return test


def _quantified(op: Operator, key: str, one: One) -> Test:
    negated = op.negated
    if op.quantifier == "forallvalues":

        def every(context: Context) -> bool:
            found = context.get(key)
            if found is None:
                return True
            return all(one(value, context) != negated for value in ([found] if isinstance(found, str) else found))

        return every
    if op.quantifier == "foranyvalue":

        def some(context: Context) -> bool:
            found = context.get(key)
            if found is None:
                return op.if_exists
            return any(one(value, context) != negated for value in ([found] if isinstance(found, str) else found))

        return some
    when_missing = negated or op.if_exists

    def single(context: Context) -> bool:
        found = context.get(key)
        if found is None:
            return when_missing
        if isinstance(found, str):
            return one(found, context) != negated
        return any(one(value, context) for value in found) != negated

    return single


def _one(name: str, values: Sequence[str], variables: bool) -> One:
    """Does one value of the request meet one of the policy's?"""
    if name == "stringequals":
        return _compared(values, variables, lambda text: text)
    if name == "stringequalsignorecase":
        return _compared(values, variables, str.casefold)
    if name == "stringlike":
        return _liked(values, variables, patterns.matches, patterns.any_of)
    if name == "arnlike":
        return _liked(values, variables, patterns.arn_matches, None)
    if name == "bool":
        wanted = frozenset(value.lower() for value in values)
        return lambda found, _: found.lower() in wanted
    if name == "binaryequals":
        blobs = frozenset(blob for value in values if (blob := _decoded(value)) is not None)
        return lambda found, _: _decoded(found) in blobs
    if name == "ipaddress":
        return _ip_address(values)
    if name.startswith("numeric"):
        return _ordered(values, _NUMERIC[name[7:]], number)
    return _ordered(values, _NUMERIC[name[4:]], instant)


def _split(values: Sequence[str], variables: bool) -> tuple[list[str], list[patterns.Template]]:
    plain = [value for value in values if not (variables and patterns.has_variable(value))]
    return plain, [patterns.Template(value) for value in values if variables and patterns.has_variable(value)]


def _compared(values: Sequence[str], variables: bool, fold: Callable[[str], str]) -> One:
    plain, templates = _split(values, variables)
    wanted = frozenset(map(fold, plain))
    if not templates:
        return lambda found, _: fold(found) in wanted

    def test(found: str, context: Context) -> bool:
        found = fold(found)
        filled = (template.literal(context) for template in templates)
        return found in wanted or any(text is not None and fold(text) == found for text in filled)

    return test


def _liked(
    values: Sequence[str],
    variables: bool,
    matches: Callable[[str, str], bool],
    together: Callable[[Sequence[str]], patterns.Match | None] | None,
) -> One:
    plain, templates = _split(values, variables)
    fixed = [patterns.as_pattern(value) for value in plain]
    if together is not None:
        match = together(fixed) or (lambda _: True)
        known: Callable[[str], bool] = lambda found: bool(match(found))  # noqa: E731
    else:
        known = lambda found: any(matches(pattern, found) for pattern in fixed)  # noqa: E731
    if not templates:
        return lambda found, _: known(found)

    def test(found: str, context: Context) -> bool:
        filled = (template.pattern(context) for template in templates)
        return known(found) or any(pattern is not None and matches(pattern, found) for pattern in filled)

    return test


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _ip_address(values: Sequence[str]) -> One:
    networks = [network for value in values if (network := ip_network(value)) is not None]

    def test(found: str, _: Context) -> bool:
        try:
            address = ipaddress.ip_address(found)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return any(address.version == network.version and address in network for network in networks)

    return test


def ip_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An address or a CIDR block; None where it is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _ordered(values: Sequence[str], compare: Callable[[float, float], bool], read: Callable[[str], float | None]) -> One:
    wanted = [value for text in values if (value := read(text)) is not None]

    def test(found: str, _: Context) -> bool:
        value = read(found)
        return value is not None and any(compare(value, bound) for bound in wanted)

    return test


_number = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch
_date = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII).fullmatch


def number(text: str) -> float | None:
    """A decimal number; integers stay exact."""
    if not _number(text):
        return None
    return int(text) if len(text) < 20 and text.lstrip("+-").isdigit() else float(text)


def instant(text: str) -> float | None:
    """An ISO 8601 date of any precision, or seconds since the epoch, in seconds."""
    found = _date(text)
    if found is None or (len(text) > 4 and text.isdigit()):
        return number(text)
    year, month, day, hour, minute, second = (int(found[n] or default) for n, default in ((1, 1), (2, 1), (3, 1), (4, 0), (5, 0), (6, 0)))
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 60):
        return None
    at = calendar.timegm((year, month, day, hour, minute, second)) + float(found[7] or 0)
    zone = found[8] or "Z"
    if zone not in "Zz":
        sign = -1 if zone[0] == "+" else 1
        at += sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return at
