from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused
from .test_lifecycle import BIG, DAY, to_midnight
from .test_notifications import Queue, configure, to

HOUR = 3600


def put(s3: Any, bucket: str, storage_class: str = "GLACIER", body: bytes = b"cold", key: str = "k") -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=body, StorageClass=storage_class)


def restore(s3: Any, bucket: str, days: int | None = 3, tier: str | None = None, key: str = "k", **members: Any) -> int:
    wanted: dict[str, Any] = {} if days is None else {"Days": days}
    if tier is not None:
        wanted["GlacierJobParameters"] = {"Tier": tier}
    answer = s3.restore_object(Bucket=bucket, Key=key, RestoreRequest=wanted, **members)
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status


def header(s3: Any, bucket: str) -> str | None:
    found: str | None = s3.head_object(Bucket=bucket, Key="k").get("Restore")
    return found


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_objects_are_not_read(s3: Any, bucket: str, name: str) -> None:
    """Content is InvalidObjectState to readers and copies; everything about it can be asked."""
    put(s3, bucket, name)
    found = refused(s3.get_object, Bucket=bucket, Key="k")
    assert (found["Code"], found["status"], found["StorageClass"]) == ("InvalidObjectState", 403, name)
    assert (
        refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k", StorageClass="STANDARD")["Code"] == "InvalidObjectState"
    )
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = {"Bucket": bucket, "Key": "m", "UploadId": upload, "PartNumber": 1}
    assert code(s3.upload_part_copy, **part, CopySource=f"{bucket}/k") == "InvalidObjectState"
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["StorageClass"], head["ContentLength"], "Restore" in head) == (name, 4, False)
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    ("name", "tier", "least_s", "most_s"),
    [
        ("GLACIER", "Expedited", 60, 300),
        ("GLACIER", "Standard", 3 * HOUR, 5 * HOUR),
        ("GLACIER", None, 3 * HOUR, 5 * HOUR),
        ("GLACIER", "Bulk", 5 * HOUR, 12 * HOUR),
        ("DEEP_ARCHIVE", "Standard", 5 * HOUR, 12 * HOUR),
        ("DEEP_ARCHIVE", "Bulk", 12 * HOUR, 48 * HOUR),
    ],
)
def test_a_restore_takes_its_time(cloud: Cloud, s3: Any, bucket: str, name: str, tier: str | None, least_s: int, most_s: int) -> None:
    """The copy comes between the least and the most that the tier takes, and the object stays in its class."""
    put(s3, bucket, name)
    assert restore(s3, bucket, 30, tier) == 202
    cloud.advance(least_s - 1)
    assert header(s3, bucket) == 'ongoing-request="true"'
    assert code(s3.get_object, Bucket=bucket, Key="k") == "InvalidObjectState"
    cloud.advance(most_s - least_s + 1)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["StorageClass"]) == (b"cold", name)
    assert got["Restore"].startswith('ongoing-request="false", expiry-date="')


def test_a_copy_expires_at_midnight(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Days count from the request and are rounded up to midnight UTC; then the object is archived as before."""
    to_midnight(cloud, 10.5)
    put(s3, bucket)
    restore(s3, bucket, 3, "Expedited")
    cloud.advance(300)
    midnight = datetime.fromtimestamp(cloud.now_ms // 1000 // DAY * DAY, UTC)
    expires = midnight + timedelta(days=4)
    assert header(s3, bucket) == f'ongoing-request="false", expiry-date="{expires:%a, %d %b %Y} 00:00:00 GMT"'
    cloud.advance(DAY)
    assert restore(s3, bucket, 1) == 200
    expires = midnight + timedelta(days=3)
    assert header(s3, bucket) == f'ongoing-request="false", expiry-date="{expires:%a, %d %b %Y} 00:00:00 GMT"'
    cloud.advance(expires.timestamp() - cloud.now_ms / 1000 - 1)
    s3.get_object(Bucket=bucket, Key="k")
    cloud.advance(2)
    assert header(s3, bucket) is None
    assert code(s3.get_object, Bucket=bucket, Key="k") == "InvalidObjectState"
    assert restore(s3, bucket) == 202


def test_a_restore_under_way_is_only_hastened(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Asking again is RestoreAlreadyInProgress, but for a faster tier."""
    put(s3, bucket)
    restore(s3, bucket, 3, "Bulk")
    found = refused(restore, s3=s3, bucket=bucket, days=9, tier="Bulk")
    assert (found["Code"], found["status"]) == ("RestoreAlreadyInProgress", 409)
    assert restore(s3, bucket, 3, "Expedited") == 202
    assert code(restore, s3=s3, bucket=bucket, tier="Standard") == "RestoreAlreadyInProgress"
    cloud.advance(300)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"cold"


def test_a_restored_object_is_copied_back(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A copy onto itself with another storage class brings it back for good."""
    put(s3, bucket)
    restore(s3, bucket, 1, "Expedited")
    cloud.advance(300)
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", StorageClass="STANDARD")
    cloud.advance(5 * DAY)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), "StorageClass" in got, "Restore" in got) == (b"cold", False, False)


def test_versions_are_restored_by_themselves(cloud: Cloud, s3: Any, versioned: str) -> None:
    """A named version, also one that is no longer current."""
    put(s3, versioned)
    old = s3.head_object(Bucket=versioned, Key="k")["VersionId"]
    put(s3, versioned, body=b"newer")
    restore(s3, versioned, 1, "Expedited", VersionId=old)
    cloud.advance(300)
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=old)["Body"].read() == b"cold"
    assert code(s3.get_object, Bucket=versioned, Key="k") == "InvalidObjectState"


def test_listings_tell_of_restores(cloud: Cloud, s3: Any, versioned: str) -> None:
    """RestoreStatus, where it is asked for."""
    put(s3, versioned)
    restore(s3, versioned, 1, "Expedited")
    asked = {"Bucket": versioned, "OptionalObjectAttributes": ["RestoreStatus"]}
    assert s3.list_objects_v2(**asked)["Contents"][0]["RestoreStatus"] == {"IsRestoreInProgress": True}
    assert "RestoreStatus" not in s3.list_objects_v2(Bucket=versioned)["Contents"][0]
    cloud.advance(300)
    for found in (s3.list_objects(**asked)["Contents"][0], s3.list_object_versions(**asked)["Versions"][0]):
        assert found["RestoreStatus"]["IsRestoreInProgress"] is False
        assert found["RestoreStatus"]["RestoreExpiryDate"].hour == 0


def test_restores_are_told(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Post when asked, Completed when the copy is there, Delete when it goes; an extended copy goes once."""
    queue = Queue(cloud)
    configure(s3, bucket, to(queue, "s3:ObjectRestore:*"))
    queue.bodies()
    put(s3, bucket)
    restore(s3, bucket, 1, "Expedited")
    cloud.advance(300)
    restore(s3, bucket, 5)
    records = queue.records()
    cloud.advance(7 * DAY)
    records += queue.records()
    assert [r["eventName"] for r in records] == ["ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete"]
    told = records[1]["glacierEventData"]["restoreEventData"]
    assert told["lifecycleRestoreStorageClass"] == "GLACIER"
    assert told["lifecycleRestorationExpiryTime"].endswith("T00:00:00.000Z")


def test_wrong_restores(s3: Any, bucket: str) -> None:
    """What is not archived, tiers that there are not, days that cannot be; SELECT is refused by name."""
    put(s3, bucket, "STANDARD_IA", key="warm")
    put(s3, bucket, "INTELLIGENT_TIERING", key="tiered")
    put(s3, bucket, "DEEP_ARCHIVE", key="deep")
    put(s3, bucket)
    assert code(restore, s3=s3, bucket=bucket, key="warm") == "InvalidObjectState"
    assert code(restore, s3=s3, bucket=bucket, key="tiered") == "ObjectAlreadyInActiveTierError"
    assert code(restore, s3=s3, bucket=bucket, key="deep", tier="Expedited") == "InvalidArgument"
    assert code(restore, s3=s3, bucket=bucket, key="none") == "NoSuchKey"
    assert code(restore, s3=s3, bucket=bucket, days=None) == "MalformedXML"
    assert code(restore, s3=s3, bucket=bucket, days=0) == "InvalidArgument"
    assert code(restore, s3=s3, bucket=bucket, tier="Leisurely") == "MalformedXML"
    found = refused(s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Type": "SELECT"})
    assert (found["status"], "with Type" in found["Message"]) == (501, True)


def test_restores_take_their_permission(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:RestoreObject."""
    put(s3, bucket)
    assert code(restore, s3=as_user(cloud, "reader", allow("s3:GetObject")), bucket=bucket) == "AccessDenied"
    assert restore(as_user(cloud, "restorer", allow("s3:RestoreObject", on=f"arn:aws:s3:::{bucket}/k")), bucket) == 202


def tiering(days: int = 90, deep: int | None = None, **more: Any) -> dict[str, Any]:
    tierings = [{"Days": days, "AccessTier": "ARCHIVE_ACCESS"}]
    if deep is not None:
        tierings.append({"Days": deep, "AccessTier": "DEEP_ARCHIVE_ACCESS"})
    return {"Id": "t", "Status": "Enabled", "Tierings": tierings, **more}


def archive(s3: Any, bucket: str, configuration: dict[str, Any]) -> None:
    s3.put_bucket_intelligent_tiering_configuration(Bucket=bucket, Id=configuration["Id"], IntelligentTieringConfiguration=configuration)


def test_what_nobody_reads_is_archived(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Days count from the last read; then it is deeper after more days; small objects and other classes stay."""
    archive(s3, bucket, tiering(90, 180, Filter={"Prefix": "k"}))
    put(s3, bucket, "INTELLIGENT_TIERING", BIG)
    put(s3, bucket, "INTELLIGENT_TIERING", BIG[1:], key="k-small")
    put(s3, bucket, "INTELLIGENT_TIERING", BIG, key="other")
    put(s3, bucket, "STANDARD", BIG, key="k-standard")
    cloud.advance(80 * DAY)
    s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    cloud.advance(89 * DAY)
    assert "ArchiveStatus" not in s3.head_object(Bucket=bucket, Key="k")
    cloud.advance(2 * DAY)
    assert s3.head_object(Bucket=bucket, Key="k")["ArchiveStatus"] == "ARCHIVE_ACCESS"
    found = refused(s3.get_object, Bucket=bucket, Key="k")
    assert (found["Code"], found["StorageClass"], found["AccessTier"]) == ("InvalidObjectState", "INTELLIGENT_TIERING", "ARCHIVE_ACCESS")
    for key in ("k-small", "other", "k-standard"):
        s3.get_object(Bucket=bucket, Key=key)
    cloud.advance(90 * DAY)
    assert s3.head_object(Bucket=bucket, Key="k")["ArchiveStatus"] == "DEEP_ARCHIVE_ACCESS"


def test_what_is_restored_comes_back_for_good(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A restore takes no days, moves the object back, and starts the days without access anew."""
    queue = Queue(cloud)
    configure(s3, bucket, to(queue, "s3:IntelligentTiering", "s3:ObjectRestore:Completed"))
    queue.bodies()
    archive(s3, bucket, tiering())
    put(s3, bucket, "INTELLIGENT_TIERING", BIG)
    cloud.advance(92 * DAY)
    records = queue.records()
    assert code(restore, s3=s3, bucket=bucket, days=1) == "MalformedXML"
    assert restore(s3, bucket, None) == 202
    cloud.advance(2 * HOUR)
    assert header(s3, bucket) == 'ongoing-request="true"'
    cloud.advance(3 * HOUR)
    assert header(s3, bucket) is None
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BIG
    records += queue.records()
    cloud.advance(88 * DAY)
    s3.get_object(Bucket=bucket, Key="k")
    assert [r["eventName"] for r in records] == ["IntelligentTiering", "ObjectRestore:Completed"]


def test_tiering_configurations(s3: Any, bucket: str) -> None:
    """They are put, got, listed and deleted by id; days have limits."""
    tag = {"Key": "a", "Value": "b"}
    one, two = tiering(90, 180), tiering(730, Filter={"And": {"Prefix": "p", "Tags": [tag]}}) | {"Id": "u", "Status": "Disabled"}
    for configuration in (two, one):
        archive(s3, bucket, configuration)
    get = s3.get_bucket_intelligent_tiering_configuration
    assert get(Bucket=bucket, Id="u")["IntelligentTieringConfiguration"] == two
    assert s3.list_bucket_intelligent_tiering_configurations(Bucket=bucket)["IntelligentTieringConfigurationList"] == [one, two]
    s3.delete_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="u")
    assert refused(get, Bucket=bucket, Id="u")["Code"] == "NoSuchConfiguration"
    for wrong in (tiering(89), tiering(731), tiering(90, 179), tiering(200, 180)):
        assert code(archive, s3=s3, bucket=bucket, configuration=wrong) == "InvalidArgument"
    assert code(archive, s3=s3, bucket=bucket, configuration=tiering(Filter={"Prefix": "a", "Tag": tag})) == "MalformedXML"


def test_tiering_takes_its_permission(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:PutIntelligentTieringConfiguration puts and deletes, s3:GetIntelligentTieringConfiguration gets and lists."""
    writer = as_user(cloud, "writer", allow("s3:PutIntelligentTieringConfiguration", on=f"arn:aws:s3:::{bucket}"))
    archive(writer, bucket, tiering())
    assert code(writer.list_bucket_intelligent_tiering_configurations, Bucket=bucket) == "AccessDenied"
    writer.delete_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="t")
