"""Pgpool-II before an RDS Proxy: one endpoint for reads and writes, and a failover that loses no connection."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fogbank.testing.cloud import boto, free_port

from .conftest import Shell
from .databases import PASSWORD, WITHIN_S, Database

READS = "select current_setting('transaction_read_only') = 'on' from split limit 1"
"""Whether a reader answers."""


def proxied(aws: Shell, database: Database) -> tuple[str, str]:
    """The endpoints of a proxy of the cluster: for all, and for reading."""
    rds, iam = (boto(aws.server.endpoint, name) for name in ("rds", "iam"))
    value = json.dumps({"username": "ada", "password": PASSWORD})
    secret = boto(aws.server.endpoint, "secretsmanager").create_secret(Name="ada", SecretString=value)["ARN"]
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    trusted, allowed = (json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, may))
    role = iam.create_role(RoleName="proxy", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    iam.put_role_policy(RoleName="proxy", PolicyName="p", PolicyDocument=allowed)
    group = rds.describe_db_subnet_groups(DBSubnetGroupName="default")["DBSubnetGroups"][0]
    given = {"DBProxyName": "p", "VpcSubnetIds": [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]}
    whole = rds.create_db_proxy(EngineFamily="POSTGRESQL", Auth=[{"SecretArn": secret}], RoleArn=role, **given)["DBProxy"]
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=[database.name])
    reads = rds.create_db_proxy_endpoint(DBProxyEndpointName="r", TargetRole="READ_ONLY", **given)["DBProxyEndpoint"]
    return whole["Endpoint"], reads["Endpoint"]


@pytest.fixture
def pooled(aws: Shell, tmp_path: Path) -> Iterator[tuple[Database, int]]:
    """A cluster, and the port of a pgpool that is set up for it as Pgpool-II's manual says for Aurora."""
    program = shutil.which("pgpool", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("pgpool is not installed")
    database = Database(aws, "split", "aurora-postgresql", tmp_path)
    whole, reads = proxied(aws, database)
    port, sockets = free_port(), tempfile.mkdtemp(prefix="pgpool", dir="/tmp")
    settings: dict[str, Any] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "pcp_port": free_port(),
        **dict.fromkeys(("socket_dir", "unix_socket_directories", "pcp_socket_dir"), sockets),
        "pid_file_name": tmp_path / "pid",
        "logdir": tmp_path,
        "num_init_children": 4,
        "allow_clear_text_frontend_auth": "on",
        "backend_clustering_mode": "streaming_replication",
        "sr_check_period": 0,
        "load_balance_mode": "on",
        "statement_level_load_balance": "on",
    }
    flags = ("ALWAYS_PRIMARY|DISALLOW_TO_FAILOVER", "DISALLOW_TO_FAILOVER")
    for number, address in enumerate((whole, reads)):
        of = {"hostname": address, "port": database.port, "weight": number, "flag": flags[number]}
        settings |= {f"backend_{name}{number}": value for name, value in of.items()}
    files = {"-f": "".join(f"{name} = '{value}'\n" for name, value in settings.items()), "-a": "", "-F": ""}
    for option, text in files.items():
        (tmp_path / f"pgpool{option}").write_text(text)
    with (tmp_path / "log").open("w") as log:
        arguments = [part for option in files for part in (option, tmp_path / f"pgpool{option}")]
        process = subprocess.Popen([program, "-n", *arguments], stdout=log, stderr=log)
    yield database, port
    process.send_signal(signal.SIGINT)
    process.wait()
    shutil.rmtree(sockets, ignore_errors=True)


def connected(port: int) -> psycopg.Connection[Any]:
    """When pgpool and both endpoints are there."""
    end = time.monotonic() + WITHIN_S
    while True:
        try:
            connection = psycopg.connect(host="127.0.0.1", port=port, user="ada", password=PASSWORD, dbname="library", autocommit=True)
            connection.execute("create table if not exists split (a int)")
        except psycopg.Error:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return connection


def test_one_endpoint_for_reads_and_writes(pooled: tuple[Database, int]) -> None:
    """Through one connection writes go to the writer and reads to a reader, also what follows a failover, which costs it no error."""
    database, port = pooled

    def read(connection: psycopg.Connection[Any]) -> Any:
        row = connection.execute(READS).fetchone()  # type: ignore[arg-type]
        return row[0] if row is not None else None

    with connected(port) as connection:
        connection.execute("insert into split values (1)")
        end = time.monotonic() + WITHIN_S
        while not read(connection):
            assert time.monotonic() < end
        with connection.transaction():
            connection.execute("insert into split values (2)")
            assert read(connection) is False
        rds = boto(database.aws.server.endpoint, "rds")
        before, written = writer(rds), 2
        rds.failover_db_cluster(DBClusterIdentifier=database.name)
        while writer(rds) == before or written < 10:
            connection.execute("insert into split values (3)")
            written += 1
            assert time.monotonic() < end
        while not read(connection):
            assert time.monotonic() < end
        with connection.transaction():
            connection.execute("lock split")  # (counted by the writer)
            assert connection.execute("select count(*) from split").fetchone() == (written,)


def writer(rds: Any) -> str:
    members = rds.describe_db_clusters(DBClusterIdentifier="split")["DBClusters"][0]["DBClusterMembers"]
    return next(member["DBInstanceIdentifier"] for member in members if member["IsClusterWriter"])
