"""Tables and global tables."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import ACCOUNT, Control

TABLE, GLOBAL = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"
KEYS = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}


def index(name: str, attribute: str, **more: Any) -> dict[str, Any]:
    keys = [{"AttributeName": attribute, "KeyType": "HASH"}]
    return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}, **more}


def policy(arn: str) -> dict[str, Any]:
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": root, "Action": "dynamodb:GetItem", "Resource": arn}]}


def test_table(cloud: Any, control: Control) -> None:
    """A table is made and changed step by step, each when the one before is over."""
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/things"
    wanted = {
        "TableName": "things",
        **KEYS,
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "ends", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 10},
        "ResourcePolicy": {"PolicyDocument": policy(arn)},
        "DeletionProtectionEnabled": True,
        "SSESpecification": {"SSEEnabled": True},
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    name = control.create(TABLE, wanted)
    found = control.read(TABLE, name)
    assert found["SSESpecification"]["SSEEnabled"] is True
    assert {key: found.get(key) for key in wanted if key != "SSESpecification"} == {
        k: v for k, v in wanted.items() if k != "SSESpecification"
    }
    assert found["Arn"] == arn
    assert found["StreamArn"].startswith(f"{arn}/stream/")
    event = control.ended(control.patch(TABLE, name, ("remove", "/TimeToLiveSpecification")))
    assert event["StatusMessage"] == "Time to live has been modified multiple times within a fixed interval"
    cloud.advance(3600)
    found = control.update(
        TABLE,
        name,
        ("replace", "/BillingMode", "PROVISIONED"),
        ("add", "/ProvisionedThroughput", {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}),
        ("replace", "/StreamSpecification", {"StreamViewType": "OLD_IMAGE"}),
        ("remove", "/TimeToLiveSpecification"),
        ("remove", "/PointInTimeRecoverySpecification"),
        ("remove", "/ResourcePolicy"),
        ("replace", "/DeletionProtectionEnabled", False),
        ("add", "/TableClass", "STANDARD_INFREQUENT_ACCESS"),
        ("replace", "/Tags", [{"Key": "b", "Value": "2"}]),
    )
    assert found["ProvisionedThroughput"] == {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    assert (found["StreamSpecification"], found["TableClass"]) == ({"StreamViewType": "OLD_IMAGE"}, "STANDARD_INFREQUENT_ACCESS")
    assert not {"TimeToLiveSpecification", "PointInTimeRecoverySpecification", "ResourcePolicy"} & found.keys()
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert control.listed(TABLE) == ["things"]
    control.delete(TABLE, name)


def test_indexes(control: Control) -> None:
    """One index can come or go in an update, not two; the capacity of one that stays can change."""
    definitions = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "a")]
    capacity = {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
    name = control.create(
        TABLE, {**KEYS, "AttributeDefinitions": definitions, "GlobalSecondaryIndexes": [index("by_a", "a", **capacity)], **capacity}
    )
    more = {"ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}}
    found = control.update(TABLE, name, ("replace", "/GlobalSecondaryIndexes/0/ProvisionedThroughput", more["ProvisionedThroughput"]))
    assert found["GlobalSecondaryIndexes"] == [index("by_a", "a", **more)]
    swapped = [("replace", "/GlobalSecondaryIndexes", [index("by_id", "id", **capacity)])]
    event = control.ended(control.patch(TABLE, name, *swapped))
    assert event["StatusMessage"] == "Cannot perform more than one GSI creation or deletion in a single update"
    found = control.update(TABLE, name, ("add", "/GlobalSecondaryIndexes/-", index("by_id", "id", **capacity)))
    assert sorted(one["IndexName"] for one in found["GlobalSecondaryIndexes"]) == ["by_a", "by_id"]
    event = control.ended(control.patch(TABLE, name, ("add", "/KeySchema/-", {"AttributeName": "a", "KeyType": "RANGE"})))
    assert event["ErrorCode"] == "NotUpdatable"


def test_global_table(cloud: Any, control: Control) -> None:
    """A global table's replicas come and go, each with settings of its own."""
    here, there = {"Region": "us-east-1"}, {"Region": "eu-west-1", "Tags": [{"Key": "a", "Value": "1"}]}
    recovered = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    name = control.create(
        GLOBAL,
        {
            **KEYS,
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            "Replicas": [here, {**there, **recovered}],
        },
    )
    found = {replica["Region"]: replica for replica in control.read(GLOBAL, name)["Replicas"]}
    assert found["eu-west-1"]["Tags"] == there["Tags"]
    assert found["eu-west-1"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert "Tags" not in found["us-east-1"]
    cloud.client("dynamodb").put_item(TableName=name, Item={"id": {"S": "x"}})
    cloud.advance(2)
    assert "Item" in cloud.client("dynamodb", region="eu-west-1").get_item(TableName=name, Key={"id": {"S": "x"}})
    after = control.update(GLOBAL, name, ("replace", "/Replicas", [here, {"Region": "eu-central-1"}]))
    assert [replica["Region"] for replica in after["Replicas"]] == ["us-east-1", "eu-central-1"]
    control.delete(GLOBAL, name)


def test_unmet_properties(control: Control) -> None:
    """What nothing acts on is refused by its path, at once."""
    name = control.create(TABLE, {"TableName": "things", **KEYS, "BillingMode": "PAY_PER_REQUEST"})
    for path in ("Tags", "ResourcePolicy"):
        value = {"StreamViewType": "NEW_IMAGE", path: [] if path == "Tags" else {"PolicyDocument": {}}}
        with pytest.raises(ClientError, match=f"AWS::DynamoDB::Table with StreamSpecification/{path}"):
            control.patch(TABLE, name, ("add", "/StreamSpecification", value))
    replica = {"Region": "us-east-1", "GlobalTableSettingsReplicationMode": "ENABLED"}
    with pytest.raises(ClientError, match="with Replicas/\\*/GlobalTableSettingsReplicationMode"):
        control.create(GLOBAL, {**KEYS, "BillingMode": "PAY_PER_REQUEST", "Replicas": [replica]})
    event = control.ended(control.patch(TABLE, name, ("add", "/AttributeDefinitions/-", {"AttributeName": "x", "AttributeType": "S"})))
    assert event["OperationStatus"] == "FAILED"
