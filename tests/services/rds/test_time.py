"""Snapshots, restores, clones, backtracks, automated backups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fogbank.testing import Cloud

from .conftest import described, instance, member, refused
from .stage import Stage


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def wanted(stage: Stage, rds: Any, name: str) -> Any:
    return stage.wanted[described(rds, name)["DbClusterResourceId"]]


def test_snapshot(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A snapshot is a point of the volume; a copy is the same point, and the last of them lets go of it."""
    aurora(Tags=[{"Key": "team", "Value": "a"}], CopyTagsToSnapshot=True)
    stage.held = True
    made = rds.create_db_cluster_snapshot(DBClusterIdentifier="c", DBClusterSnapshotIdentifier="S1")["DBClusterSnapshot"]
    assert (made["Status"], made["SnapshotType"], made["TagList"]) == ("creating", "manual", [{"Key": "team", "Value": "a"}])
    stage.go()
    found = rds.describe_db_cluster_snapshots(DBClusterIdentifier="c")["DBClusterSnapshots"]
    assert [(s["DBClusterSnapshotIdentifier"], s["Status"], s["PercentProgress"]) for s in found] == [("s1", "available", 100)]
    code, _ = refused(rds.create_db_cluster_snapshot, DBClusterIdentifier="c", DBClusterSnapshotIdentifier="s1")
    assert code == "DBClusterSnapshotAlreadyExistsFault"
    west = cloud.client("rds", region="us-west-2")
    west.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=made["DBClusterSnapshotArn"], TargetDBClusterSnapshotIdentifier="s2", CopyTags=True
    )
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="s1")
    cloud.settle()
    assert len(stage.points) == 1
    copy = west.describe_db_cluster_snapshots()["DBClusterSnapshots"][0]
    assert (copy["SourceDBClusterSnapshotArn"], copy["TagList"]) == (made["DBClusterSnapshotArn"], [{"Key": "team", "Value": "a"}])
    west.restore_db_cluster_from_snapshot(DBClusterIdentifier="d", SnapshotIdentifier="s2", Engine="aurora-postgresql", Port=6000)
    cloud.settle()
    fork = wanted(stage, west, "d").fork
    assert (fork.volume, fork.point in {point for _, point in stage.points}) == (wanted(stage, rds, "c").volume, True)
    assert described(west, "d")["Port"] == 6000
    west.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="s2")
    cloud.settle()
    assert stage.points == {}


def test_shared(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A snapshot that is shared with an account can be copied by it, and by no other."""
    aurora()
    arn = rds.create_db_cluster_snapshot(DBClusterIdentifier="c", DBClusterSnapshotIdentifier="s")["DBClusterSnapshot"][
        "DBClusterSnapshotArn"
    ]
    cloud.settle()
    other = cloud.client("rds", "111111111111", "test")
    copy = {"SourceDBClusterSnapshotIdentifier": arn, "TargetDBClusterSnapshotIdentifier": "mine"}
    assert refused(other.copy_db_cluster_snapshot, **copy)[0] == "DBClusterSnapshotNotFoundFault"
    restore = {"DBClusterIdentifier": "theirs", "SnapshotIdentifier": arn, "Engine": "aurora-postgresql"}
    assert refused(other.restore_db_cluster_from_snapshot, **restore)[0] == "AccessDenied"
    rds.modify_db_cluster_snapshot_attribute(DBClusterSnapshotIdentifier="s", AttributeName="restore", ValuesToAdd=["111111111111"])
    shown = rds.describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier="s")["DBClusterSnapshotAttributesResult"]
    assert shown["DBClusterSnapshotAttributes"] == [{"AttributeName": "restore", "AttributeValues": ["111111111111"]}]
    found = other.describe_db_cluster_snapshots(SnapshotType="shared", IncludeShared=True)["DBClusterSnapshots"]
    assert [each["DBClusterSnapshotArn"] for each in found] == [arn]
    other.restore_db_cluster_from_snapshot(DBClusterIdentifier="theirs", SnapshotIdentifier=arn, Engine="aurora-postgresql")
    cloud.settle()
    assert described(other, "theirs")["Status"] == "available"
    assert refused(other.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=arn)[0] == "AccessDenied"
    other.copy_db_cluster_snapshot(**copy)
    assert len(other.describe_db_cluster_snapshots()["DBClusterSnapshots"]) == 1


def test_clone(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A clone is a fork of a volume as it is now; it has its source's password, and instances of its own."""
    aurora()
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="d", SourceDBClusterIdentifier="c", RestoreType="copy-on-write", UseLatestRestorableTime=True
    )
    member(rds, "d", "d-0")
    cloud.settle()
    one, two = wanted(stage, rds, "c"), wanted(stage, rds, "d")
    assert (two.fork.volume, two.fork.at_ms, two.password, two.writer) == (one.volume, 0, "correct-horse", two.nodes[0].id)
    assert described(rds, "c")["CloneGroupId"] == described(rds, "d")["CloneGroupId"]
    for name in ("c", "d"):
        rds.delete_db_instance(DBInstanceIdentifier=f"{name}-0")
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    cloud.settle()
    assert set(stage.forgotten) == {one.volume, two.volume}


def test_to_a_point_in_time(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A restore is to a second between the earliest and the latest that there is."""
    aurora(BackupRetentionPeriod=1)
    cloud.advance(3600)
    then = cloud.now_ms - 1000 * 1800
    rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", SourceDBClusterIdentifier="c", RestoreToTime=at(then))
    cloud.settle()
    assert wanted(stage, rds, "d").fork.at_ms // 1000 == then // 1000
    for wrong in (cloud.now_ms + 60_000, cloud.now_ms - 7_200_000):
        members = {"DBClusterIdentifier": "e", "SourceDBClusterIdentifier": "c", "RestoreToTime": at(wrong)}
        assert refused(rds.restore_db_cluster_to_point_in_time, **members)[0] == "InvalidParameterValue"
    both = {"RestoreToTime": at(then), "UseLatestRestorableTime": True}
    members = {"DBClusterIdentifier": "e", "SourceDBClusterIdentifier": "c"}
    assert refused(rds.restore_db_cluster_to_point_in_time, **members, **both)[0] == "InvalidParameterCombination"
    cloud.advance(5 * 86400)
    found = described(rds, "c")
    assert (found["LatestRestorableTime"] - found["EarliestRestorableTime"]).total_seconds() == 86400


def test_backtrack(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A backtrack takes a cluster to a fork of its own volume; restores still reach what it left."""
    aurora(BacktrackWindow=7200)
    before = wanted(stage, rds, "c")
    cloud.advance(3600)
    then = (cloud.now_ms // 1000 - 600) * 1000
    left_at = cloud.now_ms
    answer = rds.backtrack_db_cluster(DBClusterIdentifier="c", BacktrackTo=at(then))
    assert answer["Status"] == "APPLYING"
    cloud.settle()
    after = wanted(stage, rds, "c")
    assert (after.fork.volume, after.fork.at_ms) == (before.volume, then)
    assert after.endpoints == before.endpoints
    (shown,) = rds.describe_db_cluster_backtracks(DBClusterIdentifier="c")["DBClusterBacktracks"]
    assert (shown["Status"], shown["BacktrackIdentifier"]) == ("COMPLETED", answer["BacktrackIdentifier"])
    assert described(rds, "c")["Status"] == "available"
    cloud.advance(600)
    rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", SourceDBClusterIdentifier="c", RestoreToTime=at(left_at - 60_000))
    rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="e", SourceDBClusterIdentifier="c", RestoreToTime=at(left_at + 60_000))
    cloud.settle()
    assert (wanted(stage, rds, "d").fork.volume, wanted(stage, rds, "e").fork.volume) == (before.volume, after.volume)
    early = {"DBClusterIdentifier": "c", "BacktrackTo": at(cloud.now_ms - 86_400_000)}
    assert refused(rds.backtrack_db_cluster, **early)[0] == "InvalidParameterValue"
    rds.backtrack_db_cluster(**early, UseEarliestTimeOnPointInTimeUnavailable=True)
    aurora("without", 0)
    code, _ = refused(rds.backtrack_db_cluster, DBClusterIdentifier="without", BacktrackTo=at(then))
    assert code == "InvalidParameterCombination"


def test_by_the_clock(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, plain: Any) -> None:
    """Each day's window leaves an automated snapshot, which is kept for the retention period."""
    aurora(BackupRetentionPeriod=2)
    plain(BackupRetentionPeriod=0)
    for _ in range(5):
        cloud.advance(86400)
    found = rds.describe_db_cluster_snapshots(DBClusterIdentifier="c", SnapshotType="automated")["DBClusterSnapshots"]
    assert len(found) == 3
    assert all(each["DBClusterSnapshotIdentifier"].startswith("rds:c-2") for each in found)
    assert rds.describe_db_snapshots()["DBSnapshots"] == []
    assert refused(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=found[0]["DBClusterSnapshotIdentifier"])[0] == (
        "InvalidDBClusterSnapshotStateFault"
    )
    (backup,) = rds.describe_db_cluster_automated_backups()["DBClusterAutomatedBackups"]
    assert (backup["Status"], backup["DBClusterIdentifier"]) == ("active", "c")
    rds.delete_db_instance(DBInstanceIdentifier="c-0")
    rds.delete_db_cluster(DBClusterIdentifier="c", SkipFinalSnapshot=True)
    cloud.settle()
    assert rds.describe_db_cluster_snapshots()["DBClusterSnapshots"] == []
    assert len(stage.points) == 0
    assert len(stage.forgotten) == 1


def test_of_an_instance(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """A snapshot of an instance is restored to an instance, or to an Aurora cluster of the engine that goes with it."""
    plain(MultiAZ=True)
    arn = rds.create_db_snapshot(DBInstanceIdentifier="db", DBSnapshotIdentifier="s")["DBSnapshot"]["DBSnapshotArn"]
    cloud.settle()
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="again", DBSnapshotIdentifier="s")
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="c", SnapshotIdentifier=arn, Engine="aurora-postgresql")
    cloud.settle()
    found = instance(rds, "again")
    assert (found["DBInstanceStatus"], found["MultiAZ"], found["MasterUsername"]) == ("available", False, "boss")
    assert described(rds, "c")["Status"] == "available"
    assert wanted(stage, rds, "c").fork.point in {point for _, point in stage.points}
    code, _ = refused(rds.restore_db_cluster_from_snapshot, DBClusterIdentifier="d", SnapshotIdentifier=arn, Engine="aurora-mysql")
    assert code == "InvalidParameterCombination"
    assert len(rds.describe_db_snapshots(DBInstanceIdentifier="db")["DBSnapshots"]) == 1
