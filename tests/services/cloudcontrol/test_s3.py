"""Buckets, their policies and access points."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT, ROLE_TRUST, Control

BUCKET, POLICY, POINT = "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::S3::AccessPoint"
ENABLED = {"Status": "Enabled"}
RULES = [
    {"Id": "old", "Status": "Enabled", "Prefix": "logs/", "ExpirationInDays": 30, "NoncurrentVersionExpiration": {"NoncurrentDays": 5}},
    {
        "Id": "cold",
        "Status": "Enabled",
        "TagFilters": [{"Key": "a", "Value": "1"}],
        "ObjectSizeGreaterThan": "200000",
        "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 90}],
    },
    {"Id": "then", "Status": "Disabled", "ExpirationDate": "2030-01-01T00:00:00Z"},
    {"Id": "parts", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
]
SETTINGS: dict[str, Any] = {
    "VersioningConfiguration": ENABLED,
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": False,
    },
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [
            {
                "BucketKeyEnabled": True,
                "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/aws/s3"},
            }
        ]
    },
    "CorsConfiguration": {
        "CorsRules": [
            {
                "Id": "one",
                "AllowedHeaders": ["*"],
                "AllowedMethods": ["GET"],
                "AllowedOrigins": ["https://a.example"],
                "ExposedHeaders": ["etag"],
                "MaxAge": 60,
            }
        ]
    },
    "WebsiteConfiguration": {
        "IndexDocument": "index.html",
        "ErrorDocument": "error.html",
        "RoutingRules": [{"RoutingRuleCondition": {"KeyPrefixEquals": "a/"}, "RedirectRule": {"ReplaceKeyPrefixWith": "b/"}}],
    },
    "AccelerateConfiguration": {"AccelerationStatus": "Enabled"},
    "LifecycleConfiguration": {"Rules": RULES, "TransitionDefaultMinimumObjectSize": "varies_by_storage_class"},
    "InventoryConfigurations": [
        {
            "Id": "all",
            "Enabled": True,
            "Destination": {"BucketArn": "arn:aws:s3:::other", "Format": "CSV", "Prefix": "p"},
            "IncludedObjectVersions": "Current",
            "OptionalFields": ["Size"],
            "ScheduleFrequency": "Daily",
        }
    ],
    "IntelligentTieringConfigurations": [
        {
            "Id": "deep",
            "Status": "Enabled",
            "Prefix": "x/",
            "TagFilters": [{"Key": "a", "Value": "1"}],
            "Tierings": [{"AccessTier": "DEEP_ARCHIVE_ACCESS", "Days": 180}],
        }
    ],
    "Tags": [{"Key": "a", "Value": "1"}],
}


def test_settings(cloud: Any, control: Control) -> None:
    """A bucket has everything that it is made with, as it was given; what a patch takes away is gone."""
    control.create(BUCKET, {"BucketName": "other"})
    name = control.create(BUCKET, {"BucketName": "photos", **SETTINGS})
    found = control.read(BUCKET, name)
    assert {key: found.get(key) for key in SETTINGS} == SETTINGS
    assert found["Arn"] == "arn:aws:s3:::photos"
    assert found["RegionalDomainName"] == "photos.s3.us-east-1.amazonaws.com"
    s3 = cloud.client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == SETTINGS["Tags"]
    found = control.update(BUCKET, name, *(("remove", f"/{key}") for key in SETTINGS if key != "OwnershipControls"))
    assert found["VersioningConfiguration"] == {"Status": "Suspended"}
    assert found["AccelerateConfiguration"] == {"AccelerationStatus": "Suspended"}
    kept = {"VersioningConfiguration", "AccelerateConfiguration", "OwnershipControls", "BucketEncryption"}
    assert not (SETTINGS.keys() - kept) & found.keys()
    assert control.listed(BUCKET) == ["other", "photos"]
    control.delete(BUCKET, name)


def test_where_things_go(cloud: Any, control: Control) -> None:
    """Notifications, logs and replicas go where the properties say."""
    control.create(BUCKET, {"BucketName": "there", "VersioningConfiguration": ENABLED})
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    sqs = cloud.client("sqs")
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})[
        "QueueUrl"
    ]
    trust = json.loads(json.dumps(ROLE_TRUST).replace("cloudformation", "s3"))
    role = cloud.client("iam").create_role(RoleName="copies", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    logs = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::there/*",
    }
    control.create(POLICY, {"Bucket": "there", "PolicyDocument": {"Version": "2012-10-17", "Statement": [logs]}})
    name_filter = {"S3Key": {"Rules": [{"Name": "Prefix", "Value": "in/"}]}}
    wanted = {
        "VersioningConfiguration": ENABLED,
        "NotificationConfiguration": {
            "QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": queue, "Filter": name_filter}],
        },
        "LoggingConfiguration": {"DestinationBucketName": "there", "LogFilePrefix": "log/"},
        "ReplicationConfiguration": {
            "Role": role,
            "Rules": [
                {
                    "Id": "r",
                    "Status": "Enabled",
                    "Priority": 1,
                    "Filter": {"Prefix": "x/"},
                    "DeleteMarkerReplication": {"Status": "Disabled"},
                    "Destination": {"Bucket": "arn:aws:s3:::there"},
                }
            ],
        },
    }
    name = control.create(BUCKET, {"BucketName": "here", **wanted})
    found = control.read(BUCKET, name)
    assert {key: found.get(key) for key in wanted} == wanted
    sqs.purge_queue(QueueUrl=url)
    cloud.client("s3").put_object(Bucket=name, Key="in/a", Body=b"x")
    cloud.settle()
    assert "in/a" in sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    gone = ("NotificationConfiguration", "LoggingConfiguration", "ReplicationConfiguration")
    found = control.update(BUCKET, name, *(("remove", f"/{key}") for key in gone))
    assert not set(gone) & found.keys()


def test_object_lock(cloud: Any, control: Control) -> None:
    """Object Lock stays once it is on."""
    retention = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    name = control.create(
        BUCKET, {"BucketName": "kept", "ObjectLockEnabled": True, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **retention}}
    )
    found = control.read(BUCKET, name)
    assert (found["ObjectLockEnabled"], found["ObjectLockConfiguration"]["Rule"]) == (True, retention["Rule"])
    event = control.ended(control.patch(BUCKET, name, ("remove", "/ObjectLockEnabled"), ("remove", "/ObjectLockConfiguration")))
    assert (event["OperationStatus"], event["ErrorCode"]) == ("FAILED", "NotUpdatable")


def test_canned_acl(cloud: Any, control: Control) -> None:
    """A canned ACL is set where the bucket's ownership controls let there be ACLs; nothing stays of a bucket that fails."""
    owned = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    control.create(BUCKET, {"BucketName": "logs", "AccessControl": "LogDeliveryWrite", "OwnershipControls": owned})
    grants = cloud.client("s3").get_bucket_acl(Bucket="logs")["Grants"]
    assert "http://acs.amazonaws.com/groups/s3/LogDelivery" in [grant["Grantee"].get("URI") for grant in grants]
    assert control.refused(BUCKET, {"BucketName": "plain", "AccessControl": "LogDeliveryWrite"})[0] != "NotFound"
    assert control.listed(BUCKET) == ["logs"]


def test_name_and_region(cloud: Any) -> None:
    """A bucket without a name gets one that S3 takes, in the region of the request."""
    there = Control(cloud, region="eu-west-1")
    name = there.create(BUCKET, {})
    assert name == name.lower()
    found = there.read(BUCKET, name)
    assert found["RegionalDomainName"] == f"{name}.s3.eu-west-1.amazonaws.com"
    assert there.refused(BUCKET, {"BucketName": name})[0] == "AlreadyExists"


def test_taken_name(cloud: Any, control: Control) -> None:
    """A bucket that is there is not taken over, one's own or another's."""
    cloud.client("s3").create_bucket(Bucket="mine")
    cloud.client("s3", "111111111111").create_bucket(Bucket="theirs")
    assert control.refused(BUCKET, {"BucketName": "mine"})[0] == "AlreadyExists"
    assert control.refused(BUCKET, {"BucketName": "theirs"})[0] == "AlreadyExists"


def test_unmet_properties(control: Control, refused: Any) -> None:
    """A property that nothing acts on is refused by name, at once."""
    state = json.dumps({"MetricsConfigurations": [{"Id": "m"}], "AbacStatus": "Enabled"})
    code, message = refused(control.client.create_resource, TypeName=BUCKET, DesiredState=state)
    assert (code, message) == (
        "NotImplemented",
        "Fogbank does not implement cloudformation:AWS::S3::Bucket with AbacStatus and MetricsConfigurations.",
    )


def test_policy(cloud: Any, control: Control) -> None:
    """A bucket's policy is a resource by itself."""
    control.create(BUCKET, {"BucketName": "docs"})

    def policy(action: str) -> dict[str, Any]:
        root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        return {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": root, "Action": action, "Resource": "arn:aws:s3:::docs/*"}],
        }

    wanted = {"Bucket": "docs", "PolicyDocument": policy("s3:GetObject")}
    assert control.create(POLICY, wanted) == "docs"
    assert control.read(POLICY, "docs") == wanted
    assert control.refused(POLICY, wanted)[0] == "AlreadyExists"
    assert control.update(POLICY, "docs", ("replace", "/PolicyDocument", policy("s3:PutObject")))["PolicyDocument"] == policy(
        "s3:PutObject"
    )
    assert control.listed(POLICY) == ["docs"]
    control.delete(POLICY, "docs")


def test_access_point(cloud: Any, control: Control) -> None:
    """An access point has a policy and tags of its own."""
    control.create(BUCKET, {"BucketName": "docs"})
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/door"

    def policy(action: str) -> dict[str, Any]:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": action,
            "Resource": f"{point}/object/*",
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    wanted = {"Name": "door", "Bucket": "docs", "Policy": policy("s3:GetObject"), "Tags": [{"Key": "a", "Value": "1"}]}
    assert control.create(POINT, wanted) == "door"
    found = control.read(POINT, "door")
    assert found.items() >= {**wanted, "Arn": point, "NetworkOrigin": "Internet"}.items()
    found = control.update(POINT, "door", ("remove", "/Policy"), ("replace", "/Tags", [{"Key": "b", "Value": "2"}]))
    assert "Policy" not in found
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert control.listed(POINT) == ["door"]
    control.delete(POINT, "door")
