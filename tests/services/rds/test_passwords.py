"""Master passwords that Secrets Manager keeps."""

from __future__ import annotations

import json
from typing import Any

from fogbank.testing import Cloud

from .conftest import described, instance, refused
from .stage import Stage


def managed(rds: Any, name: str = "c", **more: Any) -> None:
    rds.create_db_cluster(
        DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="boss", ManageMasterUserPassword=True, **more
    )


def kept(cloud: Cloud, arn: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(cloud.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return found


def test_rotated(cloud: Cloud, rds: Any, stage: Stage) -> None:
    """A managed password is in a secret, and another one every seven days, and on request."""
    managed(rds)
    cloud.settle()
    arn = described(rds, "c")["MasterUserSecret"]["SecretArn"]
    assert ":secret:rds!cluster-" in arn
    first = kept(cloud, arn)
    assert first["username"] == "boss"
    assert next(iter(stage.wanted.values())).password == first["password"]
    cloud.advance(7 * 86400 + 1)
    second = kept(cloud, arn)
    assert second["password"] != first["password"]
    assert next(iter(stage.wanted.values())).password == second["password"]
    rds.modify_db_cluster(DBClusterIdentifier="c", RotateMasterUserPassword=True, ApplyImmediately=True)
    cloud.settle()
    assert kept(cloud, arn)["password"] != second["password"]
    code, _ = refused(rds.modify_db_cluster, DBClusterIdentifier="c", MasterUserPassword="battery-staple", ApplyImmediately=True)
    assert code == "InvalidParameterCombination"


def test_on_and_off(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """Management is turned on and off again; the secret goes with it."""
    aurora()
    rds.modify_db_cluster(DBClusterIdentifier="c", ManageMasterUserPassword=True, ApplyImmediately=True)
    cloud.settle()
    arn = described(rds, "c")["MasterUserSecret"]["SecretArn"]
    assert next(iter(stage.wanted.values())).password == kept(cloud, arn)["password"]
    rds.modify_db_cluster(
        DBClusterIdentifier="c", ManageMasterUserPassword=False, MasterUserPassword="battery-staple", ApplyImmediately=True
    )
    cloud.settle()
    assert "MasterUserSecret" not in described(rds, "c")
    assert next(iter(stage.wanted.values())).password == "battery-staple"
    assert refused(cloud.client("secretsmanager").get_secret_value, SecretId=arn)[0] == "ResourceNotFoundException"


def test_deleted(cloud: Cloud, rds: Any, stage: Stage, plain: Any) -> None:
    """A secret is deleted with what it is for."""
    rds.create_db_instance(
        DBInstanceIdentifier="db",
        Engine="postgres",
        DBInstanceClass="db.m6g.large",
        MasterUsername="boss",
        AllocatedStorage=20,
        ManageMasterUserPassword=True,
    )
    cloud.settle()
    arn = instance(rds, "db")["MasterUserSecret"]["SecretArn"]
    assert ":secret:rds!db-" in arn
    rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
    cloud.settle()
    assert rds.describe_db_instances()["DBInstances"] == []
    assert cloud.client("secretsmanager").list_secrets()["SecretList"] == []
