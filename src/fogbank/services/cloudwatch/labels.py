"""Dynamic labels: ${MAX}, ${LAST_TIME_RELATIVE}, ${PROP('Dim.host')} in a label become values of what it labels.

Source: "Use dynamic labels" in the CloudWatch User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.state import Query

_dynamic = re.compile(r"\$\{\s*(?:PROP\('([^']*)'\)|([A-Z_]+))\s*\}")
_offset = re.compile(r"([+-])(\d\d)(\d\d)").fullmatch


class Around(NamedTuple):
    """What a label can say besides its series: its query's account and region, the end of the time, the time zone."""

    query: Query
    account: str
    region: str
    end_s: int
    zone: timezone = UTC


def zone_of(text: str | None) -> timezone | None:
    """A time zone as "+0130"; None for what is none."""
    if not text:
        return UTC
    found = _offset(text)
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(offset if found[1] == "+" else -offset) if offset < timedelta(hours=24) else None


def label_of(series: Series, around: Around) -> str:
    """The label of a series: as its query has it, or else as the series is called."""
    query = around.query
    own = series.label or series.name or query.id
    if query.label is None:
        return own
    return _dynamic.sub(lambda found: _value(found[1], found[2], series, around, own, found[0]), query.label)


def _value(property: str | None, function: str | None, series: Series, around: Around, own: str, text: str) -> str:
    if property is not None:
        return _property(property, series, around)
    if function == "LABEL":
        return own
    of = _FUNCTIONS.get(function or "")
    if of is None:
        return text
    return of(series, around) if series.points else "--"


def _property(name: str, series: Series, around: Around) -> str:
    query = around.query
    if name.startswith("Dim."):
        return dict(series.dimensions).get(name[4:], "")
    return {
        "AccountId": around.account,
        "AccountLabel": around.account,
        "MetricName": series.name,
        "Namespace": query.namespace,
        "Period": str(series.period_s),
        "Region": around.region,
        "Stat": query.stat,
    }.get(name, "")


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"


def _time(at: int, around: Around) -> str:
    return datetime.fromtimestamp(at, around.zone).strftime("%Y-%m-%d %H:%M")


def _ago(at: int, around: Around) -> str:
    left = max(around.end_s - at, 0)
    parts = [f"{left // size}{unit}" for size, unit, left in ((86400, "d", left), (3600, "h", left % 86400), (60, "m", left % 3600))]
    shown = [part for part in parts if not part.startswith("0")]
    return " ".join(shown) or f"{left}s"


def _places(series: Series) -> dict[str, tuple[int, float]]:
    """The points that have a name: (at, value)."""
    items = list(series.points.items())
    return {
        "FIRST": items[0],
        "LAST": items[-1],
        "MAX": max(items, key=lambda item: item[1]),
        "MIN": min(items, key=lambda item: item[1]),
    }


def _functions() -> dict[str, Callable[[Series, Around], str]]:
    found: dict[str, Callable[[Series, Around], str]] = {
        "AVG": lambda series, around: _number(sum(series.points.values()) / len(series.points)),
        "SUM": lambda series, around: _number(sum(series.points.values())),
        "DATAPOINT_COUNT": lambda series, around: str(len(series.points)),
    }
    for name in ("FIRST", "LAST", "MAX", "MIN"):
        found[name] = lambda series, around, name=name: _number(_places(series)[name][1])  # type: ignore[misc]
        found[f"{name}_TIME"] = lambda series, around, name=name: _time(_places(series)[name][0], around)  # type: ignore[misc]
        found[f"{name}_TIME_RELATIVE"] = lambda series, around, name=name: _ago(_places(series)[name][0], around)  # type: ignore[misc]
    for one, other in (("FIRST", "LAST"), ("MIN", "MAX")):
        found[f"{one}_{other}_RANGE"] = lambda s, a, one=one, other=other: " - ".join(_number(_places(s)[n][1]) for n in (one, other))  # type: ignore[misc]
        found[f"{one}_{other}_TIME_RANGE"] = lambda s, a, one=one, other=other: " - ".join(_time(_places(s)[n][0], a) for n in (one, other))  # type: ignore[misc]
    return found


_FUNCTIONS = _functions()
