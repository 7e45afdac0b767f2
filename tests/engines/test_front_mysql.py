"""The front, as MySQL's clients meet it: plain endpoints, and RDS Proxy."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest
import sqlalchemy

from .test_front_postgres import _application
from .test_front_stage import MariaDB, Stage, once, stage, until

__all__ = ["stage"]
pytestmark = pytest.mark.skipif(shutil.which("mariadb-install-db") is None or not os.path.exists("/usr/sbin/mariadbd"), reason="no MariaDB")

Connection = pymysql.Connection


@pytest.fixture(scope="module")
def writer(stage: Stage) -> MariaDB:
    return stage.mariadb("writer").start()


@pytest.fixture
def address(stage: Stage, writer: MariaDB) -> str:
    """A plain endpoint that leads to the writer."""
    address = stage.address()
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb")
    return address


def secure(stage: Stage) -> dict[str, Any]:
    return {"ssl_disabled": False, "ssl_ca": stage.authority, "ssl_verify_cert": True, "ssl_verify_identity": True}


def proxied(stage: Stage, writer: MariaDB, **settings: Any) -> str:
    address = stage.address()
    proxy = {"users": {"alice": {"password": "secret"}}, "max_connections": 5, "borrow_timeout_s": 60, **settings}
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb", proxy=proxy)
    return address


def rows(connection: Connection[Any], statement: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


def one(connection: Connection[Any], statement: str, *parameters: Any) -> Any:
    return rows(connection, statement, *parameters)[0][0]


@pytest.mark.parametrize("kind", ["plain", "proxy"])
def test_ways_in(stage: Stage, writer: MariaDB, address: str, kind: str) -> None:
    """A password lets in, in the clear and by TLS with the certificate verified; a wrong one does not."""
    where = address if kind == "plain" else proxied(stage, writer)
    assert rows(stage.mysql(where), "select current_user(), database()") == (("alice@%", "app"),)
    assert rows(stage.mysql(where, **secure(stage)), "select current_user(), database()") == (("alice@%", "app"),)
    for way in ({}, secure(stage)):
        with pytest.raises(pymysql.OperationalError) as refused:
            stage.mysql(where, password="wrong", **way)
        assert refused.value.args == (1045, "Access denied for user 'alice'@'127.0.0.1' (using password: YES)")
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        stage.mysql(where, user="rdsadmin", password=writer.secret)
    with pytest.raises(pymysql.OperationalError, match="to database 'nowhere'"):
        stage.mysql(where, database="nowhere")


@pytest.mark.parametrize("kind", ["plain", "proxy"])
def test_client(stage: Stage, writer: MariaDB, address: str, kind: str) -> None:
    """The mysql client is served, with TLS verified."""
    where = address if kind == "plain" else proxied(stage, writer)
    command = ["mariadb", "--no-defaults", "-h", where, "-ualice", "-psecret", f"--ssl-ca={stage.authority}", "--ssl-verify-server-cert"]
    asked = subprocess.run(
        [*command, "-BNe", "create table if not exists seen (i int); show tables like 'seen'; select 1+1", "app"], capture_output=True
    )
    assert asked.stdout == b"seen\n2\n", asked.stderr


def test_tls_only(stage: Stage, writer: MariaDB) -> None:
    """Where TLS is required, who comes without is refused."""
    address = stage.address()
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb", tls_only=True)
    with pytest.raises(pymysql.OperationalError) as refused:
        stage.mysql(address)
    assert refused.value.args[0] == 3159
    stage.mysql(address, **secure(stage)).close()


def test_iam(stage: Stage, writer: MariaDB) -> None:
    """An account that IAM signs in shows a token over TLS; one made through the front is such an account; others show their password."""
    address = stage.address()
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb", iam=True)
    stage.fogbank.answers["token"] = lambda asked: {"ok": asked["token"] == "t" * 1500}
    right = {"password": "t" * 1500, **secure(stage)}
    assert one(stage.mysql(address, user="jane", **right), "select current_user()") == "jane@%"
    for wrong in ({**right, "password": "other"}, {"password": "t" * 1500}, {**right, "password": "secret"}):
        with pytest.raises(pymysql.OperationalError, match=r"Access denied for user 'jane'@'127\.0\.0\.1'"):
            stage.mysql(address, user="jane", **wrong)
    rows(stage.mysql(address), "create user kate identified with AWSAuthenticationPlugin as 'RDS'")
    assert one(stage.mysql(address, user="kate", **right, database=None), "select current_user()") == "kate@%"


def test_iam_client(stage: Stage, writer: MariaDB) -> None:
    """The mysql client shows a token as the documentation says: over TLS, in the clear."""
    address = stage.address()
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb", iam=True)
    stage.fogbank.answers["token"] = lambda asked: {"ok": asked["token"] == "t" * 1500}
    command = ["mariadb", "--no-defaults", "-h", address, "-ujane", f"--ssl-ca={stage.authority}"]
    said = subprocess.run(
        [*command, "-p" + "t" * 1500, "-Ne", "select current_user()"], capture_output=True, text=True, timeout=120, check=False
    )
    assert said.stdout == "jane@%\n", said.stderr


def test_change_of_user(stage: Stage, writer: MariaDB, address: str) -> None:
    """A connection may become another user's, but not the house's own, however the request is cut."""
    head = b"\x11%s\0"
    for user, allowed in (("alice", True), ("rdsadmin", False), ("rdsrepladmin", False)):
        for cut in (1, 4, 5, 9, 1000):
            connection: Any = stage.mysql(address)
            content = head % user.encode() + b"\0app\0\x21\0mysql_native_password\0"
            said = len(content).to_bytes(3, "little") + b"\0" + content
            connection._sock.sendall(said[:cut])
            time.sleep(0.01)
            connection._sock.sendall(said[cut:])
            answer = connection._sock.recv(4096)
            assert (b"not for clients" in answer) != allowed, (user, cut, answer)
            connection._force_close()


def test_failover_and_held(stage: Stage, writer: MariaDB) -> None:
    """When an endpoint leads elsewhere its connections are dropped; where there is nobody, clients wait."""
    address = stage.address()
    stage.fogbank.endpoint(address, 3306, writer.target, engine="mariadb")
    connection = stage.mysql(address)
    stage.fogbank.endpoint(address, 3306, held=True)
    with pytest.raises(pymysql.OperationalError):
        rows(connection, "select 1")
    before = len(stage.fogbank.asked)

    def wake() -> None:
        time.sleep(0.3)
        stage.fogbank.endpoint(address, 3306, writer.target, held=False)

    began = time.monotonic()
    once(lambda: len(stage.fogbank.asked) > before, wake)
    stage.mysql(address).close()
    assert time.monotonic() - began > 0.25


def test_sqlalchemy(stage: Stage, writer: MariaDB, address: str) -> None:
    """An application's migrations and queries run, on a plain endpoint and through a proxy."""
    for where in (address, proxied(stage, writer)):
        _application(sqlalchemy.create_engine(f"mysql+pymysql://alice:secret@{where}:3306/app?ssl_ca={stage.authority}"))


def test_big_results(stage: Stage, writer: MariaDB, address: str) -> None:
    """Results of many rows, of rows longer than a packet, of several statements, and long statements."""
    for where in (address, proxied(stage, writer, max_connections=1)):
        connection, other = stage.mysql(where, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS), stage.mysql(where)
        assert len(rows(connection, "select seq, repeat('r', 50) from seq_1_to_100000")) == 100_000
        assert one(connection, "select repeat('x', 40000000)") == "x" * 40_000_000
        assert len(one(connection, "select repeat('x', 16777215 - 4)")) == 16_777_211
        with connection.cursor() as cursor:
            cursor.execute("select 1; select 2; select 3")
            assert cursor.nextset()
            assert cursor.nextset()
            assert cursor.fetchall() == ((3,),)
        assert one(other, "select 1") == 1
        assert one(connection, "select length(%s)", "y" * 10_000) == 10_000


def test_pool(stage: Stage, writer: MariaDB) -> None:
    """Forty clients with transactions share five connections."""
    where = proxied(stage, writer)
    clients = [stage.mysql(where, autocommit=n % 2 == 0) for n in range(40)]
    rows(clients[0], "create or replace table counted (id int primary key auto_increment, n int)")

    def work(client: Connection[Any]) -> set[int]:
        ids = set()
        for n in range(5):
            client.begin()
            rows(client, "insert into counted (n) values (%s)", n)
            ids.add(one(client, "select connection_id()"))
            assert one(client, "select last_insert_id()") > 0
            client.commit()
        return ids

    with ThreadPoolExecutor(20) as pool:
        ids = set().union(*pool.map(work, clients))
    assert len(ids) <= 5
    assert one(clients[0], "select count(*) from counted") == 200
    with pytest.raises(pymysql.IntegrityError):
        rows(clients[2], "insert into counted (id) values (1)")
    assert "1" in rows(clients[2], "show warnings")[0][2]
    until(lambda: stage.fogbank.counts()["proxies"].get(f"{where}:3306", {}).get("ClientConnections") == 40)
    assert stage.fogbank.counts()["proxies"][f"{where}:3306"]["DatabaseConnectionsCurrentlySessionPinned"] == 0


def test_settings_go_along(stage: Stage, writer: MariaDB) -> None:
    """Settings that a proxy follows, and the database in use, are a session's own although connections are shared."""
    where = proxied(stage, writer, max_connections=1)
    one_, other = stage.mysql(where), stage.mysql(where)
    rows(one_, "set time_zone = '+03:00'")
    rows(one_, "set names latin1")
    one_.select_db("information_schema")
    for _ in range(3):
        assert rows(one_, "select @@time_zone, database(), @@character_set_client") == (("+03:00", "information_schema", "latin1"),)
        assert rows(other, "select @@time_zone, database(), @@character_set_client") == (("SYSTEM", "app", "utf8mb4"),)
    rows(one_, "use app")
    assert one(other, "select 1") == 1
    assert one(one_, "select database()") == "app"


@pytest.mark.parametrize(
    "statement",
    [
        "set @a = 1",
        "create temporary table mine (i int)",
        "lock tables counted2 read",
        "select get_lock('l', 1)",
        "prepare p from 'select 1'",
    ],
)
def test_pinning(stage: Stage, writer: MariaDB, statement: str) -> None:
    """What a session leaves in its connection ties it to that one, until it goes; nothing of it is left to others then."""
    where = proxied(stage, writer)
    client, other = stage.mysql(where), stage.mysql(where)
    rows(client, "create table if not exists counted2 (i int)")
    rows(client, statement)
    number = one(client, "select connection_id()")
    assert all(one(other, "select connection_id()") != number for _ in range(3))
    assert one(client, "select connection_id()") == number
    client.close()
    until(lambda: rows(other, "select @a, is_free_lock('l')") == ((None, 1),))


def test_proxy_failover(stage: Stage) -> None:
    """Clients between transactions see a failover as latency; who is in one is disconnected."""
    old, new = stage.mariadb("old"), stage.mariadb("new")
    for server in (old, new):
        server.start()
        with server.admin() as admin:
            rows(admin, f"create or replace view app.me as select '{server.folder.name}' as name")
    where = proxied(stage, old)
    clients, busy = [stage.mysql(where) for _ in range(20)], stage.mysql(where)
    assert {one(client, "select name from me") for client in clients} == {"old"}
    busy.begin()
    rows(busy, "select * from me")
    old.kill()
    with pytest.raises(pymysql.OperationalError):
        rows(busy, "select 1")
    threading.Timer(0.3, lambda: stage.fogbank.endpoint(where, 3306, new.target)).start()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda client: one(client, "select name from me"), clients)) == {"new"}
    new.kill()


def test_proxy_rules(stage: Stage, writer: MariaDB) -> None:
    """A proxy's timeouts, its IAM tokens and its TLS."""
    where = proxied(stage, writer, max_connections=1)
    holder, waiter = stage.mysql(where), stage.mysql(where)
    holder.begin()
    rows(holder, "select * from information_schema.schemata")
    rows(holder, "create table if not exists held (i int)")
    holder.begin()
    rows(holder, "insert into held values (1)")
    impatient = {"users": {"alice": {"password": "secret"}}, "max_connections": 1, "borrow_timeout_s": 0.3}
    stage.fogbank.endpoint(where, 3306, writer.target, proxy=impatient)
    with pytest.raises(pymysql.MySQLError, match="Timed-out waiting to acquire database connection"):
        rows(waiter, "select 1")
    tokens = proxied(stage, writer, iam="REQUIRED")
    stage.fogbank.answers["token"] = lambda asked: {"ok": asked["token"] == "right"}
    assert one(stage.mysql(tokens, password="right", **secure(stage)), "select current_user()") == "alice@%"
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        stage.mysql(tokens, password="secret", **secure(stage))
    with pytest.raises(pymysql.OperationalError, match="This RDS Proxy requires TLS connections"):
        stage.mysql(proxied(stage, writer, require_tls=True))
