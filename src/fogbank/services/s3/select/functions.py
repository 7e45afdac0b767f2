"""The functions and operators of S3 Select, over values."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.services.s3.select import values
from fogbank.services.s3.select.values import Timestamp, absent, failure


class Function(NamedTuple):
    """A function of `least` to `most` arguments; where one of them is null or missing, so is its value, unless `takes_null`."""

    least: int
    most: int
    work: Callable[..., Any]
    takes_null: bool = False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else values.text_of(value)


def _stamp(value: Any) -> Timestamp:
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, str):
        return values.timestamp(value)
    raise failure("InvalidDataType", f"The SQL expression contains an invalid data type: {value!r} is no timestamp.")


def substring(text: Any, start: Any, length: Any = None) -> str:
    """Positions count from 1; what lies before the beginning takes part of the length. Errors: EvaluatorInvalidArguments."""
    first = values.whole(start) - 1
    whole = _text(text)
    if length is None:
        return whole[max(first, 0) :]
    size = values.whole(length)
    if size < 0:
        raise failure("EvaluatorNegativeLimit", "The length of SUBSTRING must not be negative.")
    return whole[max(first, 0) : max(first + size, 0)]


def trim(text: Any, signs: str | None, where: str) -> str:
    strip = {"LEADING": str.lstrip, "TRAILING": str.rstrip}.get(where, str.strip)
    return strip(_text(text), signs or " ")


def _coalesce(*given: Any) -> Any:
    return next((value for value in given if not absent(value)), None)


def _nullif(a: Any, b: Any) -> Any:
    return None if equal(a, b) else a


FUNCTIONS: dict[str, Function] = {
    "LOWER": Function(1, 1, lambda text: _text(text).lower()),
    "UPPER": Function(1, 1, lambda text: _text(text).upper()),
    "CHAR_LENGTH": Function(1, 1, lambda text: len(_text(text))),
    "CHARACTER_LENGTH": Function(1, 1, lambda text: len(_text(text))),
    "TO_TIMESTAMP": Function(1, 1, _stamp),
    "TO_STRING": Function(2, 2, lambda stamp, pattern: values.formatted(_stamp(stamp), pattern)),
    "DATE_ADD": Function(3, 3, lambda part, count, stamp: values.added(part, values.whole(count), _stamp(stamp))),
    "DATE_DIFF": Function(3, 3, lambda part, a, b: values.difference(part, _stamp(a), _stamp(b))),
    "COALESCE": Function(1, 1000, _coalesce, takes_null=True),
    "NULLIF": Function(2, 2, _nullif, takes_null=True),
}
DATE_PARTS = ("DATE_ADD", "DATE_DIFF")
"""Functions whose first argument is the name of a part of a date."""


def extract(part: str, stamp: Any) -> int:
    return values.extracted(part, _stamp(stamp))


# operators


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    def work(a: Any, b: Any) -> bool | None:
        if type(a) is type(b) is str:
            return compare(a, b)
        if absent(a) or absent(b):
            return None
        pair = values.comparable(a, b)
        if pair is None:
            return compare is operator.ne if compare in (operator.eq, operator.ne) else None
        try:
            return compare(*pair)
        except TypeError:  # lists and structures have no order
            return None

    return work


COMPARISONS: dict[str, Callable[[Any, Any], bool | None]] = {
    "EQ": _compared(operator.eq),
    "NEQ": _compared(operator.ne),
    "GT": _compared(operator.gt),
    "GTE": _compared(operator.ge),
    "LT": _compared(operator.lt),
    "LTE": _compared(operator.le),
}
equal = COMPARISONS["EQ"]


def _divide(a: Any, b: Any) -> Any:
    return int(Decimal(a) / Decimal(b)) if isinstance(a, int) and isinstance(b, int) else a / b


def _remainder(a: Any, b: Any) -> Any:
    """With the sign of the dividend."""
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


_CALCULATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": _divide,
    "Mod": _remainder,
}


def _calculated(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def work(a: Any, b: Any) -> Any:
        if absent(a) or absent(b):
            return None
        x, y = values.numeric(a), values.numeric(b)
        try:
            if isinstance(x, float) != isinstance(y, float):
                x, y = float(x), float(y)
            return calculate(x, y)
        except ArithmeticError as problem:
            raise failure("EvaluatorInvalidArguments", f"The SQL expression cannot be calculated: {problem}") from None

    return work


CALCULATIONS = {name: _calculated(work) for name, work in _CALCULATIONS.items()}


def joined(a: Any, b: Any) -> str | None:
    """a || b"""
    return None if absent(a) or absent(b) else _text(a) + _text(b)


@lru_cache(256)
def _like(pattern: str, escape: str | None) -> re.Pattern[str]:
    """What stands between two `%` matches where it first can, and is not looked for again: a long text takes no longer than that."""
    pieces, escaped = [""], False
    for sign in pattern:
        if sign == escape and not escaped:
            escaped = True
            continue
        if sign == "%" and not escaped:
            pieces.append("")
        else:
            pieces[-1] += re.escape(sign) if escaped or sign != "_" else "."
        escaped = False
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    first, *inner, last = pieces
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in inner) + ".*" + last, re.DOTALL)


def like(value: Any, pattern: Any, escape: str | None = None) -> bool | None:
    """Errors: EvaluatorInvalidArguments for a pattern that is no text."""
    if absent(value) or absent(pattern):
        return None
    if not isinstance(pattern, str):
        raise failure("EvaluatorInvalidArguments", "The pattern of LIKE has to be text.")
    return _like(pattern, escape).fullmatch(_text(value)) is not None


# aggregates


class Aggregate:
    """What COUNT, SUM, AVG, MIN or MAX has seen; null and missing values count for nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.total: Any = None

    def add(self, value: Any) -> None:
        if absent(value):
            return
        self.count += 1
        if self.name == "COUNT":
            return
        if not isinstance(value, Timestamp) or self.name in ("SUM", "AVG"):
            value = values.numeric(value)
        if self.total is None:
            self.total = value
        elif self.name in ("SUM", "AVG"):
            self.total = CALCULATIONS["Add"](self.total, value)
        elif COMPARISONS["LT" if self.name == "MIN" else "GT"](value, self.total):
            self.total = value

    def value(self) -> Any:
        if self.name == "COUNT":
            return self.count
        if self.name == "AVG" and self.total is not None:
            return self.total / self.count if isinstance(self.total, float) else Decimal(self.total) / self.count
        return self.total


AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX"})


def check_count(name: str, given: Sequence[Any], least: int, most: int) -> None:
    """Errors: EvaluatorInvalidArguments for the wrong number of arguments."""
    if not least <= len(given) <= most:
        message = f"Incorrect number of arguments in the function call {name}: {least} to {most} are expected, {len(given)} were given."
        raise failure("EvaluatorInvalidArguments", message)
