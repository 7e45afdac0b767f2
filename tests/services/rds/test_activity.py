"""Database activity streams: rows, the Kinesis stream, and what is put into it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from fogbank.delivery import outbox
from fogbank.testing import Cloud

from .people import ACCOUNT, arn
from .stage import Stage


@pytest.fixture
def key(cloud: Cloud) -> str:
    made: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


@pytest.fixture
def audited(stage: Stage) -> Stage:
    """Databases that tell what statements run."""
    stage.audits = frozenset(["postgres"])
    return stage


def _start(rds: Any, key: str, **members: Any) -> Any:
    given = {"ResourceArn": arn("cluster", "c"), "Mode": "async", "KmsKeyId": key, "ApplyImmediately": True, **members}
    return rds.start_activity_stream(**given)


def _tell(cloud: Cloud, cluster: str, events: list[dict[str, Any]]) -> None:
    """As the engines do."""

    def put() -> None:
        tx = cloud.inner.begin()
        payload = {"cluster": cluster, "what": "activity", "node": "db-1", "events": events}
        outbox.put(tx, "rds.noticed", payload, tx.at_ms, ACCOUNT, "us-east-1")
        cloud.inner.commit(tx)

    cloud.house.on_loop(put)
    cloud.settle()


def _records(cloud: Cloud, stream: str) -> list[dict[str, Any]]:
    kinesis = cloud.client("kinesis")
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    place = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    return [json.loads(record["Data"]) for record in kinesis.get_records(ShardIterator=place)["Records"]]


def test_nothing_is_recorded_where_nobody_tells(rds: Any, aurora: Any, key: str, refused: Any) -> None:
    """Where the engine does not tell what statements run, a stream is refused by name."""
    aurora("c")
    code, message = refused(_start, rds, key)
    assert (code, "aurora-postgresql" in message) == ("NotImplemented", True)


def test_a_stream_is_started_and_stopped(cloud: Cloud, rds: Any, audited: Stage, aurora: Any, key: str, refused: Any) -> None:
    """A started stream shows in its cluster and has a Kinesis stream by its id, which goes when it is stopped."""
    cluster = aurora("c")
    started = _start(rds, key)
    name = f"aws-rds-das-{cluster['DbClusterResourceId']}"
    assert (started["Status"], started["KinesisStreamName"], started["KmsKeyId"]) == ("starting", name, key)
    cloud.settle()
    described = rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"][0]
    assert (described["ActivityStreamStatus"], described["ActivityStreamMode"]) == ("started", "async")
    assert described["ActivityStreamKinesisStreamName"] == name
    assert refused(_start, rds, key)[0] == "InvalidDBClusterStateFault"
    assert name in cloud.client("kinesis").list_streams()["StreamNames"]
    (wanted,) = audited.wanted.values()
    assert (wanted.audit, wanted.nodes[0].parameters["log_statement"]) == (True, "all")
    stopped = rds.stop_activity_stream(ResourceArn=arn("cluster", "c"), ApplyImmediately=True)
    assert stopped["Status"] == "stopping"
    cloud.settle()
    cloud.advance(60)
    assert rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"][0]["ActivityStreamStatus"] == "stopped"
    assert name not in cloud.client("kinesis").list_streams()["StreamNames"]


def test_what_is_done_is_read_with_the_encryption_sdk(cloud: Cloud, rds: Any, audited: Stage, aurora: Any, key: str) -> None:
    """A record is decrypted as AWS's documentation does it: the data key by KMS, the events by the AWS Encryption SDK."""
    sdk = pytest.importorskip("aws_encryption_sdk")
    from aws_encryption_sdk.identifiers import CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

    cluster = aurora("c")["DbClusterResourceId"]
    name = _start(rds, key)["KinesisStreamName"]
    cloud.advance(30)
    events = [{"type": "record", "command": "SELECT", "commandText": f"select {number}"} for number in range(3)]
    _tell(cloud, cluster, events)
    (record,) = _records(cloud, name)
    assert record["type"] == "DatabaseActivityMonitoringRecords"
    opened = cloud.client("kms").decrypt(CiphertextBlob=base64.b64decode(record["key"]), EncryptionContext={"aws:rds:dbc-id": cluster})

    class Provider(RawMasterKeyProvider):  # type: ignore[misc]
        provider_id = "BC"

        def _get_raw_key(self, key_id: str) -> Any:
            return WrappingKey(WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING, opened["Plaintext"], EncryptionKeyType.SYMMETRIC)

    provider = Provider()
    provider.add_master_key("DataKey")
    client = sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
    content, _header = client.decrypt(source=base64.b64decode(record["databaseActivityEvents"]), key_provider=provider)
    told = json.loads(zlib.decompress(content, zlib.MAX_WBITS + 16))
    assert (told["type"], told["clusterId"], told["instanceId"]) == ("DatabaseActivityMonitoringRecord", cluster, "db-1")
    assert told["databaseActivityEventList"] == events


def test_wrong_streams_are_refused(cloud: Cloud, rds: Any, audited: Stage, aurora: Any, plain: Any, key: str, refused: Any) -> None:
    """A key must be usable and the resource an Aurora cluster; the synchronous mode is not there."""
    aurora("c")
    plain("db")
    missing = key[:-4] + ("0000" if key[-4:] != "0000" else "1111")
    assert refused(_start, rds, missing)[0] == "KMSKeyNotAccessibleFault"
    assert refused(_start, rds, key, Mode="sync")[0] == "NotImplemented"
    assert refused(_start, rds, key, ResourceArn=arn("db", "db"))[0] == "NotImplemented"
    assert refused(_start, rds, key, ResourceArn=arn("cluster", "no"))[0] == "DBClusterNotFoundFault"
    assert refused(_start, rds, key, ResourceArn=arn("pg", "no"))[0] == "ResourceNotFoundFault"
    assert refused(rds.stop_activity_stream, ResourceArn=arn("cluster", "c"), ApplyImmediately=True)[0] == "InvalidDBClusterStateFault"
