"""A clone across accounts: another account's rows, and from then on one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fogbank.testing.cloud import Cloud, House

SECRET = "secret12345"
OTHER = "111111111111"
ENGINE = {"Engine": "aurora-postgresql"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    house = House()
    yield house.cloud()
    house.close()


def connect(cloud: Cloud, rds: Any, name: str) -> Any:
    """A connection to the writer of a cluster, which is given its first instance."""
    rds.create_db_instance(**ENGINE, DBClusterIdentifier=name, DBInstanceIdentifier=f"{name}-1", DBInstanceClass="db.r6g.large")
    while rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] != "available":
        cloud.settle(60)
    found = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return psycopg.connect(host=found["Endpoint"], port=found["Port"], dbname="shop", user="boss", password=SECRET, autocommit=True)


def rows(connection: Any) -> list[str]:
    return [name for (name,) in connection.execute("select name from item order by name")]


def test_clone(cloud: Cloud) -> None:
    """A clone in another account has the rows of its source; neither sees what is written to the other afterwards."""
    rds, theirs = cloud.client("rds"), cloud.client("rds", OTHER)
    made = rds.create_db_cluster(
        **ENGINE, DBClusterIdentifier="source", MasterUsername="boss", MasterUserPassword=SECRET, DatabaseName="shop"
    )
    arn = made["DBCluster"]["DBClusterArn"]
    with connect(cloud, rds, "source") as source:
        source.execute("create table item (name text)")
        source.execute("insert into item values ('both')")
        cloud.client("ram").create_resource_share(name="s", resourceArns=[arn], principals=[OTHER])
        cloud.settle(60)
        ram = cloud.client("ram", OTHER)
        (invitation,) = ram.get_resource_share_invitations()["resourceShareInvitations"]
        ram.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])
        theirs.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier="clone", SourceDBClusterIdentifier=arn, RestoreType="copy-on-write", UseLatestRestorableTime=True
        )
        with connect(cloud, theirs, "clone") as clone:
            assert rows(clone) == ["both"]
            source.execute("insert into item values ('source')")
            clone.execute("insert into item values ('clone')")
            assert (rows(source), rows(clone)) == (["both", "source"], ["both", "clone"])
