"""What SQL finds in a database because it is RDS's: Aurora's functions, AWS's drivers' questions, extensions, RDS's procedures."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.testing import Cloud
from fogbank.testing.cloud import House

WORD = "correct-horse"
USER = {"MasterUsername": "boss", "MasterUserPassword": WORD}
DIALECT = "select setting like '%aurora_stat_utils%' as aurora from pg_catalog.pg_settings where name = 'rds.extensions'"
"""How AWS's drivers find out that a server is Aurora's; then, who its members are."""
TOPOLOGY = """
select server_id, session_id = 'MASTER_SESSION_ID', cpu, coalesce(replica_lag_in_msec, 0), last_update_timestamp
from aurora_replica_status()
where extract(epoch from (now() - last_update_timestamp)) <= 300 or session_id = 'MASTER_SESSION_ID' or last_update_timestamp is null
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    house = House(Path(tmp_path_factory.mktemp("data")))
    yield house.cloud()
    house.close()


def there(cloud: Cloud, *names: str) -> dict[str, str]:
    """The addresses of instances, once all that was asked for is done."""
    rds = cloud.client("rds")
    while True:
        instances, clusters = rds.describe_db_instances()["DBInstances"], rds.describe_db_clusters()["DBClusters"]
        if {one["DBInstanceStatus"] for one in instances} | {one["Status"] for one in clusters} == {"available"}:
            found = {one["DBInstanceIdentifier"]: one["Endpoint"]["Address"] for one in instances}
            return {name: found[name] for name in names}
        cloud.settle(60)


def aurora(cloud: Cloud, cluster: str, engine: str, *instances: str) -> dict[str, str]:
    rds = cloud.client("rds")
    rds.create_db_cluster(DBClusterIdentifier=cluster, Engine=engine, DatabaseName="shop", **USER)
    for name in instances:
        rds.create_db_instance(DBInstanceIdentifier=name, DBClusterIdentifier=cluster, Engine=engine, DBInstanceClass="db.r6g.large")
    return there(cloud, *instances)


@pytest.fixture(scope="module")
def nodes(cloud: Cloud) -> dict[str, str]:
    """The addresses of a cluster's writer `one` and reader `two`."""
    return aurora(cloud, "sales", "aurora-postgresql", "one", "two")


@contextmanager
def connected(host: str, database: str = "shop", user: str = "boss") -> Iterator[Any]:
    with psycopg.connect(host=host, user=user, password=WORD, dbname=database, connect_timeout=60, autocommit=True) as connection:
        yield connection


def value(connection: Any, sql: str, *given: Any) -> Any:
    return connection.execute(sql, given or None).fetchone()[0]


def refused(connection: Any, sql: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    return str(caught.value.sqlstate)


def test_an_instance_says_what_it_is(nodes: dict[str, str]) -> None:
    """aurora_version() is the engine's version, aurora_db_instance_identifier() the instance that one is connected to."""
    for name, host in nodes.items():
        with connected(host) as connection:
            assert value(connection, "select aurora_db_instance_identifier()") == name
            version = value(connection, "show server_version").split()[0]
            assert value(connection, "select aurora_version()") == f"{version}.0"


def test_a_driver_finds_the_members(nodes: dict[str, str]) -> None:
    """Who writes is seen from the writer and from a reader, by a user without rights too; a reader's lag is a number."""
    with connected(nodes["one"]) as writer:
        writer.execute(f"create role clerk login password '{WORD}'")
    for host, user in zip(nodes.values(), ("clerk", "boss"), strict=True):
        with connected(host, user=user) as connection:
            assert value(connection, DIALECT) is True
            rows = {row[0]: row[1:] for row in connection.execute(TOPOLOGY)}
            assert {name: row[0] for name, row in rows.items()} == {"one": True, "two": False}
            assert all(cpu >= 0 and lag >= 0 for _, cpu, lag, _ in rows.values())
            assert refused(connection, "select * from _aurora_dblink('host=/tmp', 'select 1') as (a text)") == "42501"


def test_a_failover_shows(cloud: Cloud, nodes: dict[str, str]) -> None:
    """After a failover the other one is the writer."""
    cloud.client("rds").failover_db_cluster(DBClusterIdentifier="sales", TargetDBInstanceIdentifier="two")
    there(cloud, "one", "two")
    with connected(nodes["two"]) as connection:
        rows = connection.execute("select server_id, session_id = 'MASTER_SESSION_ID' from aurora_replica_status()").fetchall()
        assert ("two", True) in rows
        assert value(connection, "select pg_is_in_recovery()") is False
    cloud.client("rds").failover_db_cluster(DBClusterIdentifier="sales", TargetDBInstanceIdentifier="one")
    there(cloud, "one", "two")


def test_every_database_has_it(nodes: dict[str, str]) -> None:
    """Databases made from either template have Aurora's functions, and what RDS lets its superusers call."""
    with connected(nodes["one"]) as connection:
        connection.execute("create database early")
        connection.execute("create database bare template template0")
    for database in ("early", "bare", "postgres"):
        with connected(nodes["one"], database) as connection:
            assert value(connection, "select aurora_db_instance_identifier()") == "one"
            assert value(connection, DIALECT) is True
            connection.execute("select pg_stat_reset()")


def test_extensions_that_are_listed_can_be_made(nodes: dict[str, str]) -> None:
    """The master user creates every extension that `rds.extensions` names, and no other; builtins of Aurora's are listed."""
    with connected(nodes["one"]) as connection:
        connection.execute("create database extended")
    with connected(nodes["one"], "extended") as connection:
        listed = value(connection, "show rds.extensions").split(", ")
        assert {"aurora_stat_utils", "aws_s3", "pg_stat_statements", "pgcrypto", "plpgsql", "uuid-ossp"} <= set(listed)
        assert listed == [
            row[0] for row in connection.execute("select name from pg_available_extensions order by name") if row[0] in listed
        ]
        for name in listed:
            connection.execute(f'create extension if not exists "{name}" cascade')
        assert refused(connection, "create extension file_fdw") == "0A000"
        assert refused(connection, "create extension aurora_masters") == "42501"
        builtins = [row[0] for row in connection.execute('select "Name" from aurora_list_builtins()')]
        assert builtins == ["aurora_db_instance_identifier", "aurora_list_builtins", "aurora_replica_status", "aurora_version"]


def test_uuid_ossp(nodes: dict[str, str]) -> None:
    """UUIDs by name are those of RFC 4122; those by time have its order and a node of their own; random ones are random."""
    with connected(nodes["one"]) as connection:
        connection.execute('create extension "uuid-ossp"')
        names = {"dns": uuid.NAMESPACE_DNS, "url": uuid.NAMESPACE_URL, "oid": uuid.NAMESPACE_OID, "x500": uuid.NAMESPACE_X500}
        for kind, namespace in names.items():
            assert value(connection, f"select uuid_ns_{kind}()") == namespace
            for name in ("", "www.example.com", "größer " * 40):
                made = connection.execute(
                    f"select uuid_generate_v3(uuid_ns_{kind}(), %s), uuid_generate_v5(uuid_ns_{kind}(), %s)", [name] * 2
                )
                assert made.fetchone() == (uuid.uuid3(namespace, name), uuid.uuid5(namespace, name))
        assert value(connection, "select uuid_generate_v5(uuid_ns_dns(), 'www.example.com')") == uuid.UUID(
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        )
        assert value(connection, "select uuid_nil()").int == 0
        for version, function in ((1, "v1"), (1, "v1mc"), (4, "v4")):
            made = [row[0] for row in connection.execute(f"select uuid_generate_{function}() from generate_series(1, 500)")]
            assert {(one.version, one.variant) for one in made} == {(version, uuid.RFC_4122)}
            assert len(set(made)) == len(made)
        before, (first, second) = uuid.uuid1().time, [value(connection, "select uuid_generate_v1()") for _ in range(2)]
        assert before - 10**7 < first.time < second.time < before + 10**9
        assert first.node == second.node


def test_pgcrypto(nodes: dict[str, str]) -> None:
    """Hashes and message codes are those of the standards, of bytes and of text; random bytes have the length that was asked for."""
    with connected(nodes["one"]) as connection:
        connection.execute("create extension pgcrypto")
        assert value(connection, "select encode(digest('abc', 'sha1'), 'hex')") == "a9993e364706816aba3e25717850c26c9cd0d89d"
        for kind in ("md5", "sha1", "sha224", "SHA256", "sha384", "sha512"):
            for length in (0, 1, 55, 56, 64, 65, 127, 128, 129, 1000):
                content = bytes(number * 7 % 256 for number in range(length))
                assert value(connection, "select digest(%b, %s)", content, kind) == hashlib.new(kind.lower(), content).digest()
                assert value(connection, "select hmac(%b, %b, %s)", b"it", content, kind) == hmac.digest(content, b"it", kind.lower())
        assert value(connection, "select hmac('ü', 'key', 'sha256')") == hmac.digest(b"key", "ü".encode(), "sha256")
        assert refused(connection, "select digest('a', 'md99')") == "22023"
        assert [len(value(connection, f"select gen_random_bytes({length})")) for length in (1, 14, 15, 1024)] == [1, 14, 15, 1024]
        assert refused(connection, "select gen_random_bytes(1025)") == "39000"


def test_a_plain_instance_has_nothing_of_aurora(cloud: Cloud) -> None:
    """RDS for PostgreSQL lists its extensions, and has none of Aurora's functions."""
    kind = {"Engine": "postgres", "DBInstanceClass": "db.m6g.large", "AllocatedStorage": 20}
    cloud.client("rds").create_db_instance(DBInstanceIdentifier="plain", DBName="shop", **kind, **USER)
    host = there(cloud, "plain")["plain"]
    with connected(host) as connection:
        assert value(connection, DIALECT) is False
        assert refused(connection, "select aurora_version()") == "42883"
        connection.execute("create database bare template template0")
    with connected(host, "bare") as connection:
        assert refused(connection, "select aurora_version()") == "42883"


def test_a_class_is_what_the_engine_has(nodes: dict[str, str]) -> None:
    """`max_connections` and `shared_buffers` are what the class gives, as far as the machine bears it."""
    from fogbank.services.rds import families
    from fogbank.services.rds.instance_classes import sized

    given = families.given("aurora-postgresql", sized("db.r6g.large"))
    with connected(nodes["one"]) as connection:
        for name in ("max_connections", "shared_buffers"):
            assert value(connection, "select setting from pg_settings where name = %s", name) == given[name]


def test_stopped_endpoints_are_closed(cloud: Cloud, nodes: dict[str, str]) -> None:
    """Nobody is held at the endpoints of a stopped cluster: a connection is refused. Started again, it is there as it was."""
    rds = cloud.client("rds")
    rds.stop_db_cluster(DBClusterIdentifier="sales")
    while rds.describe_db_clusters(DBClusterIdentifier="sales")["DBClusters"][0]["Status"] != "stopped":
        cloud.settle(60)
    for host in nodes.values():
        with pytest.raises(psycopg.OperationalError, match=r"refused|closed"):
            psycopg.connect(host=host, user="boss", password=WORD, dbname="shop", connect_timeout=60)
    rds.start_db_cluster(DBClusterIdentifier="sales")
    for name, host in there(cloud, "one", "two").items():
        with connected(host) as connection:
            assert value(connection, "select aurora_db_instance_identifier()") == name


def test_a_mysql_connection_is_killed(cloud: Cloud) -> None:
    """mysql.rds_kill ends another user's connection, mysql.rds_kill_query its statement; the house's own are nobody's to end."""
    if not cloud.client("rds").describe_db_engine_versions(Engine="aurora-mysql")["DBEngineVersions"]:
        pytest.skip("there is no MariaDB on this machine")
    host = aurora(cloud, "my", "aurora-mysql", "my-one")["my-one"]

    def opened(user: str = "boss") -> Any:
        return pymysql.connect(host=host, port=3306, user=user, password=WORD, connect_timeout=60, autocommit=True)

    with opened() as boss, boss.cursor() as cursor:
        cursor.execute(f"create user clerk identified by '{WORD}'")
        clerk = opened("clerk")
        with ThreadPoolExecutor(1) as other:
            sleeping = other.submit(clerk.query, "select sleep(600)")
            while not cursor.execute("select 1 from information_schema.processlist where info = 'select sleep(600)'"):
                pass
            cursor.execute("call mysql.rds_kill_query(%s)", (clerk.thread_id(),))
            wait((sleeping,), 60)
        clerk.ping(reconnect=False)
        cursor.execute("call mysql.rds_kill(%s)", (clerk.thread_id(),))
        with pytest.raises(pymysql.OperationalError):
            clerk.ping(reconnect=False)
        cursor.execute("select id from information_schema.processlist where user = 'rdsrepladmin'")
        with pytest.raises(pymysql.Error, match="not owner"):
            cursor.execute("call mysql.rds_kill(%s)", cursor.fetchone())
        with pytest.raises(pymysql.Error, match="Unknown thread id"):
            cursor.execute("call mysql.rds_kill(999999)")
