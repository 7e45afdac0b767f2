"""Schedule expressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.languages import schedules

START = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)  # a Thursday


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def instants(expression: str, count: int, after: datetime = START, zone: str = "UTC") -> list[str]:
    """The next ones, as the zone's clocks show them."""
    schedule, place = schedules.parse(expression, zone), ms(after)
    found = []
    for _ in range(count):
        at_ms = schedule.after(place)
        if at_ms is None:
            break
        place = at_ms
        found.append(datetime.fromtimestamp(place / 1000, schedules.zone_of(zone)).strftime("%y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(5 minutes)", ["26-01-01 09:35", "26-01-01 09:40"]),
        ("rate(1 hour)", ["26-01-01 10:30", "26-01-01 11:30"]),
        ("rate(2 days)", ["26-01-03 09:30"]),
        ("at(2026-02-03T04:05:00)", ["26-02-03 04:05"]),
        ("at(2025-02-03T04:05:00)", []),
        ("cron(0 10 * * ? *)", ["26-01-01 10:00", "26-01-02 10:00"]),
        ("cron(15 12 * * ? *)", ["26-01-01 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["26-01-01 18:00", "26-01-02 18:00", "26-01-05 18:00"]),
        ("cron(0 8 1 * ? *)", ["26-02-01 08:00", "26-03-01 08:00"]),
        ("cron(0/15 * * * ? *)", ["26-01-01 09:45", "26-01-01 10:00"]),
        ("cron(/20 9 * * ? *)", ["26-01-01 09:40", "26-01-02 09:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["26-01-01 09:35"]),
        ("cron(30 9 1 1 ? *)", ["27-01-01 09:30"]),
        ("cron(0 17 L * ? *)", ["26-01-31 17:00", "26-02-28 17:00"]),
        ("cron(0 0 15W * ? *)", ["26-01-15 00:00", "26-02-16 00:00"]),
        ("cron(0 0 ? * 6#3 *)", ["26-01-16 00:00"]),
        ("cron(0 0 ? * 6L *)", ["26-01-30 00:00"]),
        ("cron(0 0 1 1 ? 2028-2030/2)", ["28-01-01 00:00", "30-01-01 00:00"]),
        ("cron(0 0 29 2 ? *)", ["28-02-29 00:00"]),
        ("cron(0 0 31 2 ? *)", []),
        ("cron(0 0 1 1 ? 2020)", []),
        ("cron(0 0 1 jan,jul ? *)", ["26-07-01 00:00", "27-01-01 00:00"]),
    ],
)
def test_instants(expression: str, expected: list[str]) -> None:
    """The next instants are what AWS's documentation says of each expression."""
    assert instants(expression, len(expected) or 1) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "hourly",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "cron(0 8 * * ?)",
        "cron(0 8 * * * *)",
        "cron(0 8 ? * ? *)",
        "cron(60 8 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 8 0 * ? *)",
        "cron(0 8 1 13 ? *)",
        "cron(0 8 ? * 8 *)",
        "cron(0 8 ? * MON#6 *)",
        "cron(0 8 1 * ? 1969)",
        "cron(0 8, * * ? *)",
        "cron(0 10-8 * * ? *)",
        "cron(0 8/0 * * ? *)",
        "at(2026-02-30T00:00:00)",
        "at(2026-02-03)",
    ],
)
def test_what_is_no_schedule(expression: str) -> None:
    """A malformed expression is refused."""
    with pytest.raises(schedules.InvalidSchedule):
        schedules.parse(expression)


def test_summer_time() -> None:
    """What the clock jumps over is skipped, what it shows twice happens once, and noon stays noon."""
    spring = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert instants("cron(30 2 * * ? *)", 3, spring, "America/New_York") == ["26-03-09 02:30", "26-03-10 02:30", "26-03-11 02:30"]
    autumn = datetime(2026, 10, 31, 12, tzinfo=UTC)
    schedule = schedules.parse("cron(30 1 * * ? *)", "America/New_York")
    first = schedule.after(ms(autumn))
    assert first == ms(datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
    assert schedule.after(first) == ms(datetime(2026, 11, 2, 6, 30, tzinfo=UTC))
    assert instants("cron(0 12 * * ? *)", 3, spring, "Europe/Berlin") == ["26-03-08 12:00", "26-03-09 12:00", "26-03-10 12:00"]
    assert schedules.parse("at(2026-07-01T12:00:00)", "Europe/Berlin").after(0) == ms(datetime(2026, 7, 1, 10, tzinfo=UTC))


def test_rates_from_a_start() -> None:
    """A rate that is counted from a start comes at the start, and every period after it."""
    rate = schedules.parse("rate(10 minutes)")
    start = ms(START)
    assert rate.after(start - 5, start) == start
    assert rate.after(start, start) == start + 600_000
    assert rate.after(start + 600_001, start) == start + 1_200_000


@st.composite
def field(draw: st.DrawFn, low: int, high: int) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, max(1, high - low)))
    return draw(st.sampled_from(["*", str(first), f"{first}-{last}", f"{first}/{step}", f"*/{step}", f"{first},{last}"]))


def in_field(text: str, low: int, high: int, value: int) -> bool:
    """A field, read plainly."""
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        end = int(last) if last else high if first == "*" or step else start
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


ZONES = st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(
    field(0, 59), field(0, 23), field(1, 31), field(1, 12), st.booleans(), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), ZONES
)
def test_next_fits_and_nothing_is_skipped(minutes: str, hours: str, days: str, months: str, weekly: bool, at: datetime, zone: str) -> None:
    """The next instant is one that the fields mean; no minute of the three days before it (or of the first three days) is."""
    weekdays = (
        days
        if weekly and all(int(n) <= 7 for n in days.replace("*/", "").replace("*", "1").replace(",", "-").replace("/", "-").split("-"))
        else ""
    )
    expression = f"cron({minutes} {hours} {'?' if weekdays else days} {months} {weekdays or '?'} *)"
    place = at.replace(tzinfo=UTC)
    where = ZoneInfo(zone)

    def fits(instant: datetime) -> bool:
        shown = instant.astimezone(where)
        on = in_field(weekdays, 1, 7, shown.isoweekday() % 7 + 1) if weekdays else in_field(days, 1, 31, shown.day)
        return (
            on
            and shown.fold == 0
            and in_field(minutes, 0, 59, shown.minute)
            and in_field(hours, 0, 23, shown.hour)
            and in_field(months, 1, 12, shown.month)
        )

    at_ms = schedules.parse(expression, zone).after(ms(place))
    found = datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms is not None else None
    if found is not None:
        assert found > place
        assert found.second == 0
        assert fits(found)
    minute = place.replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = min(found, minute + timedelta(hours=30)) if found is not None else minute + timedelta(hours=30)
    while minute < end:
        assert not fits(minute)
        minute += timedelta(minutes=1)
