"""Logs of engines in CloudWatch Logs."""

from __future__ import annotations

from typing import Any

from fogbank.testing import Cloud

from .conftest import described, refused
from .stage import Stage


def test_shipped(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """Each minute the new whole lines of a log are put into the instance's stream, once."""
    aurora(instances=1, EnableCloudwatchLogsExports=["postgresql"])
    stage.log = b"LOG: one\nLOG: two\nLOG: thr"
    cloud.advance(60)
    stage.log += b"ee\n"
    cloud.advance(60)
    cloud.advance(60)
    group = "/aws/rds/cluster/c/postgresql"
    found = cloud.client("logs").get_log_events(logGroupName=group, logStreamName="c-0", startFromHead=True)["events"]
    assert [event["message"] for event in found] == ["LOG: one", "LOG: two", "LOG: three"]
    rds.modify_db_cluster(DBClusterIdentifier="c", CloudwatchLogsExportConfiguration={"DisableLogTypes": ["postgresql"]})
    cloud.settle()
    assert "EnabledCloudwatchLogsExports" not in described(rds, "c")
    wrong = {"DBClusterIdentifier": "c", "CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["slowquery"]}}
    assert refused(rds.modify_db_cluster, **wrong)[0] == "InvalidParameterValue"
    wrong = {"DBClusterIdentifier": "c", "CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["instance"]}}
    assert refused(rds.modify_db_cluster, **wrong)[0] == "NotImplemented"
