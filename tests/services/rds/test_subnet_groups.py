"""DB subnet groups."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

from .people import allow, arn, person


@pytest.fixture
def subnets(rds: Any) -> list[str]:
    """The subnets of the default VPC, one of each zone."""
    group = rds.describe_db_subnet_groups(DBSubnetGroupName="default")["DBSubnetGroups"][0]
    return [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]


def test_the_default_group_has_a_subnet_in_each_zone(cloud: Cloud, rds: Any) -> None:
    """The default group is the default VPC of an account and region; elsewhere it is another one, and it stays the same."""
    group = rds.describe_db_subnet_groups()["DBSubnetGroups"][0]
    assert [one["SubnetAvailabilityZone"]["Name"] for one in group["Subnets"]] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert rds.describe_db_subnet_groups()["DBSubnetGroups"][0] == group
    other = cloud.client("rds", region="eu-west-1").describe_db_subnet_groups()["DBSubnetGroups"][0]
    assert other["VpcId"] != group["VpcId"]
    assert not {one["SubnetIdentifier"] for one in other["Subnets"]} & {one["SubnetIdentifier"] for one in group["Subnets"]}


def test_a_group_is_made_changed_and_deleted(rds: Any, subnets: list[str], refused: Any) -> None:
    """A group has the subnets that it was given, and others when it is changed."""
    made = rds.create_db_subnet_group(DBSubnetGroupName="Mine", DBSubnetGroupDescription="d", SubnetIds=subnets[:2])["DBSubnetGroup"]
    assert (made["DBSubnetGroupName"], made["SubnetGroupStatus"], made["DBSubnetGroupArn"]) == ("mine", "Complete", arn("subgrp", "mine"))
    changed = rds.modify_db_subnet_group(DBSubnetGroupName="mine", SubnetIds=subnets[1:], DBSubnetGroupDescription="e")["DBSubnetGroup"]
    assert [one["SubnetIdentifier"] for one in changed["Subnets"]] == subnets[1:]
    assert rds.describe_db_subnet_groups(DBSubnetGroupName="mine")["DBSubnetGroups"] == [changed]
    again = refused(rds.create_db_subnet_group, DBSubnetGroupName="mine", DBSubnetGroupDescription="d", SubnetIds=subnets)
    assert again == ("DBSubnetGroupAlreadyExists", "The DB subnet group 'mine' already exists.")
    rds.delete_db_subnet_group(DBSubnetGroupName="mine")
    gone = refused(rds.delete_db_subnet_group, DBSubnetGroupName="mine")
    assert gone == ("DBSubnetGroupNotFoundFault", "DB subnet group 'mine' does not exist.")


def test_subnets_must_be_there_and_in_two_zones(rds: Any, subnets: list[str], refused: Any) -> None:
    """A subnet that is not in the VPC is invalid; one zone is not enough."""
    make = {"DBSubnetGroupName": "x", "DBSubnetGroupDescription": "d"}
    assert refused(rds.create_db_subnet_group, SubnetIds=["subnet-1", subnets[0]], **make) == (
        "InvalidSubnet",
        "Some input subnets in :[subnet-1] are invalid.",
    )
    assert refused(rds.create_db_subnet_group, SubnetIds=subnets[:1] * 2, **make)[0] == "DBSubnetGroupDoesNotCoverEnoughAZs"


def test_the_default_group_cannot_be_changed(rds: Any, subnets: list[str], refused: Any) -> None:
    """Nobody makes, changes or deletes a group named default."""
    made = refused(rds.create_db_subnet_group, DBSubnetGroupName="default", DBSubnetGroupDescription="d", SubnetIds=subnets)
    assert made[0] == "InvalidParameterValue"
    assert refused(rds.modify_db_subnet_group, DBSubnetGroupName="default", SubnetIds=subnets)[0] == "InvalidDBSubnetGroupStateFault"
    assert refused(rds.delete_db_subnet_group, DBSubnetGroupName="default")[0] == "InvalidDBSubnetGroupStateFault"


def test_what_a_policy_lets_somebody_do(cloud: Cloud, rds: Any, subnets: list[str], refused: Any) -> None:
    """A policy that names a group lets its user delete that one only."""
    for name in ("one", "two"):
        rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=subnets)
    narrow = person(cloud, "narrow", allow("rds:DeleteDBSubnetGroup", arn("subgrp", "one")))
    narrow.delete_db_subnet_group(DBSubnetGroupName="one")
    assert refused(narrow.delete_db_subnet_group, DBSubnetGroupName="two")[0] == "AccessDenied"
