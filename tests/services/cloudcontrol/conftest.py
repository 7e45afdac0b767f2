"""What the Cloud Control tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
ROLE_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Control:
    """Cloud Control as one caller sees it: each change is waited for."""

    def __init__(self, cloud: Any, *credentials: str, region: str = "us-east-1") -> None:
        self.cloud = cloud
        self.client = cloud.client("cloudcontrol", *credentials, region=region)

    def ended(self, answer: Any) -> dict[str, Any]:
        """What became of a request."""
        token = answer["ProgressEvent"]["RequestToken"]
        for _ in range(60):
            self.cloud.settle()
            event: dict[str, Any] = self.client.get_resource_request_status(RequestToken=token)["ProgressEvent"]
            if event["OperationStatus"] != "IN_PROGRESS":
                return event
            self.cloud.advance(1)
        raise AssertionError(f"not over after a minute: {event}")

    def done(self, answer: Any) -> str:
        """The identifier of the resource of a request that succeeded."""
        event = self.ended(answer)
        assert event["OperationStatus"] == "SUCCESS", event.get("StatusMessage")
        identifier: str = event["Identifier"]
        return identifier

    def create(self, type: str, properties: dict[str, Any], **members: Any) -> str:
        return self.done(self.client.create_resource(TypeName=type, DesiredState=json.dumps(properties), **members))

    def refused(self, type: str, properties: dict[str, Any]) -> tuple[str, str]:
        """The error of a creation that is accepted and fails."""
        event = self.ended(self.client.create_resource(TypeName=type, DesiredState=json.dumps(properties)))
        assert event["OperationStatus"] == "FAILED", event
        return event["ErrorCode"], event["StatusMessage"]

    def read(self, type: str, identifier: str) -> dict[str, Any]:
        answer = self.client.get_resource(TypeName=type, Identifier=identifier)["ResourceDescription"]
        assert answer["Identifier"] == identifier
        properties: dict[str, Any] = json.loads(answer["Properties"])
        return properties

    def patch(self, type: str, identifier: str, *changes: tuple[str, str, Any] | tuple[str, str]) -> Any:
        names = ("op", "path", "value")
        document = json.dumps([dict(zip(names, change, strict=False)) for change in changes])
        return self.client.update_resource(TypeName=type, Identifier=identifier, PatchDocument=document)

    def update(self, type: str, identifier: str, *changes: tuple[str, str, Any] | tuple[str, str]) -> dict[str, Any]:
        """The properties after a patch."""
        assert self.done(self.patch(type, identifier, *changes)) == identifier
        return self.read(type, identifier)

    def listed(self, type: str) -> list[str]:
        return [one["Identifier"] for one in self.client.list_resources(TypeName=type)["ResourceDescriptions"]]

    def delete(self, type: str, identifier: str) -> None:
        """Deletes a resource, and looks whether it is gone."""
        self.done(self.client.delete_resource(TypeName=type, Identifier=identifier))
        with pytest.raises(ClientError) as caught:
            self.read(type, identifier)
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
        event = self.ended(self.client.delete_resource(TypeName=type, Identifier=identifier))
        assert (event["OperationStatus"], event["ErrorCode"]) == ("FAILED", "NotFound"), event


@pytest.fixture
def control(cloud: Any) -> Control:
    """Cloud Control as the root user sees it."""
    return Control(cloud)


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """The code and the message of the error that a call must end in."""

    def call(operation: Callable[..., Any], **members: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            operation(**members)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return call
