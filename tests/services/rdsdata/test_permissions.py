"""Who may, on which cluster, with which secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ARN


@pytest.fixture
def ask(cloud: Any, run: Any, secret: str) -> Any:
    """`select 1` as a user with these policy statements."""
    iam = cloud.client("iam")

    def make(*statements: dict[str, Any]) -> Any:
        name = f"user-{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        client = cloud.client("rds-data", key["AccessKeyId"], key["SecretAccessKey"])
        return lambda: client.execute_statement(resourceArn=ARN, secretArn=secret, sql="select 1")

    return make


def test_policy(ask: Any, secret: str, refused: Any) -> None:
    """Both the statement on the cluster and the reading of the secret have to be allowed; the user needs nothing of RDS."""
    reads = {"Action": "secretsmanager:GetSecretValue", "Resource": secret}
    assert ask({"Action": "rds-data:ExecuteStatement", "Resource": ARN}, reads)()["records"] == [[{"longValue": 1}]]
    code, message = refused(ask({"Action": "rds-data:ExecuteStatement", "Resource": ARN + "-2"}, reads))
    assert code == "AccessDeniedException"
    assert f"rds-data:ExecuteStatement on resource: {ARN}" in message
    code, message = refused(ask({"Action": "rds-data:*", "Resource": "*"}))
    assert code == "AccessDeniedException"
    assert "secretsmanager:GetSecretValue" in message


def test_tags(ask: Any, secret: str, refused: Any) -> None:
    """A policy may ask for the cluster's tags."""
    reads = {"Action": "secretsmanager:GetSecretValue", "Resource": "*"}

    def tagged(team: str) -> dict[str, Any]:
        condition = {"StringEquals": {"aws:ResourceTag/team": team}}
        return {"Action": "rds-data:*", "Resource": "*", "Condition": condition}

    ask(tagged("red"), reads)()
    assert refused(ask(tagged("blue"), reads))[0] == "AccessDeniedException"


def test_endpoint(cluster: Any, run: Any, refused: Any) -> None:
    """The cluster has to be there, to run, and to have its HTTP endpoint enabled."""
    cluster["HttpEndpointEnabled"] = False
    code, message = refused(run, "select 1")
    assert code == "HttpEndpointNotEnabledException"
    assert message.startswith("HttpEndpoint is not enabled for cluster sales")
    cluster.update(HttpEndpointEnabled=True, Status="stopped")
    assert refused(run, "select 1")[0] == "InvalidResourceStateException"
    cluster.update(Status="available", DBClusterMembers=[])
    assert refused(run, "select 1")[0] == "DatabaseNotFoundException"


def test_cluster(cloud: Any, run: Any, secret: str, refused: Any) -> None:
    """What is no cluster's ARN, or of another region, is refused."""
    execute = cloud.client("rds-data").execute_statement
    for arn in (f"{ARN}-2", ARN.replace("us-east-1", "eu-west-1"), ARN.replace(":cluster:", ":db:")):
        assert refused(execute, resourceArn=arn, secretArn=secret, sql="select 1")[0] == "BadRequestException"


def test_secret(cloud: Any, run: Any, refused: Any) -> None:
    """A secret has to be there, and to name a user and a password."""
    execute = cloud.client("rds-data").execute_statement
    code, message = refused(execute, resourceArn=ARN, secretArn="nothing-here", sql="select 1")
    assert code == "SecretsErrorException"
    assert "Secrets Manager can't find the specified secret" in message
    wrong = cloud.client("secretsmanager").create_secret(Name="wrong", SecretString="word")["ARN"]
    assert refused(execute, resourceArn=ARN, secretArn=wrong, sql="select 1")[0] == "InvalidSecretException"


def test_paused(cloud: Any, run: Any, databases: Any, refused: Any) -> None:
    """A paused cluster begins to resume, and the caller is told to try again."""
    databases.state = "stopped"
    assert refused(run, "select 1")[0] == "DatabaseResumingException"
    tasks = cloud.house.on_loop(lambda: [item.task for item in _outbox(cloud)])
    assert "rds.wake" in tasks
    databases.state = "starting"
    assert refused(run, "select 1")[0] == "DatabaseUnavailableException"


def _outbox(cloud: Any) -> Any:
    from fogbank.delivery.outbox import OUTBOX, PARKED

    return [*OUTBOX.scan(cloud.inner.reader()), *PARKED.scan(cloud.inner.reader())]


def test_refused_by_name(cloud: Any, run: Any, secret: str, refused: Any) -> None:
    """ExecuteSql says that it is not there."""
    execute = cloud.client("rds-data").execute_sql
    assert refused(execute, dbClusterOrInstanceArn=ARN, awsSecretStoreArn=secret, sqlStatements="select 1")[0] == "NotImplemented"
