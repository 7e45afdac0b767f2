"""Access control lists and Object Ownership: who owns what, and what a list lets others do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import UNSIGNED

from fogbank.access.principal import canonical_id
from fogbank.services.s3 import grants
from fogbank.services.s3.state import Grant
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, deny, policy, refused

OTHER, THIRD = "111122223333", "444455556666"
ME = canonical_id("000000000000")
ALL = f'uri="{grants.ALL_USERS}"'
FULL = "bucket-owner-full-control"


@pytest.fixture
def shared(s3: Any) -> str:
    """A bucket whose lists count, and may be public; anybody may write to it."""
    s3.create_bucket(Bucket="shared", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="shared")
    s3.put_bucket_acl(Bucket="shared", GrantWrite=ALL, GrantFullControl=f"id={ME}")
    return "shared"


@pytest.fixture
def nobody(cloud: Cloud) -> Any:
    return cloud.client("s3", signature_version=UNSIGNED)


def granted(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(g["Grantee"].get("ID") or g["Grantee"]["URI"].rpartition("/")[2], g["Permission"]) for g in answer["Grants"]}


# while lists are disabled


def test_a_new_bucket_has_no_lists(s3: Any, bucket: str) -> None:
    """BucketOwnerEnforced: the owner has full control, and lists that say anything else are refused."""
    found = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert found == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_object(Bucket=bucket, Key="k", ACL=FULL)
    acl = s3.get_object_acl(Bucket=bucket, Key="k")
    assert (granted(acl), acl["Owner"]) == ({(ME, "FULL_CONTROL")}, {"ID": ME})
    s3.put_object_acl(Bucket=bucket, Key="k", ACL=FULL)
    s3.put_object(Bucket=bucket, Key="k", GrantFullControl=f'id="{ME}"')
    owner = {"Owner": {"ID": ME}, "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": ME}, "Permission": "FULL_CONTROL"}]}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=owner)
    unsupported = "AccessControlListNotSupported"
    assert code(s3.put_object, Bucket=bucket, Key="k", ACL="public-read") == unsupported
    assert code(s3.put_object, Bucket=bucket, Key="k", GrantRead=ALL) == unsupported
    assert code(s3.copy_object, Bucket=bucket, Key="l", CopySource="bucket/k", ACL="public-read") == unsupported
    assert code(s3.create_multipart_upload, Bucket=bucket, Key="l", ACL="public-read") == unsupported
    assert code(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == unsupported
    assert code(s3.put_bucket_acl, Bucket=bucket, ACL="private") == unsupported
    assert code(s3.put_bucket_acl, Bucket=bucket, GrantRead=ALL) == unsupported
    assert code(s3.create_bucket, Bucket="open", ACL="public-read") == "InvalidBucketAclWithObjectOwnership"


def test_ownership_controls(s3: Any, bucket: str) -> None:
    """They are put, got and deleted; a bucket's list that grants to others stands in the way of BucketOwnerEnforced."""

    def put(ownership: str) -> Any:
        return s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})

    put("BucketOwnerPreferred")
    s3.put_bucket_acl(Bucket=bucket, GrantRead=f"id={canonical_id(OTHER)}")
    with pytest.raises(s3.exceptions.ClientError, match="InvalidBucketAclWithObjectOwnership"):
        put("BucketOwnerEnforced")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    put("BucketOwnerEnforced")
    with pytest.raises(s3.exceptions.ClientError, match="MalformedXML"):
        put("Nobody")
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket)["Code"] == "OwnershipControlsNotFoundError"
    assert code(s3.put_object, Bucket=bucket, Key="k", ACL="authenticated-read") == "AccessDenied"  # blocked, not disabled


def test_buckets_are_made_with_ownership_and_list(cloud: Cloud, s3: Any) -> None:
    """CreateBucket takes both, each with its permission; a public list is refused since a new bucket blocks public access."""
    s3.create_bucket(Bucket="bucket-1", ObjectOwnership="ObjectWriter", GrantRead=f"id={canonical_id(OTHER)}")
    assert granted(s3.get_bucket_acl(Bucket="bucket-1")) == {(canonical_id(OTHER), "READ")}
    public = refused(s3.create_bucket, Bucket="bucket-2", ObjectOwnership="ObjectWriter", ACL="public-read")
    assert public["Code"] == "InvalidBucketAclWithBlockPublicAccessError"
    user = as_user(cloud, "u", allow("s3:CreateBucket"))
    user.create_bucket(Bucket="bucket-3")
    assert "PutBucketOwnershipControls" in refused(user.create_bucket, Bucket="bucket-4", ObjectOwnership="ObjectWriter")["Message"]
    narrow = as_user(
        cloud, "n", allow("s3:*"), deny("s3:CreateBucket", Condition={"StringEquals": {"s3:x-amz-object-ownership": "ObjectWriter"}})
    )
    assert code(narrow.create_bucket, Bucket="bucket-5", ObjectOwnership="ObjectWriter") == "AccessDenied"
    narrow.create_bucket(Bucket="bucket-5", ObjectOwnership="BucketOwnerPreferred")


# how lists are said


def test_three_ways_to_say_a_list(s3: Any, shared: str) -> None:
    """Canned, by headers, or as a document; all come to grants that are read back."""
    s3.put_object(Bucket=shared, Key="k", ACL="public-read")
    assert granted(s3.get_object_acl(Bucket=shared, Key="k")) == {(ME, "FULL_CONTROL"), ("AllUsers", "READ")}
    other = canonical_id(OTHER)
    s3.put_object_acl(Bucket=shared, Key="k", GrantRead=f'id="{other}", {ALL}', GrantWriteACP=f"id={other}")
    assert granted(s3.get_object_acl(Bucket=shared, Key="k")) == {(other, "READ"), ("AllUsers", "READ"), (other, "WRITE_ACP")}
    document = {"Owner": {"ID": ME}, "Grants": [{"Grantee": {"Type": "Group", "URI": grants.AUTHENTICATED_USERS}, "Permission": "READ"}]}
    s3.put_object_acl(Bucket=shared, Key="k", AccessControlPolicy=document)
    assert granted(s3.get_object_acl(Bucket=shared, Key="k")) == {("AuthenticatedUsers", "READ")}
    s3.put_object_acl(Bucket=shared, Key="k", AccessControlPolicy={"Owner": {"ID": ME}, "Grants": []})
    assert s3.get_object_acl(Bucket=shared, Key="k")["Grants"] == []
    s3.put_object_acl(Bucket=shared, Key="k", ACL="private")
    assert granted(s3.get_object_acl(Bucket=shared, Key="k")) == {(ME, "FULL_CONTROL")}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"ACL": "public-read", "GrantRead": ALL}, "InvalidRequest"),
        ({"ACL": "none"}, "InvalidArgument"),
        ({"GrantRead": "id=abc"}, "InvalidArgument"),
        ({"GrantRead": "nonsense"}, "InvalidArgument"),
        ({"GrantRead": 'uri="http://example.com"'}, "InvalidArgument"),
        ({"GrantRead": 'emailAddress="a@example.com"'}, "MethodNotAllowed"),
        ({"ACL": "aws-exec-read"}, "NotImplemented"),
        ({"AccessControlPolicy": {"Grants": []}}, "MalformedACLError"),
        ({"AccessControlPolicy": {"Owner": {"ID": canonical_id(OTHER)}, "Grants": []}}, "AccessDenied"),
        (
            {"AccessControlPolicy": {"Owner": {"ID": ME}, "Grants": [{"Grantee": {"Type": "CanonicalUser"}, "Permission": "READ"}]}},
            "MalformedACLError",
        ),
        ({"ACL": "private", "AccessControlPolicy": {"Owner": {"ID": ME}, "Grants": []}}, "UnexpectedContent"),
        ({}, "MissingSecurityHeader"),
    ],
)
def test_lists_that_are_none(s3: Any, shared: str, members: dict[str, Any], expected: str) -> None:
    """A list has to be said in one way, with grantees that can be."""
    s3.put_object(Bucket=shared, Key="k")
    assert code(s3.put_object_acl, Bucket=shared, Key="k", **members) == expected
    assert granted(s3.get_object_acl(Bucket=shared, Key="k")) == {(ME, "FULL_CONTROL")}


# what lists allow


def test_everybody_reads_a_public_object(cloud: Cloud, s3: Any, nobody: Any, shared: str) -> None:
    """public-read lets strangers get that object (and that version), and nothing else; IgnorePublicAcls takes it away."""
    s3.put_object(Bucket=shared, Key="open", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=shared, Key="shut", Body=b"x")
    assert nobody.get_object(Bucket=shared, Key="open")["Body"].read() == b"x"
    nobody.head_object(Bucket=shared, Key="open")
    for call, key in ((nobody.get_object, "shut"), (nobody.get_object_acl, "open"), (nobody.get_object, "missing")):
        assert code(call, Bucket=shared, Key=key) == "AccessDenied"
    block = {"BlockPublicAcls": False, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=shared, PublicAccessBlockConfiguration=block)
    assert code(nobody.get_object, Bucket=shared, Key="open") == "AccessDenied"
    assert ("AllUsers", "READ") in granted(s3.get_object_acl(Bucket=shared, Key="open"))


def test_blocked_public_lists(s3: Any, shared: str) -> None:
    """BlockPublicAcls refuses new public lists, of the bucket and of objects, and no others."""
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=shared, PublicAccessBlockConfiguration=block)
    s3.put_object(Bucket=shared, Key="k", GrantRead=f"id={canonical_id(OTHER)}")
    for call, members in (
        (s3.put_object, {"Key": "k", "ACL": "public-read"}),
        (s3.put_object_acl, {"Key": "k", "ACL": "authenticated-read"}),
        (s3.put_bucket_acl, {"ACL": "public-read"}),
    ):
        found = refused(call, Bucket=shared, **members)
        assert (found["Code"], "BlockPublicAcls" in found["Message"]) == ("AccessDenied", True)


def test_authenticated_users_are_those_who_sign(cloud: Cloud, s3: Any, nobody: Any, shared: str) -> None:
    """authenticated-read is for every account's callers whose own policies let them, and not for strangers."""
    s3.put_object(Bucket=shared, Key="k", Body=b"x", ACL="authenticated-read")
    assert cloud.client("s3", access_key=OTHER).get_object(Bucket=shared, Key="k")["Body"].read() == b"x"
    assert as_user(cloud, "able", allow("s3:GetObject"), account=OTHER).head_object(Bucket=shared, Key="k")
    assert code(as_user(cloud, "poor", account=OTHER).get_object, Bucket=shared, Key="k") == "AccessDenied"
    assert code(nobody.get_object, Bucket=shared, Key="k") == "AccessDenied"


@pytest.mark.parametrize("permission", ["READ", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"])
def test_what_each_permission_allows_on_an_object(cloud: Cloud, s3: Any, shared: str, permission: str) -> None:
    """Each permission is its actions, for the account it is granted to, and no other account."""
    s3.put_object(Bucket=shared, Key="k", Body=b"x")
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": canonical_id(OTHER)}, "Permission": permission}
    s3.put_object_acl(Bucket=shared, Key="k", AccessControlPolicy={"Owner": {"ID": ME}, "Grants": [grant]})
    other = cloud.client("s3", access_key=OTHER)
    calls = {
        "READ": lambda client: client.get_object(Bucket=shared, Key="k"),
        "READ_ACP": lambda client: client.get_object_acl(Bucket=shared, Key="k"),
        "WRITE_ACP": lambda client: client.put_object_acl(
            Bucket=shared, Key="k", AccessControlPolicy={"Owner": {"ID": ME}, "Grants": [grant]}
        ),
    }
    for name, call in calls.items():
        if permission in (name, "FULL_CONTROL"):
            call(other)
        else:
            with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
                call(other)
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            call(cloud.client("s3", access_key=THIRD))


def test_what_permissions_allow_on_a_bucket(cloud: Cloud, s3: Any) -> None:
    """READ lists, WRITE puts new objects and replaces one's own, READ_ACP and WRITE_ACP are of the list."""
    s3.create_bucket(Bucket="lists", ObjectOwnership="ObjectWriter")
    s3.put_object(Bucket="lists", Key="mine", Body=b"x")
    other, id_ = cloud.client("s3", access_key=OTHER), f"id={canonical_id(OTHER)}"

    def denied(call: Any, **members: Any) -> None:
        assert code(call, Bucket="lists", **members) == "AccessDenied"

    denied(other.list_objects_v2)
    s3.put_bucket_acl(Bucket="lists", GrantRead=id_)
    other.list_objects_v2(Bucket="lists")
    other.list_object_versions(Bucket="lists")
    other.list_multipart_uploads(Bucket="lists")
    assert refused(other.get_object, Bucket="lists", Key="none")["Code"] == "NoSuchKey"
    denied(other.get_object, Key="mine")
    denied(other.put_object, Key="k")
    denied(other.get_bucket_acl)
    s3.put_bucket_acl(Bucket="lists", GrantWrite=id_)
    denied(other.list_objects_v2)
    for _ in range(2):
        other.put_object(Bucket="lists", Key="k", Body=b"y")
    denied(other.put_object, Key="mine")
    denied(other.delete_object, Key="mine")
    other.delete_object(Bucket="lists", Key="k")
    s3.put_bucket_acl(Bucket="lists", GrantReadACP=id_, GrantWriteACP=id_)
    other.get_bucket_acl(Bucket="lists")
    other.put_bucket_acl(Bucket="lists", GrantFullControl=id_)
    other.list_objects_v2(Bucket="lists")
    s3.get_bucket_acl(Bucket="lists")


def test_a_policy_s_denial_comes_before_a_list(s3: Any, nobody: Any, shared: str) -> None:
    """What the bucket's policy denies no list allows, and both allow together."""
    s3.put_object(Bucket=shared, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=shared, Key="by-policy", Body=b"x")
    arn = f"arn:aws:s3:::{shared}"
    s3.put_bucket_policy(Bucket=shared, Policy=policy(allow("s3:GetObject", on=f"{arn}/by-*", Principal="*")))
    nobody.get_object(Bucket=shared, Key="k")
    nobody.get_object(Bucket=shared, Key="by-policy")
    s3.put_bucket_policy(Bucket=shared, Policy=policy(deny("s3:GetObject", on=f"{arn}/k", Principal="*")))
    assert code(nobody.get_object, Bucket=shared, Key="k") == "AccessDenied"


def test_conditions_on_lists(cloud: Cloud, s3: Any, shared: str) -> None:
    """s3:x-amz-acl and s3:x-amz-grant-read are what the request says; giving a list is s3:PutObjectAcl."""
    user = as_user(
        cloud,
        "u",
        allow("s3:PutObject"),
        allow("s3:PutObjectAcl", Condition={"StringEquals": {"s3:x-amz-acl": "public-read"}}),
        allow("s3:PutObjectAcl", Condition={"StringEquals": {"s3:x-amz-grant-read": ALL}}),
    )
    user.put_object(Bucket=shared, Key="k")
    user.put_object(Bucket=shared, Key="k", ACL="public-read")
    user.put_object(Bucket=shared, Key="k", GrantRead=ALL)
    assert "s3:PutObjectAcl" in refused(user.put_object, Bucket=shared, Key="k", ACL="authenticated-read")["Message"]


# who owns what


def test_objects_are_their_writer_s(cloud: Cloud, s3: Any, shared: str) -> None:
    """ObjectWriter: what another account writes it owns; the bucket's owner may delete it, but not read it until it says so."""
    other = cloud.client("s3", access_key=OTHER)
    other.put_object(Bucket=shared, Key="k", Body=b"theirs")
    assert code(s3.get_object, Bucket=shared, Key="k") == "AccessDenied"
    assert code(s3.get_object_acl, Bucket=shared, Key="k") == "AccessDenied"
    s3.put_bucket_policy(Bucket=shared, Policy=policy(allow("s3:GetObject", on=f"arn:aws:s3:::{shared}/*", Principal="*")))
    assert code(s3.get_object, Bucket=shared, Key="k") == "AccessDenied"  # the bucket's policy is not for others' objects
    assert other.get_object(Bucket=shared, Key="k")["Body"].read() == b"theirs"
    assert other.get_object_acl(Bucket=shared, Key="k")["Owner"] == {"ID": canonical_id(OTHER)}
    assert s3.list_objects_v2(Bucket=shared, FetchOwner=True)["Contents"][0]["Owner"] == {"ID": canonical_id(OTHER)}
    other.put_object_acl(Bucket=shared, Key="k", ACL="bucket-owner-read")
    assert s3.get_object(Bucket=shared, Key="k")["Body"].read() == b"theirs"
    s3.delete_object(Bucket=shared, Key="k")


def test_owners_change_with_the_controls(cloud: Cloud, s3: Any, shared: str) -> None:
    """BucketOwnerEnforced makes the bucket's owner the owner of all, and taking it back restores owners and lists."""
    other = cloud.client("s3", access_key=OTHER)
    other.put_object(Bucket=shared, Key="k", Body=b"theirs")
    s3.put_bucket_acl(Bucket=shared, ACL="private")
    for ownership, allowed in (("BucketOwnerEnforced", True), ("ObjectWriter", False)):
        s3.put_bucket_ownership_controls(Bucket=shared, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
        if allowed:
            s3.get_object(Bucket=shared, Key="k")
            assert code(other.get_object, Bucket=shared, Key="k") == "AccessDenied"
        else:
            assert code(s3.get_object, Bucket=shared, Key="k") == "AccessDenied"
            other.get_object(Bucket=shared, Key="k")


def test_objects_given_to_the_bucket_s_owner(cloud: Cloud, s3: Any, shared: str) -> None:
    """BucketOwnerPreferred: with bucket-owner-full-control the object is the bucket owner's, put, copied or uploaded in parts."""
    s3.put_bucket_ownership_controls(Bucket=shared, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    other = cloud.client("s3", access_key=OTHER)
    other.put_object(Bucket=shared, Key="kept", Body=b"x")
    other.put_object(Bucket=shared, Key="put", Body=b"x", ACL=FULL)
    other.copy_object(Bucket=shared, Key="copied", CopySource=f"{shared}/kept", ACL=FULL)
    upload = other.create_multipart_upload(Bucket=shared, Key="parts", ACL=FULL)["UploadId"]
    part = other.upload_part(Bucket=shared, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    other.complete_multipart_upload(
        Bucket=shared, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    owners = {o["Key"]: o["Owner"]["ID"] for o in s3.list_objects(Bucket=shared)["Contents"]}
    assert owners == {"kept": canonical_id(OTHER), "put": ME, "copied": ME, "parts": ME}
    s3.get_object(Bucket=shared, Key="parts")
    assert code(s3.get_object, Bucket=shared, Key="kept") == "AccessDenied"


def test_strangers_objects(s3: Any, nobody: Any, shared: str) -> None:
    """What is written without a signature belongs to nobody: strangers may replace it, and its list may let them read it."""
    nobody.put_object(Bucket=shared, Key="k", Body=b"1")
    nobody.put_object(Bucket=shared, Key="k", Body=b"2", ACL="public-read")
    assert nobody.get_object(Bucket=shared, Key="k")["Body"].read() == b"2"
    assert s3.list_objects(Bucket=shared)["Contents"][0]["Owner"]["ID"] == grants.NOBODY_ID


def test_versions_have_their_own_lists(cloud: Cloud, s3: Any, nobody: Any, shared: str) -> None:
    """A list is of one version: naming another asks that one's."""
    s3.put_bucket_versioning(Bucket=shared, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=shared, Key="k", Body=b"1", ACL="public-read")["VersionId"]
    second = s3.put_object(Bucket=shared, Key="k", Body=b"2")["VersionId"]
    assert nobody.get_object(Bucket=shared, Key="k", VersionId=first)["Body"].read() == b"1"
    assert code(nobody.get_object, Bucket=shared, Key="k") == "AccessDenied"
    assert code(nobody.get_object, Bucket=shared, Key="k", VersionId=second) == "AccessDenied"
    s3.put_object_acl(Bucket=shared, Key="k", VersionId=second, ACL="public-read")
    nobody.get_object(Bucket=shared, Key="k")
    other = cloud.client("s3", access_key=OTHER)
    other.copy_object(Bucket=shared, Key="copy", CopySource=f"{shared}/k?versionId={first}")


def test_a_changed_list_is_told(cloud: Cloud, s3: Any, shared: str) -> None:
    """s3:ObjectAcl:Put comes when PutObjectAcl changes something."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": policy(allow("sqs:SendMessage", on=arn, Principal={"Service": "s3.amazonaws.com"}))}
    )
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectAcl:Put"]}]}
    s3.put_bucket_notification_configuration(Bucket=shared, NotificationConfiguration=wanted, SkipDestinationValidation=True)
    s3.put_object(Bucket=shared, Key="k")
    for _ in range(2):
        s3.put_object_acl(Bucket=shared, Key="k", ACL="public-read")
    cloud.settle()
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert ["ObjectAcl:Put" in message["Body"] for message in messages] == [True]


def test_lists_as_policies() -> None:
    """The same list is the same policy, whatever it is on; nothing to say is no policy."""
    acl = (Grant(ME, "FULL_CONTROL"), Grant(grants.ALL_USERS, "READ"))
    assert grants.joined(None, acl, "object", denials_only=False) is grants.joined(None, acl, "object", denials_only=False)
    assert grants.joined(None, (), "object", denials_only=False) is None
    assert grants.joined(policy(allow("s3:*")), None, "object", denials_only=True) is None
