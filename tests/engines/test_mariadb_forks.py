"""Volumes of MariaDB that begin with another one, or repeat it, after that one's writer has changed: clones, restores, followers."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from fogbank.engines.spec import Cluster, Fork, Node

from .house import Engines, killed, need_mariadb
from .test_mariadb_databases import connect, maria, query

TWO = (Node("n1", "a"), Node("n2", "b"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    need_mariadb()
    made = Engines()
    yield made
    made.close()


def write(engines: Engines, slot: int, *numbers: int) -> None:
    with connect(engines, slot) as writer:
        query(writer, "CREATE TABLE IF NOT EXISTS t (n INT PRIMARY KEY)")
        for number in numbers:
            query(writer, f"INSERT INTO t VALUES ({number})")


def read(engines: Engines, slot: int) -> list[int]:
    with connect(engines, slot) as one:
        return [row[0] for row in query(one, "SELECT n FROM t ORDER BY n")]


def shows(engines: Engines, slot: int, *numbers: int) -> None:
    """Waits until a reader endpoint shows exactly these."""

    def there() -> bool:
        with contextlib.suppress(pymysql.MySQLError):
            return read(engines, slot) == list(numbers)
        return False

    engines.wait_for(there)


def drop(engines: Engines, *names: str) -> None:
    for name in names:
        engines.do(lambda done, name=name: engines.databases.drop(name, done))


def follower(slot: int, **changes: Any) -> Cluster:
    return maria("far", slot, **{"nodes": (Node("m1", "a"),), "writer": "", "follows": "v-near", "region": "us-west-2", **changes})


def test_forks_of_a_volume_that_has_turned(engines: Engines) -> None:
    """A clone, a clone of the clone, and a restore to before the failover and one to between two of them have what was there then."""
    wanted = maria("src", nodes=TWO)
    engines.converge(wanted)
    write(engines, 0, 1)
    instants = []
    for number, writer in ((2, "n2"), (3, "n1")):
        time.sleep(0.02)
        instants.append(time.time_ns() // 1_000_000)
        time.sleep(0.02)
        engines.converge(wanted._replace(writer=writer))
        write(engines, 0, number)
    forks = [
        ("now", Fork("v-src"), [1, 2, 3]),
        ("again", Fork("v-now"), [1, 2, 3, 10]),
        ("first", Fork("v-src", instants[0]), [1]),
        ("second", Fork("v-src", instants[1]), [1, 2]),
        ("third", Fork("v-first"), [1, 14]),
    ]
    for place, (name, fork, numbers) in enumerate(forks):
        slot = 10 + 2 * place
        engines.converge(maria(name, slot, fork=fork))
        assert read(engines, slot) == numbers, name
        write(engines, slot, slot)
    engines.converge(maria("third", 18, nodes=()))
    engines.converge(maria("third", 18, nodes=(Node("x1", "a"), Node("x2", "b"), Node("x3", "c"))))
    shows(engines, 19, 1, 14, 18)
    assert read(engines, 0) == [1, 2, 3]
    drop(engines, "src", *(name for name, _, _ in forks))


def test_followers(engines: Engines) -> None:
    """A follower of a volume that has turned has all, goes on when writers die and change; then it goes its own way."""
    near = maria("near", 40, nodes=TWO)
    engines.converge(near)
    write(engines, 40, 1)
    engines.converge(near._replace(writer="n2"))
    write(engines, 40, 2)
    engines.converge(follower(42))
    assert read(engines, 43) == [1, 2]
    actual = engines.on_loop(lambda: engines.databases.look("near"))
    killed(next(node.pid for node in actual.nodes if node.writes))
    write(engines, 40, 3)
    shows(engines, 43, 1, 2, 3)
    engines.converge(follower(42, nodes=()))
    for number, writer in ((4, "n2"), (5, "n1"), (6, "n2")):
        engines.converge(near._replace(writer=writer))
        write(engines, 40, number)
    engines.converge(follower(42, nodes=(Node("m1", "a"), Node("m2", "b"))))
    shows(engines, 43, 1, 2, 3, 4, 5, 6)
    volume = engines.on_loop(lambda: engines.databases._runners["far"].volume)
    volume.process.tell(signal.SIGKILL)
    write(engines, 40, 7)
    shows(engines, 43, 1, 2, 3, 4, 5, 6, 7)
    engines.converge(follower(42, follows="", writer="m1", nodes=(Node("m1", "a"), Node("m2", "b"))))
    write(engines, 42, 100)
    write(engines, 40, 8)
    shows(engines, 43, 1, 2, 3, 4, 5, 6, 7, 100)
    drop(engines, "near", "far")
