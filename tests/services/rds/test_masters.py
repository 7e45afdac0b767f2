"""EngineMode multimaster, as a user sees it: boto3 and psycopg against real engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg import errors

from fogbank.testing.cloud import Cloud, House

MODE = {"Engine": "aurora-postgresql", "EngineMode": "multimaster", "DBClusterIdentifier": "bank"}
USER = {"MasterUsername": "boss", "MasterUserPassword": "secret12345", "DatabaseName": "app"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    house = House()
    cloud = house.cloud()
    rds = cloud.client("rds")
    rds.create_db_cluster(**MODE, **USER)
    cloud.settle(180)  # (it has no instance yet)
    for name in ("bank-1", "bank-2"):
        member(rds, name)
    while {one["DBInstanceStatus"] for one in rds.describe_db_instances()["DBInstances"]} != {"available"}:
        cloud.settle(180)
    with connect(cloud, "bank-1") as one:
        one.execute("create table account (id int primary key, balance int)")
        one.execute("insert into account values (1, 100), (2, 100)")
    yield cloud
    house.close()


def member(rds: Any, name: str) -> Any:
    return rds.create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier="bank", Engine="aurora-postgresql", DBInstanceClass="db.r6g.large"
    )


def connect(cloud: Cloud, name: str) -> Any:
    found = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["Endpoint"]
    return psycopg.connect(
        host=found["Address"], port=found["Port"], user="boss", password="secret12345", dbname="app", autocommit=True, connect_timeout=30
    )


def test_two_writers(cloud: Cloud) -> None:
    """Both instances are the cluster's writers; the cluster's endpoint leads to one of them; there is no reader endpoint."""
    found = cloud.client("rds").describe_db_clusters()["DBClusters"][0]
    assert found["EngineMode"] == "multimaster"
    assert [one["IsClusterWriter"] for one in found["DBClusterMembers"]] == [True, True]
    assert "ReaderEndpoint" not in found
    version = cloud.client("rds").describe_db_engine_versions(Engine="aurora-postgresql", EngineVersion=found["EngineVersion"])
    assert "multimaster" in version["DBEngineVersions"][0]["SupportedEngineModes"]
    with psycopg.connect(host=found["Endpoint"], port=found["Port"], user="boss", password="secret12345", dbname="app") as any_of_them:
        assert any_of_them.execute("select count(*) from account").fetchone() == (2,)


def test_a_row_that_the_other_has_changed(cloud: Cloud) -> None:
    """The second writer's update of a row fails at once while the first has it uncommitted, and succeeds when it is tried again after."""
    with connect(cloud, "bank-1") as one, connect(cloud, "bank-2") as two:
        with one.transaction():
            one.execute("update account set balance = balance - 10 where id = 1")
            with pytest.raises(errors.SerializationFailure):
                two.execute("update account set balance = balance - 10 where id = 1")
        two.execute("update account set balance = balance - 10 where id = 1")
        assert one.execute("select balance from account where id = 1").fetchone() == (80,)


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_db_cluster_snapshot", {"DBClusterSnapshotIdentifier": "s", "DBClusterIdentifier": "bank"}),
        (
            "restore_db_cluster_to_point_in_time",
            {
                "DBClusterIdentifier": "clone",
                "SourceDBClusterIdentifier": "bank",
                "RestoreType": "copy-on-write",
                "UseLatestRestorableTime": True,
            },
        ),
        ("create_global_cluster", {"GlobalClusterIdentifier": "world", "SourceDBClusterIdentifier": "bank"}),
        ("modify_db_cluster", {"DBClusterIdentifier": "bank", "ServerlessV2ScalingConfiguration": {"MinCapacity": 1, "MaxCapacity": 2}}),
        (
            "create_db_cluster_endpoint",
            {"DBClusterIdentifier": "bank", "DBClusterEndpointIdentifier": "some", "EndpointType": "ANY"},
        ),
        ("create_db_cluster", {**MODE, **USER, "DBClusterIdentifier": "other", "Engine": "aurora-mysql"}),
        ("create_db_cluster", {**MODE, **USER, "DBClusterIdentifier": "other", "BacktrackWindow": 3600}),
        ("delete_db_cluster", {"DBClusterIdentifier": "bank", "FinalDBSnapshotIdentifier": "last"}),
    ],
)
def test_what_it_does_not_have(cloud: Cloud, operation: str, members: dict[str, Any]) -> None:
    """What cannot be had with two writers is refused by name."""
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client("rds"), operation)(**members)
    if operation == "delete_db_cluster":  # (it has instances)
        assert refused.value.response["Error"]["Code"] == "InvalidDBClusterStateFault"
    else:
        assert refused.value.response["Error"]["Code"] == "NotImplemented", refused.value
        assert "multi" in str(refused.value) or "Serverless" in str(refused.value)


def test_neither_a_third_instance_nor_a_failover(cloud: Cloud) -> None:
    """There are two instances at most, and none that only reads."""
    rds = cloud.client("rds")
    with pytest.raises(ClientError, match="at most 2 DB instances"):
        member(rds, "bank-3")
    with pytest.raises(ClientError, match="no reader to fail over to"):
        rds.failover_db_cluster(DBClusterIdentifier="bank")


def test_a_reboot_and_an_instance_less(cloud: Cloud) -> None:
    """While one writer is rebooted, or is deleted, the other writes; what it wrote is there when the first is back."""
    rds = cloud.client("rds")
    rds.reboot_db_instance(DBInstanceIdentifier="bank-1")
    with connect(cloud, "bank-2") as two:
        two.execute("update account set balance = 7 where id = 2")
    while rds.describe_db_instances(DBInstanceIdentifier="bank-1")["DBInstances"][0]["DBInstanceStatus"] != "available":
        cloud.settle(180)
    with connect(cloud, "bank-1") as one:
        assert one.execute("select balance from account where id = 2").fetchone() == (7,)
        one.execute("update account set balance = 8 where id = 2")
    rds.delete_db_instance(DBInstanceIdentifier="bank-1", SkipFinalSnapshot=True)
    while len(rds.describe_db_instances()["DBInstances"]) > 1:
        cloud.settle(180)
    with connect(cloud, "bank-2") as two:
        assert two.execute("update account set balance = balance + 1 where id = 2 returning balance").fetchone() == (9,)
