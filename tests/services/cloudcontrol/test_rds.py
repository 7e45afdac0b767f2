"""AWS::RDS: clusters, instances and global clusters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rds.stage import Stage

from .conftest import Control

CLUSTER, INSTANCE, GLOBAL = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance", "AWS::RDS::GlobalCluster"
BASIC = {"Engine": "aurora-postgresql", "MasterUsername": "boss", "MasterUserPassword": "correct-horse"}


@pytest.fixture(autouse=True)
def stage(cloud: Any) -> Stage:
    made = Stage(cloud)
    cloud.inner._databases = made
    return made


def test_cluster(control: Control, cloud: Any, stage: Stage) -> None:
    """A cluster is made with an instance, changed property by property, listed and deleted."""
    wanted = {
        "DBClusterIdentifier": "c",
        "DatabaseName": "shop",
        "Port": 6000,
        "BackupRetentionPeriod": 3,
        "DeletionProtection": False,
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 1, "MaxCapacity": 4},
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    assert control.create(CLUSTER, wanted | BASIC) == "c"
    found = control.read(CLUSTER, "c")
    assert {name: found[name] for name in wanted} == wanted
    assert "MasterUserPassword" not in found
    assert control.create(INSTANCE, {"DBClusterIdentifier": "c", "Engine": "aurora-postgresql", "DBInstanceClass": "db.serverless"})
    role = {"RoleArn": "arn:aws:iam::000000000000:role/r", "FeatureName": "Lambda"}
    found = control.update(
        CLUSTER,
        "c",
        ("replace", "/Port", 6001),
        ("add", "/AssociatedRoles", [role]),
        ("replace", "/Tags/0/Value", "2"),
        ("add", "/EnableHttpEndpoint", True),
    )
    assert (found["Port"], found["AssociatedRoles"], found["Tags"], found["EnableHttpEndpoint"]) == (
        6001,
        [role],
        [{"Key": "a", "Value": "2"}],
        True,
    )
    found = control.update(CLUSTER, "c", ("add", "/ManageMasterUserPassword", True))
    assert "SecretArn" in found["MasterUserSecret"]
    for change, said in ({"/NetworkType": "DUAL"}, "NetworkType DUAL"), ({"/StorageType": "aurora-iopt1"}, "StorageType aurora-iopt1"):
        ((path, value),) = change.items()
        ended = control.ended(control.patch(CLUSTER, "c", ("add", path, value)))
        assert ended["OperationStatus"] == "FAILED"
        assert said in ended["StatusMessage"]
    with pytest.raises(ClientError, match=r"conditionalCreateOnlyProperties .*Engine.* cannot be updated"):
        control.patch(CLUSTER, "c", ("replace", "/Engine", "aurora-mysql"))
    assert control.listed(CLUSTER) == ["c"]
    (name,) = control.listed(INSTANCE)
    control.delete(INSTANCE, name)
    control.delete(CLUSTER, "c")
    assert control.refused(CLUSTER, {"DBClusterIdentifier": "d", **BASIC, "StorageEncrypted": True})[1].endswith("with StorageEncrypted.")


def test_restored(control: Control, cloud: Any, stage: Stage) -> None:
    """A cluster is made of a snapshot, or of another one; what a restore does not take is changed then."""
    control.create(CLUSTER, {"DBClusterIdentifier": "c", **BASIC})
    cloud.client("rds").create_db_cluster_snapshot(DBClusterIdentifier="c", DBClusterSnapshotIdentifier="s")
    cloud.settle()
    control.create(
        CLUSTER,
        {"DBClusterIdentifier": "d", "Engine": "aurora-postgresql", "SnapshotIdentifier": "s", "MasterUserPassword": "battery-staple"},
    )
    passwords = {wanted.arn.rpartition(":")[2]: wanted.password for wanted in stage.wanted.values()}
    assert passwords == {"c": "correct-horse", "d": "battery-staple"}
    copied = {"SourceDBClusterIdentifier": "c", "RestoreType": "copy-on-write", "UseLatestRestorableTime": True}
    control.create(CLUSTER, {"DBClusterIdentifier": "e", **copied})
    assert control.listed(CLUSTER) == ["c", "d", "e"]


def test_instance(control: Control, cloud: Any, stage: Stage) -> None:
    """An instance by itself is made, changed, listed and deleted; a replica is made of it."""
    wanted = {
        "DBInstanceIdentifier": "db",
        "Engine": "postgres",
        "DBInstanceClass": "db.m6g.large",
        "MasterUsername": "boss",
        "AllocatedStorage": "20",
        "Port": "6000",
        "MultiAZ": True,
        "EnablePerformanceInsights": True,
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    assert control.create(INSTANCE, wanted | {"MasterUserPassword": "correct-horse"}) == "db"
    found = control.read(INSTANCE, "db")
    assert {name: found[name] for name in wanted} == wanted
    found = control.update(INSTANCE, "db", ("replace", "/AllocatedStorage", "30"), ("replace", "/MultiAZ", False), ("remove", "/Tags"))
    assert (found["AllocatedStorage"], found["MultiAZ"], "Tags" in found) == ("30", False, False)
    control.create(INSTANCE, {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": "db", "DBInstanceClass": "db.m6g.xlarge"})
    assert control.read(INSTANCE, "db")["ReadReplicaDBInstanceIdentifiers"] == ["copy"]
    control.delete(INSTANCE, "copy")
    control.delete(INSTANCE, "db")


def test_global(control: Control, cloud: Any, stage: Stage) -> None:
    """A global cluster is made around a cluster, protected, listed and deleted."""
    control.create(CLUSTER, {"DBClusterIdentifier": "c", **BASIC})
    assert control.create(GLOBAL, {"GlobalClusterIdentifier": "w", "SourceDBClusterIdentifier": "c"}) == "w"
    found = control.update(GLOBAL, "w", ("add", "/DeletionProtection", True))
    assert (found["DeletionProtection"], found["Engine"]) == (True, "aurora-postgresql")
    assert control.read(CLUSTER, "c")["GlobalClusterIdentifier"] == "w"
    found = control.update(GLOBAL, "w", ("replace", "/DeletionProtection", False), ("add", "/Tags", [{"Key": "a", "Value": "1"}]))
    assert found["Tags"] == [{"Key": "a", "Value": "1"}]
    control.delete(CLUSTER, "c")
    assert control.listed(GLOBAL) == ["w"]
    control.delete(GLOBAL, "w")


def test_monitoring(control: Control, cloud: Any) -> None:
    """Enhanced Monitoring is a property of an instance; without its interval there is none."""
    trust = {"Effect": "Allow", "Principal": {"Service": "monitoring.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = cloud.client("iam").create_role(RoleName="monitoring", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    wanted = {"MonitoringInterval": 30, "MonitoringRoleArn": role}
    control.create(CLUSTER, BASIC | {"DBClusterIdentifier": "c"})
    name = control.create(
        INSTANCE, {"DBClusterIdentifier": "c", "Engine": "aurora-postgresql", "DBInstanceClass": "db.r6g.large", **wanted}
    )
    found = control.read(INSTANCE, name)
    assert {each: found[each] for each in wanted} == wanted
    found = control.update(INSTANCE, name, ("remove", "/MonitoringInterval"), ("remove", "/MonitoringRoleArn"))
    assert (found["MonitoringInterval"], found.get("MonitoringRoleArn")) == (0, None)
