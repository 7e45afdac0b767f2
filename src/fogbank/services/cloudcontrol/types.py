"""A type by its name, and what its resources are: identifiers, models, and how handlers' refusals are told."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.resource_types import Properties, ResourceType
from fogbank.wire import registry

PRINCIPAL = "cloudformation.amazonaws.com"
"""Whom a role has to trust."""

EXCEPTIONS = {
    "AlreadyExists": "AlreadyExistsException",
    "InvalidRequest": "InvalidRequestException",
    "NotFound": "ResourceNotFoundException",
    "ResourceConflict": "ResourceConflictException",
    "ServiceLimitExceeded": "ServiceLimitExceededException",
    "Throttling": "ThrottlingException",
}


class Type(NamedTuple):
    """What AWS says of a type, and what its service does."""

    schema: registry.Schema
    kind: ResourceType


def type_at(ctx: Context, req: Any, action: str) -> Type:
    """The type that a request names, for CREATE, READ, UPDATE, DELETE or LIST.

    Errors: TypeNotFoundException, UnsupportedActionException; NotImplemented where AWS has the type and Fogbank has not.
    """
    if req.TypeVersionId is not None:
        raise NotImplementedOperation("cloudcontrol", ctx.operation, "with TypeVersionId (types of one's own)")
    name = req.TypeName
    schema = registry.schema(name)
    if schema is None:
        raise ServiceException("TypeNotFoundException", f"The type '{name}' cannot be found.")
    if not schema.provisionable or action.lower() not in schema.handlers:
        raise ServiceException("UnsupportedActionException", f"Resource type {name} does not support {action} action")
    kind = ctx.resource_type(name)
    if kind is None:
        raise NotImplementedOperation("cloudcontrol", ctx.operation, f"for resources of type {name}")
    return Type(schema, kind)


def known(ctx: Context, name: str) -> Type:
    """The type of a request that was accepted before."""
    schema = registry.schema(name)
    assert schema is not None
    return Type(schema, ctx.resource_type(name))


def identifier_of(type: Type, given: str) -> str:
    """A primary identifier, given as text or as JSON. Errors: ValidationException."""
    names = type.schema.identifier
    if given[:1] != "{":
        return given
    values = read_object(given, "Identifier")
    if set(values) != set(names):
        raise ServiceException("ValidationException", f"Identifier {given} is not valid for identifier [{', '.join(_pointers(names))}]")
    return "|".join(str(values[name]) for name in names)


def _pointers(names: tuple[str, ...]) -> list[str]:
    return [f"/properties/{name}" for name in names]


def acting(ctx: Context, role: str) -> Context:
    """The caller, or the role that is to be used instead of them, which they must be allowed to pass. Errors: AccessDenied."""
    if not role:
        return ctx
    ctx.authorize("iam:PassRole", role, iam__PassedToService=PRINCIPAL)
    return as_role(ctx, role)


def as_role(ctx: Context, role: str) -> Context:
    return ctx.as_role(Role(role, PRINCIPAL, "AWSCloudFormation"))


def read_object(text: str, what: str) -> Properties:
    """JSON that is an object. Errors: ValidationException."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ServiceException("ValidationException", f"{what} is not a valid JSON object") from None


def check(type: Type, properties: Properties) -> None:
    """Errors: ValidationException, NotImplemented."""
    violations = type.schema.violations(properties)
    if violations:
        raise ServiceException("ValidationException", f"Model validation failed ({chr(10).join(violations)})")
    type.kind.check(properties)


def read(ctx: Context, type: Type, identifier: str) -> Properties:
    """A resource's properties. Errors: what a handler's refusal becomes."""
    try:
        return type.kind.read(ctx, identifier)
    except ServiceException as problem:
        raise refusal(ctx, type, problem) from None


def refusal(ctx: Context, type: Type, problem: ServiceException) -> ServiceException:
    """A handler's refusal as an answer of Cloud Control."""
    if problem.status == 501:
        return problem
    code = type.kind.fault(problem)
    said = f"{type.kind.name} Handler returned status FAILED: {problem.message} (HandlerErrorCode: {code}, RequestToken: {ctx.request_id})"
    return ServiceException(EXCEPTIONS.get(code, "GeneralServiceException"), said)


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
