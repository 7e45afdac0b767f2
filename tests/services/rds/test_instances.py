"""Instances that are by themselves: PostgreSQL, MySQL and MariaDB; their standbys and their replicas."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import instance, refused
from .stage import Stage

BASIC = {
    "Engine": "postgres",
    "DBInstanceClass": "db.m6g.large",
    "MasterUsername": "boss",
    "MasterUserPassword": "correct-horse",
    "AllocatedStorage": 20,
}


def wanted(stage: Stage, rds: Any, name: str) -> Any:
    """What the engines were last told of an instance."""
    id = instance(rds, name)["DbiResourceId"]
    return next(each for each in stage.wanted.values() if any(id == n.id for n in each.nodes) or each.arn.endswith(f":db:{name}"))


def test_created(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """An instance by itself is a cluster of one that no cluster operation sees."""
    found = plain("DB", DBName="shop", Port=6543)
    assert (found["DBInstanceIdentifier"], found["DBInstanceStatus"], found["DBName"]) == ("db", "available", "shop")
    assert found["Endpoint"]["Port"] == 6543
    assert (found["MultiAZ"], found["StorageEncrypted"], found["AllocatedStorage"]) == (False, False, 20)
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert refused(rds.describe_db_clusters, DBClusterIdentifier="db")[0] == "DBClusterNotFoundFault"
    one = wanted(stage, rds, "db")
    assert (one.user, one.password, one.database, [e.kind for e in one.endpoints]) == ("boss", "correct-horse", "shop", ["writer"])


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"AllocatedStorage": 5}, "InvalidParameterValue"),
        ({"StorageType": "floppy"}, "InvalidParameterValue"),
        ({"MultiAZ": True, "AvailabilityZone": "us-east-1a"}, "InvalidParameterCombination"),
        ({"Engine": "oracle-ee"}, "NotImplemented"),
        ({"Engine": "sqlserver-ex"}, "NotImplemented"),
        ({"Engine": "aurora-postgresql"}, "InvalidParameterCombination"),
        ({"PromotionTier": 3}, "InvalidParameterCombination"),
        ({"Domain": "d-1"}, "NotImplemented"),
        ({"MaxAllocatedStorage": 100}, "NotImplemented"),
        ({"ManageMasterUserPassword": True}, "InvalidParameterCombination"),
        ({"DBInstanceIdentifier": "db"}, "DBInstanceAlreadyExists"),
    ],
)
def test_refused(rds: Any, plain: Any, members: dict[str, Any], code: str) -> None:
    """What is wrong, or cannot be had, is refused by name."""
    plain()
    assert refused(rds.create_db_instance, **{"DBInstanceIdentifier": "other", **BASIC, **members})[0] == code


def test_standby(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """A Multi-AZ instance has a hidden node in another zone, which takes over when it is rebooted with a failover."""
    found = plain(MultiAZ=True)
    assert found["MultiAZ"]
    assert found["AvailabilityZone"] != found["SecondaryAvailabilityZone"]
    one = wanted(stage, rds, "db")
    assert [node.hidden for node in one.nodes] == [False, True]
    rds.reboot_db_instance(DBInstanceIdentifier="db", ForceFailover=True)
    cloud.settle()
    after = instance(rds, "db")
    assert (after["AvailabilityZone"], after["DbiResourceId"]) == (found["SecondaryAvailabilityZone"], found["DbiResourceId"])
    two = wanted(stage, rds, "db")
    assert (two.writer, [node.id for node in two.nodes]) == (one.nodes[1].id, [one.nodes[1].id, one.nodes[0].id])
    rds.modify_db_instance(DBInstanceIdentifier="db", MultiAZ=False, ApplyImmediately=True)
    cloud.settle()
    assert len(wanted(stage, rds, "db").nodes) == 1
    assert refused(rds.reboot_db_instance, DBInstanceIdentifier="db", ForceFailover=True)[0] == "InvalidParameterCombination"


def test_modified(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """Changes reach the engines at once, or in the maintenance window; storage does not shrink."""
    plain()
    answer = rds.modify_db_instance(DBInstanceIdentifier="db", AllocatedStorage=40, MasterUserPassword="battery-staple", DBPortNumber=7000)
    assert answer["DBInstance"]["PendingModifiedValues"] == {"AllocatedStorage": 40}
    cloud.settle()
    one = wanted(stage, rds, "db")
    assert (one.password, one.endpoints[0].port) == ("battery-staple", 7000)
    assert instance(rds, "db")["AllocatedStorage"] == 20
    cloud.advance(8 * 86400)
    assert instance(rds, "db")["AllocatedStorage"] == 40
    assert refused(rds.modify_db_instance, DBInstanceIdentifier="db", AllocatedStorage=30)[0] == "InvalidParameterValue"
    rds.modify_db_instance(DBInstanceIdentifier="db", NewDBInstanceIdentifier="New", ApplyImmediately=True)
    cloud.settle()
    assert instance(rds, "new")["DBInstanceStatus"] == "available"
    assert wanted(stage, rds, "new").arn.endswith(":db:new")


def test_stopped(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """An instance stops, with a snapshot where one is named, and is started by the clock after seven days."""
    plain()
    rds.stop_db_instance(DBInstanceIdentifier="db", DBSnapshotIdentifier="before")
    cloud.settle()
    assert instance(rds, "db")["DBInstanceStatus"] == "stopped"
    assert rds.describe_db_snapshots(DBSnapshotIdentifier="before")["DBSnapshots"][0]["Status"] == "available"
    assert refused(rds.reboot_db_instance, DBInstanceIdentifier="db")[0] == "InvalidDBInstanceState"
    rds.start_db_instance(DBInstanceIdentifier="db")
    cloud.settle()
    assert instance(rds, "db")["DBInstanceStatus"] == "available"
    rds.stop_db_instance(DBInstanceIdentifier="db")
    cloud.settle()
    cloud.advance(8 * 86400)
    assert instance(rds, "db")["DBInstanceStatus"] == "available"


def test_replica(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """A read replica repeats its source's volume, and goes on by itself when it is promoted."""
    plain("source")
    rds.create_db_instance_read_replica(DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="source")
    cloud.settle()
    copy = instance(rds, "copy")
    assert (copy["ReadReplicaSourceDBInstanceIdentifier"], copy["DBInstanceStatus"]) == ("source", "available")
    assert instance(rds, "source")["ReadReplicaDBInstanceIdentifiers"] == ["copy"]
    one, source = wanted(stage, rds, "copy"), wanted(stage, rds, "source")
    assert (one.follows, one.writer, one.endpoints[0].kind) == (source.volume, "", "node")
    assert refused(rds.create_db_snapshot, DBInstanceIdentifier="copy", DBSnapshotIdentifier="s")[0] == "InvalidDBInstanceState"
    rds.promote_read_replica(DBInstanceIdentifier="copy", BackupRetentionPeriod=3)
    cloud.settle()
    two = wanted(stage, rds, "copy")
    assert (two.follows, two.fork.volume, two.writer) == ("", one.volume, copy["DbiResourceId"])
    assert two.volume != one.volume
    assert "ReadReplicaSourceDBInstanceIdentifier" not in instance(rds, "copy")
    assert stage.forgotten == [one.volume]


def test_replica_elsewhere(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """A replica in another region names its source by ARN; when the source is deleted it goes on by itself."""
    source = plain("source")
    west = cloud.client("rds", region="us-west-2")
    west.create_db_instance_read_replica(DBInstanceIdentifier="copy", SourceDBInstanceIdentifier=source["DBInstanceArn"])
    cloud.settle()
    assert instance(west, "copy")["ReadReplicaSourceDBInstanceIdentifier"] == source["DBInstanceArn"]
    assert instance(west, "copy")["AvailabilityZone"].startswith("us-west-2")
    rds.delete_db_instance(DBInstanceIdentifier="source", SkipFinalSnapshot=True)
    cloud.settle()
    assert rds.describe_db_instances()["DBInstances"] == []
    found = instance(west, "copy")
    assert ("ReadReplicaSourceDBInstanceIdentifier" in found, found["DBInstanceStatus"]) == (False, "available")


def test_deleted(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """An instance is deleted with a last snapshot, or without one; its backups go with it unless they are to be kept."""
    found = plain()
    assert refused(rds.delete_db_instance, DBInstanceIdentifier="db")[0] == "InvalidParameterCombination"
    rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    cloud.settle()
    assert rds.describe_db_instances()["DBInstances"] == []
    (kept,) = rds.describe_db_instance_automated_backups(DbiResourceId=found["DbiResourceId"])["DBInstanceAutomatedBackups"]
    assert (kept["Status"], kept["DBInstanceIdentifier"], stage.forgotten) == ("retained", "db", [])
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=found["DbiResourceId"], TargetDBInstanceIdentifier="again", UseLatestRestorableTime=True
    )
    cloud.settle()
    assert instance(rds, "again")["DBInstanceStatus"] == "available"
    cloud.advance(2 * 86400)
    assert len(stage.forgotten) == 1
    assert (
        refused(rds.describe_db_instance_automated_backups, DbiResourceId=found["DbiResourceId"])[0] == "DBInstanceAutomatedBackupNotFound"
    )
