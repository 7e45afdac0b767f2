"""GetMetricData: metrics, metric math, searches, Metrics Insights; labels, pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

MINUTE = timedelta(minutes=1)


@pytest.fixture
def three(put: Any, now: Any) -> None:
    """Values 1, 2 and 4, three, two and no minutes ago."""
    for ago, value in ((3, 1), (2, 2), (0, 4)):
        put(value, at=now() - ago * MINUTE)


def test_points_are_by_the_period(three: None, data: Any) -> None:
    """Each period with data has a point; periods begin with the start time."""
    assert data() == [(3, 1), (2, 2), (0, 4)]
    assert data(hours=4 / 60, period=120) == [(3, 3), (1, 4)]
    assert data(period=3600)[0][1] == 7


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("expression", "points"),
    [
        ("m1 * 2 + 1", [(3, 3), (2, 5), (0, 9)]),
        ("-m1 ^ 2", [(3, -1), (2, -4), (0, -16)]),
        ("10 - m1 / 0", []),
        ("m1 > 1 AND m1 < 4", [(3, 0), (2, 1), (0, 0)]),
        ("m1 == 1 || m1 >= 4", [(3, 1), (2, 0), (0, 1)]),
        ("IF(m1 > 1, m1, 0)", [(3, 0), (2, 2), (0, 4)]),
        ("IF(m1 > 1, m1)", [(2, 2), (0, 4)]),
        ("m1 / MAX(m1)", [(3, 0.25), (2, 0.5), (0, 1)]),
        ("m1 - AVG(m1)", [(3, 1 - 7 / 3), (2, 2 - 7 / 3), (0, 4 - 7 / 3)]),
        ("RATE(m1)", [(2, 1 / 60), (0, 2 / 120)]),
        ("DIFF(m1)", [(2, 1), (0, 2)]),
        ("DIFF_TIME(m1)", [(2, 60), (0, 120)]),
        ("RUNNING_SUM(m1)", [(3, 1), (2, 3), (0, 7)]),
        ("ABS(m1 - 2)", [(3, 1), (2, 0), (0, 2)]),
        ("CEIL(m1 / 3) + FLOOR(m1 / 3)", [(3, 1), (2, 1), (0, 3)]),
        ("LOG10(m1 * 25)", [(3, pytest.approx(1.39794)), (2, pytest.approx(1.69897)), (0, 2)]),
        ("LOG(m1 - 1)", [(2, 0), (0, pytest.approx(1.098612))]),
        ("m1 * PERIOD(m1)", [(3, 60), (2, 120), (0, 240)]),
        ("m1 * DATAPOINT_COUNT(m1)", [(3, 3), (2, 6), (0, 12)]),
        ("m1 + STDDEV(m1) * 0", [(3, 1), (2, 2), (0, 4)]),
        ("MINUTE(m1)", [(3, 57), (2, 58), (0, 0)]),
        ("SUM([m1, m1, m1 * 2])", [(3, 4), (2, 8), (0, 16)]),
        ("MIN([m1, 3 - m1])", [(3, 1), (2, 1), (0, -1)]),
        ("FIRST([m1, m1 + 1]) + LAST([m1, m1 + 1])", [(3, 3), (2, 5), (0, 9)]),
        ("METRIC_COUNT([m1, m1]) + m1 * 0", [(3, 2), (2, 2), (0, 2)]),
        ("SLICE([m1, m1 * 2], 1)", [(3, 2), (2, 4), (0, 8)]),
        ("SUM(METRICS('M'))", [(3, 1), (2, 2), (0, 4)]),
        ("SUM(REMOVE_EMPTY([m1, m1 / 0]))", [(3, 1), (2, 2), (0, 4)]),
        ("FIRST(SORT([m1, m1 * 3, m1 * 2], SUM, DESC))", [(3, 3), (2, 6), (0, 12)]),
    ],
)
def test_metric_math(data: Any, expression: str, points: Any) -> None:
    """The operators and functions of metric math do what their documentation says; series meet where both have a point."""
    assert data(expression) == points


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("expression", "points"),
    [
        ("FILL(m1, 9)", [(4, 9), (3, 1), (2, 2), (1, 9), (0, 4)]),
        ("FILL(m1, REPEAT)", [(3, 1), (2, 2), (1, 2), (0, 4)]),
        ("FILL(m1, LINEAR)", [(3, 1), (2, 2), (1, 3), (0, 4)]),
        ("FILL(m1, TIME_SERIES(7))", [(4, 7), (3, 1), (2, 2), (1, 7), (0, 4)]),
        ("m1 * 0 + TIME_SERIES(5)", [(3, 5), (2, 5), (0, 5)]),
        ("TIME_SERIES(MAX(m1))", [(n, 4) for n in (4, 3, 2, 1, 0)]),
    ],
)
def test_filling(data: Any, expression: str, points: Any) -> None:
    """FILL gives missing periods a value, TIME_SERIES every period the same."""
    assert data(expression, hours=5 / 60) == points


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("m1 +", "Unexpected the end"),
        ("m2 + 1", "Unknown identifier 'm2'"),
        ("NOPE(m1)", "Unknown function 'NOPE'"),
        ("ABS(m1, m1)", "takes 1 arguments, but 2 were given"),
        ("SUM(m1)", "The result of the expression is not a time series"),
        ("1 + 2", "The result of the expression is not a time series"),
        ("m1 @ 2", "Unexpected character '@' at position 4"),
        ("e1 + 1", "depends on itself"),
        ("(" * 100 + "m1" + ")" * 100, "nested too deeply"),
    ],
)
def test_wrong_expressions(put: Any, data: Any, refused: Any, expression: str, words: str) -> None:
    """An expression that cannot be read or computed is a ValidationError that names the query."""
    put(1)
    code, message = refused(data, expression)
    assert code == "ValidationError"
    assert message.startswith("Error in expression 'e1': ")
    assert words in message


def test_functions_that_read_from_elsewhere_are_refused_by_name(data: Any, refused: Any) -> None:
    """SERVICE_QUOTA and its like name what is missing."""
    code, message = refused(data, "SERVICE_QUOTA(m1)")
    assert (code, message) == (
        "NotImplemented",
        "Fogbank does not implement cloudwatch:GetMetricData with SERVICE_QUOTA: there are no service quotas.",
    )


@pytest.fixture
def hosts(put: Any) -> None:
    for host, zone, value in (("web-1", "a", 1), ("web-2", "b", 2), ("dbServer2", "a", 4)):
        put(value, name="Load", dimensions={"host": host, "zone": zone})
        put(value * 10, name="Heap", dimensions={"host": host})


def values(cw: Any, now: Any, expression: str, **more: Any) -> dict[str, float]:
    query = {"Id": "e1", "Expression": expression, "Period": 60, **more}
    answer = cw.get_metric_data(MetricDataQueries=[query], StartTime=now() - MINUTE, EndTime=now() + MINUTE)
    return {one["Label"]: sum(one["Values"]) for one in answer["MetricDataResults"]}


@pytest.mark.usefixtures("hosts")
@pytest.mark.parametrize(
    ("search", "found"),
    [
        ('{N,host,zone} MetricName="Load"', {"web-1 a": 1, "web-2 b": 2, "dbServer2 a": 4}),
        ("{N,host}", {"web-1": 10, "web-2": 20, "dbServer2": 40}),
        ("{N,host} web", {"web-1": 10, "web-2": 20}),
        ("{N,host} server", {"Heap dbServer2": 40}),
        ('{N,host} host="web"', {}),
        ('{N,host,zone} zone="a" NOT dbserver2', {"Load web-1 a": 1}),
        ("Namespace=N MetricName=(Load OR Nope) (web-2 OR dbServer2)", {"web-2 b": 2, "dbServer2 a": 4}),
    ],
)
def test_searches(cw: Any, now: Any, search: str, found: dict[str, float]) -> None:
    """SEARCH finds metrics by schema, by exact values in quotes, and by words; their labels tell them apart."""
    assert values(cw, now, f"SEARCH('{search}', 'Sum', 60)") == found


@pytest.mark.usefixtures("hosts")
def test_searches_are_arrays(cw: Any, now: Any) -> None:
    """What is found can be added up, sorted and cut."""
    search = "SEARCH('{N,host}', 'Sum', 60)"
    assert values(cw, now, f"SUM({search})") == {"e1": 70}
    assert list(values(cw, now, f"SORT({search}, MAX, DESC, 2)").values()) == [40, 20]
    assert values(cw, now, f"{search} / 10", Label="x ${PROP('Dim.host')}") == {"x web-1": 1, "x web-2": 2, "x dbServer2": 4}


@pytest.mark.usefixtures("hosts")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT SUM(Load) FROM N", {"Load": 7}),
        ("select max(Load) from SCHEMA(N, zone, host) where zone = 'a'", {"Load": 4}),
        ("SELECT SUM(Load) FROM SCHEMA(N, host)", {"Load": 0}),
        ("SELECT AVG(Load) FROM N GROUP BY zone", {"a": 2.5, "b": 2}),
        ("SELECT COUNT(Heap) FROM N WHERE host != 'web-1'", {"Heap": 2}),
        ('SELECT SUM(Heap) FROM "N" GROUP BY host ORDER BY MAX() DESC LIMIT 2', {"dbServer2": 40, "web-2": 20}),
        ("SELECT MIN(Heap) FROM N WHERE (host = 'web-1' OR host = 'web-2') GROUP BY host ORDER BY SUM() ASC LIMIT 1", {"web-1": 10}),
    ],
)
def test_metrics_insights(cw: Any, now: Any, query: str, found: dict[str, float]) -> None:
    """Metrics Insights adds metrics up over their dimensions, by groups, in order, up to a limit."""
    got = values(cw, now, query)
    assert got == found
    assert list(got) == list(found) or "ORDER" not in query


def test_wrong_queries(cw: Any, now: Any, refused: Any) -> None:
    """A query that is none is a ValidationError; ids are unique, small at first; there is one of MetricStat and Expression."""
    times = {"StartTime": now() - MINUTE, "EndTime": now()}
    for query, words in (
        ({"Id": "e1", "Expression": "SELECT FOO(x) FROM N"}, "Error in expression 'e1': Expected 'AVG'"),
        ({"Id": "E1", "Expression": "1"}, "is not matching the expected pattern"),
        ({"Id": "e1"}, "Exactly one of"),
        ({"Id": "e1", "Expression": "SEARCH('{N', 'Sum')"}, "Unexpected character '{'"),
    ):
        code, message = refused(cw.get_metric_data, MetricDataQueries=[query], **times)
        assert code == "ValidationError"
        assert words in message
    twice = [{"Id": "e1", "Expression": "TIME_SERIES(1)"}] * 2
    assert "not unique" in refused(cw.get_metric_data, MetricDataQueries=twice, **times)[1]
    assert refused(cw.get_metric_data, MetricDataQueries=twice[:1], StartTime=now(), EndTime=now())[0] == "InvalidParameterValue"


@pytest.mark.usefixtures("three")
def test_labels(cw: Any, now: Any) -> None:
    """Dynamic labels say values, times and properties of what they label."""
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
    for label, said in (
        ("${LABEL} max ${MAX} of ${PROP('Namespace')}/${PROP('MetricName')} ${PROP('Stat')}", "M max 4 of N/M Sum"),
        ("${MIN}..${LAST} ${AVG} ${SUM}", "1..4 2.333 7"),
        ("${FIRST_TIME_RELATIVE} ago", "3m ago"),
        ("plain", "plain"),
    ):
        query = {"Id": "m1", "MetricStat": stat, "Label": label}
        end = now() + timedelta(seconds=1)
        answer = cw.get_metric_data(MetricDataQueries=[query], StartTime=now() - 5 * MINUTE, EndTime=end)
        assert answer["MetricDataResults"][0]["Label"] == said


@pytest.mark.usefixtures("three")
def test_pages(cw: Any, now: Any) -> None:
    """MaxDatapoints cuts results into pages, newest points first by default; what is cut off is PartialData."""
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
    queries = [{"Id": "m1", "MetricStat": stat}, {"Id": "m2", "MetricStat": stat}]
    members = {"MetricDataQueries": queries, "StartTime": now() - 5 * MINUTE, "EndTime": now() + MINUTE, "MaxDatapoints": 2}
    pages = [
        [(one["Id"], one["Values"], one["StatusCode"]) for one in page["MetricDataResults"]]
        for page in cw.get_paginator("get_metric_data").paginate(**members)
    ]
    assert pages == [
        [("m1", [4, 2], "PartialData")],
        [("m1", [1], "Complete"), ("m2", [4], "PartialData")],
        [("m2", [2, 1], "Complete")],
    ]
