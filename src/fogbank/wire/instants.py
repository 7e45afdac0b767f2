"""Instants on the wire: int milliseconds since the epoch inside, AWS's three formats outside.

`epoch` (seconds, a number) is what JSON and CBOR bodies carry, `iso8601` what XML and forms carry,
`http_date` (RFC 7231) what headers carry; a shape's timestampFormat trait overrides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_FIRST_MS = -62_135_596_800_000  # 0001-01-01
_LAST_MS = 253_402_300_799_999  # 9999-12-31
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_HTTP_DATE = re.compile(
    r"(?:[A-Za-z]+, )?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{2,4}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))? (?:GMT|UTC|\+0000)\Z", re.ASCII
)


def parse(value: object) -> int:
    """An instant in any of the formats. ValueError if it is none, or outside the years 1 to 9999."""
    if isinstance(value, bool):
        raise ValueError("not an instant")
    if isinstance(value, int | float):
        return _from_seconds(value)
    if isinstance(value, datetime):
        return _milliseconds(value)
    if not isinstance(value, str):
        raise ValueError("not an instant")
    if _NUMBER.match(value):
        return _from_seconds(float(value))
    match = _HTTP_DATE.match(value)
    if match:
        return _from_http_date(match)
    if len(value) < 10:
        raise ValueError("not an instant")
    return _milliseconds(datetime.fromisoformat(value))


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _from_seconds(value: float) -> int:
    if not _FIRST_MS <= value * 1000 <= _LAST_MS:
        raise ValueError("an instant outside the years 1 to 9999")
    return round(value * 1000)


def _from_http_date(match: re.Match[str]) -> int:
    day, month, year, hour, minute, second, fraction = match.groups()
    full = int(year) if len(year) > 2 else 1900 + int(year) if int(year) >= 70 else 2000 + int(year)
    moment = datetime(full, _MONTHS.index(month.title()) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    return _milliseconds(moment) + (int(fraction.ljust(3, "0")) if fraction else 0)


def epoch(ms: int) -> int | float:
    """Seconds; a whole number where it is one."""
    seconds, rest = divmod(ms, 1000)
    return seconds if not rest else ms / 1000


@lru_cache(maxsize=2048)
def _second(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}:{moment.minute:02}:{moment.second:02}"


@lru_cache(maxsize=8192)
def iso8601(ms: int) -> str:
    """2009-10-12T17:50:30Z, with milliseconds where there are some."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03}Z" if rest else f"{_second(seconds)}Z"


@lru_cache(maxsize=8192)
def iso8601_milliseconds(ms: int) -> str:
    """2009-10-12T17:50:30.000Z, as S3 and EC2 write it."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


def iso8601_seconds(ms: int) -> str:
    """2009-10-12T17:50:30Z, never with milliseconds, as events tell their time."""
    return f"{_second(ms // 1000)}Z"


@lru_cache(maxsize=1024)
def _http_date(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    weekday, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{weekday}, {moment.day:02} {month} {moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"


def http_date(ms: int) -> str:
    """Mon, 12 Oct 2009 17:50:30 GMT."""
    return _http_date(ms // 1000)


def writer(fmt: str, *, milliseconds: bool = False) -> Callable[[int], int | float | str]:
    """The function that writes instants in a timestampFormat: unixTimestamp, iso8601 or rfc822."""
    lowered = fmt.lower()
    if lowered == "unixtimestamp":
        return epoch
    if lowered == "rfc822":
        return http_date
    return iso8601_milliseconds if milliseconds else iso8601
