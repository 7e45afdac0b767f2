"""AWS's schedule expressions, rate(...) and cron(...), in UTC; and the windows in which Secrets Manager rotates.

Source: "Rotation schedules" in the AWS Secrets Manager User Guide.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from fogbank.services.secretsmanager.state import DAY_MS, HOUR_MS

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
LEAST_HOURS, MOST_DAYS = 4, 999
LOOK_AHEAD_DAYS = 366 * 8
_rate = re.compile(r"rate\((\d+) (hours?|days?)\)").fullmatch
_cron = re.compile(r"cron\((.+)\)").fullmatch
_step = re.compile(r"(?P<first>\*|\w+)?(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?").fullmatch
_on_weekday = re.compile(r"(?P<day>\w+?)(?:(?P<last>L)|#(?P<nth>[1-5]))").fullmatch


class Window(NamedTuple):
    opens_ms: int
    closes_ms: int


class Schedule(NamedTuple):
    """Windows that open every so many hours or days after the last rotation, or at given hours of given days."""

    every_hours: int = 0
    every_days: int = 0
    hours: tuple[int, ...] = ()
    on: Callable[[date], bool] = lambda day: False

    def least_gap_hours(self) -> int:
        """The least time between two openings; a day counts as one window."""
        if self.every_hours:
            return self.every_hours
        if len(self.hours) < 2:
            return 24
        return min(b - a for a, b in zip(self.hours, (*self.hours[1:], self.hours[0] + 24), strict=True))

    def is_hourly(self) -> bool:
        return self.least_gap_hours() < 24

    def next(self, after_ms: int, duration_h: int) -> Window | None:
        """The first window that opens after an instant (for a rate: after a rotation at that instant); None where none ever does."""
        opens = self._opens(after_ms)
        if opens is None:
            return None
        if duration_h or self.is_hourly():
            return Window(opens, opens + (duration_h or 1) * HOUR_MS)
        return Window(opens, opens - opens % DAY_MS + DAY_MS)

    def _opens(self, after_ms: int) -> int | None:
        if self.every_hours:
            return after_ms - after_ms % HOUR_MS + self.every_hours * HOUR_MS
        if self.every_days:
            return after_ms - after_ms % DAY_MS + self.every_days * DAY_MS
        start = datetime.fromtimestamp(after_ms / 1000, UTC).date()
        for ahead in range(LOOK_AHEAD_DAYS):
            day = start + timedelta(days=ahead)
            if self.on(day):
                midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
                for hour in self.hours:
                    if midnight + hour * HOUR_MS > after_ms:
                        return midnight + hour * HOUR_MS
        return None


def days(count: int) -> Schedule:
    return Schedule(every_days=count)


@lru_cache(256)
def parse(expression: str) -> Schedule:
    """A schedule from its expression. Raises ValueError with what is wrong."""
    if (rate := _rate(expression)) is not None:
        count, unit = int(rate[1]), rate[2].rstrip("s")
        if (count == 1) != (rate[2] == unit):
            raise ValueError("the unit of a rate is singular for 1 only")
        if unit == "hour" and count < LEAST_HOURS:
            raise ValueError(f"a secret can be rotated as often as every {LEAST_HOURS} hours")
        if not 1 <= count <= (MOST_DAYS if unit == "day" else MOST_DAYS * 24):
            raise ValueError(f"the rotation period is at most {MOST_DAYS} days")
        return Schedule(every_hours=count) if unit == "hour" else days(count)
    cron = _cron(expression)
    if cron is None:
        raise ValueError("it is neither rate(Value Unit) nor cron(Minutes Hours Day-of-month Month Day-of-week Year)")
    fields = cron[1].split()
    if len(fields) != 6:
        raise ValueError("a cron expression has six fields")
    minutes, hours, day, month, weekday, year = fields
    if minutes != "0" or year != "*":
        raise ValueError("the minutes field must be 0, and the year field *")
    made = Schedule(hours=tuple(sorted(_values(hours, 0, 23))), on=_days(day.upper(), month.upper(), weekday.upper()))
    if made.least_gap_hours() < LEAST_HOURS:
        raise ValueError(f"a secret can be rotated as often as every {LEAST_HOURS} hours")
    return made


def _values(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """The numbers that a field of a cron expression stands for."""
    found: set[int] = set()
    for item in field.split(","):
        parts = _step(item)
        if parts is None or not item:
            raise ValueError(f"{item} is not valid")
        first, last, step = parts["first"], parts["last"], int(parts["step"] or 1)
        start = low if first in (None, "*") else _number(first, low, high, names)
        end = _number(last, low, high, names) if last else high if first in (None, "*") or parts["step"] else start
        if step < 1 or end < start:
            raise ValueError(f"{item} is not valid")
        found.update(range(start, end + 1, step))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    number = names.index(text) + 1 if text in names else int(text) if text.isdecimal() else -1
    if not low <= number <= high:
        raise ValueError(f"{text} is not valid")
    return number


def _days(day: str, month: str, weekday: str) -> Callable[[date], bool]:
    """Which days the three fields of the day mean."""
    if (day == "?") == (weekday == "?") and "*" not in (day, weekday):
        raise ValueError("one of the fields Day-of-month and Day-of-week must be ?")
    months = _values(month, 1, 12, MONTHS)
    tests = [_by_day(day)] if day not in ("?", "*") else []
    if weekday not in ("?", "*"):
        tests += [_by_weekday(weekday)]
    return lambda each: each.month in months and all(test(each) for test in tests)


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
