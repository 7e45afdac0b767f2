"""Parallel query: a cluster as its user makes it, and a table that is read beside the storage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fogbank.engines import splitting
from fogbank.testing.cloud import Cloud, House

ROWS = 100_000
ENGINE = {"Engine": "aurora-postgresql", "DBClusterIdentifier": "sales"}
SECRET = "secret12345"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    house = House()
    yield house.cloud()
    house.close()


@pytest.fixture(scope="module")
def at(cloud: Cloud) -> dict[str, Any]:
    """Where a writer is, with 64 MB of buffers and a table of 100,000 rows in some 30 MB."""
    rds = cloud.client("rds")
    group = {"DBClusterParameterGroupName": "small"}
    rds.create_db_cluster_parameter_group(**group, DBParameterGroupFamily="aurora-postgresql18", Description="d")
    buffers = {"ParameterName": "shared_buffers", "ParameterValue": "8192", "ApplyMethod": "pending-reboot"}
    rds.modify_db_cluster_parameter_group(**group, Parameters=[buffers])
    rds.create_db_cluster(**ENGINE, **group, MasterUsername="boss", MasterUserPassword=SECRET, DatabaseName="shop")
    rds.create_db_instance(**ENGINE, DBInstanceIdentifier="sales-1", DBInstanceClass="db.r6g.large")
    while rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] != "available":
        cloud.settle(60)
    found = rds.describe_db_clusters()["DBClusters"][0]
    where = {"host": found["Endpoint"], "port": found["Port"], "dbname": "shop"}
    with psycopg.connect(**where, user="boss", password=SECRET, autocommit=True) as boss:
        for name in ("aurora_parallel", "pg_buffercache"):
            boss.execute(f"create extension {name} cascade")
        boss.execute(
            "create table sale with (autovacuum_enabled = off) as"
            " select n as id, n * 79 % 97 as shop, case when n % 11 > 0 then (n % 1000) / 7.0 end as price,"
            " (n % 500) / 8.0::float8 as weight, 'né ' || n % 13 as \"What\", timestamptz '2020-01-01' + n * interval '1 minute' as sold,"
            f" repeat('x', 220) as rest from generate_series(1, {ROWS}) as n"
        )
        boss.execute("vacuum analyze sale")
        boss.execute("create role clerk login password 'secret12345'; grant usage on schema aurora_parallel to clerk")
        boss.execute("grant execute on all functions in schema aurora_parallel to clerk")
    return where


@pytest.fixture
def boss(at: dict[str, Any]) -> Iterator[Any]:
    with psycopg.connect(**at, user="boss", password=SECRET, autocommit=True) as connection:
        yield connection


@pytest.fixture
def clerk(at: dict[str, Any]) -> Iterator[Any]:
    with psycopg.connect(**at, user="clerk", password=SECRET, autocommit=True) as connection:
        yield connection


def both(connection: Any, sql: str, columns: str) -> tuple[list[Any], list[Any]]:
    """What a query gives by itself, and in parallel."""
    literal = sql.replace("'", "''")
    plain = connection.execute(sql).fetchall()
    return plain, connection.execute(f"select * from aurora_parallel.query('{literal}') as t ({columns})").fetchall()


def explained(connection: Any, sql: str) -> list[Any]:
    found: list[Any] = connection.execute("select * from aurora_parallel.explain(%s)", [sql]).fetchall()
    return found


QUERIES = [
    ("select count(*) from sale", "n bigint"),
    ("select count(price), count(*) c, sum(id), min(\"What\"), max(sold), avg(price), avg(id) from sale where shop < 5",
     "a bigint, b bigint, c bigint, d text, e timestamptz, f numeric, g numeric"),
    ("select shop, sum(weight), avg(weight) as w from sale s where s.\"What\" like 'né 1%' group by shop order by shop limit 7",
     "a int, b float8, c float8"),
    ("select date_trunc('month', sold) as m, \"What\", sum(price) from sale group by m, 2 order by 2 desc, m",
     "a timestamptz, b text, c numeric"),
    ("select avg(price), sum(price), min(price), count(*) from sale where id < 0", "a numeric, b numeric, c numeric, d bigint"),
    ("select id, lower(\"What\"), sold::date, price::numeric(10,2) from sale where shop = 3 and id % 1000 = 0",
     "a int, b text, c date, d numeric(10,2)"),
    ("select * from sale where id in (5, 77777, 99999) -- 3", "a int, b int, c numeric, d float8, e text, f timestamptz, g text"),
    ("select count(*) from sale where sold < now() - interval '1 year' and price is distinct from 3", "a bigint"),
    ("select count(*) from sale where sold < '03/02/2020' and not (shop between 3 and 5)", "a bigint"),
]  # fmt: skip


def test_the_same_rows(boss: Any) -> None:
    """What is split gives the rows and types that the plain query gives, with the session's settings."""
    boss.execute("set datestyle = 'iso, dmy'")
    for sql, columns in QUERIES:
        assert [row[0] for row in explained(boss, sql)] == [True] * 3, explained(boss, sql)
        plain, parallel = both(boss, sql, columns)
        if "order by" not in sql:
            plain, parallel = sorted(plain), sorted(parallel)
        assert parallel == [tuple(pytest.approx(value) if isinstance(value, float) else value for value in row) for row in plain]
    (_, _, zone, _, blocks, scanned, shipped), *others = explained(boss, "select id from sale where id % 1000 = 0")
    assert [zone, *(other[2] for other in others)] == ["a", "b", "c"]
    assert scanned + sum(other[5] for other in others) == ROWS
    assert shipped + sum(other[6] for other in others) == ROWS / 1000
    assert blocks > 1000
    assert sum(row[6] for row in explained(boss, "select shop, count(*) from sale group by shop")) == 97 * 3


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select count(*) from sale a join sale b using (id)", "it joins tables"),
        ("select id from sale order by id limit 3", "rows are put in order, or only some are wanted"),
        ("select count(*) from sale where id = (select 5)", "it has a query in it"),
        ("select count(*) from sale where random() < 2", "what random() gives may depend on more than its row"),
        ("select count(*) from sale where current_setting('x.y') = ''", "what current_setting() gives may depend on more than its row"),
        ("select count(distinct shop) from sale", "distinct looks at all rows"),
        ("select sum(id) / count(*) from sale", "an aggregate is part of an expression"),
        ("select shop from sale group by id, shop having count(*) > 1", "it has having"),
        ("select count(*) from pg_stat_activity", '"pg_stat_activity" is no ordinary table'),
        ("select string_agg(\"What\", ',') from sale", "an aggregate is not count, sum, min, max or avg of one value"),
        ("insert into sale values (1)", "it is not one select"),
        ("select * from sale", "more than 8 MB would have to be shipped"),
    ],
)  # fmt: skip
def test_what_is_not_split(boss: Any, sql: str, why: str) -> None:
    """A query that cannot be split runs on the writer, and explain says why."""
    if sql != "select * from sale":
        assert explained(boss, sql) == [(False, why, None, None, None, None, None)]
        if sql.startswith("select count") and "x.y" not in sql:
            plain, parallel = both(boss, sql, "n bigint")
            assert plain == parallel
    else:
        assert boss.execute(f"select count(*) from (select id from aurora_parallel.query('{sql}') as "
                            "t (id int, b int, c numeric, d float8, e text, f timestamptz, g text)) q").fetchone() == (ROWS,)  # fmt: skip


def cached(connection: Any) -> int:
    """Pages of the table in the writer's buffer pool."""
    sql = "select count(*) from pg_buffercache where relfilenode = pg_relation_filenode('sale') and relforknumber = 0"
    return int(connection.execute(sql).fetchone()[0])


def test_the_buffer_pool(boss: Any) -> None:
    """The writer's buffer pool stays as it is; a plain scan changes it."""
    before = cached(boss)
    boss.execute("select * from aurora_parallel.query('select sum(price) from sale where shop = 3') as t (n numeric)")
    assert cached(boss) == before
    boss.execute("select sum(price) from sale where shop = 3")
    assert cached(boss) > before


def test_rights(boss: Any, clerk: Any) -> None:
    """Grants and row security are those of who asks, who cannot say to be another one."""
    boss.execute(
        "create table mine as select n as id, case when n % 4 > 0 then 'boss' else 'clerk' end as whose from generate_series(1, 1000) n"
    )
    sql, columns = "select count(*) from mine", "n bigint"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table mine"):
        clerk.execute(f"select * from aurora_parallel.query('{sql}') as t ({columns})")
    boss.execute("grant select on mine to clerk; alter table mine enable row level security")
    boss.execute("create policy own on mine using (whose = current_user)")
    assert [row[0] for row in explained(clerk, sql)] == [True] * 3
    assert both(clerk, sql, columns) == ([(250,)], [(250,)])
    assert both(boss, sql, columns) == ([(1000,)], [(1000,)])
    boss.execute("create policy named on mine using (whose = current_setting('app.whose', true))")
    clerk.execute("set app.whose = 'boss'")
    assert explained(clerk, sql)[0][1] == "what current_setting() gives may depend on more than its row"
    assert both(clerk, sql, columns) == ([(1000,)], [(1000,)])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        clerk.execute("insert into aurora_parallel._calls (act, sql, caller) values ('query', 'select 1', 'boss')")
    boss.execute("create function lent() returns bigint language sql security definer as"
                 " $$select n from aurora_parallel.query('select count(*) from sale') as t (n bigint)$$")  # fmt: skip
    assert clerk.execute("select lent()").fetchone() == (ROWS,)


def test_what_was_just_committed(at: dict[str, Any], boss: Any) -> None:
    """What was committed before is seen; own changes that are not committed, too; and while others write, all parts see one state."""
    boss.execute("create table purse as select n as id, 100 as gold, repeat('z', 400) as rest from generate_series(1, 1000) n")
    sql = "select * from aurora_parallel.query('select sum(gold) from purse') as t (n bigint)"
    for n in range(1, 6):
        boss.execute("update purse set gold = gold + 1 where id = 500")
        assert boss.execute(sql).fetchone() == (100_000 + n,)
    with boss.transaction():
        boss.execute("update purse set gold = gold + 1 where id = 500")
        assert boss.execute(sql).fetchone() == (100_006,)
    ended, moved = threading.Event(), 0

    def move() -> None:
        nonlocal moved
        with psycopg.connect(**at, user="boss", password=SECRET, autocommit=True) as other:
            while not ended.is_set():
                move = "update purse set gold = gold + case when id < 500 then 1 else -1 end where id in (%s, %s)"
                other.execute(move, [moved % 400 + 1, 1000 - moved % 400])
                moved += 1

    thread = threading.Thread(target=move)
    thread.start()
    sums, asked = set(), 0
    while asked < 20 or (moved <= 20 and thread.is_alive()):
        sums.add(boss.execute(sql).fetchone())
        asked += 1
    ended.set()
    thread.join()
    assert sums == {(100_006,)}
    assert moved > 20


def test_page_readers(cloud: Cloud, boss: Any) -> None:
    """Page readers are no nodes; when they were not used for a while they end, with what they have on disk, and others are made."""
    (runner,) = cloud.inner.databases._runners.values()
    sql = "select count(*) from sale"
    assert explained(boss, sql)[0][0]
    assert [node.id for node in runner.actual.nodes] == [runner.writer]
    servers = [page.server for page in runner.pages._there.values()]
    folders = [server.folder.resolve() for server in servers]
    assert len({server.process.pid for server in servers}) == 3
    processes = [server.process for server in servers]
    asyncio.run_coroutine_threadsafe(runner.pages.close(idle=True), cloud.house.loop).result(60)
    assert not any(folder.exists() for folder in folders)
    assert explained(boss, sql)[0][0]

    async def over() -> None:
        for process in processes:
            await process.ended

    asyncio.run_coroutine_threadsafe(over(), cloud.house.loop).result(60)


def test_now_and_names() -> None:
    """now() is the asking transaction's; names in double quotes and literals are left as they are."""
    said = splitting.still("select 'now()', \"now\", now() , current_date", "2026-01-01T00:00:00+00:00")
    instant = "'2026-01-01T00:00:00+00:00'::pg_catalog.timestamptz"
    assert said == f"select 'now()', \"now\", ({instant}) , ({instant}::date)"
