from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import MIB, allow, as_user, code, refused


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_copy_outlives_its_source(s3: Any, bucket: str, size: int) -> None:
    """A copy has the source's content, type, metadata and tags, and stays when the source goes."""
    body = b"x" * size
    put = s3.put_object(Bucket=bucket, Key="a b/ü", Body=body, ContentType="text/plain", Metadata={"m": "1"}, Tagging="t=1")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü"})["CopyObjectResult"]
    assert copied["ETag"] == put["ETag"]
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"m": "1"}, 1)


def test_replacing_what_is_copied_along(s3: Any, bucket: str) -> None:
    """REPLACE takes metadata and tags from the request instead."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", ContentType="text/plain", Metadata={"m": "1"}, Tagging="t=1")
    s3.copy_object(
        Bucket=bucket,
        Key="b",
        CopySource=f"{bucket}/a",
        MetadataDirective="REPLACE",
        TaggingDirective="REPLACE",
        Metadata={"n": "2"},
        Tagging="u=2",
        StorageClass="ONEZONE_IA",
    )
    got = s3.head_object(Bucket=bucket, Key="b")
    assert (got["ContentType"], got["Metadata"], got["StorageClass"]) == ("binary/octet-stream", {"n": "2"}, "ONEZONE_IA")
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "u", "Value": "2"}]


def test_a_copy_onto_itself_has_to_change_something(s3: Any, bucket: str) -> None:
    """The same metadata again is InvalidRequest; other metadata is how metadata are changed."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert code(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k") == "InvalidRequest"
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", MetadataDirective="REPLACE", Metadata={"m": "2"})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"]) == (b"1", {"m": "2"})


def test_an_older_version_is_brought_back_by_copying_it(s3: Any, versioned: str) -> None:
    """A source names its version; the answer names both."""
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"2")
    copied = s3.copy_object(Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    assert copied["CopySourceVersionId"] == first
    assert copied["VersionId"] == s3.head_object(Bucket=versioned, Key="k")["VersionId"]
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"1"
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    assert code(s3.copy_object, Bucket=versioned, Key="c", CopySource=f"{versioned}/k") == "NoSuchKey"
    assert code(s3.copy_object, Bucket=versioned, Key="c", CopySource=f"{versioned}/k?versionId={marker}") == "InvalidRequest"


def test_conditions_of_the_source(s3: Any, bucket: str) -> None:
    """All of a source's conditions fail with 412."""
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="a")["LastModified"]
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    for members in ({"CopySourceIfMatch": etag}, {"CopySourceIfNoneMatch": '"x"'}, {"CopySourceIfUnmodifiedSince": modified}):
        s3.copy_object(**copy, **members)
    earlier = modified - timedelta(seconds=1)
    for members in (
        {"CopySourceIfMatch": '"x"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfUnmodifiedSince": earlier},
        {"CopySourceIfModifiedSince": modified},
    ):
        assert refused(s3.copy_object, **copy, **members)["status"] == 412
    assert refused(s3.copy_object, **copy, IfNoneMatch="*")["status"] == 412


def test_a_copy_takes_permissions_on_both_sides(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:PutObject here and s3:GetObject there."""
    s3.put_object(Bucket=bucket, Key="secret", Body=b"1")
    s3.put_object(Bucket=bucket, Key="open", Body=b"2")
    user = as_user(cloud, "u", allow("s3:PutObject"), allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/open"))
    user.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/open")
    assert code(user.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/secret") == "AccessDenied"
    assert code(user.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/none") == "AccessDenied"


def test_the_sources_tags_are_conditions(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:ExistingObjectTag is of what is read, not of what is written over; copying tags along takes the rights to both."""
    s3.put_object(Bucket=bucket, Key="open", Tagging="open=yes")
    s3.put_object(Bucket=bucket, Key="shut")
    only = {"Condition": {"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}}
    user = as_user(cloud, "u", allow("s3:PutObject"), allow("s3:GetObject", **only))
    copy = {"Bucket": bucket, "TaggingDirective": "REPLACE"}
    user.copy_object(**copy, Key="shut", CopySource=f"{bucket}/open")
    assert code(user.copy_object, **copy, Key="open", CopySource=f"{bucket}/shut") == "AccessDenied"
    assert code(user.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/open") == "AccessDenied"


def test_a_copy_of_an_object_in_parts_is_whole(s3: Any, bucket: str) -> None:
    """Its ETag is the MD5 of all of it, and its bytes are the same."""
    bodies = [b"a" * (5 * MIB), b"b" * 70_000, b"c"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    tags = [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, bodies[0]), (2, bodies[1] + bodies[2]))
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": tags})
    copied = s3.copy_object(Bucket=bucket, Key="whole", CopySource=f"{bucket}/parts")["CopyObjectResult"]
    assert copied["ETag"] == f'"{hashlib.md5(b"".join(bodies)).hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="parts")
    assert s3.get_object(Bucket=bucket, Key="whole")["Body"].read() == b"".join(bodies)


def test_others_are_served_while_a_copy_is_read(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A copy that must read a large object does it beside the loop: its ETag is the MD5 of the whole, and others need not wait."""
    content = bytes(range(256)) * 4096 * 20
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    half = len(content) // 2
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, content[:half]), (2, content[half:]))
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=bucket, Key="whole", CopySource=f"{bucket}/parts")
    found = s3.get_object(Bucket=bucket, Key="whole")
    assert found["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert found["Body"].read() == content
    again = s3.create_multipart_upload(Bucket=bucket, Key="piece")["UploadId"]
    middle = f"bytes={half - 3_000_000}-{half + 2_999_999}"
    piece = s3.upload_part_copy(
        Bucket=bucket, Key="piece", UploadId=again, PartNumber=1, CopySource=f"{bucket}/parts", CopySourceRange=middle
    )["CopyPartResult"]["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="piece", UploadId=again, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": piece}]})
    s3.delete_object(Bucket=bucket, Key="parts")
    assert s3.get_object(Bucket=bucket, Key="piece")["Body"].read() == content[half - 3_000_000 : half + 3_000_000]
    ranged = s3.get_object(Bucket=bucket, Key="piece", Range="bytes=2999990-3000009")["Body"].read()
    assert ranged == content[half - 10 : half + 10]
