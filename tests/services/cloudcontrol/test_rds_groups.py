"""AWS::RDS: parameter, subnet and option groups, event subscriptions, proxies with their endpoints and target groups."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rds.people import allow, role
from rds.stage import Stage

from .conftest import ACCOUNT, Control


@pytest.fixture(autouse=True)
def stage(cloud: Any) -> Stage:
    made = Stage(cloud)
    cloud.inner._databases = made
    return made


@pytest.fixture
def subnets(cloud: Any) -> list[str]:
    group = cloud.client("rds").describe_db_subnet_groups(DBSubnetGroupName="default")["DBSubnetGroups"][0]
    return [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]


@pytest.mark.parametrize("word", ["DBParameterGroup", "DBClusterParameterGroup"])
def test_parameter_groups(control: Control, word: str) -> None:
    """A group has the parameters that it is given, dynamic and static ones; what a patch takes away is the engine's default again."""
    kind = f"AWS::RDS::{word}"
    wanted = {
        f"{word}Name": "g",
        "Family": "aurora-postgresql18",
        "Description": "d",
        "Parameters": {"work_mem": "8192", "max_connections": "50"},
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    name = control.create(kind, wanted)
    assert name == "g"
    assert control.read(kind, name).items() >= wanted.items()
    found = control.update(
        kind, name, ("replace", "/Parameters", {"work_mem": "64", "jit": "1"}), ("replace", "/Tags", [{"Key": "b", "Value": "2"}])
    )
    assert found["Parameters"] == {"work_mem": "64", "jit": "1"}
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert control.listed(kind) == [name]
    assert control.refused(kind, wanted)[0] == "AlreadyExists"
    control.delete(kind, name)


def test_subnet_group(control: Control, subnets: list[str]) -> None:
    """A subnet group is changed in place, and gets a name where it has none."""
    kind = "AWS::RDS::DBSubnetGroup"
    name = control.create(kind, {"DBSubnetGroupDescription": "d", "SubnetIds": subnets[:2]})
    found = control.update(kind, name, ("replace", "/SubnetIds", subnets), ("replace", "/DBSubnetGroupDescription", "e"))
    assert (found["SubnetIds"], found["DBSubnetGroupDescription"]) == (subnets, "e")
    assert control.listed(kind) == [name]
    control.delete(kind, name)


def test_option_group(control: Control) -> None:
    """An option group is made without options; with one it is refused by its name."""
    kind = "AWS::RDS::OptionGroup"
    wanted = {"OptionGroupName": "o", "EngineName": "postgres", "MajorEngineVersion": "18", "OptionGroupDescription": "d"}
    name = control.create(kind, wanted)
    assert control.read(kind, name).items() >= wanted.items()
    assert control.listed(kind) == [name]
    control.delete(kind, name)
    code, message = control.refused(kind, {**wanted, "OptionConfigurations": [{"OptionName": "TDE"}]})
    assert "TDE" in message, code


def test_event_subscription(cloud: Any, control: Control) -> None:
    """A subscription's categories and sources are changed in place."""
    kind = "AWS::RDS::EventSubscription"
    topic = cloud.client("sns").create_topic(Name="t")["TopicArn"]
    for name in ("a", "b"):
        control.create("AWS::RDS::DBParameterGroup", {"DBParameterGroupName": name, "Family": "postgres18", "Description": "d"})
    wanted = {"SubscriptionName": "s", "SnsTopicArn": topic, "SourceType": "db-parameter-group", "SourceIds": ["a"], "Enabled": True}
    name = control.create(kind, wanted)
    assert control.read(kind, name).items() >= wanted.items()
    found = control.update(
        kind, name, ("replace", "/SourceIds", ["b"]), ("add", "/EventCategories", ["configuration change"]), ("replace", "/Enabled", False)
    )
    assert (found["SourceIds"], found["EventCategories"], found["Enabled"]) == (["b"], ["configuration change"], False)
    assert control.refused(kind, wanted)[0] == "AlreadyExists"
    control.delete(kind, name)


def test_proxies(cloud: Any, control: Control, subnets: list[str], stage: Stage) -> None:
    """A proxy, its target and its read-only endpoint are made by three types, and each is changed in place."""
    value = json.dumps({"username": "boss", "password": "correct-horse"})
    secret = cloud.client("secretsmanager").create_secret(Name="boss", SecretString=value)["ARN"]
    reader = role(cloud, "proxy", allow("secretsmanager:GetSecretValue", secret))
    rds = cloud.client("rds")
    rds.create_db_cluster(DBClusterIdentifier="c", Engine="aurora-postgresql", MasterUsername="boss", MasterUserPassword="correct-horse")
    rds.create_db_instance(DBInstanceIdentifier="i", DBClusterIdentifier="c", Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")
    cloud.settle()
    wanted = {
        "DBProxyName": "p",
        "EngineFamily": "POSTGRESQL",
        "RoleArn": reader,
        "Auth": [{"AuthScheme": "SECRETS", "SecretArn": secret, "IAMAuth": "DISABLED"}],
        "VpcSubnetIds": subnets,
        "RequireTLS": True,
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    proxy = control.create("AWS::RDS::DBProxy", wanted)
    read = control.read("AWS::RDS::DBProxy", proxy)
    assert (read["RequireTLS"], read["Tags"], read["VpcSubnetIds"]) == (True, [{"Key": "a", "Value": "1"}], subnets)
    assert read["DBProxyArn"].startswith(f"arn:aws:rds:us-east-1:{ACCOUNT}:db-proxy:prx-")
    assert control.update("AWS::RDS::DBProxy", proxy, ("replace", "/RequireTLS", False))["RequireTLS"] is False

    kind = "AWS::RDS::DBProxyTargetGroup"
    pool = {"MaxConnectionsPercent": 40}
    group = control.create(
        kind,
        {
            "DBProxyName": "p",
            "TargetGroupName": "default",
            "DBClusterIdentifiers": ["c"],
            "ConnectionPoolConfigurationInfo": pool,
        },
    )
    found = control.read(kind, group)
    assert found["DBClusterIdentifiers"] == ["c"]
    assert found["ConnectionPoolConfigurationInfo"].items() >= pool.items()
    routes = [one for one in stage.wanted.values() for one in one.endpoints if one.proxy]
    most = int(next(iter(stage.wanted.values())).nodes[0].parameters["max_connections"])
    assert [route.proxy["max_connections"] for route in routes if route.proxy] == [most * 40 // 100]

    endpoint = control.create(
        "AWS::RDS::DBProxyEndpoint",
        {"DBProxyName": "p", "DBProxyEndpointName": "ro", "VpcSubnetIds": subnets, "TargetRole": "READ_ONLY"},
    )
    assert control.read("AWS::RDS::DBProxyEndpoint", endpoint)["TargetRole"] == "READ_ONLY"
    assert control.listed("AWS::RDS::DBProxyEndpoint") == [endpoint]
    control.delete("AWS::RDS::DBProxyEndpoint", endpoint)
    control.delete(kind, group)
    control.delete("AWS::RDS::DBProxy", proxy)
