"""Anomaly detectors learn what is to be expected; alarms watch for what is not."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from fogbank.services.cloudwatch.bands import train

HOUR = timedelta(hours=1)
METRIC = {"Namespace": "N", "MetricName": "M", "Dimensions": [], "Stat": "Average"}


def test_what_a_model_learns() -> None:
    """By the hour of the day from three days on, by the hour of the week from two weeks on, else altogether."""
    hourly = {n * 900: float(n // 4 % 24) for n in range(4 * 24 * 4)}
    assert train(hourly, "UTC").means == tuple(float(n) for n in range(24))
    assert train({n * 900: 5.0 for n in range(8)}, "UTC") == ((5.0,), (0.0,))
    assert len(train({n * 900: 5.0 for n in range(4 * 24 * 14)}, "UTC").means) == 168
    assert train({0: 1.0}, "UTC") == ((), ())
    assert train(hourly, "Asia/Tokyo").means[9] == 0.0


@pytest.fixture
def week(cw: Any, now: Any) -> None:
    """A metric that follows the hour of the day, for the last five days."""
    data = [
        {
            "MetricName": "M",
            "Timestamp": now() - n * HOUR / 2,
            "Value": 100 + 50 * math.sin((now() - n * HOUR / 2).hour / 24 * 2 * math.pi) + n % 2,
        }
        for n in range(240)
    ]
    cw.put_metric_data(Namespace="N", MetricData=data)


def test_a_band(cloud: Any, cw: Any, now: Any, week: None) -> None:
    """The band goes with the hour of the day, as many deviations wide as asked for."""
    made = cw.put_anomaly_detector(SingleMetricAnomalyDetector=METRIC)["AnomalyDetectorId"]
    (one,) = cw.describe_anomaly_detectors()["AnomalyDetectors"]
    assert (one["AnomalyDetectorId"], one["MetricName"]) == (made, "M")
    cloud.settle()
    assert cw.describe_anomaly_detectors(Namespace="N")["AnomalyDetectors"][0]["StateValue"] == "TRAINED"
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 3600, "Stat": "Average"}
    queries = [{"Id": "m1", "MetricStat": stat}, {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(m1, 3)"}]
    answer = cw.get_metric_data(MetricDataQueries=queries, StartTime=now() - 24 * HOUR, EndTime=now(), ScanBy="TimestampAscending")
    value, upper, lower = (one["Values"] for one in answer["MetricDataResults"])
    assert len(value) == len(upper) == len(lower) == 24
    assert all(low <= v <= high for low, v, high in zip(lower, value, upper, strict=True))
    assert max(upper) - min(upper) > 80
    assert all(high - low < 10 for low, high in zip(lower, upper, strict=True))


def test_an_alarm_on_a_band(cloud: Any, cw: Any, put: Any, week: None) -> None:
    """An alarm on a band has a detector made for it, and goes into ALARM for a value outside of the band."""
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Average"}
    cw.put_metric_alarm(
        AlarmName="a",
        EvaluationPeriods=1,
        ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold",
        ThresholdMetricId="b",
        Metrics=[{"Id": "m1", "MetricStat": stat}, {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)"}],
    )
    assert len(cw.describe_anomaly_detectors()["AnomalyDetectors"]) == 1
    cloud.settle()
    put(5000, at=None)
    cloud.advance(60)
    (found,) = cw.describe_alarms()["MetricAlarms"]
    assert found["StateValue"] == "ALARM"
    assert "greater than the upper thresholds" in found["StateReason"]


def test_detectors_come_and_go(cw: Any, refused: Any) -> None:
    """Detectors are made once for what they are about, and deleted by it or by id; what the model has not is refused by name."""
    first = cw.put_anomaly_detector(**METRIC)["AnomalyDetectorId"]
    again = cw.put_anomaly_detector(SingleMetricAnomalyDetector=METRIC, Configuration={"MetricTimezone": "Europe/Berlin"})
    assert again["AnomalyDetectorId"] == first
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 300, "Stat": "Sum"}
    math_ = [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "m1 * 2"}]
    cw.put_anomaly_detector(MetricMathAnomalyDetector={"MetricDataQueries": math_})
    assert len(cw.describe_anomaly_detectors()["AnomalyDetectors"]) == 1
    both = cw.describe_anomaly_detectors(AnomalyDetectorTypes=["SINGLE_METRIC", "METRIC_MATH"])["AnomalyDetectors"]
    assert len(both) == 2
    cw.delete_anomaly_detector(MetricMathAnomalyDetector={"MetricDataQueries": math_})
    cw.delete_anomaly_detector(AnomalyDetectorId=first)
    assert refused(cw.delete_anomaly_detector, **METRIC)[0] == "ResourceNotFoundException"
    for configuration in ({"AdaptationSpeed": "FAST"}, {"OutlierFilteringStrength": "STRICT"}):
        code, message = refused(cw.put_anomaly_detector, **METRIC, Configuration=configuration)
        assert code == "NotImplemented"
        assert next(iter(configuration)) in message
