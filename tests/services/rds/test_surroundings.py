"""Tags, option groups, engine versions, certificates, quotas, log files."""

from __future__ import annotations

from typing import Any

from fogbank.testing import Cloud

from .people import allow, arn, person
from .stage import Stage


def test_tags_of_everything(cloud: Cloud, rds: Any, aurora: Any, plain: Any, refused: Any) -> None:
    """Whatever has an ARN is tagged the same way; a tag goes by its key."""
    aurora("c")
    plain("db")
    rds.create_db_parameter_group(DBParameterGroupName="g", DBParameterGroupFamily="postgres18", Description="d")
    rds.create_option_group(OptionGroupName="o", EngineName="postgres", MajorEngineVersion="18", OptionGroupDescription="d")
    for kind, name in (("cluster", "c"), ("db", "db"), ("db", "c-0"), ("pg", "g"), ("og", "o")):
        place = arn(kind, name)
        rds.add_tags_to_resource(ResourceName=place, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        rds.add_tags_to_resource(ResourceName=place, Tags=[{"Key": "a", "Value": "3"}])
        rds.remove_tags_from_resource(ResourceName=place, TagKeys=["b", "none"])
        assert rds.list_tags_for_resource(ResourceName=place)["TagList"] == [{"Key": "a", "Value": "3"}]
    assert refused(rds.list_tags_for_resource, ResourceName=arn("pg", "no"))[0] == "DBParameterGroupNotFound"
    assert refused(rds.list_tags_for_resource, ResourceName=arn("cluster", "no"))[0] == "DBClusterNotFoundFault"
    assert refused(rds.list_tags_for_resource, ResourceName="g")[0] == "InvalidParameterValue"
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert refused(rds.add_tags_to_resource, ResourceName=arn("pg", "g"), Tags=many)[0] == "InvalidParameterValue"
    wrong = [{"Key": "aws:x", "Value": ""}]
    assert refused(rds.add_tags_to_resource, ResourceName=arn("pg", "g"), Tags=wrong)[0] == "InvalidParameterValue"


def test_tags_that_a_policy_lets_somebody_set(cloud: Cloud, rds: Any, refused: Any) -> None:
    """A policy for one resource, or for some keys only, holds for tagging."""
    for name in ("one", "two"):
        rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="postgres18", Description="d")
    keys = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    narrow = person(cloud, "narrow", allow("rds:AddTagsToResource", arn("pg", "one"), **keys))
    narrow.add_tags_to_resource(ResourceName=arn("pg", "one"), Tags=[{"Key": "team", "Value": "a"}])
    for place, key in (("two", "team"), ("one", "other")):
        denied = refused(narrow.add_tags_to_resource, ResourceName=arn("pg", place), Tags=[{"Key": key, "Value": "a"}])
        assert denied[0] == "AccessDenied"


def test_option_groups_hold_nothing(rds: Any, plain: Any, refused: Any) -> None:
    """A group is made, copied, used and deleted; an option is refused by its name."""
    made = rds.create_option_group(OptionGroupName="Mine", EngineName="mysql", MajorEngineVersion="8.0", OptionGroupDescription="d")
    assert made["OptionGroup"]["OptionGroupArn"] == arn("og", "mine")
    assert made["OptionGroup"]["Options"] == []
    code, message = refused(rds.modify_option_group, OptionGroupName="mine", OptionsToInclude=[{"OptionName": "MARIADB_AUDIT_PLUGIN"}])
    assert (code, "MARIADB_AUDIT_PLUGIN" in message) == ("NotImplemented", True)
    copied = rds.copy_option_group(
        SourceOptionGroupIdentifier="mine", TargetOptionGroupIdentifier="copy", TargetOptionGroupDescription="e"
    )["OptionGroup"]
    assert (copied["SourceOptionGroup"], copied["EngineName"]) == ("mine", "mysql")
    names = {one["OptionGroupName"] for one in rds.describe_option_groups(EngineName="mysql")["OptionGroupsList"]}
    assert names == {"default:mysql-8-0", "mine", "copy"}
    assert refused(rds.delete_option_group, OptionGroupName="default:mysql-8-0")[0] == "InvalidOptionGroupStateFault"
    plain("db", Engine="mysql", OptionGroupName="mine")
    assert refused(rds.delete_option_group, OptionGroupName="mine")[0] == "InvalidOptionGroupStateFault"
    rds.delete_option_group(OptionGroupName="copy")
    assert refused(rds.describe_option_groups, OptionGroupName="copy")[0] == "OptionGroupNotFoundFault"
    assert rds.describe_option_group_options(EngineName="mysql")["OptionGroupOptions"] == []


def test_versions_are_those_of_the_machine(rds: Any, refused: Any) -> None:
    """The versions that are listed can be made, by their number or their major version; any other is refused."""
    found = rds.describe_db_engine_versions(Engine="aurora-postgresql", DefaultOnly=True)["DBEngineVersions"]
    assert len(found) == 1
    version = found[0]
    assert version["DBParameterGroupFamily"] == f"aurora-postgresql{version['MajorEngineVersion']}"
    assert rds.describe_db_engine_versions(Engine="aurora-postgresql", EngineVersion="9.6")["DBEngineVersions"] == []
    given = {"Engine": "aurora-postgresql", "MasterUsername": "boss", "MasterUserPassword": "correct-horse"}
    made = rds.create_db_cluster(DBClusterIdentifier="c", EngineVersion=version["MajorEngineVersion"], **given)["DBCluster"]
    assert made["EngineVersion"] == version["EngineVersion"]
    code, message = refused(rds.create_db_cluster, DBClusterIdentifier="d", EngineVersion="9.6", **given)
    assert code == "InvalidParameterCombination"
    assert message.startswith("Cannot find version 9.6 for aurora-postgresql")
    wanted = [{"Name": "engine", "Values": ["postgres", "mysql"]}]
    assert {one["Engine"] for one in rds.describe_db_engine_versions(Filters=wanted)["DBEngineVersions"]} >= {"postgres"}
    majors = rds.describe_db_major_engine_versions(Engine="postgres")["DBMajorEngineVersions"]
    assert [one["MajorEngineVersion"] for one in majors] == sorted(one["MajorEngineVersion"] for one in majors)


def test_mysql_says_what_it_is(rds: Any) -> None:
    """What MariaDB serves in MySQL's place says so."""
    for version in rds.describe_db_engine_versions(Engine="aurora-mysql")["DBEngineVersions"]:
        assert "MariaDB" in version["DBEngineVersionDescription"]


def test_what_can_be_ordered(rds: Any, refused: Any) -> None:
    """Every class that is listed for an engine can be had; Aurora has none of the small ones. Pages make up the whole."""
    listed = rds.get_paginator("describe_orderable_db_instance_options").paginate(
        Engine="aurora-postgresql", PaginationConfig={"PageSize": 20}
    )
    options = [one for page in listed for one in page["OrderableDBInstanceOptions"]]
    classes = {one["DBInstanceClass"] for one in options}
    assert {"db.serverless", "db.r6g.large", "db.t4g.medium"} <= classes
    assert "db.t3.micro" not in classes
    only = rds.describe_orderable_db_instance_options(Engine="postgres", DBInstanceClass="db.t3.micro")["OrderableDBInstanceOptions"]
    assert {one["StorageType"] for one in only} >= {"gp3", "io1"}
    given = {"DBInstanceIdentifier": "i", "Engine": "postgres", "MasterUsername": "boss", "MasterUserPassword": "correct-horse"}
    wrong = refused(rds.create_db_instance, DBInstanceClass="db.x9.mega", AllocatedStorage=20, **given)
    assert wrong == ("InvalidParameterValue", "Invalid DB Instance class: db.x9.mega")


def test_what_an_instance_can_be_changed_to(rds: Any, plain: Any, aurora: Any) -> None:
    """An instance by itself can have more storage; one of a cluster has none of its own."""
    plain("db")
    storage = rds.describe_valid_db_instance_modifications(DBInstanceIdentifier="db")["ValidDBInstanceModificationsMessage"]["Storage"]
    assert {one["StorageType"]: one["StorageSize"][0]["From"] for one in storage}["gp3"] == 20
    aurora("c")
    found = rds.describe_valid_db_instance_modifications(DBInstanceIdentifier="c-0")["ValidDBInstanceModificationsMessage"]
    assert not found.get("Storage")


def test_an_account_chooses_its_authority(rds: Any, refused: Any) -> None:
    """The default authority for new instances is the account's choice, until that is taken back."""
    assert rds.describe_certificates()["DefaultCertificateForNewLaunches"] == "rds-ca-rsa2048-g1"
    rds.modify_certificates(CertificateIdentifier="rds-ca-ecc384-g1")
    after = rds.describe_certificates()
    assert after["DefaultCertificateForNewLaunches"] == "rds-ca-ecc384-g1"
    assert [one["CertificateIdentifier"] for one in after["Certificates"] if one["CustomerOverride"]] == ["rds-ca-ecc384-g1"]
    rds.modify_certificates(RemoveCustomerOverride=True)
    assert rds.describe_certificates()["DefaultCertificateForNewLaunches"] == "rds-ca-rsa2048-g1"
    assert refused(rds.describe_certificates, CertificateIdentifier="no")[0] == "CertificateNotFound"


def test_quotas_count_what_there_is(rds: Any, plain: Any) -> None:
    """DescribeAccountAttributes counts instances, storage and groups."""
    plain("db", AllocatedStorage=30)
    rds.create_db_parameter_group(DBParameterGroupName="g", DBParameterGroupFamily="postgres18", Description="d")
    used = {one["AccountQuotaName"]: one["Used"] for one in rds.describe_account_attributes()["AccountQuotas"]}
    assert (used["DBInstances"], used["AllocatedStorage"], used["DBParameterGroups"], used["DBClusters"]) == (1, 30, 1, 0)


def test_source_regions(rds: Any, refused: Any) -> None:
    """All other regions of the partition are sources."""
    names = [one["RegionName"] for one in rds.describe_source_regions()["SourceRegions"]]
    assert "eu-west-1" in names
    assert not {"us-east-1", "cn-north-1"} & set(names)
    assert refused(rds.describe_source_regions, RegionName="us-east-1")[0] == "InvalidParameterValue"


def test_nothing_waits_for_maintenance(rds: Any, plain: Any, refused: Any) -> None:
    """There is no pending maintenance, so none can be applied."""
    plain("db")
    assert rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []
    given = {"ResourceIdentifier": arn("db", "db"), "ApplyAction": "system-update", "OptInType": "immediate"}
    assert refused(rds.apply_pending_maintenance_action, **given)[0] == "ResourceNotFoundFault"


def test_log_files(rds: Any, stage: Stage, plain: Any, refused: Any, monkeypatch: Any) -> None:
    """Log files are listed with their size, and read in whole lines: from the start, going on, and the last ones."""
    plain("db")
    text = b"".join(b"line %d\n" % number for number in range(100))
    monkeypatch.setattr(
        stage, "files", lambda cluster, node: [("postgresql.log", len(text), 0), ("mysql-slowquery.log", 0, 0), ("own", 1, 1)]
    )
    monkeypatch.setattr(stage, "read", lambda cluster, node, name, offset, length: text[offset : offset + length])
    files = rds.describe_db_log_files(DBInstanceIdentifier="db", FilenameContains="postgres")["DescribeDBLogFiles"]
    assert [(one["LogFileName"], one["Size"]) for one in files] == [("error/postgresql.log", len(text))]
    assert len(rds.describe_db_log_files(DBInstanceIdentifier="db")["DescribeDBLogFiles"]) == 2
    assert len(rds.describe_db_log_files(DBInstanceIdentifier="db", FileSize=10)["DescribeDBLogFiles"]) == 1
    read = {"DBInstanceIdentifier": "db", "LogFileName": "error/postgresql.log"}
    first = rds.download_db_log_file_portion(Marker="0", NumberOfLines=2, **read)
    assert (first["LogFileData"], first["AdditionalDataPending"]) == ("line 0\nline 1\n", True)
    second = rds.download_db_log_file_portion(Marker=first["Marker"], NumberOfLines=1, **read)
    assert second["LogFileData"] == "line 2\n"
    assert rds.download_db_log_file_portion(NumberOfLines=2, **read)["LogFileData"] == "line 98\nline 99\n"
    whole = rds.download_db_log_file_portion(**read)
    assert (whole["LogFileData"].encode(), whole["AdditionalDataPending"]) == (text, False)
    pages = rds.get_paginator("download_db_log_file_portion").paginate(**read, PaginationConfig={"PageSize": 30, "StartingToken": "0"})
    assert "".join(page["LogFileData"] for page in pages).encode() == text
    assert refused(rds.download_db_log_file_portion, DBInstanceIdentifier="db", LogFileName="no")[0] == "DBLogFileNotFoundFault"
    assert refused(rds.describe_db_log_files, DBInstanceIdentifier="no")[0] == "DBInstanceNotFound"
