"""The rules of periods, and where the first of them begins. Source: API reference, GetMetricData."""

from __future__ import annotations

from fogbank.services.cloudwatch.faults import invalid
from fogbank.services.cloudwatch.state import DAY_MS

SHORT = (1, 5, 10, 20, 30)
LONGEST_S = 86_400 * 365


def check_period(period_s: int, parameter: str) -> None:
    """1, 5, 10, 20, 30 seconds, or minutes. Errors: InvalidParameterValue."""
    if period_s not in SHORT and (period_s < 60 or period_s % 60):
        raise invalid(f"The parameter {parameter} must be 1, 5, 10, 20, 30 or a multiple of 60.")


def from_s(now_ms: int, start_ms: int, period_s: int) -> int:
    """A start time rounded down: to whole minutes, five minutes (more than 15 days ago) or hours (more than 63 days ago).

    For short periods, to a multiple of the period.
    """
    age_ms = now_ms - start_ms
    grain_s = 3600 if age_ms > 63 * DAY_MS else 300 if age_ms > 15 * DAY_MS else period_s if period_s in SHORT else 60
    start_s = start_ms // 1000
    return start_s - start_s % grain_s
