"""Values of S3 Select: text, numbers, booleans, timestamps, lists and structures; null (None), and what is not there (MISSING)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from fogbank.kernel.errors import ServiceException


class Missing:
    """There is no such member: not even null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


def failure(code: str, message: str) -> ServiceException:
    return ServiceException(code, message, status=400)


def absent(value: Any) -> bool:
    return value is None or value is MISSING


class Timestamp(NamedTuple):
    """An instant with an offset, as exact as it was written: `parts` is how many of year, month, day, time are known."""

    at: datetime
    parts: int = 4

    def __str__(self) -> str:
        if self.parts < 4:
            return self.at.strftime(("%YT", "%Y-%mT", "%Y-%m-%dT")[self.parts - 1])
        text = self.at.strftime("%Y-%m-%dT%H:%M:%S")
        if self.at.microsecond:
            text += f".{self.at.microsecond:06d}".rstrip("0")
        offset = self.at.strftime("%z")
        return text + ("Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}")


_timestamp = re.compile(r"(\d{4})(?:T|-(\d\d)(?:T|-(\d\d)(?:T?|T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)))?").fullmatch


def timestamp(text: str) -> Timestamp:
    """ISO 8601, down to the year alone (`2010T`). Errors: CastFailed."""
    found = _timestamp(text.strip())
    if found is None:
        raise failure("CastFailed", f"Attempt to convert from one data type to another using CAST failed in the SQL expression: {text}")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        zone = UTC
        if offset not in (None, "Z"):
            hours, minutes = int(offset[1:3]), int(offset[4:])
            zone = timezone((-1 if offset[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
        at = datetime(
            *(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0)),
            microsecond=int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=zone,
        )
    except ValueError:
        raise failure("CastFailed", f"Invalid timestamp: {text}") from None
    return Timestamp(at, 4 if hour else 3 if day else 2 if month else 1)


_PARTS = {"year": 1, "month": 2, "day": 3}
_SPANS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


def added(part: str, quantity: int, stamp: Timestamp) -> Timestamp:
    """DATE_ADD. Errors: EvaluatorInvalidArguments for an unknown part, or where time runs out."""
    at = stamp.at
    try:
        if part in ("year", "month"):
            months = at.year * 12 + at.month - 1 + quantity * (12 if part == "year" else 1)
            year, month = months // 12, months % 12 + 1
            at = at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))
        else:
            at += timedelta(seconds=quantity * _SPANS[part])
    except (KeyError, ValueError, OverflowError):
        raise failure("EvaluatorInvalidArguments", f"DATE_ADD cannot add {quantity} of {part}") from None
    return Timestamp(at, max(stamp.parts, _PARTS.get(part, 4)))


def difference(part: str, first: Timestamp, second: Timestamp) -> int:
    """DATE_DIFF: whole parts from the first to the second; of years, months and days the calendar's."""
    a, b = first.at, second.at
    if part == "year":
        return b.year - a.year - (1 if (b.month, b.day) < (a.month, a.day) else 0) if b >= a else -difference(part, second, first)
    if part == "month":
        return (b.year - a.year) * 12 + b.month - a.month - (1 if b.day < a.day else 0) if b >= a else -difference(part, second, first)
    if part not in _SPANS:
        raise failure("EvaluatorInvalidArguments", f"DATE_DIFF does not know the date part {part}")
    return int((b - a).total_seconds() / _SPANS[part])


def extracted(part: str, stamp: Timestamp) -> int:
    """EXTRACT."""
    if part in ("year", "month", "day", "hour", "minute", "second"):
        found: int = getattr(stamp.at, part)
        return found
    offset = stamp.at.utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    if part == "timezone_hour":
        return int(minutes / 60)
    if part == "timezone_minute":
        return minutes - int(minutes / 60) * 60
    raise failure("EvaluatorInvalidArguments", f"EXTRACT does not know the date part {part}")


_PATTERN = re.compile(r"y+|M+|d+|a|h+|H+|m+|s+|S+|n|X+|x+|'[^']*'|.")
_FORMATS: dict[str, Callable[[datetime], str]] = {
    "yy": lambda at: f"{at.year % 100:02d}",
    "y": lambda at: str(at.year),
    "yyyy": lambda at: f"{at.year:04d}",
    "M": lambda at: str(at.month),
    "MM": lambda at: f"{at.month:02d}",
    "MMM": lambda at: calendar.month_abbr[at.month],
    "MMMM": lambda at: calendar.month_name[at.month],
    "MMMMM": lambda at: calendar.month_name[at.month][0],
    "d": lambda at: str(at.day),
    "dd": lambda at: f"{at.day:02d}",
    "a": lambda at: "AM" if at.hour < 12 else "PM",
    "h": lambda at: str(at.hour % 12 or 12),
    "hh": lambda at: f"{at.hour % 12 or 12:02d}",
    "H": lambda at: str(at.hour),
    "HH": lambda at: f"{at.hour:02d}",
    "m": lambda at: str(at.minute),
    "mm": lambda at: f"{at.minute:02d}",
    "s": lambda at: str(at.second),
    "ss": lambda at: f"{at.second:02d}",
    "n": lambda at: str(at.microsecond * 1000),
}


def formatted(stamp: Timestamp, pattern: str) -> str:
    """TO_STRING, by the reference's patterns. Errors: InvalidTimestampFormatPattern."""
    return "".join(_format_piece(stamp.at, piece) for piece in _PATTERN.findall(pattern))


def _format_piece(at: datetime, piece: str) -> str:
    if piece in _FORMATS:
        return _FORMATS[piece](at)
    sign = piece[0]
    if sign == "'":
        return piece[1:-1]
    if sign == "S":
        return f"{at.microsecond:06d}".ljust(9, "0")[: len(piece)]
    if sign in "Xx":
        offset = at.strftime("%z")
        if sign == "X" and offset == "+0000":
            return "Z"
        return (offset[:3], offset, f"{offset[:3]}:{offset[3:]}", offset, f"{offset[:3]}:{offset[3:]}")[min(len(piece), 5) - 1]
    if piece.isalpha():
        raise failure("InvalidTimestampFormatPattern", f"The timestamp format pattern has an invalid symbol: {piece}")
    return piece


def number(text: str) -> int | Decimal | None:
    """The number that a text is, or None."""
    if "_" in text:  # which Python reads over
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def numeric(value: Any) -> int | float | Decimal:
    """The operand of an arithmetic operation; texts of CSV are numbers where they look like it. Errors: InvalidDataType."""
    if isinstance(value, str):
        found = number(value)
        if found is not None:
            return found
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value
    raise failure("InvalidDataType", f"The SQL expression contains an invalid data type: {value!r} is no number.")


def whole(value: Any) -> int:
    """An operand as a whole number of eight bytes. Errors: InvalidDataType."""
    found = numeric(value)
    if not _LEAST <= found <= _MOST:
        raise failure("InvalidDataType", f"The SQL expression contains an invalid data type: {found} is no INT.")
    return int(found)


_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def comparable(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Two values as they are compared, or None where they cannot be: a number may meet a text that is one."""
    if isinstance(a, str) != isinstance(b, str):
        a, b = _like(a, b), _like(b, a)
    if isinstance(a, bool) != isinstance(b, bool):
        return None
    if isinstance(a, float) and isinstance(b, Decimal):
        return a, float(b)
    if isinstance(a, Decimal) and isinstance(b, float):
        return float(a), b
    if isinstance(a, int | float | Decimal) and isinstance(b, int | float | Decimal):
        return a, b
    if isinstance(a, Timestamp) and isinstance(b, Timestamp):
        return a.at, b.at
    return (a, b) if type(a) is type(b) and isinstance(a, str | dict | list) else None


def _like(value: Any, other: Any) -> Any:
    """A text as a value of the other's type, where it is one."""
    if not isinstance(value, str):
        return value
    if isinstance(other, bool):
        return {"true": True, "false": False}.get(value.lower(), value)
    if isinstance(other, Timestamp):
        return timestamp(value) if _timestamp(value.strip()) else value
    found = number(value)
    return value if found is None else found


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        value = number(value)
    if value is None or not _LEAST <= value <= _MOST:
        raise ValueError(value)
    return int(value)


def _to_decimal(value: Any) -> Decimal:
    made = Decimal(str(value))
    if not made.is_finite():
        raise ValueError(value)
    return made


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.strip().lower()]
    return bool(value)


def _to_timestamp(value: Any) -> Timestamp:
    return value if isinstance(value, Timestamp) else timestamp(value)


def text_of(value: Any) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) and -20 < value.adjusted() < 40 else str(value)


CASTS: dict[str, Callable[[Any], Any]] = {
    "INT": _to_int,
    "BIGINT": _to_int,
    "BOOLEAN": _to_bool,
    "FLOAT": float,
    "DOUBLE": float,
    "DECIMAL": _to_decimal,
    "TEXT": text_of,
    "VARCHAR": text_of,
    "TIMESTAMP": _to_timestamp,
}
"""CAST's types, as the parser names them."""


def cast(value: Any, to: str, scale: int | None) -> Any:
    """CAST(value AS to). Errors: CastFailed."""
    if absent(value):
        return value
    try:
        made = CASTS[to](value)
        return made if scale is None else round(made, scale)
    except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError):
        message = f"Attempt to convert from one data type to another using CAST failed in the SQL expression: {value!r} to {to}."
        raise failure("CastFailed", message) from None
