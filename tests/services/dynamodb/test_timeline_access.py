"""Who may use what a table has of time: the actions of streams apart, those of `test_streams`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/"
PITR = {"PointInTimeRecoveryEnabled": True}
TTL = {"Enabled": True, "AttributeName": "at"}


@pytest.fixture
def user(cloud: Any) -> Callable[..., Any]:
    """A user's client; user(statement, ...) gives it a policy of these statements."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]

    def call(*statements: dict[str, Any]) -> Any:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))
        return cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])

    return call


@pytest.mark.parametrize(
    ("action", "operation", "members"),
    [
        ("UpdateTimeToLive", "update_time_to_live", {"TimeToLiveSpecification": TTL}),
        ("DescribeTimeToLive", "describe_time_to_live", {}),
        ("CreateBackup", "create_backup", {"BackupName": "name"}),
        ("UpdateContinuousBackups", "update_continuous_backups", {"PointInTimeRecoverySpecification": PITR}),
        ("DescribeContinuousBackups", "describe_continuous_backups", {}),
        ("DescribeContributorInsights", "describe_contributor_insights", {}),
        ("DescribeKinesisStreamingDestination", "describe_kinesis_streaming_destination", {}),
    ],
)
def test_a_narrow_policy(user: Any, make: Any, action: str, operation: str, members: dict[str, Any]) -> None:
    """A policy for one action on one table lets its user do that there, and not on another table."""
    make("one", "pk")
    make("two", "pk")
    theirs = user({"Action": f"dynamodb:{action}", "Resource": ARN + "one"})
    getattr(theirs, operation)(TableName="one", **members)
    with pytest.raises(theirs.exceptions.ClientError, match=f"not authorized to perform: dynamodb:{action} on resource: {ARN}two"):
        getattr(theirs, operation)(TableName="two", **members)


def test_tags_decide(user: Any, make: Any) -> None:
    """A condition on the table's tags lets through what is done to a table with the tag."""
    make("one", "pk", Tags=[{"Key": "team", "Value": "a"}])
    make("two", "pk")
    condition = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    theirs = user({"Action": "dynamodb:CreateBackup", "Resource": "*", "Condition": condition})
    theirs.create_backup(TableName="one", BackupName="name")
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.create_backup(TableName="two", BackupName="name")


def test_a_replica_needs_rights_where_it_will_be(user: Any, cloud: Any, make: Any) -> None:
    """Whoever makes a replica needs the rights to make and fill it in its region, besides that to update the table."""
    make("one", "pk")
    update = {"Action": "dynamodb:UpdateTable", "Resource": ARN + "one"}
    wanted = [{"Create": {"RegionName": "eu-west-1"}}]
    theirs = user(update)
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.update_table(TableName="one", ReplicaUpdates=wanted)
    theirs = user(update, {"Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:eu-west-1:000000000000:table/one"})
    theirs.update_table(TableName="one", ReplicaUpdates=wanted)
    cloud.settle()
    assert cloud.client("dynamodb", region="eu-west-1").describe_table(TableName="one")["Table"]["TableStatus"] == "ACTIVE"


def test_recovery_needs_both_tables(user: Any, make: Any, db: Any, cloud: Any) -> None:
    """Restoring to a second needs its action on the source, and the right to read and write the new table."""
    make("one", "pk")
    db.update_continuous_backups(TableName="one", PointInTimeRecoverySpecification=PITR)
    restore = {"Action": "dynamodb:RestoreTableToPointInTime", "Resource": ARN + "one"}
    wanted = {"SourceTableArn": ARN + "one", "TargetTableName": "two", "UseLatestRestorableTime": True}
    theirs = user(restore)
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.restore_table_to_point_in_time(**wanted)
    theirs = user(
        restore, {"Action": "dynamodb:*Item", "Resource": ARN + "two"}, {"Action": ["dynamodb:Query", "dynamodb:Scan"], "Resource": "*"}
    )
    theirs.restore_table_to_point_in_time(**wanted)
    cloud.settle()
    assert db.describe_table(TableName="two")["Table"]["TableStatus"] == "ACTIVE"
