"""RDS Proxy: proxies, their targets and endpoints, and what the front is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.engines.spec import Endpoint
from fogbank.services.rds import families
from fogbank.services.rds.instance_classes import sized
from fogbank.testing import Cloud

from .conftest import points
from .people import allow, arn, person, role
from .stage import Stage


@pytest.fixture
def subnets(rds: Any) -> list[str]:
    group = rds.describe_db_subnet_groups(DBSubnetGroupName="default")["DBSubnetGroups"][0]
    return [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]


@pytest.fixture
def secret(cloud: Cloud) -> str:
    value = json.dumps({"username": "boss", "password": "correct-horse"})
    made: str = cloud.client("secretsmanager").create_secret(Name="boss", SecretString=value)["ARN"]
    return made


@pytest.fixture
def proxy(cloud: Cloud, rds: Any, subnets: list[str], secret: str) -> Callable[..., dict[str, Any]]:
    """Makes a proxy whose role may read the secret."""
    reader = role(cloud, "proxy", allow("secretsmanager:GetSecretValue", secret))

    def make(name: str = "p", **members: Any) -> dict[str, Any]:
        given = {"EngineFamily": "POSTGRESQL", "Auth": [{"SecretArn": secret}], "RoleArn": reader, "VpcSubnetIds": subnets, **members}
        made: dict[str, Any] = rds.create_db_proxy(DBProxyName=name, **given)["DBProxy"]
        cloud.settle()
        return made

    return make


def _routes(stage: Stage) -> list[Endpoint]:
    """The endpoints of proxies that the engines were last told of."""
    return [endpoint for wanted in stage.wanted.values() for endpoint in wanted.endpoints if endpoint.proxy is not None]


def _health(rds: Any, name: str = "p") -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_proxy_targets(DBProxyName=name)["Targets"][0]["TargetHealth"]
    return found


def test_a_proxy_leads_to_a_cluster(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any) -> None:
    """A proxy whose target is a cluster becomes one of its endpoints, with the users that the secrets name."""
    made = proxy(IdleClientTimeout=60, RequireTLS=True)
    assert (made["Status"], made["EngineFamily"], made["IdleClientTimeout"]) == ("creating", "POSTGRESQL", 60)
    assert rds.describe_db_proxies(DBProxyName="p")["DBProxies"][0]["Status"] == "available"
    aurora("c", 2)
    assert _routes(stage) == []
    targets = rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])["DBProxyTargets"]
    assert [(one["Type"], one["RdsResourceId"]) for one in targets] == [
        ("TRACKED_CLUSTER", "c"),
        ("RDS_INSTANCE", "c-0"),
        ("RDS_INSTANCE", "c-1"),
    ]
    cloud.settle()
    (route,) = _routes(stage)
    assert (stage.address(route.slot), route.port, route.kind) == (made["Endpoint"], 5432, "proxy")
    assert route.proxy is not None
    assert route.proxy["users"] == {"boss": {"password": "correct-horse"}}
    assert (route.proxy["iam"], route.proxy["require_tls"], route.proxy["idle_client_timeout_s"]) == ("DISABLED", True, 60)
    most = int(families.given("aurora-postgresql", sized("db.r6g.large"))["max_connections"])
    assert (route.proxy["max_connections"], route.proxy["max_idle"], route.proxy["borrow_timeout_s"]) == (most, most * 50 // 100, 120)
    found = rds.describe_db_proxy_targets(DBProxyName="p")["Targets"]
    assert {(one["RdsResourceId"], one.get("Role")) for one in found} == {("c", None), ("c-0", "READ_WRITE"), ("c-1", "READ_ONLY")}
    assert _health(rds) == {"State": "AVAILABLE"}
    rds.deregister_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    cloud.settle()
    assert _routes(stage) == []


def test_a_proxy_leads_to_an_instance(cloud: Cloud, rds: Any, stage: Stage, plain: Any, proxy: Any, refused: Any) -> None:
    """An instance that is by itself is a target too; one of another engine is not, nor a second one."""
    proxy()
    plain("db")
    plain("my", Engine="mariadb")
    assert refused(rds.register_db_proxy_targets, DBProxyName="p", DBInstanceIdentifiers=["my"])[0] == "InvalidParameterCombination"
    rds.register_db_proxy_targets(DBProxyName="p", DBInstanceIdentifiers=["db"])
    cloud.settle()
    assert len(_routes(stage)) == 1
    again = refused(rds.register_db_proxy_targets, DBProxyName="p", DBInstanceIdentifiers=["db"])
    assert again[0] == "DBProxyTargetAlreadyRegisteredFault"
    rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
    cloud.settle()
    assert rds.describe_db_proxy_targets(DBProxyName="p")["Targets"] == []


def test_members_of_a_cluster_are_no_targets(rds: Any, aurora: Any, proxy: Any, refused: Any) -> None:
    """An instance of an Aurora cluster is reached by registering the cluster."""
    proxy()
    aurora("c")
    assert refused(rds.register_db_proxy_targets, DBProxyName="p", DBInstanceIdentifiers=["c-0"])[0] == "InvalidDBInstanceState"
    assert refused(rds.register_db_proxy_targets, DBProxyName="p", DBClusterIdentifiers=["no"])[0] == "DBClusterNotFoundFault"
    assert refused(rds.register_db_proxy_targets, DBProxyName="no", DBClusterIdentifiers=["c"])[0] == "DBProxyNotFoundFault"
    wrong = refused(rds.register_db_proxy_targets, DBProxyName="p", TargetGroupName="no", DBClusterIdentifiers=["c"])
    assert wrong[0] == "DBProxyTargetGroupNotFoundFault"
    assert refused(rds.deregister_db_proxy_targets, DBProxyName="p", DBClusterIdentifiers=["c"])[0] == "DBProxyTargetNotFoundFault"


def test_a_pool_has_its_size_in_percent(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, refused: Any) -> None:
    """The target group's percentages are of max_connections, as the cluster's parameter group sets it."""
    proxy()
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="g", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    hundred = {"ParameterName": "max_connections", "ParameterValue": "100", "ApplyMethod": "pending-reboot"}
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="g", Parameters=[hundred])
    aurora("c", DBClusterParameterGroupName="g")
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    pool = {"MaxConnectionsPercent": 40, "MaxIdleConnectionsPercent": 10, "ConnectionBorrowTimeout": 5, "InitQuery": "SET x TO 1"}
    group = rds.modify_db_proxy_target_group(DBProxyName="p", TargetGroupName="default", ConnectionPoolConfig=pool)["DBProxyTargetGroup"]
    assert group["ConnectionPoolConfig"] == {**pool, "SessionPinningFilters": []}
    assert rds.describe_db_proxy_target_groups(DBProxyName="p")["TargetGroups"] == [group]
    cloud.settle()
    (route,) = _routes(stage)
    assert route.proxy is not None
    assert (route.proxy["max_connections"], route.proxy["max_idle"], route.proxy["init_query"]) == (40, 10, "SET x TO 1")
    change = {"DBProxyName": "p", "TargetGroupName": "default"}
    for wrong, code in (
        ({"MaxConnectionsPercent": 101}, "InvalidParameterValue"),
        ({"MaxIdleConnectionsPercent": 5}, "InvalidParameterCombination"),
        ({"ConnectionBorrowTimeout": 301}, "InvalidParameterValue"),
        ({"SessionPinningFilters": ["EXCLUDE_VARIABLE_SETS"]}, "InvalidParameterCombination"),
    ):
        assert refused(rds.modify_db_proxy_target_group, ConnectionPoolConfig=wrong, **change)[0] == code


def test_a_rotated_secret_is_followed(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, secret: str) -> None:
    """When a secret gets another value, the front is told the new password by itself."""
    proxy()
    aurora("c")
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    cloud.settle()
    value = json.dumps({"username": "boss", "password": "new-horse"})
    cloud.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=value)
    cloud.settle()
    (route,) = _routes(stage)
    assert route.proxy is not None
    assert route.proxy["users"] == {"boss": {"password": "new-horse"}}


def test_a_role_that_may_not_read_shows(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, secret: str) -> None:
    """A role without the permission leaves the proxy without users, and the target's health says why; it heals when the role may."""
    nobody = role(cloud, "nobody")
    proxy(RoleArn=nobody)
    aurora("c")
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    cloud.settle()
    health = _health(rds)
    assert (health["State"], health["Reason"]) == ("UNAVAILABLE", "AUTH_FAILURE")
    assert "secretsmanager:GetSecretValue" in health["Description"]
    (route,) = _routes(stage)
    assert route.proxy is not None
    assert route.proxy["users"] == {}
    policy = {"Version": "2012-10-17", "Statement": [allow("secretsmanager:GetSecretValue", secret)]}
    cloud.client("iam").put_role_policy(RoleName="nobody", PolicyName="p", PolicyDocument=json.dumps(policy))
    cloud.advance(600)
    (route,) = _routes(stage)
    assert route.proxy is not None
    assert list(route.proxy["users"]) == ["boss"]
    assert _health(rds) == {"State": "AVAILABLE"}


def test_a_role_must_trust_rds(cloud: Cloud, rds: Any, aurora: Any, proxy: Any, secret: str) -> None:
    """A role that does not trust rds.amazonaws.com reads nothing for a proxy."""
    stranger = role(cloud, "stranger", allow("secretsmanager:GetSecretValue", secret), service="ec2.amazonaws.com")
    proxy(RoleArn=stranger)
    aurora("c")
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    cloud.settle()
    assert _health(rds)["Reason"] == "AUTH_FAILURE"


def test_a_proxy_is_changed_and_deleted(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, secret: str, refused: Any) -> None:
    """A proxy keeps its address and id when it is renamed; deleted, it is no endpoint any more."""
    made = proxy()
    proxy("q")
    aurora("c")
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    assert refused(rds.modify_db_proxy, DBProxyName="p", NewDBProxyName="q")[0] == "DBProxyAlreadyExistsFault"
    auth = [{"SecretArn": secret, "IAMAuth": "REQUIRED"}]
    changed = rds.modify_db_proxy(DBProxyName="p", NewDBProxyName="r", Auth=auth)["DBProxy"]
    assert (changed["DBProxyArn"], changed["Endpoint"], changed["DBProxyName"]) == (made["DBProxyArn"], made["Endpoint"], "r")
    cloud.settle()
    (route,) = _routes(stage)
    assert route.proxy is not None
    assert route.proxy["iam"] == "REQUIRED"
    assert rds.delete_db_proxy(DBProxyName="r")["DBProxy"]["Status"] == "deleting"
    cloud.settle()
    assert _routes(stage) == []
    assert refused(rds.describe_db_proxies, DBProxyName="r")[0] == "DBProxyNotFoundFault"
    assert [one["DBProxyName"] for one in rds.describe_db_proxies()["DBProxies"]] == ["q"]


def test_endpoints_for_reading(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, subnets: list[str], refused: Any) -> None:
    """A read-only endpoint leads to readers, with the proxy's own settings; the default endpoint goes with its proxy."""
    proxy()
    aurora("c", 2)
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    make = {"DBProxyName": "p", "VpcSubnetIds": subnets}
    made = rds.create_db_proxy_endpoint(DBProxyEndpointName="ro", TargetRole="READ_ONLY", **make)["DBProxyEndpoint"]
    cloud.settle()
    routes = {stage.address(route.slot): route.kind for route in _routes(stage)}
    assert routes[made["Endpoint"]] == "reader"
    listed = rds.describe_db_proxy_endpoints(DBProxyName="p")["DBProxyEndpoints"]
    assert [(one["DBProxyEndpointName"], one["IsDefault"], one["TargetRole"]) for one in listed] == [
        ("p", True, "READ_WRITE"),
        ("ro", False, "READ_ONLY"),
    ]
    assert refused(rds.create_db_proxy_endpoint, DBProxyEndpointName="ro", **make)[0] == "DBProxyEndpointAlreadyExistsFault"
    renamed = rds.modify_db_proxy_endpoint(DBProxyEndpointName="ro", NewDBProxyEndpointName="rr")["DBProxyEndpoint"]
    assert (renamed["DBProxyEndpointArn"], renamed["DBProxyEndpointName"]) == (made["DBProxyEndpointArn"], "rr")
    assert refused(rds.delete_db_proxy_endpoint, DBProxyEndpointName="p")[0] == "InvalidDBProxyEndpointStateFault"
    rds.delete_db_proxy_endpoint(DBProxyEndpointName="rr")
    cloud.settle()
    assert len(_routes(stage)) == 1
    assert refused(rds.describe_db_proxy_endpoints, DBProxyEndpointName="rr")[0] == "DBProxyEndpointNotFoundFault"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"EngineFamily": "SQLSERVER"}, "NotImplemented"),
        ({"DefaultAuthScheme": "IAM_AUTH"}, "NotImplemented"),
        ({"DebugLogging": True}, "NotImplemented"),
        ({"EndpointNetworkType": "DUAL"}, "NotImplemented"),
        ({"VpcSubnetIds": ["subnet-1"]}, "InvalidSubnet"),
        ({"VpcSecurityGroupIds": ["sg-1"]}, "InvalidParameterValue"),
        ({"Auth": []}, "InvalidParameterCombination"),
        ({"Auth": [{"SecretArn": "arn:aws:s3:::a-bucket-of-mine"}]}, "InvalidParameterValue"),
        ({"IdleClientTimeout": 0}, "InvalidParameterValue"),
    ],
)
def test_wrong_proxies_are_refused(proxy: Any, refused: Any, members: dict[str, Any], code: str) -> None:
    """What cannot be had is refused at once, by name."""
    assert refused(proxy, **members)[0] == code


def test_what_a_policy_lets_somebody_do(cloud: Cloud, rds: Any, proxy: Any, subnets: list[str], secret: str, refused: Any) -> None:
    """Making a proxy needs iam:PassRole; a policy names a proxy by the id in its ARN, or by its tags."""
    one, _two = proxy("one", Tags=[{"Key": "team", "Value": "a"}]), proxy("two")
    maker = person(cloud, "maker", allow("rds:CreateDBProxy"))
    given = {"EngineFamily": "POSTGRESQL", "Auth": [{"SecretArn": secret}], "RoleArn": one["RoleArn"], "VpcSubnetIds": subnets}
    code, message = refused(maker.create_db_proxy, DBProxyName="x", **given)
    assert (code, "iam:PassRole" in message) == ("AccessDenied", True)
    narrow = person(cloud, "narrow", allow("rds:ModifyDBProxy", one["DBProxyArn"]))
    narrow.modify_db_proxy(DBProxyName="one", RequireTLS=True)
    assert refused(narrow.modify_db_proxy, DBProxyName="two", RequireTLS=True)[0] == "AccessDenied"
    tagged = person(cloud, "tagged", allow("rds:DeleteDBProxy", StringEquals={"aws:ResourceTag/team": "a"}))
    assert refused(tagged.delete_db_proxy, DBProxyName="two")[0] == "AccessDenied"
    tagged.delete_db_proxy(DBProxyName="one")
    group = rds.describe_db_proxy_target_groups(DBProxyName="two")["TargetGroups"][0]["TargetGroupArn"]
    rds.add_tags_to_resource(ResourceName=group, Tags=[{"Key": "a", "Value": "b"}])
    assert rds.list_tags_for_resource(ResourceName=group)["TagList"] == [{"Key": "a", "Value": "b"}]


def test_proxies_are_told_of(cloud: Cloud, rds: Any, proxy: Any) -> None:
    """What happens to a proxy is an event of it."""
    made = proxy()
    rds.modify_db_proxy(DBProxyName="p", RequireTLS=True)
    rds.delete_db_proxy(DBProxyName="p")
    events = rds.describe_events(SourceType="db-proxy", SourceIdentifier="p")["Events"]
    assert [event["EventCategories"] for event in events] == [["creation"], ["configuration change"], ["deletion"]]
    assert {event["SourceArn"] for event in events} == {made["DBProxyArn"]}
    assert made["DBProxyArn"].startswith(arn("db-proxy", "prx-"))


def test_metrics(cloud: Cloud, rds: Any, stage: Stage, aurora: Any, proxy: Any, subnets: list[str]) -> None:
    """CloudWatch is told each minute of clients by endpoint, of connections by the target's role, and of both by proxy; what the front only
    counts upwards is told for the minute, and when it counts anew."""
    proxy()
    aurora("c", 2)
    rds.register_db_proxy_targets(DBProxyName="p", DBClusterIdentifiers=["c"])
    rds.create_db_proxy_endpoint(DBProxyName="p", DBProxyEndpointName="ro", TargetRole="READ_ONLY", VpcSubnetIds=subnets)
    cloud.settle()
    own, reads = (next(route.slot for route in _routes(stage) if route.kind == kind) for kind in ("proxy", "reader"))
    for asked, borrowed_us in ((4, 800), (10, 2600), (6, 300)):  # (the last time the front was started anew)
        counts = {"DatabaseConnectionRequests": asked, "DatabaseConnectionsBorrowLatency": borrowed_us, "QueryRequests": asked * 2}
        stage.proxies[own, 5432] = {**counts, "ClientConnections": 3, "DatabaseConnections": 2}
        stage.proxies[reads, 5432] = {"ClientConnections": 1, "DatabaseConnections": 1, "QueryRequests": 1}
        cloud.advance(60)
    whole, mine = {"ProxyName": "p"}, {"ProxyName": "p", "EndpointName": "p"}
    behind = {"ProxyName": "p", "TargetGroup": "default", "TargetRole": "READ_WRITE"}
    assert points(cloud, "ClientConnections", **whole) == [4, 4, 4]
    assert points(cloud, "ClientConnections", **mine) == [3, 3, 3]
    assert points(cloud, "ClientConnections", **behind) == points(cloud, "DatabaseConnections", **mine) == []
    assert points(cloud, "DatabaseConnections", **behind) == [2, 2, 2]
    assert points(cloud, "DatabaseConnections", **{**behind, "TargetRole": "READ_ONLY"}) == [1, 1, 1]
    assert points(cloud, "DatabaseConnectionRequests", **behind) == [4, 6, 6]
    assert points(cloud, "DatabaseConnectionsBorrowLatency", **mine) == [200, 300, 50]
    assert points(cloud, "QueryRequests", **whole) == [9, 12, 12]
    assert points(cloud, "QueryRequests", **mine) == points(cloud, "QueryRequests", **behind) == [8, 12, 12]
