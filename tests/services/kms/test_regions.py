"""Multi-Region keys: replicas, the primary among them, and their ends."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .conftest import DAY_S, OTHER, Make, Refused, policy
from .test_importing import NEVER, wrapped


@pytest.fixture
def there(cloud: Any) -> Any:
    """A client of another region."""
    return cloud.client("kms", region="eu-west-1")


@pytest.fixture
def primary(make: Make) -> dict[str, Any]:
    """The metadata of a multi-Region primary key."""
    return make(MultiRegion=True)


def test_a_replica_is_interoperable(cloud: Any, kms: Any, there: Any, primary: dict[str, Any]) -> None:
    """Same id and material, its own ARN, policy, description, tags and aliases; each opens what the other sealed."""
    key = primary["KeyId"]
    assert key.startswith("mrk-")
    made = kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1", Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])
    replica = made["ReplicaKeyMetadata"]
    assert (replica["KeyId"], replica["KeyState"], replica["Description"]) == (key, "Creating", "d")
    assert replica["Arn"] == primary["Arn"].replace("us-east-1", "eu-west-1")
    assert made["ReplicaTags"] == [{"TagKey": "a", "TagValue": "b"}]
    cloud.settle()
    described = there.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["KeyState"], described["MultiRegionConfiguration"]["MultiRegionKeyType"]) == ("Enabled", "REPLICA")
    expected = {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": primary["Arn"], "Region": "us-east-1"},
        "ReplicaKeys": [{"Arn": replica["Arn"], "Region": "eu-west-1"}],
    }
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"] == expected
    for one, two, arn in ((kms, there, replica["Arn"]), (there, kms, primary["Arn"])):
        sealed = one.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
        assert two.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["KeyId"] == arn
    there.create_alias(AliasName="alias/x", TargetKeyId=key)
    assert kms.list_aliases()["Aliases"] == []
    assert kms.list_resource_tags(KeyId=key)["Tags"] == []


def test_rotation_reaches_all_regions(cloud: Any, kms: Any, there: Any, primary: dict[str, Any], refused: Refused) -> None:
    """A primary key's rotation is its replicas'; a replica has none of its own."""
    key = primary["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    cloud.settle()
    old = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    for call in (there.enable_key_rotation, there.rotate_key_on_demand):
        assert refused(call, KeyId=key)[0] == "UnsupportedOperationException"
    kms.enable_key_rotation(KeyId=key)
    assert there.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    cloud.advance(365 * DAY_S)
    assert (
        kms.list_key_rotations(KeyId=key)["Rotations"][0]["KeyMaterialId"]
        == there.list_key_rotations(KeyId=key)["Rotations"][0]["KeyMaterialId"]
    )
    new = kms.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert [there.decrypt(CiphertextBlob=sealed)["Plaintext"] for sealed in (old, new)] == [b"old", b"new"]
    kms.update_primary_region(KeyId=key, PrimaryRegion="eu-west-1")
    cloud.advance(365 * DAY_S)
    assert len(kms.list_key_rotations(KeyId=key)["Rotations"]) == len(there.list_key_rotations(KeyId=key)["Rotations"]) == 2


def test_what_can_be_replicated(cloud: Any, kms: Any, there: Any, key: str, primary: dict[str, Any], refused: Refused) -> None:
    """Only a primary key, once into each region of its partition, when it is enabled."""
    assert refused(kms.replicate_key, KeyId=key, ReplicaRegion="eu-west-1")[0] == "UnsupportedOperationException"
    for region in ("us-east-1", "cn-north-1"):
        assert refused(kms.replicate_key, KeyId=primary["KeyId"], ReplicaRegion=region)[0] == "ValidationException"
    kms.replicate_key(KeyId=primary["KeyId"], ReplicaRegion="eu-west-1")
    assert refused(kms.replicate_key, KeyId=primary["KeyId"], ReplicaRegion="eu-west-1")[0] == "AlreadyExistsException"
    cloud.settle()
    assert refused(there.replicate_key, KeyId=primary["KeyId"], ReplicaRegion="eu-west-2")[0] == "UnsupportedOperationException"
    kms.disable_key(KeyId=primary["KeyId"])
    assert refused(kms.replicate_key, KeyId=primary["KeyId"], ReplicaRegion="eu-west-2")[0] == "DisabledException"


def test_the_primary_moves(cloud: Any, kms: Any, there: Any, primary: dict[str, Any], refused: Refused) -> None:
    """UpdatePrimaryRegion makes a replica the primary key; both settle to what they were."""
    key = primary["KeyId"]
    assert refused(kms.update_primary_region, KeyId=key, PrimaryRegion="eu-west-1")[0] == "NotFoundException"
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-2")
    cloud.settle()
    kms.update_primary_region(KeyId=key, PrimaryRegion="eu-west-1")
    cloud.settle()
    described = there.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["KeyState"], described["MultiRegionConfiguration"]["MultiRegionKeyType"]) == ("Enabled", "PRIMARY")
    assert [each["Region"] for each in described["MultiRegionConfiguration"]["ReplicaKeys"]] == ["eu-west-2", "us-east-1"]
    assert refused(kms.update_primary_region, KeyId=key, PrimaryRegion="eu-west-2")[0] == "UnsupportedOperationException"


def test_a_primary_outlives_its_replicas(cloud: Any, kms: Any, there: Any, primary: dict[str, Any], refused: Refused) -> None:
    """Its waiting period begins when the last replica is gone: 7 days and 7 days are 14."""
    key = primary["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    cloud.settle()
    answer = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingReplicaDeletion", 7)
    assert "DeletionDate" not in answer
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["PendingDeletionWindowInDays"] == 7
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x") == (
        "KMSInvalidStateException",
        f"{primary['Arn']} is pending replica deletion.",
    )
    there.encrypt(KeyId=key, Plaintext=b"x")
    there.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    cloud.advance(7 * DAY_S)
    assert refused(there.describe_key, KeyId=key)[0] == "NotFoundException"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    cloud.advance(7 * DAY_S - 1)
    kms.describe_key(KeyId=key)
    cloud.advance(1)
    assert refused(kms.describe_key, KeyId=key)[0] == "NotFoundException"


def test_rights_in_both_regions(cloud: Any, kms: Any, primary: dict[str, Any], user: Any, refused: Refused) -> None:
    """ReplicateKey takes kms:CreateKey besides, in the replica's region; UpdatePrimaryRegion is asked of both keys."""
    key = primary["KeyId"]
    bob = user("bob", {"Action": "kms:ReplicateKey"})
    assert "kms:CreateKey" in refused(bob.replicate_key, KeyId=key, ReplicaRegion="eu-west-1")[1]
    create = {"Action": "kms:CreateKey", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    amy = user("amy", {"Action": "kms:ReplicateKey"}, create, {"Action": "kms:UpdatePrimaryRegion", "Resource": primary["Arn"]})
    amy.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    assert refused(amy.replicate_key, KeyId=key, ReplicaRegion="eu-west-2")[0] == "AccessDeniedException"
    cloud.settle()
    assert refused(amy.update_primary_region, KeyId=key, PrimaryRegion="eu-west-1")[0] == "AccessDeniedException"
    away = policy({"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": "kms:*"})
    assert refused(kms.replicate_key, KeyId=key, ReplicaRegion="eu-west-3", Policy=away)[0] == "MalformedPolicyDocumentException"


def test_imported_material_in_every_region(cloud: Any, kms: Any, there: Any, make: Make, refused: Refused) -> None:
    """A replica of imported material waits for the same; new material rotates when every region has it."""
    key = make(MultiRegion=True, Origin="EXTERNAL")["KeyId"]
    arn = make_arn(kms, key)
    one, two = os.urandom(32), os.urandom(32)
    kms.import_key_material(**wrapped(kms, arn, one), **NEVER)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    cloud.settle()
    assert there.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"
    assert refused(there.import_key_material, **wrapped(there, key, two), **NEVER)[0] == "IncorrectKeyMaterialException"
    there.import_key_material(**wrapped(there, key, one), **NEVER)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    new = {"ImportType": "NEW_KEY_MATERIAL", **NEVER}
    assert refused(there.import_key_material, **wrapped(there, key, two), **new)[0] == "UnsupportedOperationException"
    kms.import_key_material(**wrapped(kms, key, two), **new)

    def last() -> str:
        found: str = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"][-1]["KeyMaterialState"]
        return found

    assert last() == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    assert refused(kms.rotate_key_on_demand, KeyId=key)[0] == "KMSInvalidStateException"
    there.import_key_material(**wrapped(there, key, two), **NEVER)
    assert last() == "PENDING_ROTATION"
    kms.rotate_key_on_demand(KeyId=key)
    cloud.settle()
    assert last() == "CURRENT"
    assert there.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"y")["CiphertextBlob"])["Plaintext"] == b"y"


def make_arn(kms: Any, key: str) -> str:
    found: str = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    return found


def test_replicas_are_where_regions_are(kms: Any, make: Make, refused: Refused) -> None:
    """There is no replica in a region that there is not."""
    key = make(MultiRegion=True)["Arn"]
    assert refused(kms.replicate_key, KeyId=key, ReplicaRegion="eu-nowhere-9")[0] == "ValidationException"
