"""Data is put, listed and read back as statistics; what AWS refuses is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config

MINUTE = timedelta(minutes=1)


def stats(cw: Any, now: Any, names: list[str], **more: Any) -> list[dict[str, Any]]:
    members = {
        "Namespace": "N",
        "MetricName": "M",
        "Period": 60,
        "StartTime": now() - timedelta(hours=1),
        "EndTime": now() + MINUTE,
        "Statistics": names,
        **more,
    }
    found: list[dict[str, Any]] = cw.get_metric_statistics(**members)["Datapoints"]
    return found


def test_values_become_statistics(cw: Any, put: Any, now: Any) -> None:
    """What was put in a minute is one datapoint with all of the five statistics."""
    for value in (1, 2, 6):
        put(value, Unit="Seconds")
    (point,) = stats(cw, now, ["SampleCount", "Sum", "Average", "Minimum", "Maximum"])
    assert point.pop("Timestamp") == now()
    assert point == {"SampleCount": 3, "Sum": 9, "Average": 3, "Minimum": 1, "Maximum": 6, "Unit": "Seconds"}


def test_values_with_counts_and_sets_of_statistics_add_up(cw: Any, now: Any) -> None:
    """Values occur as often as Counts says, and a set of statistics counts as the values that it stands for."""
    cw.put_metric_data(
        Namespace="N",
        MetricData=[
            {"MetricName": "M", "Values": [1, 10], "Counts": [3, 1]},
            {"MetricName": "M", "StatisticValues": {"SampleCount": 2, "Sum": 30, "Minimum": 5, "Maximum": 25}},
        ],
    )
    (point,) = stats(cw, now, ["SampleCount", "Sum", "Minimum", "Maximum"])
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (6, 43, 1, 25)
    members = {"Namespace": "N", "MetricName": "M", "Period": 60, "StartTime": now() - MINUTE, "EndTime": now() + MINUTE}
    assert cw.get_metric_statistics(**members, ExtendedStatistics=["p50"])["Datapoints"] == []


def test_units_are_kept_apart(cw: Any, put: Any, now: Any) -> None:
    """Data of different units is different datapoints; a Unit chooses among them."""
    put(1, Unit="Seconds")
    put(2, Unit="Bytes")
    assert {(p["Unit"], p["Sum"]) for p in stats(cw, now, ["Sum"])} == {("Seconds", 1), ("Bytes", 2)}
    assert [p["Sum"] for p in stats(cw, now, ["Sum"], Unit="Bytes")] == [2]
    assert stats(cw, now, ["Sum"], Unit="Percent") == []


@pytest.mark.parametrize("protocol", ["query", "json", "smithy-rpc-v2-cbor"])
def test_every_protocol_is_understood(cloud: Any, cw: Any, now: Any, protocol: str) -> None:
    """Query, JSON and CBOR put and read the same data."""
    client = _speaking(cloud, protocol)
    client.put_metric_data(
        Namespace="N", MetricData=[{"MetricName": "M", "Value": 1.5, "Timestamp": now(), "Dimensions": [{"Name": "a", "Value": "b"}]}]
    )
    assert client.list_metrics(Namespace="N")["Metrics"] == [
        {"Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "a", "Value": "b"}]}
    ]
    (point,) = stats(client, now, ["Sum"], Dimensions=[{"Name": "a", "Value": "b"}])
    assert point == {"Timestamp": now(), "Sum": 1.5, "Unit": "None"}


def _speaking(cloud: Any, protocol: str) -> Any:
    from botocore.session import Session

    session = Session()
    session.set_credentials("test", "test")
    loader = session.get_component("data_loader")
    model = loader.load_service_model("cloudwatch", "service-2")
    kept = dict(model["metadata"])
    model["metadata"].update(protocol=protocol, protocols=[protocol])
    try:
        return session.create_client("cloudwatch", "us-east-1", endpoint_url=cloud.endpoint, config=Config(retries={"max_attempts": 0}))
    finally:
        model["metadata"].clear()
        model["metadata"].update(kept)


@pytest.mark.parametrize(
    ("datum", "code", "words"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue", "The value nan for parameter MetricData.member.1.Value is invalid."),
        ({"Value": float("inf")}, "InvalidParameterValue", "The value inf for parameter MetricData.member.1.Value is invalid."),
        ({"Value": 2.0**361}, "InvalidParameterValue", "for parameter MetricData.member.1.Value is invalid."),
        ({}, "MissingParameter", "The parameter MetricData.member.1.Value is required."),
        ({"Value": 1, "Values": [1]}, "InvalidParameterCombination", "are mutually exclusive and you have specified both."),
        ({"Values": [1, 2], "Counts": [1]}, "InvalidParameterValue", "must be of the same size."),
        ({"Values": list(range(151))}, "InvalidParameterValue", "must not have a size greater than 150."),
        ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue", "StorageResolution is invalid."),
        ({"Value": 1, "Unit": "Miles"}, "ValidationError", "failed to satisfy constraint: Member must satisfy enum value set"),
        ({"Value": 1, "Dimensions": [{"Name": "a", "Value": " "}]}, "InvalidParameterValue", "Dimensions.member.1.Value is invalid."),
        ({"Value": 1, "Dimensions": [{"Name": f"d{n}", "Value": "v"} for n in range(31)]}, "", "30"),
        ({"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}}, "InvalidParameterValue", "Maximum"),
    ],
)
def test_bad_data_is_refused(cw: Any, refused: Any, datum: dict[str, Any], code: str, words: str) -> None:
    """A datum that AWS does not take is refused with the parameter's name, and nothing of the request is kept."""
    good = {"MetricName": "Good", "Value": 1}
    got = refused(cw.put_metric_data, Namespace="N", MetricData=[{"MetricName": "M", **datum}, good])
    assert got[0].startswith(code)
    assert words in got[1]
    assert cw.list_metrics(Namespace="N")["Metrics"] == []


def test_limits_of_a_request(cw: Any, refused: Any, now: Any) -> None:
    """1000 metrics are taken, 1001 are not; timestamps are from two weeks ago to two hours ahead; AWS/ is AWS's."""
    data = [{"MetricName": f"m{n}", "Value": 1} for n in range(1000)]
    cw.put_metric_data(Namespace="N", MetricData=data)
    code, message = refused(cw.put_metric_data, Namespace="N", MetricData=[*data, {"MetricName": "x", "Value": 1}])
    assert (code, message) == ("InvalidParameterValue", "The collection MetricData must not have a size greater than 1000.")
    for at, words in ((now() - timedelta(days=14, minutes=1), "two weeks in the past"), (now() + timedelta(hours=3), "two hours")):
        code, message = refused(cw.put_metric_data, Namespace="N", MetricData=[{"MetricName": "x", "Value": 1, "Timestamp": at}])
        assert code == "InvalidParameterValue"
        assert words in message
    assert refused(cw.put_metric_data, Namespace="AWS/X", MetricData=data)[1] == "The value AWS/X for parameter Namespace is invalid."
    assert refused(cw.put_metric_data, Namespace="N")[0] == "MissingParameter"


def test_listing_pages_and_filters(cloud: Any, cw: Any) -> None:
    """ListMetrics gives 500 at a time, by namespace, name and dimensions; data of the last two weeks, or of the last three hours."""
    for begin in range(0, 600, 300):
        cw.put_metric_data(
            Namespace="N",
            MetricData=[
                {
                    "MetricName": "M",
                    "Value": 1,
                    "Dimensions": [{"Name": "host", "Value": f"h{n:03}"}, {"Name": "zone", "Value": f"z{n % 2}"}],
                }
                for n in range(begin, begin + 300)
            ],
        )
    cw.put_metric_data(Namespace="O", MetricData=[{"MetricName": "M", "Value": 1}])
    first = cw.list_metrics(Namespace="N")
    rest = cw.list_metrics(Namespace="N", NextToken=first["NextToken"])
    assert [len(first["Metrics"]), len(rest["Metrics"]), "NextToken" in rest] == [500, 100, False]
    assert [d["Value"] for m in first["Metrics"] + rest["Metrics"] for d in m["Dimensions"][:1]] == [f"h{n:03}" for n in range(600)]
    assert len(cw.list_metrics(Dimensions=[{"Name": "zone", "Value": "z1"}])["Metrics"]) == 300
    pages = cw.get_paginator("list_metrics").paginate(MetricName="M", Dimensions=[{"Name": "host"}])
    assert sum(len(page["Metrics"]) for page in pages) == 600
    cloud.advance(4 * 3600)
    assert cw.list_metrics(RecentlyActive="PT3H")["Metrics"] == []
    assert cw.list_metrics(Namespace="O")["Metrics"] != []
    cloud.advance(14 * 86400)
    assert cw.list_metrics(Namespace="N")["Metrics"] == []


def test_linked_accounts_are_refused_by_name(cw: Any, refused: Any) -> None:
    """There are no linked accounts."""
    code, message = refused(cw.list_metrics, IncludeLinkedAccounts=True)
    assert code == "NotImplemented"
    assert "IncludeLinkedAccounts" in message


def test_too_many_datapoints(cw: Any, refused: Any, now: Callable[[], datetime]) -> None:
    """GetMetricStatistics gives at most 1440 datapoints, and says what would have been."""
    members = {"Namespace": "N", "MetricName": "M", "Statistics": ["Sum"], "EndTime": now()}
    code, message = refused(cw.get_metric_statistics, Period=60, StartTime=now() - timedelta(days=2), **members)
    assert code == "InvalidParameterCombination"
    assert message.startswith("You have requested up to 2,880 datapoints, which exceeds the limit of 1,440.")
    assert refused(cw.get_metric_statistics, Period=7, StartTime=now() - timedelta(hours=1), **members)[0] == "InvalidParameterValue"


def test_high_resolution_is_kept_for_three_hours(cloud: Any, cw: Any, put: Any, now: Any) -> None:
    """Data of resolution 1 is read by the second for three hours, then by the minute; and rolled up as it grows old, sums unchanged."""
    start = now()
    for second in range(120):
        put(second, at=start + timedelta(seconds=second), StorageResolution=1)
    by_second = stats(cw, now, ["Sum"], Period=1, StartTime=start, EndTime=start + 2 * MINUTE)
    assert sorted((p["Timestamp"] - start).total_seconds() for p in by_second) == list(range(120))
    assert len(stats(cw, now, ["Sum"], Period=10, StartTime=start, EndTime=start + 2 * MINUTE)) == 12
    for ahead, period in ((timedelta(hours=5), 60), (timedelta(days=20), 300), (timedelta(days=70), 3600)):
        cloud.advance((start + ahead - now()).total_seconds())
        finer = {60: 1, 300: 60, 3600: 300}[period]
        span = {"StartTime": start, "EndTime": start + timedelta(hours=1)}
        if finer < 60:
            span["EndTime"] = start + timedelta(minutes=20)
        assert stats(cw, now, ["Sum"], Period=finer, **span) == []
        points = stats(cw, now, ["Sum", "SampleCount"], Period=period, **span)
        assert (sum(p["Sum"] for p in points), sum(p["SampleCount"] for p in points)) == (7140, 120)
    cloud.advance(400 * 86400)
    assert stats(cw, now, ["Sum"], Period=3600, StartTime=start, EndTime=start + timedelta(hours=1)) == []


def test_large_and_packed_requests(cw: Any, refused: Any, now: Any) -> None:
    """A request of more than 1 MiB is refused; a packed one counts by what it is unpacked (the SDK packs what is large)."""
    dimensions = [{"Name": f"d{n}", "Value": "v" * 50} for n in range(20)]
    cw.put_metric_data(Namespace="N", MetricData=[{"MetricName": f"m{n}", "Value": 1, "Dimensions": dimensions} for n in range(200)])
    assert len(cw.list_metrics(Namespace="N")["Metrics"]) == 200
    large = [{"MetricName": f"m{n}", "Value": 1, "Dimensions": dimensions} for n in range(999)]
    code, message = refused(cw.put_metric_data, Namespace="N", MetricData=large)
    assert (code, message) == ("InvalidParameterValue", "Request size exceeds 1048576 bytes.")


def test_entities(cw: Any, refused: Any) -> None:
    """Metrics of an entity are metrics; a strict request fails for an entity that is none."""
    entity = {"KeyAttributes": {"Type": "Service", "Name": "shop"}}
    data = [{"MetricName": "M", "Value": 1}]
    cw.put_metric_data(Namespace="N", EntityMetricData=[{"Entity": entity, "MetricData": data}], StrictEntityValidation=True)
    assert len(cw.list_metrics(Namespace="N")["Metrics"]) == 1
    wrong = [{"Entity": {"KeyAttributes": {"Colour": "red", "Name": "shop"}}, "MetricData": data}]
    assert refused(cw.put_metric_data, Namespace="N", EntityMetricData=wrong, StrictEntityValidation=True)[0] == "InvalidParameterValue"
    cw.put_metric_data(Namespace="N", EntityMetricData=wrong)
