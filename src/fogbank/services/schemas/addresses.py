"""How registries, schemas and discoverers are named, finding them, and the service's refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.schemas import published
from fogbank.services.schemas.state import DISCOVERERS, PUBLISHED, REGISTRIES, SCHEMAS, VERSIONS, Discoverer, Registry, Schema, Version


class Place(NamedTuple):
    """A registry; the account of AWS's own is ""."""

    account: str
    region: str
    registry: str


def _arn(account: str, region: str, resource: str) -> str:
    return f"arn:{partition_of(region)}:schemas:{region}:{account}:{resource}"


def registry_arn(where: Registry | Place) -> str:
    name = where.name if isinstance(where, Registry) else where.registry
    return _arn(where.account, where.region, f"registry/{name}")


def schema_arn(schema: Schema | Version) -> str:
    return _arn(schema.account, schema.region, f"schema/{schema.registry}/{schema.name}")


def discoverer_arn(discoverer: Discoverer) -> str:
    return _arn(discoverer.account, discoverer.region, f"discoverer/{discoverer.id}")


# Refusals


def bad(message: str) -> ServiceException:
    return ServiceException("BadRequestException", message, Code="BadRequest")


def missing(message: str) -> ServiceException:
    return ServiceException("NotFoundException", message, Code="NotFound")


def there(message: str) -> ServiceException:
    return ServiceException("ConflictException", message, Code="Conflict")


def forbidden(message: str) -> ServiceException:
    return ServiceException("ForbiddenException", message, Code="Forbidden")


# Finding


def place(ctx: Context, name: str) -> Place:
    """The registry that a name means, or the ARN of one of another account. Raises NotFoundException."""
    if name == PUBLISHED:
        return Place("", ctx.region, name)
    if not name.startswith("arn:"):
        return Place(ctx.account, ctx.region, name)
    parts = Arn.parse(name)
    if parts is None or parts.service != "schemas" or not parts.resource.startswith("registry/"):
        raise missing(f"Registry with name {name} does not exist.")
    return Place(parts.account, parts.region, parts.resource.removeprefix("registry/"))


def get_registry(ctx: Context, where: Place) -> Registry | None:
    if where.registry == PUBLISHED and not where.account:
        return published.registry(where.region)
    return REGISTRIES.get(ctx, *where)


def registry_at(ctx: Context, name: str) -> Registry:
    """Raises NotFoundException."""
    registry = get_registry(ctx, place(ctx, name))
    if registry is None:
        raise missing(f"Registry with name {name} does not exist.")
    return registry


def own_registry_at(ctx: Context, name: str) -> Registry:
    """One that can be changed. Raises NotFoundException, ForbiddenException (AWS's own)."""
    registry = registry_at(ctx, name)
    if not registry.account:
        raise forbidden(f"Registry {name} is managed by AWS: it cannot be changed.")
    return registry


def get_schema(ctx: Context, where: Place, name: str) -> Schema | None:
    if not where.account:
        return published.schema(where.region, name)
    return SCHEMAS.get(ctx, *where, name)


def schema_at(ctx: Context, registry: str, name: str) -> Schema:
    """Raises NotFoundException."""
    found = registry_at(ctx, registry)
    schema = get_schema(ctx, Place(found.account, found.region, found.name), name)
    if schema is None:
        raise missing(f"Schema with name {name} does not exist.")
    return schema


def version_of(ctx: Context, schema: Schema, number: str | int | None = None) -> Version:
    """A version of a schema; the newest where none is named. Raises NotFoundException."""
    wanted = str(schema.newest if number in (None, "") else number)
    found: Version | None = None
    if not schema.account:
        found = published.version(schema.region, schema.name) if wanted == "1" else None
    elif wanted.isdecimal() and len(wanted) < 10:
        found = VERSIONS.get(ctx, schema.account, schema.region, schema.registry, schema.name, int(wanted))
    if found is None:
        raise missing(f"Schema version {wanted} of schema {schema.name} does not exist.")
    return found


def versions_of(ctx: Context, schema: Schema) -> Iterator[Version]:
    """All of them, from the oldest on."""
    if not schema.account:
        return iter((published.version(schema.region, schema.name),))
    return VERSIONS.scan(ctx, schema.account, schema.region, schema.registry, schema.name)


def schemas_of(ctx: Context, where: Registry, *, starting: str = "", after: str = "") -> Iterator[Schema]:
    """The schemas of a registry by name, those that begin with `starting`."""
    if where.account:
        return SCHEMAS.scan(ctx, where.account, where.region, where.name, starting=starting, after=after or None)
    return (one for one in published.schemas(where.region) if one.name.startswith(starting) and one.name > after)


def discoverer_at(ctx: Context, id: str) -> Discoverer:
    """Raises NotFoundException."""
    discoverer = DISCOVERERS.get(ctx, ctx.account, ctx.region, id)
    if discoverer is None:
        raise missing(f"Discoverer with ID {id} does not exist.")
    return discoverer


# For the door


def _tagged(req: Any, kind: str) -> str | None:
    arn: str | None = getattr(req, "ResourceArn", None)
    parts = Arn.parse(arn) if arn else None
    return arn if parts is not None and parts.resource.startswith(kind + "/") else None


def registry_of_request(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "RegistryName", None)
    return registry_arn(place(ctx, name)) if name else _tagged(req, "registry")


def schema_of_request(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "RegistryName", None)
    if not name:
        return _tagged(req, "schema")
    where = place(ctx, name)
    return _arn(where.account, where.region, f"schema/{where.registry}/{getattr(req, 'SchemaName', None) or '*'}")


def discoverer_of_request(ctx: Context, req: Any) -> str | None:
    if getattr(req, "ResourceArn", None):
        return _tagged(req, "discoverer")
    return _arn(ctx.account, ctx.region, f"discoverer/{getattr(req, 'DiscovererId', None) or '*'}")


def named(ctx: Context, arn: str) -> Registry | Schema | Discoverer | None:
    """What an ARN names."""
    parts = Arn.parse(arn)
    kind, _, name = parts.resource.partition("/") if parts is not None else ("", "", "")
    if parts is None or parts.service != "schemas":
        return None
    if kind == "discoverer":
        return DISCOVERERS.get(ctx, parts.account, parts.region, name)
    registry, _, schema = name.partition("/")
    where = Place(parts.account, parts.region, registry)
    if kind == "schema":
        return get_schema(ctx, where, schema)
    return get_registry(ctx, where) if kind == "registry" else None


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    found = named(ctx, arn)
    return found.tags if found is not None else None


def policy_of(ctx: Context, arn: str) -> str | None:
    """A registry's policy speaks of its schemas too."""
    parts = Arn.parse(arn)
    if parts is None or not parts.account:
        return None
    registry = REGISTRIES.get(ctx, parts.account, parts.region, parts.resource.split("/")[1])
    return registry.policy or None if registry is not None else None
