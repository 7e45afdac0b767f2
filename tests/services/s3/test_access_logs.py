"""Server access logs: what is recorded, and how it is delivered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore import UNSIGNED

from fogbank.access.principal import canonical_id
from fogbank.services.s3 import grants
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, policy, refused
from .browsing import visit

OTHER = "111122223333"
ME = canonical_id("000000000000")
FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
NAMES = [
    "owner",
    "bucket",
    "time",
    "ip",
    "requester",
    "id",
    "operation",
    "key",
    "uri",
    "status",
    "error",
    "sent",
    "size",
    "total",
    "turned",
    "referer",
    "agent",
    "version",
    "host_id",
    "signature",
    "cipher",
    "auth",
    "host",
    "tls",
    "point",
    "acl",
]


@pytest.fixture
def target(s3: Any, bucket: str) -> str:
    """Where the logs of `bucket` go; the logging service may write there."""
    s3.create_bucket(Bucket="logs")
    let = {"Principal": {"Service": "logging.s3.amazonaws.com"}, "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}}}
    s3.put_bucket_policy(Bucket="logs", Policy=policy(allow("s3:PutObject", on="arn:aws:s3:::logs/in/*", **let)))
    log(s3, bucket)
    return "logs"


def log(s3: Any, bucket: str, **more: Any) -> None:
    enabled = {"TargetBucket": "logs", "TargetPrefix": "in/", **more}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="logs").get("Contents", [])]


def records(s3: Any) -> list[dict[str, str]]:
    """What was delivered, field by field."""
    out = []
    for key in keys(s3):
        for line in s3.get_object(Bucket="logs", Key=key)["Body"].read().decode().splitlines():
            fields = FIELD.findall(line)
            assert len(fields) == len(NAMES), line
            out.append(dict(zip(NAMES, fields, strict=True)))
    return out


def test_requests_are_recorded(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """Every request is a record with AWS's fields, delivered minutes later under a key that tells when."""
    put = s3.put_object(Bucket=bucket, Key="a key", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="a key", Range="bytes=0-1")["Body"].read()
    s3.head_object(Bucket=bucket, Key="a key")
    s3.list_objects_v2(Bucket=bucket)
    s3.get_bucket_location(Bucket=bucket)
    code(s3.get_object, Bucket=bucket, Key="none")
    s3.delete_object(Bucket=bucket, Key="a key")
    cloud.advance(200)
    assert keys(s3) == []
    cloud.advance(200)
    (key,) = keys(s3)
    assert re.fullmatch(r"in/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key)
    found = records(s3)
    assert [(r["operation"], r["status"], r["error"], r["sent"], r["size"]) for r in found] == [
        ("REST.PUT.OBJECT", "200", "-", "-", "5"),
        ("REST.GET.OBJECT", "206", "-", "2", "5"),
        ("REST.HEAD.OBJECT", "200", "-", "-", "5"),
        ("REST.GET.BUCKET", "200", "-", found[3]["sent"], "-"),
        ("REST.GET.LOCATION", "200", "-", found[4]["sent"], "-"),
        ("REST.GET.OBJECT", "404", "NoSuchKey", found[5]["sent"], "-"),
        ("REST.DELETE.OBJECT", "204", "-", "-", "-"),
    ]
    first = found[0]
    assert first["id"] == put["ResponseMetadata"]["RequestId"]
    assert first["host_id"] == put["ResponseMetadata"]["HostId"]
    assert (first["owner"], first["bucket"], first["requester"], first["key"]) == (ME, bucket, ME, "a%20key")
    assert first["uri"] == '"PUT /bucket/a%20key HTTP/1.1"'
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", first["time"])
    assert "Boto3" in first["agent"]
    assert (first["signature"], first["auth"], first["ip"]) == ("SigV4", "AuthHeader", "127.0.0.1")
    assert (first["host"], first["acl"], first["tls"]) == (cloud.endpoint.removeprefix("http://"), "-", "-")


def test_refused_requests_are_recorded(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """So are those that were denied, those whose signature did not hold, and those of strangers."""
    user = as_user(cloud, "u")
    code(user.get_object, Bucket=bucket, Key="k")
    code(cloud.client("s3", secret="wrong").get_object, Bucket=bucket, Key="k")
    visit(cloud.endpoint, "bucket.s3", "/k?x=1", Referer='http://a/"b"')
    visit(cloud.endpoint, "", f"/{bucket}?tagging", "PUT", b"<no xml")
    cloud.advance(301)
    denied, forged, stranger, broken = records(s3)
    assert (broken["operation"], broken["error"]) == ("REST.PUT.TAGGING", "MalformedXML")
    assert (denied["error"], denied["requester"]) == ("AccessDenied", "arn:aws:iam::000000000000:user/u")
    assert (forged["status"], forged["error"], forged["requester"]) == ("403", "SignatureDoesNotMatch", "-")
    assert (stranger["uri"], stranger["referer"]) == ('"GET /k?x=1 HTTP/1.1"', '"http://a/%22b%22"')
    assert (stranger["requester"], stranger["auth"]) == ("-", "-")


def test_copies_deletions_and_websites(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """A copy is recorded at both ends, a deletion of many key by key, a visit as a website's."""
    s3.create_bucket(Bucket="elsewhere")
    s3.put_object(Bucket=bucket, Key="k")
    s3.copy_object(Bucket="elsewhere", Key="copy", CopySource=f"{bucket}/k")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "l"}]})
    visit(cloud.endpoint, "bucket.s3-website-us-east-1", "/page")
    s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    cloud.advance(301)
    assert [(r["operation"], r["key"]) for r in records(s3)[1:]] == [
        ("REST.COPY.OBJECT_GET", "k"),
        ("REST.POST.MULTI_OBJECT_DELETE", "-"),
        ("BATCH.DELETE.OBJECT", "k"),
        ("BATCH.DELETE.OBJECT", "l"),
        ("WEBSITE.GET.OBJECT", "page"),
    ]


def test_lists_that_were_needed(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """The record says whether an access control list let the request through."""
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", ACL="public-read")
    cloud.client("s3", signature_version=UNSIGNED).get_object(Bucket=bucket, Key="k")
    s3.get_object(Bucket=bucket, Key="k")
    cloud.advance(301)
    assert [r["acl"] for r in records(s3)[-2:]] == ["Yes", "-"]


@pytest.mark.parametrize(("source", "date"), [("DeliveryTime", "day"), ("EventTime", "day")])
def test_partitioned_keys(cloud: Cloud, s3: Any, bucket: str, target: str, source: str, date: str) -> None:
    """PartitionedPrefix puts account, region, bucket and date into the key; by event time it is the events' day alone."""
    log(s3, bucket, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": source}})
    s3.head_bucket(Bucket=bucket)
    cloud.advance(301)
    time = "00-00-00" if source == "EventTime" else r"\d\d-\d\d-\d\d"
    pattern = rf"in/000000000000/us-east-1/bucket/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-{time}-[0-9A-F]{{16}}"
    assert any(re.fullmatch(pattern, key) for key in keys(s3))


def test_the_target_decides(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """What the target's policy does not let in is dropped; nothing is tried again."""
    s3.delete_bucket_policy(Bucket="logs")
    s3.head_bucket(Bucket=bucket)
    cloud.advance(301)
    assert keys(s3) == []
    assert cloud.problems() == []


def test_changes_and_the_end(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """What was collected goes to the target of its time, also when logging ends or the bucket goes."""
    s3.head_bucket(Bucket=bucket)
    log(s3, bucket, TargetPrefix="in/new/")
    assert len(keys(s3)) == 1
    s3.head_bucket(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)
    assert [key.startswith("in/new/") for key in keys(s3)] == [False, True]
    cloud.advance(400)
    assert len(keys(s3)) == 2


def test_configurations(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """What was put is got; a target has to be there, of the same account and region, and take logs."""
    granted = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert granted == {"TargetBucket": "logs", "TargetPrefix": "in/"}
    cloud.client("s3", access_key=OTHER).create_bucket(Bucket="theirs")
    s3.create_bucket(Bucket="lists", ObjectOwnership="ObjectWriter")
    everybody = [{"Grantee": {"Type": "Group", "URI": grants.ALL_USERS}, "Permission": "READ"}]

    def refusal(**enabled: Any) -> str:
        wanted = {"LoggingEnabled": {"TargetPrefix": "", **enabled}}
        found: str = refused(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=wanted)["Code"]
        return found

    assert refusal(TargetBucket="none") == "InvalidTargetBucketForLogging"
    assert refusal(TargetBucket="theirs") == "InvalidTargetBucketForLogging"
    assert refusal(TargetBucket="logs", TargetGrants=everybody) == "InvalidTargetBucketForLogging"
    assert refusal(TargetBucket="lists") == "InvalidTargetBucketForLogging"
    assert refusal(TargetBucket="logs", TargetObjectKeyFormat={}) == "MalformedXML"
    west = cloud.client("s3", region="eu-west-1")
    west.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert refusal(TargetBucket="west") == "CrossLocationLoggingProhibitted"
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_targets_with_lists(cloud: Cloud, s3: Any, bucket: str, target: str) -> None:
    """The log-delivery group's grants let logs in, and target grants let others read them."""
    s3.put_bucket_ownership_controls(Bucket="logs", OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    s3.delete_bucket_policy(Bucket="logs")
    s3.put_bucket_acl(Bucket="logs", ACL="log-delivery-write")
    grantee = {"Type": "CanonicalUser", "ID": canonical_id(OTHER)}
    log(s3, bucket, TargetGrants=[{"Grantee": grantee, "Permission": "READ"}])
    before = set(keys(s3))
    s3.head_bucket(Bucket=bucket)
    cloud.advance(301)
    (key,) = set(keys(s3)) - before
    assert b"REST.HEAD.BUCKET" in cloud.client("s3", access_key=OTHER).get_object(Bucket="logs", Key=key)["Body"].read()
    assert code(cloud.client("s3", access_key="444455556666").get_object, Bucket="logs", Key=key) == "AccessDenied"
