"""The JSON of an event, made of a call that is over. Source: "CloudTrail record contents" in the CloudTrail User Guide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.services.cloudtrail.event import Event
from fogbank.wire import model
from fogbank.wire.model import Ref, Shape
from fogbank.wire.types import wire_name

VERSION = "1.11"
LIMIT_BYTES = 100_000
"""Of request parameters or response elements; what is longer is left out, as there."""
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_SECRET_ACTIONS = {"GetSecretValue", "GetParameter", "GetParameters", "GetParametersByPath", "Decrypt", "GenerateDataKey"}


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def identity(event: Event) -> dict[str, Any]:
    """The userIdentity element."""
    who = event.who
    if who.kind == "service":
        return {"type": "AWSService", "invokedBy": who.service}
    if who.kind == "anonymous":
        return {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    shown: dict[str, Any] = {"principalId": who.user_id, "arn": who.arn, "accountId": who.account}
    if event.caller.access_key:
        shown["accessKeyId"] = event.caller.access_key
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
    if event.call.via:
        shown["invokedBy"] = f"{event.call.via[-1]}.amazonaws.com"
    return {"type": "AssumedRole" if role else "FederatedUser", **shown}


def document(event: Event) -> dict[str, Any]:
    """The event's JSON."""
    call = event.call
    by_service = not event.caller.client
    invoker = event.who.service or (f"{call.via[-1]}.amazonaws.com" if call.via else "AWS Internal")
    operation = model.service(event.service).operations[event.operation]
    shapes = model.service(event.service).shapes
    shown: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": identity(event),
        "eventTime": iso(call.at_ms),
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": event.region,
        "sourceIPAddress": invoker if by_service else event.caller.client,
        "userAgent": invoker if by_service else event.caller.user_agent,
    }
    if call.error:
        shown["errorCode"] = call.error
        shown["errorMessage"] = call.message
    shown["requestParameters"] = _limited(_shown(operation.input_ref, shapes, event.members))
    silent = event.operation in _SECRET_ACTIONS or not event.answer
    shown["responseElements"] = None if silent else _limited(_shown(operation.output_ref, shapes, event.answer))
    shown |= {"requestID": call.request_id, "eventID": event.id, "readOnly": event.reads}
    named = [{"accountId": event.account, "type": type, "ARN": name} for type, name in event.resources if ":" in name]
    if named:
        shown["resources"] = named
    shown |= {
        "eventType": "AwsApiCall",
        "managementEvent": event.type is None,
        "recipientAccountId": event.account,
        "eventCategory": event.category,
    }
    if event.caller.host:
        shown["tlsDetails"] = {"clientProvidedHostHeader": event.caller.host}
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
    if not isinstance(value, dict):
        return None
    shown = {}
    for member, ref in shape.members.items():
        inner = value.get(member)
        if inner is None:
            inner = value.get(wire_name(ref, shapes[ref.shape], member))
        if inner is None or ref.streaming or shapes[ref.shape].streaming:
            continue
        written = _value(ref, shapes, inner)
        if written is not None:
            shown[member[0].lower() + member[1:]] = written
    return shown
