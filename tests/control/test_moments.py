"""How people say when and how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.control.moments import moment, span_ms

NOW = 1_790_000_000_000
UNITS = {
    1: ["ms", "millisecond", "milliseconds"],
    1000: ["s", "sec", "secs", "second", "seconds"],
    60_000: ["m", "min", "mins", "minute", "minutes"],
    3_600_000: ["h", "hrs", "hour", "hours"],
    86_400_000: ["d", "day", "days"],
    604_800_000: ["w", "week", "weeks"],
}
NAMED = [(factor, name) for factor, names in UNITS.items() for name in names]


@given(count=st.integers(0, 5000), unit=st.sampled_from(NAMED), space=st.sampled_from(["", " "]), upper=st.booleans())
def test_a_span_is_a_number_and_a_unit(count: int, unit: tuple[int, str], space: str, upper: bool) -> None:
    """ "90s", "15 minutes", "2 DAYS": the number times the unit, in milliseconds."""
    factor, name = unit
    text = f"{count}{space}{name.upper() if upper else name}"
    assert span_ms(text) == count * factor
    assert moment(f"{text} ago", NOW) == ("at", NOW - count * factor)


@given(
    parts=st.lists(st.tuples(st.integers(0, 99), st.sampled_from(NAMED)), min_size=1, max_size=4), joint=st.sampled_from(["", " ", ", "])
)
def test_spans_add_up(parts: list[tuple[int, tuple[int, str]]], joint: str) -> None:
    """ "1h30m", "1 hour, 30 minutes": the sum."""
    text = joint.join(f"{count}{name}" for count, (_, name) in parts)
    assert span_ms(text) == sum(count * factor for count, (factor, _) in parts)


@pytest.mark.parametrize(
    ("text", "ms"), [("90", 90_000), ("1.5h", 5_400_000), ("0.5", 500), (" 15m ", 900_000), ("0.001s", 1), ("2.3s", 2300)]
)
def test_spans_in_other_words(text: str, ms: int) -> None:
    """A bare number is seconds; fractions count, to the millisecond."""
    assert span_ms(text) == ms


@pytest.mark.parametrize(
    "text", ["", "soon", "5 parsecs", "-5s", "5s!", "s", "1h and 5m", "5 5s", "1e3s", "9" * 400 + "s", "9" * 400, "101 years", "37000d"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    """What is no span, or longer than a hundred years, is a ValueError that shows it."""
    with pytest.raises(ValueError, match=r"span of time|hundred years"):
        span_ms(text)


@given(text=st.text(max_size=20))
def test_any_text_is_a_span_or_a_value_error(text: str) -> None:
    """No other exception, whatever the text; a span is never negative."""
    try:
        assert span_ms(text) >= 0
    except ValueError:
        pass
    try:
        kind, _ = moment(text, NOW)
        assert kind in ("at", "sequence")
    except ValueError:
        pass


@given(at=st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)), offset=st.integers(-14 * 60, 14 * 60))
def test_timestamps_are_instants(at: datetime, offset: int) -> None:
    """An ISO timestamp is that instant in its zone; UTC where it names none; `Z` is UTC; a Unix time is itself."""
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    ms = (at - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert moment(at.isoformat(), NOW) == ("at", ms)
    assert moment(at.isoformat(" ") + "Z", NOW) == ("at", ms)
    zoned = at.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset)))
    assert moment(zoned.isoformat(), NOW) == ("at", ms)


@given(number=st.integers(0, 10**17))
def test_sequence_numbers(number: int) -> None:
    """`@1234` is a sequence number."""
    assert moment(f" @{number}", NOW) == ("sequence", number)


@given(seconds=st.integers(10**9, 10**10 - 1))
def test_unix_times(seconds: int) -> None:
    """Ten digits are a Unix time in seconds."""
    assert moment(str(seconds), NOW) == ("at", seconds * 1000)
