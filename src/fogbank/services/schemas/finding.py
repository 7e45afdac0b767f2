"""Searching schemas, and exporting them to JSON Schema."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas import contents, paged
from fogbank.services.schemas.addresses import bad, registry_at, schema_arn, schema_at, schemas_of, version_of, versions_of


@operation("SearchSchemas")
def search_schemas(ctx: Context, req: Any) -> Answer:
    """The schemas of a registry in whose name or content all keywords are, in whatever case, and the versions in which they are.

    Errors: NotFoundException (no registry), BadRequestException. Source: API reference, SearchSchemas.
    """
    registry = registry_at(ctx, req.RegistryName)
    keywords = req.Keywords.lower().split()
    if not keywords:
        raise bad("Keywords must not be empty.")
    found = []
    for schema in schemas_of(ctx, registry, after=paged.after(req)):
        name = schema.name.lower()
        hits = [
            version for version in versions_of(ctx, schema) if all(word in name or word in version.content.lower() for word in keywords)
        ]
        if hits:
            found.append((schema, hits))
    page, token = paged.page(req, found, lambda one: one[0].name)
    shown = [
        {
            "RegistryName": schema.registry,
            "SchemaArn": schema_arn(schema),
            "SchemaName": schema.name,
            "SchemaVersions": [
                {"CreatedDate": one.created_at_ms, "SchemaVersion": str(one.number), "Type": one.type} for one in reversed(hits)
            ],
        }
        for schema, hits in page
    ]
    return {"Schemas": shown, "NextToken": token}


@operation("ExportSchema")
def export_schema(ctx: Context, req: Any) -> Answer:
    """A schema as JSONSchemaDraft4, which is the only Type; one that is JSON Schema already as it is.

    Errors: NotFoundException, BadRequestException. Source: API reference, ExportSchema.
    """
    if req.Type != contents.JSONSCHEMA:
        raise bad(f"Type {req.Type} is not supported: schemas are exported as {contents.JSONSCHEMA}.")
    schema = schema_at(ctx, req.RegistryName, req.SchemaName)
    version = version_of(ctx, schema, req.SchemaVersion)
    content = version.content
    if version.type == contents.OPENAPI:
        content = msgspec.json.encode(contents.as_json_schema(msgspec.json.decode(content))).decode()
    return {
        "Content": content,
        "SchemaArn": schema_arn(schema),
        "SchemaName": schema.name,
        "SchemaVersion": str(version.number),
        "Type": contents.JSONSCHEMA,
    }
