from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused
from .test_notifications import Queue, configure, to
from .test_versions import history

DAY = 86_400
BIG = b"x" * (128 * 1024)


def rule(id_: str = "r", prefix: str = "", **actions: Any) -> dict[str, Any]:
    return {"ID": id_, "Status": "Enabled", "Filter": {"Prefix": prefix}, **actions}


def live(s3: Any, bucket: str, *rules: dict[str, Any], **members: Any) -> Any:
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}, **members)


def to_midnight(cloud: Cloud, hours_after: float = 0) -> None:
    """Moves the clock to the next midnight UTC, or some hours after it."""
    cloud.advance((DAY * 1000 - cloud.now_ms % (DAY * 1000) + 0.5) / 1000 + hours_after * 3600)


@pytest.fixture(autouse=True)
def noon(cloud: Cloud) -> None:
    """Every test begins in the middle of a day, whenever it is run."""
    to_midnight(cloud, 12)


def keys(s3: Any, bucket: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def classes(s3: Any, bucket: str) -> dict[str, str]:
    return {found["Key"]: found["StorageClass"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_objects_expire_at_the_midnight_after_their_days(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Days are rounded up to midnight UTC; the header tells when, and by which rule."""
    to_midnight(cloud, 10.5)
    live(s3, bucket, rule("a rule", prefix="logs/", Expiration={"Days": 3}))
    expires = datetime.fromtimestamp(cloud.now_ms // 1000, UTC).replace(hour=0, minute=0, second=0) + timedelta(days=4)
    header = f'expiry-date="{expires:%a, %d %b %Y} 00:00:00 GMT", rule-id="a%20rule"'
    assert s3.put_object(Bucket=bucket, Key="logs/1", Body=b"x")["Expiration"] == header
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="kept")
    assert s3.head_object(Bucket=bucket, Key="logs/1")["Expiration"] == header
    assert s3.get_object(Bucket=bucket, Key="logs/1")["Expiration"] == header
    cloud.advance(3 * DAY)
    assert keys(s3, bucket) == ["kept", "logs/1"]
    to_midnight(cloud)
    assert keys(s3, bucket) == ["kept"]


def test_a_configuration_is_kept_until_it_is_deleted(cloud: Cloud, s3: Any, bucket: str) -> None:
    """What was put is got, with an id for each rule; deleted, nothing expires any more."""
    assert code(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    tag = {"Key": "a", "Value": "b"}
    both = {"And": {"Prefix": "p", "Tags": [tag], "ObjectSizeGreaterThan": 1, "ObjectSizeLessThan": 9}}
    date = datetime(2030, 1, 1, tzinfo=UTC)
    rules: list[dict[str, Any]] = [
        rule("all", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}, Expiration={"ExpiredObjectDeleteMarker": True}),
        {**rule("both", Transitions=[{"Date": date, "StorageClass": "GLACIER"}]), "Filter": both, "Status": "Disabled"},
        {**rule("tag", NoncurrentVersionExpiration={"NoncurrentDays": 5, "NewerNoncurrentVersions": 2}), "Filter": {"Tag": tag}},
        {**rule("none", NoncurrentVersionTransitions=[{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA"}]), "Filter": {}},
    ]
    unnamed = {"Status": "Enabled", "Filter": {"ObjectSizeLessThan": 7}, "Expiration": {"Days": 9}}
    assert live(s3, bucket, *rules, unnamed)["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert found["Rules"][:4] == rules
    assert found["Rules"][4].pop("ID")
    assert found["Rules"][4] == unnamed
    assert found["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    live(s3, bucket, rule(Expiration={"Days": 1}), TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    s3.put_object(Bucket=bucket, Key="k")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")
    cloud.advance(5 * DAY)
    assert keys(s3, bucket) == ["k"]


def test_the_legacy_operations_say_the_same(cloud: Cloud, s3: Any, bucket: str) -> None:
    """PutBucketLifecycle and GetBucketLifecycle, with prefixes and one transition a rule."""
    old = {"ID": "old", "Prefix": "p", "Status": "Enabled", "Transition": {"Days": 1, "StorageClass": "GLACIER"}}
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [old]})
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [old]
    s3.put_object(Bucket=bucket, Key="p", Body=BIG)
    s3.put_object(Bucket=bucket, Key="q", Body=BIG)
    cloud.advance(2 * DAY)
    assert classes(s3, bucket) == {"p": "GLACIER", "q": "STANDARD"}


def test_days_without_end(cloud: Cloud, s3: Any, bucket: str) -> None:
    """As many days as a configuration can say are told as the last date that there is, and nothing happens until then."""
    days = 2_147_483_647
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}}
    rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    last = 'expiry-date="Fri, 31 Dec 9999 00:00:00 GMT", rule-id="r"'
    assert s3.put_object(Bucket=bucket, Key="k", StorageClass="GLACIER")["Expiration"] == last
    assert s3.create_multipart_upload(Bucket=bucket, Key="k")["AbortDate"].year == 9999
    s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": days})
    cloud.advance(3 * 365 * DAY)
    assert "31 Dec 9999" in s3.head_object(Bucket=bucket, Key="k")["Restore"]
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1


def test_filters(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A rule means the objects that its prefix, tags and sizes all hold for; a disabled one means none."""
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    live(
        s3,
        bucket,
        {**rule("tags", Expiration={"Days": 1}), "Filter": {"And": {"Prefix": "t/", "Tags": tags}}},
        {**rule("size", Expiration={"Days": 1}), "Filter": {"And": {"ObjectSizeGreaterThan": 2, "ObjectSizeLessThan": 5}}},
        {**rule("off", Expiration={"Days": 1}), "Status": "Disabled"},
    )
    for key, size, tagging in (
        ("t/gone", 0, "a=1&b=2&c=3"),
        ("t/one-tag", 0, "a=1"),
        ("u/other-prefix", 0, "a=1&b=2"),
        ("two", 2, ""),
        ("three-gone", 3, ""),
        ("four-gone", 4, ""),
        ("five", 5, ""),
    ):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, Tagging=tagging)
    cloud.advance(2 * DAY)
    assert keys(s3, bucket) == ["five", "t/one-tag", "two", "u/other-prefix"]


def test_dates(cloud: Cloud, s3: Any, bucket: str) -> None:
    """From a date on, what is there goes, and so does what comes later."""
    at = datetime.fromtimestamp((cloud.now_ms // 1000 // DAY + 3) * DAY, UTC)
    live(s3, bucket, rule(Expiration={"Date": at}))
    s3.put_object(Bucket=bucket, Key="old")
    cloud.advance((at.timestamp() * 1000 - cloud.now_ms) / 1000 - 1)
    assert keys(s3, bucket) == ["old"]
    cloud.advance(1)
    assert keys(s3, bucket) == []
    cloud.advance(10)
    s3.put_object(Bucket=bucket, Key="new")
    to_midnight(cloud)
    assert keys(s3, bucket) == []


def test_transitions(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Objects go through the classes in time, also when the clock jumps; the content and its date stay."""
    moves = [
        {"Days": 30, "StorageClass": "STANDARD_IA"},
        {"Days": 60, "StorageClass": "GLACIER"},
        {"Days": 90, "StorageClass": "DEEP_ARCHIVE"},
    ]
    live(s3, bucket, rule(Transitions=moves))
    put = s3.put_object(Bucket=bucket, Key="k", Body=BIG)
    s3.put_object(Bucket=bucket, Key="small", Body=BIG[1:])
    before = s3.head_object(Bucket=bucket, Key="k")
    for days, name in ((29, "STANDARD"), (2, "STANDARD_IA"), (29, "STANDARD_IA"), (1, "GLACIER"), (100, "DEEP_ARCHIVE")):
        cloud.advance(days * DAY)
        assert classes(s3, bucket) == {"k": name, "small": "STANDARD"}
    after = s3.head_object(Bucket=bucket, Key="k")
    assert (after["ETag"], after["LastModified"]) == (put["ETag"], before["LastModified"])
    assert code(s3.get_object, Bucket=bucket, Key="k") == "InvalidObjectState"


def test_small_objects_move_where_the_configuration_lets_them(cloud: Cloud, s3: Any, bucket: str) -> None:
    """By default nothing under 128 KiB does; varies_by_storage_class lets it into the archives; a size in the filter decides alone."""
    for key in ("ia", "glacier", "sized"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    sized = {
        **rule("s", Transitions=[{"Days": 30, "StorageClass": "ONEZONE_IA"}]),
        "Filter": {"And": {"Prefix": "s", "ObjectSizeGreaterThan": 0}},
    }
    rules = [
        rule("i", prefix="i", Transitions=[{"Days": 30, "StorageClass": "STANDARD_IA"}]),
        rule("g", prefix="g", Transitions=[{"Days": 0, "StorageClass": "GLACIER"}]),
    ]
    live(s3, bucket, *rules)
    cloud.advance(40 * DAY)
    assert set(classes(s3, bucket).values()) == {"STANDARD"}
    live(s3, bucket, *rules, sized, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    to_midnight(cloud)
    assert classes(s3, bucket) == {"glacier": "GLACIER", "ia": "STANDARD", "sized": "ONEZONE_IA"}


def test_current_versions_expire_behind_a_marker(cloud: Cloud, s3: Any, versioned: str) -> None:
    """In a versioned bucket a marker is put in front; the version stays until noncurrent ones go, and then the marker goes."""
    live(s3, versioned, rule(Expiration={"Days": 10}, NoncurrentVersionExpiration={"NoncurrentDays": 5}))
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    cloud.advance(11 * DAY)
    ((found, latest), (_, marker_latest)) = history(s3, versioned)
    assert (found, latest, marker_latest) == (version, False, True)
    cloud.advance(4 * DAY)
    assert len(history(s3, versioned)) == 2
    cloud.advance(DAY)
    assert [latest for _, latest in history(s3, versioned)] == [True]
    cloud.advance(10 * DAY)
    assert history(s3, versioned) == []


def test_a_jump_leaves_what_the_days_would_have_left(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Markers made on the way are as old as if the clock had not jumped."""
    live(s3, versioned, rule(Expiration={"Days": 10}, NoncurrentVersionExpiration={"NoncurrentDays": 5}))
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    cloud.advance(13 * DAY)
    marker = s3.list_object_versions(Bucket=versioned)["DeleteMarkers"][0]
    age = cloud.now_ms / 1000 - marker["LastModified"].timestamp()
    assert 2 * DAY <= age <= 3 * DAY
    s3.put_object(Bucket=versioned, Key="other", Body=b"x")
    cloud.advance(100 * DAY)
    assert history(s3, versioned) == []


def test_newer_noncurrent_versions_are_kept(cloud: Cloud, s3: Any, versioned: str) -> None:
    """So many of the newest noncurrent versions stay, however old; the others go when their days are over."""
    live(s3, versioned, rule(NoncurrentVersionExpiration={"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}))
    ids = []
    for _ in range(5):
        ids.append(s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"])
        cloud.advance(60)
    cloud.advance(2 * DAY)
    assert len(history(s3, versioned)) == 5
    cloud.advance(3 * DAY)
    assert [version for version, _ in history(s3, versioned)] == ids[:1:-1]


def test_noncurrent_versions_move(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Days count from when a version was replaced; the current one stays where it is."""
    live(s3, versioned, rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 2, "StorageClass": "GLACIER", "NewerNoncurrentVersions": 1}]))
    for _ in range(3):
        s3.put_object(Bucket=versioned, Key="k", Body=BIG)
        cloud.advance(5 * DAY)
    found = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [version["StorageClass"] for version in found] == ["STANDARD", "STANDARD", "GLACIER"]


def test_lone_markers_go(cloud: Cloud, s3: Any, versioned: str) -> None:
    """ExpiredObjectDeleteMarker removes markers that hide nothing, and no others."""
    live(s3, versioned, rule(Expiration={"ExpiredObjectDeleteMarker": True}))
    s3.put_object(Bucket=versioned, Key="hidden", Body=b"x")
    for key in ("hidden", "alone"):
        s3.delete_object(Bucket=versioned, Key=key)
    to_midnight(cloud)
    assert [marker["Key"] for marker in s3.list_object_versions(Bucket=versioned)["DeleteMarkers"]] == ["hidden"]


def test_suspended_buckets(cloud: Cloud, s3: Any, versioned: str) -> None:
    """A null version expires for good, behind a null marker."""
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    live(s3, versioned, rule(Expiration={"Days": 1}))
    cloud.advance(2 * DAY)
    assert history(s3, versioned) == [("null", True)]
    assert "Versions" not in s3.list_object_versions(Bucket=versioned)


def test_uploads_are_aborted(cloud: Cloud, s3: Any, bucket: str) -> None:
    """An upload that was begun so many days ago is dropped with its parts; who begins or lists it is told when."""
    live(s3, bucket, rule("ab ort", prefix="u/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2}))
    begun = s3.create_multipart_upload(Bucket=bucket, Key="u/1")
    other = s3.create_multipart_upload(Bucket=bucket, Key="v/1")
    assert "AbortDate" not in other
    assert begun["AbortRuleId"] == "ab ort"
    assert begun["AbortDate"].hour == 0
    assert 2 * DAY <= begun["AbortDate"].timestamp() - cloud.now_ms // 1000 <= 3 * DAY
    listed = s3.list_parts(Bucket=bucket, Key="u/1", UploadId=begun["UploadId"])
    assert (listed["AbortDate"], listed["AbortRuleId"]) == (begun["AbortDate"], "ab ort")
    cloud.advance(2 * DAY - 1)
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 2
    to_midnight(cloud)
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["v/1"]


def test_locks_are_respected(cloud: Cloud, s3: Any) -> None:
    """A retained version goes at the first midnight after its date; a held one stays; markers are made all the same."""
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    until = datetime.fromtimestamp(cloud.now_ms // 1000, UTC) + timedelta(days=20)
    s3.put_object(Bucket="locked", Key="retained", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    s3.put_object(Bucket="locked", Key="held", ObjectLockLegalHoldStatus="ON")
    s3.put_object(Bucket="locked", Key="free")
    live(s3, "locked", rule(Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    cloud.advance(19 * DAY)
    assert keys(s3, "locked") == []
    assert [v["Key"] for v in s3.list_object_versions(Bucket="locked")["Versions"]] == ["held", "retained"]
    cloud.advance(2 * DAY)
    assert [v["Key"] for v in s3.list_object_versions(Bucket="locked")["Versions"]] == ["held"]


def test_what_happens_is_told(cloud: Cloud, s3: Any, bucket: str, versioned: str) -> None:
    """Expirations, markers and transitions have their own events, and are no ObjectRemoved."""
    for name in (bucket, versioned):
        queue = Queue(cloud, name)
        configure(s3, name, to(queue, "s3:LifecycleExpiration:*", "s3:LifecycleTransition", "s3:ObjectRemoved:*"))
        queue.bodies()
        live(s3, name, rule(Expiration={"Days": 2}, Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]))
        s3.put_object(Bucket=name, Key="k", Body=BIG)
        cloud.advance(4 * DAY)
        records = queue.records()
        end = "DeleteMarkerCreated" if name == versioned else "Delete"
        assert [r["eventName"] for r in records] == ["LifecycleTransition", f"LifecycleExpiration:{end}"]
        assert records[0]["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "GLACIER"}}
        assert records[1]["userIdentity"] == {"principalId": "s3.amazonaws.com"}
        assert records[1]["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
        assert "size" not in records[1]["s3"]["object"]


def test_many_keys_go_some_at_a_time(cloud: Cloud, s3: Any, versioned: str) -> None:
    """A bucket of more keys than one task looks at is gone through to its end, uploads included."""
    live(s3, versioned, rule(Expiration={"Days": 1}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
    for number in range(450):
        s3.put_object(Bucket=versioned, Key=f"{number:03}")
    for number in range(210):
        s3.create_multipart_upload(Bucket=versioned, Key=f"{number:03}")
    cloud.advance(2 * DAY)
    assert keys(s3, versioned) == []
    assert len(s3.list_object_versions(Bucket=versioned)["DeleteMarkers"]) == 450
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=versioned)


def test_many_versions_of_one_key_go(cloud: Cloud, s3: Any, versioned: str) -> None:
    """A key with more versions than one task removes is gone through to its end, and the next key too."""
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"] for _ in range(100)]
    s3.put_object(Bucket=versioned, Key="l", Body=b"x")
    s3.put_object(Bucket=versioned, Key="l", Body=b"x")
    live(s3, versioned, rule(NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    cloud.advance(3 * DAY)
    found = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [version["Key"] for version in found] == ["k", "l"]
    assert found[0]["VersionId"] == ids[-1]


def test_a_bucket_made_again_has_no_lifecycle(cloud: Cloud, s3: Any, bucket: str) -> None:
    """The runs of a bucket end with it, and a new one of that name has its own."""
    live(s3, bucket, rule(Expiration={"Days": 1}))
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k")
    cloud.advance(5 * DAY)
    assert keys(s3, bucket) == ["k"]
    live(s3, bucket, rule(Expiration={"Days": 1}))
    to_midnight(cloud)
    assert keys(s3, bucket) == []


IA, GLACIER = "STANDARD_IA", "GLACIER"


@pytest.mark.parametrize(
    ("actions", "expected", "words"),
    [
        ({}, "InvalidRequest", "At least one action"),
        ({"Expiration": {}}, "InvalidRequest", "At least one action"),
        ({"Expiration": {"Days": 0}}, "InvalidArgument", "must be a positive integer"),
        ({"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML", ""),
        ({"Expiration": {"Date": datetime(2030, 1, 1, 1, tzinfo=UTC)}}, "InvalidArgument", "'Date' must be at midnight GMT"),
        ({"Transitions": [{"Days": -1, "StorageClass": GLACIER}]}, "InvalidArgument", "must be nonnegative"),
        ({"Transitions": [{"Days": 29, "StorageClass": IA}]}, "InvalidArgument", "greater than or equal to 30 for storageClass"),
        ({"Transitions": [{"Days": 1, "StorageClass": "STANDARD"}]}, "MalformedXML", ""),
        ({"Transitions": [{"StorageClass": GLACIER}]}, "MalformedXML", ""),
        (
            {"Transitions": [{"Days": 1, "StorageClass": GLACIER}, {"Days": 2, "StorageClass": GLACIER}]},
            "InvalidRequest",
            "'StorageClass' must be different",
        ),
        (
            {"Transitions": [{"Days": 30, "StorageClass": IA}, {"Days": 59, "StorageClass": GLACIER}]},
            "InvalidArgument",
            "must be 30 days more than 'Days' in the 'STANDARD_IA' Transition action",
        ),
        (
            {"Transitions": [{"Days": 9, "StorageClass": GLACIER}, {"Days": 8, "StorageClass": "DEEP_ARCHIVE"}]},
            "InvalidArgument",
            "must be greater than",
        ),
        (
            {"Transitions": [{"Days": 9, "StorageClass": GLACIER}], "Expiration": {"Days": 9}},
            "InvalidArgument",
            "'Days' in the Expiration action for filter '(prefix=p)' must be greater than 'Days' in the Transition action",
        ),
        (
            {"Transitions": [{"Days": 9, "StorageClass": GLACIER}], "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}},
            "InvalidRequest",
            "Found mixed 'Date' and 'Days'",
        ),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument", "must be a positive integer"),
        ({"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 1}}, "MalformedXML", ""),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}}, "InvalidArgument", "at most 100"),
        ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 3, "StorageClass": IA}]}, "InvalidArgument", "equal to 30"),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, "InvalidArgument", "must be a positive integer"),
        (
            {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
            "InvalidRequest",
            "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        ),
        (
            {"Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
            "InvalidRequest",
            "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        ),
        ({"Expiration": {"Days": 1}, "Filter": {"Prefix": "a", "ObjectSizeLessThan": 1}}, "MalformedXML", ""),
        ({"Expiration": {"Days": 1}, "Filter": {"And": {"Prefix": "a"}}}, "MalformedXML", ""),
        (
            {"Expiration": {"Days": 1}, "Filter": {"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}}},
            "InvalidRequest",
            "'ObjectSizeLessThan' has to be a value greater than",
        ),
        ({"Expiration": {"Days": 1}, "Status": "On"}, "MalformedXML", ""),
        ({"Expiration": {"Days": 1}, "ID": "x" * 256}, "InvalidArgument", "ID length"),
    ],
)
def test_wrong_rules_are_refused(s3: Any, bucket: str, actions: dict[str, Any], expected: str, words: str) -> None:
    """A rule that cannot be is refused as a whole, and nothing is kept."""
    lifecycle = {"Rules": [{**rule(prefix="p"), **actions}]}
    found = refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=lifecycle)
    assert (found["Code"], words in found["Message"]) == (expected, True), found["Message"]
    assert code(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


def test_rules_go_together(s3: Any, bucket: str) -> None:
    """Ids are unique, filters are not mixed with prefixes, and there are 1,000 rules at most."""
    one = rule(Expiration={"Days": 1})
    old = {"ID": "o", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}
    for rules, expected in (
        ([one, one], "InvalidArgument"),
        ([one, old], "InvalidRequest"),
        ([{**one, **old}], "InvalidRequest"),
        ([{"ID": "n", "Status": "Enabled", "Expiration": {"Days": 1}}], "MalformedXML"),
        ([], "MalformedXML"),
        ([rule(str(number), Expiration={"Days": 1}) for number in range(1001)], "MalformedXML"),
    ):
        assert code(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": rules}) == expected
    live(s3, bucket, *[rule(str(number), Expiration={"Days": 1}) for number in range(1000)])


def test_lifecycles_take_their_permission(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:PutLifecycleConfiguration puts and deletes, s3:GetLifecycleConfiguration gets."""
    writer = as_user(cloud, "writer", allow("s3:PutLifecycleConfiguration", on=f"arn:aws:s3:::{bucket}"))
    live(writer, bucket, rule(Expiration={"Days": 1}))
    assert code(writer.get_bucket_lifecycle_configuration, Bucket=bucket) == "AccessDenied"
    writer.delete_bucket_lifecycle(Bucket=bucket)


_NUMBERS = count()
STEPS = st.lists(st.tuples(st.sampled_from(["put", "delete", "wait"]), st.integers(1, 9)), max_size=8)


@settings(max_examples=15)
@given(STEPS, st.integers(1, 20), st.integers(1, 20), st.integers(0, 2))
def test_one_jump_is_as_many_days(cloud: Cloud, s3: Any, steps: list[tuple[str, int]], days: int, noncurrent: int, kept: int) -> None:
    """Two buckets with the same history are alike, whether the clock then goes day by day or all at once."""
    number = next(_NUMBERS)
    left = []
    for way in ("daily", "jump"):
        bucket = f"{way}-{number}"
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        to_midnight(cloud, 6)
        expiration = {"NoncurrentDays": noncurrent, **({"NewerNoncurrentVersions": kept} if kept else {})}
        live(s3, bucket, rule(Expiration={"Days": days}, NoncurrentVersionExpiration=expiration))
        start_ms = cloud.now_ms
        for step, wait in steps:
            if step == "put":
                s3.put_object(Bucket=bucket, Key="k", Body=b"x")
            elif step == "delete":
                s3.delete_object(Bucket=bucket, Key="k")
            for _ in range(wait) if step == "wait" else ():
                cloud.advance(DAY)
        for _ in range(25 if way == "daily" else 1):
            cloud.advance(DAY if way == "daily" else 25 * DAY)
        found = s3.list_object_versions(Bucket=bucket)
        left.append(
            [
                [int(v["LastModified"].timestamp() * 1000 - start_ms // 1000 * 1000) // 1000 for v in found.get(kind, [])]
                for kind in ("Versions", "DeleteMarkers")
            ]
        )
        for version in found.get("Versions", []) + found.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key="k", VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=bucket)
    assert left[0] == left[1]
