"""What dies is mended, whatever else dies at the same time: real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fogbank.engines import volumes
from fogbank.engines.spec import Failed, Node

from .house import Engines, cluster, killed

TWO = (Node("n1", "a"), Node("n2", "b"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    folder = Path(tempfile.mkdtemp(prefix="a-data-directory-with-a-long-name-" + "as-a-user-may-have-it-" * 4))
    folder.chmod(0o711)
    made = Engines(folder / "databases")
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def ask(engines: Engines, slot: int, sql: str) -> int:
    address = engines.on_loop(lambda: engines.databases.address(slot))
    with psycopg.connect(
        host=address, port=5432, user="ada", password="correct horse", dbname="app", autocommit=True, connect_timeout=60
    ) as connection:
        done = connection.execute(sql)
        return int(done.fetchone()[0]) if done.description is not None else 0  # type: ignore[index]


def test_all_at_once(engines: Engines) -> None:
    """Writer, reader and volume process are killed at once: all come back, with all that was acknowledged, and the service is told."""
    wanted = cluster("once", nodes=TWO)
    actual = engines.converge(wanted)
    ask(engines, 0, "create table t(n int primary key)")
    ask(engines, 0, "insert into t values (1)")
    volume = engines.on_loop(lambda: engines.databases._runners["once"].volume)
    engines.on_loop(lambda: killed(*(node.pid for node in actual.nodes), volume.process.pid))  # (on it: it sees them dead together)
    assert ask(engines, 0, "select count(*) from t") == 1
    ask(engines, 0, "insert into t values (2)")
    engines.wait_for(lambda: {notice["what"] for notice in engines.notices} >= {"node_recovered", "volume_recovered"})
    engines.wait_for(lambda: [n.state for n in engines.on_loop(lambda: engines.databases.look("once")).nodes] == ["running"] * 2)
    engines.wait_for(lambda: ask(engines, 1, "select count(*) from t") == 2)
    told = [(notice["what"], notice.get("node")) for notice in engines.notices]
    assert ("node_died", "n1") in told
    assert ("node_died", "n2") in told
    engines.do(lambda done: engines.databases.drop("once", done))


def test_a_volume_that_stands_still(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume's process that is stopped and not continued is ended, and another takes its place: who waited with a commit goes on."""
    wanted = cluster("still", nodes=TWO)
    engines.converge(wanted)
    ask(engines, 0, "create table t(n int primary key)")
    volume = engines.on_loop(lambda: engines.databases._runners["still"].volume)
    before = volume.process.pid
    monkeypatch.setattr(volumes, "SILENT_S", 2.0)
    os.kill(before, signal.SIGSTOP)
    ask(engines, 0, "insert into t values (1)")
    assert volume.process.pid != before
    assert ask(engines, 0, "select count(*) from t") == 1
    engines.do(lambda done: engines.databases.drop("still", done))


def test_images_in_a_long_folder(engines: Engines) -> None:
    """The log is coalesced into a new image after a failover, however long the path of the data directory is."""
    wanted = cluster("long", nodes=TWO)
    engines.converge(wanted)
    engines.converge(wanted._replace(writer="n2"))
    volume = engines.on_loop(lambda: engines.databases._runners["long"].volume)
    engines.wait_for(lambda: volume.newest().timeline == 2)
    engines.do(lambda done: engines.databases.drop("long", done))


def test_a_convergence_that_failed_is_made_good(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion that fails half way fails the convergence; the cluster has a writer again by itself, and the next convergence does it."""
    wanted = cluster("half", nodes=TWO)
    engines.converge(wanted)
    ask(engines, 0, "create table t(n int primary key)")
    runner = engines.on_loop(lambda: engines.databases._runners["half"])

    async def fails() -> int:
        raise Failed("it was not to be")

    monkeypatch.setattr(runner.running["n2"].server, "promote", fails)
    with pytest.raises(Failed, match="not to be"):
        engines.converge(wanted._replace(writer="n2"))
    ask(engines, 0, "insert into t values (1)")
    assert engines.converge(wanted._replace(writer="n2")).writer == "n2"
    assert engines.converge(wanted).writer == "n1"
    assert ask(engines, 0, "select count(*) from t") == 1
    engines.do(lambda done: engines.databases.drop("half", done))
