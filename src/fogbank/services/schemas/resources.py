"""Registries, schemas, discoverers and registry policies as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    exists,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
)
from fogbank.wire import instants

MISSING = "NotFoundException"
REGISTRY, SCHEMA, DISCOVERER = "AWS::EventSchemas::Registry", "AWS::EventSchemas::Schema", "AWS::EventSchemas::Discoverer"


def _name_of(kind: str, arn: str) -> str:
    """What follows the kind of resource in an ARN."""
    name = arn.partition(f":{kind}/")[2]
    if not name:
        raise absent(f"AWS::EventSchemas::{kind.capitalize()}", arn)
    return name


_TAGS = tags(
    read=lambda ctx, arn: ctx.call("schemas", "ListTagsForResource", {"ResourceArn": arn})["Tags"],
    add=lambda ctx, arn, added: ctx.call("schemas", "TagResource", {"ResourceArn": arn, "Tags": added}),
    remove=lambda ctx, arn, keys: ctx.call("schemas", "UntagResource", {"ResourceArn": arn, "TagKeys": keys}),
)


def _tags(properties: Properties) -> dict[str, str]:
    return pairs(properties.get("Tags"))


def _kept(answer: Any, *names: str) -> Properties:
    return {name: answer[name] for name in names if answer.get(name) is not None}


# Registries


def _create_registry(ctx: Context, properties: Properties) -> str:
    members = given(RegistryName=properties["RegistryName"], Description=properties.get("Description"), Tags=_tags(properties))
    arn: str = ctx.call("schemas", "CreateRegistry", members)["RegistryArn"]
    return arn


def _read_registry(ctx: Context, arn: str) -> Properties:
    held = ctx.call("schemas", "DescribeRegistry", {"RegistryName": _name_of("registry", arn)})
    return _kept(held, "RegistryName", "RegistryArn", "Description")


def _put_registry(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    members = {"RegistryName": _name_of("registry", arn), "Description": after.get("Description") or ""}
    ctx.call("schemas", "UpdateRegistry", members)


def _registries(ctx: Context) -> list[Any]:
    return list(every(ctx, "schemas", "ListRegistries", {"Scope": "Local"}, "Registries"))


_REGISTRY = ResourceType(
    REGISTRY,
    create=_create_registry,
    made_with=("RegistryName", "Description", "Tags"),
    read=_read_registry,
    delete=lambda ctx, arn, properties: ctx.call("schemas", "DeleteRegistry", {"RegistryName": _name_of("registry", arn)}),
    list=lambda ctx: [one["RegistryArn"] for one in _registries(ctx)],
    parts=(Part(("Description",), _put_registry), _TAGS),
    naming=Naming("RegistryName", 64),
    absent=(MISSING, "Absent"),
    present=("ConflictException",),
)


# Schemas


def _where(arn: str) -> dict[str, str]:
    registry, _, name = _name_of("schema", arn).partition("/")
    return {"RegistryName": registry, "SchemaName": name}


def _create_schema(ctx: Context, properties: Properties) -> str:
    members = _kept(properties, "RegistryName", "SchemaName", "Type", "Content", "Description")
    arn: str = ctx.call("schemas", "CreateSchema", {**members, "Tags": _tags(properties)})["SchemaArn"]
    return arn


def _read_schema(ctx: Context, arn: str) -> Properties:
    held = ctx.call("schemas", "DescribeSchema", _where(arn))
    dates = {name: instants.iso8601(held[name]) for name in ("LastModified", "VersionCreatedDate")}
    return {**_where(arn), **_kept(held, "SchemaArn", "SchemaVersion", "Type", "Content", "Description"), **dates}


def _put_schema(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    changed = {name: after.get(name) or "" for name in ("Type", "Content", "Description") if before.get(name) != after.get(name)}
    ctx.call("schemas", "UpdateSchema", {**_where(arn), **changed})


def _schemas(ctx: Context) -> list[str]:
    found: list[str] = []
    for registry in _registries(ctx):
        members = {"RegistryName": registry["RegistryName"]}
        found += [one["SchemaArn"] for one in every(ctx, "schemas", "ListSchemas", members, "Schemas")]
    return found


_SCHEMA = ResourceType(
    SCHEMA,
    create=_create_schema,
    made_with=("RegistryName", "SchemaName", "Type", "Content", "Description", "Tags"),
    read=_read_schema,
    delete=lambda ctx, arn, properties: ctx.call("schemas", "DeleteSchema", _where(arn)),
    list=_schemas,
    parts=(Part(("Type", "Content", "Description"), _put_schema), _TAGS),
    naming=Naming("SchemaName", 385),
    absent=(MISSING, "Absent"),
    present=("ConflictException",),
)


# Discoverers


def _create_discoverer(ctx: Context, properties: Properties) -> str:
    members = _kept(properties, "SourceArn", "Description", "CrossAccount")
    arn: str = ctx.call("schemas", "CreateDiscoverer", {**members, "Tags": _tags(properties)})["DiscovererArn"]
    return arn


def _discoverer(arn: str) -> dict[str, str]:
    return {"DiscovererId": _name_of("discoverer", arn)}


def _read_discoverer(ctx: Context, arn: str) -> Properties:
    held = ctx.call("schemas", "DescribeDiscoverer", _discoverer(arn))
    return _kept(held, "DiscovererArn", "DiscovererId", "SourceArn", "State", "Description", "CrossAccount")


def _put_discoverer(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    members = {"Description": after.get("Description") or "", "CrossAccount": after.get("CrossAccount", True)}
    ctx.call("schemas", "UpdateDiscoverer", {**_discoverer(arn), **members})


_DISCOVERER = ResourceType(
    DISCOVERER,
    create=_create_discoverer,
    made_with=("SourceArn", "Description", "CrossAccount", "Tags"),
    read=_read_discoverer,
    delete=lambda ctx, arn, properties: ctx.call("schemas", "DeleteDiscoverer", _discoverer(arn)),
    list=lambda ctx: [one["DiscovererArn"] for one in every(ctx, "schemas", "ListDiscoverers", {}, "Discoverers")],
    parts=(Part(("Description", "CrossAccount"), _put_discoverer), _TAGS),
    absent=(MISSING, "Absent"),
    present=("ConflictException",),
)


# Policies


def _create_policy(ctx: Context, properties: Properties) -> str:
    name: str = properties["RegistryName"]
    there = ctx.call("schemas", "DescribeRegistry", {"RegistryName": name})["RegistryArn"]
    try:
        _read_policy(ctx, there)
    except ServiceException as problem:
        if problem.code != MISSING:
            raise
        _put_policy(ctx, there, {}, properties)
        return str(there)
    raise exists("AWS::EventSchemas::RegistryPolicy", there)


def _read_policy(ctx: Context, arn: str) -> Properties:
    name = _name_of("registry", arn)
    held = ctx.call("schemas", "GetResourcePolicy", {"RegistryName": name})
    return {"Id": arn, "RegistryName": name, "Policy": parsed(held["Policy"]), "RevisionId": held["RevisionId"]}


def _put_policy(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    members = given(RegistryName=_name_of("registry", arn), Policy=document(after["Policy"]), RevisionId=after.get("RevisionId"))
    ctx.call("schemas", "PutResourcePolicy", members)


_POLICY = ResourceType(
    "AWS::EventSchemas::RegistryPolicy",
    create=_create_policy,
    made_with=("RegistryName", "Policy", "RevisionId"),
    read=_read_policy,
    delete=lambda ctx, arn, properties: ctx.call("schemas", "DeleteResourcePolicy", {"RegistryName": _name_of("registry", arn)}),
    parts=(Part(("Policy", "RevisionId"), _put_policy), not_updatable("AWS::EventSchemas::RegistryPolicy", "RegistryName")),
    absent=(MISSING, "Absent"),
    present=("Present",),
)

TYPES = (_REGISTRY, _SCHEMA, _DISCOVERER, _POLICY)
