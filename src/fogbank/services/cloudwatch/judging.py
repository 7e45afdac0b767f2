"""What datapoints make of an alarm's state: M out of N, with data missing. Pure.

An alarm looks back over its evaluation range, two periods more than it evaluates. If there are N datapoints in it, the latest N decide,
whatever is missing in between. If there are fewer, as many are filled in as TreatMissingData says: as breaching, as not breaching; or,
with "missing" and "ignore", what is there decides where it can: in particular, with "missing", an alarm does not wait for further
datapoints when the only ones there are breach and are M periods old.
Source: "Configuring how CloudWatch alarms treat missing data" and "Evaluating an alarm" in the CloudWatch User Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

RANGE_MORE = 2
"""Periods of the evaluation range beyond those that are evaluated."""
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (lambda value, threshold: value >= threshold, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, threshold: value > threshold, "greater than"),
    "LessThanThreshold": (lambda value, threshold: value < threshold, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, threshold: value <= threshold, "less than or equal to"),
}
BANDS: dict[str, tuple[Callable[[float, float, float], bool], str]] = {
    "LessThanLowerOrGreaterThanUpperThreshold": (
        lambda value, lower, upper: value < lower or value > upper,
        "less than the lower thresholds or greater than the upper thresholds",
    ),
    "LessThanLowerThreshold": (lambda value, lower, upper: value < lower, "less than the lower thresholds"),
    "GreaterThanUpperThreshold": (lambda value, lower, upper: value > upper, "greater than the upper thresholds"),
}
"""Comparisons with the band of an anomaly detection model: (value, lower, upper)."""


class Verdict(NamedTuple):
    """`state` is None where the alarm stays as it is. `used`: how many of the latest datapoints that are there decided, `filled`
    how many were filled in."""

    state: str | None
    used: int
    filled: int


def judge(breaches: Sequence[bool | None], periods: int, datapoints: int, missing: str) -> Verdict:
    """`breaches`: of each period of the evaluation range, the oldest first, whether it breaches; None where it has no datapoint."""
    there = [breach for breach in breaches if breach is not None]
    if len(there) >= periods:
        return Verdict("ALARM" if sum(there[-periods:]) >= datapoints else "OK", periods, 0)
    used, filled = len(there), periods - len(there)
    if missing == "breaching":
        return Verdict("ALARM" if sum(there) + filled >= datapoints else "OK", used, filled)
    if missing == "notBreaching" or sum(there) >= datapoints:
        return Verdict("ALARM" if sum(there) >= datapoints else "OK", used, filled)
    if not there:
        return Verdict("INSUFFICIENT_DATA" if missing == "missing" else None, 0, filled)
    if not all(there):
        return Verdict("OK", used, filled)
    age = len(breaches) - next(n for n, breach in enumerate(breaches) if breach is not None)
    return Verdict("ALARM" if missing == "missing" and age >= datapoints else None, used, filled)


def enough_samples(count: float, percent: float) -> bool:
    """Whether a percentile of so many samples is of significance."""
    return count * min(percent, 100 - percent) >= 1000
