from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import rules
from fogbank.testing.cloud import Cloud

from .asking import MIB, allow, as_user, code, deny, policy, refused


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 60)), st.one_of(st.none(), st.integers(0, 60)))
def test_ranges_are_slices(size: int, first: int | None, last: int | None) -> None:
    """A byte range is the slice that RFC 9110 says, or unsatisfiable, or ignored."""
    content = bytes(range(size))
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert rules.byte_range(text, size) is None
        return
    wanted = content[size - min(last or 0, size) :] if first is None else content[first : None if last is None else last + 1]
    if not wanted:
        with pytest.raises(ServiceException) as caught:
            rules.byte_range(text, size)
        assert caught.value.status == 416
        return
    found = rules.byte_range(text, size)
    assert found is not None
    assert content[found.start : found.start + found.size] == wanted


@pytest.mark.parametrize("size", [10, 40_000, 300_000])
def test_a_range_is_read(s3: Any, bucket: str, size: int) -> None:
    """206 with Content-Range for a part, 416 past the end, all of it for what is no range."""
    content = bytes(i % 251 for i in range(size))
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=3-6")
    assert got["Body"].read() == content[3:7]
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentRange"], got["ContentLength"]) == (206, f"bytes 3-6/{size}", 4)
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=-4")["Body"].read() == content[-4:]
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=5-{size * 2}")["Body"].read() == content[5:]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=1-2,4-5")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-0")["ContentLength"] == 1
    found = refused(s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={size}-")
    assert (found["Code"], found["status"], found["ActualObjectSize"]) == ("InvalidRange", 416, str(size))


def test_conditional_reads(cloud: Cloud, s3: Any, bucket: str) -> None:
    """412 and 304 as RFC 9110 says; entity tags decide over dates."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    before, after = modified - timedelta(seconds=1), modified + timedelta(seconds=1)
    get = s3.get_object
    for members in (
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"no"'},
        {"IfUnmodifiedSince": modified},
        {"IfModifiedSince": before},
    ):
        assert get(Bucket=bucket, Key="k", **members)["Body"].read() == b"x"
    assert refused(get, Bucket=bucket, Key="k", IfMatch='"no"')["status"] == 412
    assert refused(get, Bucket=bucket, Key="k", IfUnmodifiedSince=before)["status"] == 412
    unmodified = refused(get, Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert (unmodified["status"], unmodified["headers"]["etag"]) == (304, etag)
    assert refused(get, Bucket=bucket, Key="k", IfModifiedSince=modified)["status"] == 304
    assert refused(s3.head_object, Bucket=bucket, Key="k", IfNoneMatch=etag)["status"] == 304
    get(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=before)
    assert refused(get, Bucket=bucket, Key="k", IfNoneMatch=etag, IfModifiedSince=before)["status"] == 304
    get(Bucket=bucket, Key="k", IfNoneMatch='"no"', IfModifiedSince=after)


def test_what_is_not_there_is_only_told_to_those_who_may_list(cloud: Cloud, s3: Any, bucket: str) -> None:
    """NoSuchKey needs s3:ListBucket; others are denied."""
    lister = as_user(cloud, "lister", allow("s3:GetObject", "s3:ListBucket"))
    reader = as_user(cloud, "reader", allow("s3:GetObject"))
    found = refused(lister.get_object, Bucket=bucket, Key="none")
    assert (found["Code"], found["Key"]) == ("NoSuchKey", "none")
    assert code(reader.get_object, Bucket=bucket, Key="none") == "AccessDenied"
    assert refused(lister.head_object, Bucket=bucket, Key="none")["status"] == 404
    assert refused(reader.head_object, Bucket=bucket, Key="none")["status"] == 403


def test_response_headers_can_be_overridden(s3: Any, bucket: str) -> None:
    """response-* parameters replace what the object says of itself."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    got = s3.get_object(
        Bucket=bucket, Key="k", ResponseContentType="text/html", ResponseContentDisposition="attachment", ResponseExpires=expires
    )
    assert (got["ContentType"], got["ContentDisposition"]) == ("text/html", "attachment")
    assert got["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"


def test_modification_times_are_whole_seconds(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Headers and listings agree on LastModified."""
    cloud.advance(0.123)
    s3.put_object(Bucket=bucket, Key="k")
    assert s3.head_object(Bucket=bucket, Key="k")["LastModified"] == s3.list_objects_v2(Bucket=bucket)["Contents"][0]["LastModified"]


def test_existing_tags_are_a_condition(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:ExistingObjectTag opens objects by their tags; TagCount shows to those who may read tags."""
    s3.put_object(Bucket=bucket, Key="open", Tagging="open=yes")
    s3.put_object(Bucket=bucket, Key="shut")
    user = as_user(cloud, "u", allow("s3:GetObject", Condition={"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}))
    assert "TagCount" not in user.get_object(Bucket=bucket, Key="open")
    assert code(user.get_object, Bucket=bucket, Key="shut") == "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="open")["TagCount"] == 1


def test_presigned_urls_are_read_without_a_client(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A presigned URL is all that a reader needs."""
    import urllib.request

    s3.put_object(Bucket=bucket, Key="a key", Body=b"signed")
    url = cloud.client("s3", signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "a key"}, ExpiresIn=60
    )
    assert urllib.request.urlopen(url).read() == b"signed"


def test_old_signatures_can_be_refused(cloud: Cloud, s3: Any, bucket: str) -> None:
    """s3:signatureAge and s3:authType limit presigned URLs by policy."""
    import urllib.error
    import urllib.request

    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    old = deny(
        "s3:GetObject",
        on=f"arn:aws:s3:::{bucket}/*",
        Principal="*",
        Condition={"NumericGreaterThan": {"s3:signatureAge": "600000"}, "StringEquals": {"s3:authType": "REST-QUERY-STRING"}},
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(old))
    url = cloud.client("s3", signature_version="s3v4").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=3600)
    assert urllib.request.urlopen(url).read() == b"x"
    cloud.advance(601)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert caught.value.code == 403


def test_attributes(s3: Any, bucket: str) -> None:
    """GetObjectAttributes answers what is asked for, and no more."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", ChecksumAlgorithm="SHA256")
    found = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "Checksum", "StorageClass", "ObjectParts"]
    )
    assert found["ETag"] == "827ccb0eea8a706c4c34a16891f84e7b"
    assert (found["ObjectSize"], found["StorageClass"]) == (5, "STANDARD")
    assert found["Checksum"] == {"ChecksumSHA256": "WZRHGrsBESr8wYFZ9sx0tPURuZgG2lmzyvWpwXPKz8U=", "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in found
    assert set(s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])) & {"ETag", "Checksum"} == set()


def test_one_part_of_an_object_in_parts(s3: Any, bucket: str) -> None:
    """partNumber reads a part, with how many there are; past them it is 416."""
    sizes = (5 * MIB, 100)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=bytes([number]) * size)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert got["Body"].read() == b"\2" * 100
    assert (got["PartsCount"], got["ContentRange"]) == (2, f"bytes {5 * MIB}-{5 * MIB + 99}/{5 * MIB + 100}")
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MIB - 1}-{5 * MIB}")["Body"].read() == b"\1\2"
    assert refused(s3.get_object, Bucket=bucket, Key="k", PartNumber=3)["status"] == 416
    s3.put_object(Bucket=bucket, Key="whole", Body=b"abc")
    assert s3.get_object(Bucket=bucket, Key="whole", PartNumber=1)["Body"].read() == b"abc"
