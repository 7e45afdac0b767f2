"""What the CloudWatch tests share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

MINUTE = timedelta(minutes=1)


@pytest.fixture
def cw(cloud: Any) -> Any:
    """A client of the root user. The clock stands at the beginning of an hour."""
    cloud.advance((3_600_000 - cloud.now_ms % 3_600_000 + 0.5) / 1000)
    return cloud.client("cloudwatch")


@pytest.fixture
def now(cloud: Any, cw: Any) -> Callable[[], datetime]:
    """The cloud's time."""
    return lambda: datetime.fromtimestamp(cloud.now_ms / 1000, UTC)


@pytest.fixture
def put(cw: Any) -> Callable[..., None]:
    """Puts one value of the metric N/M, or of another."""

    def call(value: float = 1.0, at: datetime | None = None, name: str = "M", **more: Any) -> None:
        dimensions = [{"Name": k, "Value": v} for k, v in more.pop("dimensions", {}).items()]
        datum = {"MetricName": name, "Value": value, "Dimensions": dimensions, **more}
        if at is not None:
            datum["Timestamp"] = at
        cw.put_metric_data(Namespace="N", MetricData=[datum])

    return call


@pytest.fixture
def data(cw: Any, now: Callable[[], datetime]) -> Callable[..., list[tuple[int, float]]]:
    """Values of one query over the last hour, oldest first: (minutes ago, value)."""

    def call(query: Any = "m1", hours: float = 1, period: int = 60, stat: str = "Sum", metric: str = "M", **more: Any) -> Any:
        end = now() + MINUTE
        dimensions = [{"Name": k, "Value": v} for k, v in more.pop("dimensions", {}).items()]
        one = {
            "Id": "m1",
            "MetricStat": {"Metric": {"Namespace": "N", "MetricName": metric, "Dimensions": dimensions}, "Period": period, "Stat": stat},
        }
        queries = [one] if query == "m1" else [{**one, "ReturnData": False}, {"Id": "e1", "Expression": query}]
        answer = cw.get_metric_data(
            MetricDataQueries=queries, StartTime=end - timedelta(hours=hours), EndTime=end, ScanBy="TimestampAscending", **more
        )
        found = answer["MetricDataResults"]
        series = [
            [(round((now() - t).total_seconds() / 60), v) for t, v in zip(one["Timestamps"], one["Values"], strict=True)] for one in found
        ]
        return series[0] if len(series) == 1 else series

    return call
