"""The front, as PostgreSQL's clients meet it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy
from psycopg import sql

from fogbank.engines.front.postgres import messages

from .test_front_stage import Postgres, Stage, once, stage, until

__all__ = ["stage"]


@pytest.fixture(scope="module")
def writer(stage: Stage) -> Postgres:
    return stage.postgres("writer").start()


@pytest.fixture
def address(stage: Stage, writer: Postgres) -> str:
    """A plain endpoint that leads to the writer."""
    address = stage.address()
    stage.fogbank.endpoint(address, 5432, writer.target)
    return address


@pytest.mark.parametrize("way", [{"sslmode": "disable"}, {"sslmode": "require"}, {"sslmode": "require", "sslnegotiation": "direct"}])
def test_ways_in(stage: Stage, address: str, way: dict[str, Any]) -> None:
    """A password lets in, in the clear, by TLS that was asked for, and by TLS from the first byte."""
    with stage.connect(address, **way) as connection:
        assert connection.execute("select current_user").fetchone() == ("alice",)
        assert connection.info.pgconn.ssl_in_use == (way["sslmode"] == "require")
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "alice"'):
        stage.connect(address, password="wrong", **way)


@pytest.mark.parametrize("kind", ["plain", "proxy"])
def test_versions_of_the_protocol(stage: Stage, writer: Postgres, address: str, kind: str) -> None:
    """Version 3.2, with its longer cancel keys, and whatever comes later, are negotiated."""
    where = address if kind == "plain" else proxied(stage, writer)
    for version in ("3.0", "3.2", "latest"):
        with stage.connect(where, max_protocol_version=version) as connection:
            once(lambda: writer.waits("PgSleep"), connection.cancel_safe)
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("select pg_sleep(60)")


def test_clients_that_give_up(stage: Stage) -> None:
    """A client that goes while it is held is waited for no more."""
    address = stage.address()
    stage.fogbank.endpoint(address, 5432, held=True)
    with socket.create_connection((address, 5432)) as raw:
        raw.sendall(messages.startup(3 << 16, {"user": "alice"}))
        time.sleep(0.1)
    late = stage.postgres("reader1").start()
    with late.admin() as admin:
        stage.fogbank.endpoint(address, 5432, late.target, held=False)
        time.sleep(0.1)
        others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and usename is distinct from 'rdsadmin'"
        assert admin.execute(others).fetchone() == (0,)
    late.kill()


def test_verify_full(stage: Stage, address: str) -> None:
    """The certificate is good for the address as it stands, by our authority only."""
    with stage.connect(address, sslmode="verify-full", sslrootcert=stage.authority) as connection:
        assert connection.info.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        stage.connect(address, sslmode="verify-full", sslrootcert="/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.skipif(not os.path.exists("/usr/bin/psql"), reason="no psql")
def test_psql(stage: Stage, address: str) -> None:
    """psql is served as by any server."""
    words = f"host={address} user=alice password=secret dbname=postgres sslmode=verify-full sslrootcert={stage.authority}"
    asked = subprocess.run(["psql", words, "-Atc", "select 'so'", "-c", "\\conninfo"], capture_output=True, text=True)
    assert asked.stdout.startswith("so\n"), asked.stderr
    assert "TLS" in asked.stdout


def test_tls_only(stage: Stage, writer: Postgres) -> None:
    """Where TLS is required, who comes without is refused in PostgreSQL's words."""
    address = stage.address()
    stage.fogbank.endpoint(address, 5432, writer.target, tls_only=True)
    with pytest.raises(psycopg.OperationalError) as refused:
        stage.connect(address)
    words = 'no pg_hba.conf entry for host "127.0.0.1", user "alice", database "postgres", no encryption'
    assert words in str(refused.value)
    stage.connect(address, sslmode="require").close()


def test_superuser(stage: Stage, address: str) -> None:
    """Nobody comes in as the house's superuser, although a node trusts it."""
    with pytest.raises(psycopg.OperationalError, match=r'pg_hba.conf rejects connection for host .* user "rdsadmin"'):
        stage.connect(address, user="rdsadmin", sslmode="require")


def test_slipped_in(stage: Stage, address: str) -> None:
    """What is sent in the clear behind a request for TLS does not count as said within it: the connection ends."""
    with socket.create_connection((address, 5432)) as raw:
        raw.sendall(bytes.fromhex("0000000804d2162f") + b"\0\0\0\x09\0\x03\0\0\0")
        assert raw.recv(10) in (b"", b"S")
        assert raw.recv(10) == b""


def test_iam(stage: Stage, writer: Postgres) -> None:
    """A member of rds_iam shows a token, over TLS only; others their password; a token is checked for user, address and cluster."""
    address = stage.address()
    stage.fogbank.endpoint(address, 5432, writer.target, iam=True)
    stage.fogbank.answers["token"] = lambda asked: {"ok": asked["token"] == "t" * 2000, "why": "expired"}
    with stage.connect(address, user="jane", password="t" * 2000, sslmode="require") as connection:
        assert connection.execute("select current_user").fetchone() == ("jane",)
    asked = stage.fogbank.asked[-1]
    assert (asked["user"], asked["address"], asked["port"], asked["cluster"]) == ("jane", address, 5432, "c")
    with pytest.raises(psycopg.OperationalError, match='PAM authentication failed for user "jane"'):
        stage.connect(address, user="jane", password="other", sslmode="require")
    with pytest.raises(psycopg.OperationalError, match=r'pg_hba.conf rejects connection .* user "jane".* no encryption'):
        stage.connect(address, user="jane", password="t" * 2000)
    stage.connect(address, sslmode="require").close()
    stage.fogbank.endpoint(address, 5432, writer.target, iam=False)
    with pytest.raises(psycopg.OperationalError, match='PAM authentication failed for user "jane"'):
        stage.connect(address, user="jane", password="t" * 2000, sslmode="require")


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_cancel(stage: Stage, writer: Postgres, address: str, tls: str) -> None:
    """A cancel request reaches the node that runs the query."""
    with stage.connect(address, sslmode=tls) as connection:
        once(lambda: writer.waits("PgSleep"), connection.cancel_safe)
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(120)")
        assert time.monotonic() - began < 60


def test_copy_and_big_results(stage: Stage, address: str) -> None:
    """Rows go both ways unharmed, more than fit any buffer."""
    with stage.connect(address, sslmode="require") as connection:
        connection.execute("create temp table t (i int, words text)")
        with connection.cursor().copy("copy t from stdin") as copy:
            for i in range(50_000):
                copy.write_row((i, "x" * (i % 100)))
        assert connection.execute("select count(*), sum(length(words)), sum(i) from t").fetchone() == (50_000, 2_475_000, 1_249_975_000)
        with connection.cursor().copy("copy t to stdout") as copy:
            assert sum(len(piece) for piece in copy) > 2_475_000
        wide = connection.execute("select repeat('z', 20000000)").fetchone()
        assert wide is not None
        assert wide[0] == "z" * 20_000_000


def test_slow_reader(stage: Stage, address: str) -> None:
    """A client that does not read is not read for: the front does not grow by what waits for it."""
    connection = stage.connect(address)
    connection.pgconn.send_query(b"select repeat('z', 1000) from generate_series(1, 200000)")
    time.sleep(0.5)
    with open(f"/proc/{stage.fogbank.process.pid}/statm") as statm:
        pages = int(statm.read().split()[1])
    connection.close()
    assert pages * 4096 < 120_000_000


def test_sqlalchemy(stage: Stage, address: str) -> None:
    """An application's migrations and queries run."""
    url = f"postgresql+psycopg://alice:secret@{address}:5432/postgres?sslmode=verify-full&sslrootcert={stage.authority}"
    _application(sqlalchemy.create_engine(url))


def _application(engine: sqlalchemy.Engine) -> None:
    things = sqlalchemy.Table(
        "things",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
        sqlalchemy.Column("name", sqlalchemy.String(50)),
    )
    things.drop(engine, checkfirst=True)
    things.create(engine)
    with engine.begin() as connection:
        connection.execute(things.insert(), [{"name": f"thing {n}"} for n in range(100)])
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(things)).scalar() == 100
        connection.rollback()
        assert sqlalchemy.inspect(connection).get_columns("things")[1]["name"] == "name"
    engine.dispose()


def test_same_table_again(stage: Stage, writer: Postgres, address: str) -> None:
    """A table that says the same again, or something else of others, leaves connections alone."""
    with stage.connect(address) as connection:
        stage.fogbank.send()
        stage.fogbank.endpoint(stage.address(), 5432, writer.target)
        stage.fogbank.endpoint(address, 5432, writer.target, tls_only=True, iam=True)
        assert connection.execute("select 1").fetchone() == (1,)


def test_address_taken(stage: Stage, writer: Postgres) -> None:
    """An address that cannot be had is told of, once; the others are served, and it is too when it is free."""
    address, other = stage.address(), stage.address()
    with socket.create_server((address, 5432)):
        stage.fogbank.endpoint(address, 5432, writer.target)
        stage.fogbank.endpoint(other, 5432, writer.target)
        told = [said for said in stage.fogbank.said if said["say"] == "problem"]
        assert told[-1]["endpoint"] == f"{address}:5432"
        stage.connect(other).close()
        stage.fogbank.send()
    until(lambda: connected(stage, address))
    assert [said for said in stage.fogbank.said if said["say"] == "problem"] == told


def connected(stage: Stage, address: str) -> bool:
    try:
        stage.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


def test_failover(stage: Stage, writer: Postgres) -> None:
    """When an endpoint leads to another node its connections are dropped, and new ones go there at once."""
    address, other = stage.address(), stage.postgres("reader0").start()
    stage.fogbank.endpoint(address, 5432, writer.target)
    with stage.connect(address) as connection:
        stage.fogbank.endpoint(address, 5432, other.target)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
        assert stage.connect(address).execute("show cluster_name").fetchone() == ("reader0",)
    other.kill()


def test_held(stage: Stage, writer: Postgres) -> None:
    """Where there is no target, clients wait and the cluster is asked to wake; then they are served."""
    address, before = stage.address(), len(stage.fogbank.asked)
    stage.fogbank.endpoint(address, 5432, held=True)

    def wake() -> None:
        time.sleep(0.3)
        stage.fogbank.endpoint(address, 5432, writer.target, held=False)

    began = time.monotonic()
    once(lambda: len(stage.fogbank.asked) > before, wake)
    stage.connect(address).close()
    assert 0.25 < time.monotonic() - began < 30
    assert stage.fogbank.asked[-1]["what"] == "wake"
    assert stage.fogbank.asked[-1]["cluster"] == "c"


def test_writer_that_starts(stage: Stage) -> None:
    """A node that does not listen yet, or is not ready, makes clients wait."""
    address, late = stage.address(), stage.postgres("reader1")
    stage.fogbank.endpoint(address, 5432, late.target)
    starting = threading.Timer(0.2, late.start)
    starting.start()
    stage.connect(address).close()
    starting.join()
    late.kill()


def reached_by(stage: Stage, address: str) -> str:
    """The name of the server that a new connection is led to."""
    with stage.connect(address) as connection:
        row = connection.execute("show cluster_name").fetchone()
        assert row is not None
        return str(row[0])


def test_reader_endpoint(stage: Stage, writer: Postgres) -> None:
    """Connections are spread over the targets; one that refuses, or says nothing, is passed over."""
    address, readers = stage.address(), [stage.postgres(f"reader{n}").start() for n in range(2)]
    stage.fogbank.endpoint(address, 5432, *(reader.target for reader in readers))

    def reached() -> set[str]:
        return {reached_by(stage, address) for _ in range(6)}

    assert reached() == {"reader0", "reader1"}
    assert readers[0].process is not None
    readers[0].process.tell(signal.SIGSTOP)
    began = time.monotonic()
    assert [reached_by(stage, address) for _ in range(2)] == ["reader1", "reader1"]
    assert time.monotonic() - began < 40
    readers[0].process.tell(signal.SIGCONT)
    readers[0].kill()
    assert reached() == {"reader1"}
    readers[1].kill()


@pytest.fixture
def unreplicated(writer: Postgres) -> Iterator[None]:
    """Commits wait for a standby that never comes."""

    def switch(name: str) -> None:
        with writer.admin() as admin:
            admin.execute(sql.SQL("alter system set synchronous_standby_names = {}").format(name))
            admin.execute("select pg_reload_conf()")
            until(lambda: admin.execute("show synchronous_standby_names").fetchone() == (name,))

    switch("nobody")
    yield
    switch("")


def proxied(stage: Stage, writer: Postgres) -> str:
    address = stage.address()
    proxy = {"users": {"alice": {"password": "secret"}}, "max_connections": 5, "borrow_timeout_s": 20}
    stage.fogbank.endpoint(address, 5432, writer.target, proxy=proxy)
    return address


@pytest.mark.parametrize("kind", ["plain", "proxy"])
def test_lost_acknowledgement(stage: Stage, writer: Postgres, address: str, unreplicated: None, kind: str) -> None:
    """A commit whose wait for the volume was cancelled is not acknowledged: the connection drops."""
    where = address if kind == "plain" else proxied(stage, writer)
    connection = stage.connect(where)
    once(lambda: writer.waits("SyncRep"), connection.cancel_safe)
    with pytest.raises(psycopg.OperationalError):
        connection.execute(f"create table lost_{kind} (i int)")
    assert connection.closed


def test_back_door(stage: Stage, writer: Postgres) -> None:
    """SQL reaches AWS by dblink, with results and errors; also by the extended protocol."""
    stage.fogbank.answers["aws"] = lambda asked: (
        {"error": "no such function"}
        if asked["call"]["name"] == "gone"
        else {"result": {"got": asked["call"], "cluster": asked["cluster"]}}
    )
    folder = writer.folder
    stage.fogbank.table["back_doors"] = {"c": str(folder)}
    stage.fogbank.send()
    call = json.dumps({"feature": "Lambda", "call": {"name": "it's \\ \n", "payload": "x" * 100_000}})
    with writer.admin() as admin:
        admin.execute("create extension if not exists dblink")
        asked = "select * from dblink(%s, %s) as t(result text)"
        quoted = admin.execute("select 'select call(' || quote_literal(%s::text) || ')'", (call,)).fetchone()
        assert quoted is not None
        row = admin.execute(asked, (f"host={folder}/aws", quoted[0])).fetchone()
        assert row is not None
        assert json.loads(row[0]) == {"got": json.loads(call)["call"], "cluster": "c"}
        with pytest.raises(psycopg.Error, match="no such function"):
            admin.execute(asked, (f"host={folder}/aws", """select call('{"feature": "Lambda", "call": {"name": "gone"}}')"""))
    with psycopg.connect(host=f"{folder}/aws", user="x", dbname="x", autocommit=True) as door:
        row = door.execute("select call(%s)", (call,)).fetchone()
        assert row is not None
        assert json.loads(row[0])["cluster"] == "c"
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            door.execute("select 1")
        with pytest.raises(psycopg.Error, match="no such function"):
            door.execute("select call(%s)", ('{"feature": "Lambda", "call": {"name": "gone"}}',))
        assert door.execute("select call(%s)", (call,)).fetchone() is not None
