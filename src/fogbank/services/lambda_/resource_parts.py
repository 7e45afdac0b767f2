"""What belongs to functions, as CloudFormation has it: permissions, layers, event source mappings, URLs, event and signing settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Part,
    Properties,
    ResourceType,
    absent,
    every,
    exists,
    found,
    given,
    pairs,
    parsed,
    tags,
)

ABSENT = ("Absent", "ResourceNotFoundException")
_BUSY = ("Creating", "Enabling", "Disabling", "Updating", "Deleting")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("lambda", operation, members)


def _of(properties: Properties, names: tuple[str, ...]) -> Properties:
    return {name: properties[name] for name in names if properties.get(name) is not None}


def functions(ctx: Context) -> Iterator[str]:
    """The names of all functions."""
    for one in every(ctx, "lambda", "ListFunctions", {}, "Functions", "Marker=NextMarker"):
        yield one["FunctionName"]


# permissions

_PERMISSION = (
    "Action",
    "EventSourceToken",
    "FunctionUrlAuthType",
    "InvokedViaFunctionUrl",
    "Principal",
    "PrincipalOrgID",
    "SourceAccount",
    "SourceArn",
)
_CONDITIONS = {
    "AWS:SourceAccount": "SourceAccount",
    "aws:PrincipalOrgID": "PrincipalOrgID",
    "lambda:EventSourceToken": "EventSourceToken",
    "lambda:FunctionUrlAuthType": "FunctionUrlAuthType",
    "AWS:SourceArn": "SourceArn",
}


def _add_permission(ctx: Context, properties: Properties) -> str:
    id = ctx.random.text(12, _LETTERS)
    call(ctx, "AddPermission", FunctionName=properties["FunctionName"], StatementId=id, **_of(properties, _PERMISSION))
    return f"{properties['FunctionName']}|{id}"


def _statement(ctx: Context, kind: str, identifier: str, document: str, sid: str) -> Properties:
    statement = next((one for one in parsed(document)["Statement"] if one.get("Sid") == sid), None)
    if statement is None:
        raise absent(kind, identifier)
    read: Properties = statement
    return read


def _statements(ctx: Context, operation: str, **where: Any) -> list[Properties]:
    """The statements of a policy, where there is one."""
    held = found(lambda: call(ctx, operation, **where), "ResourceNotFoundException")
    read: list[Properties] = parsed(held["Policy"])["Statement"] if held is not None else []
    return read


def _principal(given: Any) -> str:
    if isinstance(given, str):
        return given
    [(kind, value)] = given.items()
    text = str(value)
    return text.split(":")[4] if kind == "AWS" and text.endswith(":root") else text


def _read_permission(ctx: Context, identifier: str) -> Properties:
    name, _, id = identifier.partition("|")
    statement = _statement(ctx, "AWS::Lambda::Permission", identifier, call(ctx, "GetPolicy", FunctionName=name)["Policy"], id)
    values = {key: value for condition in (statement.get("Condition") or {}).values() for key, value in condition.items()}
    read = {"FunctionName": name, "Id": id, "Action": statement["Action"], "Principal": _principal(statement["Principal"])}
    read |= {name: values[key] for key, name in _CONDITIONS.items() if key in values}
    if "lambda:InvokedViaFunctionUrl" in values:
        read["InvokedViaFunctionUrl"] = values["lambda:InvokedViaFunctionUrl"] == "true"
    return read


def _remove_permission(ctx: Context, identifier: str, properties: Properties) -> None:
    name, _, id = identifier.partition("|")
    call(ctx, "RemovePermission", FunctionName=name, StatementId=id)


def _permissions(ctx: Context) -> Iterator[str]:
    for name in functions(ctx):
        for statement in _statements(ctx, "GetPolicy", FunctionName=name):
            yield f"{name}|{statement['Sid']}"


PERMISSION = ResourceType(
    "AWS::Lambda::Permission",
    create=_add_permission,
    made_with=("FunctionName", *_PERMISSION),
    read=_read_permission,
    delete=_remove_permission,
    list=_permissions,
    absent=ABSENT,
)


# layers

_LAYER = ("CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo")


def _publish_layer(ctx: Context, properties: Properties) -> str:
    name = properties.get("LayerName") or f"layer-{ctx.random.text(12, _LETTERS)}"
    arn: str = call(ctx, "PublishLayerVersion", **{**_of(properties, _LAYER), "LayerName": name})["LayerVersionArn"]
    return arn


def _layer(arn: str) -> dict[str, Any]:
    name, _, number = arn.rpartition(":")
    return {"LayerName": name, "VersionNumber": int(number)}


def _read_layer(ctx: Context, arn: str) -> Properties:
    held = call(ctx, "GetLayerVersion", **_layer(arn))
    read = _of(held, ("CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo"))
    return {**read, "LayerVersionArn": arn, "LayerName": arn.split(":")[6], "Description": held["Description"] or None}


def _delete_layer(ctx: Context, arn: str, properties: Properties) -> None:
    _read_layer(ctx, arn)
    call(ctx, "DeleteLayerVersion", **_layer(arn))


def _layers(ctx: Context) -> Iterator[str]:
    for layer in every(ctx, "lambda", "ListLayers", {}, "Layers", "Marker=NextMarker"):
        members = {"LayerName": layer["LayerName"]}
        for version in every(ctx, "lambda", "ListLayerVersions", members, "LayerVersions", "Marker=NextMarker"):
            yield version["LayerVersionArn"]


LAYER_VERSION = ResourceType(
    "AWS::Lambda::LayerVersion",
    create=_publish_layer,
    made_with=_LAYER,
    read=_read_layer,
    delete=_delete_layer,
    list=_layers,
    absent=ABSENT,
)


def _share_layer(ctx: Context, properties: Properties) -> str:
    id, arn = ctx.random.text(12, _LETTERS), properties["LayerVersionArn"]
    members = _of(properties, ("Action", "Principal", "OrganizationId"))
    call(ctx, "AddLayerVersionPermission", **_layer(arn), StatementId=id, **members)
    return f"{arn}#{id}"


def _read_share(ctx: Context, identifier: str) -> Properties:
    arn, _, id = identifier.partition("#")
    document = call(ctx, "GetLayerVersionPolicy", **_layer(arn))["Policy"]
    statement = _statement(ctx, "AWS::Lambda::LayerVersionPermission", identifier, document, id)
    organization = (statement.get("Condition") or {}).get("StringEquals", {}).get("aws:PrincipalOrgID")
    read = {"Id": identifier, "LayerVersionArn": arn, "Action": statement["Action"], "Principal": _principal(statement["Principal"])}
    return read | given(OrganizationId=organization)


def _end_share(ctx: Context, identifier: str, properties: Properties) -> None:
    arn, _, id = identifier.partition("#")
    call(ctx, "RemoveLayerVersionPermission", **_layer(arn), StatementId=id)


def _shares(ctx: Context) -> Iterator[str]:
    for arn in _layers(ctx):
        for statement in _statements(ctx, "GetLayerVersionPolicy", **_layer(arn)):
            yield f"{arn}#{statement['Sid']}"


LAYER_VERSION_PERMISSION = ResourceType(
    "AWS::Lambda::LayerVersionPermission",
    create=_share_layer,
    made_with=("Action", "LayerVersionArn", "OrganizationId", "Principal"),
    read=_read_share,
    delete=_end_share,
    list=_shares,
    absent=ABSENT,
)


# event source mappings

_FIXED = ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp")
_CHANGED: dict[str, Any] = {
    "BatchSize": None,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {"Destination": ""}},
    "Enabled": True,
    "FilterCriteria": {"Filters": []},
    "FunctionName": None,
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "MetricsConfig": {"Metrics": []},
    "ParallelizationFactor": 1,
    "ScalingConfig": {},
    "TumblingWindowInSeconds": 0,
}
"""What UpdateEventSourceMapping changes, and what it is again when it is taken away."""


def _map(ctx: Context, properties: Properties) -> str:
    members = _of(properties, (*_FIXED, *_CHANGED))
    if "StartingPositionTimestamp" in members:
        members["StartingPositionTimestamp"] = int(members["StartingPositionTimestamp"] * 1000)
    id: str = call(ctx, "CreateEventSourceMapping", **members, **given(Tags=pairs(properties.get("Tags")) or None))["UUID"]
    return id


def _read_mapping(ctx: Context, id: str) -> Properties:
    held = call(ctx, "GetEventSourceMapping", UUID=id)
    if held["State"] == "Deleting":
        raise absent("AWS::Lambda::EventSourceMapping", id)
    read = _of(held, (*_FIXED, *(name for name in _CHANGED if name not in ("Enabled", "FunctionName")), "EventSourceMappingArn"))
    if "StartingPositionTimestamp" in read:
        read["StartingPositionTimestamp"] /= 1000
    if not (read.get("DestinationConfig") or {}).get("OnFailure"):
        read.pop("DestinationConfig", None)
    return {**read, "Id": id, "FunctionName": held["FunctionArn"], "Enabled": held["State"] in ("Enabled", "Enabling", "Creating")}


def _put_mapping(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    changed = {name: after.get(name, default) for name, default in _CHANGED.items() if before.get(name) != after.get(name)}
    call(ctx, "UpdateEventSourceMapping", UUID=id, **given(**changed))


def _mapping_arn(ctx: Context, id: str) -> str:
    return ctx.arn(f"event-source-mapping:{id}", service="lambda")


EVENT_SOURCE_MAPPING = ResourceType(
    "AWS::Lambda::EventSourceMapping",
    create=_map,
    made_with=(*_FIXED, *_CHANGED, "Tags"),
    read=_read_mapping,
    delete=lambda ctx, id, properties: call(ctx, "DeleteEventSourceMapping", UUID=id),
    list=lambda ctx: [
        one["UUID"] for one in every(ctx, "lambda", "ListEventSourceMappings", {}, "EventSourceMappings", "Marker=NextMarker")
    ],
    parts=(
        Part(tuple(_CHANGED), _put_mapping),
        tags(
            read=lambda ctx, id: call(ctx, "ListTags", Resource=_mapping_arn(ctx, id))["Tags"],
            add=lambda ctx, id, added: call(ctx, "TagResource", Resource=_mapping_arn(ctx, id), Tags=added),
            remove=lambda ctx, id, keys: call(ctx, "UntagResource", Resource=_mapping_arn(ctx, id), TagKeys=keys),
        ),
    ),
    absent=ABSENT,
    present=("ResourceConflictException",),
    settled=lambda ctx, id: call(ctx, "GetEventSourceMapping", UUID=id)["State"] not in _BUSY,
    gone=lambda ctx, id: found(lambda: call(ctx, "GetEventSourceMapping", UUID=id), "ResourceNotFoundException") is None,
)


# URLs


def _each(ctx: Context, name: str, listing: str) -> Iterator[Properties]:
    """What a function has of something: the operation and its answer are called alike."""
    yield from every(ctx, "lambda", f"List{listing}", {"FunctionName": name}, listing, "Marker=NextMarker")


_URL = ("AuthType", "Cors", "InvokeMode")


def _of_url(arn: str) -> dict[str, str]:
    parts = arn.split(":")
    return {"FunctionName": ":".join(parts[:7]), **({"Qualifier": parts[7]} if len(parts) > 7 else {})}


def _create_url(ctx: Context, properties: Properties) -> tuple[str, Properties]:
    where = {"FunctionName": properties["TargetFunctionArn"], **_of(properties, ("Qualifier",))}
    made = call(ctx, "CreateFunctionUrlConfig", **where, **_of(properties, _URL))
    return made["FunctionArn"], {"TargetFunctionArn": properties["TargetFunctionArn"]}


def _read_url(ctx: Context, arn: str) -> Properties:
    held = call(ctx, "GetFunctionUrlConfig", **_of_url(arn))
    where = _of_url(arn)
    read = {"TargetFunctionArn": where["FunctionName"], "FunctionArn": arn, "FunctionUrl": held["FunctionUrl"]}
    return read | given(Qualifier=where.get("Qualifier")) | _of(held, _URL)


def _put_url(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    members = {"AuthType": after["AuthType"], "Cors": after.get("Cors") or {}, "InvokeMode": after.get("InvokeMode") or "BUFFERED"}
    call(ctx, "UpdateFunctionUrlConfig", **_of_url(arn), **members)


URL = ResourceType(
    "AWS::Lambda::Url",
    create=_create_url,
    made_with=("TargetFunctionArn", "Qualifier", *_URL),
    read=_read_url,
    delete=lambda ctx, arn, properties: call(ctx, "DeleteFunctionUrlConfig", **_of_url(arn)),
    list=lambda ctx: [one["FunctionArn"] for name in functions(ctx) for one in _each(ctx, name, "FunctionUrlConfigs")],
    parts=(Part(_URL, _put_url),),
    absent=ABSENT,
    present=("ResourceConflictException",),
)


# events

_EVENTS = ("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")


def _of_events(identifier: str) -> dict[str, str]:
    name, _, qualifier = identifier.partition("|")
    return {"FunctionName": name, "Qualifier": qualifier}


def _put_events(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    call(ctx, "PutFunctionEventInvokeConfig", **_of_events(identifier), **_of(after, _EVENTS))


def _create_events(ctx: Context, properties: Properties) -> str:
    identifier = f"{properties['FunctionName']}|{properties['Qualifier']}"
    if found(lambda: call(ctx, "GetFunctionEventInvokeConfig", **_of_events(identifier)), "ResourceNotFoundException") is not None:
        raise exists("AWS::Lambda::EventInvokeConfig", identifier)
    _put_events(ctx, identifier, {}, properties)
    return identifier


def _read_events(ctx: Context, identifier: str) -> Properties:
    held = call(ctx, "GetFunctionEventInvokeConfig", **_of_events(identifier))
    read = _of(held, _EVENTS)
    read["DestinationConfig"] = {name: part for name, part in held["DestinationConfig"].items() if part} or None
    return {**read, **_of_events(identifier)}


EVENT_INVOKE_CONFIG = ResourceType(
    "AWS::Lambda::EventInvokeConfig",
    create=_create_events,
    made_with=("FunctionName", "Qualifier", *_EVENTS),
    read=_read_events,
    delete=lambda ctx, identifier, properties: call(ctx, "DeleteFunctionEventInvokeConfig", **_of_events(identifier)),
    list=lambda ctx: [
        f"{name}|{one['FunctionArn'].split(':')[7]}" for name in functions(ctx) for one in _each(ctx, name, "FunctionEventInvokeConfigs")
    ],
    parts=(Part(_EVENTS, _put_events),),
    absent=ABSENT,
    present=("Present",),
)


# code signing

_SIGNING = ("AllowedPublishers", "CodeSigningPolicies", "Description")


def _create_signing(ctx: Context, properties: Properties) -> str:
    members = given(Tags=pairs(properties.get("Tags")) or None)
    made = call(ctx, "CreateCodeSigningConfig", **_of(properties, _SIGNING), **members)
    arn: str = made["CodeSigningConfig"]["CodeSigningConfigArn"]
    return arn


def _read_signing(ctx: Context, arn: str) -> Properties:
    held = call(ctx, "GetCodeSigningConfig", CodeSigningConfigArn=arn)["CodeSigningConfig"]
    return _of(held, (*_SIGNING, "CodeSigningConfigArn", "CodeSigningConfigId"))


def _put_signing(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    policies = after.get("CodeSigningPolicies") or {"UntrustedArtifactOnDeployment": "Warn"}
    members = {
        "AllowedPublishers": after["AllowedPublishers"],
        "CodeSigningPolicies": policies,
        "Description": after.get("Description") or "",
    }
    call(ctx, "UpdateCodeSigningConfig", CodeSigningConfigArn=arn, **members)


CODE_SIGNING_CONFIG = ResourceType(
    "AWS::Lambda::CodeSigningConfig",
    create=_create_signing,
    made_with=(*_SIGNING, "Tags"),
    read=_read_signing,
    delete=lambda ctx, arn, properties: call(ctx, "DeleteCodeSigningConfig", CodeSigningConfigArn=arn),
    list=lambda ctx: [
        one["CodeSigningConfigArn"] for one in every(ctx, "lambda", "ListCodeSigningConfigs", {}, "CodeSigningConfigs", "Marker=NextMarker")
    ],
    parts=(
        Part(_SIGNING, _put_signing),
        tags(
            read=lambda ctx, arn: call(ctx, "ListTags", Resource=arn)["Tags"],
            add=lambda ctx, arn, added: call(ctx, "TagResource", Resource=arn, Tags=added),
            remove=lambda ctx, arn, keys: call(ctx, "UntagResource", Resource=arn, TagKeys=keys),
        ),
    ),
    absent=ABSENT,
)

TYPES = (
    PERMISSION,
    LAYER_VERSION,
    LAYER_VERSION_PERMISSION,
    EVENT_SOURCE_MAPPING,
    URL,
    EVENT_INVOKE_CONFIG,
    CODE_SIGNING_CONFIG,
)
