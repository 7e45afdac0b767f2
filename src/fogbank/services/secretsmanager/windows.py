"""The windows in which Secrets Manager rotates: schedule expressions on the hour, in UTC, at least four hours apart.

Source: "Rotation schedules" in the AWS Secrets Manager User Guide.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from fogbank.languages import schedules
from fogbank.services.secretsmanager.state import DAY_MS, HOUR_MS

LEAST_HOURS, MOST_DAYS = 4, 999


class Window(NamedTuple):
    opens_ms: int
    closes_ms: int


class Windows(NamedTuple):
    """Windows that open every so many hours or days after the last rotation, or at given hours of given days."""

    schedule: schedules.Rate | schedules.Cron

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours of the day at which windows open, where they are given."""
        return tuple([minute // 60 for minute in self.schedule.minutes]) if isinstance(self.schedule, schedules.Cron) else ()

    def least_gap_hours(self) -> int:
        """The least time between two openings; a day counts as one window."""
        if isinstance(self.schedule, schedules.Rate):
            return self.schedule.value if self.schedule.unit == "hour" else 24
        hours = self.hours
        if len(hours) < 2:
            return 24
        return min(b - a for a, b in zip(hours, (*hours[1:], hours[0] + 24), strict=True))

    def is_hourly(self) -> bool:
        return self.least_gap_hours() < 24

    def next(self, after_ms: int, duration_h: int) -> Window | None:
        """The first window that opens after an instant (for a rate: after a rotation at that instant); None where none ever does."""
        if isinstance(self.schedule, schedules.Rate):
            after_ms -= after_ms % schedules.UNITS_MS[self.schedule.unit]
        opens = self.schedule.after(after_ms)
        if opens is None:
            return None
        if duration_h or self.is_hourly():
            return Window(opens, opens + (duration_h or 1) * HOUR_MS)
        return Window(opens, opens - opens % DAY_MS + DAY_MS)


def days(count: int) -> Windows:
    return Windows(schedules.Rate(count, "day"))


def _with_question_mark(expression: str) -> str:
    """Here * may stand where the schedules of other services want ?: in one of the two fields of the day."""
    fields = expression.split(" ")
    if len(fields) == 6 and "?" not in (fields[2], fields[4]) and "*" in (fields[2], fields[4]):
        fields[4 if fields[4] == "*" else 2] = "?"
    return " ".join(fields)


@lru_cache(256)
def parse(expression: str) -> Windows:
    """Windows from a schedule expression. Raises ValueError with what is wrong."""
    schedule = schedules.parse(_with_question_mark(expression))
    if isinstance(schedule, schedules.Once) or (isinstance(schedule, schedules.Rate) and schedule.unit == "minute"):
        raise ValueError("a secret is rotated at a rate of hours or days, or by a cron expression")
    if isinstance(schedule, schedules.Rate):
        if schedule.period_ms > MOST_DAYS * DAY_MS:
            raise ValueError(f"the rotation period is at most {MOST_DAYS} days")
    elif any(minute % 60 for minute in schedule.minutes) or len(schedule.years) <= schedules.LAST_YEAR - schedules.FIRST_YEAR:
        raise ValueError("the minutes field must be 0, and the year field *")
    made = Windows(schedule)
    if made.least_gap_hours() < LEAST_HOURS:
        raise ValueError(f"a secret can be rotated as often as every {LEAST_HOURS} hours")
    return made
