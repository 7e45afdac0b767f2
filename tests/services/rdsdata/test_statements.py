"""ExecuteStatement and BatchExecuteStatement: parameters in, rows out."""

from __future__ import annotations

import json
import threading
from typing import Any

from .conftest import ARN


def parameter(name: str, value: Any, hint: str | None = None) -> dict[str, Any]:
    member = {str: "stringValue", bool: "booleanValue", int: "longValue", float: "doubleValue", bytes: "blobValue"}.get(type(value))
    field = {"isNull": True} if member is None else {member: value}
    return {"name": name, "value": field, **({"typeHint": hint} if hint else {})}


def test_fields_by_type(run: Any) -> None:
    """A value is the Field of its column's type: whole numbers long, floats double, decimals and all else strings."""
    sql = """select true, 1::int2, 2::int8, 0.5::float4, 1.50::numeric(5,2), 'a'::text, '\\x01ff'::bytea, date '2024-02-29',
      time '01:02:03.5', timestamp '2024-01-02 03:04:05', timestamptz '2024-01-02 03:04:05.25+02', '{"a": 1.10}'::jsonb,
      'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid, interval '1 day 2 hours', null"""
    (row,) = run(sql)["records"]
    assert row == [
        {"booleanValue": True},
        {"longValue": 1},
        {"longValue": 2},
        {"doubleValue": 0.5},
        {"stringValue": "1.50"},
        {"stringValue": "a"},
        {"blobValue": b"\x01\xff"},
        {"stringValue": "2024-02-29"},
        {"stringValue": "01:02:03.500000"},
        {"stringValue": "2024-01-02 03:04:05"},
        {"stringValue": "2024-01-02 01:04:05.250000"},
        {"stringValue": '{"a": 1.10}'},
        {"stringValue": "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
        {"stringValue": "1 day 02:00:00"},
        {"isNull": True},
    ]


def test_arrays(run: Any, refused: Any) -> None:
    """An array is an arrayValue by its elements' type; one of several dimensions, or a row, is no supported result."""
    (row,) = run("select array[1,2], array['a',null], array[1.5::float8], array[true], array[1.10::numeric]")["records"]
    assert row == [
        {"arrayValue": {"longValues": [1, 2]}},
        {"arrayValue": {"stringValues": ["a", None]}},
        {"arrayValue": {"doubleValues": [1.5]}},
        {"arrayValue": {"booleanValues": [True]}},
        {"arrayValue": {"stringValues": ["1.10"]}},
    ]
    assert refused(run, "select array[[1],[2]]")[0] == "UnsupportedResultException"
    assert refused(run, "select row(1, 2)")[0] == "UnsupportedResultException"


def test_result_set_options(run: Any) -> None:
    """Decimals and longs are returned as they are asked for."""
    options = {"decimalReturnType": "DOUBLE_OR_LONG", "longReturnType": "STRING"}
    (row,) = run("select 1.5::numeric(5,2), 7::numeric(5,0), 8::numeric, 9", resultSetOptions=options)["records"]
    assert row == [{"doubleValue": 1.5}, {"longValue": 7}, {"longValue": 8}, {"stringValue": "9"}]


def test_json(run: Any, refused: Any) -> None:
    """Records as JSON are objects by their labels, and no two columns may have the same one."""
    answer = run("select 1 as a, 'x' as b, null as c, array[1,2] as d, '\\x00ff'::bytea as e", formatRecordsAs="JSON")
    assert json.loads(answer["formattedRecords"]) == [{"a": 1, "b": "x", "c": None, "d": [1, 2], "e": "AP8="}]
    assert "records" not in answer
    assert refused(run, "select 1 as a, 2 as a", formatRecordsAs="JSON")[0] == "ValidationException"
    assert run("create table t (a int)", formatRecordsAs="JSON")["numberOfRecordsUpdated"] == 0


def test_metadata(run: Any) -> None:
    """Metadata tells the columns' types as JDBC numbers them, only where it is asked for."""
    assert "columnMetadata" not in run("select 1")
    columns = run("select 1 as a, 1.5::numeric(6,2) as b, array['x'] as c, 'y'::varchar as d", includeResultMetadata=True)["columnMetadata"]
    assert [(c["name"], c["type"], c["typeName"], c["isSigned"], c["precision"], c["scale"]) for c in columns] == [
        ("a", 4, "int4", True, 10, 0),
        ("b", 2, "numeric", True, 6, 2),
        ("c", 2003, "_text", False, 2147483647, 0),
        ("d", 12, "varchar", False, 2147483647, 0),
    ]


def test_parameters(run: Any, refused: Any) -> None:
    """Parameters are found where SQL can have them: not in strings, names, comments, casts or dollar quotes."""
    sql = """select :a + 1, ':a', ":b".x, $q$:a$q$, :b::text, '100%' like '100%', /* :c /* :d */ */ :a -- :e
    from (select 5 as x) as ":b" """
    (row,) = run(sql, parameters=[parameter("a", 1), parameter("b", "it's")])["records"]
    assert [next(iter(field.values())) for field in row] == [2, ":a", 5, ":a", "it's", True, 1]
    assert refused(run, "select :a", parameters=[parameter("b", 1)]) == ("BadRequestException", "Cannot find parameter: a")
    assert refused(run, "select :a")[0] == "BadRequestException"
    array = [{"name": "a", "value": {"arrayValue": {"longValues": [1]}}}]
    assert refused(run, "select :a", parameters=array) == ("ValidationException", "Array parameters are not supported.")


def test_type_hints(run: Any, shop: Any, refused: Any) -> None:
    """A string needs its type hint where the column is of another type, as on AWS."""
    shop.execute("create table t (d date, n numeric, j jsonb, t time, ts timestamptz, u uuid)")
    given = [("d", "2024-02-29", "DATE"), ("n", "1.10", "DECIMAL"), ("j", '{"a":1}', "JSON"), ("t", "01:02:03.5", "TIME")]
    given += [("ts", "2024-01-02 03:04:05.25", "TIMESTAMP"), ("u", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "UUID")]
    sql = "insert into t values (:d, :n, :j, :t, :ts, :u)"
    answer = run(sql, parameters=[parameter(*one) for one in given])
    assert answer["numberOfRecordsUpdated"] == 1
    assert answer["generatedFields"] == []
    found = [str(value) for value in shop.execute("select * from t").fetchone()]
    assert found[:4] == ["2024-02-29", "1.10", "{'a': 1}", "01:02:03.500000"]
    code, message = refused(run, "select 1 from t where u = :u", parameters=[parameter("u", given[5][1])])
    assert code == "DatabaseErrorException"
    assert "operator does not exist: uuid = character varying" in message
    assert run("select 1 from t where u = :u::uuid", parameters=[parameter("u", given[5][1])])["records"] == [[{"longValue": 1}]]
    for name, value, hint in [
        ("d", "29.2.2024", "DATE"),
        ("t", "nine", "TIME"),
        ("ts", "2024-13-01 00:00:00", "TIMESTAMP"),
        ("u", "x", "UUID"),
    ]:
        assert refused(run, "select :v", parameters=[parameter("v", value, hint)])[0] == "BadRequestException", name
    run(sql, parameters=[parameter(one[0], None) for one in given])


def test_errors_of_the_engine(run: Any, refused: Any) -> None:
    """What the engine says is passed on, with its SQLSTATE."""
    assert refused(run, "select * from nowhere") == (
        "DatabaseErrorException",
        'ERROR: relation "nowhere" does not exist; Position: 15; SQLState: 42P01',
    )
    assert refused(run, "select 1; select 2") == ("ValidationException", "Multistatements aren't supported.")
    assert refused(run, "select 1", schema="other")[0] == "ValidationException"
    assert refused(run, "select 1", database="nowhere")[0] == "DatabaseErrorException"
    assert run("select 1;")["records"] == [[{"longValue": 1}]]


def test_sizes(run: Any, refused: Any) -> None:
    """An answer has at most 1 MiB, and a row 64 KB."""
    assert len(run("select repeat('x', 60000) from generate_series(1, 17)")["records"]) == 17
    assert refused(run, "select repeat('x', 60000) from generate_series(1, 18)")[0] == "UnsupportedResultException"
    assert refused(run, "select repeat('x', 65537)") == ("BadRequestException", "Packet for query is too large")


def test_batch(cloud: Any, run: Any, shop: Any, secret: str, refused: Any) -> None:
    """A batch runs the statement once for each set of parameters."""
    shop.execute("create table t (a int primary key, b text)")
    batch = cloud.client("rds-data").batch_execute_statement
    sql = "insert into t values (:a, :b)"
    sets = [[parameter("a", n), parameter("b", None if n == 1 else f"b{n}")] for n in range(3)]
    answer = batch(resourceArn=ARN, secretArn=secret, sql=sql, parameterSets=sets)
    assert answer["updateResults"] == [{"generatedFields": []}] * 3
    assert shop.execute("select * from t order by a").fetchall() == [(0, "b0"), (1, None), (2, "b2")]
    assert refused(batch, resourceArn=ARN, secretArn=secret, sql=sql, parameterSets=sets)[0] == "DatabaseErrorException"
    batch(resourceArn=ARN, secretArn=secret, sql="insert into t select count(*) + 10, '5%' from t", parameterSets=[[], []])
    assert shop.execute("select a, b from t where a > 10 order by a").fetchall() == [(13, "5%"), (14, "5%")]


def test_large_requests(cloud: Any, run: Any, secret: str, refused: Any) -> None:
    """A request has at most 4 MiB."""
    sets = [[parameter("a", "x" * 60_000)] for _ in range(80)]
    members = {"resourceArn": ARN, "secretArn": secret, "sql": "select :a", "parameterSets": sets}
    assert refused(cloud.client("rds-data").batch_execute_statement, **members) == (
        "BadRequestException",
        "The request is larger than 4 MiB",
    )


def test_returning(run: Any, shop: Any) -> None:
    """A statement that changes rows and returns them says both."""
    shop.execute("create table t (id serial, a int)")
    answer = run("insert into t (a) values (5), (6) returning id")
    assert answer["records"] == [[{"longValue": 1}], [{"longValue": 2}]]
    assert answer["numberOfRecordsUpdated"] == 2


def test_timeout(cloud: Any, run: Any, shop: Any, databases: Any, refused: Any) -> None:
    """A statement is stopped after 45 seconds of the cloud's clock, unless it is to go on."""
    shop.execute("create table t (a int)")

    def soon(label: str) -> None:
        while not shop.execute("select 1 from pg_stat_activity where query like %s and pid <> pg_backend_pid()", [f"%{label}"]).fetchone():
            pass
        cloud.house.on_loop(lambda: (cloud.inner.clock_changes(), cloud.inner.clock.advance(46_000), cloud.inner.clock_changed()))

    stopped: set[str] = set()
    running = "from pg_stat_activity where state = 'active' and query like 'select pg_sleep(600)%'"
    for goes_on in (False, True):
        label = f"goes on: {goes_on}"
        thread = threading.Thread(target=soon, args=[label])
        thread.start()
        assert refused(run, f"select pg_sleep(600) -- {label}", continueAfterTimeout=goes_on)[0] == "StatementTimeoutException"
        thread.join()
        assert len(set(databases.ended) - stopped) == (0 if goes_on else 1)
        stopped.update(databases.ended)
        while not goes_on and shop.execute(f"select 1 {running}").fetchone():
            pass
    assert shop.execute(f"select pg_cancel_backend(pid) {running}").fetchall() == [(True,)]


def test_each_by_itself(run: Any, refused: Any) -> None:
    """Statements in a row share a connection, and find nothing in it of what came before."""
    pids = {run("select pg_backend_pid()")["records"][0][0]["longValue"] for _ in range(20)}
    assert len(pids) < 10
    for sql in (
        "set work_mem = '77MB'",
        "create temp table mine (n int)",
        "prepare question as select 1",
        "select pg_advisory_lock(5)",
        "set role pg_monitor",
        "listen news",
    ):
        for _ in range(6):
            run(sql) if sql != "select pg_advisory_lock(5)" else run("select pg_try_advisory_lock(5)")
    (row,) = run(
        "select current_setting('work_mem') = '77MB', to_regclass('mine')::text, (select count(*) from pg_prepared_statements),"
        " (select count(*) from pg_locks where locktype = 'advisory'), current_user::text"
    )["records"]
    assert row == [{"booleanValue": False}, {"isNull": True}, {"longValue": 0}, {"longValue": 0}, {"stringValue": "master"}]


def test_databases_are_left(run: Any) -> None:
    """A connection that lies ready does not keep a database from being dropped."""
    run("create database other")
    assert run("select current_database()::text", database="other")["records"] == [[{"stringValue": "other"}]]
    run("drop database other")
    assert run("select count(*) from pg_database where datname = 'other'")["records"] == [[{"longValue": 0}]]


def test_what_was_left_open(run: Any) -> None:
    """A transaction that a statement by itself leaves open is not the next one's."""
    run("create table kept (n int)")
    for _ in range(5):
        run("begin")
        run("insert into kept values (1)")
    assert run("select count(*) from kept")["records"] == [[{"longValue": 5}]]
