"""Keys, replica keys and aliases."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

KEY, REPLICA, ALIAS = "AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::KMS::Alias"


def policy(sid: str = "all") -> dict[str, Any]:
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    return {"Version": "2012-10-17", "Statement": [{"Sid": sid, "Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}]}


def test_key(cloud: Any, control: Control) -> None:
    """A key is rotated and disabled as its properties say; what it is for cannot change; a deleted one is only scheduled to go."""
    wanted = {
        "Description": "d",
        "KeyPolicy": policy(),
        "EnableKeyRotation": True,
        "RotationPeriodInDays": 100,
        "Enabled": False,
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    id = control.create(KEY, wanted)
    found = control.read(KEY, id)
    shown = {key: value for key, value in wanted.items() if key != "RotationPeriodInDays"}
    assert found.items() >= {**shown, "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": False, "Origin": "AWS_KMS"}.items()
    kms = cloud.client("kms")
    assert kms.get_key_rotation_status(KeyId=id)["RotationPeriodInDays"] == 100
    found = control.update(
        KEY,
        id,
        ("replace", "/Enabled", True),
        ("replace", "/EnableKeyRotation", False),
        ("replace", "/KeyPolicy", policy("other")),
        ("remove", "/Description"),
        ("remove", "/Tags"),
    )
    assert (found["Enabled"], found["EnableKeyRotation"], found["KeyPolicy"]) == (True, False, policy("other"))
    assert not {"Description", "Tags"} & found.keys()
    event = control.ended(control.patch(KEY, id, ("replace", "/KeySpec", "RSA_2048")))
    assert (event["OperationStatus"], event["ErrorCode"]) == ("FAILED", "NotUpdatable")
    assert control.listed(KEY) == [id]
    control.done(control.client.delete_resource(TypeName=KEY, Identifier=id))
    assert kms.describe_key(KeyId=id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert control.listed(KEY) == []


def test_replica(cloud: Any, control: Control) -> None:
    """A replica of a key of another region is a resource of its own region."""
    primary = control.create(KEY, {"MultiRegion": True})
    arn = control.read(KEY, primary)["Arn"]
    there = Control(cloud, region="eu-west-1")
    assert there.create(REPLICA, {"PrimaryKeyArn": arn, "KeyPolicy": policy(), "Description": "r"}) == primary
    found = there.read(REPLICA, primary)
    assert (found["PrimaryKeyArn"], found["Description"], found["Enabled"]) == (arn, "r", True)
    assert there.update(REPLICA, primary, ("replace", "/Enabled", False))["Enabled"] is False
    assert (there.listed(REPLICA), there.listed(KEY)) == ([primary], [])
    there.done(there.client.delete_resource(TypeName=REPLICA, Identifier=primary))
    assert there.listed(REPLICA) == []


def test_alias(cloud: Any, control: Control) -> None:
    """An alias moves from key to key."""
    one, two = control.create(KEY, {}), control.create(KEY, {})
    name = control.create(ALIAS, {"AliasName": "alias/app", "TargetKeyId": one})
    assert control.read(ALIAS, name) == {"AliasName": "alias/app", "TargetKeyId": one}
    assert control.refused(ALIAS, {"AliasName": "alias/app", "TargetKeyId": two})[0] == "AlreadyExists"
    assert control.update(ALIAS, name, ("replace", "/TargetKeyId", two))["TargetKeyId"] == two
    assert name in control.listed(ALIAS)
    control.delete(ALIAS, name)
