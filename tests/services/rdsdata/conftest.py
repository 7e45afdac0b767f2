"""A cloud with one cluster, whose database is a real PostgreSQL; RDS is only what it describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Resource, Service, operation
from fogbank.testing.cloud import Cloud, House
from fogbank.testing.postgres import Databases, Server

ACCOUNT = "000000000000"
ARN = f"arn:aws:rds:us-east-1:{ACCOUNT}:cluster:sales"
DESCRIBED: dict[str, Any] = {}


@operation("DescribeDBClusters")
def describe_db_clusters(ctx: Any, req: Any) -> dict[str, Any]:
    """The one cluster."""
    if req.DBClusterIdentifier != ARN:
        raise ServiceException("DBClusterNotFoundFault", "no such cluster")
    return {"DBClusters": [DESCRIBED]}


def _rds() -> Service:
    module = ModuleType("rds")
    module.__dict__["describe"] = describe_db_clusters
    allowed = {"Effect": "Allow", "Principal": {"Service": "rds-data.amazonaws.com"}, "Action": "rds:DescribeDBClusters", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    cluster = Resource("cluster", arn=lambda ctx, req: req.DBClusterIdentifier, grants=lambda ctx, req, action, arn: policy)
    return Service("rds", modules=[module], resources=[cluster])


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(server: Server) -> Iterator[House]:
    """A house of its own, because RDS is another one here."""
    made = House()
    made.app.gateway._manifests["rds"] = _rds()
    made.app.gateway.make_databases = lambda cloud: Databases(server, made.loop)
    yield made
    made.close()


@pytest.fixture
def cluster() -> dict[str, Any]:
    """What RDS says of the cluster, to be changed."""
    DESCRIBED.clear()
    DESCRIBED.update(
        DBClusterIdentifier="sales",
        DbClusterResourceId="cluster-1",
        Engine="aurora-postgresql",
        Status="available",
        HttpEndpointEnabled=True,
        DatabaseName="shop",
        DBClusterMembers=[{"DBInstanceIdentifier": "sales-1", "IsClusterWriter": True}],
        TagList=[{"Key": "team", "Value": "red"}],
    )
    return DESCRIBED


@pytest.fixture
def shop(server: Server) -> Iterator[Any]:
    """A connection to the database, new for each test."""
    with server.connect() as admin:
        admin.execute("drop database if exists shop with (force)")
        admin.execute("create database shop")
        if admin.execute("select 1 from pg_roles where rolname = 'master'").fetchone() is None:
            admin.execute("create role master login superuser")
    with server.connect(database="shop") as connection:
        yield connection


@pytest.fixture
def databases(cloud: Cloud) -> Databases:
    made: Databases = cloud.house.on_loop(lambda: cloud.inner.databases)
    return made


@pytest.fixture
def secret(cloud: Cloud) -> str:
    text = json.dumps({"username": "master", "password": "word"})
    made: str = cloud.client("secretsmanager").create_secret(Name="master", SecretString=text)["ARN"]
    return made


@pytest.fixture
def run(cloud: Cloud, cluster: dict[str, Any], shop: Any, secret: str) -> Callable[..., Any]:
    """ExecuteStatement on the cluster."""

    def call(sql: str, **members: Any) -> Any:
        return cloud.client("rds-data").execute_statement(resourceArn=ARN, secretArn=secret, sql=sql, **members)

    return call
