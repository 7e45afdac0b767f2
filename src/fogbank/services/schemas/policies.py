"""Policies of registries, which speak of their schemas too. The door enforces them."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.access import grammar
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas.addresses import bad, missing, own_registry_at, registry_at
from fogbank.services.schemas.state import REGISTRIES, Registry
from fogbank.store import change


def _named(req: Any) -> str:
    if not req.RegistryName:
        raise bad("The registry name is required.")
    name: str = req.RegistryName
    return name


def _text(policy: Any) -> str:
    """The document as text: AWS's SDKs send it as JSON in a string. Raises BadRequestException."""
    text = policy if isinstance(policy, str) else msgspec.json.encode(policy).decode()
    try:
        grammar.read(text, "resource")
    except ServiceException as wrong:
        raise bad(f"The resource policy is not valid: {wrong.message}") from None
    return text


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a policy to a registry, in the place of the one it has: of that RevisionId, where one is given.

    Errors: NotFoundException, PreconditionFailedException, BadRequestException, ForbiddenException. Source: PutResourcePolicy.
    """
    registry = own_registry_at(ctx, _named(req))
    if req.RevisionId and req.RevisionId != registry.revision:
        raise ServiceException("PreconditionFailedException", "The revision ID does not match the current one.", Code="PreconditionFailed")
    registry = change(registry, policy=_text(req.Policy), revision=ctx.random.uuid())
    REGISTRIES.put(ctx, registry)
    return _shown(registry)


def _shown(registry: Registry) -> dict[str, Any]:
    return {"Policy": registry.policy, "RevisionId": registry.revision}


def _attached(ctx: Context, name: str) -> Registry:
    registry = registry_at(ctx, name)
    if not registry.policy:
        raise missing(f"Registry {name} has no resource policy.")
    return registry


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """The policy of a registry. Errors: NotFoundException (no registry, no policy). Source: API reference, GetResourcePolicy."""
    return _shown(_attached(ctx, _named(req)))


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes the policy of a registry away. Errors: NotFoundException (no registry, no policy). Source: DeleteResourcePolicy."""
    REGISTRIES.put(ctx, change(_attached(ctx, _named(req)), policy="", revision=""))
    return None
