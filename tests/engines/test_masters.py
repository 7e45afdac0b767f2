"""Two writers: rows are claimed of real storage nodes, and what one commits the other has."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from fogbank.engines.masters.pair import Pair
from fogbank.engines.masters.side import Side
from fogbank.engines.spec import Endpoint, Node

from .house import Engines, cluster, killed

WANTED = cluster(
    "mm",
    nodes=(Node("n1", "a"), Node("n2", "b")),
    masters=True,
    endpoints=(Endpoint(0, 5432, "writer"), Endpoint(1, 5432, "node", ("n1",)), Endpoint(2, 5432, "node", ("n2",))),
)


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    made = Engines()
    made.converge(WANTED)
    with connect(made, 1) as one:
        one.execute("create table account (id int primary key, holder text unique, balance int not null)")
        one.execute("insert into account select n, 'holder ' || n, 100 from generate_series(1, 20) n")
    yield made
    made.close()


def connect(engines: Engines, slot: int) -> Any:
    host = engines.on_loop(lambda: engines.databases.address(slot))
    return psycopg.connect(host=host, port=5432, user="ada", password="correct horse", dbname="app", autocommit=True, connect_timeout=60)


@pytest.fixture
def one(engines: Engines) -> Iterator[Any]:
    with connect(engines, 1) as connection:
        yield connection


@pytest.fixture
def two(engines: Engines) -> Iterator[Any]:
    with connect(engines, 2) as connection:
        yield connection


def pair(engines: Engines) -> Pair:
    found = engines.databases._runner("mm")
    assert isinstance(found, Pair)
    return found


def row(connection: Any, sql: str) -> Any:
    return connection.execute(sql).fetchone()


def insist(connection: Any, sql: str) -> None:
    """Tries again what was refused because the other writer was before."""
    end = time.monotonic() + 60
    while True:
        try:
            connection.execute(sql)
            return
        except errors.SerializationFailure:
            assert time.monotonic() < end, sql


def both(engines: Engines, sql: str) -> Any:
    """What both writers say: the same."""
    with connect(engines, 1) as one, connect(engines, 2) as two:
        said, other = one.execute(sql).fetchall(), two.execute(sql).fetchall()
    assert said == other
    return said


def test_what_one_commits_the_other_has(one: Any, two: Any) -> None:
    """When a commit comes back the other writer has it: read there, and changed there, at once."""
    one.execute("insert into account values (100, 'new', 5)")
    assert row(two, "select balance from account where id = 100") == (5,)
    assert row(two, "update account set balance = balance + 1 where id = 100 returning balance") == (6,)
    assert row(one, "update account set balance = balance * 2 where id = 100 returning balance") == (12,)
    two.execute("delete from account where id = 100")
    assert row(one, "select count(*) from account where id = 100") == (0,)


def test_a_row_that_the_other_has_changed_but_not_committed(one: Any, two: Any) -> None:
    """Its update fails at once, with 40001: it does not wait for the other's end; after that it is free again."""
    one.execute("update account set balance = 100 where id = 1")
    with one.transaction():
        one.execute("update account set balance = balance - 1 where id = 1")
        two.execute("set statement_timeout = '20s'")
        with pytest.raises(errors.SerializationFailure, match="changed by another writer"):
            two.execute("update account set balance = balance + 1 where id = 1")
        two.execute("update account set balance = balance + 1 where id = 2")
    assert row(two, "update account set balance = balance + 1 where id = 1 returning balance") == (100,)
    one.execute("update account set balance = 100 where id = 2")
    with contextlib.suppress(ZeroDivisionError), one.transaction():
        one.execute("update account set balance = 0 where id = 1")
        raise ZeroDivisionError
    assert row(two, "update account set balance = balance + 0 where id = 1 returning balance") == (100,)


def test_simultaneous_updates_of_one_row(engines: Engines, one: Any, two: Any) -> None:
    """Of two that change a row at the same time one commits, the other is rolled back and may try again; none is lost."""
    before = row(one, "select balance from account where id = 3")[0]
    rounds, refused = 15, []
    barrier = threading.Barrier(2)

    def add(connection: Any) -> None:
        for _ in range(rounds):
            barrier.wait(60)
            while True:
                try:
                    connection.execute("update account set balance = balance + 1 where id = 3")
                    break
                except errors.SerializationFailure as failure:
                    refused.append(failure.sqlstate)

    together([lambda: add(one), lambda: add(two)])
    assert both(engines, "select balance from account where id = 3") == [(before + 2 * rounds,)]
    assert "40001" in refused
    one.execute("update account set balance = 100 where id = 3")


def together(works: list[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if failed:
        raise failed[0]


def test_keys_of_unique_indexes_and_parents(one: Any, two: Any) -> None:
    """A name that the other is about to give, or a parent that it is about to delete, is refused; two children of one parent are not."""
    one.execute("create table child (id int primary key, account int references account)")
    one.execute("insert into account values (50, 'parent', 0)")
    with one.transaction():
        one.execute("insert into account values (51, 'same name', 0)")
        with pytest.raises(errors.SerializationFailure):
            two.execute("insert into account values (52, 'same name', 0)")
        one.execute("insert into child values (1, 50)")
        with pytest.raises(errors.SerializationFailure):
            two.execute("delete from account where id = 50")
        two.execute("insert into child values (2, 50)")
    with pytest.raises(errors.UniqueViolation):
        two.execute("insert into account values (52, 'same name', 0)")
    with pytest.raises(errors.ForeignKeyViolation):
        two.execute("delete from account where id = 50")
    with one.transaction():
        one.execute("delete from child")
        one.execute("delete from account where id in (50, 51)")
        with pytest.raises(errors.SerializationFailure):
            two.execute("insert into child values (3, 50)")
    assert row(two, "select count(*) from child") == (0,)


def test_money_is_kept(engines: Engines) -> None:
    """Transfers on both writers at once: some are refused and tried again, and at the end both have the same, and as much as before."""
    before = both(engines, "select sum(balance) from account")
    refused: list[str] = []

    def transfer(slot: int, seed: int) -> None:
        dice = random.Random(seed)
        with connect(engines, slot) as connection:
            for _ in range(15):
                source, target = dice.sample(range(1, 7), 2)
                while True:
                    try:
                        with connection.transaction():
                            for id, sum in sorted(((source, -5), (target, 5))):
                                connection.execute("update account set balance = balance + %s where id = %s", [sum, id])
                        break
                    except (errors.SerializationFailure, errors.DeadlockDetected) as failure:
                        refused.append(failure.sqlstate or "")

    together([lambda slot=slot, seed=seed: transfer(slot, seed) for seed, slot in enumerate((1, 2, 1, 2))])  # type: ignore[misc]
    assert both(engines, "select sum(balance) from account") == before
    assert len(both(engines, "select * from account order by id")) == 20
    assert "40001" in refused
    assert engines.wait_for(lambda: not any(side.claimer.held for side in pair(engines)._sides))


def test_commands_go_to_both(engines: Engines, one: Any, two: Any) -> None:
    """What changes the schema is done on both, from either; generated keys of the two never meet."""
    two.execute("create table item (id serial primary key, name text); create index on item (name)")
    for connection in (one, two, one, two):
        connection.execute("insert into item (name) values ('a'), ('b')")
    assert len(both(engines, "select id from item order by id")) == 8
    one.execute("alter table item add column price int default 7")
    two.execute("update item set price = 8 where id = 1")
    assert row(one, "select price from item where id = 1") == (8,)
    with one.transaction():
        one.execute("update item set price = 9 where id = 2")
        two.execute("set statement_timeout = '30s'")
        with pytest.raises(errors.SerializationFailure, match="changed by another writer"):
            two.execute("truncate item")
    two.execute("truncate item restart identity")
    assert both(engines, "select count(*) from item") == [(0,)]
    for connection in (one, two):
        connection.execute("insert into item (name) values ('c')")
    assert both(engines, "select id from item order by id") == [(1,), (2,)]
    one.execute("create temp table mine as select 1 as x")
    one.execute("drop table mine")
    one.execute("drop table item")
    with pytest.raises(errors.UndefinedTable):
        two.execute("select from item")


def test_extensions(engines: Engines, one: Any, two: Any) -> None:
    """An extension is made on both; what calls AWS out of SQL reaches it from both."""
    one.execute("create extension hstore")
    assert row(two, "select ('a=>7'::hstore) -> 'a'") == ("7",)
    two.execute("create extension aws_lambda cascade")
    engines.answer = lambda question: {"result": {"asked": question.get("call")}}
    for side in pair(engines)._sides:

        async def call(side: Side = side) -> Any:
            async with side.asking() as connection:
                return await connection.one("select aws_commons._call('Lambda', '{\"do\": 1}') -> 'asked' ->> 'do'")

        assert engines.run(call()) == "1"


def test_kinds_of_keys(one: Any, two: Any) -> None:
    """The same key is the same row on both, whatever it is made of: enums, text of another scale, expressions, several columns."""
    one.execute("create type colour as enum ('red', 'blue')")
    two.execute("create type size as enum ('small', 'large')")
    for create, first, same in (
        ("a colour, b size, primary key (a, b)", "'red', 'large'", "'red', 'large'"),
        ("a numeric primary key", "1.0", "1.000"),
        ("a int generated always as identity primary key, b text, unique (b)", "default, 'x'", "default, 'x'"),
        ("a text primary key, b timestamptz unique", "'p', '2020-01-01 00:00+00'", "'q', '2020-01-01 01:00+01'"),
    ):
        one.execute(f"create table kind ({create})")
        with one.transaction():
            one.execute(f"insert into kind values ({first})")
            with pytest.raises(errors.SerializationFailure):
                two.execute(f"insert into kind values ({same})")
        one.execute("drop table kind")
    one.execute("create table kind (a text primary key); create unique index on kind (lower(a))")
    with one.transaction():
        one.execute("insert into kind values ('Ada')")
        with pytest.raises(errors.SerializationFailure):
            two.execute("insert into kind values ('ADA')")
    one.execute("drop table kind")


def test_many_rows(one: Any, two: Any) -> None:
    """A statement that writes very many rows has the whole table."""
    one.execute("create table many (id int primary key, n int)")
    one.execute("insert into many select n, 0 from generate_series(1, 20000) n")
    with one.transaction():
        one.execute("update many set n = 1")
        with pytest.raises(errors.SerializationFailure):
            two.execute("insert into many values (50000, 0)")
    two.execute("delete from many")
    assert row(one, "select count(*) from many") == (0,)
    one.execute("drop table many")


def test_rows_that_are_locked_crosswise(engines: Engines) -> None:
    """Two transactions that each have locked, and not changed, what the other has changed: one loses its connection, and all goes on."""
    outcomes: list[str] = []
    locked = threading.Barrier(2)

    def work(slot: int, locks: int, changes: int) -> None:
        try:
            with connect(engines, slot) as connection:
                connection.execute("begin")
                connection.execute("select from account where id = %s for update", [locks])
                connection.execute("update account set balance = balance + 0 where id = %s", [changes])
                locked.wait(60)
                connection.execute("commit")
            outcomes.append("committed")
        except psycopg.OperationalError:
            outcomes.append("in doubt")

    together([lambda: work(1, 12, 13), lambda: work(2, 13, 12)])
    assert len(outcomes) == 2
    assert both(engines, "select balance from account where id in (12, 13)") == [(100,), (100,)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("create table x as select 1 as id", "CREATE TABLE AS is not available in a multi-master cluster"),
        ("create unlogged table x (id int primary key)", "cannot be in a multi-master cluster"),
        ("create table x (id int primary key) partition by range (id)", "cannot be in a multi-master cluster"),
        ("create sequence x", "CREATE SEQUENCE is not available"),
        ("create materialized view x as select 1", "CREATE MATERIALIZED VIEW is not available"),
        ("create index concurrently on account (balance)", "CONCURRENTLY is not available"),
        ("alter table account add column x uuid default gen_random_uuid()", "cannot be added in a multi-master cluster"),
        ("do $$ begin execute 'create table x (id int primary key)'; end $$", "cannot be carried to the other writer"),
        ("create role clerk", "permission denied to create role"),
        ("create database x", "permission denied to create database"),
        ("set session_replication_role = replica", "permission denied to set parameter"),
    ],
)
def test_what_is_refused(one: Any, sql: str, words: str) -> None:
    """What cannot be kept alike on both says so, and leaves nothing behind."""
    with pytest.raises(errors.Error, match=words):
        one.execute(sql)
    assert row(one, "select count(*) from pg_class where relname = 'x'") == (0,)


def test_a_table_without_a_primary_key(one: Any, two: Any) -> None:
    """It can be made, and read; to be written it has to have a primary key."""
    one.execute("create table loose (a int)")
    for connection in (one, two):
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="it has no primary key"):
            connection.execute("insert into loose values (1)")
    two.execute("alter table loose add primary key (a)")
    one.execute("insert into loose values (1)")
    assert row(two, "select a from loose") == (1,)
    one.execute("drop table loose")


def test_storage_nodes_die(engines: Engines, one: Any, two: Any) -> None:
    """Two nodes less change nothing. With fewer than four, writes fail. Who comes back, memory empty, grants nothing that is held."""
    fleet = engines.run(engines.room.fleet("us-east-1"))
    fleet.keep_dead = True
    try:
        with one.transaction():
            one.execute("update account set balance = balance + 1 where id = 10")
            for number in (0, 1):
                engines.run(fleet.end(number))
            with pytest.raises(errors.SerializationFailure):
                two.execute("update account set balance = balance + 1 where id = 10")
            engines.run(fleet.end(2))
            with pytest.raises(errors.CannotConnectNow, match="fewer than four"):
                two.execute("update account set balance = balance + 1 where id = 11")
            for number in (0, 1, 2):
                engines.run(fleet.revive(number))
            for number in (3, 4, 5):
                engines.run(fleet.end(number))
                engines.run(fleet.revive(number))
            engines.wait_for(lambda: all(side.claimer.asked == 6 for side in pair(engines)._sides))
            with pytest.raises(errors.SerializationFailure):
                two.execute("update account set balance = balance + 1 where id = 10")
    finally:
        fleet.keep_dead = False
    assert row(two, "update account set balance = balance - 1 where id = 10 returning balance") == (100,)


def test_a_volume_process_dies(engines: Engines, one: Any, two: Any) -> None:
    """The writer waits until there is another one, and goes on; so does the other."""
    for side in pair(engines)._sides:
        assert side.volume is not None
        assert side.volume.process is not None
        side.volume.process.tell(signal.SIGKILL)
        for connection in (one, two):
            insist(connection, "update account set balance = balance + 1 where id = 17")
    assert both(engines, "select balance from account where id = 17") == [(104,)]
    insist(one, "update account set balance = 100 where id = 17")


@pytest.mark.parametrize("slot", [1, 2])
def test_a_writer_is_killed(engines: Engines, slot: int) -> None:
    """The other goes on, and has all that was acknowledged; the dead one comes back as a copy of it, and both write again."""
    other = 3 - slot
    last = 0
    with contextlib.suppress(psycopg.OperationalError), connect(engines, slot) as doomed, connect(engines, slot) as holder:
        holder.autocommit = False
        holder.execute("update account set balance = 0 where id = 15")
        for n in range(1000):
            doomed.execute("update account set balance = %s where id = 14", [n])
            last = n
            if n == 5:
                actual = engines.on_loop(lambda: engines.databases.look("mm"))
                os.kill(next(node.pid for node in actual.nodes if node.id == f"n{slot}"), signal.SIGKILL)
    with connect(engines, other) as survivor:

        def free() -> bool:
            with contextlib.suppress(errors.SerializationFailure):
                survivor.execute("update account set balance = 100 where id = 15")
                return True
            return False

        engines.wait_for(free, 120)
        assert row(survivor, "select balance from account where id = 14")[0] in (last, last + 1)
        survivor.execute("update account set balance = 100 where id = 14")
    engines.wait_for(lambda: len(pair(engines)._sides) == 2, 120)
    with connect(engines, slot) as back:
        assert row(back, "update account set balance = balance + 1 where id = 14 returning balance") == (101,)
    with connect(engines, other) as survivor:
        survivor.execute("update account set balance = 100 where id = 14")
    assert both(engines, "select sum(balance) from account") == [(2000,)]


def test_both_writers_die(engines: Engines) -> None:
    """All that was acknowledged is there again, and both write."""
    with connect(engines, 1) as one, connect(engines, 2) as two:
        one.execute("update account set balance = 1 where id = 7")
        two.execute("update account set balance = 2 where id = 8")
    actual = engines.on_loop(lambda: engines.databases.look("mm"))
    dead = {node.pid for node in actual.nodes}
    killed(*dead)

    def there() -> bool:
        """Two others write."""
        found = engines.on_loop(lambda: engines.databases.look("mm"))
        return found is not None and len({node.pid for node in found.nodes} - {*dead, 0}) == 2

    engines.wait_for(there, 120)
    assert both(engines, "select id, balance from account where id in (7, 8) order by id") == [(7, 1), (8, 2)]
    with connect(engines, 2) as two:
        insist(two, "update account set balance = 100 where id in (7, 8)")


def test_stopped_and_started(engines: Engines) -> None:
    """A cluster that is stopped and started again has both its writers, and what they had."""
    said = both(engines, "select * from account order by id")
    engines.converge(WANTED._replace(nodes=()))
    actual = engines.converge(WANTED)
    assert [(node.id, node.writes) for node in actual.nodes] == [("n1", True), ("n2", True)]
    assert both(engines, "select * from account order by id") == said


def test_the_truth_moves_and_is_found_again(tmp_path: Path) -> None:
    """When the writer died on whose volume the cluster stood, another process finds what was acknowledged since, and so does a branch."""
    dead, alive = WANTED.nodes
    first = Engines(tmp_path)
    try:
        actual = first.converge(WANTED)
        with connect(first, 1) as one:
            one.execute("create table t (id int primary key, n serial)")
            one.execute("insert into t values (1)")
        os.kill(next(node.pid for node in actual.nodes if node.id == dead.id), signal.SIGKILL)
        with connect(first, 2) as two:
            insist(two, "insert into t values (2)")
            first.wait_for(lambda: [side.node.id for side in pair(first)._sides] == [alive.id, dead.id], 120)
            insist(two, "insert into t values (3)")
    finally:
        first.close()
    second = Engines(tmp_path)
    try:
        second.converge(WANTED)
        assert both(second, "select id from t order by id") == [(1,), (2,), (3,)]
        second.branches = [(2, 0), (1, 0)]
        second.on_loop(second.databases.left)
        second.converge(WANTED)
        with connect(second, 1) as one:
            one.execute("insert into t values (4)")
        with connect(second, 2) as two:
            two.execute("insert into t values (5)")
        assert both(second, "select count(distinct n) from t") == [(5,)]
        second.do(lambda done: second.databases.drop("mm", done))
        second.do(lambda done: second.databases.forget(WANTED.volume, done))
        assert {path.name.split("-w")[0] for path in (second.room.root / "volumes").iterdir()} == {"v-mm-1"}
    finally:
        second.close()


def test_what_cannot_be_applied(engines: Engines, two: Any) -> None:
    """A writer that cannot apply what the other has committed is made anew, as a copy of it."""
    sides = pair(engines)._sides
    last = sides[1]

    async def spoil() -> None:
        async with last.asking() as connection:
            await connection.one(
                "create function public.spoil() returns trigger language plpgsql as 'begin raise exception ''spoiled''; end'"
            )
            await connection.one("create trigger spoil before update on account for each row execute function public.spoil()")
            await connection.one("alter table account enable replica trigger spoil")

    engines.run(spoil())
    with connect(engines, sides[0].number) as first:
        first.execute("update account set balance = 100 where id = 18")
    engines.wait_for(lambda: len(pair(engines)._sides) == 2 and last not in pair(engines)._sides, 120)
    assert both(engines, "select balance from account where id = 18") == [(100,)]
