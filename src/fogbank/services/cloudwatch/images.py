"""GetMetricWidgetImage: a metric widget as a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch.faults import invalid
from fogbank.services.cloudwatch.fetching import results_of
from fogbank.services.cloudwatch.labels import zone_of
from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.periods import check_period
from fogbank.services.cloudwatch.pictures.chart import PALETTE, Axis, Chart, Horizontal, Line, Vertical
from fogbank.services.cloudwatch.queries import LATEST_MS, Answers, distinct_labels
from fogbank.services.cloudwatch.state import ALARMS, Query
from fogbank.services.cloudwatch.statistics import statistic
from fogbank.services.cloudwatch.widgets import VIEWS, Row, Wrong, rows
from fogbank.store import change

METRICS_LIMIT = 100
WIDGET_BYTES = 100 << 10
WIDTHS, HEIGHTS = (1, 2000), (1, 2000)
_duration = re.compile(r"(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?").fullmatch
_SECONDS = (604_800, 86_400, 3600, 60, 1)
_DRAWN = ("timeSeries", "singleValue", "bar", "pie")


@operation("GetMetricWidgetImage")
def get_metric_widget_image(ctx: Context, req: Any) -> Answer:
    """Draws up to 100 metrics and expressions as a PNG: as lines or stacked areas over time, as bars, a pie or numbers.

    The widget is JSON of up to 100 KB; without times it shows the last three hours. Errors: InvalidParameterValue, ValidationError;
    NotImplemented for gauges, tables, other accounts and the raw format image/png. Source: API reference, GetMetricWidgetImage.
    """
    if req.OutputFormat not in (None, "png"):
        if req.OutputFormat == "image/png":
            raise NotImplementedOperation("cloudwatch", "GetMetricWidgetImage", "with OutputFormat image/png")
        raise invalid(f"The value {req.OutputFormat} for parameter OutputFormat is invalid. Valid values are: png, image/png.")
    if len(req.MetricWidget.encode()) > WIDGET_BYTES:
        raise invalid(f"The parameter MetricWidget must not be larger than {WIDGET_BYTES} bytes.")
    try:
        widget = msgspec.json.decode(req.MetricWidget)
    except (msgspec.DecodeError, RecursionError):
        widget = None
    if not isinstance(widget, dict):
        raise invalid("The parameter MetricWidget must be a valid JSON object.")
    chart = _chart(ctx, widget)

    def draw() -> bytes:
        from fogbank.services.cloudwatch.pictures.drawing import draw

        return draw(chart)

    return {"MetricWidgetImage": ctx.beside("draw", draw)}


def _chart(ctx: Context, widget: Mapping[str, Any]) -> Chart:
    view = widget.get("view", "timeSeries")
    if view not in _DRAWN:
        if view in VIEWS:
            raise NotImplementedOperation("cloudwatch", "GetMetricWidgetImage", f"with the view {view}")
        raise invalid(f"The value {view} for field view is invalid.")
    start_ms = _instant(ctx, widget.get("start", "-PT3H"), "start")
    end_ms = _instant(ctx, widget.get("end", "PT0H"), "end")
    if start_ms >= end_ms:
        raise invalid("The start of the widget must be before its end.")
    zone = zone_of(str(widget.get("timezone") or ""))
    if zone is None:
        raise invalid(f"The value {widget.get('timezone')} for field timezone is invalid.")
    axes = _mapping(widget, "yAxis")
    try:
        lines = list(_lines(ctx, widget, start_ms, end_ms, zone))
        return Chart(
            width=_size(widget, "width", 600, WIDTHS),
            height=_size(widget, "height", 400, HEIGHTS),
            view=view,
            lines=lines,
            start_s=start_ms // 1000,
            end_s=end_ms // 1000,
            title=str(widget.get("title") or ""),
            stacked=bool(widget.get("stacked")),
            legend=_mapping(widget, "legend").get("position", "bottom"),
            left=_axis(_mapping(axes, "left")),
            right=_axis(_mapping(axes, "right")),
            horizontal=[*_horizontal(widget), *_of_alarms(ctx, widget)],
            vertical=list(_vertical(ctx, widget)),
            zone=zone,
        )
    except Wrong as wrong:
        raise invalid(f"The parameter MetricWidget is invalid: {wrong}") from None


def _mapping(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name) or {}
    if not isinstance(found, dict):
        raise invalid(f"The field {name} must be an object.")
    return found


def _size(widget: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = widget.get(name, default)
    if not isinstance(value, int) or not bounds[0] <= value <= bounds[1]:
        raise invalid(f"The field {name} must be an integer from {bounds[0]} to {bounds[1]}.")
    return value


def _axis(given: Mapping[str, Any]) -> Axis:
    return Axis(_number(given, "min"), _number(given, "max"), str(given.get("label") or ""))


def _number(of: Mapping[str, Any], name: str) -> float | None:
    value = of.get(name)
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
        raise Wrong(f"/{name}", "Should be number")
    return value


def _instant(ctx: Context, given: Any, name: str) -> int:
    """An instant: a duration from now ("-PT3H"), or ISO 8601."""
    if isinstance(given, str):
        try:
            if found := _duration(given):
                length = sum(int(part or 0) * size for part, size in zip(found.groups()[1:], _SECONDS, strict=True))
                at_ms = ctx.now - length * 1000 if found[1] else ctx.now + length * 1000
            else:
                at = datetime.fromisoformat(given)
                at_ms = int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            at_ms = -1
        if 0 <= at_ms <= LATEST_MS:
            return at_ms
    raise invalid(f"The value {given} for field {name} is invalid.")


# Metrics


def _lines(ctx: Context, widget: Mapping[str, Any], start_ms: int, end_ms: int, zone: Any) -> Iterator[Line]:
    found = rows(widget.get("metrics") or [])
    if len(found) > METRICS_LIMIT:
        raise Wrong("/metrics", f"Should NOT have more than {METRICS_LIMIT} items")
    whole = bool(widget.get("setPeriodToTimeRange")) and widget.get("view", "timeSeries") != "timeSeries"
    pairs = [(_query(ctx, row, n, widget), row) for n, row in enumerate(found)]
    if len({query.id for query, _ in pairs}) < len(pairs):
        raise Wrong("/metrics", "The ids of metrics should be unique")
    if whole:
        span_s = (end_ms - start_ms) // 60_000 * 60
        pairs = [(change(query, period_s=max(span_s, 60)) if query.stat else query, row) for query, row in pairs]
    plain = [n for n, (query, _) in enumerate(pairs) if query.stat and query.label is None]
    own = distinct_labels([(pairs[n][0].namespace, pairs[n][0].name, *(value for _, value in pairs[n][0].dimensions)) for n in plain])
    for n, label in zip(plain, own, strict=True):
        pairs[n] = (change(pairs[n][0], label=label if len(plain) > 1 else pairs[n][0].name), pairs[n][1])
    region = widget.get("region") or ctx.region
    answers = Answers(ctx, ctx.account, str(region), [query for query, _ in pairs], start_ms, end_ms)
    count = 0
    for query, row in pairs:
        if row.options.get("visible") is False:
            continue
        try:
            results = list(results_of(answers, query, zone))
        except ServiceException as problem:
            if problem.code == "NotImplemented":
                raise
            results = []
            yield Line(f"{query.label or query.id}: {problem.message}", {}, 60, PALETTE[count % len(PALETTE)], incomplete=True)
            count += 1
        for result in results:
            yield _line(result.series, result.label, row, count, single=len(results) == 1)
            count += 1


def _line(series: Series, label: str, row: Row, count: int, *, single: bool) -> Line:
    from fogbank.services.cloudwatch.pictures.canvas import known_color

    color = PALETTE[count % len(PALETTE)]
    if single and row.options.get("color"):
        color = known_color(row.options["color"], color)
    return Line(label, series.points, series.period_s, color, row.options.get("yAxis") == "right")


def _query(ctx: Context, row: Row, n: int, widget: Mapping[str, Any]) -> Query:
    options = row.options
    if options.get("accountId") not in (None, ctx.account):
        raise NotImplementedOperation("cloudwatch", "GetMetricWidgetImage", "with accountId: there are no linked accounts")
    if options.get("region") not in (None, widget.get("region"), ctx.region):
        raise NotImplementedOperation("cloudwatch", "GetMetricWidgetImage", "with metrics of several regions")
    period_s = options.get("period", widget.get("period", 300))
    if not isinstance(period_s, int):
        raise Wrong(f"/metrics/{n}", "period should be integer")
    check_period(period_s, "period")
    label = None if options.get("label") is None else str(options["label"])
    id_ = str(options.get("id") or (f"e{n + 1}_" if not row.names else f"m{n + 1}_"))
    if not row.names:
        period_s = period_s if "period" in options or "period" in widget else 0
        return Query(id=id_, expression=options["expression"], label=label or options["expression"], period_s=period_s)
    stat = str(options.get("stat", widget.get("stat", "Average")))
    if statistic(stat) is None:
        raise Wrong(f"/metrics/{n}", f"The statistic {stat} is not supported")
    dimensions = tuple(sorted(zip(row.names[2::2], row.names[3::2], strict=True)))
    return Query(id=id_, label=label, period_s=period_s, namespace=row.names[0], name=row.names[1], dimensions=dimensions, stat=stat)


# Annotations


def _listed(widget: Mapping[str, Any], name: str) -> list[Any]:
    found = _mapping(widget, "annotations").get(name) or []
    if not isinstance(found, list):
        raise Wrong(f"/annotations/{name}", "Should be array")
    return found


def _horizontal(widget: Mapping[str, Any]) -> Iterator[Horizontal]:
    for one in _listed(widget, "horizontal"):
        first, *rest = one if isinstance(one, list) and one else [one]
        if not isinstance(first, dict) or (value := _number(first, "value")) is None:
            raise Wrong("/annotations/horizontal", "Should have required property 'value'")
        until = _number(rest[0], "value") if rest and isinstance(rest[0], dict) else None
        color = _color(first, "#d62728")
        right = first.get("yAxis") == "right"
        yield Horizontal(value, str(first.get("label") or ""), color, str(first.get("fill") or ""), until, right)


def _vertical(ctx: Context, widget: Mapping[str, Any]) -> Iterator[Vertical]:
    for one in _listed(widget, "vertical"):
        first, *rest = one if isinstance(one, list) and one else [one]
        if not isinstance(first, dict) or "value" not in first:
            raise Wrong("/annotations/vertical", "Should have required property 'value'")
        at_s = _instant(ctx, first["value"], "value") / 1000
        until_s = _instant(ctx, rest[0]["value"], "value") / 1000 if rest and isinstance(rest[0], dict) and "value" in rest[0] else None
        yield Vertical(at_s, str(first.get("label") or ""), _color(first, "#9467bd"), str(first.get("fill") or ""), until_s)


def _color(of: Mapping[str, Any], otherwise: str) -> str:
    from fogbank.services.cloudwatch.pictures.canvas import known_color

    return known_color(of["color"], otherwise) if of.get("color") else otherwise


def _of_alarms(ctx: Context, widget: Mapping[str, Any]) -> Iterator[Horizontal]:
    """The thresholds of alarms."""
    for arn in _listed(widget, "alarms"):
        name = str(arn).partition(":alarm:")[2]
        alarm = ALARMS.get(ctx, ctx.account, ctx.region, name) if name else None
        if alarm is not None and alarm.threshold is not None:
            yield Horizontal(alarm.threshold, f"{alarm.name}: {alarm.threshold:g}")
