from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused


def put(s3: Any, bucket: str, body: bytes, key: str = "k") -> str:
    found: str = s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    return found


def read(s3: Any, bucket: str, **members: Any) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key="k", **members)["Body"].read()
    return content


def history(s3: Any, bucket: str) -> list[tuple[str, bool]]:
    """Versions and markers of a bucket, as (id, whether latest)."""
    found = s3.list_object_versions(Bucket=bucket)
    return [(v["VersionId"], v["IsLatest"]) for v in found.get("Versions", []) + found.get("DeleteMarkers", [])]


def test_versioning_is_off_enabled_or_suspended(s3: Any, bucket: str) -> None:
    """A bucket starts without; what is then set cannot be unset."""
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    assert code(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={}) == "IllegalVersioningConfigurationException"


def test_every_version_stays_readable(s3: Any, versioned: str) -> None:
    """Each put makes a version; the newest is current."""
    ids = [put(s3, versioned, content) for content in (b"1", b"2", b"3")]
    assert len(set(ids)) == 3
    assert [read(s3, versioned, VersionId=i) for i in ids] == [b"1", b"2", b"3"]
    assert read(s3, versioned) == b"3"
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == ids[2]
    assert history(s3, versioned) == [(ids[2], True), (ids[1], False), (ids[0], False)]


def test_a_delete_marker_hides_and_can_be_taken_away(s3: Any, versioned: str) -> None:
    """Deleting a key hides it; deleting the marker brings it back."""
    version = put(s3, versioned, b"1")
    gone = s3.delete_object(Bucket=versioned, Key="k")
    marker = gone["VersionId"]
    assert gone["DeleteMarker"] is True
    found = refused(s3.get_object, Bucket=versioned, Key="k")
    assert (found["Code"], found["headers"]["x-amz-delete-marker"], found["headers"]["x-amz-version-id"]) == ("NoSuchKey", "true", marker)
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    named = refused(s3.get_object, Bucket=versioned, Key="k", VersionId=marker)
    assert (named["Code"], named["status"], named["headers"]["x-amz-delete-marker"]) == ("MethodNotAllowed", 405, "true")
    assert history(s3, versioned) == [(version, False), (marker, True)]
    again = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert (again["DeleteMarker"], again["VersionId"]) == (True, marker)
    assert read(s3, versioned) == b"1"


def test_deleting_the_current_version_uncovers_the_one_before(s3: Any, versioned: str) -> None:
    """The newest version left becomes current, be it an object or a marker."""
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")
    s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert read(s3, versioned) == b"1"
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    third = put(s3, versioned, b"3")
    s3.delete_object(Bucket=versioned, Key="k", VersionId=third)
    assert code(s3.get_object, Bucket=versioned, Key="k") == "NoSuchKey"
    assert history(s3, versioned) == [(first, False), (marker, True)]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert history(s3, versioned) == []


def test_versions_that_are_not(s3: Any, versioned: str) -> None:
    """A well-formed id of no version is NoSuchVersion to read and nothing to delete; any other is InvalidArgument."""
    version = put(s3, versioned, b"1")
    other = version[:-1] + ("0" if version[-1] != "0" else "1")
    found = refused(s3.get_object, Bucket=versioned, Key="k", VersionId=other)
    assert (found["Code"], found["status"], found["VersionId"]) == ("NoSuchVersion", 404, other)
    assert code(s3.get_object, Bucket=versioned, Key="k", VersionId="nonsense") == "InvalidArgument"
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=other)["VersionId"] == other
    assert read(s3, versioned) == b"1"


def test_null_versions(s3: Any, bucket: str) -> None:
    """What was written before versioning, and while it is suspended, is the null version: there is one at most."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    version = put(s3, bucket, b"new")
    assert read(s3, bucket, VersionId="null") == b"old"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"suspended")
    assert read(s3, bucket, VersionId="null") == read(s3, bucket) == b"suspended"
    assert history(s3, bucket) == [("null", True), (version, False)]
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    assert history(s3, bucket) == [(version, False), ("null", True)]
    s3.put_object(Bucket=bucket, Key="k", Body=b"again")
    assert history(s3, bucket) == [("null", True), (version, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert read(s3, bucket) == b"new"


def test_many_versions_go_at_once(s3: Any, versioned: str) -> None:
    """DeleteObjects makes markers, or deletes the versions that are named."""
    version = put(s3, versioned, b"1")
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k"}]})["Deleted"][0]
    assert answer["DeleteMarker"] is True
    both = [{"Key": "k", "VersionId": v} for v in (version, answer["DeleteMarkerVersionId"])]
    gone = s3.delete_objects(Bucket=versioned, Delete={"Objects": both})["Deleted"]
    assert gone[0] == {"Key": "k", "VersionId": version}
    assert (gone[1]["DeleteMarker"], gone[1]["VersionId"]) == (True, answer["DeleteMarkerVersionId"])
    assert history(s3, versioned) == []


def test_versions_take_their_own_actions(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Naming a version needs s3:GetObjectVersion and s3:DeleteObjectVersion, and only those."""
    version = put(s3, versioned, b"1")
    plain = as_user(cloud, "plain", allow("s3:GetObject", "s3:DeleteObject"))
    assert plain.get_object(Bucket=versioned, Key="k")["Body"].read() == b"1"
    assert code(plain.get_object, Bucket=versioned, Key="k", VersionId=version) == "AccessDenied"
    assert code(plain.delete_object, Bucket=versioned, Key="k", VersionId=version) == "AccessDenied"
    only = {"Condition": {"StringEquals": {"s3:VersionId": version}}}
    keeper = as_user(cloud, "keeper", allow("s3:GetObjectVersion", **only))
    assert keeper.get_object(Bucket=versioned, Key="k", VersionId=version)["Body"].read() == b"1"
    assert code(keeper.get_object, Bucket=versioned, Key="k") == "AccessDenied"


def test_big_versions_go_one_by_one(s3: Any, versioned: str) -> None:
    """Deleting a version of a content leaves another version of the same content whole."""
    content = b"x" * 100_000
    first, second = put(s3, versioned, content), put(s3, versioned, content)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    assert read(s3, versioned, VersionId=second) == content


_NUMBERS = count()
STEPS = st.lists(st.sampled_from(["put", "put", "delete", "version", "version", "Enabled", "Suspended"]), max_size=12)


@settings(max_examples=40)
@given(STEPS, st.randoms(use_true_random=False))
def test_any_history_is_as_a_simple_model_has_it(s3: Any, steps: list[str], random: Any) -> None:
    """A list with the newest first, where null replaces null, tells the same of any steps as the store does."""
    bucket = f"history-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=bucket)
    model: list[tuple[str, bytes | None]] = []  # (id, content; None is a marker), the newest first
    state = ""
    for number, step in enumerate(steps):
        if step in ("Enabled", "Suspended"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": step})
            state = step
        elif step == "version":
            if model:
                gone = random.choice(model)
                s3.delete_object(Bucket=bucket, Key="k", VersionId=gone[0])
                model.remove(gone)
        elif step == "delete" and not state:
            s3.delete_object(Bucket=bucket, Key="k")
            model = []
        else:
            content = None if step == "delete" else b"%d" % number
            if content is None:
                version = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
            else:
                version = s3.put_object(Bucket=bucket, Key="k", Body=content).get("VersionId", "null")
            assert (version == "null") == (state != "Enabled")
            model = [(version, content), *(one for one in model if one[0] != "null" or version != "null")]
        check(s3, bucket, model)


def check(s3: Any, bucket: str, model: list[tuple[str, bytes | None]]) -> None:
    """The bucket holds what the model says: versions, contents, and the current object."""
    found = s3.list_object_versions(Bucket=bucket)
    versions = [v["VersionId"] for v in found.get("Versions", [])]
    markers = [v["VersionId"] for v in found.get("DeleteMarkers", [])]
    assert versions == [i for i, content in model if content is not None]
    assert markers == [i for i, content in model if content is None]
    latest = [v["VersionId"] for v in found.get("Versions", []) + found.get("DeleteMarkers", []) if v["IsLatest"]]
    assert latest == [i for i, _ in model[:1]]
    if model and model[0][1] is not None:
        assert read(s3, bucket) == model[0][1]
    else:
        assert code(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"
    for i, content in model:
        if content is not None:
            assert read(s3, bucket, VersionId=i) == content
