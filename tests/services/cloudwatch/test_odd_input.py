"""Whatever is given, CloudWatch answers with a refusal or with a result, and soon."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
HOSTILE = [
    "[" * 100_000,
    '{"widgets":' + "[" * 100_000,
    '{"a":' * 5000 + "1" + "}" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_deep_json(cw: Any, refused: Any, text: str) -> None:
    """JSON that is too deep to be read is no dashboard and no widget."""
    assert refused(cw.put_dashboard, DashboardName="d", DashboardBody=text)[0] == "InvalidParameterInput"
    assert refused(cw.get_metric_widget_image, MetricWidget=text)[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    "expression",
    [
        "SELECT SUM(M) FROM N WHERE " + "(" * 900,
        "SEARCH('" + "(" * 900 + "', 'Sum')",
        "m1" + "+1" * 1000,
        "-" * 2000 + "m1",
        "(" * 900 + "m1" + ")" * 900,
        "m1 + 1e999",
        "m1 + 1e308 * 1e308",
        "TIME_SERIES(SUM(TIME_SERIES(1e308)))",
        "SLICE(METRICS(), 1e300 * 1e300)",
        "SEARCH('M', 'Sum', 1e308)",
        "STDDEV(m1 * 1e200) * m1",
    ],
)
def test_expressions_that_go_too_far(put: Any, data: Any, now: Any, expression: str) -> None:
    """Too deep, too long, too large: refused as expressions."""
    put(1, at=now() - MINUTE)
    put(3)
    with pytest.raises(ClientError) as caught:
        data(expression)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("expression", ["SEARCH('" + "NOT " * 200 + "M', 'Sum', 60)", "m1" + " + 1" * 300])
def test_expressions_that_are_only_odd(put: Any, data: Any, now: Any, expression: str) -> None:
    """They have a value, or none."""
    put(1, at=now() - MINUTE)
    put(2)
    data(expression)


def test_datapoints_are_not_made_without_end(cw: Any, put: Any, refused: Any) -> None:
    """FILL and TIME_SERIES make a million datapoints at most, and times end with the year 9999."""
    put(1)
    query = {"Id": "e1", "Expression": "TIME_SERIES(1)", "Period": 1}
    code, message = refused(cw.get_metric_data, MetricDataQueries=[query], StartTime=0, EndTime=datetime(2026, 1, 1, tzinfo=UTC))
    assert code == "ValidationError"
    assert "1,000,000" in message
    assert (
        refused(cw.get_metric_data, MetricDataQueries=[query], StartTime=0, EndTime="9999-12-31T23:59:59.5Z")[0] == "InvalidParameterValue"
    )


def test_expressions_that_use_each_other_many_times(cw: Any, put: Any, now: Any, refused: Any) -> None:
    """How long a period is, and what an expression is about, is found out once for each expression, in circles too."""
    put(1)
    queries = [{"Id": f"e{n}", "Expression": f"e{n + 1} + e{n + 1}", "ReturnData": n == 0} for n in range(40)]
    queries.append({"Id": "e40", "Expression": "TIME_SERIES(1)", "ReturnData": False})
    (result,) = cw.get_metric_data(MetricDataQueries=queries, StartTime=now() - 10 * MINUTE, EndTime=now())["MetricDataResults"]
    assert result["Values"] == [2.0**40, 2.0**40]
    cw.put_anomaly_detector(MetricMathAnomalyDetector={"MetricDataQueries": queries})
    circle = [{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a", "ReturnData": False}]
    assert refused(cw.get_metric_data, MetricDataQueries=circle, StartTime=now() - 10 * MINUTE, EndTime=now())[0] == "ValidationError"
    cw.put_anomaly_detector(MetricMathAnomalyDetector={"MetricDataQueries": circle})


ODD: list[Any] = [None, True, 0, -1, 1e308, 1.5, "", "x", "-PT1H", [], {}, [[]], [{}], {"value": 1}, "a\nb", 10**20, "y" * 20_000]
FIELDS: dict[str, list[Any]] = {
    "view": ["timeSeries", "bar", "pie", "singleValue"],
    "width": [1, 2, 40, 300],
    "height": [1, 30, 300],
    "title": ["t", "a\nb", "é\0😀", "t" * 30_000],
    "legend": [{"position": "right"}, {"position": "hidden"}, {"position": "bottom"}],
    "stacked": [True, False],
    "start": ["-PT1H", "-P3650D", "-P9999999999D", "2026-11-21T00:00:00", "0001-01-01T00:00:00", "1970-01-01"],
    "end": ["P0D", "PT3H", "9999-12-31T23:59:59Z"],
    "timezone": ["+0130", "-1200"],
    "yAxis": [{"left": {"min": -1e308, "max": 1e308}}, {"left": {"min": 5, "max": 5 + 1e-12}}, {"right": {"min": 1e-320}}],
    "annotations": [{"horizontal": [[{"value": 1e308}, {"value": 2}]]}, {"vertical": [[]]}, {"vertical": [{"value": "1970-01-01"}]}],
}


@settings(max_examples=60)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) | st.sampled_from(ODD) for name, values in FIELDS.items()}))
def test_widgets(cw: Any, put: Any, now: Any, widget: dict[str, Any]) -> None:
    """Any widget is a picture, or is refused."""
    put(1, at=now() - MINUTE)
    put(2)
    metrics = [["N", "M", {"label": widget.get("title") or ""}], [{"expression": "m1 * 1e308", "id": "e1"}], [".", ".", {"id": "m1"}]]
    try:
        cw.get_metric_widget_image(MetricWidget=json.dumps({"metrics": metrics, "period": 60, **widget}))
        code = "InvalidParameterValue"
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
    assert code in ("InvalidParameterValue", "ValidationError", "NotImplemented")


def test_instants_without_a_zone(cw: Any) -> None:
    """Times of a widget without an offset are UTC."""
    widget = {"metrics": [["N", "M"]], "start": "2026-01-01T00:00:00", "end": "2026-01-01T00:00:01+00:00"}
    cw.get_metric_widget_image(MetricWidget=json.dumps(widget))
