"""Dashboards are kept and checked; widgets become pictures."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

MINUTE = timedelta(minutes=1)
TEXT = {"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "hello"}}
METRIC = {"type": "metric", "properties": {"metrics": [["N", "M", "h", "a"], ["...", "b"]], "region": "us-east-1"}}


def body(*widgets: Any) -> str:
    return json.dumps({"widgets": list(widgets)})


def test_a_dashboards_life(cloud: Any, cw: Any, refused: Any) -> None:
    """A dashboard is put, got as it was put, listed by prefix in every region, replaced and deleted."""
    assert cw.put_dashboard(DashboardName="one", DashboardBody=body(TEXT, METRIC))["DashboardValidationMessages"] == []
    cw.put_dashboard(DashboardName="two", DashboardBody=body())
    got = cloud.client("cloudwatch", region="eu-west-1").get_dashboard(DashboardName="one")
    assert got["DashboardBody"] == body(TEXT, METRIC)
    assert got["DashboardArn"] == "arn:aws:cloudwatch::000000000000:dashboard/one"
    entries = cw.list_dashboards()["DashboardEntries"]
    assert [(one["DashboardName"], one["Size"]) for one in entries] == [("one", len(body(TEXT, METRIC))), ("two", len(body()))]
    assert [one["DashboardName"] for one in cw.list_dashboards(DashboardNamePrefix="t")["DashboardEntries"]] == ["two"]
    assert refused(cw.delete_dashboards, DashboardNames=["one", "three"])[0] == "ResourceNotFound"
    cw.delete_dashboards(DashboardNames=["one", "two"])
    assert refused(cw.get_dashboard, DashboardName="one") == ("ResourceNotFound", "Dashboard one does not exist")


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ("{", "/", "The field DashboardBody must be a valid JSON object"),
        ("{}", "/", "Should have required property 'widgets'"),
        (body({"properties": {}}), "/widgets/0", "Should have required property 'type'"),
        (body(TEXT, {"type": "text", "properties": {}}), "/widgets/1/properties", "Should have required property 'markdown'"),
        (body({**TEXT, "width": 25}), "/widgets/0/width", "Should be an integer from 1 to 24"),
        (body({"type": "metric", "properties": {"region": "x"}}), "/widgets/0/properties", "Should have required property 'metrics'"),
        (
            body({"type": "metric", "properties": {"region": "x", "metrics": [["N", "M", "h"]]}}),
            "/widgets/0/properties/metrics/0",
            "Invalid metric",
        ),
    ],
)
def test_bad_bodies(cw: Any, given: str, path: str, words: str) -> None:
    """What is wrong with a body is said by place."""
    with pytest.raises(ClientError) as caught:
        cw.put_dashboard(DashboardName="d", DashboardBody=given)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterInput"
    (message,) = caught.value.response["dashboardValidationMessages"]
    assert message["DataPath"] == path
    assert message["Message"].startswith(words)


def test_warnings(cw: Any) -> None:
    """A dashboard with something odd is kept, with a warning."""
    said = cw.put_dashboard(DashboardName="d", DashboardBody=body({**TEXT, "color": "red"}))["DashboardValidationMessages"]
    assert said == [{"DataPath": "/widgets/0", "Message": "Should NOT have additional property 'color'"}]


def picture(cw: Any, **widget: Any) -> Image.Image:
    image = cw.get_metric_widget_image(MetricWidget=json.dumps(widget))["MetricWidgetImage"]
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    return Image.open(BytesIO(image)).convert("RGB")


def colors(image: Image.Image) -> set[tuple[int, int, int]]:
    found = image.getcolors(1 << 20) or []
    return {color for _, color in found}  # type: ignore[misc]


BLUE, ORANGE, RED = (31, 119, 180), (255, 127, 14), (214, 39, 40)


@pytest.fixture
def series(put: Any, now: Any) -> list[list[Any]]:
    for ago in range(30, -1, -1):
        for host, value in (("a", ago), ("b", 30 - ago)):
            put(value, at=now() - ago * MINUTE, dimensions={"h": host})
    return [["N", "M", "h", "a"], ["...", "b", {"id": "m2"}]]


@pytest.mark.parametrize("view", ["timeSeries", "bar", "pie", "singleValue"])
def test_views(cw: Any, series: Any, view: str) -> None:
    """Each view is a PNG of the size asked for, in which both series have their colour."""
    image = picture(cw, metrics=series, view=view, width=300, height=200, period=60, title="T", start="-PT31M")
    assert image.size == (300, 200)
    assert {BLUE, ORANGE} <= colors(image)


def test_what_is_drawn_where(cw: Any, series: Any) -> None:
    """A rising line ends above its beginning; a hidden one is not there; an annotation is a line over the whole width."""
    hidden = [[*series[0], {"visible": False}], series[1]]
    image = picture(
        cw, metrics=hidden, period=60, start="-PT31M", legend={"position": "hidden"}, annotations={"horizontal": [{"value": 15}]}
    )
    places = [(x, y) for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == BLUE]
    first, last = min(places), max(places)
    assert first[1] > last[1] + 200
    assert ORANGE not in colors(image)
    reds = {x for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == RED}
    assert len(reds) > 500


def test_expressions_and_stacks(cw: Any, series: Any) -> None:
    """Expressions are drawn, stacked areas cover more than lines, and what cannot be computed is said in the legend."""
    both = [*series, [{"expression": "m2 * 2", "label": "twice", "id": "e1"}]]
    lines = picture(cw, metrics=both, period=60, start="-PT31M")
    stacked = picture(cw, metrics=both, period=60, start="-PT31M", stacked=True)
    white = [sum(image.getpixel((x, y)) == (255, 255, 255) for x in range(600) for y in range(400)) for image in (lines, stacked)]
    assert white[1] < white[0] * 0.7
    wrong = picture(cw, metrics=[*series, [{"expression": "nope + 1"}]], period=60)
    assert (255, 153, 0) in colors(wrong)


@pytest.mark.parametrize(
    ("widget", "code", "words"),
    [
        ("{", "InvalidParameterValue", "valid JSON"),
        ({"view": "gauge"}, "NotImplemented", "with the view gauge"),
        ({"view": "round"}, "InvalidParameterValue", "view"),
        ({"metrics": [["N"]]}, "InvalidParameterValue", "/0"),
        ({"width": 5000}, "InvalidParameterValue", "width"),
        ({"start": "yesterday"}, "InvalidParameterValue", "start"),
        ({"metrics": [["N", "M", {"stat": "median"}]]}, "InvalidParameterValue", "median"),
    ],
)
def test_bad_widgets(cw: Any, refused: Any, widget: Any, code: str, words: str) -> None:
    """What cannot be drawn is refused, and said what."""
    got = refused(cw.get_metric_widget_image, MetricWidget=widget if isinstance(widget, str) else json.dumps(widget))
    assert got[0] == code
    assert words in got[1]
