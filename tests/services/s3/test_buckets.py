from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused


def names(s3: Any, **members: Any) -> list[str]:
    return [b["Name"] for b in s3.list_buckets(**members)["Buckets"]]


def test_a_bucket_is_found_listed_and_deleted(s3: Any) -> None:
    """A new bucket is there until it is deleted."""
    assert s3.create_bucket(Bucket="new-bucket")["Location"] == "/new-bucket"
    assert s3.head_bucket(Bucket="new-bucket")["BucketRegion"] == "us-east-1"
    assert names(s3) == ["new-bucket"]
    s3.delete_bucket(Bucket="new-bucket")
    assert names(s3) == []
    assert refused(s3.head_bucket, Bucket="new-bucket")["status"] == 404


@pytest.mark.parametrize("name", ["Upper", "ab", "a..b", "192.168.5.4", "xn--bucket", "-bucket", "bucket-", "under_score", "a" * 64])
def test_names_that_break_the_rules_are_refused(cloud: Cloud, name: str) -> None:
    """A bucket's name follows the naming rules."""
    import urllib.error
    import urllib.request

    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("PUT", f"{cloud.endpoint}/{name}", data=b"")
    S3SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(request.url, b"", dict(request.headers), method="PUT"))
    assert b"<Code>InvalidBucketName</Code>" in caught.value.read()


def test_creating_again_is_harmless_in_us_east_1_only(cloud: Cloud, s3: Any) -> None:
    """One's own bucket again: success in us-east-1, BucketAlreadyOwnedByYou elsewhere."""
    s3.create_bucket(Bucket="again")
    s3.create_bucket(Bucket="again")
    there = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    s3.create_bucket(Bucket="again-there", **there)
    assert code(s3.create_bucket, Bucket="again-there", **there) == "BucketAlreadyOwnedByYou"


def test_names_are_global_over_accounts(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Another account cannot take a name that is taken, nor see the bucket in its list."""
    other = cloud.client("s3", access_key="111122223333")
    found = refused(other.create_bucket, Bucket=bucket)
    assert (found["Code"], found["status"], found["BucketName"]) == ("BucketAlreadyExists", 409, bucket)
    assert names(other) == []


def test_location_constraints(cloud: Cloud, s3: Any) -> None:
    """us-east-1 makes buckets anywhere, any other region only in itself, and then must say so."""
    europe = cloud.client("s3", region="eu-central-1")
    assert code(europe.create_bucket, Bucket="here") == "IllegalLocationConstraintException"
    wrong = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    assert code(europe.create_bucket, Bucket="here", **wrong) == "IllegalLocationConstraintException"
    europe.create_bucket(Bucket="here", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert europe.get_bucket_location(Bucket="here")["LocationConstraint"] == "eu-central-1"
    s3.create_bucket(Bucket="old", CreateBucketConfiguration={"LocationConstraint": "EU"})
    assert cloud.client("s3", region="eu-west-1").get_bucket_location(Bucket="old")["LocationConstraint"] == "EU"
    s3.create_bucket(Bucket="home")
    assert s3.get_bucket_location(Bucket="home").get("LocationConstraint") is None
    odd = {"CreateBucketConfiguration": {"LocationConstraint": "us-east-1"}}
    assert code(s3.create_bucket, Bucket="odd", **odd) == "InvalidLocationConstraint"


def test_a_client_of_another_region_is_sent_to_the_bucket(cloud: Cloud) -> None:
    """A request signed for the wrong region is told the right one; boto3 then signs again by itself."""
    europe = cloud.client("s3", region="eu-central-1")
    europe.create_bucket(Bucket="here", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    america = cloud.client("s3", region="us-east-1")
    america.put_object(Bucket="here", Key="k", Body=b"from afar")
    assert europe.get_object(Bucket="here", Key="k")["Body"].read() == b"from afar"


def test_a_bucket_with_anything_in_it_stays(s3: Any, bucket: str, versioned: str) -> None:
    """Objects, old versions and delete markers keep a bucket from being deleted; an upload under way does not."""
    s3.put_object(Bucket=bucket, Key="k")
    assert refused(s3.delete_bucket, Bucket=bucket)["status"] == 409
    s3.delete_object(Bucket=bucket, Key="k")
    s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    s3.put_object(Bucket=versioned, Key="k")
    s3.delete_object(Bucket=versioned, Key="k")
    assert code(s3.delete_bucket, Bucket=versioned) == "BucketNotEmpty"
    for one in s3.list_object_versions(Bucket=versioned)["Versions"] + s3.list_object_versions(Bucket=versioned)["DeleteMarkers"]:
        s3.delete_object(Bucket=versioned, Key="k", VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=versioned)
    s3.create_bucket(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_buckets_are_listed_in_pages(s3: Any) -> None:
    """ListBuckets goes by name, a page at a time, by prefix and region."""
    for name in ("b-2", "a-1", "b-1", "b-3"):
        s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket="b-eu", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    first = s3.list_buckets(MaxBuckets=2)
    assert [b["Name"] for b in first["Buckets"]] == ["a-1", "b-1"]
    assert names(s3, ContinuationToken=first["ContinuationToken"]) == ["b-2", "b-3", "b-eu"]
    assert names(s3, Prefix="b-", BucketRegion="eu-west-1") == ["b-eu"]
    assert code(s3.list_buckets, ContinuationToken="nonsense!") == "InvalidArgument"


def test_expected_owner(s3: Any, bucket: str) -> None:
    """A request that expects another owner is denied."""
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    assert refused(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111122223333")["Code"] == "AccessDenied"


def test_a_user_lists_and_makes_only_what_policies_say(cloud: Cloud, s3: Any) -> None:
    """ListAllMyBuckets and CreateBucket are asked of the caller's policies."""
    ann = as_user(cloud, "ann", allow("s3:CreateBucket", on="arn:aws:s3:::ann-*"))
    ann.create_bucket(Bucket="ann-1")
    assert code(ann.create_bucket, Bucket="bob-1") == "AccessDenied"
    assert code(ann.list_buckets) == "AccessDenied"
    assert names(s3) == ["ann-1"]


def test_nobody_makes_no_buckets(cloud: Cloud) -> None:
    """Unsigned requests can neither make nor list buckets."""
    from botocore import UNSIGNED

    nobody = cloud.client("s3", signature_version=UNSIGNED)
    assert code(nobody.create_bucket, Bucket="nobodys") == "AccessDenied"
    assert code(nobody.list_buckets) == "AccessDenied"
