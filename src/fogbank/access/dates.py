"""The dates that signatures carry."""

from __future__ import annotations

import calendar
import re
import time
from functools import lru_cache

_long_date = re.compile(r"[0-9]{8}T[0-9]{6}Z").fullmatch
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_http_date = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|UTC|[+-]0000)", re.ASCII).fullmatch


@lru_cache(4096)
def instant(date: str) -> int | None:
    """`20260101T000000Z`, or an HTTP date, in milliseconds; None where it is neither or no such day."""
    if _long_date(date):
        year, month, day, hour, minute, second = (int(date[a:b]) for a, b in ((0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15)))
    elif (found := _http_date(date)) and found[2] in _MONTHS:
        day, month, year, hour, minute, second = int(found[1]), _MONTHS[found[2]], *(int(found[n]) for n in (3, 4, 5, 6))
    else:
        return None
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    return calendar.timegm((year, month, day, hour, minute, second)) * 1000


def long_date(at_ms: int) -> str:
    """`20260101T000000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_ms // 1000))


def iso_date(at_ms: int) -> str:
    """`2026-01-01T00:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms // 1000))
