"""Series over time: lines, or areas stacked on each other, with axes and annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fogbank.services.cloudwatch.pictures.canvas import FAINT, RULE, Canvas, Place, fitted, width_of
from fogbank.services.cloudwatch.pictures.chart import Axis, Chart, Horizontal, Line
from fogbank.services.cloudwatch.pictures.scales import bounded, instants, number, ticks

_TICK_ROOM, _TIME_ROOM = 45, 70


class Frame(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


def draw(canvas: Canvas, chart: Chart, frame: Frame) -> None:
    """Into a frame, which is for all of it."""
    sides = [[line for line in chart.lines if line.right is right] for right in (False, True)]
    tops = [_stacked(lines) if chart.stacked else [dict(line.points) for line in lines] for lines in sides]
    inner_bottom = frame.bottom - 20
    scales = []
    for side, axis in ((False, chart.left), (True, chart.right)):
        marks = [one for one in chart.horizontal if one.right is side]
        scales.append(_ticks(axis, tops[side], marks, (inner_bottom - frame.top) / _TICK_ROOM, stacked=chart.stacked))
    has_right = bool(sides[1]) or any(one.right for one in chart.horizontal)
    margins = [max(width_of(number(tick)) for tick in scale) + 10 for scale in scales]
    left = frame.left + margins[0] + (14 if chart.left.label else 0)
    right = frame.right - (margins[1] if has_right else 10)
    plot = Frame(left, frame.top + (14 if chart.left.label or chart.right.label else 0), right, inner_bottom)
    span = max(chart.end_s - chart.start_s, 1)

    def x_of(at: float) -> float:
        return plot.left + (plot.right - plot.left) * min(max((at - chart.start_s) / span, 0), 1)

    heights = [_height(scale, plot) for scale in scales]
    _axes(canvas, chart, plot, scales, heights, x_of, has_right=has_right)
    for lines, top, y_of in zip(sides, tops, heights, strict=True):
        _series(canvas, lines, top, x_of, y_of, stacked=chart.stacked)
    _annotations(canvas, chart, plot, heights, x_of)


def _stacked(lines: Sequence[Line]) -> list[dict[int, float]]:
    """Each series on top of those before; one without a value at an instant adds nothing to it."""
    instants_ = sorted({at for line in lines for at in line.points})
    below = dict.fromkeys(instants_, 0.0)
    found = []
    for line in lines:
        below = {at: below[at] + line.points.get(at, 0.0) for at in instants_}
        found.append(below)
    return found


def _ticks(axis: Axis, series: Sequence[dict[int, float]], marks: Sequence[Horizontal], count: float, *, stacked: bool) -> list[float]:
    values = [value for points in series for value in points.values()]
    values += [mark.value for mark in marks] + [mark.until for mark in marks if mark.until is not None]
    low = bounded(min(values, default=0.0))
    high = bounded(max(values, default=1.0))
    if stacked or (low > 0 and low < high / 2):
        low = min(low, 0.0)
    if low == high:
        low, high = (0.0, high * 2) if high > 0 else (low - 1, high + 1)
    low = bounded(axis.minimum) if axis.minimum is not None else low
    high = bounded(axis.maximum) if axis.maximum is not None else high
    found = ticks(low, high, int(count))
    if axis.minimum is not None:
        found = [low, *(tick for tick in found if tick > low)]
    if axis.maximum is not None:
        found = [*(tick for tick in found if tick < high), high]
    return found


def _height(scale: list[float], plot: Frame) -> Callable[[float], float]:
    low, high = scale[0], scale[-1]
    span = (high - low) or 1.0

    def y_of(value: float) -> float:
        return plot.bottom - (plot.bottom - plot.top) * min(max((value - low) / span, 0), 1)

    return y_of


def _axes(
    canvas: Canvas,
    chart: Chart,
    plot: Frame,
    scales: list[list[float]],
    heights: list[Callable[[float], float]],
    x_of: Callable[[float], float],
    *,
    has_right: bool,
) -> None:
    for tick in scales[0]:
        y = heights[0](tick)
        canvas.line([(plot.left, y), (plot.right, y)], RULE, 1)
        canvas.text((plot.left - 5, y), number(tick), anchor="rm")
    if has_right:
        for tick in scales[1]:
            canvas.text((plot.right + 5, heights[1](tick)), number(tick), anchor="lm")
    for at, label in instants(chart.start_s, chart.end_s, int((plot.right - plot.left) / _TIME_ROOM), chart.zone):
        x = x_of(at)
        canvas.line([(x, plot.bottom), (x, plot.bottom + 4)], FAINT, 1)
        canvas.text((x, plot.bottom + 7), label, anchor="ma")
    canvas.line([(plot.left, plot.bottom), (plot.right, plot.bottom)], FAINT, 1)
    if chart.left.label:
        canvas.text((plot.left - 5, plot.top - 18), chart.left.label)
    if chart.right.label:
        canvas.text((plot.right, plot.top - 18), chart.right.label, anchor="ra")


def _series(
    canvas: Canvas,
    lines: Sequence[Line],
    tops: Sequence[dict[int, float]],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
    *,
    stacked: bool,
) -> None:
    below: dict[int, float] = {}
    for line, points in zip(lines, tops, strict=True):
        for run in _runs(points, line.period_s):
            places: list[Place] = [(x_of(at), y_of(points[at])) for at in run]
            if stacked:
                floor = [(x_of(at), y_of(below.get(at, 0.0))) for at in reversed(run)]
                canvas.area([*places, *floor], line.color, 0.45)
            if len(places) == 1:
                canvas.dot(places[0], line.color)
            else:
                canvas.line(places, line.color)
        below = points


def _runs(points: dict[int, float], period_s: int) -> list[list[int]]:
    """Neighbouring points; where one is missing, the line is broken."""
    runs: list[list[int]] = []
    for at in sorted(points):
        if runs and at - runs[-1][-1] <= period_s * 1.5:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _annotations(
    canvas: Canvas, chart: Chart, plot: Frame, heights: list[Callable[[float], float]], x_of: Callable[[float], float]
) -> None:
    for mark in chart.horizontal:
        y = heights[mark.right](mark.value)
        other = {"above": plot.top, "below": plot.bottom}.get(mark.fill)
        if mark.until is not None:
            other = heights[mark.right](mark.until)
            canvas.line([(plot.left, other), (plot.right, other)], mark.color, 1.2)
        if other is not None:
            canvas.box(plot.left, y, plot.right, other, mark.color, 0.12)
        canvas.line([(plot.left, y), (plot.right, y)], mark.color, 1.2)
        if mark.label:
            room = plot.right - plot.left - 8
            canvas.text((plot.right - 4, y - 3), fitted(mark.label, room), color=mark.color, anchor="rd")
    for one in chart.vertical:
        x = x_of(one.at_s)
        edge = {"before": plot.left, "after": plot.right}.get(one.fill)
        if one.until_s is not None:
            edge = x_of(one.until_s)
        if edge is not None:
            canvas.box(x, plot.top, edge, plot.bottom, one.color, 0.12)
        canvas.dashed((x, plot.top), (x, plot.bottom), one.color)
        if one.label:
            canvas.text((x + 4, plot.top + 2), fitted(one.label, plot.right - x - 4), color=one.color)
