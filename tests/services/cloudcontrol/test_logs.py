"""AWS::Logs: groups, streams, filters, destinations, resource policies, saved queries."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT, Control

GROUP = "AWS::Logs::LogGroup"
METRIC = "AWS::Logs::MetricFilter"
POLICY = "AWS::Logs::ResourcePolicy"
QUERY = "AWS::Logs::QueryDefinition"
DESTINATION = "AWS::Logs::Destination"
STREAM = "AWS::Logs::LogStream"


def test_group(control: Control) -> None:
    """A group has what it was made with, and what a patch gives and takes."""
    wanted = {"LogGroupName": "g", "RetentionInDays": 7, "Tags": [{"Key": "a", "Value": "1"}]}
    assert control.create(GROUP, wanted) == "g"
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g:*"
    assert control.read(GROUP, "g").items() >= {**wanted, "Arn": arn, "LogGroupClass": "STANDARD"}.items()
    identifier = "arn:aws:dataprotection::aws:data-identifier/EmailAddress"
    protection = {
        "Name": "p",
        "Version": "2021-06-01",
        "Statement": [
            {"DataIdentifier": [identifier], "Operation": {"Audit": {"FindingsDestination": {}}}},
            {"DataIdentifier": [identifier], "Operation": {"Deidentify": {"MaskConfig": {}}}},
        ],
    }
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "logs:PutLogEvents", "Resource": "*"}
    own = {"Version": "2012-10-17", "Statement": [statement]}
    found = control.update(
        GROUP,
        "g",
        ("remove", "/RetentionInDays"),
        ("add", "/DataProtectionPolicy", protection),
        ("add", "/ResourcePolicyDocument", own),
        ("add", "/DeletionProtectionEnabled", True),
        ("replace", "/Tags", [{"Key": "b", "Value": "2"}]),
    )
    assert "RetentionInDays" not in found
    assert (found["DataProtectionPolicy"], found["ResourcePolicyDocument"]) == (protection, own)
    assert (found["DeletionProtectionEnabled"], found["Tags"]) == (True, [{"Key": "b", "Value": "2"}])
    control.update(GROUP, "g", ("replace", "/DeletionProtectionEnabled", False), ("remove", "/ResourcePolicyDocument"))
    assert control.listed(GROUP) == ["g"]
    assert control.refused(GROUP, {"LogGroupName": "g"})[0] == "AlreadyExists"
    control.delete(GROUP, "g")


def test_stream_and_metric_filter(control: Control) -> None:
    """A stream is made and deleted; a filter is changed in its place."""
    control.create(GROUP, {"LogGroupName": "g"})
    assert control.create(STREAM, {"LogGroupName": "g", "LogStreamName": "s"}) == "g|s"
    assert control.read(STREAM, "g|s") == {"LogGroupName": "g", "LogStreamName": "s"}
    control.delete(STREAM, "g|s")
    transformation = {"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1", "DefaultValue": 0, "Unit": "Count"}
    wanted = {"LogGroupName": "g", "FilterName": "f", "FilterPattern": "ERROR", "MetricTransformations": [transformation]}
    assert control.create(METRIC, wanted) == "g|f"
    assert control.read(METRIC, "g|f") == wanted
    changed = {"MetricName": "m", "MetricNamespace": "n", "MetricValue": "$.x", "Dimensions": [{"Key": "d", "Value": "$.d"}]}
    found = control.update(METRIC, "g|f", ("replace", "/FilterPattern", "{ $.x = * }"), ("replace", "/MetricTransformations/0", changed))
    assert found["MetricTransformations"] == [changed]
    assert control.listed(METRIC) == ["g|f"]
    control.delete(METRIC, "g|f")


def test_policy_query_and_destination(cloud: Any, control: Control) -> None:
    """Documents come back as they were put; a saved query's id is made; a destination has its policy."""
    statement = {"Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Action": "logs:PutLogEvents", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert control.create(POLICY, {"PolicyName": "p", "PolicyDocument": document}) == "p"
    assert control.read(POLICY, "p") == {"PolicyName": "p", "PolicyDocument": document}
    control.delete(POLICY, "p")
    query = control.create(QUERY, {"Name": "q", "QueryString": "limit 1"})
    found = control.update(QUERY, query, ("replace", "/QueryString", "limit 2"))
    assert (found["Name"], found["QueryString"], found["QueryDefinitionId"]) == ("q", "limit 2", query)
    control.delete(QUERY, query)
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}}],
    }
    role = cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    target = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"
    access = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "logs:PutSubscriptionFilter", "Resource": "*"}],
        }
    )
    wanted = {"DestinationName": "d", "TargetArn": target, "RoleArn": role, "DestinationPolicy": access}
    assert control.create(DESTINATION, wanted) == "d"
    assert control.read(DESTINATION, "d").items() >= wanted.items()
    control.delete(DESTINATION, "d")
