"""Pipes as a CloudFormation type, by Cloud Control."""

from __future__ import annotations

import json
from typing import Any

from fogbank.testing.cloud import Cloud

from .conftest import Queue

PIPE = "AWS::Pipes::Pipe"


def test_pipe(cloud: Cloud, client: Any, source: Queue, arrivals: Queue, role: str) -> None:
    """A pipe is made, read, changed, listed and deleted as a resource."""
    control = cloud.client("cloudcontrol")
    properties = {"Name": "p", "Source": source.arn, "Target": arrivals.arn, "RoleArn": role, "Tags": {"a": "b"}}

    def done(answer: Any) -> Any:
        cloud.settle()
        cloud.advance(60)
        event = control.get_resource_request_status(RequestToken=answer["ProgressEvent"]["RequestToken"])["ProgressEvent"]
        assert event["OperationStatus"] == "SUCCESS", event
        return event

    assert done(control.create_resource(TypeName=PIPE, DesiredState=json.dumps(properties)))["Identifier"] == "p"
    held = json.loads(control.get_resource(TypeName=PIPE, Identifier="p")["ResourceDescription"]["Properties"])
    assert (held["CurrentState"], held["Tags"]) == ("RUNNING", {"a": "b"})
    patch = [
        {"op": "add", "path": "/Description", "value": "new"},
        {"op": "add", "path": "/TargetParameters", "value": {"InputTemplate": "1"}},
        {"op": "replace", "path": "/Tags", "value": {"c": "d"}},
    ]
    done(control.update_resource(TypeName=PIPE, Identifier="p", PatchDocument=json.dumps(patch)))
    held = client.describe_pipe(Name="p")
    assert (held["Description"], held["TargetParameters"], held["Tags"]) == ("new", {"InputTemplate": "1"}, {"c": "d"})
    assert [one["Identifier"] for one in control.list_resources(TypeName=PIPE)["ResourceDescriptions"]] == ["p"]
    done(control.delete_resource(TypeName=PIPE, Identifier="p"))
    assert client.list_pipes()["Pipes"] == []
