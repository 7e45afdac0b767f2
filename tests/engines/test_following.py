"""A volume that repeats another one, as a global database's secondary does, whatever happens to that one: real PostgreSQL."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fogbank.engines import volumes
from fogbank.engines.spec import Endpoint, Fork, Node

from .house import Engines, cluster, killed

TWO = (Node("n1", "a"), Node("n2", "b"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    made = Engines()
    yield made
    made.close()


def primary(name: str, **changes: Any) -> Any:
    return cluster(name, nodes=TWO, **changes)


def follower(name: str, of: str, **changes: Any) -> Any:
    reading = (Endpoint(10, 5432, "reader"),)
    return cluster(name, nodes=(Node("m1", "a"),), **({"writer": "", "follows": of, "endpoints": reading, "region": "us-west-2"} | changes))


def ask(engines: Engines, slot: int, sql: str) -> Any:
    address = engines.on_loop(lambda: engines.databases.address(slot))
    with psycopg.connect(
        host=address, user="ada", password="correct horse", dbname="app", autocommit=True, connect_timeout=60
    ) as connection:
        done = connection.execute(sql)
        return done.fetchone()[0] if done.description is not None else None  # type: ignore[index]


def write(engines: Engines, *numbers: int) -> None:
    ask(engines, 0, "create table if not exists t(n int primary key)")
    for number in numbers:
        ask(engines, 0, f"insert into t values ({number})")


def has(engines: Engines, *numbers: int) -> bool:
    """Whether a follower's reader has come to show exactly these."""
    try:
        return ask(engines, 10, "select array_agg(n order by n) from t") == list(numbers)
    except psycopg.Error:
        return False


def runner(engines: Engines, name: str) -> Any:
    return engines.on_loop(lambda: engines.databases._runners[name])


def drop(engines: Engines, *names: str) -> None:
    for name in names:
        engines.do(lambda done, name=name: engines.databases.drop(name, done))


def test_behind_at_a_failover(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower that is paused while the primary writes, fails over twice and writes again has all of it when it goes on."""
    monkeypatch.setattr(volumes, "SILENT_S", 600.0)
    wanted = primary("p1")
    engines.converge(wanted)
    write(engines, 1)
    engines.converge(follower("f1", "v-p1"))
    engines.wait_for(lambda: has(engines, 1))
    process = runner(engines, "f1").volume.process
    os.kill(process.pid, signal.SIGSTOP)
    write(engines, 2)
    engines.converge(wanted._replace(writer="n2"))
    write(engines, 3)
    engines.converge(wanted)
    write(engines, 4)
    os.kill(process.pid, signal.SIGCONT)
    engines.wait_for(lambda: has(engines, 1, 2, 3, 4))
    status = engines.run(runner(engines, "f1").volume.ask("status"))
    assert (status["timeline"], status["attached"]) == (3, True)
    drop(engines, "f1", "p1")


def test_stopped_at_a_failover(engines: Engines) -> None:
    """A follower that was stopped meanwhile has all of it when it is started again, also when its process is killed while it catches up."""
    wanted, following = primary("p2"), follower("f2", "v-p2")
    engines.converge(wanted)
    write(engines, 1)
    engines.converge(following)
    engines.converge(following._replace(nodes=()))
    ask(engines, 0, "create table more as select n, repeat('x', 500) as rest from generate_series(1, 20000) n")
    engines.converge(wanted._replace(writer="n2"))
    write(engines, 2)
    engines.converge(following)
    assert has(engines, 1, 2)
    os.kill(runner(engines, "f2").volume.process.pid, signal.SIGKILL)
    write(engines, 3)
    engines.wait_for(lambda: has(engines, 1, 2, 3))
    assert ask(engines, 10, "select count(*) from more") == 20000
    drop(engines, "f2", "p2")


def test_a_primary_that_dies(engines: Engines) -> None:
    """The primary's writer and volume are killed: a follower has all that was acknowledged before and after, without being touched."""
    wanted = primary("p3")
    pids = {node.writes: node.pid for node in engines.converge(wanted).nodes}
    write(engines, 1)
    engines.converge(follower("f3", "v-p3"))
    killed(runner(engines, "p3").volume.process.pid, pids[True])
    write(engines, 2)
    engines.wait_for(lambda: has(engines, 1, 2))
    assert not [notice for notice in engines.notices if notice["cluster"] == "f3"]
    drop(engines, "f3", "p3")


def test_begun_after_a_failover(engines: Engines) -> None:
    """A follower that begins with an image of a later timeline has the log from where the image's segment begins, with the timelines that
    lie in it: its readers are told of all of them at the next failover, and leave nothing out."""
    wanted = primary("p6")
    engines.converge(wanted)
    write(engines, 1)
    engines.converge(wanted._replace(writer="n2"))
    source = runner(engines, "p6").volume
    engines.wait_for(lambda: source.newest().timeline == 2)
    engines.converge(follower("f6", "v-p6"))

    def lie() -> set[tuple[int, ...]]:
        states = engines.run(runner(engines, "f6").volume.everywhere(lambda node: node.state()))
        return {tuple(span.timeline for span in state.spans) for state in states.values() if state.spans}

    engines.wait_for(lambda: lie() == {(1, 2)})  # (a node that came late has the rest from its peers, a moment later)
    write(engines, 2)
    engines.converge(wanted)
    write(engines, 3)
    engines.wait_for(lambda: has(engines, 1, 2, 3))
    drop(engines, "f6", "p6")


def test_another_history(engines: Engines) -> None:
    """A follower of a fork that lacks what the follower has begins anew, and says so; so it does in another branch of the cloud."""
    wanted = primary("p4")
    engines.converge(wanted)
    write(engines, 1)
    engines.do(lambda done: engines.databases.keep("v-p4", "before", done))
    engines.converge(follower("f4", "v-p4"))
    write(engines, 2)
    engines.wait_for(lambda: has(engines, 1, 2))
    engines.do(lambda done: engines.databases.drop("p4", done))
    engines.converge(primary("p5", fork=Fork("v-p4", point="before")))
    write(engines, 3)
    engines.converge(follower("f4", "v-p5", existing=True))
    assert has(engines, 1, 3)
    assert [notice["what"] for notice in engines.notices if notice["cluster"] == "f4"] == ["resynchronized"]
    left_ms = time.time_ns() // 1_000_000
    engines.wait_for(lambda: time.time_ns() // 1_000_000 > left_ms + 5)
    write(engines, 4)
    engines.branches = [(2, left_ms), (1, left_ms)]
    engines.on_loop(engines.databases.left)
    both = [primary("p5", existing=True), follower("f4", "v-p5", existing=True)]
    engines.together(*reversed(both))
    assert has(engines, 1, 3)
    write(engines, 5)
    engines.wait_for(lambda: has(engines, 1, 3, 5))
    drop(engines, "f4", "p5")
    engines.branches = [(1, 0)]
