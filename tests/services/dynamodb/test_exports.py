"""Exports to S3 and imports from it."""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard

from fogbank.services.dynamodb import exporting

from .conftest import index, key_schema, plain, wire

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/"


@pytest.fixture
def s3(cloud: Any) -> Any:
    client = cloud.client("s3")
    client.create_bucket(Bucket="bkt")
    return client


@pytest.fixture
def table(make: Any, db: Any) -> str:
    name: str = make("table", "pk", "sk")
    db.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    return name


def keys(s3: Any, prefix: str = "") -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="bkt", Prefix=prefix).get("Contents", [])]


def body(s3: Any, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket="bkt", Key=key)["Body"].read()
    return content


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def exported(cloud: Any, db: Any, **members: Any) -> dict[str, Any]:
    made = db.export_table_to_point_in_time(TableArn=ARN + "table", S3Bucket="bkt", **members)["ExportDescription"]
    assert made["ExportStatus"] == "IN_PROGRESS"
    cloud.settle()
    told: dict[str, Any] = db.describe_export(ExportArn=made["ExportArn"])["ExportDescription"]
    return told


def lines(s3: Any, export: dict[str, Any]) -> list[dict[str, Any]]:
    """All lines of an export's data files, as its manifests tell of them; what they tell is checked."""
    summary = json.loads(body(s3, export["ExportManifest"]))
    content = body(s3, summary["manifestFilesS3Key"])
    for name, text in ((export["ExportManifest"], body(s3, export["ExportManifest"])), (summary["manifestFilesS3Key"], content)):
        assert b64decode(body(s3, name.replace(".json", ".checksum"))) == hashlib.md5(text).digest()
    found = []
    for file in map(json.loads, content.splitlines()):
        packed = s3.get_object(Bucket="bkt", Key=file["dataFileS3Key"])
        data = packed["Body"].read()
        assert b64decode(file["md5Checksum"]) == hashlib.md5(data).digest()
        assert packed["ETag"].strip('"') == file["etag"]
        part = [json.loads(line) for line in gzip.decompress(data).splitlines()]
        assert len(part) == file["itemCount"]
        found += part
    assert len(found) == summary["itemCount"] == export["ItemCount"]
    return found


def test_a_table_as_it_was(cloud: Any, db: Any, s3: Any, table: str) -> None:
    """A full export has every item of its second, in DynamoDB JSON, with manifests that name files, sums and counts."""
    for n in range(30):
        db.put_item(TableName=table, Item=wire(pk="x", sk=f"{n:02}", n=n))
    cloud.advance(60)
    then_ms = cloud.now_ms
    cloud.advance(60)
    db.put_item(TableName=table, Item=wire(pk="x", sk="00", n=99))
    export = exported(cloud, db, ExportTime=at(then_ms), S3Prefix="a/b")
    assert export["ExportStatus"] == "COMPLETED"
    assert export["ExportFormat"] == "DYNAMODB_JSON"
    assert export["ExportTime"].timestamp() == then_ms // 1000
    found = lines(s3, export)
    assert {line["Item"]["sk"]["S"]: plain(line["Item"])["n"] for line in found} == {f"{n:02}": n for n in range(30)}
    id = export["ExportArn"].rpartition("/")[2]
    assert all(key.startswith(f"a/b/AWSDynamoDB/{id}/") for key in keys(s3))
    assert f"a/b/AWSDynamoDB/{id}/_started" in keys(s3)
    summary = json.loads(body(s3, export["ExportManifest"]))
    assert summary["version"] == "2020-06-30"
    assert summary["outputFormat"] == "DYNAMODB_JSON"
    assert summary["exportArn"] == export["ExportArn"]
    assert summary["tableArn"] == ARN + table
    assert [one["ExportArn"] for one in db.list_exports(TableArn=ARN + table)["ExportSummaries"]] == [export["ExportArn"]]


def test_what_changed(cloud: Any, db: Any, s3: Any, table: str) -> None:
    """An incremental export has what was inserted, changed and deleted in its span, with both images and when that was."""
    for sk in ("same", "changed", "deleted"):
        db.put_item(TableName=table, Item=wire(pk="x", sk=sk, n=1))
    cloud.advance(60)
    from_ms = cloud.now_ms // 1000 * 1000
    cloud.advance(600)
    written_ms = cloud.now_ms
    db.put_item(TableName=table, Item=wire(pk="x", sk="changed", n=2))
    db.put_item(TableName=table, Item=wire(pk="x", sk="inserted", n=2))
    db.delete_item(TableName=table, Key=wire(pk="x", sk="deleted"))
    cloud.advance(600)
    to_ms = cloud.now_ms // 1000 * 1000
    cloud.advance(1)
    db.put_item(TableName=table, Item=wire(pk="x", sk="later", n=3))
    span = {"ExportFromTime": at(from_ms), "ExportToTime": at(to_ms)}
    export = exported(cloud, db, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=span)
    found = {line["Keys"]["sk"]["S"]: line for line in lines(s3, export)}
    assert {sk: tuple(plain(line[m])["n"] if m in line else None for m in ("OldImage", "NewImage")) for sk, line in found.items()} == {
        "changed": (1, 2),
        "inserted": (None, 2),
        "deleted": (1, None),
    }
    assert {line["Metadata"]["WriteTimestampMicros"] for line in found.values()} == {str(written_ms * 1000)}
    assert json.loads(body(s3, export["ExportManifest"]))["outputView"] == "NEW_AND_OLD_IMAGES"
    new = exported(cloud, db, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification={**span, "ExportViewType": "NEW_IMAGE"})
    assert all("OldImage" not in line for line in lines(s3, new))


def test_refused_exports(cloud: Any, db: Any, s3: Any, table: str, make: Any, refused: Any) -> None:
    """No export without recovery, outside its window, of a span too short, to a bucket that is not there, in Ion."""
    wanted: dict[str, Any] = {"TableArn": ARN + table, "S3Bucket": "bkt"}
    early = at(cloud.now_ms - 100_000)
    assert refused(db.export_table_to_point_in_time, **wanted, ExportTime=early)[0] == "InvalidExportTimeException"
    cloud.advance(3600)
    span = {"ExportFromTime": at(cloud.now_ms - 300_000), "ExportToTime": at(cloud.now_ms - 1000)}
    incremental = {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": span}
    assert refused(db.export_table_to_point_in_time, **wanted, **incremental)[0] == "ValidationException"
    assert refused(db.export_table_to_point_in_time, **wanted, ExportFormat="ION")[0] == "NotImplemented"
    assert refused(db.export_table_to_point_in_time, **{**wanted, "S3Bucket": "nothing"})[0] == "ValidationException"
    make("other", "pk")
    other = {"TableArn": ARN + "other", "S3Bucket": "bkt"}
    assert refused(db.export_table_to_point_in_time, **other)[0] == "PointInTimeRecoveryUnavailableException"
    assert refused(db.export_table_to_point_in_time, TableArn=ARN + "none", S3Bucket="bkt")[0] == "TableNotFoundException"
    assert refused(db.describe_export, ExportArn=ARN + "table/export/01234567890123-01234567")[0] == "ExportNotFoundException"
    assert keys(s3) == []


def test_tokens(cloud: Any, db: Any, s3: Any, table: str, refused: Any) -> None:
    """The same call with the same token is the same export for eight hours; another call with it is refused."""
    wanted = {"TableArn": ARN + table, "S3Bucket": "bkt", "ClientToken": "t"}
    first = db.export_table_to_point_in_time(**wanted)["ExportDescription"]["ExportArn"]
    cloud.settle()
    assert db.export_table_to_point_in_time(**wanted)["ExportDescription"]["ExportArn"] == first
    assert refused(db.export_table_to_point_in_time, **wanted, S3Prefix="x")[0] == "ExportConflictException"
    cloud.advance(8 * 3600)
    assert db.export_table_to_point_in_time(**wanted)["ExportDescription"]["ExportArn"] != first
    cloud.settle()
    page = db.list_exports(MaxResults=1)
    rest = db.list_exports(MaxResults=1, NextToken=page["NextToken"])
    assert [one["ExportArn"] for one in page["ExportSummaries"] + rest["ExportSummaries"]][1] == first
    assert "NextToken" not in rest


def test_an_export_is_its_caller_s(cloud: Any, db: Any, s3: Any, table: str) -> None:
    """Whoever exports needs the right to write the bucket, from the beginning to the end; what is taken away meanwhile makes it fail."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])

    def allow(*actions: str) -> None:
        listed = ",".join(f'"{action}"' for action in actions)
        document = f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{listed}],"Resource":"*"}}]}}'
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)

    allow("dynamodb:ExportTableToPointInTime")
    with pytest.raises(theirs.exceptions.ClientError, match=r"AccessDenied.*s3:PutObject"):
        theirs.export_table_to_point_in_time(TableArn=ARN + table, S3Bucket="bkt")
    allow("dynamodb:*", "s3:PutObject")
    arn = theirs.export_table_to_point_in_time(TableArn=ARN + table, S3Bucket="bkt")["ExportDescription"]["ExportArn"]
    cloud.settle()
    assert db.describe_export(ExportArn=arn)["ExportDescription"]["ExportStatus"] == "COMPLETED"


# imports


def load(cloud: Any, db: Any, name: str = "new", wait: bool = True, **members: Any) -> dict[str, Any]:
    creation = {
        "TableName": name,
        "KeySchema": key_schema("pk", "sk"),
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    made = db.import_table(
        S3BucketSource={"S3Bucket": "bkt", "S3KeyPrefix": "in/"}, TableCreationParameters=creation | members.pop("creation", {}), **members
    )["ImportTableDescription"]
    cloud.settle()
    told: dict[str, Any] = db.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]
    return told


def there(db: Any, name: str = "new") -> dict[str, Any]:
    return {f"{item['pk']}{item['sk']}": item for item in map(plain, db.scan(TableName=name)["Items"])}


@pytest.mark.parametrize(("compression", "pack"), [("NONE", bytes), ("GZIP", gzip.compress), ("ZSTD", zstandard.ZstdCompressor().compress)])
def test_json_is_imported(cloud: Any, db: Any, s3: Any, compression: str, pack: Any) -> None:
    """Every object under the prefix is read, line by line; what is no item of the table is counted and left out."""
    good = [json.dumps({"Item": wire(pk="x", sk=n, more={"a": [1]})}) for n in range(1500)]
    bad = ["not JSON", json.dumps({"Item": wire(pk="x", sk="text")}), json.dumps({"Item": wire(sk=1)}), json.dumps({"Other": {}})]
    s3.put_object(Bucket="bkt", Key="in/1", Body=pack("\n".join(good + bad).encode()))
    s3.put_object(Bucket="bkt", Key="in/2", Body=pack((json.dumps({"Item": wire(pk="y", sk=1)}) + "\n").encode()))
    s3.put_object(Bucket="bkt", Key="other", Body=b"x")
    gsi = {"GlobalSecondaryIndexes": [index("by_sk", "sk")]}
    told = load(cloud, db, InputFormat="DYNAMODB_JSON", InputCompressionType=compression, creation=gsi)
    assert told["ImportStatus"] == "COMPLETED"
    assert (told["ProcessedItemCount"], told["ImportedItemCount"], told["ErrorCount"]) == (1505, 1501, 4)
    assert len(there(db)) == 1501
    assert there(db)["x7"]["more"] == {"a": [1]}
    assert db.describe_table(TableName="new")["Table"]["TableStatus"] == "ACTIVE"
    assert (
        db.query(TableName="new", IndexName="by_sk", KeyConditionExpression="sk = :s", ExpressionAttributeValues={":s": {"N": "1"}})[
            "Count"
        ]
        == 2
    )
    [summary] = db.list_imports()["ImportSummaryList"]
    assert summary["ImportArn"] == told["ImportArn"]
    assert summary["ImportStatus"] == "COMPLETED"
    assert not cloud.problems()


def test_csv_is_imported(cloud: Any, db: Any, s3: Any) -> None:
    """A CSV file's first line names the attributes, unless a list of names is given; keys have their types, all else is text."""
    s3.put_object(Bucket="bkt", Key="in/a.csv", Body=b'pk,sk,text\nx,1,"a, ""b"""\nx,2,3\nx,three,bad\nx\n')
    told = load(cloud, db, InputFormat="CSV")
    assert (told["ImportedItemCount"], told["ErrorCount"]) == (2, 2)
    assert list(there(db).values()) == [{"pk": "x", "sk": 1, "text": 'a, "b"'}, {"pk": "x", "sk": 2, "text": "3"}]
    s3.put_object(Bucket="bkt", Key="in/a.csv", Body=b"x;1;a\ny;2;b\n")
    options = {"Csv": {"Delimiter": ";", "HeaderList": ["pk", "sk", "z"]}}
    load(cloud, db, "second", InputFormat="CSV", InputFormatOptions=options)
    assert there(db, "second")["y2"] == {"pk": "y", "sk": 2, "z": "b"}


def test_what_was_exported_is_imported(cloud: Any, db: Any, s3: Any, table: str) -> None:
    """An export's data files make the same table again."""
    for n in range(20):
        db.put_item(TableName=table, Item=wire(pk="x", sk=f"{n}", n=n, blob=b"\0\xff", tags={"a", "b"}))
    export = exported(cloud, db, S3Prefix="in")
    id = export["ExportArn"].rpartition("/")[2]
    creation = {"AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]}
    made = db.import_table(
        S3BucketSource={"S3Bucket": "bkt", "S3KeyPrefix": f"in/AWSDynamoDB/{id}/data/"},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters={"TableName": "copy", "KeySchema": key_schema("pk", "sk"), "BillingMode": "PAY_PER_REQUEST", **creation},
    )
    cloud.settle()
    assert db.describe_import(ImportArn=made["ImportTableDescription"]["ImportArn"])["ImportTableDescription"]["ErrorCount"] == 0
    assert there(db, "copy") == there(db, table)


def test_a_line_without_end(cloud: Any, db: Any, s3: Any) -> None:
    """A line that is nested beyond reading is an error like others."""
    deep = b'{"Item":{"pk":{"S":"y"},"sk":' + b'{"L":[' * 20_000 + b"]}" * 20_000 + b"}}"
    s3.put_object(Bucket="bkt", Key="in/1", Body=deep + b"\n" + json.dumps({"Item": wire(pk="x", sk=1)}).encode())
    told = load(cloud, db, InputFormat="DYNAMODB_JSON")
    assert (told["ImportStatus"], told["ErrorCount"], told["ImportedItemCount"]) == ("COMPLETED", 1, 1)


def test_failed_imports(cloud: Any, db: Any, s3: Any, make: Any, refused: Any) -> None:
    """A file that is not packed as said makes the import fail; the table stays, with what had come. An existing table is refused."""
    s3.put_object(Bucket="bkt", Key="in/1", Body=gzip.compress(json.dumps({"Item": wire(pk="x", sk=1)}).encode()))
    s3.put_object(Bucket="bkt", Key="in/2", Body=b"not gzip")
    told = load(cloud, db, InputFormat="DYNAMODB_JSON", InputCompressionType="GZIP")
    assert told["ImportStatus"] == "FAILED"
    assert told["FailureCode"] == "InputFormatError"
    assert list(there(db)) == ["x1"]
    creation = {"TableName": "new", "KeySchema": key_schema("pk"), "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    creation["BillingMode"] = "PAY_PER_REQUEST"
    wanted: dict[str, Any] = {"InputFormat": "CSV", "TableCreationParameters": creation}
    assert refused(db.import_table, **wanted, S3BucketSource={"S3Bucket": "bkt"})[0] == "ResourceInUseException"
    creation["TableName"] = "other"
    assert refused(db.import_table, **wanted, S3BucketSource={"S3Bucket": "nothing"})[0] == "ValidationException"
    assert db.list_tables()["TableNames"] == ["new"]
    wanted["InputFormat"] = "ION"
    assert refused(db.import_table, **wanted, S3BucketSource={"S3Bucket": "bkt"})[0] == "NotImplemented"
    assert refused(db.describe_import, ImportArn=ARN + "new/import/01234567890123-01234567")[0] == "ImportNotFoundException"


def test_many_files(cloud: Any, db: Any, s3: Any, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large export is written as several files, which together have each item once; what changed in a large table too."""
    monkeypatch.setattr(exporting, "FILE_ITEMS", 7)
    monkeypatch.setattr(exporting, "LOOKED_AT", 5)
    for n in range(30):
        db.put_item(TableName=table, Item=wire(pk=f"p{n}", sk="1", n=n))
    cloud.advance(1800)
    for n in range(0, 30, 2):
        db.put_item(TableName=table, Item=wire(pk=f"p{n}", sk="1", n=-1))
    cloud.advance(1)
    full = exported(cloud, db)
    found = [line["Item"]["pk"]["S"] for line in lines(s3, full)]
    assert sorted(found) == sorted(f"p{n}" for n in range(30))
    assert len(json.loads(b"[" + b",".join(body(s3, full["ExportManifest"].replace("summary", "files")).splitlines()) + b"]")) == 5
    span = {"ExportFromTime": at(cloud.now_ms - 1_000_000)}
    changed = exported(cloud, db, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=span)
    assert sorted(line["Keys"]["pk"]["S"] for line in lines(s3, changed)) == sorted(f"p{n}" for n in range(0, 30, 2))


def test_an_export_that_fails(cloud: Any, db: Any, s3: Any, table: str) -> None:
    """An export whose bucket goes away before it is written is FAILED, and says why; it is written under the KMS key that was asked for."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    export = exported(cloud, db, S3SseAlgorithm="KMS", S3SseKmsKeyId=key)
    assert s3.head_object(Bucket="bkt", Key=export["ExportManifest"])["SSEKMSKeyId"] == key
    cloud.client("kms").disable_key(KeyId=key)
    with pytest.raises(db.exceptions.ClientError, match="S3 refused PutObject"):
        db.export_table_to_point_in_time(TableArn=ARN + table, S3Bucket="bkt", S3SseAlgorithm="KMS", S3SseKmsKeyId=key)


def test_a_session_that_is_over(cloud: Any, db: Any, s3: Any, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export goes on as the session that asked for it, and fails when that is over."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="exporter", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(RoleName="exporter", PolicyName="all", PolicyDocument=json.dumps(document))
    session = cloud.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="session", DurationSeconds=900)["Credentials"]
    user = cloud.client("dynamodb", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    write = exporting._write
    monkeypatch.setattr(exporting, "_write", lambda ctx, one, payload: 1 / 0)
    made = user.export_table_to_point_in_time(TableArn=ARN + table, S3Bucket="bkt")["ExportDescription"]
    cloud.advance(0)
    monkeypatch.setattr(exporting, "_write", write)
    cloud.advance(901)
    told = db.describe_export(ExportArn=made["ExportArn"])["ExportDescription"]
    assert (told["ExportStatus"], told["FailureCode"]) == ("FAILED", "S3ExpiredToken")
