"""Aurora clusters and their instances."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.services.rds import counters
from fogbank.testing import Cloud

from .conftest import described, instance, member, points, refused
from .stage import Stage

BASIC = {"Engine": "aurora-postgresql", "MasterUsername": "boss", "MasterUserPassword": "correct-horse"}


def test_created(cloud: Cloud, rds: Any, stage: Stage) -> None:
    """A cluster and its instances become available, the first one writes, and the engines were told so."""
    stage.held = True
    answer = rds.create_db_cluster(DBClusterIdentifier="C1", DatabaseName="shop", **BASIC)["DBCluster"]
    assert (answer["DBClusterIdentifier"], answer["Status"], answer["DatabaseName"]) == ("c1", "creating", "shop")
    assert answer["DBClusterArn"] == "arn:aws:rds:us-east-1:000000000000:cluster:c1"
    assert len(answer["DbClusterResourceId"]) == len("cluster-") + 26
    for number in range(3):
        member(rds, "c1", f"i{number}")
    stage.go()
    found = described(rds, "c1")
    assert (found["Status"], found["MultiAZ"], found["Port"]) == ("available", True, 5432)
    writers = [(m["DBInstanceIdentifier"], m["IsClusterWriter"]) for m in found["DBClusterMembers"]]
    assert writers == [("i0", True), ("i1", False), ("i2", False)]
    instances = [instance(rds, f"i{number}") for number in range(3)]
    assert {i["DBInstanceStatus"] for i in instances} == {"available"}
    assert {i["AvailabilityZone"] for i in instances} == {"us-east-1a", "us-east-1b", "us-east-1c"}
    addresses = {found["Endpoint"], found["ReaderEndpoint"], *(i["Endpoint"]["Address"] for i in instances)}
    assert len(addresses) == 5
    (wanted,) = stage.wanted.values()
    assert (wanted.user, wanted.password, wanted.database, wanted.engine) == ("boss", "correct-horse", "shop", "postgres")
    assert wanted.writer == instances[0]["DbiResourceId"]
    assert [e.kind for e in wanted.endpoints] == ["writer", "reader", "node", "node", "node"]
    assert wanted.id == answer["DbClusterResourceId"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"DBClusterIdentifier": "c"}, "DBClusterAlreadyExistsFault"),
        ({"DBClusterIdentifier": "1c"}, "InvalidParameterValue"),
        ({"DBClusterIdentifier": "a--b"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "short"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "with@sign!"}, "InvalidParameterValue"),
        ({"MasterUsername": "rdsadmin"}, "InvalidParameterValue"),
        ({"Port": 80}, "InvalidParameterValue"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
        ({"PreferredBackupWindow": "04:00-04:10"}, "InvalidParameterValue"),
        ({"PreferredBackupWindow": "04:00-05:00", "PreferredMaintenanceWindow": "mon:04:30-mon:05:30"}, "InvalidParameterValue"),
        ({"AvailabilityZones": ["us-east-1z"]}, "InvalidParameterValue"),
        ({"DBSubnetGroupName": "nowhere"}, "DBSubnetGroupNotFoundFault"),
        ({"DBClusterParameterGroupName": "nowhere"}, "DBClusterParameterGroupNotFound"),
        ({"EngineVersion": "9.6"}, "InvalidParameterCombination"),
        ({"StorageEncrypted": True}, "NotImplemented"),
        ({"KmsKeyId": "alias/x"}, "NotImplemented"),
        ({"EngineMode": "serverless"}, "NotImplemented"),
        ({"DBClusterInstanceClass": "db.m6gd.large"}, "NotImplemented"),
        ({"Engine": "neptune"}, "NotImplemented"),
        ({"Engine": "sqlite"}, "InvalidParameterValue"),
        ({"ServerlessV2ScalingConfiguration": {"MinCapacity": 4, "MaxCapacity": 2}}, "InvalidParameterCombination"),
        ({"GlobalClusterIdentifier": "world"}, "GlobalClusterNotFoundFault"),
    ],
)
def test_refused(rds: Any, aurora: Any, members: dict[str, Any], code: str) -> None:
    """What is wrong, or cannot be had, is refused by name."""
    aurora("c", 0)
    found, message = refused(rds.create_db_cluster, **{"DBClusterIdentifier": "other", **BASIC, **members})
    assert found == code
    if code == "NotImplemented":
        assert next(iter(members)) in message


def test_members(cloud: Cloud, rds: Any, aurora: Any) -> None:
    """A member has what its cluster has: it cannot say otherwise; and there are at most 15 readers."""
    aurora("c", 1)
    assert refused(member, rds=rds, cluster="c", name="x", MasterUsername="me")[0] == "InvalidParameterCombination"
    assert refused(member, rds=rds, cluster="c", name="x", Engine="aurora-mysql")[0] == "InvalidParameterCombination"
    assert refused(member, rds=rds, cluster="c", name="c-0")[0] == "DBInstanceAlreadyExists"
    assert refused(member, rds=rds, cluster="none", name="x")[0] == "DBClusterNotFoundFault"
    assert refused(member, rds=rds, cluster="c", name="x", DBInstanceClass="db.z9.tiny")[0] == "InvalidParameterValue"
    assert refused(member, rds=rds, cluster="c", name="x", DBInstanceClass="db.serverless")[0] == "InvalidParameterCombination"
    for number in range(1, 16):
        member(rds, "c", f"c-{number}")
    assert refused(member, rds=rds, cluster="c", name="x")[0] == "InstanceQuotaExceeded"
    cloud.settle()
    zones = [instance(rds, f"c-{number}")["AvailabilityZone"][-1] for number in range(15)]
    assert {zone: zones.count(zone) for zone in "abc"} == {"a": 5, "b": 5, "c": 5}


def test_failover(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A failover promotes the named reader, or the one of the first promotion tier."""
    aurora(instances=3)
    rds.modify_db_instance(DBInstanceIdentifier="c-2", PromotionTier=0, ApplyImmediately=True)
    cloud.settle()
    assert rds.failover_db_cluster(DBClusterIdentifier="c")["DBCluster"]["Status"] == "failing-over"
    cloud.settle()
    writers = [m["DBInstanceIdentifier"] for m in described(rds, "c")["DBClusterMembers"] if m["IsClusterWriter"]]
    assert writers == ["c-2"]
    rds.failover_db_cluster(DBClusterIdentifier="c", TargetDBInstanceIdentifier="C-1")
    cloud.settle()
    assert next(iter(stage.wanted.values())).writer == instance(rds, "c-1")["DbiResourceId"]
    code, _ = refused(rds.failover_db_cluster, DBClusterIdentifier="c", TargetDBInstanceIdentifier="c-1")
    assert code == "InvalidDBClusterStateFault"


def test_modified(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A change reaches the engines: port, password, parameters of the cluster; and a new name keeps everything else."""
    before = aurora(instances=1)
    answer = rds.modify_db_cluster(DBClusterIdentifier="c", MasterUserPassword="battery-staple", Port=6000, ApplyImmediately=True)
    assert answer["DBCluster"]["Status"] == "resetting-master-credentials"
    cloud.settle()
    (wanted,) = stage.wanted.values()
    assert (wanted.password, {e.port for e in wanted.endpoints}) == ("battery-staple", {6000})
    assert described(rds, "c")["Status"] == "available"
    rds.modify_db_cluster(DBClusterIdentifier="c", NewDBClusterIdentifier="D", DeletionProtection=True, ApplyImmediately=True)
    cloud.settle()
    found = described(rds, "d")
    assert (found["DbClusterResourceId"], found["Endpoint"]) == (before["DbClusterResourceId"], before["Endpoint"])
    assert refused(described, rds=rds, name="c")[0] == "DBClusterNotFoundFault"
    assert instance(rds, "c-0")["DBClusterIdentifier"] == "d"
    assert refused(rds.delete_db_cluster, DBClusterIdentifier="d", SkipFinalSnapshot=True)[0] == "InvalidParameterCombination"


def test_waits_for_maintenance(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """What interrupts waits for the maintenance window, unless it is to be applied at once."""
    aurora(instances=1)
    rds.modify_db_cluster(DBClusterIdentifier="c", EnableIAMDatabaseAuthentication=True)
    rds.modify_db_instance(DBInstanceIdentifier="c-0", DBInstanceClass="db.r6g.xlarge")
    cloud.settle()
    found, of = described(rds, "c"), instance(rds, "c-0")
    assert (found["IAMDatabaseAuthenticationEnabled"], found["PendingModifiedValues"]) == (
        False,
        {"IAMDatabaseAuthenticationEnabled": True},
    )
    assert (of["DBInstanceClass"], of["PendingModifiedValues"]) == ("db.r6g.large", {"DBInstanceClass": "db.r6g.xlarge"})
    cloud.advance(8 * 86400)
    found, of = described(rds, "c"), instance(rds, "c-0")
    assert found["IAMDatabaseAuthenticationEnabled"]
    assert "PendingModifiedValues" not in found
    assert (of["DBInstanceClass"], of["DBInstanceStatus"]) == ("db.r6g.xlarge", "available")
    (wanted,) = stage.wanted.values()
    assert (wanted.iam, wanted.nodes[0].restarts) == (True, 1)


def test_deleted(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A cluster goes after its instances; what it stood on is forgotten, and its addresses are free."""
    found = aurora(instances=2)
    assert refused(rds.delete_db_cluster, DBClusterIdentifier="c", SkipFinalSnapshot=True)[0] == "InvalidDBClusterStateFault"
    assert rds.delete_db_instance(DBInstanceIdentifier="c-0")["DBInstance"]["DBInstanceStatus"] == "deleting"
    cloud.settle()
    assert [m["DBInstanceIdentifier"] for m in described(rds, "c")["DBClusterMembers"] if m["IsClusterWriter"]] == ["c-1"]
    assert refused(rds.describe_db_instances, DBInstanceIdentifier="c-0")[0] == "DBInstanceNotFound"
    rds.delete_db_instance(DBInstanceIdentifier="c-1")
    assert refused(rds.delete_db_cluster, DBClusterIdentifier="c")[0] == "InvalidParameterCombination"
    assert rds.delete_db_cluster(DBClusterIdentifier="c", SkipFinalSnapshot=True)["DBCluster"]["Status"] == "deleting"
    cloud.settle()
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert stage.dropped == [found["DbClusterResourceId"]]
    assert stage.forgotten == [found["DbClusterResourceId"] + "-1"]


def test_last_snapshot(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """With a last snapshot, what a cluster stood on stays until that is deleted, and can be restored."""
    found = aurora(instances=0)
    rds.delete_db_cluster(DBClusterIdentifier="c", FinalDBSnapshotIdentifier="last")
    cloud.settle()
    assert stage.forgotten == []
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="d", SnapshotIdentifier="last", Engine="aurora-postgresql")
    cloud.settle()
    (wanted,) = stage.wanted.values()
    assert wanted.fork is not None
    assert (wanted.fork.volume, wanted.password) == (found["DbClusterResourceId"] + "-1", "correct-horse")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="last")
    cloud.settle()
    assert stage.points == {}
    assert stage.forgotten == [found["DbClusterResourceId"] + "-1"]


def test_stopped(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A stopped cluster has no nodes and its data; it is started on request, or by the clock after seven days."""
    aurora(instances=2)
    assert rds.stop_db_cluster(DBClusterIdentifier="c")["DBCluster"]["Status"] == "stopping"
    cloud.settle()
    found = described(rds, "c")
    assert (found["Status"], instance(rds, "c-1")["DBInstanceStatus"]) == ("stopped", "stopped")
    assert next(iter(stage.wanted.values())).nodes == ()
    assert refused(rds.stop_db_cluster, DBClusterIdentifier="c")[0] == "InvalidDBClusterStateFault"
    rds.start_db_cluster(DBClusterIdentifier="c")
    cloud.settle()
    assert described(rds, "c")["Status"] == "available"
    rds.stop_db_cluster(DBClusterIdentifier="c")
    cloud.settle()
    cloud.advance(7 * 86400 + 1)
    assert (described(rds, "c")["Status"], instance(rds, "c-1")["DBInstanceStatus"]) == ("available", "available")
    assert len(next(iter(stage.wanted.values())).nodes) == 2


def test_reboot(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A reboot starts one node anew."""
    aurora(instances=2)
    assert rds.reboot_db_instance(DBInstanceIdentifier="c-1")["DBInstance"]["DBInstanceStatus"] == "rebooting"
    cloud.settle()
    assert [node.restarts for node in next(iter(stage.wanted.values())).nodes] == [0, 1]
    assert instance(rds, "c-1")["DBInstanceStatus"] == "available"
    assert refused(rds.reboot_db_instance, DBInstanceIdentifier="c-1", ForceFailover=True)[0] == "InvalidParameterCombination"


def test_listed(cloud: Cloud, rds: Any, aurora: Any, plain: Any) -> None:
    """Listings have pages and filters; an instance that is by itself has no cluster in them."""
    for number in range(21):
        aurora(f"c{number:02}", 0)
    plain("alone")
    first = rds.describe_db_clusters(MaxRecords=20)
    assert (len(first["DBClusters"]), first["DBClusters"][0]["DBClusterIdentifier"]) == (20, "c00")
    rest = rds.describe_db_clusters(MaxRecords=20, Marker=first["Marker"])
    assert [c["DBClusterIdentifier"] for c in rest["DBClusters"]] == ["c20"]
    assert "Marker" not in rest
    found = rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": ["c03", "c07"]}])["DBClusters"]
    assert [c["DBClusterIdentifier"] for c in found] == ["c03", "c07"]
    assert refused(rds.describe_db_clusters, Filters=[{"Name": "colour", "Values": ["x"]}])[0] == "InvalidParameterValue"
    assert len(rds.describe_db_instances(Filters=[{"Name": "engine", "Values": ["postgres"]}])["DBInstances"]) == 1


def test_endpoints(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A custom endpoint leads to the instances that it lists, or to all but those that it excludes."""
    aurora(instances=3)
    ids = [instance(rds, f"c-{number}")["DbiResourceId"] for number in range(3)]
    make = rds.create_db_cluster_endpoint
    made = make(DBClusterIdentifier="c", DBClusterEndpointIdentifier="Some", EndpointType="ANY", StaticMembers=["c-1"])
    make(DBClusterIdentifier="c", DBClusterEndpointIdentifier="most", EndpointType="READER", ExcludedMembers=["c-2"])
    cloud.settle()
    assert (made["EndpointType"], made["CustomEndpointType"], made["Status"]) == ("CUSTOM", "ANY", "creating")
    ends = {e.kind: e for e in next(iter(stage.wanted.values())).endpoints if len(e.nodes) != 1 or e.kind != "node"}
    assert ends["any"].nodes == (ids[1],)
    readers = [e for e in next(iter(stage.wanted.values())).endpoints if e.kind == "reader"]
    assert [e.nodes for e in readers] == [(), (ids[0], ids[1])]
    member(rds, "c", "c-3")
    cloud.settle()
    readers = [e for e in next(iter(stage.wanted.values())).endpoints if e.kind == "reader"]
    assert readers[1].nodes == (ids[0], ids[1], instance(rds, "c-3")["DbiResourceId"])
    listed = rds.describe_db_cluster_endpoints(DBClusterIdentifier="c")["DBClusterEndpoints"]
    assert [e["EndpointType"] for e in listed] == ["WRITER", "READER", "CUSTOM", "CUSTOM"]
    rds.modify_db_cluster_endpoint(DBClusterEndpointIdentifier="some", StaticMembers=["c-0", "c-2"])
    cloud.settle()
    found = rds.describe_db_cluster_endpoints(DBClusterEndpointIdentifier="some")["DBClusterEndpoints"][0]
    assert (found["StaticMembers"], found["Status"]) == (["c-0", "c-2"], "available")
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="some")
    cloud.settle()
    assert len(rds.describe_db_cluster_endpoints(DBClusterIdentifier="c")["DBClusterEndpoints"]) == 3
    code, _ = refused(make, DBClusterIdentifier="c", DBClusterEndpointIdentifier="x", EndpointType="ANY", StaticMembers=["zz"])
    assert code == "DBInstanceNotFound"


def test_roles(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A role goes with a cluster, for a feature."""
    aurora(instances=1)
    role = "arn:aws:iam::000000000000:role/reach"
    rds.add_role_to_db_cluster(DBClusterIdentifier="c", RoleArn=role, FeatureName="s3Import")
    cloud.settle()
    assert next(iter(stage.wanted.values())).roles == {"s3Import": role}
    assert described(rds, "c")["AssociatedRoles"] == [{"RoleArn": role, "Status": "ACTIVE", "FeatureName": "s3Import"}]
    code, _ = refused(rds.add_role_to_db_cluster, DBClusterIdentifier="c", RoleArn=role, FeatureName="s3Import")
    assert code == "DBClusterRoleAlreadyExists"
    rds.remove_role_from_db_cluster(DBClusterIdentifier="c", RoleArn=role)
    code, _ = refused(rds.remove_role_from_db_cluster, DBClusterIdentifier="c", RoleArn=role)
    assert code == "DBClusterRoleNotFound"


def test_failed(cloud: Cloud, rds: Any, stage: Stage) -> None:
    """What the engines cannot do leaves a cluster failed, with the reason among its events."""
    from fogbank.engines.spec import Failed

    stage.fails = Failed("there is no room for it")
    rds.create_db_cluster(DBClusterIdentifier="c", **BASIC)
    cloud.settle()
    assert described(rds, "c")["Status"] == "failed"
    told = rds.describe_events(SourceType="db-cluster", SourceIdentifier="c")["Events"]
    assert "there is no room for it" in [event["Message"] for event in told]


def test_noticed(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A failover that the engines had by themselves is described, and told of."""
    found = aurora(instances=2)
    other = instance(rds, "c-1")["DbiResourceId"]
    _task(cloud, "rds.noticed", {"cluster": found["DbClusterResourceId"], "what": "failover", "node": "", "writer": other})
    assert [m["DBInstanceIdentifier"] for m in described(rds, "c")["DBClusterMembers"] if m["IsClusterWriter"]] == ["c-1"]
    told = rds.describe_events(SourceType="db-cluster", SourceIdentifier="c")["Events"]
    assert "Completed failover to DB instance: c-1" in [event["Message"] for event in told]


def test_an_address_that_is_taken(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """An endpoint that cannot listen is told of, as an event of the instances."""
    found = aurora(instances=1)
    why = "Cannot listen on 127.80.0.1:5432: Address already in use."
    _task(cloud, "rds.noticed", {"cluster": found["DbClusterResourceId"], "what": "unreachable", "why": why})
    told = rds.describe_events(SourceType="db-instance", SourceIdentifier="c-0")["Events"]
    assert (why, ["failure"]) in [(event["Message"], event["EventCategories"]) for event in told]


def test_awake(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A cloud that is opened again has its clusters converge again."""
    aurora(instances=1)
    count = len(stage.history)
    _task(cloud, "rds.awake", {})
    assert len(stage.history) == count + 1
    assert stage.history[-1] == stage.history[-2]._replace(existing=True)


def _task(cloud: Cloud, name: str, payload: dict[str, Any]) -> None:
    from fogbank.delivery import outbox

    def put() -> None:
        tx = cloud.inner.begin()
        outbox.put(tx, name, payload, tx.at_ms, "000000000000", "us-east-1")
        cloud.inner.commit(tx)

    cloud.house.on_loop(put)
    cloud.settle()


def test_serverless(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A serverless cluster whose minimum is 0 pauses when nobody was connected for a while, and goes on when it is woken."""
    scaling = {"MinCapacity": 0, "MaxCapacity": 4, "SecondsUntilAutoPause": 600}
    aurora(instances=0, ServerlessV2ScalingConfiguration=scaling)
    member(rds, "c", "c-0", DBInstanceClass="db.serverless")
    cloud.settle()
    node = instance(rds, "c-0")["DbiResourceId"]
    stage.connections[node] = 1
    for _ in range(15):
        cloud.advance(60)
    assert len(next(iter(stage.wanted.values())).nodes) == 1
    stage.connections[node] = 0
    for _ in range(12):
        cloud.advance(60)
    paused = next(iter(stage.wanted.values()))
    assert (paused.nodes, paused.paused) == ((), True)
    assert described(rds, "c")["Status"] == "available"
    member(rds, "c", "c-1", DBInstanceClass="db.serverless")
    cloud.settle()
    assert len(next(iter(stage.wanted.values())).nodes) == 2
    assert instance(rds, "c-1")["DBInstanceStatus"] == "available"


def test_metrics(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """Each minute CloudWatch is told of connections, lag and the size of the volume."""
    aurora(instances=2)
    stage.connections[instance(rds, "c-0")["DbiResourceId"]] = 7
    for _ in range(3):
        cloud.advance(60)
    found = {each["MetricName"] for each in cloud.client("cloudwatch").list_metrics(Namespace="AWS/RDS")["Metrics"]}
    assert {"DatabaseConnections", "AuroraReplicaLag", "AuroraReplicaLagMaximum", "VolumeBytesUsed"} <= found
    assert set(points(cloud, "DatabaseConnections", DBInstanceIdentifier="c-0")) == {7.0}


def test_metrics_of_nodes(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """What nodes use of the machine is told by instance, class, engine, cluster and role; capacity is what that comes to."""
    aurora(ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 4})
    member(rds, "c", "c-1", DBInstanceClass="db.serverless")
    cloud.settle()
    for _ in range(3):
        stage.uptime_s += 60
        cloud.advance(60)
    for by in (
        {"DBInstanceIdentifier": "c-0"},
        {"DatabaseClass": "db.r6g.large"},
        {"EngineName": "aurora-postgresql"},
        {"DBClusterIdentifier": "c"},
        {"DBClusterIdentifier": "c", "Role": "READER"},
    ):
        assert points(cloud, "CPUUtilization", **by) == [25.0, 25.0], by
    assert points(cloud, "WriteThroughput", DBInstanceIdentifier="c-0") == [4096.0, 4096.0]
    assert points(cloud, "FreeableMemory", DBInstanceIdentifier="c-0")[-1] == 4 << 30
    assert points(cloud, "ServerlessDatabaseCapacity", DBInstanceIdentifier="c-1") == [2.0, 2.0]
    assert points(cloud, "ACUUtilization", DBInstanceIdentifier="c-1") == [50.0, 50.0]
    assert points(cloud, "ServerlessDatabaseCapacity", DBInstanceIdentifier="c-0") == []


def test_metrics_of_engines() -> None:
    """What engines count becomes rates; what began anew, or an engine does not say, says nothing."""
    before = counters.amounts(
        "postgres", ["commits", "deadlocks", "hits", "misses", "ages", "log", "reads", "writes"], [(5, 1, 90, 10, 7, 64, 3, None)]
    )
    now = before | {"commits": 65.0, "deadlocks": 0.0, "hits": 180.0, "misses": 20.0, "reads": 33.0}
    assert list(counters.values("postgres", True, before, now, 60.0)) == [
        ("CommitThroughput", 1.0, "Count/Second"),
        ("ReadIOPS", 0.5, "Count/Second"),
        ("BufferCacheHitRatio", 90.0, "Percent"),
        ("MaximumUsedTransactionIDs", 7.0, "Count"),
    ]
    status = counters.amounts("mariadb", [], [("com_insert", "6"), ("com_update", "12"), ("com_delete", "0"), ("connections", "3")])
    told = {name: value for name, value, _ in counters.values("mariadb", True, dict.fromkeys(status, 0.0), status, 6.0)}
    assert told == {
        "InsertThroughput": 1.0,
        "UpdateThroughput": 2.0,
        "DeleteThroughput": 0.0,
        "DMLThroughput": 3.0,
        "ConnectionAttempts": 3.0,
    }


def test_two_names(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, plain: Any) -> None:
    """A cluster and an instance by itself may have the same name; addresses are never shared."""
    aurora("same", 1)
    plain("same")
    ends = [e.slot for wanted in stage.wanted.values() for e in wanted.endpoints]
    assert len(ends) == len(set(ends)) == 4
