from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest
from awscrt import checksums as crt
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.s3 import crc
from fogbank.testing.cloud import Cloud

from .asking import MIB, allow, as_user, code, refused

BIG = b"0123456789abcdef" * (5 * MIB // 16)
_CRCS = {"CRC32": zlib.crc32, "CRC32C": crt.crc32c, "CRC64NVME": crt.crc64nvme}


@given(st.sampled_from(sorted(_CRCS)), st.lists(st.binary(max_size=300), min_size=1, max_size=6))
def test_checksums_of_parts_combine(algorithm: str, parts: list[bytes]) -> None:
    """The CRC of the whole follows from the CRCs and sizes of its parts."""
    digest, width = _CRCS[algorithm], crc.POLYNOMIALS[algorithm].width // 8
    combined = crc.combine(algorithm, [(digest(part).to_bytes(width, "big"), len(part)) for part in parts])
    assert combined == digest(b"".join(parts)).to_bytes(width, "big")


def begin(s3: Any, bucket: str, **members: Any) -> str:
    upload: str = s3.create_multipart_upload(Bucket=bucket, Key="k", **members)["UploadId"]
    return upload


def send(s3: Any, bucket: str, upload: str, *bodies: bytes, **members: Any) -> list[dict[str, Any]]:
    """Uploads parts 1, 2, ...; what a completion says of them."""
    out = []
    for number, body in enumerate(bodies, 1):
        sent = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body, **members)
        checksums = {name: value for name, value in sent.items() if name.startswith("Checksum") and members}
        out.append({"PartNumber": number, "ETag": sent["ETag"], **checksums})
    return out


def complete(s3: Any, bucket: str, upload: str, parts: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts}, **members
    )
    return answer


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_parts_become_one_object(s3: Any, bucket: str) -> None:
    """The listed parts, in order; metadata given at the start; an ETag of MD5s, ended by their number."""
    upload = begin(s3, bucket, ContentType="text/plain", Metadata={"m": "1"}, Tagging="t=1", StorageClass="STANDARD_IA")
    parts = send(s3, bucket, upload, BIG, BIG[::-1], b"end")
    assert code(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"
    done = complete(s3, bucket, upload, [parts[0], parts[2]])
    digests = hashlib.md5(BIG).digest() + hashlib.md5(b"end").digest()
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    assert done["Location"].endswith("/bucket/k")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == BIG + b"end"
    assert (got["ContentType"], got["Metadata"], got["TagCount"], got["StorageClass"]) == ("text/plain", {"m": "1"}, 1, "STANDARD_IA")
    assert got["ETag"] == done["ETag"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_completing_again_answers_again(s3: Any, bucket: str) -> None:
    """The same completion is answered as before while its object is current; afterwards the upload is gone."""
    upload = begin(s3, bucket)
    parts = send(s3, bucket, upload, b"1")
    first = complete(s3, bucket, upload, parts)
    assert complete(s3, bucket, upload, parts)["ETag"] == first["ETag"]
    wrong = [{"PartNumber": 1, "ETag": "0" * 32}]
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=wrong) == "NoSuchUpload"
    s3.put_object(Bucket=bucket, Key="k")
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=parts) == "NoSuchUpload"


def test_wrong_completions(s3: Any, bucket: str) -> None:
    """Small parts, unknown parts, disorder, and no parts at all have their own errors, and the upload stays."""
    upload = begin(s3, bucket)
    parts = send(s3, bucket, upload, b"small", BIG, b"end")
    members = {"s3": s3, "bucket": bucket, "upload": upload}
    found = refused(complete, **members, parts=parts)
    assert (found["Code"], found["ProposedSize"], found["MinSizeAllowed"]) == ("EntityTooSmall", "5", str(5 * MIB))
    assert code(complete, **members, parts=[parts[1], parts[0]]) == "InvalidPartOrder"
    assert code(complete, **members, parts=[parts[1], parts[1]]) == "InvalidPartOrder"
    assert code(complete, **members, parts=[{"PartNumber": 1, "ETag": "x"}]) == "InvalidPart"
    assert code(complete, **members, parts=[{"PartNumber": 9, "ETag": parts[0]["ETag"]}]) == "InvalidPart"
    assert code(complete, **members, parts=[]) == "MalformedXML"
    assert code(complete, **members, parts=parts[1:], MpuObjectSize=7) == "InvalidRequest"
    complete(**members, parts=parts[1:])
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 5 * MIB + 3


def test_part_numbers(s3: Any, bucket: str) -> None:
    """1 to 10,000; a part sent again replaces the one before."""
    upload = begin(s3, bucket)
    for number in (0, 10_001):
        assert code(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=b"x") == "InvalidArgument"
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=10_000, Body=b"first")
    tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=10_000, Body=b"second")["ETag"]
    complete(s3, bucket, upload, [{"PartNumber": 10_000, "ETag": tag}])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"


def test_an_aborted_upload_is_gone(s3: Any, bucket: str) -> None:
    """Nothing can be done with it, and nothing of it is left."""
    upload = begin(s3, bucket)
    parts = send(s3, bucket, upload, b"1")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    for call in (s3.abort_multipart_upload, s3.list_parts):
        assert code(call, Bucket=bucket, Key="k", UploadId=upload) == "NoSuchUpload"
    assert code(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x") == "NoSuchUpload"
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=parts) == "NoSuchUpload"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    """The checksum of the parts' checksums, ended by their number; each part's has to be named."""
    digest: Any = {"SHA1": lambda b: hashlib.sha1(b).digest(), "SHA256": lambda b: hashlib.sha256(b).digest()}.get(algorithm)
    digest = digest or (lambda b: _CRCS[algorithm](b).to_bytes(4, "big"))
    upload = begin(s3, bucket, ChecksumAlgorithm=algorithm)
    parts = send(s3, bucket, upload, BIG, b"end", ChecksumAlgorithm=algorithm)
    member = f"Checksum{algorithm}"
    assert parts[1][member] == b64(digest(b"end"))
    bare = [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in parts]
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=bare) == "InvalidRequest"
    wrong = [parts[0], {**parts[1], member: parts[0][member]}]
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=wrong) == "InvalidPart"
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"], listed["Parts"][1][member]) == (algorithm, "COMPOSITE", parts[1][member])
    done = complete(s3, bucket, upload, parts)
    wanted = b64(digest(digest(BIG) + digest(b"end"))) + "-2"
    assert (done[member], done["ChecksumType"]) == (wanted, "COMPOSITE")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == wanted
    of_part = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", PartNumber=2)
    assert of_part[member] == parts[1][member]
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "Checksum"], MaxParts=1)
    assert found["Checksum"][member] == wanted
    assert (found["ObjectParts"]["TotalPartsCount"], found["ObjectParts"]["IsTruncated"]) == (2, True)
    assert found["ObjectParts"]["Parts"] == [{"PartNumber": 1, "Size": 5 * MIB, member: parts[0][member]}]


@pytest.mark.parametrize("algorithm", sorted(_CRCS))
def test_full_object_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    """The checksum of the whole, whatever its parts; a wrong one is BadDigest."""
    width = crc.POLYNOMIALS[algorithm].width // 8
    wanted = b64(_CRCS[algorithm](BIG + b"end").to_bytes(width, "big"))
    member = f"Checksum{algorithm}"
    upload = begin(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    parts = send(s3, bucket, upload, BIG, b"end", ChecksumAlgorithm=algorithm)
    assert code(complete, s3=s3, bucket=bucket, upload=upload, parts=parts, **{member: b64(b"\0" * width)}) == "BadDigest"
    done = complete(s3, bucket, upload, parts, ChecksumType="FULL_OBJECT", **{member: wanted})
    assert (done[member], done["ChecksumType"]) == (wanted, "FULL_OBJECT")


def test_checksums_that_do_not_go_together(s3: Any, bucket: str) -> None:
    """SHA is composite, CRC64NVME of the whole; a part's algorithm is the upload's."""
    create = s3.create_multipart_upload
    assert code(create, Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT") == "InvalidRequest"
    assert code(create, Bucket=bucket, Key="k", ChecksumAlgorithm="CRC64NVME", ChecksumType="COMPOSITE") == "InvalidRequest"
    assert code(create, Bucket=bucket, Key="k", ChecksumType="COMPOSITE") == "InvalidRequest"
    upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    found = refused(s3.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")
    assert found["Message"] == "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"


def test_without_an_algorithm_the_object_has_crc64nvme(s3: Any, bucket: str) -> None:
    """Whatever the parts were sent with."""
    upload = begin(s3, bucket)
    done = complete(s3, bucket, upload, send(s3, bucket, upload, BIG, b"end"))
    assert done["ChecksumCRC64NVME"] == b64(crt.crc64nvme(BIG + b"end").to_bytes(8, "big"))


def test_parts_are_listed_in_pages(s3: Any, bucket: str) -> None:
    """ListParts goes by number."""
    upload = begin(s3, bucket)
    send(s3, bucket, upload, b"1", b"2", b"3")
    first = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2)
    assert ([p["PartNumber"] for p in first["Parts"]], first["IsTruncated"], first["NextPartNumberMarker"]) == ([1, 2], True, 2)
    rest = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, PartNumberMarker=2)
    assert ([(p["PartNumber"], p["Size"]) for p in rest["Parts"]], rest["IsTruncated"]) == ([(3, 1)], False)


def test_uploads_are_listed_in_pages(cloud: Cloud, s3: Any, bucket: str) -> None:
    """ListMultipartUploads goes by key, then by when they began; a delimiter rolls them up."""
    ids = {}
    for key in ("a", "a", "b/1", "b/2", "c"):
        ids.setdefault(key, []).append(s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
        cloud.advance(1)
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [(u["Key"], u["UploadId"]) for p in pages for u in p["Uploads"]] == [(k, i) for k, found in ids.items() for i in found]
    rolled = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in rolled["CommonPrefixes"]] == ["b/"]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")["Uploads"]] == ["b/1", "b/2"]


def test_parts_are_copied(s3: Any, bucket: str) -> None:
    """A part can be another object, or a range of one; the ranges must lie within."""
    s3.put_object(Bucket=bucket, Key="source", Body=BIG + b"tail")
    upload = begin(s3, bucket)
    copy = {"Bucket": bucket, "Key": "k", "UploadId": upload, "CopySource": f"{bucket}/source"}
    size = len(BIG) + 4
    first = s3.upload_part_copy(**copy, PartNumber=1)["CopyPartResult"]["ETag"]
    second = s3.upload_part_copy(**copy, PartNumber=2, CopySourceRange=f"bytes=4-{size - 1}")["CopyPartResult"]["ETag"]
    third = s3.upload_part_copy(**copy, PartNumber=3, CopySourceRange="bytes=0-9")["CopyPartResult"]["ETag"]
    assert third == f'"{hashlib.md5(BIG[:10]).hexdigest()}"'
    for wrong in (f"bytes=0-{size}", "bytes=5-", "bytes=9-1"):
        assert code(s3.upload_part_copy, **copy, PartNumber=4, CopySourceRange=wrong) == "InvalidArgument"
    s3.delete_object(Bucket=bucket, Key="source")
    parts = [{"PartNumber": n, "ETag": tag} for n, tag in ((1, first), (2, second), (3, third))]
    done = complete(s3, bucket, upload, parts)
    whole = BIG + b"tail" + BIG[4:] + b"tail" + BIG[:10]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == whole
    assert done["ChecksumCRC64NVME"] == b64(crt.crc64nvme(whole).to_bytes(8, "big"))


def test_conditional_completions(cloud: Cloud, s3: Any, bucket: str) -> None:
    """412 where the condition does not hold; 409 where the key was deleted since the upload began."""
    upload = begin(s3, bucket)
    parts = send(s3, bucket, upload, b"1")
    members = {"s3": s3, "bucket": bucket, "upload": upload, "parts": parts, "IfNoneMatch": "*"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    assert code(complete, **members) == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="k")
    found = refused(complete, **members)
    assert (found["Code"], found["status"]) == ("ConditionalRequestConflict", 409)
    upload = begin(s3, bucket)
    complete(s3, bucket, upload, send(s3, bucket, upload, b"2"), IfNoneMatch="*")


def test_uploads_take_permissions(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Uploading takes s3:PutObject; looking and aborting their own actions."""
    user = as_user(cloud, "u", allow("s3:PutObject"))
    upload = begin(user, bucket)
    parts = send(user, bucket, upload, b"1")
    assert code(user.list_parts, Bucket=bucket, Key="k", UploadId=upload) == "AccessDenied"
    assert code(user.abort_multipart_upload, Bucket=bucket, Key="k", UploadId=upload) == "AccessDenied"
    assert code(user.list_multipart_uploads, Bucket=bucket) == "AccessDenied"
    complete(user, bucket, upload, parts)


def test_the_transfer_manager_goes_both_ways(s3: Any, bucket: str, tmp_path: Any) -> None:
    """boto3's own upload_file and download_file move a file in parts."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(BIG * 4)
    s3.upload_file(str(there), bucket, "big")
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied")
    s3.download_file(bucket, "copied", str(back))
    assert back.read_bytes() == BIG * 4
