"""Trails, event data stores, X-Ray's groups and sampling rules as resources."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT

TRAIL, STORE, POLICY = "AWS::CloudTrail::Trail", "AWS::CloudTrail::EventDataStore", "AWS::CloudTrail::ResourcePolicy"
GROUP, RULE = "AWS::XRay::Group", "AWS::XRay::SamplingRule"


def test_trail(control: Any, cloud: Any) -> None:
    """A trail is made logging, with selectors and tags, changed, listed and deleted."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="trails")
    allow = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": ["s3:GetBucketAcl", "s3:PutObject"]}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": ["arn:aws:s3:::trails", "arn:aws:s3:::trails/*"]}]}
    s3.put_bucket_policy(Bucket="trails", Policy=json.dumps(policy))
    fields = [{"Field": "eventCategory", "Equals": ["Management"]}]
    wanted = {
        "TrailName": "main",
        "S3BucketName": "trails",
        "IsLogging": True,
        "EnableLogFileValidation": True,
        "AdvancedEventSelectors": [{"Name": "all", "FieldSelectors": fields}],
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    assert control.create(TRAIL, wanted) == "main"
    found = control.read(TRAIL, "main")
    assert {name: found[name] for name in wanted} == wanted
    assert found["Arn"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
    changes = (("replace", "/IsLogging", False), ("add", "/S3KeyPrefix", "p"), ("remove", "/AdvancedEventSelectors"))
    found = control.update(TRAIL, "main", *changes)
    assert (found["IsLogging"], found["S3KeyPrefix"], "AdvancedEventSelectors" in found) == (False, "p", False)
    assert control.listed(TRAIL) == ["main"]
    control.delete(TRAIL, "main")


def test_event_data_store(control: Any) -> None:
    """A store and its policy are made, changed, and deleted."""
    arn = control.create(STORE, {"Name": "lake", "TerminationProtectionEnabled": False, "Tags": [{"Key": "a", "Value": "1"}]})
    found = control.update(STORE, arn, ("add", "/RetentionPeriod", 30), ("replace", "/IngestionEnabled", False))
    assert (found["RetentionPeriod"], found["IngestionEnabled"], found["Tags"]) == (30, False, [{"Key": "a", "Value": "1"}])
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "cloudtrail:StartQuery", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    assert control.create(POLICY, {"ResourceArn": arn, "ResourcePolicy": policy}) == arn
    assert control.read(POLICY, arn)["ResourcePolicy"] == policy
    control.delete(POLICY, arn)
    control.delete(STORE, arn)


def test_group_and_rule(control: Any) -> None:
    """A group and a sampling rule are made, changed, listed and deleted."""
    group = control.create(GROUP, {"GroupName": "g", "FilterExpression": "fault", "Tags": [{"Key": "a", "Value": "1"}]})
    found = control.update(GROUP, group, ("replace", "/InsightsConfiguration", {"InsightsEnabled": True, "NotificationsEnabled": False}))
    assert (found["FilterExpression"], found["InsightsConfiguration"]["InsightsEnabled"]) == ("fault", True)
    assert control.listed(GROUP) == [group]
    control.delete(GROUP, group)
    rule = {"RuleName": "r", "Priority": 5, "FixedRate": 0.1, "ReservoirSize": 10, "ServiceName": "*", "ServiceType": "*", "Host": "*"}
    rule |= {"HTTPMethod": "*", "URLPath": "*", "ResourceARN": "*"}
    arn = control.create(RULE, {"SamplingRule": rule})
    assert control.update(RULE, arn, ("replace", "/SamplingRule/FixedRate", 0.5))["SamplingRule"]["FixedRate"] == 0.5
    assert control.listed(RULE) == [arn]
    control.delete(RULE, arn)
