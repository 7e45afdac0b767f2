"""MariaDB compute nodes by themselves: accounts, parameters, statements, clean stops."""

from __future__ import annotations

import datetime
import decimal
import shutil
import uuid
from collections.abc import Iterator

import pytest

from fogbank.engines import mariadb
from fogbank.engines.mariadb import parameters
from fogbank.engines.spec import Failed, Refused, Statement

from .mariadb_stage import Stage, rows, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


def test_master_user(stage: Stage) -> None:
    """The master user may do all to data and accounts, and nothing to the machine, the log or the server's own settings."""

    async def test() -> None:
        node = await stage.alone("n")
        await node.prepare("admin", "first-word", "shop", iam=False)
        one = await mariadb.connect(node.socket, "admin", "first-word", "shop")
        for sql in (
            "CREATE TABLE t (a INT)",
            "CREATE USER bob IDENTIFIED BY 'x'",
            "GRANT SELECT, INSERT ON shop.* TO bob",
            "GRANT SELECT, PROCESS ON *.* TO bob",
            "GRANT ALL PRIVILEGES ON `%`.* TO bob",
            "GRANT AWS_LAMBDA_ACCESS TO bob",
            "CREATE DATABASE other",
            "DROP DATABASE other",
            "FLUSH PRIVILEGES",
            "CREATE PROCEDURE p() SELECT 1",
            "CREATE VIEW v AS SELECT * FROM t",
        ):
            await one.run(Statement(sql))
        for sql in (
            "SHUTDOWN",
            "SET GLOBAL max_connections = 3",
            "SELECT 1 INTO OUTFILE '/tmp/fogbank-should-not-be'",
            "SET sql_log_bin = 0",
            "SET GLOBAL read_only = 1",
            "GRANT SUPER ON *.* TO bob",
            "PURGE BINARY LOGS BEFORE NOW()",
            "SET GLOBAL sync_binlog = 1",
            "SET GLOBAL rpl_semi_sync_master_enabled = 0",
            "SET SESSION binlog_annotate_row_events = 1",
            "SET SESSION gtid_seq_no = 1",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
            "CHANGE MASTER TO MASTER_HOST = 'x'",
            "STOP SLAVE",
            "INSTALL SONAME 'ha_archive'",
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
            "DELETE FROM mysql.global_priv WHERE User = 'rdsadmin'",
            "DROP TABLE mysql.rds_timelines",
            "DROP DATABASE mysql",
            "GRANT DELETE ON mysql.* TO bob",
        ):
            with pytest.raises(Refused) as refused:
                await one.run(Statement(sql))
            assert refused.value.code in ("42000", "28000"), sql
        bob = await mariadb.connect(node.socket, "bob", "x", "shop")
        await bob.run(Statement("INSERT INTO t VALUES (1)"))
        with pytest.raises(Refused, match="denied"):
            await bob.run(Statement("DELETE FROM mysql.db"))
        await bob.close()
        assert (await one.run(Statement("SELECT LOAD_FILE('/etc/passwd')"))).rows == [(None,)]
        await one.close()

    stage.run(test, volume=False)


def test_house_keeps_its_accounts(stage: Stage) -> None:
    """Who may make and drop users may not keep the house out: its accounts are put right while the server runs, and when it starts."""

    async def test() -> None:
        node = await stage.alone("n")
        await node.prepare("admin", "first-word", "shop", iam=False)
        one = await mariadb.connect(node.socket, "admin", "first-word")
        for sql in ("DROP USER rdsadmin@localhost", "ALTER USER rdsrepladmin@localhost IDENTIFIED BY 'x'", "DROP USER ''@localhost"):
            await one.run(Statement(sql))
            await node.connections()
            for user in ("rdsadmin", "rdsrepladmin"):
                word = (node.folder / "data" / "fogbank.secret").read_text()
                await (await mariadb.connect(node.socket, user, word)).close()
            await node.prepare("admin", sql, "shop", iam=False)
        await one.run(Statement("DROP USER rdsadmin@localhost, rdsrepladmin@localhost"))
        await one.close()
        await node.stop()
        await node.start({})
        await node.prepare("admin", "other-word", "shop", iam=False)
        assert await rows(node, "SELECT COUNT(*) FROM mysql.db WHERE User = ''") == [(2,)]

    stage.run(test, volume=False)


def test_password_is_changed(stage: Stage) -> None:
    """Another password is the only one from then on; the same one writes nothing to the log."""

    async def test() -> None:
        node = await stage.alone("n")
        await node.prepare("admin", "first-word", "shop", iam=False)
        before = await rows(node, "SHOW MASTER STATUS")
        await node.prepare("admin", "first-word", "shop", iam=False)
        assert await rows(node, "SHOW MASTER STATUS") == before
        await node.prepare("admin", "second-word", "shop", iam=False)
        with pytest.raises(Refused):
            await mariadb.connect(node.socket, "admin", "first-word")
        await (await mariadb.connect(node.socket, "admin", "second-word", "shop")).close()

    stage.run(test, volume=False)


def test_superuser_needs_its_secret(stage: Stage) -> None:
    """Nobody is the superuser, or replicates, by name alone."""

    async def test() -> None:
        node = await stage.alone("n")
        for name in ("rdsadmin", "rdsrepladmin", "root", "mariadb.sys"):
            with pytest.raises(Refused):
                await mariadb.connect(node.socket, name, "guess")

    stage.run(test, volume=False)


def test_parameters_take_effect(stage: Stage) -> None:
    """A dynamic parameter is set at once and unset to its default; a static one waits for the restart, which leaves the data whole."""

    async def test() -> None:
        node = await stage.alone("n", max_connections="50")
        await node.sql("CREATE DATABASE d")
        assert await rows(node, "SELECT @@max_connections, @@performance_schema") == [(50, 0)]
        given = {"long_query_time": "0.5", "sql_mode": "ANSI", "performance_schema": "1"}
        assert await node.apply(given) == ("performance_schema",)
        assert await node.apply({**given, "wait_timeout": "30"}) == ("performance_schema",)
        assert await rows(node, "SELECT @@global.wait_timeout, @@session.wait_timeout > 30") == [(30, 1)]
        await node.apply(given)
        assert await rows(node, "SELECT @@global.max_connections, @@global.long_query_time") == [(151, 0.5)]
        assert "ANSI_QUOTES" in (await rows(node, "SELECT @@global.sql_mode"))[0][0]
        with pytest.raises(Failed, match="sql_mode"):
            await node.apply({**given, "sql_mode": "NONSENSE"})
        await node.stop()
        await node.start(given)
        assert await rows(node, "SELECT @@performance_schema, @@global.long_query_time") == [(1, 0.5)]
        assert ("d",) in await rows(node, "SHOW DATABASES")

    stage.run(test, volume=False)


def test_databases_of_any_name(stage: Stage) -> None:
    """A copy of a data directory has all databases, also those whose names PostgreSQL has a use for."""

    async def test() -> None:
        node = await stage.alone("n")
        for name in ("pg_wal", "pg_notify", "pgsql_tmp1"):
            await node.sql(f"CREATE DATABASE {name}")
            await node.sql(f"CREATE TABLE {name}.t (a INT)")
            await node.sql(f"INSERT INTO {name}.t VALUES (1)")
        await node.stop()
        other = await stage.idle("o", mariadb.Image.of(node.folder / "data"))
        await other.start({})
        for name in ("pg_wal", "pg_notify", "pgsql_tmp1"):
            assert await rows(other, f"SELECT * FROM {name}.t") == [(1,)]

    stage.run(test, volume=False)


def test_unclean_files_are_refused(stage: Stage) -> None:
    """After a kill -9 the files are a cache of unknown age, and are not started on; nor is one with a parameter that there is not."""

    async def test() -> None:
        node = await stage.alone("n")
        process = node.process
        assert process is not None
        node.kill()
        await process.ended
        with pytest.raises(Failed, match="made anew"):
            await node.start({})
        shutil.rmtree(node.folder / "data")
        await mariadb.copy(stage.template.folder, node.folder / "data")
        with pytest.raises(Failed, match="no_such_thing"):
            await node.start({"no_such_thing": "1"})

    stage.run(test, volume=False)


def test_statements(stage: Stage) -> None:
    """Parameters go in and results come out as Python's values, with the engine's names for types and its own errors."""

    async def test() -> None:
        node = await stage.alone("n")
        await node.prepare("admin", "a-password", "shop", iam=False)
        one = await mariadb.connect(node.socket, "admin", "a-password", "shop")
        await one.run(Statement("CREATE TABLE t (id SERIAL PRIMARY KEY, n DECIMAL(8,2), w DATETIME(3), b BLOB, s VARCHAR(40) NOT NULL)"))
        when = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)
        key = uuid.uuid4()
        sql = "INSERT INTO t (n, w, b, s) VALUES (%(n)s, %(w)s, %(b)s, %(s)s)"
        values = {"n": decimal.Decimal("12.30"), "w": when, "b": b"\0\xff'", "s": key}
        made = await one.run(Statement(sql, values))
        assert (made.changed, made.keys) == (1, (1,))
        many = await one.run(Statement(sql, many=({**values, "s": "100%"}, {**values, "s": "it's"})))
        assert (many.changed, many.keys) == (2, (2, 3))
        found = await one.run(Statement("SELECT * FROM t WHERE id IN %(ids)s", {"ids": [1, 7]}))
        assert found.rows == [(1, decimal.Decimal("12.30"), when, b"\0\xff'", str(key))]
        assert [column.type for column in found.columns] == ["BIGINT UNSIGNED", "DECIMAL", "DATETIME", "BLOB", "VARCHAR"]
        assert [column.nullable for column in found.columns] == [False, True, True, True, False]
        assert {(column.schema, column.table) for column in found.columns} == {("shop", "t")}
        with pytest.raises(Refused, match="Duplicate entry '1'") as refused:
            await one.run(Statement("INSERT INTO t (id, s) VALUES (1, 'x')"))
        assert refused.value.code == "23000"
        await one.run(Statement("START TRANSACTION"))
        await one.run(Statement("DELETE FROM t"))
        await one.close()
        assert await rows(node, "SELECT COUNT(*) FROM shop.t") == [(3,)]

    stage.run(test, volume=False)


def test_parameter_descriptions() -> None:
    """Parameters are described as RDS does, and values are checked against that."""
    known = parameters.parameters()
    assert len(known) > 500
    assert known["innodb_log_file_size"].type == "integer"
    assert not known["performance_schema"].dynamic
    assert known["slow_query_log"].allowed == "0,1"
    assert not known["datadir"].modifiable
    for name in ("sync_binlog", "skip_grant_tables", "slave_skip_errors", "gtid_domain_id", "log_bin_compress", "sql_log_bin"):
        assert not known[name].modifiable
    assert parameters.check("max_connections", "100") == ""
    assert parameters.check("max_connections", "{DBInstanceClassMemory/12582880}") == ""
    assert "allowed values are: 10-100000" in parameters.check("max_connections", "5")
    assert parameters.check("binlog_row_image", "MINIMAL") == ""
    assert "allowed" in parameters.check("binlog_row_image", "SOME")
    assert parameters.check("sql_mode", "ANSI,STRICT_TRANS_TABLES") == ""
    assert "cannot be modified" in parameters.check("datadir", "/")
    assert "Could not find" in parameters.check("max_conections", "1")


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("LEAST({DBInstanceClassMemory/25165760},12000)", "85"),
        ("{DBInstanceClassMemory*3/4}", str(3 << 29)),
        ("GREATEST({log(DBInstanceClassMemory/805306368)*45},{log(DBInstanceClassMemory/8187281408)*1000})", "63"),
        ("SUM({DBInstanceVCPU*2},1,2)", "7"),
        ("{TrueIfReplica}", "0"),
        ("plain", "plain"),
    ],
)
def test_formulas(formula: str, value: str) -> None:
    """RDS's formulas are worked out with the instance's memory and processors (2 GiB, 2)."""
    assert parameters.evaluate(formula, memory_bytes=2 << 30, cpus=2) == value


@pytest.mark.parametrize("formula", ["{DBInstanceClassMemory", "{1+}", "{max(1,2)}", "{1} 2"])
def test_no_formulas(formula: str) -> None:
    """What is no formula is refused."""
    with pytest.raises(ValueError, match="formula"):
        parameters.evaluate(formula, memory_bytes=1, cpus=1)


def test_versions() -> None:
    """A version of MySQL is served by what there is; another MariaDB than that is refused by name."""
    with staged() as stage:
        assert mariadb.binaries("8.0.39") == mariadb.binaries("8.0.mysql_aurora.3.08.0") == stage.binaries
        with pytest.raises(Failed, match=r"MariaDB 10\.3"):
            mariadb.binaries("10.3.2")
