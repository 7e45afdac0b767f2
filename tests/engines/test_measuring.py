"""What is measured of real engines: by the operating system, and by what they count themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.testing.cloud import Cloud, House

from .house import need_mariadb

SECRET = "secret12345"
TRUST = {"Effect": "Allow", "Principal": {"Service": "monitoring.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    house = House()
    made = house.cloud()
    iam = made.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    iam.create_role(RoleName="monitoring", AssumeRolePolicyDocument=document)
    iam.attach_role_policy(RoleName="monitoring", PolicyArn=POLICY)
    yield made
    house.close()


def make(cloud: Cloud, engine: str) -> dict[str, Any]:
    """A cluster of that engine with one instance, which is monitored each second."""
    rds, name = cloud.client("rds"), engine[7:]
    of = {"Engine": engine, "DBClusterIdentifier": name}
    rds.create_db_cluster(**of, MasterUsername="boss", MasterUserPassword=SECRET, DatabaseName="shop")
    monitoring = {"MonitoringInterval": 1, "MonitoringRoleArn": "arn:aws:iam::000000000000:role/monitoring"}
    rds.create_db_instance(**of, DBInstanceIdentifier=f"{name}-1", DBInstanceClass="db.r6g.large", **monitoring)
    while rds.describe_db_instances(DBInstanceIdentifier=f"{name}-1")["DBInstances"][0]["DBInstanceStatus"] != "available":
        cloud.settle(60)
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=f"{name}-1")["DBInstances"][0]
    return found


def documents(cloud: Cloud, id: str) -> list[dict[str, Any]]:
    events = cloud.client("logs").get_log_events(logGroupName="RDSOSMetrics", logStreamName=id, startFromHead=True)["events"]
    return [json.loads(event["message"]) for event in events]


def newest(cloud: Cloud, instance: str, metric: str) -> float:
    """A metric's last value."""
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName=metric,
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": instance}],
        StartTime=cloud.now_ms / 1000 - 3600,
        EndTime=cloud.now_ms / 1000 + 60,
        Period=60,
        Statistics=["Average"],
    )["Datapoints"]
    return float(max(found, key=lambda point: point["Timestamp"])["Average"])


def test_postgres(cloud: Cloud) -> None:
    """A backend that is at work is seen at work; what it wrote and committed is counted."""
    found = make(cloud, "aurora-postgresql")
    cloud.advance(60)
    with psycopg.connect(
        host=found["Endpoint"]["Address"], port=5432, user="boss", password=SECRET, dbname="shop", autocommit=True
    ) as boss:
        boss.execute("create table sale as select n, repeat('x', 1000) as t from generate_series(1, 20000) n")
        for _ in range(50):
            boss.execute("update sale set t = 'y' where n = 1")
        boss.execute("checkpoint")
        boss.execute("select sum(sqrt(n)) from generate_series(1, 3000000) n")
        cloud.advance(60)
        last = documents(cloud, found["DbiResourceId"])[-1]
        assert last["cpuUtilization"]["user"] > 0
        assert last["cpuUtilization"]["total"] == pytest.approx(100 - last["cpuUtilization"]["idle"], abs=0.02)
        programs = {one["name"]: one for one in last["processList"]}
        assert programs["postgres: boss shop [local]"]["cpuUsedPc"] > 0
        assert programs["postgres"]["id"] == programs["postgres: boss shop [local]"]["parentID"]
        assert last["tasks"]["total"] == len(last["processList"]) > 5
        assert last["memory"]["total"] > last["memory"]["free"] > 0
        assert last["fileSys"][0]["used"] > 0
    for metric in ("CPUUtilization", "FreeableMemory", "FreeLocalStorage", "EngineUptime", "WriteIOPS", "MaximumUsedTransactionIDs"):
        assert newest(cloud, "postgresql-1", metric) > 0, metric
    assert 0 < newest(cloud, "postgresql-1", "BufferCacheHitRatio") <= 100
    assert newest(cloud, "postgresql-1", "CommitThroughput") > 0
    cloud.advance(60)
    assert newest(cloud, "postgresql-1", "Deadlocks") == 0


def test_mariadb(cloud: Cloud) -> None:
    """Threads of the server are listed; statements are counted by what they do."""
    need_mariadb()
    found = make(cloud, "aurora-mysql")
    cloud.advance(60)
    with (
        pymysql.connect(
            host=found["Endpoint"]["Address"], port=3306, user="boss", password=SECRET, database="shop", autocommit=True
        ) as boss,
        boss.cursor() as cursor,
    ):
        cursor.execute("create table sale (n int primary key, t text)")
        for n in range(50):
            cursor.execute("insert into sale values (%s, 'x')", [n])
        cursor.execute("select benchmark(2000000, md5('x'))")  # (processors are told in hundredths of a second)
        cloud.advance(60)
    last = documents(cloud, found["DbiResourceId"])[-1]
    assert len({one["tgid"] for one in last["processList"]}) == 1 < len(last["processList"])
    for metric in ("CPUUtilization", "InsertThroughput", "DMLThroughput", "CommitThroughput", "Queries"):
        assert newest(cloud, "mysql-1", metric) > 0, metric
    assert newest(cloud, "mysql-1", "DeleteThroughput") == 0
