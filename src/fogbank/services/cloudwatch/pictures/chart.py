"""What a graph is, before it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

PALETTE = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)


class Line(NamedTuple):
    """One series: values by the second."""

    label: str
    points: Mapping[int, float]
    period_s: int
    color: str
    right: bool = False
    incomplete: bool = False


class Axis(NamedTuple):
    minimum: float | None = None
    maximum: float | None = None
    label: str = ""


class Horizontal(NamedTuple):
    """A value that is marked; a band where there is another one (`until`). `fill`: "above", "below", "between" or ""."""

    value: float
    label: str = ""
    color: str = "#d62728"
    fill: str = ""
    until: float | None = None
    right: bool = False


class Vertical(NamedTuple):
    """An instant that is marked. `fill`: "before", "after", "between" or ""."""

    at_s: float
    label: str = ""
    color: str = "#9467bd"
    fill: str = ""
    until_s: float | None = None


class Chart(NamedTuple):
    width: int
    height: int
    view: str
    lines: Sequence[Line]
    start_s: int
    end_s: int
    title: str = ""
    stacked: bool = False
    legend: str = "bottom"
    left: Axis = Axis()
    right: Axis = Axis()
    horizontal: Sequence[Horizontal] = ()
    vertical: Sequence[Vertical] = ()
    zone: tzinfo = UTC
