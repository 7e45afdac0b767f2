"""Enhanced Monitoring: what the operating system says of an instance, in CloudWatch Logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT, allow, instance, refused
from .stage import Stage

TRUST = {"Effect": "Allow", "Principal": {"Service": "monitoring.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


def role(cloud: Cloud, name: str = "monitoring", *, trust: dict[str, Any] = TRUST, policy: str | None = MANAGED) -> str:
    iam = cloud.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy is not None:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return arn


def documents(cloud: Cloud, id: str) -> list[dict[str, Any]]:
    """What is in an instance's stream."""
    logs = cloud.client("logs")
    try:
        found = logs.get_log_events(logGroupName="RDSOSMetrics", logStreamName=id, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"]) for event in found]


def tick(cloud: Cloud, stage: Stage, seconds: float) -> None:
    """Time passes, for the nodes and for the cloud."""
    stage.uptime_s += seconds
    cloud.advance(seconds)


def test_documents(cloud: Cloud, rds: Any, stage: Stage, plain: Callable[..., dict[str, Any]]) -> None:
    """At each interval the instance's stream gets a document of what its processes used since the last one."""
    found = plain(MonitoringInterval=15, MonitoringRoleArn=role(cloud))
    id = found["DbiResourceId"]
    assert (found["MonitoringInterval"], found["MonitoringRoleArn"]) == (15, f"arn:aws:iam::{ACCOUNT}:role/monitoring")
    assert found["EnhancedMonitoringResourceArn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:RDSOSMetrics:log-stream:{id}"
    for _ in range(5):
        tick(cloud, stage, 15)
    held = documents(cloud, id)
    assert len(held) == 4
    last = held[-1]
    assert (last["engine"], last["instanceID"], last["instanceResourceID"]) == ("POSTGRES", "db", id)
    assert (last["version"], last["numVCPUs"], last["uptime"]) == (1, 2, "00:02:55")
    assert last["cpuUtilization"] == {
        "user": 15.0, "system": 10.0, "steal": 25.0, "wait": 5.0, "idle": 45.0, "total": 55.0, "irq": 0.0, "nice": 0.0, "guest": 0.0,
    }  # fmt: skip
    assert last["loadAverageMinute"] == {"one": 1.0, "five": 0.5, "fifteen": 0.25}
    assert last["memory"] == {"total": 8 << 20, "free": 1 << 20}
    assert last["tasks"] == {"running": 1, "sleeping": 1, "blocked": 0, "stopped": 0, "zombie": 0, "total": 2}
    assert last["diskIO"] == [{"device": "rdsdev", "readKb": 0, "readKbPS": 0.0, "writeKb": 60, "writeKbPS": 4.0}]
    assert last["fileSys"][0]["usedPercent"] == 25.0
    assert [(one["name"], one["cpuUsedPc"], one["parentID"]) for one in last["processList"]] == [
        ("postgres: boss shop [local] SELECT", 20.0, 11),
        ("postgres", 5.0, 1),
    ]
    group = cloud.client("logs").describe_log_groups(logGroupNamePrefix="RDSOSMetrics")["logGroups"][0]
    assert group["retentionInDays"] == 30


def test_it_is_changed_and_ended(cloud: Cloud, rds: Any, stage: Stage, aurora: Callable[..., dict[str, Any]]) -> None:
    """Another interval counts from now on; with 0 there are no more documents, and the stream's ARN stays."""
    aurora()
    arn = role(cloud)
    rds.modify_db_instance(DBInstanceIdentifier="c-0", MonitoringInterval=60, MonitoringRoleArn=arn)
    cloud.settle()
    id = instance(rds, "c-0")["DbiResourceId"]
    for _ in range(2):
        tick(cloud, stage, 60)
    assert len(documents(cloud, id)) == 2
    rds.modify_db_instance(DBInstanceIdentifier="c-0", MonitoringInterval=1)
    cloud.settle()
    for _ in range(5):
        tick(cloud, stage, 1)
    assert len(documents(cloud, id)) == 7
    assert documents(cloud, id)[-1]["engine"] == "AURORA_POSTGRESQL"
    told = rds.describe_events(SourceType="db-instance", SourceIdentifier="c-0", Duration=60)["Events"]
    assert [one["Message"] for one in told if "onitoring" in one["Message"]] == [
        "Monitoring Interval changed to 60",
        "Monitoring Interval changed to 1",
    ]
    rds.modify_db_instance(DBInstanceIdentifier="c-0", MonitoringInterval=0)
    for _ in range(3):
        tick(cloud, stage, 60)
    assert len(documents(cloud, id)) == 7
    found = instance(rds, "c-0")
    assert (found["MonitoringInterval"], found.get("MonitoringRoleArn")) == (0, None)
    assert found["EnhancedMonitoringResourceArn"].endswith(f":log-stream:{id}")


def test_the_role(cloud: Cloud, rds: Any, stage: Stage, plain: Callable[..., dict[str, Any]]) -> None:
    """The role must trust Enhanced Monitoring; one that may not write gives nothing until it may."""
    name = {"DBInstanceIdentifier": "db"}
    plain()
    code, message = refused(rds.modify_db_instance, **name, MonitoringInterval=5)
    assert (code, message) == (
        "InvalidParameterCombination",
        "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.",
    )
    other = role(cloud, "other", trust={**TRUST, "Principal": {"Service": "rds.amazonaws.com"}})
    code, message = refused(rds.modify_db_instance, **name, MonitoringInterval=5, MonitoringRoleArn=other)
    assert (code, message.rpartition(": ")[2]) == ("InvalidParameterValue", "ENHANCED_MONITORING")
    assert refused(rds.modify_db_instance, **name, MonitoringInterval=0, MonitoringRoleArn=other)[0] == "InvalidParameterCombination"
    assert refused(rds.modify_db_instance, **name, MonitoringInterval=7, MonitoringRoleArn=other)[0] == "InvalidParameterValue"
    rds.modify_db_instance(**name, MonitoringInterval=5, MonitoringRoleArn=role(cloud, policy=None))
    cloud.settle()
    id = instance(rds, "db")["DbiResourceId"]
    for _ in range(3):
        tick(cloud, stage, 5)
    assert documents(cloud, id) == []
    cloud.client("iam").attach_role_policy(RoleName="monitoring", PolicyArn=MANAGED)
    tick(cloud, stage, 5)
    assert len(documents(cloud, id)) == 1


def test_who_may_pass_it(cloud: Cloud, rds: Any, user: Callable[..., Any], plain: Callable[..., dict[str, Any]]) -> None:
    """Who turns it on must be allowed to pass the role to it."""
    plain()
    arn = role(cloud)
    asked = {"DBInstanceIdentifier": "db", "MonitoringInterval": 5, "MonitoringRoleArn": arn}
    passing = {"StringEquals": {"iam:PassedToService": "monitoring.rds.amazonaws.com"}}
    for name, more, may in (("no", [], False), ("yes", [allow("iam:PassRole", arn, Condition=passing)], True)):
        client = user(name, allow("rds:ModifyDBInstance"), *more)("rds")
        if may:
            client.modify_db_instance(**asked)
        else:
            assert refused(client.modify_db_instance, **asked)[0] == "AccessDenied"


@pytest.mark.parametrize("stopped", [True, False])
def test_only_while_it_runs(cloud: Cloud, rds: Any, stage: Stage, plain: Callable[..., dict[str, Any]], stopped: bool) -> None:
    """An instance that is stopped tells nothing, and goes on when it is started; one that is deleted is forgotten."""
    id = plain(MonitoringInterval=5, MonitoringRoleArn=role(cloud))["DbiResourceId"]
    for _ in range(3):
        tick(cloud, stage, 5)
    assert len(documents(cloud, id)) == 2
    if not stopped:
        rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
        cloud.settle()
    else:
        rds.stop_db_instance(DBInstanceIdentifier="db")
        cloud.settle()
    for _ in range(3):
        tick(cloud, stage, 5)
    assert len(documents(cloud, id)) == 2
    if stopped:
        rds.start_db_instance(DBInstanceIdentifier="db")
        stage.uptime_s = 1.0
        for _ in range(3):
            tick(cloud, stage, 5)
        assert len(documents(cloud, id)) > 2
