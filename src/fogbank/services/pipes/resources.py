"""Pipes as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, every, found, tags
from fogbank.wire import instants

MISSING = "NotFoundException"
PIPE = "AWS::Pipes::Pipe"
_STREAMS = ("KinesisStreamParameters", "DynamoDBStreamParameters")
_PLAIN = (
    "Description",
    "DesiredState",
    "Enrichment",
    "EnrichmentParameters",
    "KmsKeyIdentifier",
    "LogConfiguration",
    "RoleArn",
    "SourceParameters",
    "Target",
    "TargetParameters",
)


def _bare(value: Any) -> Any:
    """Without what has no value."""
    if isinstance(value, dict):
        return {name: _bare(one) for name, one in value.items() if one is not None}
    return [_bare(one) for one in value] if isinstance(value, list) else value


def _read(ctx: Context, name: str) -> Properties:
    held = _bare(ctx.call("pipes", "DescribePipe", {"Name": name}))
    dates = {key: instants.iso8601(held[key]) for key in ("CreationTime", "LastModifiedTime")}
    shown = {key: held[key] for key in ("Name", "Arn", "Source", "CurrentState", "StateReason", *_PLAIN) if key in held}
    return {**shown, **dates, "SourceParameters": _instant(shown.get("SourceParameters"), instants.iso8601)}


def _instant(parameters: Any, change: Any) -> Any:
    """Source parameters, with the instant at which a stream's reading begins in another form."""
    given = (parameters or {}).get("KinesisStreamParameters") or {}
    if not given.get("StartingPositionTimestamp"):
        return parameters
    return {**parameters, "KinesisStreamParameters": {**given, "StartingPositionTimestamp": change(given["StartingPositionTimestamp"])}}


def _create(ctx: Context, properties: Properties) -> str:
    members = {name: properties[name] for name in ("Name", "Source", "Tags", *_PLAIN) if properties.get(name) is not None}
    if "SourceParameters" in members:
        members["SourceParameters"] = _instant(members["SourceParameters"], instants.parse)
    ctx.call("pipes", "CreatePipe", members)
    name: str = properties["Name"]
    return name


def _put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    nothing: Properties = {"Description": "", "DesiredState": "RUNNING", "Enrichment": "", "KmsKeyIdentifier": ""}
    nothing |= {"EnrichmentParameters": {"InputTemplate": ""}, "TargetParameters": {"InputTemplate": ""}}
    nothing |= {"SourceParameters": {"FilterCriteria": {"Filters": []}}, "LogConfiguration": {"Level": "OFF"}}
    members = {key: after.get(key, nothing.get(key)) for key in _PLAIN if before.get(key) != after.get(key)}
    if "SourceParameters" in members:
        members["SourceParameters"] = _changeable(members["SourceParameters"])
    ctx.call("pipes", "UpdatePipe", {"Name": name, "RoleArn": after["RoleArn"], **members})


def _changeable(parameters: Any) -> Any:
    """Source parameters without where reading began."""
    made = {"FilterCriteria": {"Filters": []}, **parameters}
    for name in _STREAMS:
        if name in made:
            made[name] = {key: value for key, value in made[name].items() if not key.startswith("StartingPosition")}
    return made


def _state(ctx: Context, name: str) -> str:
    held = found(lambda: ctx.call("pipes", "DescribePipe", {"Name": name}), MISSING)
    return held["CurrentState"] if held else ""


def _arn(ctx: Context, name: str) -> str:
    return ctx.arn(f"pipe/{name}", service="pipes")


_TAGS = tags(
    read=lambda ctx, name: ctx.call("pipes", "ListTagsForResource", {"resourceArn": _arn(ctx, name)})["tags"],
    add=lambda ctx, name, added: ctx.call("pipes", "TagResource", {"resourceArn": _arn(ctx, name), "tags": added}),
    remove=lambda ctx, name, keys: ctx.call("pipes", "UntagResource", {"resourceArn": _arn(ctx, name), "tagKeys": keys}),
    listed=False,
)

TYPES = (
    ResourceType(
        PIPE,
        create=_create,
        made_with=("Name", "Source", "Tags", *_PLAIN),
        read=_read,
        delete=lambda ctx, name, properties: ctx.call("pipes", "DeletePipe", {"Name": name}),
        list=lambda ctx: [one["Name"] for one in every(ctx, "pipes", "ListPipes", {}, "Pipes")],
        parts=(Part(_PLAIN, _put), _TAGS),
        naming=Naming("Name", 64),
        absent=(MISSING,),
        present=("ConflictException",),
        settled=lambda ctx, name: not _state(ctx, name).endswith("ING") or _state(ctx, name) == "RUNNING",
        gone=lambda ctx, name: not _state(ctx, name),
    ),
)
