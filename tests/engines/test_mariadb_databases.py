"""Database clusters, whole: real MariaDB on six real storage nodes, behind the front."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from fogbank.engines.spec import Cluster, Endpoint, Fork, Node, Refused, Statement

from .house import Engines, cluster, killed, need_mariadb

WORD = "correct horse"


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    need_mariadb()
    made = Engines()
    yield made
    made.close()


def maria(id: str, slot: int = 0, **changes: Any) -> Cluster:
    endpoints = (Endpoint(slot, 3306, "writer"), Endpoint(slot + 1, 3306, "reader"))
    return cluster(id, **{"engine": "mariadb", "endpoints": endpoints, **changes})


def connect(engines: Engines, slot: int) -> Any:
    address = engines.on_loop(lambda: engines.databases.address(slot))
    return pymysql.connect(host=address, port=3306, user="ada", password=WORD, database="app", autocommit=True, connect_timeout=60)


def query(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def rows(engines: Engines, slot: int) -> int:
    with connect(engines, slot) as one:
        return int(query(one, "SELECT COUNT(*) FROM t")[0][0])


def shows(engines: Engines, slot: int, count: int) -> None:
    """Waits until a reader endpoint has so many rows."""

    def there() -> bool:
        with contextlib.suppress(pymysql.MySQLError):  # (the table may have to come, too)
            return rows(engines, slot) == count
        return False

    engines.wait_for(there)


def _sessions_of_one_connection(engines: Engines) -> None:
    """What one statement leaves in a connection, the next one by itself does not find; a wrong password opens nothing."""

    def run(sql: str, password: str = WORD) -> Any:
        return engines.do(lambda done: engines.databases.execute("m1", "ada", password, "app", "", Statement(sql), done)).rows

    before = run("SELECT CONNECTION_ID()")
    for sql in ("SET @x = 1", "SET NAMES latin1", "SET autocommit = 0", "CREATE TEMPORARY TABLE mine (n INT)", "START TRANSACTION"):
        run(sql)
    assert run("SELECT @x, @@character_set_client, @@autocommit, SCHEMA(), CONNECTION_ID()") == [(None, "utf8mb4", 1, "app", *before[0])]
    with pytest.raises(Refused, match="doesn't exist"):
        run("SELECT * FROM mine")
    run("USE information_schema")
    assert run("SELECT SCHEMA()") == [("app",)]
    with pytest.raises(Refused, match="Access denied"):
        run("SELECT 1", "wrong")


def test_life_of_a_cluster(engines: Engines) -> None:
    """The reader follows a writer that dies, with all that was acknowledged; stopped and started, a cluster has everything."""
    wanted = maria("m1", nodes=(Node("n1", "a"), Node("n2", "b")))
    actual = engines.converge(wanted)
    assert [(node.id, node.state, node.writes) for node in actual.nodes] == [("n1", "running", True), ("n2", "running", False)]
    with connect(engines, 0) as writer:
        query(writer, "CREATE TABLE t (n INT PRIMARY KEY)")
        for number in range(50):
            query(writer, f"INSERT INTO t VALUES ({number})")
    shows(engines, 1, 50)
    with connect(engines, 1) as reader, pytest.raises(pymysql.MySQLError, match="read-only"):
        query(reader, "INSERT INTO t VALUES (99)")
    killed(actual.nodes[0].pid)
    began = time.monotonic()
    with connect(engines, 0) as writer:
        assert query(writer, "SELECT COUNT(*) FROM t") == ((50,),)
        query(writer, "INSERT INTO t VALUES (50)")
    print(f"first write after {time.monotonic() - began:.3f} s")
    engines.wait_for(lambda: len([n for n in engines.on_loop(lambda: engines.databases.look("m1")).nodes if n.state == "running"]) == 2)
    assert engines.converge(wanted._replace(writer="n2")).writer == "n2"
    assert engines.converge(wanted).writer == "n1"
    assert rows(engines, 0) == 51
    result = engines.do(lambda done: engines.databases.execute("m1", "ada", WORD, "app", "", Statement("SELECT MAX(n) m FROM t"), done))
    _sessions_of_one_connection(engines)
    assert result.rows == [(50,)]
    assert engines.converge(wanted._replace(nodes=(), writer="")).nodes == ()
    engines.converge(wanted)
    assert rows(engines, 0) == 51
    engines.do(lambda done: engines.databases.drop("m1", done))


def test_forks(engines: Engines) -> None:
    """A clone has all that was there and goes its own way; a restore to an instant has what was committed before it; a point is kept."""
    engines.converge(maria("src", 10))
    with connect(engines, 10) as writer:
        query(writer, "CREATE TABLE t (n INT PRIMARY KEY)")
        query(writer, "INSERT INTO t VALUES (1)")
        engines.do(lambda done: engines.databases.keep("v-src", "snap", done))
        time.sleep(1.1)  # (until what is kept of times is on the nodes, instants are found by seconds)
        then_ms = time.time_ns() // 1_000_000
        time.sleep(1.1)
        query(writer, "INSERT INTO t VALUES (2)")
    forks = {"now": (Fork("v-src"), 2), "then": (Fork("v-src", at_ms=then_ms), 1), "point": (Fork("v-src", point="snap"), 1)}
    for slot, (name, (fork, count)) in enumerate(forks.items()):
        engines.converge(maria(name, 20 + 2 * slot, fork=fork))
        assert rows(engines, 20 + 2 * slot) == count, name
        with connect(engines, 20 + 2 * slot) as writer:
            query(writer, "INSERT INTO t VALUES (50)")
    engines.converge(maria("again", 30, fork=Fork("v-now")))
    assert rows(engines, 30) == 3
    assert rows(engines, 10) == 2
    for name in ("again", *forks, "src"):
        engines.do(lambda done, name=name: engines.databases.drop(name, done))
