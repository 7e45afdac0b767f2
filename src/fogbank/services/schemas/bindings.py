"""Code bindings of schemas. They are made when they are fetched: what is kept is that they were asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.schemas import code, contents
from fogbank.services.schemas.addresses import Place, bad, get_schema, missing, schema_at, version_of
from fogbank.services.schemas.code import program
from fogbank.services.schemas.state import BINDINGS, Binding, Version
from fogbank.store import change

IN_PROGRESS, COMPLETE, FAILED = "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED"


def _program(version: Version) -> program.Program:
    """Raises NoClasses."""
    document = msgspec.json.decode(version.content)
    if version.type == contents.OPENAPI:
        return program.of_openapi(version.name, document, contents.root_of(document))
    return program.of_json_schema(version.name, document)


def _version(ctx: Context, req: Any) -> Version:
    """Raises NotFoundException, BadRequestException (the language)."""
    if req.Language not in code.LANGUAGES:
        raise bad(f"Language {req.Language} is not supported: it is one of {', '.join(sorted(code.LANGUAGES))}.")
    return version_of(ctx, schema_at(ctx, req.RegistryName, req.SchemaName), req.SchemaVersion)


def _key(ctx: Context, version: Version, language: str) -> tuple[str, str, str, str, str, int, str]:
    return ctx.account, ctx.region, version.account, version.registry, version.name, version.number, language


def _at(ctx: Context, version: Version, language: str) -> Binding:
    """Raises NotFoundException."""
    binding = BINDINGS.get(ctx, *_key(ctx, version, language))
    if binding is None:
        raise missing(f"Code binding for language {language} of schema {version.name}, version {version.number}, does not exist.")
    return binding


def _shown(binding: Binding) -> dict[str, Any]:
    return {
        "CreationDate": binding.created_at_ms,
        "LastModified": binding.modified_at_ms,
        "SchemaVersion": str(binding.number),
        "Status": binding.status,
    }


@operation("PutCodeBinding")
def put_code_binding(ctx: Context, req: Any) -> Answer:
    """Has code made for a version of a schema, in Python36, TypeScript3, Java8 or Go1; one that is there is not made again.

    Errors: NotFoundException, BadRequestException. Source: API reference, PutCodeBinding.
    """
    version = _version(ctx, req)
    key = _key(ctx, version, req.Language)
    binding = BINDINGS.get(ctx, *key)
    if binding is None or binding.status == FAILED:
        made = dict(zip(BINDINGS.fields, key, strict=True))
        binding = Binding(**made, status=IN_PROGRESS, created_at_ms=ctx.now, modified_at_ms=ctx.now)  # type: ignore[arg-type]
        BINDINGS.put(ctx, binding)
        ctx.later("schemas.make_code", list(key))
    return _shown(binding)


@task("make_code")
def make_code(ctx: Context, key: list[Any]) -> Answer:
    """Sees whether there is code for a schema."""
    binding = BINDINGS.get(ctx, *key)
    if binding is None or binding.status != IN_PROGRESS:
        return None
    schema = get_schema(ctx, Place(binding.of, binding.region, binding.registry), binding.name)
    status = FAILED
    if schema is not None:
        try:
            code.archive(_program(version_of(ctx, schema, binding.number)), binding.language)
            status = COMPLETE
        except program.NoClasses:
            pass
    BINDINGS.put(ctx, change(binding, status=status, modified_at_ms=ctx.now))
    return None


@operation("DescribeCodeBinding")
def describe_code_binding(ctx: Context, req: Any) -> Answer:
    """How far a code binding is. Errors: NotFoundException, BadRequestException. Source: API reference, DescribeCodeBinding."""
    return _shown(_at(ctx, _version(ctx, req), req.Language))


@operation("GetCodeBindingSource")
def get_code_binding_source(ctx: Context, req: Any) -> Answer:
    """A zip with the code. Errors: NotFoundException (not asked for, or not complete), BadRequestException. Source: API reference."""
    version = _version(ctx, req)
    if _at(ctx, version, req.Language).status != COMPLETE:
        raise missing(f"Code binding for language {req.Language} of schema {version.name} is not complete.")
    return {"Body": code.archive(_program(version), req.Language)}
