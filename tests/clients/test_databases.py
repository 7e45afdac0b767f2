"""Databases by the real `aws` command line; who connects to them: psql, mysql, drivers, applications with migrations and tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from fogbank.control import client as control
from fogbank.engines.front import certificates
from fogbank.engines.kinds import kind
from fogbank.engines.spec import Failed
from fogbank.testing.cloud import boto

from .conftest import Shell
from .databases import PASSWORD, WITHIN_S, Database

APPLICATIONS = Path(__file__).parent / "applications"


@pytest.fixture(scope="module")
def postgres(aws: Shell, tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database(aws, "library", "aurora-postgresql", tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="module")
def mysql(aws: Shell, tmp_path_factory: pytest.TempPathFactory) -> Database:
    try:
        kind("mariadb").engine.binaries("")
    except Failed as failed:
        pytest.skip(str(failed))
    return Database(aws, "shop", "aurora-mysql", tmp_path_factory.mktemp("mysql"))


def run(folder: Path, *command: str, **variables: str) -> str:
    """What a program said that must succeed."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def python(folder: Path, *arguments: str, **variables: str) -> str:
    return run(folder, sys.executable, "-B", *arguments, **variables)


def test_psql(postgres: Database) -> None:
    """psql reads by the reader what it wrote by the writer, and verifies the endpoint's name against the authority that Fogbank shows."""
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")

    def psql(host: str, *more: str, **variables: str) -> str:
        given = f"host={host} port={postgres.port} user=ada dbname=library sslmode=verify-full sslrootcert={postgres.authority}"
        return run(postgres.folder, "psql", "-X", "-A", "-t", "-q", given, *more, PGPASSWORD=PASSWORD, **variables).strip()

    psql(postgres.writer, "-c", "create schema kept; create table kept.t as select generate_series(1, 3) as a")
    assert psql(postgres.writer, "-c", "select sum(a), pg_is_in_recovery() from kept.t") == "6|f"
    seen = "exists (select from pg_tables where schemaname = 'kept')"  # (`to_regclass` would not look again in the same block)
    caught_up = f"do $$ begin while not {seen} loop perform pg_sleep(0.01); end loop; end $$"
    assert psql(postgres.reader, "-c", caught_up, "-c", "select sum(a), pg_is_in_recovery() from kept.t") == "6|t"


def test_the_whole_cloud_is_cloned_and_taken_back(postgres: Database) -> None:
    """A clone of the cloud has the databases as they were and goes its own way, also one that has the name of another that was dropped;
    a backtrack takes the databases back."""
    rows, server = "select array_agg(a order by a) from apart.along", postgres.aws.server
    postgres.once(postgres.writer, "create schema apart; create table apart.along (a int); insert into apart.along values (1)")
    for number in (2, 3):
        clone = control.ask(server.endpoint, "POST", "/clones", {"name": "experiment"})
        there = boto(clone["endpoint"], "rds").describe_db_clusters(DBClusterIdentifier=postgres.name)["DBClusters"][0]["Endpoint"]
        before = list(range(1, number))
        assert postgres.once(there, rows) == before
        postgres.once(there, f"insert into apart.along values ({100 + number})")
        assert postgres.once(there, rows) == [*before, 100 + number]
        assert postgres.once(postgres.writer, rows) == before
        control.ask(server.endpoint, "DELETE", "/clones/experiment")
        with pytest.raises(psycopg.OperationalError, match="refused"):
            postgres.connect(there)
        postgres.once(postgres.writer, f"insert into apart.along values ({number})")
    instant = postgres.once(postgres.writer, "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    postgres.once(postgres.writer, "insert into apart.along values (4)")
    control.ask(server.endpoint, "POST", "/backtrack", {"to": instant})
    assert postgres.once(postgres.writer, rows) == [1, 2, 3]


def test_psycopg_without_tls_or_with_another_authority(postgres: Database, tmp_path: Path) -> None:
    """Who does not want TLS is refused in PostgreSQL's words (rds.force_ssl is 1); who trusts another authority refuses us."""
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        postgres.connect(postgres.writer, sslmode="disable")
    other = certificates.authority(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        postgres.connect(postgres.writer, sslmode="verify-full", sslrootcert=str(other))


def test_mysql(mysql: Database) -> None:
    """The mysql client verifies, writes, reads by the reader, and is refused a write there."""
    client = shutil.which("mysql") or shutil.which("mariadb")
    if client is None:
        pytest.skip("no mysql client is installed")

    def ask(host: str, sql: str) -> str:
        tls = (f"--ssl-ca={mysql.authority}", "--ssl-verify-server-cert")
        who = (f"--host={host}", f"--port={mysql.port}", "--user=ada", f"--password={PASSWORD}")
        return run(mysql.folder, client, "--no-defaults", *who, *tls, "-N", "-B", "library", "-e", sql).strip()

    ask(mysql.writer, "create database kept; create table kept.t (a int); insert into kept.t values (1), (2), (3)")
    assert ask(mysql.writer, "select sum(a), @@read_only from kept.t") == "6\t0"
    assert ask(mysql.reader, "select @@read_only") == "1"


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
def test_an_application_of_sqlalchemy_and_alembic(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Its migrations go up, match its models, go down and up again; its own tests pass; the reader shows the same schema."""
    database: Database = request.getfixturevalue(engine)
    shop = tmp_path / "shop"
    shutil.copytree(APPLICATIONS / "shop", shop)
    drivers = {"postgres": ("postgresql+psycopg", "sslrootcert"), "mysql": ("mysql+pymysql", "ssl_ca")}
    driver, authority = drivers[engine]
    place = f"{database.port}/library?{authority}={database.authority}{'&sslmode=verify-full' if engine == 'postgres' else ''}"
    url = f"{driver}://ada:{PASSWORD}@{database.writer}:{place}"

    def alembic(*arguments: str) -> str:
        return python(shop, "-m", "alembic", *arguments, DATABASE_URL=url, PYTHONPATH=".")

    alembic("upgrade", "head")
    assert "No new upgrade operations detected" in alembic("check")
    alembic("downgrade", "base")
    alembic("upgrade", "head")
    assert "0003 (head)" in alembic("current")
    assert "OK" in python(shop, "-m", "unittest", "shop_tests", DATABASE_URL=url)
    reading = sqlalchemy.create_engine(f"{driver}://ada:{PASSWORD}@{database.reader}:{place}")
    end = time.monotonic() + WITHIN_S
    while not {"customer", "orders", "line"} <= set(sqlalchemy.inspect(reading).get_table_names()):
        assert time.monotonic() < end


def test_an_application_of_django(postgres: Database, tmp_path: Path) -> None:
    """`migrate`, `makemigrations --check`, and `test`, which makes a database of its own and drops it."""
    postgres.once(postgres.writer, "create database books")
    library = tmp_path / "library"
    shutil.copytree(APPLICATIONS / "library", library)

    def manage(*arguments: str) -> str:
        where = {"DATABASE_HOST": postgres.writer, "DATABASE_PASSWORD": PASSWORD, "DATABASE_AUTHORITY": str(postgres.authority)}
        return python(library, "manage.py", *arguments, **where)

    assert "Applying books.0002_loans... OK" in manage("migrate")
    manage("makemigrations", "--check", "--dry-run")
    assert "OK" in manage("test", "--noinput")
    assert "[X] 0002_loans" in manage("showmigrations", "books")
