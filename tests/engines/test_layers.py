"""A clone of a database with large tables is there before they are copied: real PostgreSQL and MariaDB, on a disk that shares no blocks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.engines import layers, processes
from fogbank.engines.spec import Cluster, Endpoint, Fork, Node

from .house import Engines, cluster, need_mariadb

ROWS = 6_000
PORTS = {"postgres": 5432, "mariadb": 3306}
FILLED = {
    "postgres": "create table {0} as select i n, repeat(md5(i::text), 32) v from generate_series(1, {1}) i",
    "mariadb": "create table {0} as select seq n, repeat(md5(seq), 32) v from seq_1_to_{1}",
}


class House(Engines):
    """Engines with a data directory below /tmp, where a clone's large files wait until they are opened."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="layers-", dir="/tmp"))
        self.place.chmod(0o711)
        self.sources: dict[str, Cluster] = {}
        super().__init__(self.place / "data")

    def ask(self, wanted: Cluster, *statements: str) -> Any:
        """What the last one gives."""
        host, port = self.on_loop(lambda: self.databases.address(wanted.endpoints[0].slot)), PORTS[wanted.engine]
        who = {"host": host, "port": port, "user": "ada", "password": "correct horse", "autocommit": True, "connect_timeout": 60}
        connection: Any = pymysql.connect(database="app", **who) if port == 3306 else psycopg.connect(dbname="app", **who)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def source(self, engine: str) -> Cluster:
        """A cluster of eight large tables and a small one, whose volume's newest image has them: one for all tests."""
        if engine in self.sources:
            return self.sources[engine]
        wanted = self.sources[engine] = of(f"{engine}-source", engine, list(PORTS).index(engine))
        self.converge(wanted)
        self.ask(wanted, "create table small (n int primary key)", "insert into small values (1)")
        self.ask(wanted, *(FILLED[engine].format(name, ROWS) for name in "abcdefgh"))
        runner = self.databases._runners[wanted.id]
        assert runner.volume is not None
        self.run(runner.running["n1"].server.checkpoint())
        for name in ("later", "last"):  # (a server opens at once what was written last; what is acknowledged, the volume has)
            self.ask(wanted, f"create table {name} (n int)")
            self.run(runner.volume.coalesce())
        return wanted

    def node(self, wanted: Cluster) -> Path:
        return self.place / "data" / "volumes" / f"{wanted.volume}-1" / "nodes" / "n1"

    def missing(self, wanted: Cluster) -> int:
        """How many files the node has not copied yet."""
        node = self.node(wanted)
        return sum(1 for file in layers._files(node / "below") if not (node / "data" / file.relative_to(node / "below")).exists())

    def restart(self, wanted: Cluster) -> Cluster:
        node = wanted.nodes[0]
        again = wanted._replace(nodes=(node._replace(restarts=node.restarts + 1),))
        self.converge(again)
        return again

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.place)


def of(id: str, engine: str, slot: int, **changes: Any) -> Cluster:
    parameters = {"autovacuum": "off"} if engine == "postgres" else {}  # (it opens tables)
    return cluster(id, engine=engine, parameters=parameters, endpoints=(Endpoint(slot, PORTS[engine], "writer"),), **changes)


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is copied that is not opened, and a few MB are worth it."""
    monkeypatch.setattr(layers, "AFTER_S", 3600.0)
    monkeypatch.setattr(layers, "ENOUGH_BYTES", 8 << 20)
    return monkeypatch


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = House()
    data = made.place / "trial" / "data"
    data.mkdir(parents=True)
    try:
        if layers.below(data) is None:
            pytest.skip("this machine grants no overlayfs")
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_a_clone(house: House, patch: pytest.MonkeyPatch, engine: str) -> None:
    """A clone answers while its large tables are not copied; it and its source do not see each other's writes; what it wrote is there after
    a restart and after kill -9, in the middle of it and when everything is copied."""
    if engine == "mariadb":
        need_mariadb()
    source = house.source(engine)
    clone = of(f"{engine}-clone", engine, 10 + source.endpoints[0].slot, fork=Fork(source.volume))
    house.converge(clone)
    small = house.ask(source, "select count(*) from small")
    assert house.ask(clone, "select count(*) from small") == small
    assert (waiting := house.missing(clone)) >= 3

    assert house.ask(clone, "select count(*) from a") == ROWS
    house.ask(clone, "update b set v = 'clone' where n = 5", "insert into small values (7)")
    house.ask(source, "update b set v = 'source' where n = 7", "drop table a")
    assert house.ask(clone, "select count(*) from b where v in ('clone', 'source')") == 1
    assert house.ask(source, "select count(*) from b where v in ('clone', 'source')") == 1
    assert house.ask(clone, "select count(*) from a") == ROWS
    assert 0 < house.missing(clone) < waiting

    clone = house.restart(clone)
    assert house.ask(clone, "select v from b where n = 5") == "clone"
    assert house.missing(clone) > 0
    house.ask(clone, "create database other", "drop database other", "drop table a")
    os.kill(house.on_loop(lambda: house.databases.look(clone.id)).nodes[0].pid, signal.SIGKILL)
    house.wait_for(lambda: any(n["what"] == "writer_recovered" and n["cluster"] == clone.id for n in house.notices))
    assert house.ask(clone, "select count(*) from small") == small + 1
    assert house.ask(clone, "select v from b where n = 5") == "clone"
    assert house.missing(clone) > 0

    patch.setattr(layers, "AFTER_S", 0.0)
    clone = house.restart(clone)
    house.wait_for(lambda: not any(layers._files(house.node(clone) / "below")))
    house.ask(clone, "drop table b")
    clone = house.restart(clone)
    assert not (house.node(clone) / "below").exists()
    assert house.ask(clone, "select count(*) from c") == ROWS


def test_parameters_and_a_failover(house: House, patch: pytest.MonkeyPatch) -> None:
    """A server whose files are not all its own is told other parameters, and is promoted, as any other."""
    wanted = house.source("postgres")._replace(nodes=(Node("n1", "a"), Node("n2", "b")))
    house.converge(wanted)
    below = house.node(wanted).with_name("n2") / "below"
    assert any(layers._files(below))
    house.converge(wanted._replace(writer="n2", parameters={**wanted.parameters, "work_mem": "8192"}))
    assert house.ask(wanted, "show work_mem") == "8MB"
    house.ask(wanted, "insert into small values (2)")
    assert house.ask(wanted, "select count(*) from d") == ROWS
    assert any(layers._files(below))


def test_where_it_is_not_granted(house: House, patch: pytest.MonkeyPatch) -> None:
    """Without such mounts, all is copied before the server starts."""
    patch.setattr(layers, "_granted", dict.fromkeys(layers._granted, False))
    source = house.source("postgres")
    clone = of("whole", "postgres", 20, fork=Fork(source.volume))
    house.converge(clone)
    assert not (house.node(clone) / "below").exists()
    assert house.ask(clone, "select count(*) from c") == ROWS


ORDINARY = """
import asyncio, os, pathlib, sys
from fogbank.engines import layers

async def main(node):
    loop = asyncio.get_running_loop()
    if layers.below(node / "data") is None:
        print("refused")
        return
    for name in ("data", "below"):
        (node / name).mkdir()
    for name in "abc":
        (node / "below" / name).write_text("image")
    layers.AFTER_S = 0
    work = 'echo -n server > data/a; rm data/b; read line; exec sleep 60'
    server = layers.spawn(node, ["sh", "-c", f"cd {node}; {work}"], loop, log=node / "log", pipe=True)
    seen = layers.inside(node / "data", server)
    while any(layers._files(node / "below")) or (seen / "b").exists():
        await asyncio.sleep(0.01)
    (seen / "d").write_text("fogbank")
    await server.end()
    layers.spawn(node, ["true"], loop, log=node / "log")
    print(*(f"{file.name}={file.read_text()}" for file in sorted((node / "data").iterdir())))
    layers.clear(node)
    print(*sorted(os.listdir(node)))

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def test_as_an_ordinary_user() -> None:
    """Who is not root has the same, in a namespace of users of its own; all of it can be deleted."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        node = Path(place)
        who = processes.owner()
        if who is not None:
            os.chown(node, *who)
        path = os.pathsep.join([str(Path(layers.__file__).parents[2]), sysconfig.get_path("purelib")])
        command = [shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable, "-c", ORDINARY, node]
        options: dict[str, Any] = {"user": who[0], "group": who[1], "extra_groups": []} if who is not None else {}
        done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60, **options)
        if "refused" in done.stdout or "ModuleNotFoundError" in done.stderr or done.returncode == 126:
            pytest.skip("an ordinary user is not granted an overlayfs here")
        assert (done.stdout.splitlines(), done.stderr) == (["a=server c=image d=fogbank", "log"], "")
