"""Schedule expressions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.secretsmanager import windows

START = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)  # a Thursday


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def openings(expression: str, count: int, after: datetime = START) -> list[str]:
    schedule = windows.parse(expression)
    found, place = [], ms(after)
    for _ in range(count):
        window = schedule.next(place, 0)
        assert window is not None
        place = window.opens_ms
        found.append(datetime.fromtimestamp(place / 1000, UTC).strftime("%m-%d %H"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(10 days)", ["01-11 00", "01-21 00"]),
        ("rate(1 day)", ["01-02 00", "01-03 00"]),
        ("rate(4 hours)", ["01-01 13", "01-01 17"]),
        ("cron(0 10 * * ? *)", ["01-01 10", "01-02 10"]),
        ("cron(0 18 ? * SAT *)", ["01-03 18", "01-10 18"]),
        ("cron(0 8 1 * ? *)", ["02-01 08", "03-01 08"]),
        ("cron(0 8 1 * * *)", ["02-01 08", "03-01 08"]),
        ("cron(0 10 * * * *)", ["01-01 10", "01-02 10"]),
        ("cron(0 1 * 1/3 SUN *)", ["01-04 01", "01-11 01", "01-18 01", "01-25 01", "04-05 01"]),
        ("cron(0 17 L * ? *)", ["01-31 17", "02-28 17"]),
        ("cron(0 8 ? * MON-FRI *)", ["01-02 08", "01-05 08"]),
        ("cron(0 16 1,15 * ? *)", ["01-01 16", "01-15 16", "02-01 16"]),
        ("cron(0 0 ? * SUN#1 *)", ["01-04 00", "02-01 00"]),
        ("cron(0 0 ? * SUNL *)", ["01-25 00", "02-22 00"]),
        ("cron(0 0 ? * 6L *)", ["01-30 00", "02-27 00"]),
        ("cron(0 0 ? * L *)", ["01-03 00", "01-10 00"]),
        ("cron(0 0 15W * ? *)", ["01-15 00", "02-16 00"]),
        ("cron(0 0 1W 8 ? *)", ["08-03 00"]),
        ("cron(0 8/8 * * ? *)", ["01-01 16", "01-02 08"]),
        ("cron(0 0 1 JAN,JUL ? *)", ["07-01 00", "01-01 00"]),
        ("cron(0 0 29 2 ? *)", ["02-29 00"]),
    ],
)
def test_openings(expression: str, expected: list[str]) -> None:
    """The next windows open as AWS's documentation says of each expression."""
    assert openings(expression, len(expected)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "every day",
        "rate(0 days)",
        "rate(2 day)",
        "rate(1 days)",
        "rate(3 hours)",
        "rate(1000 days)",
        "cron(0 8 * * ?)",
        "cron(1 8 * * ? *)",
        "cron(0 8 * * ? 2027)",
        "cron(0 24 * * ? *)",
        "cron(0 8 0 * ? *)",
        "cron(0 8 ? * ? *)",
        "cron(0 8 1 * MON *)",
        "cron(0 8 * FOO ? *)",
        "cron(0 8,10 * * ? *)",
        "cron(0 8 10-5 * ? *)",
        "cron(0 8 1/0 * ? *)",
    ],
)
def test_what_is_no_schedule(expression: str) -> None:
    """An expression that is malformed, or oftener than every four hours, is refused."""
    with pytest.raises(ValueError):
        windows.parse(expression)


def test_when_windows_close() -> None:
    """A window of a schedule in hours closes after one hour, one in days at the end of the day; Duration says otherwise."""

    def hours(expression: str, duration_h: int) -> float:
        window = windows.parse(expression).next(ms(START), duration_h)
        assert window is not None
        return (window.closes_ms - window.opens_ms) / 3_600_000

    assert hours("rate(4 hours)", 0) == 1
    assert hours("cron(0 0/6 * * ? *)", 0) == 1
    assert hours("rate(2 days)", 0) == 24
    assert hours("cron(0 20 * * ? *)", 0) == 4
    assert hours("cron(0 20 * * ? *)", 3) == 3


def test_a_day_that_never_comes() -> None:
    """The 31st of February opens no window."""
    assert windows.parse("cron(0 0 31 2 ? *)").next(ms(START), 0) is None


@given(
    st.sampled_from(["rate(7 days)", "rate(5 hours)", "cron(0 3 * * ? *)", "cron(0 0/4 ? * MON-FRI *)", "cron(0 9 L * ? *)"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_windows_lie_ahead(expression: str, at: datetime) -> None:
    """A window opens after the instant from which it is sought, on the hour, and closes after it opened."""
    window = windows.parse(expression).next(ms(at), 0)
    assert window is not None
    assert window.opens_ms > ms(at)
    assert window.opens_ms % 3_600_000 == 0
    assert window.closes_ms > window.opens_ms
