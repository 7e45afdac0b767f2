"""PostgreSQL nodes: made from a template, given roles as on RDS, told parameters, stopped and killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from fogbank.engines import postgres
from fogbank.engines.postgres import logs, roles
from fogbank.engines.postgres.connections import Connection
from fogbank.engines.postgres.images import Image
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.postgres.parameters import parameters
from fogbank.engines.postgres.programs import majors
from fogbank.engines.spec import Failed, Refused, Result, Statement

from .postgres_stage import Stage, caught_up, rows

PASSWORD = "correct horse"


async def master(instance: Instance, database: str = "app") -> Connection:
    await instance.prepare("boss", PASSWORD, "app", iam=True)
    return await postgres.connect(instance.socket, "boss", PASSWORD, database)


async def do(connection: Connection, statement: str) -> Result:
    return await connection.run(Statement(statement))


async def refused(connection: Connection, statement: str) -> str:
    with pytest.raises(Refused) as problem:
        await do(connection, statement)
    return problem.value.code


def _lives(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _segments() -> list[str]:
    """Shared memory of System V on this machine."""
    return [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]


def test_a_node_answers(stage: Stage) -> None:
    """A copy of the template runs the version that it says, has one superuser, and is reached over its unix socket only."""

    async def test() -> None:
        node = await stage.node("a")
        assert await rows(node, "show server_version") == [(stage.binaries.version,)]
        assert await rows(node, "select rolname from pg_roles where rolsuper") == [("rdsadmin",)]
        assert await rows(node, "show listen_addresses") == [("",)]

    stage.run(test)


def test_concurrent_calls_share_one_template(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The template is made once for all who ask at the same time, and found by who asks later."""

    async def test() -> None:
        folder = stage.folder / "templates"
        folder.mkdir(mode=0o711)
        asked = [postgres.template(folder, postgres.binaries(), asyncio.get_running_loop()) for _ in range(3)]
        first, *others = await asyncio.gather(*asked)
        assert others == [first, first]
        assert await postgres.template(folder, postgres.binaries(), asyncio.get_running_loop()) == first
        assert postgres.begins(first) == (first.timeline, first.position)

    stage.run(test)


def test_a_missing_version_is_refused_by_name() -> None:
    """What is asked for and is not here is said, with what to install."""
    with pytest.raises(Failed, match=r"PostgreSQL 9 is not on this machine .*postgresql-9"):
        postgres.binaries("9.6")
    with pytest.raises(Failed, match="no version"):
        postgres.binaries("latest")
    assert postgres.binaries("18.3").major == 18


def test_the_master_user_is_no_superuser(stage: Stage) -> None:
    """He makes databases, roles and extensions, also such as PostgreSQL keeps to superusers; the server's files are not his."""

    async def test() -> None:
        node = await stage.node("a")
        boss = await master(node)
        found = await do(
            boss, "select rolsuper, rolcreatedb, rolcreaterole, pg_has_role('rds_superuser', 'member') from pg_roles where rolname = 'boss'"
        )
        assert found.rows == [(False, True, True, True)]
        for name in ("pageinspect", "hstore", "vector", "postgres_fdw", "pg_stat_statements", "earthdistance cascade", "aws_s3 cascade"):
            await do(boss, f"create extension {name}")
        for statement in ("create database other", "create role someone login password 'x'", "grant rds_superuser to someone"):
            await do(boss, statement)
        for statement in ("checkpoint", "set session_replication_role = replica", "select pg_stat_reset()", "create schema s"):
            await do(boss, statement)
        for statement in (
            "select pg_read_file('/etc/passwd')",
            "copy (select 1) to program 'id'",
            "alter system set fsync = on",
            "alter role rdsadmin password 'x'",
            "grant rdsadmin to boss",
            "create role king superuser",
            "select lo_import('/etc/passwd')",
            "create function f() returns int language c as '/tmp/x.so'",
        ):
            assert await refused(boss, statement) == "42501", statement
        assert await refused(boss, "create extension file_fdw") == "0A000"

    stage.run(test)


def test_nobody_becomes_the_superuser_from_inside(stage: Stage) -> None:
    """The socket trusts rdsadmin, but SQL that connects back to it is refused, as it showed no password that counted."""

    async def test() -> None:
        node = await stage.node("a")
        boss = await master(node)
        await do(boss, "create extension dblink")
        inside = f"host={node.socket} user=rdsadmin password=x dbname=postgres"
        assert await refused(boss, f"select dblink_connect('{inside}')") == "2F003"
        assert await refused(boss, f"select * from dblink('{inside}', 'select 1') as t(a int)") == "2F003"
        with pytest.raises(Refused, match="password authentication failed"):
            await postgres.connect(node.socket, "rdsadmin", "x", "app")

    stage.run(test)


def test_who_comes_in_how(stage: Stage) -> None:
    """A right password; or, for members of rds_iam, the front's word. The master user comes in by password though he may grant rds_iam."""

    async def test() -> None:
        node = await stage.node("a")
        boss = await master(node)
        await do(boss, "create role by_token login")
        await do(boss, "grant rds_iam to by_token")
        await do(boss, "create role by_word login password 'abc'")
        await postgres.connect(node.socket, "by_token", "", "app")
        await postgres.connect(node.socket, "by_word", "abc", "app")
        for user, password, code in (("boss", "wrong", "28P01"), ("by_word", "", "28P01"), ("nobody", "x", "28P01")):
            with pytest.raises(Refused) as problem:
                await postgres.connect(node.socket, user, password, "app")
            assert problem.value.code == code
        with pytest.raises(Refused) as problem:
            await postgres.connect(node.socket, "boss", PASSWORD, "rdsadmin")
        assert problem.value.code == "28000"
        await do(boss, "grant rds_iam to boss")
        await node.prepare("boss", PASSWORD, "app", iam=True)
        await postgres.connect(node.socket, "boss", "", "app")
        await do(boss, "revoke rds_iam from boss granted by boss")
        await node.prepare("boss", PASSWORD, "app", iam=True)
        with pytest.raises(Refused, match="no password"):
            await postgres.connect(node.socket, "boss", "", "app")
        await node.admit(False)
        with pytest.raises(Refused) as problem:
            await postgres.connect(node.socket, "by_token", "", "app")
        assert problem.value.code == "28000"

    stage.run(test)


def test_preparing_again_writes_nothing(stage: Stage) -> None:
    """The master user is what he should be after any number of times; only a new password is written."""

    async def test() -> None:
        node = await stage.node("a")
        await node.prepare("boss", PASSWORD, "app", iam=False)
        before = await node.one("select rolpassword from pg_authid where rolname = 'boss'")
        at = await node.one("select pg_current_wal_insert_lsn()::text")
        await node.prepare("boss", PASSWORD, "app", iam=False)
        assert await node.one("select pg_current_wal_insert_lsn()::text") == at
        assert roles.matches(before, PASSWORD)
        await node.prepare("boss", "another", "app", iam=False)
        await postgres.connect(node.socket, "boss", "another", "app")
        assert (
            await rows(node, "select rolname from pg_database d join pg_roles r on r.oid = datdba where datname in ('app', 'postgres')")
            == [("boss",)] * 2
        )

    stage.run(test)


def test_parameters(stage: Stage) -> None:
    """A dynamic parameter is in effect when `apply` is back, a static one waits for a restart, a wrong one says why it cannot start."""

    async def test() -> None:
        node = await stage.node("a", work_mem="1234kB")
        assert await rows(node, "show work_mem") == [("1234kB",)]
        assert await node.apply({"work_mem": "2048", "max_connections": "33"}) == ("max_connections",)
        assert await rows(node, "show work_mem") == [("2MB",)]
        assert await rows(node, "show max_connections") == [("100",)]
        await node.stop()
        assert node.process is None
        await node.start({"work_mem": "2048", "max_connections": "33"})
        assert await rows(node, "show max_connections") == [("33",)]
        assert await node.apply({}) == ("max_connections",)
        await node.stop()
        with pytest.raises(Failed, match=r"max_connections"):
            await node.start({"max_connections": "0"})
        await node.start({"shared_preload_libraries": "auto_explain"})
        assert await rows(node, "show shared_preload_libraries") == [("auto_explain,pg_stat_statements",)]

    stage.run(test)


def test_parameters_are_described() -> None:
    """The description names type, range, whether it is dynamic; the server of that version knows every one of them."""
    found = parameters("aurora-postgresql18")
    assert found["max_connections"][1:6] == ("100", "integer", "1-262143", False, True)
    assert found["log_statement"].allowed == "none,ddl,mod,all"
    assert found["autovacuum"].type == "boolean"
    assert not found["fsync"].modifiable
    assert "io_workers" not in parameters("postgres15")
    assert "vacuum_defer_cleanup_age" not in parameters("postgres16")


def test_every_parameter_can_be_told(stage: Stage) -> None:
    """A server starts with all modifiable parameters set to what their description gives as default."""

    async def test() -> None:
        given = {one.name: one.default or "" for one in parameters("postgres18").values() if one.modifiable and one.default is not None}
        node = await stage.node("a", **given)
        assert await node.apply(given) == ()

    stage.run(test)


def test_results_have_types(stage: Stage) -> None:
    """Columns say the engine's type, and where they are from when asked; documents come as text; what is refused has its SQLSTATE."""

    async def test() -> None:
        node = await stage.node("a")
        await rows(
            node,
            "create type mood as enum ('fine'); create table t (id int primary key, price numeric(7,2), feels mood, at jsonb, tags text[])",
        )
        await rows(node, "insert into t values (1, 2.5, 'fine', '{\"b\": 1}', '{x,y}')")
        connection = await postgres.connect(node.socket)
        found = await connection.run(Statement("select *, 1 + %(n)s as sum from t", {"n": 2}), origins=True)
        assert [(c.name, c.type, c.nullable, c.table) for c in found.columns] == [
            ("id", "int4", False, "t"),
            ("price", "numeric", True, "t"),
            ("feels", "mood", True, "t"),
            ("at", "jsonb", True, "t"),
            ("tags", "_text", True, "t"),
            ("sum", "int4", True, ""),
        ]
        assert found.columns[1][4:6] == (7, 2)
        assert found.rows[0][3:5] == ('{"b": 1}', ["x", "y"])
        assert (await connection.run(Statement("update t set id = 5"))).changed == 1
        many = Statement("insert into t (id) values (%(n)s)", many=({"n": 7}, {"n": 8}))
        assert (await connection.run(many)).changed == 2
        with pytest.raises(Refused, match="Position: 15") as problem:
            await node.sql("select * from nowhere")
        assert problem.value.code == "42P01"

    stage.run(test)


def test_complaints(tmp_path: Path) -> None:
    """Why a server did not start is its last FATAL; where there is none, the last lines that it wrote."""
    assert logs.complaint(tmp_path) == "it ended without a word"
    (tmp_path / logs.STARTING).write_text("fine\ninitdb: could not look up effective user ID 1234: user does not exist\n")
    assert logs.complaint(tmp_path) == "fine initdb: could not look up effective user ID 1234: user does not exist"
    (tmp_path / f"{logs.PREFIX}.1").write_text('LOG:  starting\nFATAL:  could not open "x"\nLOG:  bye\n')
    assert logs.complaint(tmp_path) == 'could not open "x" LOG:  bye'


def test_logs(stage: Stage) -> None:
    """The log is in RDS's form, can be read in pieces, and old files go."""

    async def test() -> None:
        node = await stage.node("a", log_statement="all")
        await rows(node, "select 'seen'")
        ((pid,),) = await rows(node, "select pg_backend_pid()")
        line = f":rdsadmin@postgres:[{pid}]:LOG:  statement: select 'seen'"

        async def told() -> tuple[str, int, str] | None:  # (the collector writes when it gets to it; an hour later it is another file)
            texts = [(name, at_ms, logs.read(node.log, name, 0, 1 << 20).decode()) for name, _, at_ms in logs.files(node.log)]
            return next((found for found in texts if line in found[2]), None)

        name, at_ms, text = await node.until(told, 60, "did not log")
        assert logs.read(node.log, name, 5, 3) == text[5:8].encode()
        with pytest.raises(LookupError):
            logs.read(node.log, "../data/pg_hba.conf", 0, 10)
        logs.discard(node.log, at_ms + 100_000)
        assert logs.files(node.log) == []

    stage.run(test)


def test_killed_and_made_anew(stage: Stage) -> None:
    """kill -9 takes the postmaster, all its children and its shared memory at once; another node is made beside it."""

    async def test() -> None:
        node = await stage.node("a")
        await rows(node, "create table t (n int)")
        process = node.process
        assert process is not None
        children = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        segment = (node.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        node.kill()
        assert await process.ended == -9
        end = time.monotonic() + 60
        while any(map(_lives, children)) or segment in _segments():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        assert node.process is None
        with pytest.raises(Failed, match="no image"):
            Image.of(node.data)
        anew = await stage.node("b")
        assert await rows(anew, "select to_regclass('t')::text") == [(None,)]

    stage.run(test)


@pytest.mark.skipif(15 not in majors(), reason="no PostgreSQL 15 on this machine")
def test_a_system_postgresql(stage: Stage) -> None:
    """Another major version, the system's, does the same: roles, extensions, a reader and its promotion."""

    async def test() -> None:
        stage.binaries = postgres.binaries("15.4")
        stage.template = await postgres.template(stage.folder, stage.binaries, asyncio.get_running_loop())
        node = await stage.node("a")
        boss = await master(node)
        for name in ("pageinspect", "uuid-ossp", "pgcrypto"):
            await do(boss, f'create extension "{name}"')
        assert await refused(boss, "select pg_read_file('/etc/passwd')") == "42501"
        reader = await stage.reader("b", node)
        await do(boss, "create table t (n int)")
        await caught_up(reader, node)
        assert (await reader.promote(), stage.binaries.major) == (2, 15)
        assert (await rows(reader, "select to_regclass('t')::text", "app")) == [("t",)]

    stage.run(test)
