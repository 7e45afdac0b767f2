"""Metrics out of events: filters, the embedded metric format, and Logs' own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fogbank.kernel.telemetry import Measure
from fogbank.services.logs import emf

Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def told(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple[Any, ...]]]:
    """What CloudWatch was told of a namespace: (name, dimensions, value, unit)."""
    kept: list[Measure] = []
    gathering = cloud.inner.gathering
    take = gathering.take

    def keep(items: Any) -> None:
        kept.extend(what for service, what in items if service == "cloudwatch")
        take(items)

    monkeypatch.setattr(type(gathering), "take", lambda self, items: keep(items) if self is gathering else take(items))
    return lambda namespace: [
        (m.name, dict(m.dimensions), m.value, m.unit) for m in kept if isinstance(m, Measure) and m.namespace == namespace
    ]


def transform(**more: Any) -> list[dict[str, Any]]:
    return [{"metricName": "m", "metricNamespace": "app", "metricValue": "1", **more}]


def test_a_filter_counts(cloud: Any, logs: Any, put: Any, told: Any) -> None:
    """Events that match become values, those before the filter do not; without a match the default is told."""
    put("ERROR 0")
    logs.put_metric_filter(
        logGroupName="group", filterName="f", filterPattern="ERROR", metricTransformations=transform(defaultValue=0, unit="Count")
    )
    put("ERROR 1", "fine", "ERROR 2")
    assert told("app") == [("m", {}, 1.0, "Count")] * 2
    put("fine")
    assert told("app")[2:] == [("m", {}, 0.0, "Count")]
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    logs.delete_metric_filter(logGroupName="group", filterName="f")
    put("ERROR 3")
    assert len(told("app")) == 3


def test_a_filter_takes_values_and_dimensions(logs: Any, put: Any, told: Any) -> None:
    """A field's value and fields as dimensions; an event without one of them gives nothing."""
    put("x")
    logs.put_metric_filter(
        logGroupName="group",
        filterName="f",
        filterPattern="{ $.latency = * }",
        metricTransformations=transform(metricValue="$.latency", dimensions={"Path": "$.path"}, unit="Milliseconds"),
    )
    put('{"latency": 12.5, "path": "/a"}', '{"latency": 3}', '{"latency": "x", "path": "/b"}', '{"latency": "7", "path": "/b"}')
    assert told("app") == [("m", {"Path": "/a"}, 12.5, "Milliseconds"), ("m", {"Path": "/b"}, 7.0, "Milliseconds")]
    logs.put_metric_filter(
        logGroupName="group", filterName="f", filterPattern="[ip, size]", metricTransformations=transform(metricValue="$size")
    )
    put("1.2.3.4 99")
    assert told("app")[2:] == [("m", {}, 99.0, "None")]


def test_the_values_reach_cloudwatch(cloud: Any, logs: Any, put: Any) -> None:
    """A metric that a filter makes has statistics."""
    put("x")
    logs.put_metric_filter(logGroupName="group", filterName="f", filterPattern="ERROR", metricTransformations=transform())
    put("ERROR", "ERROR")
    cloud.settle()
    now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)
    start = now.replace(second=0, microsecond=0).timestamp() - 60
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="app", MetricName="m", Period=60, StartTime=start, EndTime=start + 180, Statistics=["Sum"]
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 2


@pytest.mark.parametrize(
    ("pattern", "transformation"),
    [
        ("x", {"metricValue": "abc"}),
        ("x", {"metricValue": "$.a"}),
        ("[a]", {"metricValue": "$b"}),
        ("x", {"metricNamespace": "AWS/X"}),
        ("{ $.a = * }", {"dimensions": {"d": "$.a"}, "defaultValue": 0}),
        ("{ $.a = * }", {"dimensions": {"d": "a"}}),
        ("{ $.a = * }", {"dimensions": dict.fromkeys("abcd", "$.a")}),
        ("{ a", {}),
    ],
)
def test_wrong_filters_are_refused(logs: Any, put: Any, refused: Refused, pattern: str, transformation: dict[str, Any]) -> None:
    """Values and dimensions have to be in the pattern; dimensions and a default exclude each other."""
    put("x")
    members = {"logGroupName": "group", "filterName": "f", "filterPattern": pattern}
    assert refused(logs.put_metric_filter, **members, metricTransformations=transform(**transformation))[0] == "InvalidParameterException"


def test_filters_are_described(logs: Any, put: Any, refused: Refused) -> None:
    """By group, by name, by metric; those of all groups by pages. Settings for transformed logs are refused by name."""
    for group in ("a", "b"):
        put("x", group=group)
        for name in ("f1", "f2"):
            logs.put_metric_filter(logGroupName=group, filterName=name, filterPattern="x", metricTransformations=transform(metricName=name))

    def names(**members: Any) -> list[str]:
        pages = logs.get_paginator("describe_metric_filters").paginate(PaginationConfig={"PageSize": 3}, **members)
        return [f"{one['logGroupName']}/{one['filterName']}" for page in pages for one in page["metricFilters"]]

    assert names() == ["a/f1", "b/f1", "a/f2", "b/f2"]
    assert names(logGroupName="a", filterNamePrefix="f2") == ["a/f2"]
    assert names(metricName="f2", metricNamespace="app") == ["a/f2", "b/f2"]
    assert refused(logs.describe_metric_filters, metricName="f2")[0] == "InvalidParameterException"
    members = {"logGroupName": "a", "filterName": "f", "filterPattern": "x", "metricTransformations": transform()}
    assert refused(logs.put_metric_filter, **members, applyOnTransformedLogs=True)[0] == "NotImplemented"
    assert refused(logs.delete_metric_filter, logGroupName="a", filterName="f")[0] == "ResourceNotFoundException"


def test_five_filters_may_have_regular_expressions(logs: Any, put: Any, refused: Refused) -> None:
    """The sixth is refused; changing one of the five is not."""
    put("x")
    for n in range(5):
        logs.put_metric_filter(logGroupName="group", filterName=f"f{n}", filterPattern="%a%", metricTransformations=transform())
    logs.put_metric_filter(logGroupName="group", filterName="f0", filterPattern="%b%", metricTransformations=transform())
    members = {"logGroupName": "group", "filterName": "f9", "filterPattern": "%a%", "metricTransformations": transform()}
    assert refused(logs.put_metric_filter, **members)[0] == "LimitExceededException"


# The embedded metric format


def test_high_resolution() -> None:
    """StorageResolution 1 keeps a metric by the second."""
    given = document()
    given["_aws"]["CloudWatchMetrics"][0]["Metrics"] = [{"Name": "Count", "StorageResolution": 1}]
    assert {m.step_s for m in emf.measures("1", "r", json.dumps(given), NOW)[0]} == {1}


NOW = 1_700_000_000_000


def document(**more: Any) -> dict[str, Any]:
    directive = {
        "Namespace": "app",
        "Dimensions": [["Service"], ["Service", "Stage"], []],
        "Metrics": [{"Name": "Time", "Unit": "Milliseconds"}, {"Name": "Count"}],
    }
    root = {"_aws": {"Timestamp": NOW - 5, "CloudWatchMetrics": [directive]}, "Service": "s", "Stage": "prod", "Time": [1, 2.5], "Count": 3}
    return {**root, **more}


def test_embedded_metrics() -> None:
    """Each value of each metric, under each set of dimensions, at the instant that the document says."""
    found, faults = emf.measures("1", "r", json.dumps(document()), NOW)
    assert faults == []
    assert {m.at_ms for m in found} == {NOW - 5}
    assert [(m.name, dict(m.dimensions), m.value, m.unit) for m in found] == [
        (name, dimensions, value, unit)
        for name, unit, values in (("Time", "Milliseconds", [1, 2.5]), ("Count", "None", [3]))
        for value in values
        for dimensions in ({"Service": "s"}, {"Service": "s", "Stage": "prod"}, {})
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"Time": "x"},
        {"Time": [1] * 101},
        {"Count": None},
        {"Service": 5},
        {"Service": ""},
        {"_aws": {"Timestamp": "x", "CloudWatchMetrics": []}},
        {"_aws": {"Timestamp": NOW - 15 * 86_400_000, "CloudWatchMetrics": []}},
        {"_aws": {"Timestamp": NOW, "CloudWatchMetrics": [{"Namespace": "n", "Metrics": []}]}},
        {"_aws": {"Timestamp": NOW, "CloudWatchMetrics": [{"Namespace": "", "Dimensions": [], "Metrics": []}]}},
        {
            "_aws": {
                "Timestamp": NOW,
                "CloudWatchMetrics": [{"Namespace": "n", "Dimensions": [[]], "Metrics": [{"Name": "Count", "Unit": "x"}]}],
            }
        },
        {"_aws": {"Timestamp": NOW, "CloudWatchMetrics": [{"Namespace": "n", "Dimensions": [[]], "Metrics": [{"Name": "Count"}] * 101}]}},
    ],
)
def test_wrong_documents_count_as_errors(more: dict[str, Any]) -> None:
    """A document that breaks the specification gives no metric, and an error."""
    assert emf.measures("1", "r", json.dumps(document(**more)), NOW) == ([], ["EMFValidationErrors"])


def test_what_is_no_document() -> None:
    """What cannot be parsed is another error; the words alone are none."""
    assert emf.measures("1", "r", '{"CloudWatchMetrics"', NOW) == ([], ["EMFParsingErrors"])
    assert emf.measures("1", "r", '{"x": "CloudWatchMetrics"}', NOW) == ([], [])


def test_embedded_metrics_come_with_events(cloud: Any, put: Any, told: Any) -> None:
    """An event that carries metrics is one; what came in is measured, too."""
    message = json.dumps(document(_aws={**document()["_aws"], "Timestamp": cloud.now_ms}))
    put(message, "plain")
    assert len(told("app")) == 9
    own = told("AWS/Logs")
    assert ("IncomingLogEvents", {"LogGroupName": "group"}, 2, "None") in own
    assert ("IncomingBytes", {"LogGroupName": "group"}, len(message) + 5 + 52, "Bytes") in own
