"""Parameter groups, log files, proxies and activity streams of RDS, with engines that run."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.testing import Cloud
from fogbank.testing.cloud import House

ACCOUNT = "000000000000"
WORD = "correct-horse"
CLUSTER = f"arn:aws:rds:us-east-1:{ACCOUNT}:cluster:c"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    house = House(Path(tmp_path_factory.mktemp("data")))
    yield house.cloud()
    house.close()


def until(look: Callable[[], Any], seconds: float = 120) -> Any:
    """What a look gives once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError


def ready(rds: Any, name: str = "i") -> dict[str, Any] | None:
    """An instance that is available, as described."""
    found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return found if found["DBInstanceStatus"] == "available" else None


@pytest.fixture(scope="module")
def rds(cloud: Cloud) -> Any:
    """RDS with an Aurora cluster `c` of one instance `i`, whose parameter group is `g`."""
    rds = cloud.client("rds")
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="g", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    put(rds, "rds.force_ssl", "0")
    put(rds, "work_mem", "8192")
    rds.create_db_cluster(
        DBClusterIdentifier="c",
        Engine="aurora-postgresql",
        MasterUsername="boss",
        MasterUserPassword=WORD,
        DatabaseName="shop",
        DBClusterParameterGroupName="g",
    )
    rds.create_db_instance(DBInstanceIdentifier="i", DBClusterIdentifier="c", Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")
    until(lambda: ready(rds))
    return rds


def put(rds: Any, name: str, value: str, method: str = "immediate") -> None:
    given = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="g", Parameters=[given])


def sql(rds: Any, statement: str, host: str = "", **more: Any) -> Any:
    where = host or rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"][0]["Endpoint"]
    given = {"host": where, "port": 5432, "user": "boss", "password": WORD, "dbname": "shop", "connect_timeout": 60, "autocommit": True}
    with psycopg.connect(**{**given, **more}) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def member(rds: Any) -> str:
    status: str = rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"][0]["DBClusterMembers"][0]["DBClusterParameterGroupStatus"]
    return status


def test_parameters_take_effect(rds: Any) -> None:
    """A dynamic parameter is in force at once, without a new connection being refused; a static one after a reboot, and says so."""
    assert sql(rds, "show work_mem") == "8MB"
    put(rds, "work_mem", "64")
    until(lambda: sql(rds, "show work_mem") == "64kB")
    put(rds, "max_connections", "55", "pending-reboot")
    until(lambda: member(rds) == "pending-reboot")
    assert sql(rds, "show max_connections") != "55"
    rds.reboot_db_instance(DBInstanceIdentifier="i")
    until(lambda: ready(rds))
    assert sql(rds, "show max_connections") == "55"
    assert member(rds) == "in-sync"


def test_log_files_are_the_engines(rds: Any) -> None:
    """The server's log is listed under RDS's name and read."""
    names = [one["LogFileName"] for one in rds.describe_db_log_files(DBInstanceIdentifier="i")["DescribeDBLogFiles"]]
    assert names
    assert all(name.startswith("error/postgresql.log") for name in names)

    def text() -> str:
        return "".join(rds.download_db_log_file_portion(DBInstanceIdentifier="i", LogFileName=name)["LogFileData"] for name in names)

    until(lambda: "ready to accept connections" in text())  # (the server writes it when it gets to it)


@pytest.fixture(scope="module")
def proxy(cloud: Cloud, rds: Any) -> str:
    """The address of a proxy of the cluster."""
    value = json.dumps({"username": "boss", "password": WORD})
    secret = cloud.client("secretsmanager").create_secret(Name="boss", SecretString=value)["ARN"]
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    role = iam.create_role(RoleName="proxy", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(RoleName="proxy", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}))
    subnets = rds.describe_db_subnet_groups(DBSubnetGroupName="default")["DBSubnetGroups"][0]["Subnets"]
    made = rds.create_db_proxy(
        DBProxyName="p",
        EngineFamily="POSTGRESQL",
        Auth=[{"SecretArn": secret}],
        RoleArn=role["Role"]["Arn"],
        VpcSubnetIds=[subnet["SubnetIdentifier"] for subnet in subnets],
    )["DBProxy"]
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    address: str = made["Endpoint"]
    return address


def tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except psycopg.OperationalError:
        return None


def test_a_proxy_is_connected_to(cloud: Cloud, rds: Any, proxy: str) -> None:
    """A client gets to the database with the secret's password; with IAMAuth REQUIRED by a token, and no longer by password."""
    assert until(lambda: tried(lambda: sql(rds, "select current_user", proxy))) == "boss"
    auth = rds.describe_db_proxies(DBProxyName="p")["DBProxies"][0]["Auth"][0]
    rds.modify_db_proxy(DBProxyName="p", Auth=[{"SecretArn": auth["SecretArn"], "IAMAuth": "REQUIRED"}])
    token = rds.generate_db_auth_token(DBHostname=proxy, Port=5432, DBUsername="boss", Region="us-east-1")
    assert until(lambda: tried(lambda: sql(rds, "select 1", proxy, password=token, sslmode="require"))) == 1
    with pytest.raises(psycopg.OperationalError):
        sql(rds, "select 1", proxy)


def test_a_proxy_is_measured(cloud: Cloud, rds: Any, proxy: str) -> None:
    """CloudWatch is told how many clients came."""
    watch, by = cloud.client("cloudwatch"), [{"Name": "ProxyName", "Value": "p"}]

    def received() -> float:
        tried(lambda: sql(rds, "select 1", proxy))  # (its address may have to open first)
        cloud.advance(60)
        span = {"StartTime": cloud.now_ms / 1000 - 3600, "EndTime": cloud.now_ms / 1000 + 60, "Period": 3600, "Statistics": ["Sum"]}
        found = watch.get_metric_statistics(Namespace="AWS/RDS", MetricName="ClientConnectionsReceived", Dimensions=by, **span)
        return sum(point["Sum"] for point in found["Datapoints"])

    assert until(received) >= 1


def test_statements_are_streamed(cloud: Cloud, rds: Any) -> None:
    """What is done in a cluster with an activity stream comes into Kinesis, readable by whoever may use the KMS key."""
    sdk = pytest.importorskip("aws_encryption_sdk")
    from aws_encryption_sdk.identifiers import CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

    kms, kinesis = cloud.client("kms"), cloud.client("kinesis")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    stream = rds.start_activity_stream(ResourceArn=CLUSTER, Mode="async", KmsKeyId=key, ApplyImmediately=True)["KinesisStreamName"]
    cloud.advance(30)
    until(lambda: sql(rds, "show log_statement") == "all")
    sql(rds, "create table seen (a int)")
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    cluster = rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"][0]["DbClusterResourceId"]
    client = sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)

    class Provider(RawMasterKeyProvider):  # type: ignore[misc]
        provider_id = "BC"
        opened = b""

        def _get_raw_key(self, key_id: str) -> Any:
            return WrappingKey(WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING, self.opened, EncryptionKeyType.SYMMETRIC)

    def told() -> list[str]:
        cloud.advance(1)  # (for Kinesis's limits)
        place = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found = []
        for record in kinesis.get_records(ShardIterator=place)["Records"]:
            held = json.loads(record["Data"])
            context = {"aws:rds:dbc-id": cluster}
            provider = Provider()
            provider.opened = kms.decrypt(CiphertextBlob=base64.b64decode(held["key"]), EncryptionContext=context)["Plaintext"]
            provider.add_master_key("DataKey")
            content, _ = client.decrypt(source=base64.b64decode(held["databaseActivityEvents"]), key_provider=provider)
            events = json.loads(zlib.decompress(content, zlib.MAX_WBITS + 16))["databaseActivityEventList"]
            found += [f"{event['dbUserName']}: {event['commandText']}" for event in events]
        return found

    until(lambda: "boss: create table seen (a int)" in told())


def test_mariadb_in_mysqls_place(cloud: Cloud, rds: Any) -> None:
    """Aurora MySQL's parameters take effect on the MariaDB that serves it; require_secure_transport lets only TLS in."""
    if not rds.describe_db_engine_versions(Engine="aurora-mysql")["DBEngineVersions"]:
        pytest.skip("there is no MariaDB on this machine")
    name = {"DBClusterParameterGroupName": "my"}
    rds.create_db_cluster_parameter_group(**name, DBParameterGroupFamily="aurora-mysql8.0", Description="d")

    def put_my(parameter: str, value: str) -> None:
        given = {"ParameterName": parameter, "ParameterValue": value, "ApplyMethod": "immediate"}
        rds.modify_db_cluster_parameter_group(**name, Parameters=[given])

    put_my("max_allowed_packet", "33554432")
    account = {"MasterUsername": "boss", "MasterUserPassword": WORD, "DatabaseName": "shop"}
    rds.create_db_cluster(DBClusterIdentifier="m", Engine="aurora-mysql", **account, **name)
    rds.create_db_instance(DBInstanceIdentifier="mi", DBClusterIdentifier="m", Engine="aurora-mysql", DBInstanceClass="db.r6g.large")
    described = until(lambda: ready(rds, "mi"))

    def asked(statement: str, **more: Any) -> Any:
        where = {"host": described["Endpoint"]["Address"], "port": 3306, "user": "boss", "password": WORD, "database": "shop"}
        connection = pymysql.connect(**where, connect_timeout=60, **more)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]

    def refuses() -> bool:
        try:
            asked("select 1", ssl_disabled=True)
        except pymysql.OperationalError as problem:
            return "insecure transport" in str(problem)
        return False

    assert asked("select @@max_allowed_packet", ssl_disabled=True) == 33_554_432
    put_my("max_allowed_packet", "16777216")
    until(lambda: asked("select @@max_allowed_packet") == 16_777_216)
    put_my("require_secure_transport", "ON")
    until(refuses)
    assert asked("select 1") == 1
    files = rds.describe_db_log_files(DBInstanceIdentifier="mi")["DescribeDBLogFiles"]
    assert "error/mysql-error.log" in {file["LogFileName"] for file in files}
