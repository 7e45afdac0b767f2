"""From SQL to AWS: the functions with the service behind them, as the cluster's role."""

from __future__ import annotations

import gzip
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from fogbank.kernel.http import HttpResponse
from fogbank.kernel.operation import Service
from fogbank.services.rds import inside
from fogbank.services.rds.state import Cluster, Role
from fogbank.store import change
from fogbank.testing.cloud import House

from .test_extensions import URI, refusal

ACCOUNT = "000000000000"
HELLO = """
def handler(event, context):
    if event.get("fails"):
        raise ValueError("no")
    if "endpoint" in event:
        return sum(float(n) for n in event["body"].split(","))
    return {"got": event, "client": (context.client_context.custom if context.client_context else None)}
"""
SHOWN: dict[str, Cluster] = {}


def site(ctx: Any, visit: Any) -> HttpResponse:
    """The way in, as services/rds has it."""
    body = visit.request.body
    asked = msgspec.json.decode(body if isinstance(body, bytes) else body.read())
    return HttpResponse(200, [], msgspec.json.encode(inside.call(ctx, SHOWN["cluster"], asked["feature"], asked["call"])))


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = House()
    made.app.gateway._manifests["rds"] = Service("rds", modules=[], site=site)
    yield made
    made.close()


@pytest.fixture
def aws(cloud: Any, door: Any) -> Any:
    """A cloud that the database reaches, with a cluster that has no role yet."""
    SHOWN["cluster"] = Cluster(
        account=ACCOUNT, region="us-east-1", id="cluster-1", name="sales", engine="aurora-postgresql", version="18.6", created_at_ms=0,
        volume="v", user="master", password=b"", port=5432,
    )  # fmt: skip

    def answer(call: dict[str, Any]) -> Any:
        asked = json.dumps({"feature": door.calls[-1][0], "call": call}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{cloud.endpoint}/_rds/aws", asked)) as said:
            return json.load(said)

    door.answer = answer
    return cloud


def attach(cloud: Any, feature: str, *statements: dict[str, Any], service: str = "rds.amazonaws.com") -> None:
    """Gives the cluster a role for a feature, with these rights."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    condition = {"StringLike": {"aws:SourceArn": f"arn:aws:rds:us-east-1:{ACCOUNT}:cluster:*"}}
    iam = cloud.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, "Condition": condition}]})
    arn = iam.create_role(RoleName=f"for-{feature}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    rights = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})
    iam.put_role_policy(RoleName=f"for-{feature}", PolicyName="p", PolicyDocument=rights)
    SHOWN["cluster"] = change(SHOWN["cluster"], roles=(*SHOWN["cluster"].roles, Role(arn, feature)))


@pytest.fixture
def function(aws: Any) -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hello.py", HELLO)
    role = aws.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]  # fmt: skip
    return aws.client("lambda").create_function(
        FunctionName="hello", Runtime="python3.12", Role=role, Handler="hello.handler", Code={"ZipFile": packed.getvalue()}, Timeout=20
    )


def test_lambda(aws: Any, master: Any, function: Any) -> None:
    """A function is invoked as the role of the feature Lambda; what it raises fails the statement."""
    sql = "select payload from aws_lambda.invoke('hello', %s::jsonb, context := '{\"custom\": {\"a\": 1}}'::jsonb)"
    error = refusal(master, sql, "{}")
    assert error.diag.message_primary == "credentials stored with the database cluster can't be accessed"
    assert 'feature-name "Lambda"' in str(error.diag.message_hint)
    attach(aws, "Lambda", {"Action": "lambda:InvokeFunction", "Resource": function["FunctionArn"]})
    assert master.execute(sql, ['{"n": 5}']).fetchone() == ({"got": {"n": 5}, "client": {"a": 1}},)
    assert master.execute("select status_code, executed_version from aws_lambda.invoke('hello', '{}'::json)").fetchone() == (200, "$LATEST")
    assert master.execute("select status_code, payload from aws_lambda.invoke('hello', '{}'::json, null, 'Event')").fetchone() == (
        202,
        None,
    )
    error = refusal(master, sql, '{"fails": true}')
    assert error.diag.message_primary == "lambda invocation failed"
    assert 'returned error "Unhandled"' in str(error.diag.message_detail)
    error = refusal(master, "select aws_lambda.invoke('other', '{}'::json)")
    assert error.diag.message_primary == "invoke API failed"
    assert "lambda:InvokeFunction" in str(error.diag.message_detail)


def test_import(aws: Any, master: Any) -> None:
    """Objects become rows, whether they are small or large, plain or packed."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    master.execute("drop table if exists t; create table t (a int, b text)")
    sql = f"select aws_s3.table_import_from_s3('t', '', 'csv', {URI})"
    assert "s3Import" in str(refusal(master, sql).diag.message_hint)
    attach(aws, "s3Import", {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/a/*"}, {"Action": "s3:ListBucket", "Resource": "*"})
    error = refusal(master, sql)
    assert error.diag.message_primary == "HTTP 404. Check your arguments or credentials."
    rows = b"".join(b"%d,%s\n" % (n, b"x" * 100) for n in range(40_000))
    for count, members in (
        (3, {"Body": b"1,a\n2,b\n3,c\n"}),
        (40_000, {"Body": rows}),
        (40_000, {"Body": gzip.compress(rows), "ContentEncoding": "gzip"}),
    ):
        s3.put_object(Bucket="bucket", Key="a/b.csv", **members)
        master.execute("truncate t")
        master.execute(sql)
        assert master.execute("select count(*) from t").fetchone() == (count,)
    error = refusal(master, "select aws_s3.table_import_from_s3('t', '', 'csv', 'bucket', 'b.csv', 'us-east-1')")
    assert error.diag.message_primary == "HTTP 403. Check your arguments or credentials."


def test_export(aws: Any, master: Any) -> None:
    """Rows become an object, as the role of the feature s3Export."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    sql = f"select * from aws_s3.query_export_to_s3('select g, repeat(''x'', 100) as x from generate_series(1, 30000) g', {URI})"
    assert "s3Export" in str(refusal(master, sql).diag.message_hint)
    attach(aws, "s3Export", {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/a/*"})
    rows, files, size = master.execute(sql).fetchone()
    content = s3.get_object(Bucket="bucket", Key="a/b.csv")["Body"].read()
    assert (rows, files, size) == (30_000, 1, len(content))
    assert content.startswith(b"1\txxx")
    error = refusal(master, "select aws_s3.query_export_to_s3('select 1', 'bucket', 'other', 'us-east-1')")
    assert error.diag.message_primary == "could not upload to Amazon S3"
    assert "s3:PutObject" in str(error.diag.message_detail)


def test_models(aws: Any, master: Any, function: Any) -> None:
    """An endpoint is the function of its name; what is not there is refused by name."""
    attach(aws, "SageMaker", {"Action": "*", "Resource": "*"})
    assert master.execute("select aws_sagemaker.invoke_endpoint('hello', null, 1, 2.5)").fetchone() == ("3.5",)
    attach(aws, "Comprehend", {"Action": "*", "Resource": "*"})
    error = refusal(master, "select aws_comprehend.detect_sentiment('fine', 'en')")
    assert error.diag.message_primary == "Fogbank does not implement comprehend:DetectSentiment."


def test_files(aws: Any, master: Any, door: Any, tmp_path: Any) -> None:
    """Only files of the server's own are written to or read."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    attach(aws, "s3Import", {"Action": "s3:*", "Resource": "*"})
    for path in (tmp_path / "there", tmp_path / "link", "/dev/null", tmp_path / "missing"):
        (tmp_path / "there").write_text("kept")
        if not (tmp_path / "link").is_symlink():
            (tmp_path / "link").symlink_to(tmp_path / "there")
        door.calls.append(("s3Import", {}))
        call = {"do": "get", "file": str(path), "bucket": "bucket", "key": "k", "region": None}
        if str(path).endswith("there") and _same_user():
            continue
        assert "message" in door.answer(call)["refused"], path
        assert (tmp_path / "there").read_text() == "kept"


def _same_user() -> bool:
    from fogbank.engines.processes import owner

    return owner() is None
