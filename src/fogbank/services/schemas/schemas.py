"""Schemas and their versions."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas import contents, paged, tagging
from fogbank.services.schemas.addresses import (
    bad,
    forbidden,
    own_registry_at,
    registry_at,
    schema_arn,
    schema_at,
    schemas_of,
    there,
    version_of,
    versions_of,
)
from fogbank.services.schemas.state import (
    BINDINGS,
    DISCOVERED,
    LEARNED,
    SCHEMAS,
    SCHEMAS_LIMIT,
    VERSIONS,
    VERSIONS_LIMIT,
    Registry,
    Schema,
    Version,
)
from fogbank.store import change

_name = re.compile(r"[A-Za-z0-9._@-]{1,385}").fullmatch
KINDS = (contents.OPENAPI, contents.JSONSCHEMA)


def _check(kind: str, content: str) -> None:
    """Raises BadRequestException."""
    if kind not in KINDS:
        raise bad(f"Type {kind} is not valid: it is one of {', '.join(KINDS)}.")
    try:
        contents.check(kind, content)
    except contents.InvalidContent as wrong:
        raise bad(f"The content is not a valid {kind} document: {wrong}.") from None


def made(ctx: Context, registry: Registry, name: str, kind: str, content: str, *, description: str, tags: dict[str, str]) -> Schema:
    """Puts a schema with its first version."""
    schema = Schema(
        account=registry.account,
        region=registry.region,
        registry=registry.name,
        name=name,
        newest=0,
        numbered=0,
        modified_at_ms=ctx.now,
        description=description,
        tags=tags,
    )
    return with_version(ctx, schema, kind, content)


def with_version(ctx: Context, schema: Schema, kind: str, content: str) -> Schema:
    """Puts a schema with another version, which is then its newest."""
    number = schema.numbered + 1
    version = Version(
        account=schema.account,
        region=schema.region,
        registry=schema.registry,
        name=schema.name,
        number=number,
        type=kind,
        content=content,
        created_at_ms=ctx.now,
    )
    VERSIONS.put(ctx, version)
    schema = change(schema, newest=number, numbered=number, modified_at_ms=ctx.now)
    SCHEMAS.put(ctx, schema)
    return schema


def _shown(schema: Schema, version: Version) -> dict[str, Any]:
    return {
        "Description": schema.description or None,
        "LastModified": schema.modified_at_ms,
        "SchemaArn": schema_arn(schema),
        "SchemaName": schema.name,
        "SchemaVersion": str(version.number),
        "Tags": schema.tags,
        "Type": version.type,
        "VersionCreatedDate": version.created_at_ms,
    }


@operation("CreateSchema")
def create_schema(ctx: Context, req: Any) -> Answer:
    """Makes a schema with its version 1. Names: 385 letters, digits, `.`, `-`, `_`, `@`. Limits: 100,000 characters, 100 in a registry.

    Errors: NotFoundException (no registry), ConflictException, BadRequestException, ForbiddenException (AWS's registry, the limit).
    Source: API reference, CreateSchema.
    """
    registry = own_registry_at(ctx, req.RegistryName)
    if not _name(req.SchemaName):
        raise bad(f"Schema name {req.SchemaName} is not valid: it has up to 385 letters, digits, '.', '-', '_' and '@'.")
    if SCHEMAS.get(ctx, registry.account, registry.region, registry.name, req.SchemaName) is not None:
        raise there(f"Schema with name {req.SchemaName} already exists.")
    _check(req.Type, req.Content)
    if sum(1 for _ in SCHEMAS.scan(ctx, registry.account, registry.region, registry.name)) >= SCHEMAS_LIMIT:
        raise forbidden(f"The limit of {SCHEMAS_LIMIT} schemas in a registry is reached.")
    tags = tagging.checked(req.Tags or {})
    schema = made(ctx, registry, req.SchemaName, req.Type, req.Content, description=req.Description or "", tags=tags)
    return _shown(schema, version_of(ctx, schema))


@operation("UpdateSchema")
def update_schema(ctx: Context, req: Any) -> Answer:
    """Changes the description; content or type that differ from the newest version's make a new version.

    The same ClientTokenId again makes no other one. Limits: 100 versions.
    Errors: NotFoundException, BadRequestException, ForbiddenException (AWS's registry, the limit). Source: API reference, UpdateSchema.
    """
    own_registry_at(ctx, req.RegistryName)
    schema = schema_at(ctx, req.RegistryName, req.SchemaName)
    newest = version_of(ctx, schema)
    if req.ClientTokenId and req.ClientTokenId == schema.token:
        return _shown(schema, newest)
    kind, content = req.Type or newest.type, newest.content if req.Content is None else req.Content
    description = schema.description if req.Description is None else req.Description
    schema = change(schema, description=description, token=req.ClientTokenId or "", modified_at_ms=ctx.now)
    if (kind, content) == (newest.type, newest.content):
        SCHEMAS.put(ctx, schema)
        return _shown(schema, newest)
    _check(kind, content)
    if sum(1 for _ in versions_of(ctx, schema)) >= VERSIONS_LIMIT:
        raise forbidden(f"The limit of {VERSIONS_LIMIT} versions of a schema is reached.")
    schema = with_version(ctx, schema, kind, content)
    return _shown(schema, version_of(ctx, schema))


@operation("DescribeSchema")
def describe_schema(ctx: Context, req: Any) -> Answer:
    """A schema with its content: the newest version, or the one that is named. Errors: NotFoundException. Source: DescribeSchema."""
    schema = schema_at(ctx, req.RegistryName, req.SchemaName)
    version = version_of(ctx, schema, req.SchemaVersion)
    return {**_shown(schema, version), "Content": version.content}


@operation("DeleteSchema")
def delete_schema(ctx: Context, req: Any) -> Answer:
    """Deletes a schema with its versions and code bindings. Errors: NotFoundException, ForbiddenException. Source: DeleteSchema."""
    own_registry_at(ctx, req.RegistryName)
    _delete(ctx, schema_at(ctx, req.RegistryName, req.SchemaName))
    return None


def _delete(ctx: Context, schema: Schema) -> None:
    for version in list(versions_of(ctx, schema)):
        _delete_version(ctx, version)
    SCHEMAS.delete(ctx, schema)
    if schema.registry == DISCOVERED and (learned := LEARNED.get(ctx, schema.account, schema.region, schema.name)) is not None:
        LEARNED.delete(ctx, learned)


def _delete_version(ctx: Context, version: Version) -> None:
    where = (version.account, version.region, version.account, version.registry, version.name, version.number)
    for binding in list(BINDINGS.scan(ctx, *where)):
        BINDINGS.delete(ctx, binding)
    VERSIONS.delete(ctx, version)


@operation("DeleteSchemaVersion")
def delete_schema_version(ctx: Context, req: Any) -> Answer:
    """Deletes a version; with the last one its schema goes. Numbers are not given again.

    Errors: NotFoundException, ForbiddenException (AWS's registry). Source: API reference, DeleteSchemaVersion.
    """
    own_registry_at(ctx, req.RegistryName)
    schema = schema_at(ctx, req.RegistryName, req.SchemaName)
    _delete_version(ctx, version_of(ctx, schema, req.SchemaVersion))
    left = [version.number for version in versions_of(ctx, schema)]
    if not left:
        _delete(ctx, schema)
    elif schema.newest != left[-1]:
        SCHEMAS.put(ctx, change(schema, newest=left[-1], modified_at_ms=ctx.now))
    return None


@operation("ListSchemas")
def list_schemas(ctx: Context, req: Any) -> Answer:
    """The schemas of a registry by name. Errors: NotFoundException, BadRequestException. Source: API reference, ListSchemas."""
    registry = registry_at(ctx, req.RegistryName)
    found = schemas_of(ctx, registry, starting=req.SchemaNamePrefix or "", after=paged.after(req))
    page, token = paged.page(req, found, lambda one: one.name)
    shown = [
        {
            "LastModified": one.modified_at_ms,
            "SchemaArn": schema_arn(one),
            "SchemaName": one.name,
            "Tags": one.tags,
            "VersionCount": sum(1 for _ in versions_of(ctx, one)),
        }
        for one in page
    ]
    return {"Schemas": shown, "NextToken": token}


@operation("ListSchemaVersions")
def list_schema_versions(ctx: Context, req: Any) -> Answer:
    """The versions of a schema, from the newest on. Errors: NotFoundException, BadRequestException. Source: ListSchemaVersions."""
    schema, after = schema_at(ctx, req.RegistryName, req.SchemaName), paged.after(req)
    found = sorted(versions_of(ctx, schema), key=lambda one: -one.number)
    left = [one for one in found if not after or one.number < int(after)]
    page, token = paged.page(req, left, lambda one: str(one.number))
    shown = [{"SchemaArn": schema_arn(one), "SchemaName": one.name, "SchemaVersion": str(one.number), "Type": one.type} for one in page]
    return {"SchemaVersions": shown, "NextToken": token}
