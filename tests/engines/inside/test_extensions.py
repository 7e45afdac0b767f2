"""The extensions: what SQL asks of AWS, and that nobody gains rights by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import FeatureNotSupported, InsufficientPrivilege

ARN = "aws_commons.create_lambda_function_arn('hello', 'us-west-2')"


def refusal(connection: Any, sql: str, *given: Any) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql, given)
    return caught.value


def test_invoke(master: Any, door: Any) -> None:
    """All four forms of invoke ask for the same, and answer with what the function gave."""
    door.answer = lambda call: {"status_code": 200, "payload": '{"it": "\'s"}', "executed_version": "$LATEST", "log_result": None}
    payload = """'{"a": "it''s \\\\ ü"}'::json"""
    for function in ("'hello'", ARN):
        for kind in ("json", "jsonb"):
            row = master.execute(f"select * from aws_lambda.invoke({function}, {payload}{'b' if kind == 'jsonb' else ''})").fetchone()
            assert row == (200, {"it": "'s"}, "$LATEST", None)
    for feature, call in door.calls:
        assert feature == "Lambda"
        assert (call["do"], call["function"], call["type"], call["log"], call["qualifier"]) == (
            "invoke",
            "hello",
            "RequestResponse",
            "None",
            None,
        )
        assert call["payload"] == '{"a": "it\'s \\\\ ü"}'
    assert [call["region"] for _, call in door.calls] == [None, None, "us-west-2", "us-west-2"]
    door.answer = lambda call: {"status_code": 202}
    sql = "select * from aws_lambda.invoke('hello', '{}'::json, 'us-east-1', 'Event', 'Tail', '{\"client\": 1}'::json, 'live')"
    assert master.execute(sql).fetchone() == (202, None, None, None)
    assert door.calls[-1][1] | {"payload": ""} == {
        "do": "invoke", "function": "hello", "payload": "", "region": "us-east-1", "type": "Event", "log": "Tail",
        "context": '{"client": 1}', "qualifier": "live",
    }  # fmt: skip


def test_refused(master: Any, door: Any) -> None:
    """What AWS refuses is an error of the statement, with its detail and hint."""
    door.answer = lambda call: {"refused": {"code": "XX000", "message": "no", "detail": "because", "hint": "try"}}
    error = refusal(master, "select aws_lambda.invoke('hello', '{}'::json)")
    assert (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint) == ("no", "because", "try")


def test_rights(clerk: Any, master: Any, door: Any) -> None:
    """Others use the functions when the master user has granted it to them, and never the way out itself."""
    with pytest.raises(InsufficientPrivilege):
        clerk.execute("select aws_lambda.invoke('hello', '{}'::json)")
    master.execute("grant usage on schema aws_lambda to clerk; grant execute on all functions in schema aws_lambda to clerk")
    clerk.execute("select aws_lambda.invoke('hello', '{}'::json)")
    with pytest.raises(InsufficientPrivilege):
        clerk.execute("select aws_lambda._invoke('hello', '{}', null, 'Event', 'None', null, null)")
    for connection in (clerk, master):
        for call in ("_call('Lambda', '{}')", "_door()", "_hand('aws_s3', 'clerk')"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(f"select aws_commons.{call}")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("select * from aws_commons._dblink('host=/tmp', 'select 1') as (a text)")


def filling(content: bytes) -> Any:
    """A service that writes an object's content into the file that it is told."""

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        path = Path(call["file"])
        assert path.exists()
        path.write_bytes(content)
        return {"bytes": len(content)}

    return answer


URI = "aws_commons.create_s3_uri('bucket', 'a/b.csv', 'us-east-1')"


def test_import(master: Any, door: Any) -> None:
    """An object becomes rows, of the columns that are named, by their types."""
    master.execute(
        "drop table if exists t; create table t (id int generated always as identity, a int, b varchar(5), c numeric(5,2), d date)"
    )
    door.answer = filling(b'a,b\n1,"x,y"\n2,\n')
    said = master.execute(f"select aws_s3.table_import_from_s3('t', 'a,b', '(format csv, header true)', {URI})").fetchone()
    assert said == ('2 rows imported into relation "t" from file a/b.csv of 15 bytes',)
    assert master.execute("select id, a, b from t order by a").fetchall() == [(1, 1, "x,y"), (2, 2, None)]
    feature, call = door.calls[0]
    assert (feature, call["do"], call["bucket"], call["key"], call["region"]) == ("s3Import", "get", "bucket", "a/b.csv", "us-east-1")
    assert not Path(call["file"]).stat().st_size
    door.answer = filling(b"10%3%zz%1.5%2024-02-29\n")
    master.execute("select aws_s3.table_import_from_s3('t', '', 'DELIMITER ''%''', 'bucket', 'k', 'us-east-1')")
    assert master.execute("select a, b, c::text, d::text from t where id = 10").fetchone() == (3, "zz", "1.50", "2024-02-29")
    door.answer = filling(b"5,too long\n")
    assert refusal(master, f"select aws_s3.table_import_from_s3('t', 'a,b', 'csv', {URI})").sqlstate == "22001"
    door.answer = filling(b"x,y\n")
    assert refusal(master, f"select aws_s3.table_import_from_s3('t', 'a,b', 'csv', {URI})").sqlstate == "22P02"
    assert master.execute("select count(*) from pg_class where relname like 'aws_s3_%'").fetchone() == (0,)


def test_import_is_part_of_the_transaction(master: Any, door: Any) -> None:
    """What was imported goes when the transaction is rolled back."""
    master.execute("drop table if exists t; create table t (a int)")
    door.answer = filling(b"1\n")
    with master.transaction(force_rollback=True):
        for _ in range(2):
            master.execute(f"select aws_s3.table_import_from_s3('t', '', '', {URI})")
        assert master.execute("select count(*) from t").fetchone() == (2,)
    assert master.execute("select count(*) from t").fetchone() == (0,)


def test_import_needs_rights(master: Any, clerk: Any, door: Any) -> None:
    """Who may not write to the table does not import into it, and the object is not even fetched."""
    master.execute("drop table if exists t; create table t (a int)")
    master.execute("grant usage on schema aws_s3 to clerk")
    for given in ("text, text, text, aws_commons._s3_uri_1, aws_commons._aws_credentials_1", ", ".join(["text"] * 9)):
        master.execute(f"grant execute on function aws_s3.table_import_from_s3({given}) to clerk")
    door.answer = filling(b"1\n")
    sql = f"select aws_s3.table_import_from_s3('t', '', '', {URI})"
    assert refusal(clerk, sql).diag.message_primary == "permission denied for table t"
    assert door.calls == []
    master.execute("grant insert on t to clerk")
    clerk.execute(sql)
    assert master.execute("select count(*) from t").fetchone() == (1,)


def test_no_rights_are_gained(master: Any, clerk: Any, door: Any) -> None:
    """A trigger, a domain's check or a view of the caller's runs as the caller, not as the superuser that copies."""
    master.execute("grant usage on schema aws_s3 to clerk; grant execute on all functions in schema aws_s3 to clerk")
    clerk.execute("create table seen (who text)")
    clerk.execute(
        "create function spy() returns trigger language plpgsql as 'begin insert into seen values (current_user); return new; end'"
    )
    clerk.execute(
        "create function spied(v int) returns bool language plpgsql as 'begin insert into seen values (current_user); return true; end'"
    )
    clerk.execute("create domain odd as int check (spied(value))")
    clerk.execute("create table trap (a odd); create trigger t before insert on trap for each row execute function spy()")
    door.answer = filling(b"1\n")
    clerk.execute(f"select aws_s3.table_import_from_s3('trap', '', '', {URI})")
    door.answer = lambda call: {"bytes": 1}
    clerk.execute(f"select aws_s3.query_export_to_s3('select spied(1)', {URI})")
    assert {row[0] for row in clerk.execute("select distinct who from seen").fetchall()} == {"clerk"}
    assert refusal(clerk, "select aws_s3._send('pg_authid', '', 'b', 'k', 'r', null)").sqlstate == "42P01"


@pytest.mark.parametrize(
    "options",
    [
        "(format csv); drop table t",
        "(format csv) where evil(a)",
        "csv where true",
        "(format csv, delimiter ',') program",
        "(format csv", "format csv)",
        "csv /* */ header",
        "(format 'csv)",
        "(null 'a\\'); drop table t; --')",
    ],
)  # fmt: skip
def test_options_are_options_only(master: Any, door: Any, options: str) -> None:
    """What is no option of COPY does not come near the superuser."""
    master.execute("drop table if exists t; create table t (a int)")
    door.answer = filling(b"1\n")
    error = refusal(master, f"select aws_s3.table_import_from_s3('t', '', %s, {URI})", options)
    assert error.sqlstate in ("42601", "0A000"), error
    assert master.execute("select to_regclass('t') is not null").fetchone() == (True,)


def test_refused_options(master: Any, door: Any) -> None:
    """What an import cannot do is refused by name."""
    master.execute("drop table if exists t; create table t (a int)")
    for options in ("(format binary)", "(freeze true)", "(on_error ignore)"):
        with pytest.raises(FeatureNotSupported):
            master.execute(f"select aws_s3.table_import_from_s3('t', '', %s, {URI})", [options])
    with pytest.raises(FeatureNotSupported, match="credentials"):
        master.execute("select aws_s3.table_import_from_s3('t', '', '', 'b', 'k', 'us-east-1', 'AKIA', 'secret')")


def test_export(master: Any, door: Any) -> None:
    """A query's rows become an object's content; the answer says how many they were."""
    sent: list[bytes] = []

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        sent.append(Path(call["file"]).read_bytes())
        return {"bytes": len(sent[-1])}

    door.answer = answer
    query = "select g as a, 'x' || g as b from generate_series(1, 3) as g"
    assert master.execute(f"select * from aws_s3.query_export_to_s3(%s, {URI})", [query]).fetchone() == (3, 1, 15)
    sql = f"select * from aws_s3.query_export_to_s3(%s, {URI}, options := 'format csv, header true, delimiter $$:$$', kms_key := 'key')"
    master.execute(sql, [query])
    assert sent == [b"1\tx1\n2\tx2\n3\tx3\n", b"a:b\n1:x1\n2:x2\n3:x3\n"]
    feature, call = door.calls[1]
    assert (feature, call["do"], call["key"], call["kms_key"]) == ("s3Export", "put", "a/b.csv", "key")


def test_models(master: Any, door: Any) -> None:
    """Models are asked a row at a time, with its columns as one line."""
    door.answer = lambda call: {"body": "0.5"}
    sql = "select sum(aws_sagemaker.invoke_endpoint('churn', null, g, g * 1.5)::float) from generate_series(1, 2) as g"
    assert master.execute(sql).fetchone() == (1.0,)
    assert [(call["endpoint"], call["body"]) for _, call in door.calls] == [("churn", "1,1.5"), ("churn", "2,3.0")]
    master.execute("select aws_sagemaker.invoke_endpoint('churn', null, 'a,b', null, 'c\"d')")
    assert door.calls[-1][1]["body"] == '"a,b",,"c""d"'
    door.answer = lambda call: {"body": '{"embedding": [0.25, 1]}'}
    sql = "select aws_bedrock.invoke_model_get_embeddings('titan', 'application/json', 'embedding', '{}')"
    assert master.execute(sql).fetchone() == ([0.25, 1.0],)
    door.answer = lambda call: {"sentiment": "POSITIVE", "confidence": 0.9}
    assert master.execute("select sentiment from aws_comprehend.detect_sentiment('fine', 'en')").fetchone() == ("POSITIVE",)
