"""Aliases: names for versions, that can be moved, and can send a part of their invocations to another version."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_.addresses import arn, get_version, named, number_of
from fogbank.services.lambda_.faults import changed_meanwhile, conflict, invalid, no_function, not_found
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.state import ALIASES, EVENT_INVOKES, LATEST, POLICIES, PROVISIONED, URLS, Alias, Function
from fogbank.store import change

WEIGHTED = 1
"""Versions that an alias can have besides its own."""


def arn_of(alias: Alias) -> str:
    return arn(alias.account, alias.region, alias.function, alias.name)


def _described(alias: Alias) -> dict[str, Any]:
    return {
        "AliasArn": arn_of(alias),
        "Name": alias.name,
        "FunctionVersion": str(alias.version) if alias.version else LATEST,
        "Description": alias.description,
        "RoutingConfig": {"AdditionalVersionWeights": alias.weights} if alias.weights else None,
        "RevisionId": alias.revision,
    }


def alias_at(ctx: Context, function: Function, name: str) -> Alias:
    """Raises ResourceNotFoundException."""
    alias = ALIASES.get(ctx, function.account, function.region, function.name, name)
    if alias is None:
        raise not_found(f"Cannot find alias arn: {arn(function.account, function.region, function.name, name)}")
    return alias


def _version(ctx: Context, function: Function, text: str) -> int:
    number = number_of(text)
    if number is None or get_version(ctx, function, number) is None:
        raise no_function(arn(function.account, function.region, function.name, text))
    return number


def _weights(ctx: Context, function: Function, version: int, given: Any) -> dict[str, float]:
    """Raises InvalidParameterValueException."""
    weights: dict[str, float] = dict(given.AdditionalVersionWeights or {})
    if not weights:
        return {}
    if len(weights) > WEIGHTED:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if version == 0:
        raise invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    for other, weight in weights.items():
        number = _version(ctx, function, other)
        if number == 0:
            raise invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if number == version:
            raise invalid(f"Invalid function version {version}. Function version {version} is already included in routing configuration.")
        if not 0 <= weight <= 1:
            raise invalid(f"Invalid weight {weight}: it must be between 0.0 and 1.0.")
        one, two = get_version(ctx, function, version), get_version(ctx, function, number)
        if one is not None and two is not None and (one.role, one.dead_letter_arn) != (two.role, two.dead_letter_arn):
            raise invalid("Both versions of an alias must have the same execution role and the same dead-letter queue configuration.")
    return weights


@operation("CreateAlias")
def create_alias(ctx: Context, req: Any) -> Answer:
    """Names a version; with weights, a part of its invocations goes to a second one.

    Errors: ResourceNotFoundException, ResourceConflictException, InvalidParameterValueException. Source: API reference, CreateAlias.
    """
    function = named(ctx, req.FunctionName)
    if ALIASES.get(ctx, function.account, function.region, function.name, req.Name) is not None:
        raise conflict(f"Alias already exists: {arn(function.account, function.region, function.name, req.Name)}")
    version = _version(ctx, function, req.FunctionVersion)
    alias = Alias(
        account=function.account,
        region=function.region,
        function=function.name,
        name=req.Name,
        version=version,
        revision=ctx.random.uuid(),
        weights=_weights(ctx, function, version, req.RoutingConfig) if req.RoutingConfig is not None else {},
        description=req.Description or "",
    )
    ALIASES.put(ctx, alias)
    return _described(alias)


@operation("GetAlias")
def get_alias(ctx: Context, req: Any) -> Answer:
    """An alias. Errors: ResourceNotFoundException. Source: API reference, GetAlias."""
    return _described(alias_at(ctx, named(ctx, req.FunctionName), req.Name))


@operation("UpdateAlias")
def update_alias(ctx: Context, req: Any) -> Answer:
    """Changes what is given. A RoutingConfig without weights ends them.

    Errors: ResourceNotFoundException, PreconditionFailedException, InvalidParameterValueException. Source: API reference, UpdateAlias.
    """
    function = named(ctx, req.FunctionName)
    alias = alias_at(ctx, function, req.Name)
    if req.RevisionId is not None and req.RevisionId != alias.revision:
        raise changed_meanwhile()
    version = alias.version if req.FunctionVersion is None else _version(ctx, function, req.FunctionVersion)
    weights = alias.weights if req.RoutingConfig is None else _weights(ctx, function, version, req.RoutingConfig)
    description = alias.description if req.Description is None else req.Description
    alias = change(alias, version=version, weights=weights, description=description, revision=ctx.random.uuid())
    ALIASES.put(ctx, alias)
    ctx.later("lambda.provision", [function.account, function.region, function.name])
    return _described(alias)


@operation("DeleteAlias")
def delete_alias(ctx: Context, req: Any) -> Answer:
    """Deletes an alias with its policy, URL and settings; one that is not there is no error.

    Errors: ResourceNotFoundException. Source: API reference, DeleteAlias.
    """
    function = named(ctx, req.FunctionName)
    where = (function.account, function.region, function.name, req.Name)
    alias = ALIASES.get(ctx, *where)
    if alias is None:
        return None
    ALIASES.delete(ctx, alias)
    if (policy := POLICIES.get(ctx, *where)) is not None:
        POLICIES.delete(ctx, policy)
    if (events := EVENT_INVOKES.get(ctx, *where)) is not None:
        EVENT_INVOKES.delete(ctx, events)
    if (provisioned := PROVISIONED.get(ctx, *where)) is not None:
        PROVISIONED.delete(ctx, provisioned)
    if (url := URLS.get(ctx, *where)) is not None:
        URLS.delete(ctx, url)
    return None


@operation("ListAliases")
def list_aliases(ctx: Context, req: Any) -> Answer:
    """The aliases of a function, or those of a version, by name, at most 50 a page.

    Errors: ResourceNotFoundException. Source: API reference, ListAliases.
    """
    function = named(ctx, req.FunctionName)
    wanted = None if req.FunctionVersion is None else number_of(req.FunctionVersion)
    found = (
        alias
        for alias in ALIASES.scan(ctx, function.account, function.region, function.name)
        if wanted is None or alias.version == wanted or str(wanted) in alias.weights
    )
    return page(req, "Aliases", found, 50, key=lambda alias: alias.name, describe=_described)


def chosen(ctx: Context, alias: Alias) -> int:
    """The version that an invocation of an alias goes to."""
    for number, weight in alias.weights.items():
        if weight and int.from_bytes(ctx.random.bytes(4)) < weight * 2**32:
            return int(number)
    return alias.version
