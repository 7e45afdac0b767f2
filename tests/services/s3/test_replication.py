from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, deny, policy, refused
from .test_notifications import Queue, configure, to

OTHER = "111122223333"
ROLE = "arn:aws:iam::000000000000:role/replicator"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
SOURCE_ACTIONS = (
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
)
LOCKS = ("s3:GetObjectRetention", "s3:GetObjectLegalHold")
TARGET_ACTIONS = ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner")


def give(cloud: Cloud, *statements: dict[str, Any]) -> None:
    """What the role may do from now on."""
    cloud.client("iam").put_role_policy(RoleName="replicator", PolicyName="p", PolicyDocument=policy(*statements))


@pytest.fixture
def role(cloud: Cloud) -> str:
    cloud.client("iam").create_role(RoleName="replicator", AssumeRolePolicyDocument=TRUST)
    give(cloud, allow(*SOURCE_ACTIONS, *LOCKS, *TARGET_ACTIONS))
    return ROLE


def make(client: Any, name: str) -> str:
    region = client.meta.region_name
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=name, **place)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def source(s3: Any) -> str:
    return make(s3, "source")


@pytest.fixture
def target(s3: Any) -> str:
    return make(s3, "target")


def rule(target: str, priority: int = 1, markers: bool = True, filter_: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    destination = {"Bucket": f"arn:aws:s3:::{target}", **more.pop("Destination", {})}
    return {
        "ID": f"r{priority}",
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": ""} if filter_ is None else filter_,
        "DeleteMarkerReplication": {"Status": "Enabled" if markers else "Disabled"},
        "Destination": destination,
        **more,
    }


def replicate(s3: Any, source: str, *rules: dict[str, Any], role: str = ROLE) -> None:
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


def state(s3: Any, bucket: str, key: str = "k", **more: Any) -> str | None:
    found: str | None = s3.head_object(Bucket=bucket, Key=key, **more).get("ReplicationStatus")
    return found


def test_an_object_is_replicated(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """A new version goes to the destination as it is: version id, metadata, tags, time; both sides tell their status."""
    replicate(s3, source, rule(target))
    put = s3.put_object(Bucket=source, Key="k", Body=b"body", Metadata={"a": "b"}, ContentType="text/plain", Tagging="t=1")
    cloud.settle()
    there = s3.get_object(Bucket=target, Key="k")
    assert (there["Body"].read(), there["VersionId"], there["ETag"]) == (b"body", put["VersionId"], put["ETag"])
    assert (there["Metadata"], there["ContentType"], there["ReplicationStatus"]) == ({"a": "b"}, "text/plain", "REPLICA")
    assert there["LastModified"] == s3.head_object(Bucket=source, Key="k")["LastModified"]
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert state(s3, source) == "COMPLETED"


def test_what_was_there_before_stays_where_it_is(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Only versions written after the configuration are replicated; copies and uploads in parts are new versions too."""
    s3.put_object(Bucket=source, Key="old", Body=b"1")
    replicate(s3, source, rule(target))
    s3.copy_object(Bucket=source, Key="copy", CopySource=f"{source}/old")
    upload = s3.create_multipart_upload(Bucket=source, Key="parts")["UploadId"]
    tag = s3.upload_part(Bucket=source, Key="parts", UploadId=upload, PartNumber=1, Body=b"x" * 100_000)["ETag"]
    s3.complete_multipart_upload(Bucket=source, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    cloud.settle()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=target)["Contents"]] == ["copy", "parts"]
    assert s3.get_object(Bucket=target, Key="parts")["Body"].read() == b"x" * 100_000
    assert state(s3, source, "old") is None


def test_filters_and_several_destinations(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Each destination gets what its rules cover, by prefix and tags; of two rules to one destination the higher priority decides."""
    other = make(s3, "other")
    tagged = {"And": {"Prefix": "a/", "Tags": [{"Key": "x", "Value": "1"}]}}
    replicate(
        s3,
        source,
        rule(target, 1, filter_={"Prefix": "a/"}),
        rule(target, 2, markers=False, filter_=tagged, Destination={"StorageClass": "STANDARD_IA"}),
        rule(other, 3, markers=False, filter_={"Tag": {"Key": "x", "Value": "1"}}),
        {**rule(other, 4), "Status": "Disabled"},
    )
    s3.put_object(Bucket=source, Key="a/1")
    s3.put_object(Bucket=source, Key="a/2", Tagging="x=1")
    s3.put_object(Bucket=source, Key="b/3", Tagging="x=1")
    s3.put_object(Bucket=source, Key="b/4")
    cloud.settle()
    assert {one["Key"]: one["StorageClass"] for one in s3.list_objects_v2(Bucket=target)["Contents"]} == {
        "a/1": "STANDARD",
        "a/2": "STANDARD_IA",
    }
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=other)["Contents"]] == ["a/2", "b/3"]
    assert state(s3, source, "b/4") is None


def test_delete_markers(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """A delete marker goes along where the rule says so; deleting a version for good never does."""
    other = make(s3, "other")
    replicate(s3, source, rule(target, 1), rule(other, 2, markers=False))
    version = s3.put_object(Bucket=source, Key="k")["VersionId"]
    marker = s3.delete_object(Bucket=source, Key="k")["VersionId"]
    cloud.settle()
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket=target)["DeleteMarkers"]] == [marker]
    assert code(s3.head_object, Bucket=target, Key="k") == "404"
    s3.head_object(Bucket=other, Key="k")
    s3.delete_object(Bucket=source, Key="k", VersionId=version)
    cloud.settle()
    s3.head_object(Bucket=target, Key="k", VersionId=version)


def test_the_order_of_versions_is_kept(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Whatever order replicas arrive in, the newest version is the current one, on both sides."""
    replicate(s3, source, rule(target))
    ids = [s3.put_object(Bucket=source, Key="k", Body=str(n).encode())["VersionId"] for n in range(4)]
    s3.put_object(Bucket=target, Key="k", Body=b"its own")
    cloud.settle()
    own, *there = s3.list_object_versions(Bucket=target)["Versions"]
    assert [one["VersionId"] for one in there] == ids[::-1]
    assert own["IsLatest"]
    ids.append(s3.put_object(Bucket=source, Key="k", Body=b"5")["VersionId"])
    cloud.settle()
    assert s3.get_object(Bucket=target, Key="k")["VersionId"] == ids[-1]


def test_two_buckets_replicate_each_other_without_end_of_it(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """A replica is not replicated again; the changes of its tags are where replica modification sync is on."""
    sync = {"SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}}}
    replicate(s3, source, rule(target))
    replicate(s3, target, rule(source, **sync))
    s3.put_object(Bucket=source, Key="k")
    s3.put_object(Bucket=target, Key="l")
    cloud.settle()
    assert (state(s3, source), state(s3, target)) == ("COMPLETED", "REPLICA")
    assert (state(s3, source, "l"), state(s3, target, "l")) == ("REPLICA", "COMPLETED")
    tags = [{"Key": "changed", "Value": "yes"}]
    s3.put_object_tagging(Bucket=target, Key="k", Tagging={"TagSet": tags})
    s3.put_object_tagging(Bucket=source, Key="l", Tagging={"TagSet": tags})
    cloud.settle()
    assert s3.get_object_tagging(Bucket=source, Key="k")["TagSet"] == tags
    assert s3.get_object_tagging(Bucket=target, Key="l")["TagSet"] == []


def test_tags_follow(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Tags that change later, change at the replica too."""
    replicate(s3, source, rule(target))
    s3.put_object(Bucket=source, Key="k", Tagging="a=1")
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert state(s3, source) in ("PENDING", "COMPLETED")
    cloud.settle()
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == [{"Key": "b", "Value": "2"}]
    assert state(s3, source) == "COMPLETED"


def test_another_region_and_account(cloud: Cloud, s3: Any, role: str, source: str) -> None:
    """Across accounts the destination's bucket policy has to let the role in."""
    theirs = cloud.client("s3", access_key=OTHER, region="eu-west-1")
    make(theirs, "theirs")
    destination = {"Account": OTHER, "AccessControlTranslation": {"Owner": "Destination"}}
    replicate(s3, source, rule("theirs", Destination=destination))
    s3.put_object(Bucket=source, Key="refused")
    cloud.settle()
    assert state(s3, source, "refused") == "FAILED"
    theirs.put_bucket_policy(Bucket="theirs", Policy=policy(allow(*TARGET_ACTIONS, on="arn:aws:s3:::theirs/*", Principal={"AWS": ROLE})))
    s3.put_object(Bucket=source, Key="k", Body=b"far")
    cloud.settle()
    assert state(s3, source) == "COMPLETED"
    assert theirs.get_object(Bucket="theirs", Key="k")["Body"].read() == b"far"


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("s3:GetObjectVersionForReplication", "SrcGetObjNotPermitted"),
        ("s3:ReplicateObject", "DstPutObjNotPermitted"),
        ("s3:GetReplicationConfiguration", "InitiateReplicationNotPermitted"),
    ],
)
def test_the_role_needs_its_permissions(cloud: Cloud, s3: Any, role: str, source: str, target: str, missing: str, reason: str) -> None:
    """What the role may not do fails, and is told with its reason where the rule has metrics."""
    queue = Queue(cloud)
    configure(s3, source, to(queue, "s3:Replication:*"))
    give(cloud, allow(*SOURCE_ACTIONS, *TARGET_ACTIONS), deny(missing))
    replicate(s3, source, rule(target, Destination={"Metrics": {"Status": "Enabled"}}))
    s3.put_object(Bucket=source, Key="k")
    cloud.settle()
    assert state(s3, source) == "FAILED"
    assert code(s3.head_object, Bucket=target, Key="k") == "404"
    (record,) = queue.records()
    assert (record["eventName"], record["replicationEventData"]["failureReason"]) == ("Replication:OperationFailedReplication", reason)
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"}


def test_without_the_permission_for_tags_the_object_goes_alone(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Tags are replicated where the role may read and write them."""
    give(cloud, allow(*SOURCE_ACTIONS, *TARGET_ACTIONS), deny("s3:ReplicateTags"))
    replicate(s3, source, rule(target))
    s3.put_object(Bucket=source, Key="k", Tagging="a=1")
    cloud.settle()
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == []


def test_a_role_that_does_not_trust_s3(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """The role is assumed by s3.amazonaws.com: its trust policy decides, when an object is replicated."""
    replicate(s3, source, rule(target))
    cloud.client("iam").update_assume_role_policy(RoleName="replicator", PolicyDocument=TRUST.replace("s3.", "ec2."))
    s3.put_object(Bucket=source, Key="k")
    cloud.settle()
    assert state(s3, source) == "FAILED"


def test_the_destination_hears_of_replicas(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """The events of the destination bucket tell of replicas like of any object."""
    queue = Queue(cloud)
    configure(s3, target, to(queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    replicate(s3, source, rule(target))
    s3.put_object(Bucket=source, Key="k")
    s3.delete_object(Bucket=source, Key="k")
    cloud.settle()
    assert queue.names() == [("ObjectCreated:Put", "k"), ("ObjectRemoved:DeleteMarkerCreated", "k")]


def test_a_configuration_is_kept(s3: Any, role: str, source: str, target: str) -> None:
    """Put, got, deleted. While it is there, versioning cannot be suspended."""
    assert code(s3.get_bucket_replication, Bucket=source) == "ReplicationConfigurationNotFoundError"
    replicate(s3, source, rule(target))
    assert s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"] == {"Role": ROLE, "Rules": [rule(target)]}
    suspend = {"Bucket": source, "VersioningConfiguration": {"Status": "Suspended"}}
    assert code(s3.put_bucket_versioning, **suspend) == "InvalidBucketState"
    s3.delete_bucket_replication(Bucket=source)
    assert code(s3.get_bucket_replication, Bucket=source) == "ReplicationConfigurationNotFoundError"
    s3.put_bucket_versioning(**suspend)


def test_the_first_version_of_the_configuration(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """Rules of a prefix without a filter: delete markers go too."""
    replicate(s3, source, {"Prefix": "a", "Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}})
    s3.put_object(Bucket=source, Key="a")
    s3.put_object(Bucket=source, Key="b")
    s3.delete_object(Bucket=source, Key="a")
    cloud.settle()
    found = s3.list_object_versions(Bucket=target)
    assert ([one["Key"] for one in found["Versions"]], [one["Key"] for one in found["DeleteMarkers"]]) == (["a"], ["a"])


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"Priority": None}, "InvalidRequest"),
        ({"DeleteMarkerReplication": None}, "InvalidRequest"),
        ({"Filter": {"Prefix": "a", "Tag": {"Key": "a", "Value": "b"}}}, "MalformedXML"),
        ({"Filter": {"Tag": {"Key": "a", "Value": "b"}}}, "InvalidRequest"),
        ({"Destination": {"Bucket": "arn:aws:s3:::nowhere"}}, "InvalidRequest"),
        ({"Destination": {"Bucket": "arn:aws:s3:::source"}}, "InvalidRequest"),
        ({"Destination": {"Bucket": "target"}}, "InvalidArgument"),
        ({"Destination": {"Bucket": "arn:aws:s3:::plain"}}, "InvalidRequest"),
        (
            {"Destination": {"Bucket": "arn:aws:s3:::target", "AccessControlTranslation": {"Owner": "Destination"}}},
            "InvalidRequest",
        ),
        (
            {"Destination": {"Bucket": "arn:aws:s3:::target", "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}},
            "InvalidRequest",
        ),
        ({"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}, "InvalidRequest"),
        ({"ExistingObjectReplication": {"Status": "Enabled"}}, "NotImplemented"),
        ({"ID": "x" * 256}, "InvalidArgument"),
    ],
)
def test_rules_that_are_none(s3: Any, role: str, source: str, target: str, wrong: dict[str, Any], expected: str) -> None:
    """Every rule is checked when it is put."""
    s3.create_bucket(Bucket="plain")
    one = {name: value for name, value in (rule(target) | wrong).items() if value is not None}
    configuration = {"Role": ROLE, "Rules": [one]}
    assert code(s3.put_bucket_replication, Bucket=source, ReplicationConfiguration=configuration) == expected


def test_rules_that_do_not_go_together(s3: Any, role: str, source: str, target: str) -> None:
    """IDs and priorities are unique, versions are not mixed; and the source has to be versioned."""
    first = {"ID": "v1", "Prefix": "", "Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    for rules in (
        [rule(target, 1), rule(target, 1) | {"ID": "other"}],
        [rule(target, 1), rule(target, 2) | {"ID": "r1"}],
        [rule(target, 1), first],
        [first, first | {"ID": "v2", "Prefix": "a"}],
    ):
        refused(s3.put_bucket_replication, Bucket=source, ReplicationConfiguration={"Role": ROLE, "Rules": rules})
    s3.create_bucket(Bucket="plain")
    assert code(s3.put_bucket_replication, Bucket="plain", ReplicationConfiguration={"Role": ROLE, "Rules": [first]}) == "InvalidRequest"


def test_who_configures_has_to_be_allowed_to_pass_the_role(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """PutBucketReplication needs iam:PassRole besides its own action."""
    configuration = {"Role": ROLE, "Rules": [rule(target)]}
    poor = as_user(cloud, "poor", allow("s3:PutReplicationConfiguration"))
    assert "iam:PassRole" in refused(poor.put_bucket_replication, Bucket=source, ReplicationConfiguration=configuration)["Message"]
    rich = as_user(cloud, "rich", allow("s3:PutReplicationConfiguration"), allow("iam:PassRole", on=ROLE))
    rich.put_bucket_replication(Bucket=source, ReplicationConfiguration=configuration)


def encrypted(s3: Any, bucket: str) -> dict[str, Any]:
    """How the current version is encrypted, as HeadObject tells."""
    found = s3.head_object(Bucket=bucket, Key="k")
    return {name: found[name] for name in ("ServerSideEncryption", "SSEKMSKeyId") if name in found}


@pytest.mark.parametrize("size", [5, 100_000])
def test_kms_encrypted_objects_go_where_the_rule_says_so(cloud: Cloud, s3: Any, role: str, source: str, target: str, size: int) -> None:
    """Under the rule's own key, when the role may decrypt with the one and encrypt with the other; else not at all."""
    kms = cloud.client("kms")
    ours, theirs = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    other = make(s3, "other")
    chosen = {
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {"EncryptionConfiguration": {"ReplicaKmsKeyID": theirs}},
    }
    replicate(s3, source, rule(target, 1, **chosen), rule(other, 2))
    put = {"Bucket": source, "Key": "k", "Body": b"x" * size, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": ours}
    s3.put_object(**put)
    cloud.settle()
    assert state(s3, source) == "FAILED"
    give(
        cloud,
        allow(*SOURCE_ACTIONS, *TARGET_ACTIONS),
        allow("kms:Decrypt", on=ours, Condition={"StringLike": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
        allow("kms:GenerateDataKey", on=theirs),
    )
    s3.put_object(**put)
    cloud.settle()
    assert state(s3, source) == "COMPLETED"
    assert encrypted(s3, target) == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": theirs}
    assert s3.get_object(Bucket=target, Key="k")["Body"].read() == b"x" * size
    assert s3.list_objects_v2(Bucket=other)["KeyCount"] == 0


@pytest.mark.parametrize("size", [5, 100_000])
def test_customer_encrypted_objects_are_replicated_as_they_are(
    cloud: Cloud, s3: Any, role: str, source: str, target: str, size: int
) -> None:
    """Nobody but the customer can open the replica either."""
    rule_ = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=source, ServerSideEncryptionConfiguration={"Rules": [rule_]})
    replicate(s3, source, rule(target))
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=source, Key="k", Body=b"x" * size, **key)
    cloud.settle()
    assert code(s3.get_object, Bucket=target, Key="k") == "InvalidRequest"
    found = s3.get_object(Bucket=target, Key="k", **key)
    assert (found["Body"].read(), found["ReplicationStatus"]) == (b"x" * size, "REPLICA")


def test_locks_follow(cloud: Cloud, s3: Any, role: str) -> None:
    """A legal hold is replicated where the destination has Object Lock too; otherwise the object is not."""
    for name in ("locked-source", "locked-target"):
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    plain = make(s3, "plain")
    replicate(s3, "locked-source", rule("locked-target", 1), rule(plain, 2))
    s3.put_object(Bucket="locked-source", Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON", ChecksumAlgorithm="CRC32")
    cloud.settle()
    assert s3.get_object_legal_hold(Bucket="locked-target", Key="k")["LegalHold"] == {"Status": "ON"}
    assert s3.list_objects_v2(Bucket=plain)["KeyCount"] == 0
    s3.put_object_legal_hold(Bucket="locked-source", Key="k", LegalHold={"Status": "OFF"})
    cloud.settle()
    assert s3.get_object_legal_hold(Bucket="locked-target", Key="k")["LegalHold"] == {"Status": "OFF"}


def test_a_late_replica_is_told_of(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """With replication time control, what takes more than 15 minutes is told twice: when it is late, and when it is done."""
    from fogbank.services.s3 import replicas

    queue = Queue(cloud)
    configure(s3, source, to(queue, "s3:Replication:*"))
    control = {"Metrics": {"Status": "Enabled"}, "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}
    replicate(s3, source, rule(target, Destination=control))
    version = s3.put_object(Bucket=source, Key="k")["VersionId"]
    cloud.settle()
    assert queue.names() == []

    def again() -> None:
        tx = cloud.inner.begin()
        payload = {"bucket": source, "key": "k", "version_id": version, "destination": target, "asked_ms": cloud.now_ms - 1_000_000}
        from fogbank.delivery import outbox

        outbox.put(tx, "s3.replicate", payload, cloud.now_ms, "000000000000", "us-east-1")
        cloud.inner.commit(tx)

    assert replicas.THRESHOLD_MS < 1_000_000
    cloud.house.on_loop(again)
    cloud.settle()
    assert [record["eventName"].partition(":")[2] for record in queue.records()] == [
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
    ]


def test_owners_and_lists_follow(cloud: Cloud, s3: Any, role: str, source: str) -> None:
    """A replica belongs to the source's owner and has its list, unless the rule gives it to the destination's."""
    theirs = cloud.client("s3", access_key=OTHER)
    for name in ("kept", "given"):
        make(theirs, name)
        theirs.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
        on = [f"arn:aws:s3:::{name}/*"]
        theirs.put_bucket_policy(Bucket=name, Policy=policy(allow(*TARGET_ACTIONS, on=on, Principal={"AWS": ROLE})))
    s3.put_bucket_ownership_controls(Bucket=source, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    override = {"Account": OTHER, "AccessControlTranslation": {"Owner": "Destination"}}
    replicate(s3, source, rule("kept", 1), rule("given", 2, Destination=override))
    reader = theirs.list_buckets()["Owner"]["ID"]
    s3.put_object(Bucket=source, Key="k", GrantRead=f"id={reader}")
    cloud.settle()
    ours = s3.get_object_acl(Bucket=source, Key="k")
    assert state(s3, source) == "COMPLETED"
    assert s3.get_object_acl(Bucket="kept", Key="k")["Grants"] == ours["Grants"]
    assert code(theirs.get_object_acl, Bucket="kept", Key="k") == "AccessDenied"
    given = theirs.get_object_acl(Bucket="given", Key="k")
    assert [one["Permission"] for one in given["Grants"]] == ["FULL_CONTROL"]
    assert given["Owner"] != ours["Owner"]
    s3.put_object_acl(Bucket=source, Key="k", ACL="private")
    cloud.settle()
    assert [one["Permission"] for one in s3.get_object_acl(Bucket="kept", Key="k")["Grants"]] == ["FULL_CONTROL"]


@pytest.fixture
def locked(cloud: Cloud, s3: Any, role: str) -> tuple[str, str]:
    """Two buckets with Object Lock, one replicated to the other, which retains for a day by default."""
    for name in ("locked-source", "locked-target"):
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    default = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(Bucket="locked-target", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default})
    replicate(s3, "locked-source", rule("locked-target"))
    return "locked-source", "locked-target"


def until(cloud: Cloud, days: int) -> datetime:
    return datetime.fromtimestamp(cloud.now_ms // 1000 + days * 86_400, UTC)


def test_replicas_are_retained_by_default(cloud: Cloud, s3: Any, locked: tuple[str, str]) -> None:
    """The default retention of the destination counts for replicas without a retention, and stays when something else follows."""
    source, target = locked
    s3.put_object(Bucket=source, Key="k", Body=b"x", ChecksumAlgorithm="CRC32")
    cloud.settle()
    retained = s3.get_object_retention(Bucket=target, Key="k")["Retention"]
    assert (retained["Mode"], retained["RetainUntilDate"].replace(microsecond=0)) == ("GOVERNANCE", until(cloud, 1))
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_object_legal_hold(Bucket=source, Key="k", LegalHold={"Status": "ON"})
    cloud.settle()
    assert s3.get_object_retention(Bucket=target, Key="k")["Retention"] == retained
    assert s3.get_object_legal_hold(Bucket=target, Key="k")["LegalHold"] == {"Status": "ON"}
    assert len(s3.get_object_tagging(Bucket=target, Key="k")["TagSet"]) == 1


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retention_is_not_weakened_by_replication(cloud: Cloud, s3: Any, locked: tuple[str, str], mode: str) -> None:
    """What follows from the source may retain a replica longer, but not shorter than somebody has said there."""
    source, target = locked
    first = {"Mode": "GOVERNANCE", "RetainUntilDate": until(cloud, 5)}
    s3.put_object(
        Bucket=source, Key="k", ChecksumAlgorithm="CRC32", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=first["RetainUntilDate"]
    )
    cloud.settle()
    assert s3.get_object_retention(Bucket=target, Key="k")["Retention"] == first
    there = {"Mode": mode, "RetainUntilDate": until(cloud, 9)}
    s3.put_object_retention(Bucket=target, Key="k", Retention=there, BypassGovernanceRetention=True)
    s3.put_object_retention(Bucket=source, Key="k", Retention={}, BypassGovernanceRetention=True)
    cloud.settle()
    assert s3.get_object_retention(Bucket=target, Key="k")["Retention"] == there
    longer = {"Mode": mode, "RetainUntilDate": until(cloud, 20)}
    s3.put_object_retention(Bucket=source, Key="k", Retention=longer)
    cloud.settle()
    assert s3.get_object_retention(Bucket=target, Key="k")["Retention"] == longer


def test_locks_take_permissions_of_their_own(cloud: Cloud, s3: Any, locked: tuple[str, str]) -> None:
    """The role has to be allowed to read the lock of what it replicates."""
    source, _ = locked
    for allowed in ((), LOCKS[:1], LOCKS[1:]):
        give(cloud, allow(*SOURCE_ACTIONS, *TARGET_ACTIONS, *allowed))
        s3.put_object(Bucket=source, Key="k", ChecksumAlgorithm="CRC32", ObjectLockLegalHoldStatus="ON")
        cloud.settle()
        assert state(s3, source) == "FAILED"


def test_archived_objects_stay_where_they_are(cloud: Cloud, s3: Any, role: str, source: str, target: str) -> None:
    """What is written into an archive is not replicated."""
    replicate(s3, source, rule(target))
    s3.put_object(Bucket=source, Key="k", StorageClass="GLACIER")
    s3.put_object(Bucket=source, Key="l", StorageClass="GLACIER_IR")
    cloud.settle()
    assert (state(s3, source), state(s3, source, "l")) == (None, "COMPLETED")


@pytest.mark.parametrize("allowed", [True, False])
def test_lifecycles_wait_for_replication(cloud: Cloud, s3: Any, role: str, source: str, target: str, allowed: bool) -> None:
    """What could not be replicated does not expire."""
    replicate(s3, source, rule(target))
    if not allowed:
        give(cloud, allow(*SOURCE_ACTIONS))
    s3.put_object(Bucket=source, Key="k")
    cloud.settle()
    expiring = {"ID": "e", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=source, LifecycleConfiguration={"Rules": [expiring]})
    cloud.advance(5 * 86_400)
    assert ("Contents" in s3.list_objects_v2(Bucket=source)) is not allowed
