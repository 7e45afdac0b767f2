"""One value of each series, side by side: bars, a pie, numbers."""

from __future__ import annotations

from math import ceil, cos, pi, sin, sqrt

from fogbank.services.cloudwatch.pictures.canvas import FAINT, INK, PAPER, RULE, Canvas, fitted, width_of
from fogbank.services.cloudwatch.pictures.chart import Chart, Line
from fogbank.services.cloudwatch.pictures.lines import Frame
from fogbank.services.cloudwatch.pictures.scales import bounded, number, ticks


def latest(line: Line) -> float | None:
    return line.points[max(line.points)] if line.points else None


def bars(canvas: Canvas, chart: Chart, frame: Frame) -> None:
    values = [latest(line) for line in chart.lines]
    there = [value for value in values if value is not None]
    low = bounded(chart.left.minimum if chart.left.minimum is not None else min(0.0, *there, 0.0))
    high = bounded(chart.left.maximum if chart.left.maximum is not None else max([*there, low]))
    scale = ticks(low, high, int((frame.bottom - frame.top) / 45))
    left = frame.left + max(width_of(number(tick)) for tick in scale) + 10
    span = (scale[-1] - scale[0]) or 1.0

    def y_of(value: float) -> float:
        return frame.bottom - (frame.bottom - frame.top) * min(max((value - scale[0]) / span, 0), 1)

    for tick in scale:
        canvas.line([(left, y_of(tick)), (frame.right, y_of(tick))], RULE, 1)
        canvas.text((left - 5, y_of(tick)), number(tick), anchor="rm")
    room = (frame.right - left) / max(len(values), 1)
    for n, (line, value) in enumerate(zip(chart.lines, values, strict=True)):
        if value is not None:
            begin = left + n * room + room * 0.15
            canvas.box(begin, y_of(value), begin + room * 0.7, y_of(0.0), line.color)
            canvas.text((begin + room * 0.35, y_of(max(value, 0)) - 2), number(value), color=INK, anchor="md")
    canvas.line([(left, y_of(0.0)), (frame.right, y_of(0.0))], FAINT, 1)


def pie(canvas: Canvas, chart: Chart, frame: Frame) -> None:
    parts = [(line, bounded(value)) for line in chart.lines if (value := latest(line)) is not None and value > 0]
    whole = sum(value for _, value in parts)
    middle = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2)
    radius = min(frame.right - frame.left, frame.bottom - frame.top) / 2 - 4
    begin = -90.0
    for line, value in parts:
        end = begin + 360 * value / whole
        canvas.slice(middle, radius, begin, end, line.color)
        if value / whole > 0.05:
            turn = (begin + end) / 2 * pi / 180
            place = (middle[0] + cos(turn) * radius * 0.65, middle[1] + sin(turn) * radius * 0.65)
            canvas.text(place, f"{100 * value / whole:.3g}%", color=PAPER, anchor="mm")
        begin = end
    if not parts:
        canvas.text(middle, "No data available", 13, anchor="mm")


def numbers(canvas: Canvas, chart: Chart, frame: Frame) -> None:
    """As many columns as make the fields about as wide as they are high, times two."""
    count = max(len(chart.lines), 1)
    width, height = frame.right - frame.left, frame.bottom - frame.top
    columns = min(max(round(sqrt(count * width / height / 2)), 1), count)
    rows = ceil(count / columns)
    size = int(max(min(height / rows * 0.35, width / columns / 6, 64), 10))
    for n, line in enumerate(chart.lines):
        x = frame.left + width * (n % columns + 0.5) / columns
        y = frame.top + height * (n // columns + 0.5) / rows
        value = latest(line)
        canvas.text((x, y + 2), "--" if value is None else number(value), size, INK, "md")
        label = fitted(line.label, width / columns - 24)
        half = width_of(label) / 2
        canvas.box(x - half - 14, y + 10, x - half - 4, y + 20, line.color)
        canvas.text((x - half, y + 8), label)
