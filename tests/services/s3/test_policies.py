from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.services.s3 import policies
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, deny, policy, refused

OTHER = "111122223333"
OPEN = {"BlockPublicPolicy": False, "RestrictPublicBuckets": False, "BlockPublicAcls": True, "IgnorePublicAcls": True}
EVERYBODY: dict[str, Any] = {"Principal": "*"}


def read_by(principal: Any, **more: Any) -> str:
    return policy(allow("s3:GetObject", on="arn:aws:s3:::bucket/*", Principal=principal, **more))


def test_a_policy_is_kept_as_it_was_put(s3: Any, bucket: str) -> None:
    """Put, got, deleted; without one it is NoSuchBucketPolicy."""
    assert refused(s3.get_bucket_policy, Bucket=bucket)["Code"] == "NoSuchBucketPolicy"
    document = read_by({"AWS": OTHER})
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == document
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3.delete_bucket_policy(Bucket=bucket)
    assert code(s3.get_bucket_policy_status, Bucket=bucket) == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "[]",
        "{}",
        policy(allow("s3:GetObject", on="arn:aws:s3:::other/*", Principal={"AWS": OTHER})),
        policy(allow("sqs:SendMessage", on="arn:aws:s3:::bucket", Principal={"AWS": OTHER})),
        policy(allow("s3:GetObject", on="arn:aws:s3:::bucket", Principal={"AWS": OTHER})),
        policy(allow("s3:ListBucket", on="arn:aws:s3:::bucket/*", Principal={"AWS": OTHER})),
        policy(allow("s3:GetObject", on="arn:aws:s3:::bucket/*")),
        policy(allow("s3:GetObject", on="arn:aws:s3:::bucket/*", Principal={"AWS": "nobody"})),
        json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Principal": {"AWS": OTHER}}}),
    ],
)
def test_policies_that_are_none(s3: Any, bucket: str, document: str) -> None:
    """A policy has to be well-formed, and speak of this bucket and of S3's actions only."""
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=document) == "MalformedPolicy"


def test_another_account_is_let_in_by_both_sides(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Across accounts the bucket's policy and the user's own have to allow."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    root = cloud.client("s3", access_key=OTHER)
    user = as_user(cloud, "u", allow("s3:*"), account=OTHER)
    poor = as_user(cloud, "poor", account=OTHER)
    for client in (root, user, poor):
        assert code(client.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=read_by({"AWS": f"arn:aws:iam::{OTHER}:root"}))
    for client in (root, user):
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert code(poor.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_a_denial_holds_for_the_owner_too(s3: Any, bucket: str) -> None:
    """An explicit deny in the bucket's policy stops the owner's root; they can still delete the policy."""
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny("s3:GetObject", on="arn:aws:s3:::bucket/*", **EVERYBODY)))
    s3.get_bucket_location(Bucket=bucket)
    found = refused(s3.get_object, Bucket=bucket, Key="k")
    assert (found["Code"], "explicit deny in a resource-based policy" in found["Message"]) == ("AccessDenied", True)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="k")


def test_a_policy_cannot_lock_its_owner_out(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Whatever it denies, the owner's root can read, replace and delete the policy; other accounts never can."""
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny("s3:*", on=["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"], **EVERYBODY)))
    assert code(s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert "Deny" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:*", on="arn:aws:s3:::bucket", Principal={"AWS": OTHER})))
    assert code(cloud.client("s3", access_key=OTHER).delete_bucket_policy, Bucket=bucket) == "MethodNotAllowed"
    s3.delete_bucket_policy(Bucket=bucket)


def test_public_policies_are_blocked_at_first(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A new bucket refuses a public policy until Block Public Access is turned off; then anybody may read."""
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    found = refused(s3.put_bucket_policy, Bucket=bucket, Policy=read_by("*"))
    assert (found["Code"], "BlockPublicPolicy" in found["Message"]) == ("AccessDenied", True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_public_access_block(Bucket=bucket)
    assert code(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    s3.put_bucket_policy(Bucket=bucket, Policy=read_by("*"))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    from botocore import UNSIGNED

    nobody = cloud.client("s3", signature_version=UNSIGNED)
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert code(nobody.put_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert code(nobody.get_object, Bucket=bucket, Key="none") == "AccessDenied"


def test_restricted_buckets_are_public_for_their_own_account_only(cloud: Cloud, s3: Any, bucket: str) -> None:
    """RestrictPublicBuckets takes from others what a public policy gives, and leaves it to the account's own users."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OPEN)
    s3.put_bucket_policy(Bucket=bucket, Policy=read_by("*"))
    stranger = cloud.client("s3", access_key=OTHER)
    insider = as_user(cloud, "insider")
    assert stranger.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "RestrictPublicBuckets": True})
    assert code(stranger.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert insider.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        (allow("s3:GetObject", **EVERYBODY), True),
        (allow("s3:GetObject", Principal={"AWS": ["*"]}), True),
        (deny("s3:GetObject", **EVERYBODY), False),
        (allow("s3:GetObject", Principal={"AWS": OTHER}), False),
        (allow("s3:GetObject", Principal={"Service": "logging.s3.amazonaws.com"}), False),
        (allow("s3:GetObject", **EVERYBODY, Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}), False),
        (allow("s3:GetObject", **EVERYBODY, Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}), True),
        (allow("s3:GetObject", **EVERYBODY, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), False),
        (allow("s3:GetObject", **EVERYBODY, Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}), False),
        (allow("s3:GetObject", **EVERYBODY, Condition={"StringLike": {"aws:SourceVpc": "vpc-*"}}), True),
        (allow("s3:GetObject", **EVERYBODY, Condition={"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}), True),
        (allow("s3:GetObject", **EVERYBODY, Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}), True),
        (allow("s3:GetObject", **EVERYBODY, Condition={"Bool": {"aws:SecureTransport": "true"}}), True),
    ],
)
def test_what_public_means(statement: dict[str, Any], public: bool) -> None:
    """A grant to everybody is public unless a condition fixes who or from where."""
    from fogbank.access import grammar

    document = policy({**statement, "Resource": "arn:aws:s3:::bucket/*"})
    assert policies.is_public(grammar.read(document, "resource")["Statement"]) is public


def test_a_user_without_the_right_cannot_change_policies(cloud: Cloud, s3: Any, bucket: str) -> None:
    """PutBucketPolicy and PutBucketPublicAccessBlock are their own actions."""
    user = as_user(cloud, "u", allow("s3:GetObject", "s3:PutObject"))
    assert code(user.put_bucket_policy, Bucket=bucket, Policy=read_by({"AWS": OTHER})) == "AccessDenied"
    assert code(user.delete_public_access_block, Bucket=bucket) == "AccessDenied"
