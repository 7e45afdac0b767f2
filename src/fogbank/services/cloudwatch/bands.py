"""What values are expected of a metric: the models of anomaly detectors.

A simple and honest model: the mean and the standard deviation of the last two weeks, by the hour of the week where there are two
weeks of data, by the hour of the day where there are three days, else over all. It knows no trend. CloudWatch's own is finer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from math import isfinite, sqrt
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fogbank.kernel.context import Context
from fogbank.services.cloudwatch.mathematics import syntax
from fogbank.services.cloudwatch.state import BY_WHAT, DAY_MS, Detector, Query, packed

TRAINING_MS = 14 * DAY_MS
LEAST_POINTS = 3
"""How many values of an hour there have to be to say something of it."""


@lru_cache(64)
def zone(name: str) -> tzinfo | None:
    """A time zone by its name, None where there is none of that name."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def what_of(query: Query, queries: Iterable[Query]) -> str:
    """What a detector is about, as a text that is the same for the same: a metric and statistic, or an expression and what it uses."""
    if query.stat:
        return _own(query)
    by_id = {one.id: one for one in queries}
    used: dict[str, Query] = {}
    open_ = [query]
    while open_:
        for name in syntax.names(syntax.parse(open_.pop().expression or "0")):
            if name in by_id and name not in used:
                used[name] = by_id[name]
                open_.append(by_id[name])
    return "\x1c".join((_own(query), *(f"{one.id}={_own(one)}" for one in used.values())))


def _own(query: Query) -> str:
    if query.stat:
        return "\x1d".join(("metric", query.namespace, query.name, packed(query.dimensions), query.stat))
    return f"math\x1d{query.expression}"


def detector_of(ctx: Context, account: str, region: str, query: Query, queries: Iterable[Query]) -> Detector | None:
    return BY_WHAT.first(ctx, account, region, what_of(query, queries))


class Model(NamedTuple):
    means: tuple[float, ...]
    deviations: tuple[float, ...]


def train(points: Mapping[int, float], timezone: str) -> Model:
    """The model of values by the second; an empty one where they are too few, or too large to reckon with."""
    if len(points) < LEAST_POINTS or not isfinite(_spread(list(points.values()))[1]):
        return Model((), ())
    span_ms = (max(points) - min(points)) * 1000
    slots = 168 if span_ms >= TRAINING_MS - DAY_MS else 24 if span_ms >= 3 * DAY_MS else 1
    found: dict[int, list[float]] = {}
    for at, value in points.items():
        found.setdefault(_slot(at, slots, timezone), []).append(value)
    overall = _spread(list(points.values()))
    spreads = [_spread(found[n]) if len(found.get(n, ())) >= LEAST_POINTS else overall for n in range(slots)]
    return Model(tuple(mean for mean, _ in spreads), tuple(deviation for _, deviation in spreads))


def expected(detector: Detector, at_s: int) -> tuple[float, float]:
    """(mean, deviation) at an instant."""
    slot = _slot(at_s, len(detector.means), detector.timezone)
    return detector.means[slot], detector.deviations[slot]


def _slot(at_s: int, slots: int, timezone: str) -> int:
    if slots == 1:
        return 0
    at = datetime.fromtimestamp(at_s, zone(timezone) or UTC)
    return at.hour if slots == 24 else at.weekday() * 24 + at.hour


def _spread(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sqrt(sum((value - mean) * (value - mean) for value in values) / len(values))
