"""A cloud in which one instance is sampled: a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fogbank.delivery import outbox
from fogbank.testing.cloud import Cloud, House
from fogbank.testing.postgres import Databases, Server

ACCOUNT = "000000000000"
DB = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SOURCE = {"identifier": DB, "cluster": "cluster-1", "node": "node-1", "engine": "postgres", "days": 7}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    made = Server(shared_preload_libraries="pg_stat_statements", autovacuum="off")  # (its workers are sessions, too)
    with made.connect() as admin:
        admin.execute("create extension pg_stat_statements")
        admin.execute("create role clerk login superuser; create role boss login superuser")
        admin.execute("create database shop")
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(server: Server) -> Iterator[House]:
    """A house of its own, because its databases are."""
    made = House()
    made.app.gateway.make_databases = lambda cloud: Databases(server, made.loop)
    yield made
    made.close()


@pytest.fixture
def tell(cloud: Cloud) -> Callable[..., None]:
    """A task for PI, as services/rds would say it."""

    def put(name: str, **payload: Any) -> None:
        def now() -> None:
            tx = cloud.inner.begin()
            outbox.put(tx, f"pi.{name}", payload, tx.at_ms, ACCOUNT, "us-east-1")
            cloud.inner.commit(tx)

        cloud.house.on_loop(now)
        cloud.settle()

    return put


@pytest.fixture
def pi(cloud: Cloud, tell: Any) -> Any:
    """A client; the instance is sampled."""
    tell("sample", **SOURCE)
    return cloud.client("pi")


@pytest.fixture
def busy(server: Server) -> Iterator[Callable[..., None]]:
    """Sessions that are active until the test ends, or until `busy.stop()`."""
    stops: list[Callable[[], None]] = []

    def start(sql: str, user: str = "clerk", application: str = "till", database: str = "shop") -> None:
        import psycopg

        connection = psycopg.connect(host=str(server.socket), user=user, dbname=database, autocommit=True, application_name=application)

        def run() -> None:
            with pytest.raises(psycopg.Error):
                connection.execute(sql)

        thread = threading.Thread(target=run)
        thread.start()
        pid = connection.info.backend_pid
        with server.connect() as admin:
            while not admin.execute(
                "select 1 from pg_stat_activity where pid = %s and wait_event_type in ('Timeout', 'Lock')", [pid]
            ).fetchone():
                pass

        def end() -> None:
            with server.connect() as admin:
                admin.execute("select pg_terminate_backend(%s)", [pid])
                while admin.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone():
                    pass
            thread.join()
            connection.close()

        stops.append(end)

    def stop() -> None:
        while stops:
            stops.pop()()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()


@pytest.fixture
def databases(cloud: Cloud) -> Databases:
    made: Databases = cloud.house.on_loop(lambda: cloud.inner.databases)
    return made
