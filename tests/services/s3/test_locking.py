from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.testing.cloud import Cloud

from .asking import MIB, allow, as_user, code, deny, refused

DAY = 86_400


@pytest.fixture
def locked(s3: Any) -> str:
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    return "locked"


def on(cloud: Cloud, days: float) -> datetime:
    """An instant so many days from now, by the cloud's clock."""
    return datetime.fromtimestamp(cloud.now_ms // 1000, UTC) + timedelta(days=days)


def retain(s3: Any, version: str, mode: str | None, until: datetime | None = None, **more: Any) -> Any:
    retention = {"Mode": mode, "RetainUntilDate": until} if mode else {}
    return s3.put_object_retention(Bucket="locked", Key="k", VersionId=version, Retention=retention, **more)


def test_object_lock_is_turned_on_with_the_bucket_or_later(s3: Any, bucket: str, locked: str) -> None:
    """It needs versioning, which then cannot be suspended, and is never turned off."""
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    suspended = refused(s3.put_bucket_versioning, Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    assert (suspended["Code"], suspended["status"]) == ("InvalidBucketState", 409)
    assert code(s3.get_object_lock_configuration, Bucket=bucket) == "ObjectLockConfigurationNotFoundError"
    on_ = {"ObjectLockEnabled": "Enabled"}
    assert code(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=on_) == "InvalidBucketState"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert code(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={}) == "MalformedXML"
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=on_)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == on_


def test_default_retention(cloud: Cloud, s3: Any, locked: str) -> None:
    """A version gets the bucket's mode and days unless it brings its own; years are years of the calendar."""

    def default(**retention: Any) -> Any:
        rule = {"DefaultRetention": retention}
        return s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})

    default(Mode="GOVERNANCE", Days=3)
    version = s3.put_object(Bucket=locked, Key="k", Body=b"1")["VersionId"]
    found = s3.get_object_retention(Bucket=locked, Key="k")["Retention"]
    assert found["Mode"] == "GOVERNANCE"
    assert abs(found["RetainUntilDate"] - on(cloud, 3)) < timedelta(seconds=2)
    assert code(s3.delete_object, Bucket=locked, Key="k", VersionId=version) == "AccessDenied"
    s3.put_object(Bucket=locked, Key="k", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=on(cloud, 1))
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"] == {"Mode": "COMPLIANCE", "RetainUntilDate": on(cloud, 1)}
    default(Mode="COMPLIANCE", Years=1)
    s3.put_object(Bucket=locked, Key="k")
    until = s3.head_object(Bucket=locked, Key="k")["ObjectLockRetainUntilDate"]
    now = on(cloud, 0)
    assert (until.year, until.month, until.day) in {(now.year + 1, now.month, now.day), (now.year + 1, 2, 28)}
    refusals = [refused(default, **r)["Code"] for r in ({"Mode": "GOVERNANCE", "Days": 0}, {"Mode": "GOVERNANCE", "Years": 101})]
    assert refusals == ["InvalidRetentionPeriod"] * 2
    for malformed in ({"Mode": "GOVERNANCE"}, {"Days": 1}, {"Mode": "X", "Days": 1}, {"Mode": "GOVERNANCE", "Days": 1, "Years": 1}):
        assert code(default, **malformed) == "MalformedXML"


@pytest.mark.parametrize("length", [{"Years": 100}, {"Days": 36_500}])
def test_a_retention_ends_with_the_calendar(cloud: Cloud, s3: Any, locked: str, length: dict[str, int]) -> None:
    """What would be retained beyond the last date that there is, is retained until then."""
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", **length}}
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    cloud.advance((datetime(9950, 1, 1, tzinfo=UTC) - on(cloud, 0)).total_seconds())
    s3.put_object(Bucket=locked, Key="k", Body=b"x", ChecksumAlgorithm="CRC32")
    assert s3.head_object(Bucket=locked, Key="k")["ObjectLockRetainUntilDate"].year == 9999


def test_a_retained_version_stays_until_its_date(cloud: Cloud, s3: Any, locked: str) -> None:
    """Nobody deletes it before, anybody may hide it, and it can go when its time is over."""
    version = s3.put_object(Bucket=locked, Key="k", Body=b"1")["VersionId"]
    retain(s3, version, "COMPLIANCE", on(cloud, 10))
    found = refused(s3.delete_object, Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert (found["Code"], found["Message"]) == ("AccessDenied", "Access Denied because object protected by object lock.")
    answer = s3.delete_objects(Bucket=locked, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    assert [(e["Code"], e["VersionId"]) for e in answer["Errors"]] == [("AccessDenied", version)]
    marker = s3.delete_object(Bucket=locked, Key="k")["VersionId"]
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker)
    s3.put_object(Bucket=locked, Key="k", Body=b"2")
    assert s3.get_object(Bucket=locked, Key="k", VersionId=version)["Body"].read() == b"1"
    cloud.advance(10 * DAY - 1)
    assert code(s3.delete_object, Bucket=locked, Key="k", VersionId=version) == "AccessDenied"
    cloud.advance(1)
    assert s3.get_object_retention(Bucket=locked, Key="k", VersionId=version)["Retention"]["Mode"] == "COMPLIANCE"
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_compliance_only_grows(cloud: Cloud, s3: Any, locked: str) -> None:
    """A date may move away, never closer, and the mode stays; not even by bypassing."""
    version = s3.put_object(Bucket=locked, Key="k")["VersionId"]
    retain(s3, version, "COMPLIANCE", on(cloud, 10))
    retain(s3, version, "COMPLIANCE", on(cloud, 11))
    for mode, until in (("COMPLIANCE", on(cloud, 10)), ("GOVERNANCE", on(cloud, 12)), (None, None)):
        assert refused(retain, s3=s3, version=version, mode=mode, until=until, BypassGovernanceRetention=True)["status"] == 403
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == on(cloud, 11)


def test_governance_can_be_bypassed_by_who_may(cloud: Cloud, s3: Any, locked: str) -> None:
    """Less than before, and deleting, take the header and s3:BypassGovernanceRetention; more does not."""
    version = s3.put_object(Bucket=locked, Key="k")["VersionId"]
    retain(s3, version, "GOVERNANCE", on(cloud, 10))
    retain(s3, version, "GOVERNANCE", on(cloud, 12))
    plain = as_user(cloud, "plain", allow("s3:*"), deny("s3:BypassGovernanceRetention"))
    for client, more in ((s3, {}), (plain, {"BypassGovernanceRetention": True})):
        assert code(retain, s3=client, version=version, mode="GOVERNANCE", until=on(cloud, 1), **more) == "AccessDenied"
        assert code(retain, s3=client, version=version, mode=None, **more) == "AccessDenied"
        assert code(client.delete_object, Bucket=locked, Key="k", VersionId=version, **more) == "AccessDenied"
    retain(s3, version, "GOVERNANCE", on(cloud, 1), BypassGovernanceRetention=True)
    retain(s3, version, None, BypassGovernanceRetention=True)
    assert code(s3.get_object_retention, Bucket=locked, Key="k") == "NoSuchObjectLockConfiguration"
    other = s3.put_object(Bucket=locked, Key="k")["VersionId"]
    for one in (version, other):
        retain(s3, one, "GOVERNANCE", on(cloud, 1))
    s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    both = {"Objects": [{"Key": "k", "VersionId": other}]}
    assert [e["Code"] for e in s3.delete_objects(Bucket=locked, Delete=both)["Errors"]] == ["AccessDenied"]
    assert "Errors" not in s3.delete_objects(Bucket=locked, Delete=both, BypassGovernanceRetention=True)


def test_legal_hold(cloud: Cloud, s3: Any, locked: str) -> None:
    """A hold has no end but being let go, and cannot be bypassed."""
    version = s3.put_object(Bucket=locked, Key="k", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"] == {"Status": "ON"}
    cloud.advance(DAY * 10_000)
    assert code(s3.delete_object, Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True) == "AccessDenied"
    s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "OFF"})
    assert s3.head_object(Bucket=locked, Key="k")["ObjectLockLegalHoldStatus"] == "OFF"
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    s3.put_object(Bucket=locked, Key="k")
    assert code(s3.get_object_legal_hold, Bucket=locked, Key="k") == "NoSuchObjectLockConfiguration"
    assert code(s3.put_object_legal_hold, Bucket=locked, Key="k", LegalHold={"Status": "MAYBE"}) == "MalformedXML"


def test_locks_need_a_bucket_with_object_lock(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Elsewhere headers and operations are InvalidRequest."""
    until = on(cloud, 1)
    for call, members in (
        (s3.put_object, {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}),
        (s3.put_object, {"ObjectLockLegalHoldStatus": "ON"}),
        (s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}),
        (s3.get_object_retention, {}),
        (s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}),
        (s3.get_object_legal_hold, {}),
    ):
        found = refused(call, Bucket=versioned, Key="k", **members)
        assert (found["Code"], found["Message"]) == ("InvalidRequest", "Bucket is missing Object Lock Configuration")


def test_dates_and_modes_are_checked(cloud: Cloud, s3: Any, locked: str) -> None:
    """A retention is a mode and a date to come."""
    for members in (
        {"ObjectLockMode": "GOVERNANCE"},
        {"ObjectLockRetainUntilDate": on(cloud, 1)},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": on(cloud, -1)},
        {"ObjectLockMode": "ETERNAL", "ObjectLockRetainUntilDate": on(cloud, 1)},
        {"ObjectLockLegalHoldStatus": "MAYBE"},
    ):
        assert code(s3.put_object, Bucket=locked, Key="k", **members) == "InvalidArgument"
    version = s3.put_object(Bucket=locked, Key="k")["VersionId"]
    assert code(retain, s3=s3, version=version, mode="GOVERNANCE", until=on(cloud, -1)) == "InvalidArgument"
    marker = s3.delete_object(Bucket=locked, Key="k")["VersionId"]
    assert code(retain, s3=s3, version=marker, mode="GOVERNANCE", until=on(cloud, 1)) == "MethodNotAllowed"
    held = {"EventHold": "ON"}
    assert refused(s3.put_object_retention, Bucket=locked, Key="k", VersionId=version, Retention=held)["status"] == 501


def test_what_is_locked_comes_with_a_checksum(cloud: Cloud, s3: Any, locked: str) -> None:
    """Without Content-MD5 or a checksum a locked body is InvalidRequest, and nothing is stored."""
    plain = cloud.client("s3", request_checksum_calculation="when_required")
    members = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": on(cloud, 1)}
    found = refused(plain.put_object, Bucket=locked, Key="k", Body=b"x", **members)
    assert (found["Code"], "Content-MD5" in found["Message"]) == ("InvalidRequest", True)
    assert "Versions" not in s3.list_object_versions(Bucket=locked)
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    plain.put_object(Bucket=locked, Key="k", Body=b"x", ContentMD5=md5, **members)
    upload = plain.create_multipart_upload(Bucket=locked, Key="m", **members)["UploadId"]
    part = {"Bucket": locked, "Key": "m", "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    assert code(plain.upload_part, **part) == "InvalidRequest"
    plain.upload_part(**part, ContentMD5=md5)


def test_copies_and_uploads_are_locked_too(cloud: Cloud, s3: Any, locked: str) -> None:
    """CopyObject and CreateMultipartUpload take the headers; a copy does not inherit its source's lock."""
    members = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": on(cloud, 5), "ObjectLockLegalHoldStatus": "ON"}
    upload = s3.create_multipart_upload(Bucket=locked, Key="k", **members)["UploadId"]
    tag = s3.upload_part(Bucket=locked, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * MIB)["ETag"]
    s3.complete_multipart_upload(Bucket=locked, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    s3.copy_object(Bucket=locked, Key="free", CopySource=f"{locked}/k")
    s3.copy_object(Bucket=locked, Key="bound", CopySource=f"{locked}/k", **members)
    for key, bound in (("k", True), ("bound", True), ("free", False)):
        found = s3.get_object(Bucket=locked, Key=key)
        assert (found.get("ObjectLockMode"), found.get("ObjectLockLegalHoldStatus")) == (("COMPLIANCE", "ON") if bound else (None, None))
        assert found.get("ObjectLockRetainUntilDate") == (on(cloud, 5) if bound else None)


def test_locks_are_shown_and_set_by_who_may(cloud: Cloud, s3: Any, locked: str) -> None:
    """Headers of a lock take s3:PutObjectRetention and s3:PutObjectLegalHold to set, and s3:Get... to see."""
    members = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": on(cloud, 5), "ObjectLockLegalHoldStatus": "ON"}
    writer = as_user(cloud, "writer", allow("s3:PutObject", "s3:GetObject", "s3:PutObjectLegalHold", "s3:GetObjectLegalHold"))
    assert code(writer.put_object, Bucket=locked, Key="k", **members) == "AccessDenied"
    writer.put_object(Bucket=locked, Key="k", ObjectLockLegalHoldStatus="ON")
    s3.put_object(Bucket=locked, Key="k", **members)
    found = writer.head_object(Bucket=locked, Key="k")
    assert ("ObjectLockMode" in found, found["ObjectLockLegalHoldStatus"]) == (False, "ON")
    reader = as_user(cloud, "reader", allow("s3:GetObject", "s3:GetObjectRetention"))
    found = reader.head_object(Bucket=locked, Key="k")
    assert (found["ObjectLockMode"], "ObjectLockLegalHoldStatus" in found) == ("GOVERNANCE", False)


def test_policies_limit_retention(cloud: Cloud, s3: Any, locked: str) -> None:
    """s3:object-lock-remaining-retention-days, -mode, -retain-until-date and -legal-hold are what a request asks for."""
    version = s3.put_object(Bucket=locked, Key="k")["VersionId"]
    short = deny("s3:PutObject*", Condition={"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}})
    soft = deny("s3:PutObject*", Condition={"StringEquals": {"s3:object-lock-mode": "COMPLIANCE"}})
    late = deny("s3:PutObject*", Condition={"DateLessThan": {"s3:object-lock-retain-until-date": on(cloud, 2).isoformat()}})
    free = deny("s3:PutObjectLegalHold", Condition={"StringEquals": {"s3:object-lock-legal-hold": "OFF"}})
    user = as_user(cloud, "u", allow("s3:*"), short, soft, late, free)
    retain(user, version, "GOVERNANCE", on(cloud, 10))
    for mode, days in (("GOVERNANCE", 10.1), ("COMPLIANCE", 10), ("GOVERNANCE", 1)):
        assert code(retain, s3=user, version=version, mode=mode, until=on(cloud, days)) == "AccessDenied"
        members = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": on(cloud, days)}
        assert code(user.put_object, Bucket=locked, Key="k", **members) == "AccessDenied"
    user.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "ON"})
    assert code(user.put_object_legal_hold, Bucket=locked, Key="k", LegalHold={"Status": "OFF"}) == "AccessDenied"


def test_creating_a_locked_bucket_takes_its_permissions(cloud: Cloud) -> None:
    """s3:CreateBucket alone does not turn on Object Lock."""
    user = as_user(cloud, "u", allow("s3:CreateBucket"))
    assert code(user.create_bucket, Bucket="mine", ObjectLockEnabledForBucket=True) == "AccessDenied"
    user.create_bucket(Bucket="mine")


_NUMBERS = count()
STEP = st.tuples(st.sampled_from(["retain", "release", "delete", "hide", "put", "wait"]), st.integers(1, 9))


@settings(max_examples=25)
@given(st.lists(STEP, max_size=10))
def test_compliance_holds_against_everything(cloud: Cloud, s3: Any, steps: list[tuple[str, int]]) -> None:
    """Whatever is tried, a lifecycle included, a version is there as long as the latest date that it was ever given."""
    bucket = f"compliance-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    until = on(cloud, 3)
    members = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    version = {"Bucket": bucket, "Key": "k", "VersionId": s3.put_object(Bucket=bucket, Key="k", Body=b"x", **members)["VersionId"]}
    for step, days in steps:
        try:
            if step == "retain":
                retention = {"Mode": "COMPLIANCE", "RetainUntilDate": on(cloud, days)}
                s3.put_object_retention(**version, Retention=retention, BypassGovernanceRetention=True)
                until = max(until, on(cloud, days))
            elif step == "release":
                s3.put_object_retention(**version, Retention={}, BypassGovernanceRetention=True)
            elif step == "delete":
                s3.delete_object(**version, BypassGovernanceRetention=True)
            elif step == "hide":
                s3.delete_object(Bucket=bucket, Key="k")
            elif step == "put":
                s3.put_object(Bucket=bucket, Key="k", Body=b"y")
        except ClientError as refused_:
            if refused_.response["Error"]["Code"] not in ("AccessDenied", "NoSuchVersion"):
                raise
        if step == "wait":
            cloud.advance(days * DAY / 4)
        if on(cloud, 0) < until:
            assert s3.get_object(**version)["Body"].read() == b"x"
