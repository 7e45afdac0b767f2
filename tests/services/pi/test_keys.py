"""The keys that load is greatest for, and what there is to ask for."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from .conftest import ACCOUNT, DB
from .test_metrics import ask, seconds, when

WHAT = {"ServiceType": "RDS", "Identifier": DB}


def keys(cloud: Any, pi: Any, group: str, **members: Any) -> Any:
    limit = {"Dimensions": members.pop("dimensions")} if "dimensions" in members else {}
    times = {"StartTime": when(cloud, -9), "EndTime": when(cloud, 1), "PeriodInSeconds": 1}
    return pi.describe_dimension_keys(**WHAT, **times, Metric="db.load.avg", GroupBy={"Group": group, **limit}, **members)


def test_keys(cloud: Any, pi: Any, busy: Any) -> None:
    """Keys come by their load, each divided by another dimension where that is asked for."""
    busy("select pg_sleep(1001)")
    busy("select pg_sleep(1002)", application="report")
    busy("select pg_sleep(1003)", user="boss")
    seconds(cloud, 10)
    answer = keys(cloud, pi, "db.user", dimensions=["db.user.name"], PartitionBy={"Group": "db.application"})
    assert answer["PartitionKeys"] == [{"Dimensions": {"db.application.name": name}} for name in ("till", "report")]
    assert answer["Keys"] == [
        {"Dimensions": {"db.user.name": "clerk"}, "Total": 2.0, "Partitions": [1.0, 1.0]},
        {"Dimensions": {"db.user.name": "boss"}, "Total": 1.0, "Partitions": [1.0, 0.0]},
    ]
    answer = keys(cloud, pi, "db.user", Filter={"db.application.name": "report"}, MaxResults=1)
    assert [one["Total"] for one in answer["Keys"]] == [1.0]


def test_additional_metrics(cloud: Any, pi: Any, busy: Any, server: Any, refused: Any) -> None:
    """A digest says how often it ran, and how long a call takes."""
    begun, stop = threading.Event(), threading.Event()
    took_ms: list[float] = []

    def work() -> None:
        with server.connect("clerk", "shop") as connection:
            while not stop.is_set():
                start = time.perf_counter()
                connection.execute("select pg_sleep(0.02), 'x'")
                took_ms.append((time.perf_counter() - start) * 1000)
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begun.wait(60)
        seconds(cloud, 140)
    finally:
        stop.set()
        thread.join()
    calls, latency = "db.sql_tokenized.stats.calls_per_sec.avg", "db.sql_tokenized.stats.avg_latency_per_call.avg"
    times = {"StartTime": when(cloud, -140), "EndTime": when(cloud, 1)}
    answer = pi.describe_dimension_keys(
        **WHAT, **times, Metric="db.load.avg", GroupBy={"Group": "db.sql_tokenized"}, AdditionalMetrics=[calls, latency]
    )
    (found,) = [one for one in answer["Keys"] if one["Dimensions"]["db.sql_tokenized.statement"] == "select pg_sleep(?), ?"]
    assert found["AdditionalMetrics"][calls] > 0
    assert 20 <= found["AdditionalMetrics"][latency] <= max(took_ms)
    for wrong in ({"group": "db.user"}, {"AdditionalMetrics": ["db.sql_tokenized.stats.nothing.avg"]}):
        members = {"group": "db.sql_tokenized", "AdditionalMetrics": [calls], **wrong}
        assert refused(keys, cloud, pi, **members)[0] == "InvalidArgumentException"


def test_details(cloud: Any, pi: Any, busy: Any, refused: Any) -> None:
    """Answers have 500 bytes of a statement; the whole is found by its id."""
    text = f"select pg_sleep(1000) -- {'ü' * 400}"
    busy(text)
    seconds(cloud, 8)
    (one,) = keys(cloud, pi, "db.sql")["Keys"]
    assert len(one["Dimensions"]["db.sql.statement"].encode()) in (499, 500)
    details = pi.get_dimension_key_details
    answer = details(**WHAT, Group="db.sql", GroupIdentifier=one["Dimensions"]["db.sql.id"], RequestedDimensions=["statement"])
    assert answer["Dimensions"] == [{"Value": text, "Dimension": "db.sql.statement", "Status": "AVAILABLE"}]
    assert details(**WHAT, Group="db.sql", GroupIdentifier="none")["Dimensions"][0]["Status"] == "UNAVAILABLE"
    assert refused(details, **WHAT, Group="db.lock_snapshot", GroupIdentifier="1")[0] == "NotImplemented"


def test_listing(cloud: Any, pi: Any, refused: Any) -> None:
    """What is listed can be asked for."""
    seconds(cloud, 12)
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = pi.list_available_resource_metrics(**WHAT, MetricTypes=["db", "os"], **token)
        names += [one["Metric"] for one in answer["Metrics"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert len(names) == 62
    for at in range(0, len(names), 15):
        ask(cloud, pi, *({"Metric": name} for name in names[at : at + 15]))
    digests = pi.list_available_resource_metrics(**WHAT, MetricTypes=["db.sql_tokenized.stats"])["Metrics"]
    keys(cloud, pi, "db.sql_tokenized", AdditionalMetrics=[one["Metric"] for one in digests])
    (load,) = pi.list_available_resource_dimensions(**WHAT, Metrics=["db.load"])["MetricDimensions"]
    assert [group["Group"] for group in load["Groups"]] == [
        "db", "db.application", "db.session_type", "db.sql", "db.sql_tokenized", "db.user", "db.wait_event",
        "db.wait_event_type",
    ]  # fmt: skip
    assert pi.get_resource_metadata(**WHAT)["Features"] == {"SQL_DIGEST_STATISTICS": {"Status": "ENABLED"}}
    assert refused(pi.get_resource_metadata, ServiceType="RDS", Identifier="db-OTHER")[0] == "InvalidArgumentException"
    assert refused(pi.list_performance_analysis_reports, **WHAT)[0] == "NotImplemented"


@pytest.fixture
def limited(cloud: Any, pi: Any) -> Any:
    """A client of a user with one policy statement."""
    iam = cloud.client("iam")

    def make(**statement: Any) -> Any:
        name = f"user-{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("pi", key["AccessKeyId"], key["SecretAccessKey"])

    return make


def test_policy(cloud: Any, limited: Any, refused: Any) -> None:
    """A policy names the instance's metrics, and may name the dimensions that are asked for."""
    arn = f"arn:aws:pi:us-east-1:{ACCOUNT}:metrics/rds/{DB}"
    load = {"Metric": "db.load.avg"}
    ask(cloud, limited(Action="pi:GetResourceMetrics", Resource=arn), load)
    code, message = refused(ask, cloud, limited(Action="pi:GetResourceMetrics", Resource=arn + "X"), load)
    assert "AccessDenied" in code or "NotAuthorized" in code
    assert f"pi:GetResourceMetrics on resource: {arn}" in message
    only = {"ForAllValues:StringEquals": {"pi:Dimensions": ["db.user.id", "db.user.name"]}}
    client = limited(Action="pi:*", Resource="*", Condition=only)
    ask(cloud, client, {**load, "GroupBy": {"Group": "db.user"}})
    assert refused(ask, cloud, client, {**load, "GroupBy": {"Group": "db.sql"}})[0]
    assert refused(ask, cloud, client, {**load, "Filter": {"db.sql.id": "x"}})[0]
    answer = client.list_available_resource_dimensions(**WHAT, Metrics=["db.load"], AuthorizedActions=["GetResourceMetrics"])
    assert [group["Group"] for group in answer["MetricDimensions"][0]["Groups"]] == ["db.user"]
