"""Replicas in other regions."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

IRELAND = "eu-west-1"


@pytest.fixture
def there(cloud: Cloud) -> Any:
    """A client of the other region."""
    return cloud.client("secretsmanager", region=IRELAND)


def test_a_replica_follows_its_primary(sm: Any, there: Any, secret: str) -> None:
    """A replica has the ARN but for the region, and every later value, label, tag, description and policy of its primary."""
    answer = sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}])
    assert answer["ReplicationStatus"] == [{"Region": IRELAND, "KmsKeyId": "alias/aws/secretsmanager", "Status": "InSync"}]
    assert there.get_secret_value(SecretId="db")["SecretString"] == "one"
    two = sm.put_secret_value(SecretId="db", SecretString="two")["VersionId"]
    sm.tag_resource(SecretId="db", Tags=[{"Key": "a", "Value": "b"}])
    sm.update_secret(SecretId="db", Description="d")
    sm.update_secret_version_stage(SecretId="db", VersionStage="x", MoveToVersionId=two)
    replica, primary = there.describe_secret(SecretId="db"), sm.describe_secret(SecretId="db")
    assert replica["ARN"] == secret.replace("us-east-1", IRELAND)
    assert replica["PrimaryRegion"] == primary["PrimaryRegion"] == "us-east-1"
    for member in ("Tags", "Description", "VersionIdsToStages"):
        assert replica[member] == primary[member]
    assert there.get_secret_value(SecretId="db")["SecretString"] == "two"
    assert there.get_secret_value(SecretId="db", VersionStage="AWSPREVIOUS")["SecretString"] == "one"


def test_made_with_replicas(sm: Any, there: Any) -> None:
    """CreateSecret makes replicas at once."""
    made = sm.create_secret(Name="s", SecretString="v", AddReplicaRegions=[{"Region": IRELAND}])
    assert [r["Status"] for r in made["ReplicationStatus"]] == ["InSync"]
    assert there.get_secret_value(SecretId="s")["SecretString"] == "v"


def test_a_replica_is_read_only(sm: Any, there: Any, secret: str, refused: Any) -> None:
    """A replica changes only through its primary."""
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}])
    expected = (
        "InvalidParameterException",
        "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
    )
    assert refused(there.put_secret_value, SecretId="db", SecretString="x") == expected
    assert refused(there.update_secret, SecretId="db", Description="x") == expected
    assert refused(there.delete_secret, SecretId="db") == expected
    assert refused(there.tag_resource, SecretId="db", Tags=[{"Key": "a", "Value": "b"}]) == expected
    assert refused(there.put_resource_policy, SecretId="db", ResourcePolicy="{}") == expected
    assert refused(there.replicate_secret_to_regions, SecretId="db", AddReplicaRegions=[{"Region": "us-west-2"}]) == expected
    assert refused(sm.delete_secret, SecretId="db") == (
        "InvalidParameterException",
        f"You can't delete secret {secret} that still has replica regions [{IRELAND}].",
    )


def test_a_replica_under_a_key_of_its_own(cloud: Cloud, sm: Any, there: Any, secret: str) -> None:
    """A replica's key is one of its region, and may be changed there."""
    kms = cloud.client("kms", region=IRELAND)
    first, second = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND, "KmsKeyId": first}])
    assert there.list_secret_version_ids(SecretId="db")["Versions"][0]["KmsKeyIds"] == [first]
    there.update_secret(SecretId="db", KmsKeyId=second)
    assert there.describe_secret(SecretId="db")["KmsKeyId"] == second
    assert sm.describe_secret(SecretId="db")["ReplicationStatus"][0]["KmsKeyId"] == second
    sm.put_secret_value(SecretId="db", SecretString="two")
    assert there.list_secret_version_ids(SecretId="db")["Versions"][0]["KmsKeyIds"] == [second]


def test_a_replica_that_fails(cloud: Cloud, sm: Any, there: Any, secret: str) -> None:
    """Where the replica's key refuses, the primary's change stands, the status tells why, and a later change mends it."""
    kms = cloud.client("kms", region=IRELAND)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND, "KmsKeyId": key}])
    kms.disable_key(KeyId=key)
    sm.put_secret_value(SecretId="db", SecretString="two")
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "two"
    status = sm.describe_secret(SecretId="db")["ReplicationStatus"][0]
    assert status["Status"] == "Failed"
    assert "can't encrypt" in status["StatusMessage"]
    kms.enable_key(KeyId=key)
    assert there.get_secret_value(SecretId="db")["SecretString"] == "one"
    sm.update_secret(SecretId="db", Description="again")
    assert sm.describe_secret(SecretId="db")["ReplicationStatus"][0]["Status"] == "InSync"
    assert there.get_secret_value(SecretId="db")["SecretString"] == "two"


def test_a_name_that_is_taken(sm: Any, there: Any, secret: str) -> None:
    """A secret of the same name in the other region makes the replica fail, unless it is to be overwritten."""
    there.create_secret(Name="db", SecretString="theirs")
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}])
    status = sm.describe_secret(SecretId="db")["ReplicationStatus"][0]
    assert (status["Status"], status["StatusMessage"]) == ("Failed", "Secret with this name already exists in this region")
    assert there.get_secret_value(SecretId="db")["SecretString"] == "theirs"
    sm.remove_regions_from_replication(SecretId="db", RemoveReplicaRegions=[IRELAND])
    assert there.get_secret_value(SecretId="db")["SecretString"] == "theirs"
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}], ForceOverwriteReplicaSecret=True)
    assert there.get_secret_value(SecretId="db")["SecretString"] == "one"


def test_removing_a_replica(sm: Any, there: Any, secret: str, refused: Any) -> None:
    """RemoveRegionsFromReplication deletes the replica at once; then the primary can be deleted."""
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}, {"Region": "us-west-2"}])
    left = sm.remove_regions_from_replication(SecretId="db", RemoveReplicaRegions=[IRELAND])["ReplicationStatus"]
    assert [r["Region"] for r in left] == ["us-west-2"]
    assert refused(there.describe_secret, SecretId="db")[0] == "ResourceNotFoundException"
    assert refused(sm.remove_regions_from_replication, SecretId="db", RemoveReplicaRegions=[IRELAND])[0] == "InvalidParameterException"
    sm.remove_regions_from_replication(SecretId="db", RemoveReplicaRegions=["us-west-2"])
    sm.delete_secret(SecretId="db", ForceDeleteWithoutRecovery=True)


def test_promoting_a_replica(sm: Any, there: Any, secret: str, refused: Any) -> None:
    """StopReplicationToReplica makes a replica a secret of its own, which its primary does not know any more."""
    sm.replicate_secret_to_regions(SecretId="db", AddReplicaRegions=[{"Region": IRELAND}])
    assert refused(sm.stop_replication_to_replica, SecretId="db")[0] == "InvalidParameterException"
    there.stop_replication_to_replica(SecretId="db")
    sm.put_secret_value(SecretId="db", SecretString="two")
    there.put_secret_value(SecretId="db", SecretString="theirs")
    assert there.get_secret_value(SecretId="db")["SecretString"] == "theirs"
    assert "ReplicationStatus" not in sm.describe_secret(SecretId="db")
    assert "PrimaryRegion" not in there.describe_secret(SecretId="db")


@pytest.mark.parametrize("region", ["us-east-1", "eu-moon-1"])
def test_regions_are_checked(sm: Any, secret: str, refused: Any, region: str) -> None:
    """A replica is in another region, and one that exists."""
    assert refused(sm.replicate_secret_to_regions, SecretId="db", AddReplicaRegions=[{"Region": region}]) == (
        "InvalidParameterException",
        f"Invalid replica region {region}.",
    )
