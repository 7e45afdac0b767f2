"""Registries."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas import paged, published, tagging
from fogbank.services.schemas.addresses import bad, forbidden, own_registry_at, registry_arn, registry_at, schema_arn, there
from fogbank.services.schemas.state import DISCOVERED, PUBLISHED, REGISTRIES, REGISTRIES_LIMIT, SCHEMAS, Registry
from fogbank.store import change

_name = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def _summary(registry: Registry) -> dict[str, Any]:
    return {"RegistryArn": registry_arn(registry), "RegistryName": registry.name, "Tags": registry.tags}


def _shown(registry: Registry) -> dict[str, Any]:
    return {**_summary(registry), "Description": registry.description or None}


@operation("CreateRegistry")
def create_registry(ctx: Context, req: Any) -> Answer:
    """Makes a registry. Names: 64 letters, digits, `.`, `-`, `_`, not beginning with `aws.`. Limits: 10 in an account and region.

    Errors: ConflictException, BadRequestException, ForbiddenException (the limit). Source: API reference, CreateRegistry.
    """
    name = req.RegistryName
    if not _name(name) or name.startswith("aws."):
        raise bad(f"Registry name {name} is not valid: it has up to 64 letters, digits, '.', '-' and '_', and doesn't begin with 'aws.'.")
    if REGISTRIES.get(ctx, ctx.account, ctx.region, name) is not None:
        raise there(f"Registry with name {name} already exists.")
    own = sum(1 for one in REGISTRIES.scan(ctx, ctx.account, ctx.region) if one.name != DISCOVERED)
    if own >= REGISTRIES_LIMIT:
        raise forbidden(f"The limit of {REGISTRIES_LIMIT} registries is reached.")
    registry = Registry(
        account=ctx.account, region=ctx.region, name=name, description=req.Description or "", tags=tagging.checked(req.Tags or {})
    )
    REGISTRIES.put(ctx, registry)
    return _shown(registry)


@operation("DescribeRegistry")
def describe_registry(ctx: Context, req: Any) -> Answer:
    """A registry: by name, or by the ARN of another account's. Errors: NotFoundException. Source: API reference, DescribeRegistry."""
    return _shown(registry_at(ctx, req.RegistryName))


@operation("UpdateRegistry")
def update_registry(ctx: Context, req: Any) -> Answer:
    """Changes the description. Errors: NotFoundException, ForbiddenException (AWS's own). Source: API reference, UpdateRegistry."""
    registry = own_registry_at(ctx, req.RegistryName)
    if req.Description is not None:
        registry = change(registry, description=req.Description)
        REGISTRIES.put(ctx, registry)
    return _shown(registry)


@operation("DeleteRegistry")
def delete_registry(ctx: Context, req: Any) -> Answer:
    """Deletes a registry that has no schemas. Errors: NotFoundException, BadRequestException (it has some), ForbiddenException."""
    registry = own_registry_at(ctx, req.RegistryName)
    for schema in SCHEMAS.scan(ctx, registry.account, registry.region, registry.name):
        raise bad(f"Registry {registry.name} is not empty: it contains {schema_arn(schema)}.")
    REGISTRIES.delete(ctx, registry)
    return None


@operation("ListRegistries")
def list_registries(ctx: Context, req: Any) -> Answer:
    """The registries by name, AWS's own among them; only those (Scope AWS), or only the account's (Local). Source: ListRegistries."""
    if req.Scope not in (None, "", "Local", "AWS"):
        raise bad(f"Scope {req.Scope} is not valid: it is Local or AWS.")
    after, prefix = paged.after(req), req.RegistryNamePrefix or ""
    found: list[Registry] = []
    if req.Scope != "AWS":
        found += REGISTRIES.scan(ctx, ctx.account, ctx.region, starting=prefix, after=after or None)
    if req.Scope != "Local" and PUBLISHED.startswith(prefix) and after < PUBLISHED:
        found.append(published.registry(ctx.region))
    page, token = paged.page(req, sorted(found, key=lambda one: one.name), lambda one: one.name)
    return {"Registries": [_summary(one) for one in page], "NextToken": token}
