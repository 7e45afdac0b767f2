"""Encryption at rest: SSE-S3, SSE-KMS, SSE-C."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import encrypting
from fogbank.testing import Process
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused

SIZES = (0, 5, 40_000, 300_000)
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
OTHER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "o" * 32}
NEEDLE = b"needle in a haystack"


@pytest.fixture
def kms(cloud: Any) -> Any:
    return cloud.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    made: str = kms.create_key()["KeyMetadata"]["Arn"]
    return made


def role(cloud: Any, name: str, *actions: str) -> Any:
    """An S3 client of a role's session that may do these actions."""
    iam = cloud.client("iam")
    trust = {"Statement": {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    made = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    return cloud.client("s3", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def read(s3: Any, bucket: str, name: str, **members: Any) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=name, **members)["Body"].read()
    return content


def test_everything_is_encrypted(s3: Any, bucket: str) -> None:
    """An object of which nothing is said has SSE-S3; so says every answer about it."""
    for size in SIZES:
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"x" * size)["ServerSideEncryption"] == "AES256"
        assert read(s3, bucket, "k") == b"x" * size
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    assert s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["ServerSideEncryption"] == "AES256"


def test_a_key_is_asked_for_every_object(cloud: Any, s3: Any, bucket: str, key: str) -> None:
    """A role that may not use the key can neither write nor read under it, whatever S3's policies say."""
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    without = role(cloud, "without", "s3:*")
    found = refused(without.put_object, Bucket=bucket, Key="k", Body=b"x", **sse)
    assert (found["Code"], found["status"]) == ("AccessDenied", 403)
    assert "kms:GenerateDataKey" in found["Message"]
    put = role(cloud, "with", "s3:*", "kms:GenerateDataKey", "kms:Decrypt").put_object(Bucket=bucket, Key="k", Body=b"x", **sse)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key)
    assert refused(without.get_object, Bucket=bucket, Key="k")["Code"] == "AccessDenied"
    assert without.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key
    assert read(s3, bucket, "k") == b"x"


def test_via_service(cloud: Any, s3: Any, bucket: str, key: str) -> None:
    """kms:ViaService and the object's encryption context hold in a policy."""
    arn = f"arn:aws:s3:::{bucket}/k"
    user = cloud.client("iam")
    user.create_user(UserName="via")
    condition = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": arn}}
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": key, "Condition": condition},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    user.put_user_policy(UserName="via", PolicyName="p", PolicyDocument=document)
    made = user.create_access_key(UserName="via")["AccessKey"]
    mine = cloud.client("s3", made["AccessKeyId"], made["SecretAccessKey"])
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    mine.put_object(Bucket=bucket, Key="k", Body=b"x", **sse)
    assert refused(mine.put_object, Bucket=bucket, Key="other", Body=b"x", **sse)["Code"] == "AccessDenied"
    direct = cloud.client("kms", made["AccessKeyId"], made["SecretAccessKey"])
    context = {"aws:s3:arn": arn}
    found = refused(direct.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    assert found["Code"] == "AccessDeniedException"


def test_the_life_of_a_key(cloud: Any, s3: Any, kms: Any, bucket: str, key: str) -> None:
    """After rotation old objects are read; with the key on its way out they are not; cancelled and enabled, they are again."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"before" * 20_000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    kms.rotate_key_on_demand(KeyId=key)
    cloud.settle()
    assert read(s3, bucket, "k") == b"before" * 20_000
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert refused(s3.get_object, Bucket=bucket, Key="k")["Code"] == "KMS.KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    assert refused(s3.get_object, Bucket=bucket, Key="k")["Code"] == "KMS.DisabledException"
    kms.enable_key(KeyId=key)
    assert read(s3, bucket, "k") == b"before" * 20_000


def test_the_bucket_s_default(s3: Any, bucket: str, key: str) -> None:
    """Objects written without saying how are encrypted as the bucket says; the managed key is made when first needed."""

    def rule() -> Any:
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]

    def put(**default: Any) -> Any:
        configuration = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configuration)
        return s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    assert rule()["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    made = put(SSEAlgorithm="aws:kms", KMSMasterKeyID=key)
    assert (made["SSEKMSKeyId"], made["BucketKeyEnabled"]) == (key, True)
    assert rule()["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    managed = put(SSEAlgorithm="aws:kms")["SSEKMSKeyId"]
    assert managed.startswith("arn:aws:kms:us-east-1:000000000000:key/")
    assert managed != key
    assert read(s3, bucket, "k") == b"x"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"


@pytest.fixture
def open_bucket(s3: Any, bucket: str) -> str:
    """A bucket that takes SSE-C."""
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return bucket


def test_customer_keys(s3: Any, open_bucket: str) -> None:
    """What was put under a customer's key is read with that key, and with no other."""
    bucket = open_bucket
    for size in SIZES:
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"x" * size, **CUSTOMER)
        assert put["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(b"k" * 32).digest()).decode()
        assert put["ETag"] != f'"{hashlib.md5(b"x" * size).hexdigest()}"'
        assert refused(s3.get_object, Bucket=bucket, Key="k")["Code"] == "InvalidRequest"
        assert refused(s3.get_object, Bucket=bucket, Key="k", **OTHER)["Code"] == "AccessDenied"
        assert read(s3, bucket, "k", **CUSTOMER) == b"x" * size
    source = {f"CopySource{name}": value for name, value in CUSTOMER.items()}
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/k", **source)
    assert read(s3, bucket, "plain") == b"x" * SIZES[-1]
    s3.copy_object(Bucket=bucket, Key="other", CopySource=f"{bucket}/plain", **OTHER)
    assert read(s3, bucket, "other", **OTHER) == b"x" * SIZES[-1]


def test_customer_keys_are_blocked_at_first(s3: Any, bucket: str) -> None:
    """A bucket takes SSE-C only when its owner says so."""
    found = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **CUSTOMER)
    assert (found["Code"], found["status"]) == ("AccessDenied", 403)


def test_parts(s3: Any, open_bucket: str, key: str) -> None:
    """Uploads in parts are encrypted as they were begun, also where a part is copied out of something encrypted otherwise."""
    bucket = open_bucket
    s3.put_object(Bucket=bucket, Key="source", Body=bytes(range(256)) * 30_000, **CUSTOMER)
    source = {f"CopySource{name}": value for name, value in CUSTOMER.items()}
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **sse)
    assert upload["SSEKMSKeyId"] == key
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    first = s3.upload_part_copy(**where, PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange=f"bytes=7-{7 + (6 << 20)}", **source)[
        "CopyPartResult"
    ]["ETag"]
    second = s3.upload_part(**where, PartNumber=2, Body=b"end")["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert done["SSEKMSKeyId"] == key
    whole = read(s3, bucket, "k")
    assert whole == (bytes(range(256)) * 30_000)[7 : 8 + (6 << 20)] + b"end"


def test_an_object_moves_under_another_key(s3: Any, kms: Any, bucket: str, key: str) -> None:
    """UpdateObjectEncryption changes what seals an object, and nothing else."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    before = s3.head_object(Bucket=bucket, Key="k")
    s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption={"SSEKMS": {"KMSKeyArn": key}})
    after = s3.head_object(Bucket=bucket, Key="k")
    assert (after["SSEKMSKeyId"], after["ETag"], after["LastModified"]) == (key, before["ETag"], before["LastModified"])
    assert read(s3, bucket, "k") == b"x" * 100_000
    kms.disable_key(KeyId=key)
    assert refused(s3.get_object, Bucket=bucket, Key="k")["Code"] == "KMS.DisabledException"


@settings(max_examples=25)
@given(size=st.integers(1, 200_000), start=st.integers(0, 199_999), length=st.integers(1, 200_000))
def test_ranges(s3: Any, bucket: str, size: int, start: int, length: int) -> None:
    """Any range of an encrypted object is that range of what was put."""
    start = min(start, size - 1)
    content = (b"%07d" * (size // 7 + 1) % tuple(range(size // 7 + 1)))[:size]
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    got = read(s3, bucket, "k", Range=f"bytes={start}-{start + length - 1}")
    assert got == content[start : start + length]


def test_nothing_is_plain_on_disk(tmp_path: Path) -> None:
    """Neither small, large, nor uploaded content, nor key material, can be found on disk; a crash loses none of it."""
    process = Process(tmp_path / "data").start()
    try:
        s3, kms = process.client("s3"), process.client("kms")
        key = kms.create_key()["KeyMetadata"]["Arn"]
        s3.create_bucket(Bucket="bucket")
        sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        s3.put_object(Bucket="bucket", Key="small", Body=NEEDLE, **sse)
        s3.put_object(Bucket="bucket", Key="large", Body=NEEDLE * 20_000, **sse)
        s3.put_object(Bucket="bucket", Key="plain", Body=NEEDLE * 20_000)
        process.kill()
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) > 800_000
        assert not any(NEEDLE in path.read_bytes() for path in files)
        process.start()
        s3 = process.client("s3")
        assert [len(read(s3, "bucket", name)) for name in ("small", "large", "plain")] == [20, 400_000, 400_000]
    finally:
        process.stop()


def test_checksums_of_what_kms_encrypts_take_its_key(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Who may not decrypt learns size and tag of an object, but not its checksum; nor can they complete an upload with checksums."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256", **sse)
    user = as_user(cloud, "u", allow("s3:*"), allow("kms:GenerateDataKey"))
    user.head_object(Bucket=bucket, Key="k")
    assert code(user.head_object, Bucket=bucket, Key="k", ChecksumMode="ENABLED") == "403"
    assert user.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])["ObjectSize"] == 1
    assert code(user.get_object_attributes, Bucket=bucket, Key="k", ObjectAttributes=["Checksum"]) == "AccessDenied"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm="CRC32", **sse)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]}
    assert code(user.complete_multipart_upload, Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts) == "AccessDenied"
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)


def test_a_copy_onto_itself_may_change_the_encryption(cloud: Cloud, s3: Any, bucket: str) -> None:
    """An object can be put under a key in its place, as nothing but its encryption changes."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert code(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k") == "InvalidRequest"
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", ServerSideEncryption="aws:kms")
    assert s3.get_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "aws:kms"


def test_whose_keys_an_update_takes(cloud: Cloud, s3: Any, bucket: str) -> None:
    """An object is put under another key of its bucket's account, named by its ARN, and not while Object Lock protects it."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def update(arn: str, name: str = bucket) -> str:
        return code(s3.update_object_encryption, Bucket=name, Key="k", ObjectEncryption={"SSEKMS": {"KMSKeyArn": arn}})

    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    theirs = cloud.client("kms", access_key="111122223333").create_key()["KeyMetadata"]["Arn"]
    assert update("arn:aws:kms:us-east-1:000000000000:alias/aws/s3") == "InvalidRequest"
    assert update(theirs) == "AccessDenied"
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket="locked", Key="k", Body=b"x", ChecksumAlgorithm="CRC32", ObjectLockLegalHoldStatus="ON")
    assert update(key, "locked") == "AccessDenied"
    s3.put_object_legal_hold(Bucket="locked", Key="k", LegalHold={"Status": "OFF"})
    s3.update_object_encryption(Bucket="locked", Key="k", ObjectEncryption={"SSEKMS": {"KMSKeyArn": key}})
    assert s3.head_object(Bucket="locked", Key="k")["SSEKMSKeyId"] == key


@pytest.mark.parametrize("key", ["é" * 8, "====", "A", ""])
def test_odd_customer_keys(key: str) -> None:
    """What is no key of 32 bytes in Base64 is refused as such."""
    with pytest.raises(ServiceException) as caught:
        encrypting.customer_key("AES256", key, "x")
    assert caught.value.code == "InvalidArgument"
