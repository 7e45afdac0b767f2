"""A picture, put together: title, graph, legend."""

from __future__ import annotations

from fogbank.services.cloudwatch.pictures import lines, shares
from fogbank.services.cloudwatch.pictures.canvas import INK, Canvas, fitted, width_of
from fogbank.services.cloudwatch.pictures.chart import Chart, Line
from fogbank.services.cloudwatch.pictures.lines import Frame

VIEWS = {"timeSeries": lines.draw, "bar": shares.bars, "pie": shares.pie, "singleValue": shares.numbers}
_MARGIN, _ROW = 10, 18
_MOST_ROWS = 4


def draw(chart: Chart) -> bytes:
    """A PNG."""
    canvas = Canvas(chart.width, chart.height)
    top: float = _MARGIN
    if chart.title:
        canvas.text((_MARGIN, top), fitted(chart.title, chart.width - 2 * _MARGIN, 15), 15, INK)
        top += 26
    frame = Frame(_MARGIN, top + 4, chart.width - _MARGIN, chart.height - _MARGIN)
    if chart.view != "singleValue" and chart.legend != "hidden" and chart.lines:
        frame = _legend(canvas, chart, frame)
    frame = frame._replace(right=max(frame.right, frame.left + 1), bottom=max(frame.bottom, frame.top + 1))
    VIEWS[chart.view](canvas, chart, frame)
    return canvas.png()


def _legend(canvas: Canvas, chart: Chart, frame: Frame) -> Frame:
    """Draws the legend; what it leaves of the frame."""
    if chart.legend == "right":
        width = min(max(width_of(line.label) for line in chart.lines) + 24, (frame.right - frame.left) / 3)
        left = frame.right - width
        for n, line in enumerate(chart.lines):
            if frame.top + (n + 1) * _ROW > frame.bottom:
                break
            _entry(canvas, line, left + 8, frame.top + n * _ROW, width - 24)
        return frame._replace(right=left)
    places: list[tuple[Line, float, int]] = []
    x, row = frame.left, 0
    for line in chart.lines:
        width = min(width_of(line.label) + 30, frame.right - frame.left)
        if x + width > frame.right + 12 and x > frame.left:
            x, row = frame.left, row + 1
        if row == _MOST_ROWS:
            break
        places.append((line, x, row))
        x += width
    rows = places[-1][2] + 1
    top = frame.bottom - rows * _ROW
    for line, x, row in places:
        _entry(canvas, line, x, top + row * _ROW + 4, frame.right - x - 16)
    return frame._replace(bottom=top - 4)


def _entry(canvas: Canvas, line: Line, x: float, y: float, room: float) -> None:
    if line.incomplete:  # not all data could be read: an orange triangle with an exclamation point
        canvas.area([(x, y + 11), (x + 12, y + 11), (x + 6, y)], "#ff9900", 1.0)
        canvas.text((x + 6, y + 1), "!", 10, INK, "ma")
    else:
        canvas.box(x, y + 2, x + 10, y + 12, line.color)
    canvas.text((x + 15, y), fitted(line.label, room), color=INK)
