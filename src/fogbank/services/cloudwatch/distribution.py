"""What is known of a set of values: count, sum, extremes and their distribution. Pure.

Up to EXACT different values are kept as they are; more are counted in buckets of logarithmic width, as CloudWatch's own SEH and
DDSketch do: a bucket reaches from GAMMA ** (i - 1) to GAMMA ** i, so that what is read out of it is wrong by less than 1 %. Two
distributions merge into that of all their values, whatever became of them before.

There is no distribution (`known` is False) where some of the values are known by their sum only, or are negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil, log

from fogbank.store import Record

EXACT = 100
"""How many different values are kept as they are."""
GAMMA = 1.02
_LOG_GAMMA = log(GAMMA)
_ZERO = -1_000_000
"""The bucket of zero: below that of the smallest double."""


class Summary(Record, frozen=True):
    """Count, sum, extremes and distribution of some values: `values`, or `buckets` when they were too many."""

    count: float
    sum: float
    minimum: float
    maximum: float
    known: bool = True
    values: dict[float, float] = {}
    buckets: dict[int, float] = {}

    def samples(self) -> list[tuple[float, float]]:
        """(value, how often), in order of the values."""
        return sorted(self._samples())

    def _samples(self) -> Iterator[tuple[float, float]]:
        if not self.buckets:
            yield from self.values.items()
            return
        for bucket, count in self.buckets.items():
            middle = 0.0 if bucket == _ZERO else 2 * GAMMA**bucket / (GAMMA + 1)
            yield min(max(middle, self.minimum), self.maximum), count


def bucket_of(value: float) -> int:
    return ceil(log(value) / _LOG_GAMMA) if value > 0 else _ZERO


def _bucketed(values: Mapping[float, float]) -> dict[int, float]:
    buckets: dict[int, float] = {}
    for value, count in values.items():
        bucket = bucket_of(value)
        buckets[bucket] = buckets.get(bucket, 0) + count
    return buckets


def of_values(values: dict[float, float]) -> Summary:
    """The summary of values, each with how often it occurs. There is at least one."""
    minimum, maximum = min(values), max(values)
    count = sum(values.values())
    total = sum([value * often for value, often in values.items()])
    if minimum < 0:
        return Summary(count, total, minimum, maximum, False)
    if len(values) > EXACT:
        return Summary(count, total, minimum, maximum, True, {}, _bucketed(values))
    return Summary(count, total, minimum, maximum, True, values)


def of_statistics(count: float, total: float, minimum: float, maximum: float) -> Summary:
    """The summary of values of which only statistics are known. They are known themselves if they are all the same."""
    if minimum == maximum and minimum >= 0:
        return Summary(count, total, minimum, maximum, True, {minimum: count})
    return Summary(count, total, minimum, maximum, False)


def merged(summaries: Iterable[Summary], *, distribution: bool = True) -> Summary:
    """The summary of all the values of some (at least one) summaries; without their distribution where nobody asks for it."""
    parts = list(summaries)
    if len(parts) == 1:
        return parts[0]
    count = sum([part.count for part in parts])
    total = sum([part.sum for part in parts])
    minimum = min([part.minimum for part in parts])
    maximum = max([part.maximum for part in parts])
    if not distribution or minimum < 0 or not all(part.known for part in parts):
        return Summary(count, total, minimum, maximum, False)
    values: dict[float, float] = {}
    buckets: dict[int, float] = {}
    for part in parts:
        for value, often in part.values.items():
            values[value] = values.get(value, 0) + often
        for bucket, often in part.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + often
    if buckets or len(values) > EXACT:
        for bucket, often in _bucketed(values).items():
            buckets[bucket] = buckets.get(bucket, 0) + often
        values = {}
    return Summary(count, total, minimum, maximum, True, values, buckets)
