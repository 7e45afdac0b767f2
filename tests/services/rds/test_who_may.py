"""Permissions: which ARNs operations are about, and the keys of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import allow, member, refused
from .stage import Stage

ARN = "arn:aws:rds:us-east-1:000000000000:"


def test_by_name(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, user: Any) -> None:
    """Who may change one cluster may not change another."""
    aurora("c", 0)
    aurora("d", 0)
    theirs = user("u", allow("rds:ModifyDBCluster", ARN + "cluster:c"))("rds")
    theirs.modify_db_cluster(DBClusterIdentifier="C", DeletionProtection=True)
    code, message = refused(theirs.modify_db_cluster, DBClusterIdentifier="d", DeletionProtection=True)
    assert code == "AccessDenied"
    assert f"not authorized to perform: rds:ModifyDBCluster on resource: {ARN}cluster:d" in message
    assert refused(theirs.describe_db_clusters)[0] == "AccessDenied"


def test_by_tag(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, user: Any) -> None:
    """A resource's tags let in, under both of their names; so do the tags of a request."""
    aurora("c", 0, Tags=[{"Key": "team", "Value": "a"}])
    aurora("d", 0)
    for number, key in enumerate(("aws:ResourceTag/team", "rds:cluster-tag/team")):
        statement = allow("rds:StopDBCluster", Condition={"StringEquals": {key: "a"}})
        theirs = user(f"u{number}", statement)("rds")
        assert refused(theirs.stop_db_cluster, DBClusterIdentifier="d")[0] == "AccessDenied"
        theirs.stop_db_cluster(DBClusterIdentifier="c")
        cloud.settle()
        rds.start_db_cluster(DBClusterIdentifier="c")
        cloud.settle()
    tagged = allow(["rds:CreateDBCluster", "rds:AddTagsToResource"], Condition={"StringEquals": {"aws:RequestTag/team": "b"}})
    theirs = user("w", tagged)("rds")
    basic = {"Engine": "aurora-postgresql", "MasterUsername": "boss", "MasterUserPassword": "correct-horse", "DBClusterIdentifier": "e"}
    assert refused(theirs.create_db_cluster, **basic)[0] == "AccessDenied"
    theirs.create_db_cluster(**basic, Tags=[{"Key": "team", "Value": "b"}])


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("rds:DatabaseClass", {"DBInstanceClass": "db.r6g.large"}, {"DBInstanceClass": "db.r6g.xlarge"}),
        ("rds:DatabaseEngine", {"Engine": "aurora-postgresql"}, None),
    ],
)
def test_conditions(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, user: Any, key: str, value: Any, other: Any) -> None:
    """What is asked for is a key of conditions."""
    aurora("c", 0)
    wanted = next(iter(value.values()))
    theirs = user("u", allow("rds:CreateDBInstance", Condition={"StringEquals": {key: wanted}}))("rds")
    member(theirs, "c", "one", **value)
    if other is not None:
        assert refused(member, rds=theirs, cluster="c", name="two", **other)[0] == "AccessDenied"


def test_listing(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, user: Any) -> None:
    """A listing is about all of its kind."""
    aurora("c", 1)
    theirs = user("u", allow("rds:Describe*", ARN + "cluster:*"))("rds")
    assert len(theirs.describe_db_clusters()["DBClusters"]) == 1
    assert refused(theirs.describe_db_instances)[0] == "AccessDenied"
