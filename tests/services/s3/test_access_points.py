from __future__ import annotations

import socket
from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, deny, policy, refused

ACCOUNT = "000000000000"
OTHER = "111122223333"
POINT = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/point"
OPEN = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False)
EVERYBODY: dict[str, Any] = {"Principal": "*"}


@pytest.fixture(autouse=True)
def local_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names under localhost are this machine, as RFC 6761 has it."""
    ask = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **more: Any) -> Any:
        return ask("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.fixture
def control(cloud: Cloud) -> Any:
    return cloud.client("s3control")


@pytest.fixture
def point(control: Any, bucket: str) -> str:
    control.create_access_point(AccountId=ACCOUNT, Name="point", Bucket=bucket)
    return POINT


def test_an_access_point_is_a_further_name(s3: Any, control: Any, bucket: str, point: str) -> None:
    """Objects are written and read by the access point's ARN or its alias like by the bucket's name."""
    alias = control.get_access_point(AccountId=ACCOUNT, Name="point")["Alias"]
    assert alias.startswith("point-")
    assert alias.endswith("-s3alias")
    s3.put_object(Bucket=point, Key="a/b", Body=b"by arn")
    s3.put_object(Bucket=alias, Key="c", Body=b"by alias")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"by arn"
    assert s3.get_object(Bucket=point, Key="c")["Body"].read() == b"by alias"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=alias)["Contents"]] == ["a/b", "c"]
    s3.head_bucket(Bucket=point)
    s3.copy_object(Bucket=point, Key="d e", CopySource={"Bucket": point, "Key": "a/b"})
    assert s3.get_object(Bucket=alias, Key="d e")["Body"].read() == b"by arn"
    upload = s3.create_multipart_upload(Bucket=point, Key="parts")["UploadId"]
    tag = s3.upload_part(Bucket=alias, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket=point, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    s3.delete_objects(Bucket=point, Delete={"Objects": [{"Key": "parts"}, {"Key": "c"}]})
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b", "d e"]


def test_access_points_are_kept(s3: Any, control: Any, bucket: str, point: str) -> None:
    """Made once, described, listed by bucket, deleted; the bucket cannot go before them."""
    found = control.get_access_point(AccountId=ACCOUNT, Name="point")
    assert (found["Bucket"], found["NetworkOrigin"], found["AccessPointArn"]) == (bucket, "Internet", POINT)
    assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
    assert code(control.create_access_point, AccountId=ACCOUNT, Name="point", Bucket=bucket) == "AccessPointAlreadyOwnedByYou"
    s3.create_bucket(Bucket="another")
    for name in ("a-1", "a-2"):
        control.create_access_point(AccountId=ACCOUNT, Name=name, Bucket="another")
    names = [one["Name"] for one in control.list_access_points(AccountId=ACCOUNT)["AccessPointList"]]
    assert names == ["a-1", "a-2", "point"]
    page = control.list_access_points(AccountId=ACCOUNT, Bucket="another", MaxResults=1)
    rest = control.list_access_points(AccountId=ACCOUNT, Bucket="another", NextToken=page["NextToken"])
    assert [one["Name"] for one in (*page["AccessPointList"], *rest["AccessPointList"])] == ["a-1", "a-2"]
    assert code(s3.delete_bucket, Bucket=bucket) == "BucketHasAccessPointsAttached"
    control.delete_access_point(AccountId=ACCOUNT, Name="point")
    assert code(control.get_access_point, AccountId=ACCOUNT, Name="point") == "NoSuchAccessPoint"
    assert code(s3.get_object, Bucket="point-abcdef-s3alias", Key="k") == "NoSuchAccessPoint"
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("name", ["Point", "-point", "point-", "po_int", "x" * 51, "a-s3alias"])
def test_names_that_are_none(control: Any, bucket: str, name: str) -> None:
    """Names are 3 to 50 lower-case letters, digits and hyphens."""
    assert code(control.create_access_point, AccountId=ACCOUNT, Name=name, Bucket=bucket) == "InvalidRequest"


def test_an_access_point_needs_a_bucket(cloud: Cloud, control: Any, bucket: str) -> None:
    """The bucket is there, of this region, and another account's only where that is named."""
    assert code(control.create_access_point, AccountId=ACCOUNT, Name="point", Bucket="nowhere") == "NoSuchBucket"
    assert code(control.create_access_point, AccountId=OTHER, Name="point", Bucket=bucket) == "AccessDenied"
    theirs = cloud.client("s3control", access_key=OTHER)
    assert code(theirs.create_access_point, AccountId=OTHER, Name="point", Bucket=bucket) == "AccessDenied"
    theirs.create_access_point(AccountId=OTHER, Name="point", Bucket=bucket, BucketAccountId=ACCOUNT)
    far = cloud.client("s3control", region="eu-west-1")
    assert code(far.create_access_point, AccountId=ACCOUNT, Name="point", Bucket=bucket) == "InvalidRequest"


def test_both_policies_have_to_allow(cloud: Cloud, s3: Any, control: Any, bucket: str, point: str) -> None:
    """A user whom the access point's policy lets in, gets in where the bucket lets its access points' callers in."""
    s3.put_object(Bucket=bucket, Key="team/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    jane = as_user(cloud, "jane")
    principal = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/jane"}}
    document = policy(allow("s3:GetObject", on=f"{POINT}/object/team/*", **principal))
    control.put_access_point_policy(AccountId=ACCOUNT, Name="point", Policy=document)
    assert control.get_access_point_policy(AccountId=ACCOUNT, Name="point")["Policy"] == document
    assert code(jane.get_object, Bucket=point, Key="team/k") == "AccessDenied"
    delegated = {"Condition": {"StringEquals": {"s3:DataAccessPointAccount": ACCOUNT}}}
    on = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:*", on=on, **EVERYBODY, **delegated)))
    assert jane.get_object(Bucket=point, Key="team/k")["Body"].read() == b"x"
    assert code(jane.get_object, Bucket=point, Key="other") == "AccessDenied"
    assert code(jane.get_object, Bucket=bucket, Key="team/k") == "AccessDenied"
    assert code(jane.put_object, Bucket=point, Key="team/k") == "AccessDenied"


def test_identity_policies_speak_of_access_points(cloud: Cloud, s3: Any, bucket: str, point: str) -> None:
    """A user's own policy names the access point's ARN, and the bucket's with the access point as a condition."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    through = {"Condition": {"ArnEquals": {"s3:DataAccessPointArn": POINT}, "StringEquals": {"s3:AccessPointNetworkOrigin": "Internet"}}}
    user = as_user(
        cloud,
        "u",
        allow("s3:GetObject", "s3:GetObjectTagging", on=f"{POINT}/object/*"),
        allow("s3:ListBucket", on=POINT),
        allow("s3:*", on=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], **through),
    )
    assert user.get_object(Bucket=point, Key="k")["Body"].read() == b"x"
    assert user.list_objects_v2(Bucket=point)["KeyCount"] == 1
    user.get_object_tagging(Bucket=point, Key="k")
    assert code(user.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert "accesspoint/point" in refused(user.put_object, Bucket=point, Key="k")["Message"]
    assert code(user.delete_object, Bucket=point, Key="k") == "AccessDenied"
    refusals = user.delete_objects(Bucket=point, Delete={"Objects": [{"Key": "k"}]})["Errors"]
    assert [one["Code"] for one in refusals] == ["AccessDenied"]


def test_a_denial_of_either_side_holds(s3: Any, control: Any, bucket: str, point: str) -> None:
    """What the access point's policy or the bucket's denies, even root may not do through it; directly, only the bucket's counts."""
    s3.put_object(Bucket=bucket, Key="k")
    document = policy(deny("s3:GetObject", on=f"{POINT}/object/*", **EVERYBODY))
    control.put_access_point_policy(AccountId=ACCOUNT, Name="point", Policy=document)
    assert code(s3.get_object, Bucket=point, Key="k") == "AccessDenied"
    s3.get_object(Bucket=bucket, Key="k")
    control.delete_access_point_policy(AccountId=ACCOUNT, Name="point")
    s3.get_object(Bucket=point, Key="k")
    direct = {"Condition": {"StringNotEquals": {"s3:DataAccessPointAccount": ACCOUNT}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", **EVERYBODY, **direct)))
    assert code(s3.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    s3.get_object(Bucket=point, Key="k")


def test_another_account_through_an_access_point(cloud: Cloud, s3: Any, control: Any, bucket: str, point: str) -> None:
    """Across accounts the access point's policy and the bucket's let the caller in."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    theirs = cloud.client("s3", access_key=OTHER)
    principal = {"Principal": {"AWS": OTHER}}
    control.put_access_point_policy(
        AccountId=ACCOUNT, Name="point", Policy=policy(allow("s3:GetObject", on=f"{POINT}/object/*", **principal))
    )
    assert code(theirs.get_object, Bucket=point, Key="k") == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", **principal)))
    assert theirs.get_object(Bucket=point, Key="k")["Body"].read() == b"x"


def test_what_an_access_point_is_not_for(control: Any, s3: Any, bucket: str, point: str) -> None:
    """Operations on the bucket's settings, and everything through one that belongs to a private network."""
    assert code(s3.put_bucket_versioning, Bucket=point, VersioningConfiguration={"Status": "Enabled"}) == "MethodNotAllowed"
    assert code(s3.delete_bucket, Bucket=point) == "MethodNotAllowed"
    control.create_access_point(AccountId=ACCOUNT, Name="private", Bucket=bucket, VpcConfiguration={"VpcId": "vpc-1"})
    assert code(s3.list_objects_v2, Bucket=POINT.replace("point/point", "point/private")) == "AccessDenied"


def test_policies_that_are_none(control: Any, bucket: str, point: str) -> None:
    """A policy speaks of this access point and the objects behind it."""
    for on in (f"arn:aws:s3:::{bucket}/*", POINT.replace("point/point", "point/other"), f"{POINT}/k"):
        document = policy(allow("s3:GetObject", on=on, Principal={"AWS": OTHER}))
        assert code(control.put_access_point_policy, AccountId=ACCOUNT, Name="point", Policy=document) == "MalformedPolicy"
    assert code(control.get_access_point_policy, AccountId=ACCOUNT, Name="point") == "NoSuchAccessPointPolicy"
    assert code(control.get_access_point_policy_status, AccountId=ACCOUNT, Name="point") == "NoSuchAccessPointPolicy"


def test_public_access_points(cloud: Cloud, s3: Any, control: Any, bucket: str, point: str) -> None:
    """A public policy is refused while the access point, the bucket or the account blocks it; then it lets anybody in."""
    document = policy(allow("s3:GetObject", on=f"{POINT}/object/*", **EVERYBODY))
    put = {"AccountId": ACCOUNT, "Name": "point", "Policy": document}
    assert "BlockPublicPolicy" in refused(control.put_access_point_policy, **put)["Message"]
    control.delete_access_point(AccountId=ACCOUNT, Name="point")
    control.create_access_point(AccountId=ACCOUNT, Name="point", Bucket=bucket, PublicAccessBlockConfiguration=OPEN)
    assert code(control.put_access_point_policy, **put) == "AccessDenied"
    s3.delete_public_access_block(Bucket=bucket)
    control.put_access_point_policy(**put)
    assert control.get_access_point_policy_status(AccountId=ACCOUNT, Name="point")["PolicyStatus"] == {"IsPublic": True}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", **EVERYBODY)))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    stranger = cloud.client("s3", access_key=OTHER)
    assert stranger.get_object(Bucket=point, Key="k")["Body"].read() == b"x"
    control.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert code(stranger.get_object, Bucket=point, Key="k") == "AccessDenied"
    assert code(stranger.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    s3.get_object(Bucket=point, Key="k")


def test_the_public_access_block_of_an_account(cloud: Cloud, s3: Any, control: Any, bucket: str) -> None:
    """It holds for all the account's buckets besides their own, until it is deleted."""
    assert code(control.get_public_access_block, AccountId=ACCOUNT) == "NoSuchPublicAccessBlockConfiguration"
    block = OPEN | {"BlockPublicPolicy": True}
    control.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=block)
    assert control.get_public_access_block(AccountId=ACCOUNT)["PublicAccessBlockConfiguration"] == block
    s3.delete_public_access_block(Bucket=bucket)
    document = policy(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", **EVERYBODY))
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=document) == "AccessDenied"
    control.delete_public_access_block(AccountId=ACCOUNT)
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    assert code(cloud.client("s3control", access_key=OTHER).get_public_access_block, AccountId=ACCOUNT) == "AccessDenied"


def test_users_of_s3_control_need_permissions(cloud: Cloud, control: Any, bucket: str, point: str) -> None:
    """Actions are checked on the access point's ARN, and by its tags."""
    user = as_user(cloud, "u", allow("s3:GetAccessPointPolicy", on=POINT), allow("s3:ListAccessPoints"), service="s3control")
    assert code(user.get_access_point_policy, AccountId=ACCOUNT, Name="point") == "NoSuchAccessPointPolicy"
    user.list_access_points(AccountId=ACCOUNT)
    assert code(user.get_access_point_policy, AccountId=ACCOUNT, Name="other") == "AccessDenied"
    assert code(user.delete_access_point, AccountId=ACCOUNT, Name="point") == "AccessDenied"
    assert code(user.put_public_access_block, AccountId=ACCOUNT, PublicAccessBlockConfiguration=OPEN) == "AccessDenied"


def test_tags(s3: Any, control: Any, bucket: str, point: str) -> None:
    """Buckets and access points are tagged one tag at a time; a bucket's tags are those that S3 has."""
    for arn in (f"arn:aws:s3:::{bucket}", POINT):
        about = {"AccountId": ACCOUNT, "ResourceArn": arn}
        control.tag_resource(**about, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        control.tag_resource(**about, Tags=[{"Key": "b", "Value": "3"}])
        control.untag_resource(**about, TagKeys=["a", "none"])
        assert control.list_tags_for_resource(**about)["Tags"] == [{"Key": "b", "Value": "3"}]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "b", "Value": "3"}]
    assert code(control.list_tags_for_resource, AccountId=ACCOUNT, ResourceArn="arn:aws:s3:::nowhere") == "NoSuchBucket"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny("s3:TagResource", on=f"arn:aws:s3:::{bucket}", **EVERYBODY)))
    tag = {"AccountId": ACCOUNT, "ResourceArn": f"arn:aws:s3:::{bucket}", "Tags": [{"Key": "c", "Value": "1"}]}
    assert code(control.tag_resource, **tag) == "AccessDenied"


def test_what_s3_control_does_not_do(control: Any) -> None:
    """The rest of S3 Control is refused by name."""
    error = refused(control.list_jobs, AccountId=ACCOUNT)
    assert (error["status"], "s3control:ListJobs" in error["Message"]) == (501, True)


def test_other_kinds_of_buckets(s3: Any) -> None:
    """Directory buckets, Object Lambda and multi-region access points are refused by name."""
    for call, members in (
        (s3.list_directory_buckets, {}),
        (s3.create_session, {"Bucket": "zone--use1-az1--x-s3"}),
        (s3.get_object, {"Bucket": "function--ol-s3", "Key": "k"}),
        (s3.create_bucket, {"Bucket": "zone--use1-az1--x-s3"}),
    ):
        error = refused(call, **members)
        assert (error["Code"], error["status"]) == ("NotImplemented", 501)


def test_a_key_that_looks_like_an_access_point_is_none(cloud: Cloud, s3: Any, bucket: str) -> None:
    """What an object is called does not decide by which policies it is guarded."""
    stranger = cloud.client("s3", access_key=OTHER)
    for key in ("a:b:accesspoint/z/object/w", ":s3:::x/y"):
        s3.put_object(Bucket=bucket, Key=key)
        assert code(stranger.get_object, Bucket=bucket, Key=key) == "AccessDenied"
        assert code(stranger.delete_object, Bucket=bucket, Key=key) == "AccessDenied"
