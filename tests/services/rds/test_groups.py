"""Parameter groups and their parameters."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

from .people import allow, arn, person
from .stage import Stage


def _set(rds: Any, group: str, name: str, value: str, method: str = "immediate") -> Any:
    given = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
    return rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[given])


def _value(rds: Any, group: str, name: str) -> Any:
    wanted = [{"Name": "parameter-name", "Values": [name]}]
    return rds.describe_db_parameters(DBParameterGroupName=group, Filters=wanted)["Parameters"][0]


@pytest.fixture
def group(rds: Any) -> str:
    rds.create_db_parameter_group(DBParameterGroupName="Mine", DBParameterGroupFamily="postgres18", Description="d")
    return "mine"


def test_a_group_is_made_described_and_deleted(rds: Any, refused: Any) -> None:
    """A group is kept under its name in lower case, once; a deleted one is gone."""
    made = rds.create_db_parameter_group(DBParameterGroupName="Mine", DBParameterGroupFamily="postgres18", Description="d")
    assert made["DBParameterGroup"] == {
        "DBParameterGroupName": "mine",
        "DBParameterGroupFamily": "postgres18",
        "Description": "d",
        "DBParameterGroupArn": arn("pg", "mine"),
    }
    again = refused(rds.create_db_parameter_group, DBParameterGroupName="mine", DBParameterGroupFamily="postgres18", Description="d")
    assert again == ("DBParameterGroupAlreadyExists", "Parameter group mine already exists")
    assert rds.describe_db_parameter_groups(DBParameterGroupName="MINE")["DBParameterGroups"] == [made["DBParameterGroup"]]
    rds.delete_db_parameter_group(DBParameterGroupName="mine")
    gone = refused(rds.describe_db_parameter_groups, DBParameterGroupName="mine")
    assert gone == ("DBParameterGroupNotFound", "DBParameterGroup not found: mine")


def test_cluster_groups_are_a_noun_of_their_own(rds: Any, refused: Any) -> None:
    """A DB cluster parameter group may have the name of a DB parameter group; its family is one of Aurora's."""
    rds.create_db_parameter_group(DBParameterGroupName="both", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    made = rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="both", DBParameterGroupFamily="aurora-postgresql18", Description="c"
    )["DBClusterParameterGroup"]
    assert made["DBClusterParameterGroupArn"] == arn("cluster-pg", "both")
    assert refused(
        rds.create_db_cluster_parameter_group, DBClusterParameterGroupName="x", DBParameterGroupFamily="postgres18", Description="c"
    ) == ("InvalidParameterValue", "ParameterGroupFamily postgres18 is not a valid parameter group family")


def test_default_groups_are_there_and_stay(rds: Any, refused: Any) -> None:
    """Each family that this machine can run has a default group, which nobody changes, copies or deletes."""
    names = {one["DBParameterGroupName"] for one in rds.describe_db_parameter_groups()["DBParameterGroups"]}
    assert {"default.postgres18", "default.aurora-postgresql18"} <= names
    clusters = {one["DBClusterParameterGroupName"] for one in rds.describe_db_cluster_parameter_groups()["DBClusterParameterGroups"]}
    assert "default.aurora-postgresql18" in clusters
    assert "default.postgres18" not in clusters
    given = {"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}
    modify = refused(rds.modify_db_parameter_group, DBParameterGroupName="default.postgres18", Parameters=[given])
    assert modify[0] == "InvalidDBParameterGroupState"
    assert refused(rds.delete_db_parameter_group, DBParameterGroupName="default.postgres18")[0] == "InvalidDBParameterGroupState"
    copy = {"TargetDBParameterGroupIdentifier": "x", "TargetDBParameterGroupDescription": "d"}
    assert refused(rds.copy_db_parameter_group, SourceDBParameterGroupIdentifier="default.postgres18", **copy)[0] == "InvalidParameterValue"


def test_values_are_set_and_reset(rds: Any, group: str) -> None:
    """A parameter that was set says so, until it is reset to the engine's default."""
    before = _value(rds, group, "work_mem")
    assert (before["Source"], before["ApplyType"], before["DataType"]) == ("engine-default", "dynamic", "integer")
    _set(rds, group, "work_mem", "8192")
    after = _value(rds, group, "work_mem")
    assert (after["ParameterValue"], after["Source"]) == ("8192", "user")
    assert [one["ParameterName"] for one in rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"]] == [
        "work_mem"
    ]
    rds.reset_db_parameter_group(DBParameterGroupName=group, ResetAllParameters=True)
    assert _value(rds, group, "work_mem") == before
    _set(rds, group, "work_mem", "8192")
    given = [{"ParameterName": "work_mem", "ApplyMethod": "immediate"}]
    rds.reset_db_parameter_group(DBParameterGroupName=group, Parameters=given)
    assert _value(rds, group, "work_mem") == before


@pytest.mark.parametrize(
    ("name", "value", "method", "code", "message"),
    [
        ("no_such", "1", "immediate", "InvalidParameterValue", "Could not find parameter with name: no_such"),
        (
            "work_mem",
            "1",
            "immediate",
            "InvalidParameterValue",
            "Invalid parameter value: 1 for: work_mem allowed values are: 64-2147483647",
        ),
        (
            "work_mem",
            "x",
            "immediate",
            "InvalidParameterValue",
            "Invalid parameter value: x for: work_mem allowed values are: 64-2147483647",
        ),
        ("fsync", "1", "immediate", "InvalidParameterValue", "The parameter fsync cannot be modified."),
        (
            "max_connections",
            "50",
            "immediate",
            "InvalidParameterCombination",
            "cannot use immediate apply method for static parameter max_connections",
        ),
        ("work_mem", "{DBInstanceClassMemory/0", "immediate", "InvalidParameterValue", None),
    ],
)
def test_wrong_values_are_refused(
    rds: Any, group: str, refused: Any, name: str, value: str, method: str, code: str, message: str | None
) -> None:
    """A value must be one of the parameter's, and the way of applying it possible; a refused request changes nothing."""
    given = [
        {"ParameterName": "log_min_duration_statement", "ParameterValue": "5", "ApplyMethod": "immediate"},
        {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method},
    ]
    problem = refused(rds.modify_db_parameter_group, DBParameterGroupName=group, Parameters=given)
    assert problem[0] == code
    assert message is None or problem[1] == message
    assert rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"] == []


def test_twenty_parameters_at_most(rds: Any, group: str, refused: Any) -> None:
    """One request changes at most 20 parameters."""
    given = [{"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}] * 21
    assert refused(rds.modify_db_parameter_group, DBParameterGroupName=group, Parameters=given)[0] == "InvalidParameterValue"


def test_formulas_are_values(rds: Any, group: str) -> None:
    """A formula in braces is kept as it is, when what it comes to is allowed."""
    _set(rds, group, "shared_buffers", "{DBInstanceClassMemory/32768}", "pending-reboot")
    assert _value(rds, group, "shared_buffers")["ParameterValue"] == "{DBInstanceClassMemory/32768}"


def test_a_copy_sets_the_same(rds: Any, group: str) -> None:
    """A copied group has the values of its source, and goes its own way from then on."""
    _set(rds, group, "work_mem", "8192")
    rds.copy_db_parameter_group(
        SourceDBParameterGroupIdentifier=arn("pg", group), TargetDBParameterGroupIdentifier="copy", TargetDBParameterGroupDescription="d"
    )
    _set(rds, group, "work_mem", "64")
    assert _value(rds, "copy", "work_mem")["ParameterValue"] == "8192"


def test_parameters_come_in_pages(rds: Any, group: str) -> None:
    """The pages of a listing make up the whole, in the order of the names."""
    pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, PaginationConfig={"PageSize": 20})
    names = [one["ParameterName"] for page in pages for one in page["Parameters"]]
    assert names == sorted(set(names))
    assert {"work_mem", "rds.force_ssl", "shared_buffers"} <= set(names)
    family = rds.get_paginator("describe_engine_default_parameters").paginate(DBParameterGroupFamily="postgres18")
    assert [one["ParameterName"] for page in family for one in page["EngineDefaults"]["Parameters"]] == names


def test_mysql_and_mariadb_have_mariadbs_parameters(rds: Any) -> None:
    """The families of MySQL, Aurora MySQL and MariaDB have the parameters of the server that serves them."""
    for family in ("mysql8.0", "mariadb10.11", "aurora-mysql8.0"):
        wanted = [{"Name": "parameter-name", "Values": ["max_allowed_packet", "require_secure_transport"]}]
        found = rds.describe_engine_default_parameters(DBParameterGroupFamily=family, Filters=wanted)["EngineDefaults"]["Parameters"]
        assert [one["ParameterName"] for one in found] == ["max_allowed_packet", "require_secure_transport"]


def test_what_a_policy_lets_somebody_do(cloud: Cloud, rds: Any, refused: Any) -> None:
    """A policy that names a group lets its user change that one; tags of groups and of requests are conditions."""
    for name, tags in (("one", [{"Key": "team", "Value": "a"}]), ("two", [])):
        rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="postgres18", Description="d", Tags=tags)
    narrow = person(cloud, "narrow", allow("rds:ModifyDBParameterGroup", arn("pg", "one")))
    _set(narrow, "one", "work_mem", "64")
    assert refused(_set, narrow, "two", "work_mem", "64")[0] == "AccessDenied"
    for number, key in enumerate(("aws:ResourceTag/team", "rds:pg-tag/team")):
        tagged = person(cloud, f"tagged{number}", allow("rds:DeleteDBParameterGroup", StringEquals={key: "a"}))
        assert refused(tagged.delete_db_parameter_group, DBParameterGroupName="two")[0] == "AccessDenied"
    tagged.delete_db_parameter_group(DBParameterGroupName="one")
    asking = person(
        cloud,
        "asking",
        allow(["rds:CreateDBParameterGroup", "rds:AddTagsToResource"], StringEquals={"rds:req-tag/team": "a"}),
    )
    members = {"DBParameterGroupFamily": "postgres18", "Description": "d"}
    assert refused(asking.create_db_parameter_group, DBParameterGroupName="x", **members)[0] == "AccessDenied"
    asking.create_db_parameter_group(DBParameterGroupName="x", Tags=[{"Key": "team", "Value": "a"}], **members)
    untagging = person(cloud, "untagging", allow("rds:CreateDBParameterGroup"))
    untagging.create_db_parameter_group(DBParameterGroupName="y", **members)
    denied = refused(untagging.create_db_parameter_group, DBParameterGroupName="z", Tags=[{"Key": "a", "Value": "b"}], **members)
    assert denied[0] == "AccessDenied"
    assert "rds:AddTagsToResource" in denied[1]


# What groups do


def _node(stage: Stage) -> dict[str, str]:
    (wanted,) = stage.wanted.values()
    return wanted.nodes[0].parameters


def test_an_instances_group_reaches_its_node(cloud: Cloud, rds: Any, stage: Stage, plain: Any, group: str) -> None:
    """What a group sets is what its instance's node is told, at once when it changes; RDS's own names are not among it."""
    _set(rds, group, "work_mem", "8192")
    plain("db", DBParameterGroupName=group)
    assert _node(stage)["work_mem"] == "8192"
    _set(rds, group, "work_mem", "64")
    _set(rds, group, "rds.force_ssl", "0")
    _set(rds, group, "rds.logical_replication", "1", "pending-reboot")
    cloud.settle()
    told = _node(stage)
    assert (told["work_mem"], told["wal_level"]) == ("64", "logical")
    assert not {"rds.force_ssl", "rds.logical_replication"} & told.keys()


def test_force_ssl_is_on_unless_it_is_set_otherwise(cloud: Cloud, rds: Any, stage: Stage, plain: Any, group: str) -> None:
    """RDS's default refuses clients without TLS; a group that sets rds.force_ssl to 0 lets them in."""
    plain("db", DBParameterGroupName=group)
    (wanted,) = stage.wanted.values()
    assert wanted.tls_only
    _set(rds, group, "rds.force_ssl", "0")
    cloud.settle()
    (wanted,) = stage.wanted.values()
    assert not wanted.tls_only


def test_formulas_are_computed_for_the_class(rds: Any, stage: Stage, plain: Any, group: str) -> None:
    """A formula comes to what the instance's class has: an m6g.large has 8 GiB."""
    _set(rds, group, "max_connections", "{DBInstanceClassMemory/9531392}", "pending-reboot")
    plain("db", DBParameterGroupName=group)
    assert _node(stage)["max_connections"] == str((8 << 30) // 9531392)


def test_pending_reboot_waits_for_a_reboot(cloud: Cloud, rds: Any, stage: Stage, plain: Any, group: str) -> None:
    """A dynamic parameter that is to wait for a reboot is seen by the node that is rebooted, and the instance says that it waits."""
    plain("db", DBParameterGroupName=group)
    cloud.advance(1)
    _set(rds, group, "work_mem", "8192", "pending-reboot")
    cloud.settle()
    assert "work_mem" not in _node(stage)
    status = rds.describe_db_instances(DBInstanceIdentifier="db")["DBInstances"][0]["DBParameterGroups"][0]
    assert status == {"DBParameterGroupName": group, "ParameterApplyStatus": "pending-reboot"}
    cloud.advance(1)
    rds.reboot_db_instance(DBInstanceIdentifier="db")
    cloud.settle()
    assert _node(stage)["work_mem"] == "8192"
    status = rds.describe_db_instances(DBInstanceIdentifier="db")["DBInstances"][0]["DBParameterGroups"][0]
    assert status["ParameterApplyStatus"] == "in-sync"


def test_a_clusters_group_reaches_all_of_its_nodes(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> None:
    """A DB cluster parameter group's values reach the cluster, those of an instance's own group its node, where they count first."""
    family = {"DBParameterGroupFamily": "aurora-postgresql18", "Description": "d"}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="shared", **family)
    given = {"ParameterName": "work_mem", "ParameterValue": "8192", "ApplyMethod": "immediate"}
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="shared", Parameters=[given])
    rds.create_db_parameter_group(DBParameterGroupName="own", **family)
    _set(rds, "own", "work_mem", "64")
    aurora("c", 2, DBClusterParameterGroupName="shared")
    rds.modify_db_instance(DBInstanceIdentifier="c-1", DBParameterGroupName="own", ApplyImmediately=True)
    cloud.settle()
    (wanted,) = stage.wanted.values()
    seen = {node.parameters.get("work_mem", wanted.parameters.get("work_mem")) for node in wanted.nodes}
    assert seen == {"8192", "64"}


def test_a_group_in_use_is_not_deleted(rds: Any, plain: Any, aurora: Any, group: str, refused: Any) -> None:
    """A group that an instance or a cluster uses stays; one of another family cannot be used."""
    plain("db", DBParameterGroupName=group)
    problem = refused(rds.delete_db_parameter_group, DBParameterGroupName=group)
    assert problem[0] == "InvalidDBParameterGroupState"
    rds.create_db_parameter_group(DBParameterGroupName="old", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    wrong = refused(rds.modify_db_instance, DBInstanceIdentifier="db", DBParameterGroupName="old")
    assert wrong[0] == "InvalidParameterCombination"
    assert refused(rds.modify_db_instance, DBInstanceIdentifier="db", DBParameterGroupName="no")[0] == "DBParameterGroupNotFound"
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="c", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    aurora("c", DBClusterParameterGroupName="c")
    assert refused(rds.delete_db_cluster_parameter_group, DBClusterParameterGroupName="c")[0] == "InvalidDBParameterGroupState"
