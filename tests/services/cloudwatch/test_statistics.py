"""Statistics against plain Python, exact while values are few, to 1 % when they are many."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.cloudwatch.distribution import EXACT, Summary, merged, of_statistics, of_values
from fogbank.services.cloudwatch.statistics import statistic

VALUES = st.lists(st.integers(0, 60).map(float), min_size=1, max_size=80)
PERCENTS = st.integers(0, 100)


def summary_of(values: list[float]) -> Summary:
    return merged([of_values({value: 1.0}) for value in values])


def value(name: str, summary: Summary) -> float | None:
    found = statistic(name)
    assert found is not None
    return found.of(summary)


def ranked(values: list[float], percent: float) -> float:
    return sorted(values)[max(ceil(len(values) * percent / 100), 1) - 1]


@given(VALUES, PERCENTS)
def test_percentiles_of_few_values_are_exact(values: list[float], percent: int) -> None:
    """pNN is the value of nearest rank, as long as there are few different ones."""
    assert value(f"p{percent}", summary_of(values)) == ranked(values, percent)


@given(VALUES, st.integers(0, 49), st.integers(51, 100))
def test_trimmed_statistics(values: list[float], low: int, high: int) -> None:
    """TM, TC, TS and WM between two percentiles are what they are of the sorted values."""
    ordered = sorted(values)
    first, last = floor(len(values) * low / 100), ceil(len(values) * high / 100)
    inside = ordered[first:last]
    summary = summary_of(values)
    assert value(f"TC({low}%:{high}%)", summary) == pytest.approx(len(inside))
    assert value(f"TS({low}%:{high}%)", summary) == pytest.approx(sum(inside))
    assert value(f"TM({low}%:{high}%)", summary) == pytest.approx(sum(inside) / len(inside))
    winsorized = [inside[0]] * first + inside + [inside[-1]] * (len(values) - last)
    assert value(f"WM({low}%:{high}%)", summary) == pytest.approx(sum(winsorized) / len(values))
    assert value(f"tm{high}", summary) == value(f"TM(0%:{high}%)", summary)


@given(VALUES, st.integers(0, 30), st.integers(31, 70))
def test_ranges_of_values(values: list[float], above: int, up_to: int) -> None:
    """Bounds that are numbers leave out what is at or below the lower, and keep what is at the upper one."""
    inside = [v for v in values if above < v <= up_to]
    summary = summary_of(values)
    assert value(f"TC({above}:{up_to})", summary) == len(inside)
    assert value(f"TS({above}:{up_to})", summary) == pytest.approx(sum(inside))
    assert value(f"PR({above}:{up_to})", summary) == pytest.approx(100 * len(inside) / len(values))
    assert value(f"WM({above}:{up_to})", summary) == pytest.approx(sum(min(max(v, above), up_to) for v in values) / len(values))
    assert value(f"TM({above}:{up_to})", summary) == (pytest.approx(sum(inside) / len(inside)) if inside else None)


@given(st.lists(st.floats(1e-6, 1e9), min_size=EXACT + 1, max_size=400, unique=True), PERCENTS)
def test_percentiles_of_many_values_are_right_to_one_per_cent(values: list[float], percent: int) -> None:
    """However many values there are, a percentile is less than 1 % from the true one; count, sum and extremes are exact."""
    summary = merged([of_values(dict.fromkeys(values[n : n + 7], 1.0)) for n in range(0, len(values), 7)])
    assert summary.buckets
    assert value(f"p{percent}", summary) == pytest.approx(ranked(values, percent), rel=0.01)
    assert (summary.count, summary.minimum, summary.maximum) == (len(values), min(values), max(values))
    assert summary.sum == pytest.approx(sum(values))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=300), st.integers(1, 299))
def test_merging_is_the_same_in_any_order(values: list[float], cut: int) -> None:
    """Two parts merge to the same count, extremes and percentiles as each value by itself."""
    counted: dict[float, float] = {}
    for v in values:
        counted[v] = counted.get(v, 0) + 1
    whole = of_values(counted)
    parts = [part for part in (values[:cut], values[cut:]) if part]
    joined = merged([summary_of(part) for part in parts])
    assert joined.count == whole.count
    for percent in (0, 50, 99, 100):
        assert value(f"p{percent}", joined) == pytest.approx(value(f"p{percent}", whole), rel=0.0201)


def test_without_raw_values_there_are_no_percentiles() -> None:
    """Negative values and sets of statistics have none, unless a set is of one value only."""
    assert value("p50", of_values({-1.0: 1, 5.0: 1})) is None
    assert value("p50", of_statistics(3, 6, 1, 3)) is None
    assert value("p50", of_statistics(3, 6, 2, 2)) == 2
    assert value("p50", merged([of_values({1.0: 1}), of_statistics(3, 6, 1, 3)])) is None
    assert value("Average", of_statistics(3, 6, 1, 3)) == 2


@pytest.mark.parametrize("name", ["p", "p101", "P99", "TM(90%:10%)", "TM(:)", "XX(1:2)", "PR(1%:2%)", "average", "tm", "PR(5:1)", ""])
def test_what_is_no_statistic(name: str) -> None:
    """A name that AWS does not know is none."""
    assert statistic(name) is None


def test_statistics_come_through_the_door(put: Any, data: Any) -> None:
    """Percentiles and trimmed means are read back by GetMetricData."""
    for n in range(1, 11):
        put(n)
    assert data(stat="p90") == [(0, 9)]
    assert data(stat="TM(10%:90%)") == [(0, 5.5)]
    assert data(stat="IQM") == [(0, 5.5)]
    assert data(stat="PR(:3)") == [(0, 30)]
