"""Global clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import described, member, refused
from .stage import Stage


@pytest.fixture
def world(cloud: Cloud, rds: Any, aurora: Any) -> Callable[[], Any]:
    """A global cluster with a primary in us-east-1 and a secondary in us-west-2, each of one instance: the client of the latter."""

    def make() -> Any:
        arn = aurora("c", 1)["DBClusterArn"]
        rds.create_global_cluster(GlobalClusterIdentifier="World", SourceDBClusterIdentifier=arn)
        west = cloud.client("rds", region="us-west-2")
        west.create_db_cluster(DBClusterIdentifier="c2", Engine="aurora-postgresql", GlobalClusterIdentifier="world")
        member(west, "c2", "c2-0")
        cloud.settle()
        return west

    return make


def roles(rds: Any) -> dict[str, bool]:
    (found,) = rds.describe_global_clusters(GlobalClusterIdentifier="world")["GlobalClusters"]
    return {each["DBClusterArn"].rpartition(":")[2]: each["IsWriter"] for each in found["GlobalClusterMembers"]}


def test_secondary(cloud: Cloud, rds: Any, stage: Stage, world: Any) -> None:
    """A secondary repeats the primary's volume, and nobody writes there."""
    west = world()
    assert roles(rds) == {"c": True, "c2": False}
    one = stage.wanted[described(rds, "c")["DbClusterResourceId"]]
    two = stage.wanted[described(west, "c2")["DbClusterResourceId"]]
    assert (two.follows, two.writer, two.user) == (one.volume, "", "boss")
    assert [m["IsClusterWriter"] for m in described(west, "c2")["DBClusterMembers"]] == [False]
    assert refused(rds.delete_global_cluster, GlobalClusterIdentifier="world")[0] == "InvalidGlobalClusterStateFault"
    rds.delete_db_instance(DBInstanceIdentifier="c-0")
    cloud.settle()
    assert refused(rds.delete_db_cluster, DBClusterIdentifier="c", SkipFinalSnapshot=True)[0] == "InvalidDBClusterStateFault"
    code, _ = refused(west.create_db_cluster, DBClusterIdentifier="x", Engine="aurora-postgresql", GlobalClusterIdentifier="world")
    assert code == "InvalidParameterCombination"


def test_switchover(cloud: Cloud, rds: Any, stage: Stage, world: Any) -> None:
    """A switchover first stops the primary's writing; the target is a fork of what it has when it has all, and the primary repeats it."""
    west = world()
    east_id, west_id = described(rds, "c")["DbClusterResourceId"], described(west, "c2")["DbClusterResourceId"]
    seen, before = len(stage.history), stage.wanted[west_id]
    target = described(west, "c2")["DBClusterArn"]
    answer = rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=target)
    assert (answer["GlobalCluster"]["Status"], answer["GlobalCluster"]["FailoverState"]["Status"]) == ("switching-over", "switching-over")
    cloud.settle()
    assert roles(rds) == {"c": False, "c2": True}
    steps = [(each.id, each.writer != "", each.follows != "") for each in stage.history[seen:]]
    assert steps == [(east_id, False, False), (west_id, False, True), (west_id, True, False), (east_id, False, True)]
    two = stage.wanted[west_id]
    assert (two.fork.volume, stage.wanted[east_id].follows) == (before.volume, two.volume)
    assert (described(rds, "c")["Status"], described(west, "c2")["Status"]) == ("available", "available")
    (found,) = rds.describe_global_clusters()["GlobalClusters"]
    assert (found["Status"], "FailoverState" in found) == ("available", False)
    rds.switchover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=described(rds, "c")["DBClusterArn"])
    cloud.settle()
    assert roles(rds) == {"c": True, "c2": False}


def test_failover(cloud: Cloud, rds: Any, stage: Stage, world: Any) -> None:
    """A failover with data loss does not wait for the primary: the target begins with what it has, and what was lacking is told."""
    west = world()
    west_id = described(west, "c2")["DbClusterResourceId"]
    before, seen = stage.wanted[west_id], len(stage.history)
    target = described(west, "c2")["DBClusterArn"]
    rds.failover_global_cluster(GlobalClusterIdentifier="world", TargetDbClusterIdentifier=target, AllowDataLoss=True)
    cloud.settle()
    told = [each["Message"] for each in west.describe_events(SourceIdentifier="c2", SourceType="db-cluster")["Events"]]
    assert "Global failover to DB cluster started. RPO lag: 3 ms" in told
    assert stage.history[seen].id == west_id
    assert stage.wanted[west_id].fork.volume == before.volume
    assert roles(rds) == {"c": False, "c2": True}


def test_removed(cloud: Cloud, rds: Any, stage: Stage, world: Any) -> None:
    """A secondary that is taken out goes on by itself; the primary goes last, and then the global cluster can be deleted."""
    west = world()
    east, west_arn = described(rds, "c")["DBClusterArn"], described(west, "c2")["DBClusterArn"]
    out = rds.remove_from_global_cluster
    assert refused(out, GlobalClusterIdentifier="world", DbClusterIdentifier=east)[0] == "InvalidGlobalClusterStateFault"
    out(GlobalClusterIdentifier="world", DbClusterIdentifier=west_arn)
    cloud.settle()
    two = stage.wanted[described(west, "c2")["DbClusterResourceId"]]
    assert (two.follows, two.writer) == ("", two.nodes[0].id)
    out(GlobalClusterIdentifier="world", DbClusterIdentifier=east)
    rds.delete_global_cluster(GlobalClusterIdentifier="world")
    assert rds.describe_global_clusters()["GlobalClusters"] == []
    assert refused(rds.describe_global_clusters, GlobalClusterIdentifier="world")[0] == "GlobalClusterNotFoundFault"


def test_empty(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """The first cluster that is made in an empty global cluster is its primary."""
    made = rds.create_global_cluster(GlobalClusterIdentifier="world", Engine="aurora-postgresql", DatabaseName="shop")["GlobalCluster"]
    assert made["GlobalClusterArn"] == "arn:aws:rds::000000000000:global-cluster:world"
    aurora("c", 1, GlobalClusterIdentifier="world")
    assert roles(rds) == {"c": True}
    assert next(iter(stage.wanted.values())).database == "shop"
    rds.modify_global_cluster(GlobalClusterIdentifier="world", NewGlobalClusterIdentifier="globe", DeletionProtection=True)
    assert described(rds, "c")["GlobalClusterIdentifier"] == "globe"
