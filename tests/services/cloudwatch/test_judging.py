"""The evaluation of alarms with missing data: the tables of the CloudWatch User Guide, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.cloudwatch.judging import enough_samples, judge

MEANS: dict[str, bool | None] = {"0": False, "X": True, "-": None}
STATES = {"O": "OK", "A": "ALARM", "I": "INSUFFICIENT_DATA", "R": None}


@pytest.mark.parametrize(
    ("points", "periods", "datapoints", "states"),
    [
        # missing, ignore, breaching, notBreaching
        ("0-X-X", 3, 3, "OOOO"),
        ("----0", 3, 3, "OOOO"),
        ("-----", 3, 3, "IRAO"),
        ("0XX-X", 3, 3, "AAAA"),
        ("--X--", 3, 3, "ARAO"),
        ("0-X-X", 3, 2, "AAAA"),
        ("00X0X", 3, 2, "AAAA"),
        ("0-X--", 3, 2, "OOAO"),
        ("----0", 3, 2, "OOAO"),
        ("---X-", 3, 2, "ARAO"),
        ("----X", 3, 3, "RRAO"),
    ],
)
def test_the_tables_of_the_guide(points: str, periods: int, datapoints: int, states: str) -> None:
    """Each row of the documented tables comes out as documented, for each way to treat missing data."""
    for missing, state in zip(("missing", "ignore", "breaching", "notBreaching"), states, strict=True):
        assert judge([MEANS[point] for point in points], periods, datapoints, missing).state == STATES[state], missing


@given(
    st.lists(st.sampled_from([True, False]), min_size=3, max_size=9), st.integers(1, 3), st.sampled_from(["missing", "ignore", "breaching"])
)
def test_with_enough_datapoints_the_latest_decide(points: list[bool], datapoints: int, missing: str) -> None:
    """Missing data does not matter when there are as many datapoints as are evaluated."""
    assert judge(points, 3, datapoints, missing).state == ("ALARM" if sum(points[-3:]) >= datapoints else "OK")


def test_samples_of_a_percentile() -> None:
    """p90 needs 100 samples to be of significance, p50 twenty, p1 a thousand."""
    assert [enough_samples(n, 90) for n in (99, 100)] == [False, True]
    assert [enough_samples(n, 50) for n in (19, 20)] == [False, True]
    assert [enough_samples(n, 1) for n in (999, 1000)] == [False, True]
