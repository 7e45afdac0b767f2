"""AWS's schedule expressions: rate(5 minutes), cron(0 8 ? * MON-FRI *), at(2030-01-01T08:00:00), and when they come next.

By the wall clock of a time zone, as EventBridge Scheduler has it: what a cron expression names that the clock jumps over in spring is
skipped; what the clock shows twice in autumn happens once, the first time. A rate is a span, and knows no time zone.

Source: "Schedule types in EventBridge Scheduler" in the EventBridge Scheduler User Guide; "Setting a schedule pattern" in the Amazon
EventBridge User Guide.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST_YEAR, LAST_YEAR = 1970, 2199
UNITS_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

_rate = re.compile(r"rate\(\s*(\d{1,10})\s+(minute|hour|day)(s?)\s*\)").fullmatch
_cron = re.compile(r"cron\((.+)\)").fullmatch
_at = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)").fullmatch
_item = re.compile(r"(?P<first>\*|\w+)?(?:-(?P<last>\w+))?(?:/(?P<step>\d{1,4}))?").fullmatch
_on_weekday = re.compile(r"(?P<day>\w+?)(?:(?P<last>L)|#(?P<nth>[1-5]))").fullmatch


class InvalidSchedule(ValueError):
    """What is wrong with an expression."""


class Rate(NamedTuple):
    """Every so many minutes, hours or days."""

    value: int
    unit: str

    @property
    def period_ms(self) -> int:
        return self.value * UNITS_MS[self.unit]

    def after(self, at_ms: int, start_ms: int | None = None) -> int | None:
        """The next instant after one: a period later; where it is counted from a start, that too is an instant of it."""
        if start_ms is None:
            return at_ms + self.period_ms
        return start_ms if at_ms < start_ms else at_ms + self.period_ms - (at_ms - start_ms) % self.period_ms


class Once(NamedTuple):
    """At one instant."""

    at_ms: int

    def after(self, at_ms: int, start_ms: int | None = None) -> int | None:
        return self.at_ms if self.at_ms > at_ms else None


class Cron(NamedTuple):
    """At minutes of days. `minutes` are counted from midnight, `on` says which days of the months, `zone` whose midnight."""

    minutes: tuple[int, ...]
    on: Callable[[date], bool]
    months: frozenset[int]
    years: frozenset[int]
    zone: tzinfo

    def after(self, at_ms: int, start_ms: int | None = None) -> int | None:
        """The first instant after one (and not before the start), or None where none ever comes."""
        if start_ms is not None:
            at_ms = max(at_ms, start_ms - 1)
        first = datetime.fromtimestamp(at_ms // 1000, self.zone)
        today = first.date()
        for day in self._days(today):
            skip = bisect_left(self.minutes, first.hour * 60 + first.minute) if day == today else 0
            for minute in self.minutes[skip:]:
                instant = self._instant(day, minute)
                if instant is not None and instant > at_ms:
                    return instant
        return None

    def _days(self, first: date) -> Iterator[date]:
        """The days that are meant, from one on."""
        for year in range(first.year, LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in range(1, 13):
                if month not in self.months or (year, month) < (first.year, first.month):
                    continue
                for number in range(1, monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.on(day):
                        yield day

    def _instant(self, day: date, minute: int) -> int | None:
        """The instant at which the zone's clocks show this for the first time, or None where they never do."""
        shown = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=self.zone)
        instant = shown.astimezone(UTC)
        if self.zone is not UTC and instant.astimezone(self.zone).replace(tzinfo=None) != shown.replace(tzinfo=None):
            return None
        return int(instant.timestamp()) * 1000


Schedule = Rate | Once | Cron


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises InvalidSchedule."""
    if name == "UTC":
        return UTC
    if name not in _names():
        raise InvalidSchedule(f"{name} is not a time zone")
    return ZoneInfo(name)


@lru_cache(1)
def _names() -> set[str]:
    return available_timezones()


@lru_cache(4096)
def parse(expression: str, zone: str = "UTC") -> Schedule:
    """A schedule from its expression. Raises InvalidSchedule with what is wrong."""
    where = zone_of(zone)
    if (rate := _rate(expression)) is not None:
        count = int(rate[1])
        if count < 1:
            raise InvalidSchedule("the value of a rate is positive")
        if (count == 1) != (not rate[3]):
            raise InvalidSchedule("the unit of a rate is singular for 1 only")
        return Rate(count, rate[2])
    if (once := _at(expression)) is not None:
        try:
            return Once(int(datetime.fromisoformat(once[1]).replace(tzinfo=where).timestamp()) * 1000)
        except ValueError:
            raise InvalidSchedule(f"{once[1]} is not a date and time") from None
    if (cron := _cron(expression)) is None:
        raise InvalidSchedule("it is neither rate(Value Unit) nor cron(Minutes Hours Day-of-month Month Day-of-week Year)")
    return _read_cron(cron[1].upper().split(), where)


def _read_cron(fields: list[str], zone: tzinfo) -> Cron:
    if len(fields) != 6:
        raise InvalidSchedule("a cron expression has six fields")
    minutes, hours, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise InvalidSchedule("one of the fields Day-of-month and Day-of-week must be ?")
    of_hour = sorted(_values(minutes, 0, 59))
    return Cron(
        tuple([hour * 60 + minute for hour in sorted(_values(hours, 0, 23)) for minute in of_hour]),
        _by_day(day) if weekday == "?" else _by_weekday(weekday),
        _values(month, 1, 12, MONTHS),
        _values(year, FIRST_YEAR, LAST_YEAR),
        zone,
    )


def _values(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """The numbers that a field stands for."""
    found: set[int] = set()
    for item in field.split(","):
        parts = _item(item)
        if parts is None or not item:
            raise InvalidSchedule(f"{item} is not valid")
        first, last, step = parts["first"], parts["last"], int(parts["step"] or 1)
        if (first is None and not parts["step"]) or (first in (None, "*") and last):
            raise InvalidSchedule(f"{item} is not valid")
        start = low if first in (None, "*") else _number(first, low, high, names)
        end = _number(last, low, high, names) if last else high if first in (None, "*") or parts["step"] else start
        if step < 1 or end < start:
            raise InvalidSchedule(f"{item} is not valid")
        found.update(range(start, end + 1, step))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    number = names.index(text) + 1 if text in names else int(text) if text.isdecimal() and len(text) < 5 else -1
    if not low <= number <= high:
        raise InvalidSchedule(f"{text} is not valid")
    return number


def _length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _by_day(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == _length(day)
    if field.endswith("W"):
        wanted = _number(field[:-1], 1, 31, ())
        return lambda day: day.day == _nearest_weekday(day, wanted)
    numbers = _values(field, 1, 31)
    return lambda day: day.day in numbers


def _nearest_weekday(day: date, wanted: int) -> int:
    """The day of this month, Monday to Friday, that is nearest to a wanted one; 0 where the month has no such day."""
    length = _length(day)
    if wanted > length:
        return 0
    turn = day.replace(day=wanted).isoweekday()
    if turn == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if turn == 7:
        return wanted + 1 if wanted < length else wanted - 2
    return wanted


def _by_weekday(field: str) -> Callable[[date], bool]:
    special = _on_weekday(field)
    if special is not None:
        wanted = _number(special["day"], 1, 7, WEEKDAYS)
        if special["last"]:
            return lambda day: _weekday(day) == wanted and day.day > _length(day) - 7
        nth = int(special["nth"])
        return lambda day: _weekday(day) == wanted and (day.day + 6) // 7 == nth
    numbers = frozenset({7}) if field == "L" else _values(field, 1, 7, WEEKDAYS)
    return lambda day: _weekday(day) in numbers


def _weekday(day: date) -> int:
    """1 is Sunday."""
    return day.isoweekday() % 7 + 1
