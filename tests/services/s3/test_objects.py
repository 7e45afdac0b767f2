from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest
from awscrt import checksums as crt

from fogbank.testing.cloud import Cloud

from .asking import MIB, allow, as_user, code, refused

EMPTY = '"d41d8cd98f00b204e9800998ecf8427e"'


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_what_is_put_is_got(s3: Any, bucket: str) -> None:
    """Content, metadata and system headers come back as they were put; the ETag is the MD5."""
    put = s3.put_object(
        Bucket=bucket,
        Key="a/b c+d.txt",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="max-age=60",
        ContentLanguage="de",
        ContentDisposition="inline",
        Metadata={"colour": "blue"},
    )
    got = s3.get_object(Bucket=bucket, Key="a/b c+d.txt")
    assert got["Body"].read() == b"hello"
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert got["ContentLength"] == 5
    assert (got["ContentType"], got["CacheControl"], got["ContentLanguage"]) == ("text/plain", "max-age=60", "de")
    assert got["ContentDisposition"] == "inline"
    assert got["Metadata"] == {"colour": "blue"}
    assert got["AcceptRanges"] == "bytes"
    assert "VersionId" not in got
    assert s3.put_object(Bucket=bucket, Key="empty")["ETag"] == EMPTY
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
    assert s3.head_object(Bucket=bucket, Key="empty")["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize("size", [32 * 1024, 32 * 1024 + 1, 200_000, 3 * MIB + 7])
def test_any_size(s3: Any, bucket: str, size: int) -> None:
    """Rows and files, bodies in memory and spooled: all come back whole, and over themselves."""
    content = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
    for body in (content[:size], content[1 : size + 1]):
        assert s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_keys_and_metadata_have_limits(s3: Any, bucket: str) -> None:
    """1,024 bytes of key and 2 KB of user metadata, and not one more."""
    s3.put_object(Bucket=bucket, Key="ü" * 512)
    found = refused(s3.put_object, Bucket=bucket, Key="ü" * 512 + "x")
    assert (found["Code"], found["MaxSizeAllowed"], found["Size"]) == ("KeyTooLongError", "1024", "1025")
    s3.put_object(Bucket=bucket, Key="k", Metadata={"a": "x" * 2047})
    assert code(s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "x" * 2048}) == "MetadataTooLarge"


def test_what_is_not_done_is_refused_by_name(s3: Any, bucket: str) -> None:
    """No setting is stored and then ignored."""
    for members in (
        {"ServerSideEncryption": "aws:kms:dsse"},
        {"ObjectLockEventHold": "ON"},
        {"StorageClass": "OUTPOSTS"},
    ):
        found = refused(s3.put_object, Bucket=bucket, Key="k", **members)
        assert (found["Code"], found["status"]) == ("NotImplemented", 501)
        assert next(iter(members)) in found["Message"]
    assert code(s3.put_object, Bucket=bucket, Key="k", StorageClass="NO_SUCH") == "InvalidStorageClass"
    assert code(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"


def test_storage_classes_that_are_read_at_once_are_kept(s3: Any, bucket: str) -> None:
    """The class is reported; STANDARD goes without saying."""
    s3.put_object(Bucket=bucket, Key="k", StorageClass="STANDARD_IA")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"
    s3.put_object(Bucket=bucket, Key="k")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD"


def test_every_checksum_is_verified(s3: Any, bucket: str) -> None:
    """A right checksum is kept and read back, a wrong one is BadDigest, and one that cannot be is InvalidRequest."""
    body = b"some content"
    right = {
        "CRC32": zlib.crc32(body).to_bytes(4, "big"),
        "CRC32C": crt.crc32c(body).to_bytes(4, "big"),
        "CRC64NVME": crt.crc64nvme(body).to_bytes(8, "big"),
        "SHA1": hashlib.sha1(body).digest(),
        "SHA256": hashlib.sha256(body).digest(),
    }
    for name, raw in right.items():
        member = f"Checksum{name}"
        put = s3.put_object(Bucket=bucket, Key="k", Body=body, **{member: b64(raw)})
        assert put[member] == b64(raw)
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (got[member], got["ChecksumType"]) == (b64(raw), "FULL_OBJECT")
        assert got["Body"].read() == body
        assert s3.list_objects_v2(Bucket=bucket, Prefix="k")["Contents"][0]["ChecksumAlgorithm"] == [name]
        wrong = b64(bytes([raw[0] ^ 1, *raw[1:]]))
        assert code(s3.put_object, Bucket=bucket, Key="k", Body=body, **{member: wrong}) == "BadDigest"
        assert code(s3.put_object, Bucket=bucket, Key="k", Body=body, **{member: "AAAA"}) == "InvalidRequest"
        assert s3.put_object(Bucket=bucket, Key="by-sdk", Body=body, ChecksumAlgorithm=name)[member] == b64(raw)


def test_without_a_checksum_crc64nvme_is_kept(cloud: Cloud, bucket: str) -> None:
    """S3 adds CRC64NVME where the caller gives none."""
    plain = cloud.client("s3", request_checksum_calculation="when_required")
    put = plain.put_object(Bucket=bucket, Key="k", Body=b"content")
    assert put["ChecksumCRC64NVME"] == b64(crt.crc64nvme(b"content").to_bytes(8, "big"))


def test_content_md5_is_verified(cloud: Cloud, bucket: str) -> None:
    """Content-MD5 must be one, and the body's."""
    plain = cloud.client("s3", request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=b64(hashlib.md5(b"x").digest()))
    assert code(plain.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=b64(hashlib.md5(b"y").digest())) == "BadDigest"
    assert code(plain.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="nonsense") == "InvalidDigest"


def test_conditional_puts(s3: Any, bucket: str) -> None:
    """If-None-Match: * only makes, If-Match only replaces what it names."""
    assert code(s3.put_object, Bucket=bucket, Key="k", IfMatch='"x"') == "NoSuchKey"
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    found = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert (found["Code"], found["status"], found["Condition"]) == ("PreconditionFailed", 412, "If-None-Match")
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"x"') == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"3", IfMatch=etag) == "PreconditionFailed"
    assert refused(s3.put_object, Bucket=bucket, Key="k", IfNoneMatch='"x"')["status"] == 501
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_if_match_needs_get_object(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A conditional put tells what is there, so it takes the right to read it."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    writer = as_user(cloud, "writer", allow("s3:PutObject"))
    writer.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert code(writer.put_object, Bucket=bucket, Key="k", IfMatch=etag) == "AccessDenied"


def test_conditional_deletes(s3: Any, bucket: str) -> None:
    """If-Match of a delete names what may go."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch='"x"')["status"] == 412
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert code(s3.delete_object, Bucket=bucket, Key="k", IfMatch="*") == "NoSuchKey"
    s3.delete_object(Bucket=bucket, Key="k")


def test_many_are_deleted_one_by_one(cloud: Cloud, s3: Any, bucket: str) -> None:
    """DeleteObjects answers for each key by itself, and authorises each by itself."""
    for key in ("a/1", "a/2", "b/1"):
        s3.put_object(Bucket=bucket, Key=key)
    user = as_user(cloud, "u", allow("s3:DeleteObject", on=f"arn:aws:s3:::{bucket}/a/*"))
    answer = user.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in ("a/1", "b/1", "a/none")]})
    assert [d["Key"] for d in answer["Deleted"]] == ["a/1", "a/none"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("b/1", "AccessDenied")]
    quiet = user.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/2"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["b/1"]
    too_many = {"Objects": [{"Key": str(i)} for i in range(1001)]}
    assert code(s3.delete_objects, Bucket=bucket, Delete=too_many) == "MalformedXML"


def test_no_bucket_no_object(s3: Any) -> None:
    """Everything in a bucket that is not there is NoSuchBucket, and says which."""
    found = refused(s3.put_object, Bucket="nowhere", Key="k")
    assert (found["Code"], found["status"], found["BucketName"]) == ("NoSuchBucket", 404, "nowhere")


def test_a_user_writes_where_they_may(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Actions are asked for on the object's ARN; a denial says why."""
    user = as_user(cloud, "u", allow("s3:PutObject", on=f"arn:aws:s3:::{bucket}/mine/*"))
    user.put_object(Bucket=bucket, Key="mine/1")
    found = refused(user.put_object, Bucket=bucket, Key="yours/1")
    assert found["status"] == 403
    assert "because no identity-based policy allows the s3:PutObject action" in found["Message"]


def test_tags_of_a_put_take_their_own_permission(cloud: Cloud, s3: Any, bucket: str) -> None:
    """x-amz-tagging needs s3:PutObjectTagging, and its tags are conditions of both."""
    user = as_user(cloud, "u", allow("s3:PutObject"))
    assert code(user.put_object, Bucket=bucket, Key="k", Tagging="a=1") == "AccessDenied"
    only = {"Condition": {"StringEquals": {"s3:RequestObjectTag/team": "red"}}}
    red = as_user(cloud, "red", allow("s3:PutObject", "s3:PutObjectTagging", **only))
    red.put_object(Bucket=bucket, Key="k", Tagging="team=red&x=y%20z")
    assert code(red.put_object, Bucket=bucket, Key="k", Tagging="team=blue") == "AccessDenied"
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "team", "Value": "red"}, {"Key": "x", "Value": "y z"}]
