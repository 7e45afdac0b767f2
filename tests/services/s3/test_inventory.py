from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import pytest

from fogbank.services.s3 import inventory
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, policy

DAY = 86_400
ALL = [
    "Size",
    "LastModifiedDate",
    "StorageClass",
    "ETag",
    "IsMultipartUploaded",
    "ReplicationStatus",
    "EncryptionStatus",
    "ChecksumAlgorithm",
]


def open_to_s3(s3: Any, bucket: str, source: str) -> None:
    statement = allow(
        "s3:PutObject",
        on=f"arn:aws:s3:::{bucket}/*",
        Principal={"Service": "s3.amazonaws.com"},
        Condition={
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
            "StringEquals": {"aws:SourceAccount": "000000000000", "s3:x-amz-acl": "bucket-owner-full-control"},
        },
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement))


@pytest.fixture
def reports(s3: Any) -> str:
    s3.create_bucket(Bucket="reports")
    open_to_s3(s3, "reports", "versioned")
    return "reports"


def configuration(format_: str = "CSV", versions: str = "Current", **more: Any) -> dict[str, Any]:
    destination = {"Bucket": "arn:aws:s3:::reports", "Format": format_, "Prefix": "lists", **more.pop("Destination", {})}
    return {
        "Id": "all",
        "IsEnabled": True,
        "IncludedObjectVersions": versions,
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": destination},
        **more,
    }


def put(s3: Any, bucket: str, wanted: dict[str, Any]) -> None:
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id=wanted["Id"], InventoryConfiguration=wanted)


def manifests(s3: Any) -> list[str]:
    listed = s3.list_objects_v2(Bucket="reports").get("Contents", [])
    return [one["Key"] for one in listed if one["Key"].endswith("manifest.json")]


def read(s3: Any, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket="reports", Key=key)["Body"].read()
    return content


def report(s3: Any) -> tuple[dict[str, Any], list[list[str]]]:
    """The last report: its manifest and its rows."""
    manifest = json.loads(read(s3, manifests(s3)[-1]))
    rows: list[list[str]] = []
    for file in manifest["files"]:
        content = read(s3, file["key"])
        assert (len(content), hashlib.md5(content).hexdigest()) == (file["size"], file["MD5checksum"])
        rows += csv.reader(io.StringIO(gzip.decompress(content).decode()))
    return manifest, rows


def test_a_report_is_written_every_day(cloud: Cloud, s3: Any, versioned: str, reports: str) -> None:
    """At midnight a list of the objects lies in the destination, with its manifest, checksum and symlink file."""
    s3.put_object(Bucket=versioned, Key="a b/ü", Body=b"body")
    put(s3, versioned, configuration(OptionalFields=[*ALL, "ObjectOwner", "ObjectAccessControlList"]))
    cloud.advance(DAY)
    (key,) = manifests(s3)
    folder = key.removesuffix("/manifest.json")
    assert folder.startswith("lists/versioned/all/")
    assert folder.endswith("T00-00Z")
    manifest, rows = report(s3)
    assert read(s3, f"{folder}/manifest.checksum").decode() == hashlib.md5(read(s3, key)).hexdigest()
    (link,) = [one["Key"] for one in s3.list_objects_v2(Bucket=reports, Prefix="lists/versioned/all/hive/dt=")["Contents"]]
    assert read(s3, link).decode() == f"s3://reports/{manifest['files'][0]['key']}\n"
    assert (manifest["sourceBucket"], manifest["destinationBucket"], manifest["fileFormat"]) == (versioned, "arn:aws:s3:::reports", "CSV")
    columns = manifest["fileSchema"].split(", ")
    assert columns[:4] == ["Bucket", "Key", "Size", "LastModifiedDate"]
    found = dict(zip(columns, rows[0], strict=True))
    assert (found["Bucket"], unquote_plus(found["Key"]), found["Size"]) == (versioned, "a b/ü", "4")
    assert (found["IsMultipartUploaded"], found["EncryptionStatus"]) == ("false", "SSE-S3")
    assert found["ETag"] == hashlib.md5(b"body").hexdigest()
    acl = json.loads(base64.b64decode(found["ObjectAccessControlList"]))
    assert acl["grants"] == [{"canonicalId": found["ObjectOwner"], "type": "CanonicalUser", "permission": "FULL_CONTROL"}]
    cloud.advance(2 * DAY)
    assert len(manifests(s3)) == 3


def test_versions_and_markers(cloud: Cloud, s3: Any, versioned: str, reports: str) -> None:
    """All versions, in the order of listings, each with whether it is the latest and whether it is a marker."""
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"x" * n)["VersionId"] for n in range(2)]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    s3.put_object(Bucket=versioned, Key="other")
    put(s3, versioned, configuration(versions="All", OptionalFields=["Size"], Filter={"Prefix": "k"}))
    cloud.advance(DAY)
    manifest, rows = report(s3)
    assert manifest["fileSchema"] == "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size"
    assert [row[2:] for row in rows] == [[marker, "true", "true", ""], [ids[1], "false", "false", "1"], [ids[0], "false", "false", "0"]]


def test_a_large_bucket_goes_into_several_files(
    cloud: Cloud, s3: Any, versioned: str, reports: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every entry stands in exactly one file, whatever the batches are, and however often the same configuration was put."""
    monkeypatch.setattr(inventory, "BATCH", 3)
    for n in range(4):
        for _ in range(2):
            s3.put_object(Bucket=versioned, Key=f"k{n}")
    for _ in range(2):
        put(s3, versioned, configuration(versions="All"))
    cloud.advance(DAY)
    manifest, rows = report(s3)
    assert len(manifest["files"]) == 3
    assert sum("/data/" in one["Key"] for one in s3.list_objects_v2(Bucket=reports)["Contents"]) == 3
    assert [row[1] for row in rows] == [f"k{n}" for n in range(4) for _ in range(2)]
    assert [row[3] for row in rows] == ["true", "false"] * 4


def test_a_report_is_of_the_instant_it_was_due(cloud: Cloud, s3: Any, versioned: str, reports: str) -> None:
    """When the clock jumps over several days, each day's report shows that day."""
    put(s3, versioned, configuration())
    s3.put_object(Bucket=versioned, Key="first")
    cloud.advance(DAY)
    s3.put_object(Bucket=versioned, Key="second")
    cloud.advance(DAY)
    sizes = []
    for key in manifests(s3):
        content = gzip.decompress(read(s3, json.loads(read(s3, key))["files"][0]["key"])).decode()
        sizes.append(content.count("\n"))
    assert sizes == [1, 2]


@pytest.mark.parametrize("format_", ["Parquet", "ORC"])
def test_columnar_formats(cloud: Cloud, s3: Any, versioned: str, reports: str, format_: str) -> None:
    """Parquet and ORC files have typed columns."""
    pytest.importorskip("pyarrow")
    from pyarrow import orc, parquet

    s3.put_object(Bucket=versioned, Key="k", Body=b"body")
    put(s3, versioned, configuration(format_, versions="All", OptionalFields=ALL))
    cloud.advance(DAY)
    manifest = json.loads(read(s3, manifests(s3)[-1]))
    content = io.BytesIO(read(s3, manifest["files"][0]["key"]))
    table = parquet.read_table(content) if format_ == "Parquet" else orc.ORCFile(content).read()
    (row,) = table.to_pylist()
    assert (row["bucket"], row["key"], row["size"], row["is_latest"], row["is_multipart_uploaded"]) == (versioned, "k", 4, True, False)
    assert manifest["fileSchema"].startswith("message s3.inventory" if format_ == "Parquet" else "struct<bucket:string")


def test_the_destination_has_to_let_s3_in(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Without its bucket policy nothing is delivered; once it is there, the next report is."""
    s3.create_bucket(Bucket="reports")
    put(s3, versioned, configuration())
    cloud.advance(DAY)
    assert s3.list_objects_v2(Bucket="reports")["KeyCount"] == 0
    open_to_s3(s3, "reports", versioned)
    cloud.advance(DAY)
    assert len(manifests(s3)) == 1


def test_weekly_reports(cloud: Cloud, s3: Any, versioned: str, reports: str) -> None:
    """Weekly reports come on Sundays."""
    put(s3, versioned, configuration(Schedule={"Frequency": "Weekly"}))
    cloud.advance(7 * DAY)
    cloud.advance(7 * DAY)
    found = manifests(s3)
    assert len(found) == 2
    from datetime import datetime

    assert {datetime.strptime(key.split("/")[3], "%Y-%m-%dT%H-%MZ").weekday() for key in found} == {6}


def test_configurations_are_kept(cloud: Cloud, s3: Any, versioned: str, reports: str) -> None:
    """Put, got, listed, deleted; a disabled one writes nothing, a deleted one nothing more."""
    wanted = configuration()
    put(s3, versioned, wanted)
    off = {**configuration(IsEnabled=False), "Id": "off"}
    put(s3, versioned, off)
    assert s3.get_bucket_inventory_configuration(Bucket=versioned, Id="all")["InventoryConfiguration"] == wanted
    listed = s3.list_bucket_inventory_configurations(Bucket=versioned)
    assert (listed["InventoryConfigurationList"], listed["IsTruncated"]) == ([wanted, off], False)
    s3.delete_bucket_inventory_configuration(Bucket=versioned, Id="all")
    assert code(s3.get_bucket_inventory_configuration, Bucket=versioned, Id="all") == "NoSuchConfiguration"
    cloud.advance(2 * DAY)
    assert manifests(s3) == []
    for n in range(101):
        put(s3, versioned, {**off, "Id": f"off-{n:03}"})
    page = s3.list_bucket_inventory_configurations(Bucket=versioned)
    rest = s3.list_bucket_inventory_configurations(Bucket=versioned, ContinuationToken=page["NextContinuationToken"])
    assert (len(page["InventoryConfigurationList"]), len(rest["InventoryConfigurationList"])) == (100, 2)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"Id": "other"}, "InvalidArgument"),
        ({"IncludedObjectVersions": "Some"}, "MalformedXML"),
        ({"Schedule": {"Frequency": "Hourly"}}, "MalformedXML"),
        ({"OptionalFields": ["Colour"]}, "MalformedXML"),
        ({"OptionalFields": ["LifecycleExpirationDate"]}, "NotImplemented"),
        ({"Destination": {"S3BucketDestination": {"Bucket": "reports", "Format": "CSV"}}}, "InvalidS3DestinationBucket"),
    ],
)
def test_configurations_that_are_none(s3: Any, versioned: str, wrong: dict[str, Any], expected: str) -> None:
    """Every configuration is checked when it is put."""
    wanted = configuration() | wrong
    assert code(s3.put_bucket_inventory_configuration, Bucket=versioned, Id="all", InventoryConfiguration=wanted) == expected


def test_who_configures_needs_the_permission(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Put and Delete are s3:PutInventoryConfiguration, Get and List s3:GetInventoryConfiguration."""
    reader = as_user(cloud, "reader", allow("s3:GetInventoryConfiguration", on=f"arn:aws:s3:::{versioned}"))
    reader.list_bucket_inventory_configurations(Bucket=versioned)
    assert code(reader.delete_bucket_inventory_configuration, Bucket=versioned, Id="all") == "AccessDenied"


def test_metrics_of_requests(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A metrics configuration has the requests that it is about told to CloudWatch, by its id."""
    s3.put_bucket_metrics_configuration(Bucket=bucket, Id="all", MetricsConfiguration={"Id": "all"})
    some = {"Id": "some", "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}}
    s3.put_bucket_metrics_configuration(Bucket=bucket, Id="some", MetricsConfiguration=some)
    assert s3.get_bucket_metrics_configuration(Bucket=bucket, Id="some")["MetricsConfiguration"] == some
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"12345", Tagging="k=v")
    s3.put_object(Bucket=bucket, Key="a/c", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="a/b")["Body"].read()
    assert code(s3.get_object, Bucket=bucket, Key="nope") == "NoSuchKey"
    s3.delete_bucket_metrics_configuration(Bucket=bucket, Id="some")
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"12345", Tagging="k=v")

    def told(name: str, filter_id: str) -> float:
        cloud.settle()
        by = [{"Name": "BucketName", "Value": bucket}, {"Name": "FilterId", "Value": filter_id}]
        now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)
        found = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/S3",
            MetricName=name,
            Dimensions=by,
            Period=3600,
            Statistics=["Sum"],
            StartTime=now - timedelta(minutes=30),
            EndTime=now + timedelta(minutes=30),
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    assert (told("PutRequests", "all"), told("PutRequests", "some")) == (3, 1)
    assert (told("GetRequests", "all"), told("GetRequests", "some")) == (2, 1)
    assert (told("4xxErrors", "all"), told("BytesDownloaded", "some")) == (1, 5)


def test_metrics_of_storage(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Each midnight a bucket's objects and bytes are told."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="b", Body=b"123", StorageClass="GLACIER")
    cloud.advance(86400)
    now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)

    def told(name: str, kind: str) -> list[float]:
        by = [{"Name": "BucketName", "Value": bucket}, {"Name": "StorageType", "Value": kind}]
        span = {"StartTime": now - timedelta(days=2), "EndTime": now, "Period": 86400, "Statistics": ["Average"]}
        found = cloud.client("cloudwatch").get_metric_statistics(Namespace="AWS/S3", MetricName=name, Dimensions=by, **span)
        return [point["Average"] for point in found["Datapoints"]]

    assert told("NumberOfObjects", "AllStorageTypes") == [2]
    assert (told("BucketSizeBytes", "StandardStorage"), told("BucketSizeBytes", "GlacierStorage")) == ([5], [3])


def test_metrics_of_storage_when_the_clock_is_moved_by_days(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Each midnight that is passed over has its figures, and those after it what is there then."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    cloud.advance(4 * 86400)
    s3.put_object(Bucket=bucket, Key="b", Body=b"123")
    cloud.advance(3 * 86400)
    now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    by = [{"Name": "BucketName", "Value": bucket}, {"Name": "StorageType", "Value": "StandardStorage"}]
    span = {"StartTime": midnight - timedelta(days=8), "EndTime": now, "Period": 60 * 60, "Statistics": ["Sum"]}
    found = cloud.client("cloudwatch").get_metric_statistics(Namespace="AWS/S3", MetricName="BucketSizeBytes", Dimensions=by, **span)
    points = sorted((point["Timestamp"], point["Sum"]) for point in found["Datapoints"])
    assert [size for _, size in points] == [5, 5, 5, 5, 8, 8, 8]
    assert all(at.hour == 0 for at, _ in points)


def test_a_configuration_without_an_id_is_not_the_bucket(cloud: Cloud, s3: Any, bucket: str) -> None:
    """To delete a configuration without saying which does not delete the bucket."""
    loose = cloud.client("s3", parameter_validation=False)
    assert code(loose.delete_bucket_inventory_configuration, Bucket=bucket) == "InvalidRequest"
    s3.head_bucket(Bucket=bucket)
