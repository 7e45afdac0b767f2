"""Exports to S3."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest

from fogbank.engines.spec import Column, Result
from fogbank.services.rds.exports import _DATABASES, _TABLES
from fogbank.testing import Cloud

from .conftest import refused
from .stage import Stage

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "export.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def asked(cloud: Cloud, rds: Any, stage: Stage, aurora: Any) -> dict[str, Any]:
    """What StartExportTask is called with, for a snapshot `s`."""
    aurora()
    arn = rds.create_db_cluster_snapshot(DBClusterIdentifier="c", DBClusterSnapshotIdentifier="s")["DBClusterSnapshot"][
        "DBClusterSnapshotArn"
    ]
    cloud.settle()
    cloud.client("s3").create_bucket(Bucket="out")
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    text, number = Column("name", "text", 25), Column("id", "int4", 23)
    stage.answers = {
        "BEGIN": Result((), [], 0),
        _DATABASES["postgres"]: Result((text,), [("shop",)], 0),
        _TABLES["postgres"]: Result((text, text), [("public", "buyers"), ("public", "empty")], 0),
        'DECLARE export NO SCROLL CURSOR FOR SELECT * FROM "public"."buyers"': Result((), [], 0),
        'DECLARE export NO SCROLL CURSOR FOR SELECT * FROM "public"."empty"': Result((), [], 0),
        "FETCH 20000 FROM export": Result(
            (number, text, Column("sum", "numeric", 1700)), [(1, "Ann", Decimal("2.50")), (2, None, None)], 0
        ),
    }
    return {"ExportTaskIdentifier": "e", "SourceArn": arn, "S3BucketName": "out", "S3Prefix": "p", "IamRoleArn": role, "KmsKeyId": key}


def test_exported(cloud: Cloud, rds: Any, stage: Stage, asked: dict[str, Any]) -> None:
    """Each table of a snapshot is a Parquet file, encrypted under the key; the fork that was read is gone."""
    import pyarrow.parquet

    assert rds.start_export_task(**asked)["Status"] == "STARTING"
    cloud.settle()
    (task,) = rds.describe_export_tasks(ExportTaskIdentifier="e")["ExportTasks"]
    assert (task["Status"], task["PercentProgress"], task.get("FailureCause")) == ("COMPLETE", 100, None)
    s3 = cloud.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="out")["Contents"]]
    first = "p/e/shop/public.buyers/1/part-00000.gz.parquet"
    assert keys == ["p/e/export_info_e.json", first, "p/e/shop/public.empty/1/part-00000.gz.parquet"]
    answer = s3.get_object(Bucket="out", Key=first)
    assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", asked["KmsKeyId"])
    table = pyarrow.parquet.read_table(io.BytesIO(answer["Body"].read()))
    assert table.to_pydict() == {"id": [1, 2], "name": ["Ann", None], "sum": ["2.50", None]}
    assert len(stage.wanted) == 1
    assert [volume.startswith("export-") for volume in stage.forgotten] == [True]


def test_some(cloud: Cloud, rds: Any, stage: Stage, asked: dict[str, Any]) -> None:
    """ExportOnly names databases, schemas or tables; none of that name is a failure that says so."""
    rds.start_export_task(**asked, ExportOnly=["shop.public.empty"])
    rds.start_export_task(**{**asked, "ExportTaskIdentifier": "f"}, ExportOnly=["elsewhere"])
    cloud.settle()
    keys = [each["Key"] for each in cloud.client("s3").list_objects_v2(Bucket="out", Prefix="p/e/shop")["Contents"]]
    assert keys == ["p/e/shop/public.empty/1/part-00000.gz.parquet"]
    (task,) = rds.describe_export_tasks(ExportTaskIdentifier="f")["ExportTasks"]
    assert (task["Status"], task["FailureCause"]) == ("FAILED", "There are no tables that ExportOnly names.")


def test_refused(cloud: Cloud, rds: Any, stage: Stage, asked: dict[str, Any]) -> None:
    """The bucket, the role, the key and the source are looked at first; an export that is over can't be canceled."""
    start = rds.start_export_task
    assert refused(start, **{**asked, "S3BucketName": "nowhere"})[0] == "InvalidS3BucketFault"
    assert refused(start, **{**asked, "IamRoleArn": "arn:aws:iam::000000000000:role/none"})[0] == "IamRoleMissingPermissions"
    assert refused(start, **{**asked, "KmsKeyId": "alias/none"})[0] == "KMSKeyNotAccessibleFault"
    assert refused(start, **{**asked, "SourceArn": asked["SourceArn"] + "x"})[0] == "DBClusterSnapshotNotFoundFault"
    start(**asked)
    cloud.settle()
    assert refused(start, **asked)[0] == "ExportTaskAlreadyExists"
    assert refused(rds.cancel_export_task, ExportTaskIdentifier="e")[0] == "InvalidExportTaskStateFault"


def test_canceled(cloud: Cloud, rds: Any, stage: Stage, asked: dict[str, Any]) -> None:
    """An export that is canceled writes no more, and its fork goes."""
    stage.held = True
    rds.start_export_task(**asked)
    assert rds.cancel_export_task(ExportTaskIdentifier="e")["Status"] == "CANCELING"
    stage.go()
    assert rds.describe_export_tasks()["ExportTasks"][0]["Status"] == "CANCELED"
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket="out")
