from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import xxhash

from fogbank.testing.cloud import Cloud

from .asking import MIB, code, refused

NEWER: dict[str, Callable[[bytes], bytes]] = {
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "MD5": lambda body: hashlib.md5(body).digest(),
    "XXHASH64": lambda body: xxhash.xxh64(body).digest(),
    "XXHASH3": lambda body: xxhash.xxh3_64(body).digest(),
    "XXHASH128": lambda body: xxhash.xxh3_128(body).digest(),
}
PARTS = (b"a" * (5 * MIB), b"b" * 1000)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.fixture
def plain(cloud: Cloud, bucket: str) -> Any:
    """A client that adds no checksums by itself."""
    return cloud.client("s3", request_checksum_calculation="when_required")


@pytest.mark.parametrize("name", NEWER)
@pytest.mark.parametrize("size", [5, 3 * MIB])
def test_the_newer_algorithms(plain: Any, bucket: str, name: str, size: int) -> None:
    """SHA-512, MD5 and XXHash are verified, kept, listed and read back like the others, in bodies of any size."""
    member, body = f"Checksum{name}", b"x" * size
    right = NEWER[name](body)
    assert plain.put_object(Bucket=bucket, Key="k", Body=body, **{member: b64(right)})[member] == b64(right)
    got = plain.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got[member], got["ChecksumType"], got["Body"].read()) == (b64(right), "FULL_OBJECT", body)
    assert plain.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [name]
    attributes = plain.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"] == {member: b64(right), "ChecksumType": "FULL_OBJECT"}
    wrong = b64(bytes([right[0] ^ 1, *right[1:]]))
    assert code(plain.put_object, Bucket=bucket, Key="k", Body=body, **{member: wrong}) == "BadDigest"
    assert code(plain.put_object, Bucket=bucket, Key="k", Body=body, **{member: "AAAA"}) == "InvalidRequest"


@pytest.mark.parametrize("name", NEWER)
def test_the_newer_algorithms_of_parts(plain: Any, bucket: str, name: str) -> None:
    """An object uploaded in parts has the checksum of its parts' checksums; each part's can be asked for."""
    member, digest = f"Checksum{name}", NEWER[name]
    upload = plain.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=name)
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (name, "COMPOSITE")
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    assert code(plain.upload_part, **where, PartNumber=1, Body=b"x") == "InvalidRequest"
    parts = []
    for number, body in enumerate(PARTS, 1):
        value = b64(digest(body))
        made = plain.upload_part(**where, PartNumber=number, Body=body, **{member: value})
        assert made[member] == value
        parts.append({"PartNumber": number, "ETag": made["ETag"], member: value})
    done = plain.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, MpuObjectSize=sum(map(len, PARTS)))
    whole = b64(digest(b"".join(digest(body) for body in PARTS))) + "-2"
    assert (done[member], done["ChecksumType"]) == (whole, "COMPOSITE")
    got = plain.get_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert (got[member], got["Body"].read()) == (b64(digest(PARTS[1])), PARTS[1])
    found = plain.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"])
    assert found["Checksum"][member] == whole
    assert [part[member] for part in found["ObjectParts"]["Parts"]] == [part[member] for part in parts]


@pytest.mark.parametrize("name", NEWER)
def test_a_copy_takes_another_algorithm(plain: Any, bucket: str, name: str) -> None:
    """ChecksumAlgorithm of CopyObject computes the copy's checksum anew."""
    plain.put_object(Bucket=bucket, Key="k", Body=b"content")
    copied = plain.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ChecksumAlgorithm=name)["CopyObjectResult"]
    assert copied[f"Checksum{name}"] == b64(NEWER[name](b"content"))
    assert copied["ChecksumType"] == "FULL_OBJECT"


def test_types_that_do_not_go_with_an_algorithm(plain: Any, bucket: str) -> None:
    """Only CRCs join to the checksum of a whole, and CRC64NVME only to that."""
    for name, kind in (("SHA512", "FULL_OBJECT"), ("MD5", "FULL_OBJECT"), ("XXHASH3", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        found = refused(plain.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm=name, ChecksumType=kind)
        assert (found["Code"], kind in found["Message"]) == ("InvalidRequest", True)


def test_a_copy_of_parts_keeps_the_algorithm(plain: Any, bucket: str) -> None:
    """A copy of an object with a composite checksum has the same algorithm's checksum of the whole."""
    upload = plain.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    value = b64(hashlib.sha256(PARTS[1]).digest())
    tag = plain.upload_part(**where, PartNumber=1, Body=PARTS[1], ChecksumSHA256=value)["ETag"]
    part = {"PartNumber": 1, "ETag": tag, "ChecksumSHA256": value}
    plain.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]})
    copied = plain.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert (copied["ChecksumSHA256"], copied["ChecksumType"]) == (value, "FULL_OBJECT")
