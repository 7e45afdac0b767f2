"""RDS Proxy for PostgreSQL, as its clients meet it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy

from .test_front_postgres import _application
from .test_front_stage import Postgres, Stage, once, stage, until

__all__ = ["stage"]


@pytest.fixture(scope="module")
def writer(stage: Stage) -> Postgres:
    return stage.postgres("writer").start()


class Proxy:
    """A proxy endpoint of a test."""

    def __init__(self, stage: Stage, target: str, **settings: Any) -> None:
        self.stage, self.address = stage, stage.address()
        self.row = stage.fogbank.endpoint(self.address, 5432, target, proxy=self.settings(**settings))

    @staticmethod
    def settings(**settings: Any) -> dict[str, Any]:
        users = {name: {"password": "secret"} for name in ("alice", "jane", "rdsadmin")}
        return {"users": users, "max_connections": 5, "max_idle": 5, "borrow_timeout_s": 60, **settings}

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        return self.stage.connect(self.address, **more)

    def count(self, name: str) -> float:
        return float(self.stage.fogbank.counts()["proxies"].get(f"{self.address}:5432", {}).get(name, -1))


def one(connection: psycopg.Connection[Any], statement: str, *parameters: Any, **more: Any) -> Any:
    row = connection.execute(statement, parameters or None, **more).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def proxy(stage: Stage, writer: Postgres) -> Iterator[Proxy]:
    proxy = Proxy(stage, writer.target)
    yield proxy
    stage.fogbank.table["endpoints"].remove(proxy.row)
    stage.fogbank.send()


def test_many_clients(proxy: Proxy) -> None:
    """A hundred clients with transactions share five connections."""
    clients = [proxy.connect(sslmode="require" if n % 4 == 0 else "disable") for n in range(100)]
    one(clients[0], "select count(*) from pg_stat_activity")
    clients[0].execute("drop table if exists counted")
    clients[0].execute("create table counted (n int)")

    def work(client: psycopg.Connection[Any]) -> set[int]:
        pids = set()
        for n in range(5):
            with client.transaction():
                pids.add(one(client, "select pg_backend_pid()"))
                client.execute("insert into counted values (%s)", (n,))
                pids.add(one(client, "select pg_backend_pid()"))
        return pids

    with ThreadPoolExecutor(20) as pool:
        pids = set().union(*pool.map(work, clients))
    assert len(pids) <= 5
    assert one(clients[7], "select count(*) from counted") == 500
    until(lambda: proxy.count("ClientConnections") == 100)
    assert 0 < proxy.count("DatabaseConnections") <= 5
    assert proxy.count("DatabaseConnectionsCurrentlySessionPinned") == 0
    for client in clients:
        client.close()
    until(lambda: proxy.count("ClientConnections") == 0)


def test_prepared_statements_go_along(stage: Stage, writer: Postgres) -> None:
    """A prepared statement is there on whichever connection serves next; its errors are the client's, and nobody is pinned."""
    proxy = Proxy(stage, writer.target, max_connections=2)
    clients = [proxy.connect(prepare_threshold=0) for _ in range(4)]
    for client in clients:
        client.execute("select %s::int", (1,))
    holder = proxy.connect()
    with holder.transaction():  # takes one of the connections away, so that the others change
        holder.execute("select 1")
        for n in range(3):
            for client in clients:
                assert one(client, "select %s::int", n) == n
                assert one(client, "select %s::text || current_user", "x") == "xalice"
    with holder.transaction(), ThreadPoolExecutor(4) as pool:
        holder.execute("select 1")
        assert list(pool.map(lambda client: one(client, "select %s::int + 1", 7), clients)) == [8, 8, 8, 8]
    with pytest.raises(psycopg.errors.UndefinedTable):
        clients[0].execute("select %s::int from nowhere", (1,))
    with pytest.raises(psycopg.errors.DivisionByZero):
        clients[0].execute("select 1 / %s::int", (0,))
    assert one(clients[0], "select 1 / %s::int", 1) == 1
    with clients[1].pipeline():
        cursors = [clients[1].execute("select %s::int * 2", (n,)) for n in range(50)]
        assert [cursor.fetchone() for cursor in cursors] == [(2 * n,) for n in range(50)]
    with pytest.raises(psycopg.errors.DivisionByZero), clients[1].pipeline():
        clients[1].execute("select %s::bigint * 3", (1,))
        clients[1].execute("select 1 / %s::bigint", (0,))
        clients[1].execute("select %s::bigint * 4", (1,))
    assert one(clients[1], "select %s::bigint * 4", 1) == 4
    until(lambda: proxy.count("DatabaseConnectionsCurrentlySessionPinned") == 0)


@pytest.mark.parametrize(
    "statement",
    [
        "set statement_timeout to '77s'",
        "/* by the app */ set work_mem = '1MB'",
        "select set_config('work_mem', '1MB', false)",
        "create temp table mine (i int)",
        "listen news",
        "select pg_advisory_lock(7)",
        "prepare p as select 1",
        "select 1; declare c cursor with hold for select 1; select 2",
        "select nextval('counting')",
        "do $$ begin perform set_config('timezone', 'Europe/Paris', false); end $$",
    ],
)
def test_pinning(proxy: Proxy, writer: Postgres, statement: str) -> None:
    """What a session leaves in its connection ties it to that one, until it goes; nothing of it is left to others then."""
    with writer.admin() as admin:
        admin.execute("create sequence if not exists counting; grant all on sequence counting to public")
    client, other = proxy.connect(), proxy.connect()
    client.execute(statement)
    pid = one(client, "select pg_backend_pid()")
    assert all(one(other, "select pg_backend_pid()") != pid for _ in range(3))
    assert one(client, "select pg_backend_pid()") == pid
    client.close()
    with writer.admin() as admin:
        cleaning = "select count(*) from pg_stat_activity where pid = %s and (state, query) is distinct from ('idle', 'DISCARD ALL')"
        until(lambda: admin.execute(cleaning, (pid,)).fetchone() == (0,))
    clients = [proxy.connect() for _ in range(4)]
    for each in clients:
        with each.transaction():
            assert one(each, "show statement_timeout") == "0"
            assert one(each, "select count(*) from pg_class where relname = 'mine'") == 0
            assert one(each, "select count(*) from pg_locks where locktype = 'advisory'") == 0
            assert one(each, "show timezone") != "Europe/Paris"


def test_not_pinned(proxy: Proxy) -> None:
    """What ends with its transaction does not pin, nor do ordinary statements that only look like it."""
    client = proxy.connect()
    with client.transaction():
        client.execute("set local work_mem = '1MB'")
        client.execute("set transaction isolation level serializable")
        client.execute("select pg_advisory_xact_lock(1)")
        client.execute("create table if not exists settings (set_by text, reset text)")
        client.execute("update settings set set_by = 'x', reset = 'y'")
    other = proxy.connect()
    assert one(client, "select pg_backend_pid()") == one(other, "select pg_backend_pid()")


def test_pinning_filter(stage: Stage, writer: Postgres) -> None:
    """EXCLUDE_VARIABLE_SETS: a SET does not pin."""
    proxy = Proxy(stage, writer.target, pinning_filters=["EXCLUDE_VARIABLE_SETS"])
    client, other = proxy.connect(), proxy.connect()
    client.execute("set work_mem = '1MB'")
    assert one(client, "select pg_backend_pid()") == one(other, "select pg_backend_pid()")


def test_failover(stage: Stage) -> None:
    """Clients between transactions see a failover as latency; who is in one gets an error and is disconnected."""
    old, new = stage.postgres("old").start(), stage.postgres("new").start()
    proxy = Proxy(stage, old.target)
    clients = [proxy.connect() for _ in range(30)]
    busy = proxy.connect()
    for client in clients:
        assert one(client, "show cluster_name") == "old"
    busy.execute("begin")
    busy.execute("select 1")
    stage.fogbank.endpoint(proxy.address, 5432, held=True)
    old.kill()
    with pytest.raises(psycopg.OperationalError):
        busy.execute("select 1")
    threading.Timer(0.3, lambda: stage.fogbank.endpoint(proxy.address, 5432, new.target, held=False)).start()
    began = time.monotonic()
    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(lambda client: one(client, "show cluster_name"), clients)) == {"new"}
    assert time.monotonic() - began < 30
    new.kill()


def test_unannounced_death(stage: Stage) -> None:
    """The writer dies before anybody knows: sessions at rest are served by the next all the same."""
    old, new = stage.postgres("old").start(), stage.postgres("new").start()
    proxy = Proxy(stage, old.target)
    clients = [proxy.connect() for _ in range(20)]
    for client in clients:
        one(client, "select 1")
    old.kill()
    threading.Timer(0.3, lambda: stage.fogbank.endpoint(proxy.address, 5432, new.target)).start()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda client: one(client, "show cluster_name"), clients)) == {"new"}
    new.kill()


def test_unread_query_is_repeated(stage: Stage) -> None:
    """A query that the dying server provably never read is asked of the next; one that it read is not."""
    server = stage.postgres("old").start(restart_after_crash="on")
    proxy = Proxy(stage, server.target, max_connections=1)
    client = proxy.connect()
    pid = one(client, "select pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(one, client, "select pg_backend_pid()")
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        assert asked.result(60) != pid
    pid = one(client, "select pg_backend_pid()")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(one, client, "select pg_sleep(120)")
        until(lambda: server.waits("PgSleep", pid))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            asked.result(60)
    server.kill()


def test_words_like_a_farewell(proxy: Proxy) -> None:
    """A notice that looks like a server's last is one of many."""
    client = proxy.connect()
    client.execute("do $$ begin raise warning 'x' using errcode = '57P01'; end $$")
    with pytest.raises(psycopg.errors.AdminShutdown, match="not really"):
        client.execute("do $$ begin raise exception 'not really' using errcode = '57P01'; end $$")
    assert one(client, "select 1") == 1


def test_borrow_timeout(stage: Stage, writer: Postgres) -> None:
    """Who waits longer than the timeout for a connection is told so."""
    proxy = Proxy(stage, writer.target, max_connections=1)
    holder, waiter = proxy.connect(), proxy.connect()
    with holder.transaction():
        holder.execute("select 1")
        stage.fogbank.endpoint(proxy.address, 5432, writer.target, proxy=proxy.settings(max_connections=1, borrow_timeout_s=0.3))
        with pytest.raises(psycopg.OperationalError, match="Timed-out waiting to acquire database connection"):
            waiter.execute("select 1")
    holder.execute("select 1")


def test_nowhere_ever(stage: Stage) -> None:
    """Where an endpoint leads nowhere and will not, a client is told so without having waited."""
    proxy = Proxy(stage, "", borrow_timeout_s=60)
    stage.fogbank.endpoint(proxy.address, 5432)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="Timed-out waiting to acquire database connection"):
        proxy.connect()
    assert time.monotonic() - began < 30


def test_waiting_client_leaves(stage: Stage, writer: Postgres) -> None:
    """A client that goes while it waits takes nothing with it; other keys get their turn."""
    proxy = Proxy(stage, writer.target, max_connections=1)
    holder, leaver, other = proxy.connect(), proxy.connect(), proxy.connect(application_name="other")
    with holder.transaction():
        holder.execute("select 1")
        leaver.pgconn.send_query(b"select 1")
        time.sleep(0.1)
        leaver.close()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(one, other, "show application_name")
            time.sleep(0.1)
            holder.execute("commit")
            assert asked.result(60) == "other"
            holder.execute("begin")
    assert one(holder, "select 1") == 1


def test_credentials(stage: Stage, writer: Postgres) -> None:
    """Wrong passwords, unknown users, a secret that the database does not know, and a database that is not there."""
    proxy = Proxy(stage, writer.target)
    for given, words in [
        ({"password": "wrong"}, "The password that was provided for the role alice is wrong."),
        ({"user": "bob"}, "This RDS proxy has no credentials for the role bob."),
        ({"user": "rdsadmin"}, "This RDS proxy has no credentials for the role rdsadmin."),
        ({"user": "jane"}, 'PAM authentication failed for user "jane"'),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
    ]:
        with pytest.raises(psycopg.OperationalError) as refused:
            proxy.connect(**given)
        assert words in str(refused.value)
    users = {"alice": {"password": "changed"}}
    stage.fogbank.endpoint(proxy.address, 5432, writer.target, proxy=proxy.settings(users=users))
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "alice"'):
        proxy.connect(password="changed", application_name="new")


def test_iam_and_tls(stage: Stage, writer: Postgres) -> None:
    """With IAM required, a token stands for the password of the secret; TLS can be required."""
    proxy = Proxy(stage, writer.target, iam="REQUIRED")
    stage.fogbank.answers["token"] = lambda asked: {"ok": asked["token"] == "right"}
    assert one(proxy.connect(password="right", sslmode="require"), "select current_user") == "alice"
    with pytest.raises(psycopg.OperationalError, match="The IAM authentication failed for the role alice"):
        proxy.connect(password="secret", sslmode="require")
    with pytest.raises(psycopg.OperationalError, match="IAM authentication is allowed only with SSL connections"):
        proxy.connect(password="right")
    strict = Proxy(stage, writer.target, require_tls=True)
    with pytest.raises(psycopg.OperationalError, match="This RDS Proxy requires TLS connections"):
        strict.connect()
    strict.connect(sslmode="verify-full", sslrootcert=stage.authority).close()


def test_settings(stage: Stage, writer: Postgres) -> None:
    """The initialization query runs on each connection; silent clients are sent away."""
    proxy = Proxy(stage, writer.target, init_query="set work_mem = '3MB'; select 1")
    client = proxy.connect()
    assert one(client, "show work_mem") == "3MB"
    stage.fogbank.endpoint(proxy.address, 5432, writer.target, proxy=proxy.settings(idle_client_timeout_s=0.5))
    until(lambda: client.pgconn.status == psycopg.pq.ConnStatus.OK and _ended(client))
    with pytest.raises(psycopg.errors.IdleSessionTimeout):
        client.execute("select 1")


def _ended(client: psycopg.Connection[Any]) -> bool:
    import select

    return bool(select.select([client.fileno()], [], [], 0)[0])


def test_cancel(proxy: Proxy, writer: Postgres) -> None:
    """A cancel request reaches whichever connection serves the client, and no other client's query."""
    client = proxy.connect()
    once(lambda: writer.waits("PgSleep"), client.cancel_safe)
    with pytest.raises(psycopg.errors.QueryCanceled):
        client.execute("select pg_sleep(60)")
    for _ in range(20):
        client.cancel_safe()
        assert one(client, "select 1") == 1


def test_copy(proxy: Proxy) -> None:
    """Rows are copied in and out, also by a client that uses the extended protocol, and nobody is left holding a connection."""
    client, other = proxy.connect(), proxy.connect()
    client.execute("drop table if exists copied")
    client.execute("create table copied (i int, words text)")
    with client.cursor().copy("copy copied from stdin") as copy:
        for n in range(20_000):
            copy.write_row((n, "y" * (n % 50)))
    with client.cursor().copy("copy (select * from copied where i >= %s) to stdout", (10_000,)) as copy:
        assert sum(piece.count(b"\n") for piece in map(bytes, copy)) == 10_000
    with pytest.raises(ValueError), client.cursor().copy("copy copied from stdin") as copy:
        copy.write_row((1, "x"))
        raise ValueError
    pids = {one(each, "select pg_backend_pid()") for each in (client, other)}
    assert len(pids) == 1
    assert one(other, "select sum(i) from copied") == 199_990_000
    assert one(other, "select repeat('w', 3000000)") == "w" * 3_000_000


def test_sqlalchemy(stage: Stage, proxy: Proxy) -> None:
    """An application's migrations and queries run."""
    _application(sqlalchemy.create_engine(f"postgresql+psycopg://alice:secret@{proxy.address}:5432/postgres?sslmode=require"))
