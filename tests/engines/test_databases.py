"""Database clusters, whole: real PostgreSQL on six real storage nodes, behind the front."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fogbank.engines.spec import Endpoint, Failed, Fork, Node
from fogbank.engines.sweeping import sweep

from .house import Engines, cluster, killed

WORD = "correct horse"


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    made = Engines()
    yield made
    made.close()


def connect(engines: Engines, slot: int, database: str = "app", port: int = 5432) -> Any:
    address = engines.on_loop(lambda: engines.databases.address(slot))
    return psycopg.connect(host=address, port=port, user="ada", password=WORD, dbname=database, autocommit=True, connect_timeout=60)


def rows(engines: Engines, slot: int, port: int = 5432) -> int:
    with connect(engines, slot, port=port) as reader:
        return int(reader.execute("select count(*) from t").fetchone()[0])


def shows(engines: Engines, slot: int, count: int) -> bool:
    """Whether a reader has come to show so many."""
    with contextlib.suppress(psycopg.errors.UndefinedTable):  # (it may not have repeated the table's making yet)
        return rows(engines, slot) == count
    return False


def test_a_writer_and_a_reader(engines: Engines) -> None:
    """What is written through the writer's endpoint is read through the reader's, which refuses to write; a node that is taken away
    is in no turn any more."""
    actual = engines.converge(cluster("rw", nodes=(Node("n1", "a"), Node("n2", "b"))))
    assert [(node.id, node.state, node.writes) for node in actual.nodes] == [("n1", "running", True), ("n2", "running", False)]
    engines.wait_for(lambda: engines.on_loop(lambda: engines.databases.look("rw")).volume.copies == 6)
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
        writer.execute("insert into t values (1)")
    engines.wait_for(lambda: shows(engines, 1, 1))
    with connect(engines, 1) as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("insert into t values (2)")
    actual = engines.converge(cluster("rw"))
    assert [node.id for node in actual.nodes] == ["n1"]
    assert rows(engines, 1) == 1
    engines.do(lambda done: engines.databases.drop("rw", done))


def test_endpoints_are_open(engines: Engines) -> None:
    """A cluster is not as it was asked for before its endpoints are listened on."""
    wanted = cluster("open")
    engines.converge(wanted)
    front = engines.databases._front._process
    assert front is not None
    os.kill(front.pid, signal.SIGSTOP)
    done: list[Any] = []
    more = wanted._replace(endpoints=(*wanted.endpoints, Endpoint(2, 5432, "writer")))
    engines.on_loop(lambda: engines.databases.converge(more, done.append))
    time.sleep(0.5)
    assert not done
    os.kill(front.pid, signal.SIGCONT)
    engines.wait_for(lambda: done)
    with connect(engines, 2) as writer:
        assert writer.execute("select 1").fetchone() == (1,)
    engines.do(lambda done: engines.databases.drop("open", done))


def test_failover(engines: Engines) -> None:
    """A writer that dies is followed by its reader; nothing that was acknowledged is lost, and the dead node comes back as a reader."""
    wanted = cluster("fo", nodes=(Node("n1", "a"), Node("n2", "b")))
    actual = engines.converge(wanted)
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
        for number in range(100):
            writer.execute("insert into t values (%s)", (number,))
    killed(actual.nodes[0].pid)
    began = time.monotonic()
    with connect(engines, 0) as writer:
        assert writer.execute("select count(*) from t").fetchone() == (100,)
        writer.execute("insert into t values (100)")
    print(f"first write after {time.monotonic() - began:.3f} s")
    engines.wait_for(lambda: any(notice["what"] == "failover" for notice in engines.notices))
    engines.wait_for(lambda: len([n for n in engines.on_loop(lambda: engines.databases.look("fo")).nodes if n.state == "running"]) == 2)
    actual = engines.converge(wanted._replace(writer="n2"))
    assert actual.writer == "n2"
    actual = engines.converge(wanted)
    assert actual.writer == "n1"
    assert rows(engines, 0) == 101
    engines.do(lambda done: engines.databases.drop("fo", done))


def test_stopped_and_started(engines: Engines) -> None:
    """A cluster that is stopped has no processes; started again it has everything, and so it does after all of them were killed."""
    wanted = cluster("st")
    actual = engines.converge(wanted)
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
        writer.execute("insert into t values (1)")
    assert engines.converge(wanted._replace(nodes=(), writer="")).nodes == ()
    actual = engines.converge(wanted)
    assert rows(engines, 0) == 1
    killed(actual.nodes[0].pid)
    engines.wait_for(lambda: any(notice["what"] == "writer_recovered" for notice in engines.notices))
    assert rows(engines, 0) == 1
    engines.do(lambda done: engines.databases.drop("st", done))


def test_forks(engines: Engines) -> None:
    """A clone has all that was there and goes its own way; a restore to an instant has what was committed before it; a point is kept."""
    source = cluster("src")
    engines.converge(source)
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
        writer.execute("insert into t values (1)")
        then_ms = time.time_ns() // 1_000_000 + 5
        engines.do(lambda done: engines.databases.keep("v-src", "snap", done))
        time.sleep(0.02)
        writer.execute("insert into t values (2)")
    for slot, (name, fork, count) in enumerate(
        [("now", Fork("v-src"), 2), ("then", Fork("v-src", at_ms=then_ms), 1), ("point", Fork("v-src", point="snap"), 1)]
    ):
        wanted = cluster(name, fork=fork)
        wanted = wanted._replace(endpoints=(wanted.endpoints[0]._replace(slot=10 + slot),))
        engines.converge(wanted)
        assert rows(engines, 10 + slot) == count
        with connect(engines, 10 + slot) as writer:
            writer.execute("insert into t values (50)")
    assert rows(engines, 0) == 2
    for name in ("now", "then", "point", "src"):
        engines.do(lambda done, name=name: engines.databases.drop(name, done))


def test_a_fork_after_a_failover(engines: Engines) -> None:
    """A cluster that has failed over, and whose volume was coalesced since, can be cloned."""
    wanted = cluster("ff", nodes=(Node("n1", "a"), Node("n2", "b")))
    engines.converge(wanted)
    engines.converge(wanted._replace(writer="n2"))
    images = engines.room.volumes["v-ff-1"].record.images
    engines.wait_for(lambda: len(images) > 1 or len(engines.room.volumes["v-ff-1"].record.images) > 1)
    copy = cluster("ff2", fork=Fork("v-ff"))
    copy = copy._replace(endpoints=(copy.endpoints[0]._replace(slot=20),))
    engines.converge(copy)
    with connect(engines, 20) as writer:
        writer.execute("create table t(n int primary key)")
    for name in ("ff", "ff2"):
        engines.do(lambda done, name=name: engines.databases.drop(name, done))


def test_volumes_follow_branches(engines: Engines) -> None:
    """In a branch that left another one at an instant, a cluster has what it had then."""
    wanted = cluster("br")
    engines.converge(wanted)
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
        writer.execute("insert into t values (1)")
        left_ms = time.time_ns() // 1_000_000 + 5
        time.sleep(0.02)
        writer.execute("insert into t values (2)")
    engines.branches = [(2, left_ms), (1, left_ms)]
    engines.on_loop(engines.databases.left)
    engines.converge(wanted)
    assert rows(engines, 0) == 1
    engines.do(lambda done: engines.databases.drop("br", done))
    engines.branches = [(1, 0)]


def test_volumes_of_branches_that_are_gone(engines: Engines) -> None:
    """When no cloud has a branch in its history any more its volumes go, here and on the storage nodes; others stay."""
    engines.branches = [(7, 0)]
    engines.converge(cluster("sw"))
    engines.do(lambda done: engines.databases.drop("sw", done))
    engines.branches = [(1, 0)]
    engines.converge(cluster("sx"))
    names = asyncio.run_coroutine_threadsafe(sweep(engines.room, {1, 2}), engines.loop).result(120)
    assert names == ["v-sw-7"]
    assert not (engines.room.root / "volumes" / "v-sw-7").exists()
    with connect(engines, 0) as writer:
        writer.execute("create table t(n int primary key)")
    engines.do(lambda done: engines.databases.drop("sx", done))


def test_a_volume_that_is_gone(engines: Engines) -> None:
    """A cluster whose volume should be there and is not fails: it does not come up empty."""
    with pytest.raises(Failed, match="not on this machine"):
        engines.converge(cluster("gone", existing=True))
    engines.do(lambda done: engines.databases.drop("gone", done))
