"""An event: a call that is over, as trails, event data stores and LookupEvents see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from fogbank.access.principal import Principal
from fogbank.kernel.telemetry import Caller, Recorded
from fogbank.services.cloudtrail import kinds
from fogbank.wire import model
from fogbank.wire.types import wire_name

_DATED = {
    "lambda": {
        "AddPermission": "AddPermission20150331v2",
        "CreateEventSourceMapping": "CreateEventSourceMapping20150331",
        "CreateFunction": "CreateFunction20150331",
        "DeleteEventSourceMapping": "DeleteEventSourceMapping20150331",
        "DeleteFunction": "DeleteFunction20150331",
        "GetFunction": "GetFunction20150331v2",
        "GetPolicy": "GetPolicy20150331v2",
        "ListFunctions": "ListFunctions20150331",
        "RemovePermission": "RemovePermission20150331v2",
        "UpdateEventSourceMapping": "UpdateEventSourceMapping20150331",
        "UpdateFunctionCode": "UpdateFunctionCode20150331v2",
        "UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
    },
    "s3": {"ListObjectsV2": "ListObjects"},
}
"""Events that carry another name than their operation."""
_NAMING = (
    ("BucketName", "AWS::S3::Bucket"),
    ("Bucket", "AWS::S3::Bucket"),
    ("TableName", "AWS::DynamoDB::Table"),
    ("FunctionName", "AWS::Lambda::Function"),
    ("QueueUrl", "AWS::SQS::Queue"),
    ("QueueName", "AWS::SQS::Queue"),
    ("TopicArn", "AWS::SNS::Topic"),
    ("StreamName", "AWS::Kinesis::Stream"),
    ("StreamARN", "AWS::Kinesis::Stream"),
    ("KeyId", "AWS::KMS::Key"),
    ("RoleName", "AWS::IAM::Role"),
    ("RoleArn", "AWS::IAM::Role"),
    ("UserName", "AWS::IAM::User"),
    ("GroupName", "AWS::IAM::Group"),
    ("PolicyArn", "AWS::IAM::Policy"),
    ("SecretId", "AWS::SecretsManager::Secret"),
    ("TrailName", "AWS::CloudTrail::Trail"),
)
"""Members that name a resource, and of which type."""
_decode = msgspec.msgpack.Decoder().decode


def name_of(service: str, operation: str) -> str:
    """The eventName."""
    return _DATED.get(service, {}).get(operation, operation)


def source_of(service: str) -> str:
    """The eventSource: its endpoint's name."""
    return f"{model.service(service).endpoint_prefix}.amazonaws.com"


@dataclass
class Event:
    """`type` is that of a data event's resources ("AWS::S3::Object"); None of a management event."""

    account: str
    region: str
    service: str
    operation: str
    id: str
    type: str | None
    caller: Caller
    call: Recorded

    @property
    def who(self) -> Principal:
        found: Principal = self.caller.who
        return found

    @property
    def name(self) -> str:
        return name_of(self.service, self.operation)

    @property
    def source(self) -> str:
        return source_of(self.service)

    @property
    def reads(self) -> bool:
        """Whether it changed nothing."""
        return kinds.reads(self.service, self.operation)

    @property
    def category(self) -> str:
        return "Management" if self.type is None else "Data"

    @property
    def user(self) -> str:
        return self.who.session_name or self.who.name

    @cached_property
    def members(self) -> Any:
        """What was asked: a dict by the names on the wire, or None."""
        return _decode(self.call.members)

    @cached_property
    def answer(self) -> Any:
        return _decode(self.call.answer)

    def member(self, name: str) -> Any:
        """A member of the request by AWS's name."""
        ref = model.service(self.service).operations[self.operation].input_ref
        if ref is None or not isinstance(self.members, dict):
            return None
        shapes = model.service(self.service).shapes
        used = shapes[ref.shape].members.get(name)
        if used is None:
            return None
        return self.members.get(name, self.members.get(wire_name(used, shapes[used.shape], name)))

    @cached_property
    def resources(self) -> tuple[tuple[str, str], ...]:
        """What the request names: (type, name)."""
        found: dict[str, str] = {}
        for member, kind in _NAMING:
            value = self.member(member)
            if isinstance(value, str) and value:
                found.setdefault(kind, value)
        if self.service == "s3" and (key := self.member("Key")):
            found["AWS::S3::Object"] = f"arn:aws:s3:::{self.member('Bucket')}/{key}"
        return tuple(found.items())
