"""Expressions, from `or` down to names and literals, read into functions of a row.

`or`, `and`, `not`, then comparisons (= != < <= > >= like =~ in), then + -, * / %, ^ and signs. A field that is not there
equals nothing; so `!=`, `not like` and `not in` hold for it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from fogbank.services.logs import regexes
from fogbank.services.logs.insights import functions
from fogbank.services.logs.insights.aggregates import AGGREGATES, Accumulator, Count, Percentile
from fogbank.services.logs.insights.reading import Reader
from fogbank.services.logs.insights.records import Row
from fogbank.services.logs.insights.values import Instant, equal, finite, number, order, text, true
from fogbank.services.logs.regexes import Search

Of = Callable[[Row], Any]
Make = Callable[[], Accumulator]


class Expression(NamedTuple):
    """`text` as it stands in the query; `field` where it is nothing but a field's name."""

    text: str
    of: Of
    field: str = ""


def expression(reader: Reader) -> Expression:
    reader.skip()
    start = reader.at
    of, field = _either(reader)
    return Expression(reader.text[start : reader.at].strip(), of, field)


_Found = tuple[Of, str]


def _either(reader: Reader) -> _Found:
    first = _both(reader)
    if not reader.keyword("or"):
        return first
    parts = [first[0], _both(reader)[0]]
    while reader.keyword("or"):
        parts.append(_both(reader)[0])
    return (lambda row: any(true(part(row)) for part in parts)), ""


def _both(reader: Reader) -> _Found:
    first = _not(reader)
    if not reader.keyword("and"):
        return first
    parts = [first[0], _not(reader)[0]]
    while reader.keyword("and"):
        parts.append(_not(reader)[0])
    return (lambda row: all(true(part(row)) for part in parts)), ""


def _not(reader: Reader) -> _Found:
    if reader.keyword("not"):
        inner = _not(reader)[0]
        return (lambda row: not true(inner(row))), ""
    return _comparison(reader)


# Comparisons

_ORDERS: dict[str, Callable[[int, int], bool]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def _comparison(reader: Reader) -> _Found:
    left, field = _sum(reader)
    sign = reader.symbol("=~", "!=", "<>", "<=", ">=", "==", "=", "<", ">")
    if sign == "=~":
        return _like(reader, left), ""
    if sign in _ORDERS:
        return partial(_ordered, left, _sum(reader)[0], _ORDERS[sign]), ""
    if sign:
        right = _sum(reader)[0]
        if sign in ("=", "=="):
            return (lambda row: equal(left(row), right(row))), ""
        return (lambda row: not equal(left(row), right(row))), ""
    place = reader.at
    negated = bool(reader.keyword("not"))
    word = reader.keyword("like", "in")
    if not word:
        reader.at = place
        return left, field
    test = _like(reader, left) if word == "like" else _among(reader, left)
    return (lambda row: not test(row)) if negated else test, ""


def _ordered(left: Of, right: Of, holds: Callable[[int, int], bool], row: Row) -> bool:
    found = order(left(row), right(row))
    return found is not None and holds(found, 0)


def _like(reader: Reader, left: Of) -> Of:
    """A text that is contained, or a regular expression that is found."""
    found = reader.regex()
    if found is not None:
        if not regexes.is_literal(found):
            return partial(_found_in, reader.searching(found)[0], left)
        right: Of = partial(_constant, found)
    else:
        right = _sum(reader)[0]

    def contains(row: Row) -> bool:
        value, part = left(row), right(row)
        return value is not None and part is not None and text(part) in text(value)

    return contains


def _found_in(search: Search, left: Of, row: Row) -> bool:
    value = left(row)
    return value is not None and search(text(value)) is not None


def _among(reader: Reader, left: Of) -> Of:
    reader.need("[")
    members: list[Of] = []
    while not reader.symbol("]"):
        members.append(_sum(reader)[0])
        if not reader.symbol(",") and reader.peek() != "]":
            reader.unexpected()

    def among(row: Row) -> bool:
        value = left(row)
        return any(equal(value, member(row)) for member in members)

    return among


# Arithmetic


def _arithmetic(function: Callable[[Any, Any], Any], left: Of, right: Of) -> Of:
    def of(row: Row) -> Any:
        first, second = number(left(row)), number(right(row))
        if first is None or second is None:
            return None
        try:
            found = function(first, second)
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
        return finite(found) if isinstance(found, float) else found

    return of


def _divide(first: Any, second: Any) -> Any:
    found = first / second
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def _power(first: Any, second: Any) -> Any:
    found = float(first) ** second
    return None if isinstance(found, complex) else int(found) if found.is_integer() and abs(found) < 2**53 else found


def _sum(reader: Reader) -> _Found:
    left = _product(reader)
    while sign := reader.symbol("+", "-"):
        left = _arithmetic(operator.add if sign == "+" else operator.sub, left[0], _product(reader)[0]), ""
    return left


_PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {"*": operator.mul, "/": _divide, "%": operator.mod}


def _product(reader: Reader) -> _Found:
    left = _signed(reader)
    while sign := reader.symbol(*_PRODUCTS):
        left = _arithmetic(_PRODUCTS[sign], left[0], _signed(reader)[0]), ""
    return left


def _signed(reader: Reader) -> _Found:
    if reader.symbol("-"):
        inner = _signed(reader)[0]
        return _arithmetic(operator.sub, lambda row: 0, inner), ""
    base = _operand(reader)
    if reader.symbol("^"):
        return _arithmetic(_power, base[0], _signed(reader)[0]), ""
    return base


# Operands


def _operand(reader: Reader) -> _Found:
    if reader.symbol("("):
        inner = _either(reader)[0]
        reader.need(")")
        return inner, ""
    literal: Any = reader.string()
    if literal is None:
        literal = reader.number()
    if literal is not None:
        return partial(_constant, literal), ""
    quoted = reader.peek() == "`"
    name = reader.name()
    if not quoted and reader.peek() == "(":
        return _call(reader, name), ""
    if not quoted and name.lower() in ("true", "false"):
        return partial(_constant, name.lower() == "true"), ""
    if not quoted and name.lower() == "null":
        return partial(_constant, None), ""
    return _indexed(reader, name)


def _constant(value: Any, row: Row) -> Any:
    return value


def _indexed(reader: Reader, name: str) -> _Found:
    """A field, or what is at a key or a number in it."""
    while reader.text[reader.at : reader.at + 1] == "[":
        reader.need("[")
        step = reader.string()
        name += f".{reader.integer() if step is None else step}"
        reader.need("]")
        if reader.text[reader.at : reader.at + 1] == ".":
            reader.at += 1
            name += f".{reader.name()}"
    return (lambda row: row.get(name)), name


def _call(reader: Reader, name: str) -> Of:
    lower = name.lower()
    reader.need("(")
    if lower in ("bin", "datefloor", "dateceil"):
        return _spanned(reader, lower)
    if lower == "now":
        reader.need(")")
        return lambda row: row.get("\0now")
    if lower in ("count", "pct") or lower in AGGREGATES:
        return _aggregate(reader, lower)
    found = functions.FUNCTIONS.get(lower)
    if found is None:
        reader.fail(f"Invalid function name: {name}")
    least, most, function = found
    arguments: list[Of] = []
    while not reader.symbol(")"):
        arguments.append(_either(reader)[0])
        if not reader.symbol(",") and reader.peek() != ")":
            reader.unexpected()
    if not least <= len(arguments) <= most:
        reader.fail(f"Invalid number of arguments for function {name}: {len(arguments)}")
    if len(arguments) == 1:
        only = arguments[0]
        return lambda row: function(only(row))
    return lambda row: function(*[argument(row) for argument in arguments])


def _spanned(reader: Reader, name: str) -> Of:
    """bin(5m), datefloor(@timestamp, 1h), dateceil(...)"""
    of: Of = lambda row: row.get("@timestamp")  # noqa: E731
    if name != "bin":
        of = _either(reader)[0]
        reader.need(",")
    found = reader.period()
    if found is None or found[0] < 1:
        reader.fail("a span of time is expected, such as 5m")
    reader.need(")")
    count, unit = found[0], functions.unit(found[1])
    round_ = functions.ceil_of if name == "dateceil" else functions.floor_of

    def rounded(row: Row) -> Any:
        at = number(of(row))
        try:
            return None if at is None else Instant(round_(int(at), count, unit))
        except (ValueError, OverflowError, OSError):  # beyond all dates
            return None

    return rounded


def _aggregate(reader: Reader, name: str) -> Of:
    """A function over rows: only where aggregates may stand. In the row of a result its value is under a key of its own."""
    aggregates = reader.aggregates
    if aggregates is None:
        reader.fail(f"Aggregate function {name} can be used only in stats")
    reader.aggregates = None
    make: Make
    if name == "count":
        make = partial(Count, None if reader.symbol("*") or reader.peek() == ")" else _either(reader)[0])
    else:
        of = _either(reader)[0]
        if name == "pct":
            reader.need(",")
            percent = reader.number()
            if percent is None:
                reader.fail("pct needs a field and a percentage")
            make = partial(Percentile, of, float(percent))
        else:
            make = partial(AGGREGATES[name], of)
    reader.need(")")
    reader.aggregates = aggregates
    key = f"\0{len(aggregates)}"
    aggregates.append((key, make))
    return lambda row: row.values.get(key)
