"""The whole way: a cluster as its user makes it, its SQL's calls to AWS, the Data API, and what its sessions did."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fogbank.testing.cloud import Cloud, House

USER = {"MasterUsername": "boss", "MasterUserPassword": "secret12345"}
ENGINE = {"Engine": "aurora-postgresql"}


def role(cloud: Cloud, name: str, service: str) -> str:
    """A role that a service may take on, with all rights."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    every = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam = cloud.client("iam")
    made: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))[
        "Role"
    ]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [every]}))
    return made


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud with a cluster of two nodes, which has roles."""
    house = House()
    made = house.cloud()
    rds = made.client("rds")
    rds.create_db_cluster(DBClusterIdentifier="sales", **ENGINE, **USER, DatabaseName="shop", EnableHttpEndpoint=True)
    for name in ("sales-1", "sales-2"):
        rds.create_db_instance(
            DBInstanceIdentifier=name, DBClusterIdentifier="sales", **ENGINE, DBInstanceClass="db.r6g.large", EnablePerformanceInsights=True
        )
    arn = role(made, "reaches", "rds.amazonaws.com")
    for feature in ("Lambda", "s3Import", "s3Export"):
        rds.add_role_to_db_cluster(DBClusterIdentifier="sales", RoleArn=arn, FeatureName=feature)
    while any(one["DBInstanceStatus"] != "available" for one in rds.describe_db_instances()["DBInstances"]):
        made.settle(60)
    yield made
    house.close()


@pytest.fixture(scope="module")
def described(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("rds").describe_db_clusters()["DBClusters"][0]
    return found


def connect(described: dict[str, Any], endpoint: str) -> Any:
    where = {"host": described[endpoint], "port": described["Port"], "dbname": "shop"}
    return psycopg.connect(**where, user="boss", password=USER["MasterUserPassword"], autocommit=True)


def test_lambda_from_writer_and_reader(cloud: Cloud, described: dict[str, Any]) -> None:
    """The master user, who is no superuser, installs aws_lambda; a function is invoked from the writer and from a reader."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("more.py", "def more(event, context): return {'n': event['n'] + 1}")
    code = {"Runtime": "python3.12", "Handler": "more.more", "Code": {"ZipFile": packed.getvalue()}}
    cloud.client("lambda").create_function(FunctionName="more", Role=role(cloud, "runs", "lambda.amazonaws.com"), **code)
    sql = "select payload, pg_is_in_recovery() from aws_lambda.invoke('more', '{\"n\": 4}'::json)"
    with connect(described, "Endpoint") as writer:
        writer.execute("create extension aws_lambda cascade")
        assert writer.execute(sql).fetchone() == ({"n": 5}, False)
    with connect(described, "ReaderEndpoint") as reader:
        while not reader.execute("select to_regnamespace('aws_lambda') is not null").fetchone()[0]:
            pass
        assert reader.execute(sql).fetchone() == ({"n": 5}, True)


def test_data_api_and_s3(cloud: Cloud, described: dict[str, Any]) -> None:
    """Through the Data API a table is filled from S3, changed in a transaction, and sent to S3."""
    s3, data = cloud.client("s3"), cloud.client("rds-data")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="in.csv", Body=b"1,x\n2,y\n")
    secret = json.dumps({"username": "boss", "password": USER["MasterUserPassword"]})
    arn = cloud.client("secretsmanager").create_secret(Name="boss", SecretString=secret)["ARN"]
    where = {"resourceArn": described["DBClusterArn"], "secretArn": arn}
    data.execute_statement(**where, sql="create table t (a int, b text)")
    data.execute_statement(**where, sql="create extension aws_s3 cascade")
    sql = "select aws_s3.table_import_from_s3('t', '', 'csv', 'bucket', 'in.csv', 'us-east-1')"
    said = data.execute_statement(**where, sql=sql)["records"][0][0]["stringValue"]
    assert said == '2 rows imported into relation "t" from file in.csv of 8 bytes'
    one = data.begin_transaction(**where)["transactionId"]
    data.execute_statement(
        **where, sql="update t set b = b || :more", parameters=[{"name": "more", "value": {"stringValue": "!"}}], transactionId=one
    )
    data.commit_transaction(**where, transactionId=one)
    sql = (
        "select rows_uploaded from aws_s3.query_export_to_s3('select * from t order by a', 'bucket', 'out.csv', 'us-east-1', 'format csv')"
    )
    assert data.execute_statement(**where, sql=sql)["records"] == [[{"longValue": 2}]]
    assert s3.get_object(Bucket="bucket", Key="out.csv")["Body"].read() == b"1,x!\n2,y!\n"


def test_performance_insights(cloud: Cloud, described: dict[str, Any]) -> None:
    """Commits of the writer are counted, and its load is sampled."""
    (writer,) = [one["DBInstanceIdentifier"] for one in described["DBClusterMembers"] if one["IsClusterWriter"]]
    instance = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=writer)["DBInstances"][0]["DbiResourceId"]
    with connect(described, "Endpoint") as connection:
        for _ in range(20):
            cloud.advance(1)
            connection.execute("select pg_stat_force_next_flush() from pg_class limit 1")
    now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)
    names = ["db.load.avg", "db.Transactions.xact_commit.avg", "db.User.numbackends.avg"]
    answer = cloud.client("pi").get_resource_metrics(
        ServiceType="RDS", Identifier=instance, StartTime=now - timedelta(seconds=60), EndTime=now, PeriodInSeconds=60,
        MetricQueries=[{"Metric": name} for name in names],
    )  # fmt: skip
    load, commits, backends = [[p["Value"] for p in one["DataPoints"] if "Value" in p] for one in answer["MetricList"]]
    assert load
    assert max(commits) > 0
    assert max(backends) >= 1
