"""Clones across accounts: whom a cluster is shared with by RAM, and what a clone of it is bound to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import described, member, refused
from .stage import Stage

OTHER = "111111111111"
ARN = "arn:aws:rds:us-east-1:000000000000:cluster:c"
CLONE = {"SourceDBClusterIdentifier": ARN, "RestoreType": "copy-on-write", "UseLatestRestorableTime": True}

Lend = Callable[..., str]


@pytest.fixture
def other(cloud: Cloud) -> Any:
    """Another account's root user."""
    return cloud.client("rds", OTHER)


@pytest.fixture
def lend(cloud: Cloud) -> Lend:
    """Shares a cluster with accounts, of which some accept at once; the share's ARN."""

    def share(arn: str, *accounts: str, by: str = "test", accepted: bool = True) -> str:
        made = cloud.client("ram", by).create_resource_share(name="s", resourceArns=[arn], principals=list(accounts))["resourceShare"]
        cloud.settle()
        for account in accounts if accepted else ():
            accept(cloud, account)
        found: str = made["resourceShareArn"]
        return found

    return share


def accept(cloud: Cloud, account: str) -> None:
    ram = cloud.client("ram", account)
    for invitation in ram.get_resource_share_invitations()["resourceShareInvitations"]:
        if invitation["status"] == "PENDING":
            ram.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])


def arns(rds: Any, **more: Any) -> list[str]:
    return [one["DBClusterArn"] for one in rds.describe_db_clusters(**more)["DBClusters"]]


def test_clone(cloud: Cloud, rds: Any, other: Any, stage: Stage, aurora: Any, lend: Lend) -> None:
    """A shared cluster is cloned into the other account: a fork with its password there, that outlives the source."""
    aurora(Tags=[{"Key": "a", "Value": "1"}])
    lend(ARN, OTHER)
    other.restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", **CLONE)
    member(other, "d", "d-0")
    cloud.settle()
    source, clone = described(rds, "c"), described(other, "d")
    assert (clone["CrossAccountClone"], clone["DBClusterArn"]) == (True, f"arn:aws:rds:us-east-1:{OTHER}:cluster:d")
    assert (clone["MasterUsername"], clone["TagList"], clone["CloneGroupId"]) == ("boss", [], source["CloneGroupId"])
    one, two = stage.wanted[source["DbClusterResourceId"]], stage.wanted[clone["DbClusterResourceId"]]
    assert (two.fork is not None and two.fork.volume, two.password, two.account) == (one.volume, "correct-horse", OTHER)
    assert not source["CrossAccountClone"]
    rds.delete_db_instance(DBInstanceIdentifier="c-0")
    rds.delete_db_cluster(DBClusterIdentifier="c", SkipFinalSnapshot=True)
    cloud.settle()
    assert described(other, "d")["Status"] == "available"


def test_not_shared(cloud: Cloud, other: Any, aurora: Any, lend: Lend) -> None:
    """Without a share, before it is accepted, and after it is deleted, it is as if the cluster were not there."""
    aurora()
    missing = ("DBClusterNotFoundFault", f"The source cluster could not be found or cannot be accessed: {ARN}")

    def tried() -> tuple[str, str]:
        return refused(other.restore_db_cluster_to_point_in_time, DBClusterIdentifier="d", **CLONE)

    assert tried() == missing
    share = lend(ARN, OTHER, accepted=False)
    assert tried() == missing
    assert arns(other, IncludeShared=True) == []
    accept(cloud, OTHER)
    assert arns(other, IncludeShared=True) == [ARN]
    cloud.client("ram").delete_resource_share(resourceShareArn=share)
    assert tried() == missing
    assert arns(other, IncludeShared=True) == []
    cloud.settle()
    assert tried() == missing


def test_listed(cloud: Cloud, rds: Any, other: Any, aurora: Any, lend: Lend) -> None:
    """Only with IncludeShared a shared cluster is described, after the account's own, with the little that a clone has to know."""
    for name in ("b", "c"):
        aurora(name, 0)
        lend(ARN[:-1] + name, OTHER)
    other.create_db_cluster(DBClusterIdentifier="z", Engine="aurora-postgresql", MasterUsername="boss", MasterUserPassword="correct-horse")
    cloud.settle()
    own = f"arn:aws:rds:us-east-1:{OTHER}:cluster:z"
    assert arns(other) == [own]
    assert arns(other, IncludeShared=True) == [own, ARN[:-1] + "b", ARN]
    found = other.describe_db_clusters(IncludeShared=True, DBClusterIdentifier=ARN)["DBClusters"]
    version = described(rds, "c")["EngineVersion"]
    assert found == [{"DBClusterArn": ARN, "Engine": "aurora-postgresql", "EngineVersion": version, "StorageEncrypted": False}]
    assert refused(other.describe_db_clusters, DBClusterIdentifier=ARN)[0] == "DBClusterNotFoundFault"
    assert refused(cloud.client("rds", "222222222222").describe_db_clusters, DBClusterIdentifier=ARN)[0] == "AccessDenied"
    assert arns(rds, IncludeShared=True) == [ARN[:-1] + "b", ARN]
    chosen = [{"Name": "db-cluster-id", "Values": [ARN]}]
    assert arns(other, IncludeShared=True, Filters=chosen) == [ARN]


def test_only_read(cloud: Cloud, other: Any, aurora: Any, lend: Lend) -> None:
    """A shared cluster can be described and cloned, and nothing else."""
    aurora()
    lend(ARN, OTHER)
    assert refused(other.modify_db_cluster, DBClusterIdentifier=ARN, DeletionProtection=True)[0] == "AccessDenied"
    assert refused(other.delete_db_cluster, DBClusterIdentifier=ARN, SkipFinalSnapshot=True)[0] == "AccessDenied"
    snapshot = {"DBClusterIdentifier": ARN, "DBClusterSnapshotIdentifier": "s"}
    assert refused(other.create_db_cluster_snapshot, **snapshot)[0] == "AccessDenied"


def test_only_clones(cloud: Cloud, rds: Any, other: Any, aurora: Any, lend: Lend) -> None:
    """A shared cluster can't be copied in full; one with a group of its own needs to be told another."""
    aurora()
    lend(ARN, OTHER)
    for full in ({"RestoreType": "full-copy"}, {}):
        members = {"DBClusterIdentifier": "d", "SourceDBClusterIdentifier": ARN, "UseLatestRestorableTime": True, **full}
        assert refused(other.restore_db_cluster_to_point_in_time, **members)[0] == "InvalidParameterCombination"
    default = described(rds, "c")["DBClusterParameterGroup"]
    family = default.removeprefix("default.")
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="own", DBParameterGroupFamily=family, Description="d")
    rds.modify_db_cluster(DBClusterIdentifier="c", DBClusterParameterGroupName="own")
    cloud.settle()
    code, message = refused(other.restore_db_cluster_to_point_in_time, DBClusterIdentifier="d", **CLONE)
    assert (code, "parameter group name is required" in message) == ("InvalidParameterCombination", True)
    other.restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", DBClusterParameterGroupName=default, **CLONE)


def test_limits(cloud: Cloud, rds: Any, other: Any, aurora: Any, lend: Lend) -> None:
    """An account can have one clone of a cluster and its clones, and all accounts together 15; a clone's clone counts with it."""
    aurora()
    accounts = [f"{number:012}" for number in range(1, 17)]
    lend(ARN, *accounts)
    for account in accounts[:15]:
        cloud.client("rds", account).restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", **CLONE)
    last = cloud.client("rds", accounts[15])
    assert refused(last.restore_db_cluster_to_point_in_time, DBClusterIdentifier="d", **CLONE)[0] == "DBClusterQuotaExceededFault"
    first = cloud.client("rds", accounts[0])
    cloud.settle()
    first.delete_db_cluster(DBClusterIdentifier="d", SkipFinalSnapshot=True)
    cloud.settle()
    again = f"arn:aws:rds:us-east-1:{accounts[1]}:cluster:d"
    lend(again, accounts[0], accounts[2], by=accounts[1])
    twice = CLONE | {"SourceDBClusterIdentifier": again}
    first.restore_db_cluster_to_point_in_time(DBClusterIdentifier="e", **twice)
    cloud.settle()
    assert described(first, "e")["CrossAccountClone"]
    third = cloud.client("rds", accounts[2])
    assert refused(third.restore_db_cluster_to_point_in_time, DBClusterIdentifier="e", **twice)[0] == "DBClusterQuotaExceededFault"
    own = CLONE | {"SourceDBClusterIdentifier": "d"}
    third.restore_db_cluster_to_point_in_time(DBClusterIdentifier="e", **own)
    cloud.settle()
    assert not described(third, "e")["CrossAccountClone"]


def test_who_may(cloud: Cloud, aurora: Any, lend: Lend) -> None:
    """A user of the other account needs rds:RestoreDBClusterToPointInTime on the source and on the clone; no permission of RAM."""
    aurora()
    lend(ARN, OTHER)
    iam = cloud.client("iam", OTHER)
    mine = f"arn:aws:rds:us-east-1:{OTHER}:cluster:d"
    around = [f"arn:aws:rds:us-east-1:{OTHER}:{kind}:*" for kind in ("cluster-pg", "og", "subgrp")]

    def user(name: str, *resources: str) -> Any:
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": ["rds:RestoreDBClusterToPointInTime", "rds:DescribeDBClusters"], "Resource": resources}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("rds", key["AccessKeyId"], key["SecretAccessKey"])

    lacking = user("u", mine, *around)
    code, message = refused(lacking.restore_db_cluster_to_point_in_time, DBClusterIdentifier="d", **CLONE)
    assert (code, f"rds:RestoreDBClusterToPointInTime on resource: {ARN}" in message) == ("AccessDenied", True)
    assert refused(lacking.describe_db_clusters, DBClusterIdentifier=ARN, IncludeShared=True)[0] == "AccessDenied"
    theirs = user("w", mine, ARN, *around)
    theirs.describe_db_clusters(DBClusterIdentifier=ARN, IncludeShared=True)
    theirs.restore_db_cluster_to_point_in_time(DBClusterIdentifier="d", **CLONE)


def test_shared_stays(cloud: Cloud, rds: Any, aurora: Any, lend: Lend) -> None:
    """A shared cluster can't be renamed; one that is deleted leaves its shares, and a new one of its name is not shared."""
    aurora("c", 0)
    share = lend(ARN, OTHER)
    renamed = {"DBClusterIdentifier": "c", "NewDBClusterIdentifier": "e", "ApplyImmediately": True}
    assert refused(rds.modify_db_cluster, **renamed)[0] == "InvalidDBClusterStateFault"
    rds.delete_db_cluster(DBClusterIdentifier="c", SkipFinalSnapshot=True)
    cloud.settle()
    found = cloud.client("ram").get_resource_share_associations(associationType="RESOURCE", resourceShareArns=[share])
    assert [one["status"] for one in found["resourceShareAssociations"]] == ["DISASSOCIATED"]
    aurora("c", 0)
    assert arns(cloud.client("rds", OTHER), IncludeShared=True) == []
    rds.modify_db_cluster(**renamed)
    cloud.settle()
    assert arns(rds) == [ARN[:-1] + "e"]
