"""Parameters as CloudFormation has them: text, not secrets."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, absent, every, given, pairs, tags, unpaired

VALUE = ("AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value")
NAME_LIMIT = 1011
PARAMETER = "AWS::SSM::Parameter"


def _put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    """A new version. A description or a pattern that it is not given goes, and policies stay until they are an empty list."""
    members = given(**{member: after.get(member) for member in VALUE})
    if "Policies" in before:
        members.setdefault("Policies", "[]")
    ctx.call("ssm", "PutParameter", {"Name": name, "Overwrite": True, **members})


def _create(ctx: Context, properties: Properties) -> str:
    members = given(**{member: properties.get(member) for member in VALUE})
    labels = unpaired(properties.get("Tags"))
    ctx.call("ssm", "PutParameter", {"Name": properties["Name"], **members, **({"Tags": labels} if labels else {})})
    return str(properties["Name"])


def _read(ctx: Context, name: str) -> Properties:
    found = ctx.call("ssm", "GetParameter", {"Name": name})["Parameter"]
    if found["Type"] == "SecureString":
        raise absent(PARAMETER, name)
    return {"Arn": found["ARN"], **{member: found[member] for member in ("DataType", "Name", "Type", "Value")}}


def _labels(operation: str, ctx: Context, name: str, **members: Any) -> Any:
    return ctx.call("ssm", operation, {"ResourceType": "Parameter", "ResourceId": name, **members})


TYPES = (
    ResourceType(
        PARAMETER,
        create=_create,
        made_with=("Name", "Tags", *VALUE),
        read=_read,
        delete=lambda ctx, name, properties: ctx.call("ssm", "DeleteParameter", {"Name": name}),
        list=lambda ctx: [
            found["Name"] for found in every(ctx, "ssm", "DescribeParameters", {}, "Parameters") if found["Type"] != "SecureString"
        ],
        parts=(
            Part(VALUE, _put),
            tags(
                read=lambda ctx, name: pairs(_labels("ListTagsForResource", ctx, name)["TagList"]),
                add=lambda ctx, name, added: _labels("AddTagsToResource", ctx, name, Tags=unpaired(added)),
                remove=lambda ctx, name, keys: _labels("RemoveTagsFromResource", ctx, name, TagKeys=keys),
                listed=False,
            ),
        ),
        naming=Naming("Name", NAME_LIMIT),
        absent=("Absent", "ParameterNotFound"),
        present=("ParameterAlreadyExists",),
    ),
)
