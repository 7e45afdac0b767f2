"""The JSON of an event, made of a call that is over. Source: "CloudTrail record contents" in the CloudTrail User Guide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.access.principal import Principal
from fogbank.kernel.telemetry import Recorded
from fogbank.services.cloudtrail import kinds
from fogbank.wire import model
from fogbank.wire.model import Ref, Shape

VERSION = "1.11"
LIMIT_BYTES = 100_000
"""Of request parameters or response elements; what is longer is left out, as there."""
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_SECRET_ACTIONS = {"GetSecretValue", "GetParameter", "GetParameters", "GetParametersByPath", "Decrypt", "GenerateDataKey"}
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


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(service: str, operation: str) -> str:
    return _DATED.get(service, {}).get(operation, operation)


def source_of(service: str) -> str:
    """The eventSource: its endpoint's name."""
    return f"{model.service(service).endpoint_prefix}.amazonaws.com"


def identity(recorded: Recorded) -> dict[str, Any]:
    """The userIdentity element."""
    who: Principal = recorded.principal
    if who.kind == "service":
        return {"type": "AWSService", "invokedBy": who.service}
    if who.kind == "anonymous":
        return {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    shown: dict[str, Any] = {"principalId": who.user_id, "arn": who.arn, "accountId": who.account}
    if recorded.access_key:
        shown["accessKeyId"] = recorded.access_key
    if who.kind == "root":
        return {"type": "Root", **shown}
    if who.kind == "user":
        return {"type": "IAMUser", **shown, "userName": who.name}
    if who.kind in ("web-identity", "saml"):
        kind = "WebIdentityUser" if who.kind == "web-identity" else "SAMLUser"
        return {"type": kind, "principalId": who.user_id, "userName": who.name, "identityProvider": who.federated_provider}
    role = who.kind == "assumed-role"
    issuer = {
        "type": "Role" if role else "IAMUser",
        "principalId": who.unique_id,
        "arn": who.issuer_arn,
        "accountId": who.account,
        "userName": who.issuer_arn.rpartition("/")[2],
    }
    attributes = {"mfaAuthenticated": "true" if who.mfa_present else "false"}
    if who.issued_at_ms:
        attributes["creationDate"] = iso(who.issued_at_ms)
    shown["sessionContext"] = {"sessionIssuer": issuer, "attributes": attributes}
    if recorded.via:
        shown["invokedBy"] = f"{recorded.via[-1]}.amazonaws.com"
    return {"type": "AssumedRole" if role else "FederatedUser", **shown}


def document(recorded: Recorded, event_id: str, region: str, kind: str | None, resources: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The event."""
    reading = kinds.reads(recorded.service, recorded.operation)
    request = recorded.request
    by_service = request is None
    invoker = recorded.principal.service or (f"{recorded.via[-1]}.amazonaws.com" if recorded.via else "AWS Internal")
    operation = model.service(recorded.service).operations[recorded.operation]
    shapes = model.service(recorded.service).shapes
    shown: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": identity(recorded),
        "eventTime": iso(recorded.at_ms),
        "eventSource": source_of(recorded.service),
        "eventName": name_of(recorded.service, recorded.operation),
        "awsRegion": region,
        "sourceIPAddress": invoker if by_service else request.client,
        "userAgent": invoker if by_service else request.headers.get("user-agent", ""),
    }
    if recorded.error:
        shown["errorCode"] = recorded.error
        shown["errorMessage"] = recorded.message
    shown["requestParameters"] = _limited(_shown(operation.input_ref, shapes, recorded.members))
    silent = reading or recorded.error or recorded.operation in _SECRET_ACTIONS or not recorded.answer
    shown["responseElements"] = None if silent else _limited(_shown(operation.output_ref, shapes, recorded.answer))
    shown |= {"requestID": recorded.request_id, "eventID": event_id, "readOnly": reading}
    if resources:
        shown["resources"] = [{"accountId": recorded.account, "type": type, "ARN": name} for type, name in resources if ":" in name] or None
    shown |= {
        "eventType": "AwsApiCall",
        "managementEvent": kind is None,
        "recipientAccountId": recorded.account,
        "eventCategory": "Management" if kind is None else "Data",
    }
    if not by_service and (host := request.headers.get("host")):
        shown["tlsDetails"] = {"clientProvidedHostHeader": host}
    return {key: value for key, value in shown.items() if value is not None or key in ("requestParameters", "responseElements")}


def _limited(value: Any) -> Any:
    return value if value is None or len(msgspec.json.encode(value)) <= LIMIT_BYTES else {"omitted": True}


def _shown(ref: Ref | None, shapes: Any, value: Any) -> Any:
    """Members with the first letter small; what is secret hidden, what is a body left out."""
    if ref is None or value is None:
        return None
    return _value(ref, shapes, value) or None


def _value(ref: Ref, shapes: Any, value: Any) -> Any:
    shape: Shape = shapes[ref.shape]
    if shape.sensitive:
        return HIDDEN
    if shape.type == "structure":
        return _members(shape, shapes, value)
    if shape.type == "list" and shape.member is not None:
        return [_value(shape.member, shapes, one) for one in value]
    if shape.type == "map" and shape.value is not None:
        return {str(key): _value(shape.value, shapes, one) for key, one in value.items()}
    if shape.type == "timestamp":
        return iso(int(value)) if isinstance(value, int | float) else str(value)
    if isinstance(value, bytes | bytearray):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)


def _members(shape: Shape, shapes: Any, value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return None
    shown = {}
    for member, ref in shape.members.items():
        inner = value.get(member) if isinstance(value, dict) else getattr(value, member, None)
        if inner is None or ref.streaming or shapes[ref.shape].streaming:
            continue
        written = _value(ref, shapes, inner)
        if written is not None:
            shown[member[0].lower() + member[1:]] = written
    return shown
