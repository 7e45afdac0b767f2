"""Requester Pays, and the accelerated host name."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import UNSIGNED

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, policy, refused
from .browsing import visit

OTHER = "111122223333"


@pytest.fixture
def paid(s3: Any, bucket: str) -> str:
    """A bucket of which another account may do everything, and pays for it."""
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:*", on=[arn, f"{arn}/*"], Principal={"AWS": OTHER})))
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


def test_who_pays_is_kept(s3: Any, bucket: str) -> None:
    """The owner, until it is said otherwise."""
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert code(s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration={"Payer": "Nobody"}) == "MalformedXML"


def test_requesters_say_that_they_pay(cloud: Cloud, s3: Any, paid: str) -> None:
    """Another account's request that does not say so is denied; one that does is charged, and told so."""
    other = cloud.client("s3", access_key=OTHER)
    for call, members in (
        (other.get_object, {"Key": "k"}),
        (other.head_object, {"Key": "k"}),
        (other.put_object, {"Key": "new"}),
        (other.list_objects_v2, {}),
        (other.copy_object, {"Key": "copy", "CopySource": f"{paid}/k"}),
        (other.delete_object, {"Key": "k"}),
    ):
        assert refused(call, Bucket=paid, **members)["status"] == 403
        assert call(Bucket=paid, RequestPayer="requester", **members)["RequestCharged"] == "requester"
    other.create_bucket(Bucket="theirs")
    s3.put_object(Bucket=paid, Key="k")
    assert code(other.copy_object, Bucket="theirs", Key="k", CopySource=f"{paid}/k") == "AccessDenied"
    assert other.copy_object(Bucket="theirs", Key="k", CopySource=f"{paid}/k", RequestPayer="requester")["RequestCharged"] == "requester"


def test_the_owner_s_account_pays_anyway(cloud: Cloud, s3: Any, paid: str) -> None:
    """Callers of the owner's account need not say anything; strangers cannot pay."""
    assert "RequestCharged" not in as_user(cloud, "u", allow("s3:GetObject")).get_object(Bucket=paid, Key="k")
    assert "RequestCharged" not in s3.get_object(Bucket=paid, Key="k", RequestPayer="requester")
    s3.delete_public_access_block(Bucket=paid)
    s3.put_bucket_policy(Bucket=paid, Policy=policy(allow("s3:GetObject", on=f"arn:aws:s3:::{paid}/*", Principal="*")))
    nobody = cloud.client("s3", signature_version=UNSIGNED)
    assert code(nobody.get_object, Bucket=paid, Key="k", RequestPayer="requester") == "AccessDenied"


def test_acceleration(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A bucket answers by its accelerated name while that is enabled, and else says why not."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", Principal="*")))
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert b"not configured on this bucket" in visit(cloud.endpoint, "bucket.s3-accelerate", "/k").body
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"
    assert visit(cloud.endpoint, "bucket.s3-accelerate", "/k").body == b"x"
    assert visit(cloud.endpoint, "bucket.s3-accelerate.dualstack", "/k").body == b"x"
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    page = visit(cloud.endpoint, "bucket.s3-accelerate", "/k")
    assert (page.status, b"is disabled on this bucket" in page.body) == (400, True)
    s3.create_bucket(Bucket="with.dots")
    wanted = {"Status": "Enabled"}
    assert code(s3.put_bucket_accelerate_configuration, Bucket="with.dots", AccelerateConfiguration=wanted) == "InvalidRequest"
    assert code(s3.put_bucket_accelerate_configuration, Bucket=bucket, AccelerateConfiguration={"Status": "On"}) == "MalformedXML"
