"""Provisioned concurrency: environments of a version or alias that the workshop keeps ready."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import making
from fogbank.services.lambda_.addresses import Address, address_of, alias_of, arn, function_at, named, stamp, version_at
from fogbank.services.lambda_.concurrency import provisioned_of, unreserved
from fogbank.services.lambda_.faults import invalid, refusal
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.memory import memory_of
from fogbank.services.lambda_.state import LATEST, PROVISIONED, UNRESERVED_LEAST, Function, Provisioned


def _qualified(ctx: Context, req: Any) -> Address:
    """A version or alias that can have environments of its own. Errors: InvalidParameterValueException, ResourceNotFoundException."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    if where.qualifier == LATEST:
        raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    version = version_at(ctx, where)
    alias = alias_of(ctx, where)
    if alias is not None and not alias.version:
        raise invalid("Alias with weights can not be used with Provisioned Concurrency or points to an unpublished function version.")
    if version.snap_start == "PublishedVersions":
        raise invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")
    return where


def _key(ctx: Context, one: Provisioned) -> str:
    where = Address(one.account, one.region, one.function, one.qualifier)
    return making.key_of(function_at(ctx, where), version_at(ctx, where))


def _described(ctx: Context, one: Provisioned) -> dict[str, Any]:
    key = _key(ctx, one)
    held = ctx.workshop.counts().get(key)
    done = min(one.environments, held.provisioned) if held is not None else 0
    problem = ctx.workshop.failing(key)
    return {
        "RequestedProvisionedConcurrentExecutions": one.environments,
        "AllocatedProvisionedConcurrentExecutions": done,
        "AvailableProvisionedConcurrentExecutions": done,
        "Status": "READY" if done == one.environments else "FAILED" if problem else "IN_PROGRESS",
        "StatusReason": problem or None,
        "LastModified": stamp(one.modified_at_ms),
    }


@operation("PutProvisionedConcurrencyConfig")
def put_provisioned_concurrency_config(ctx: Context, req: Any) -> Answer:
    """Keeps environments of a version or alias ready, soon after.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, PutProvisionedConcurrencyConfig.
    """
    where = _qualified(ctx, req)
    function = function_at(ctx, where)
    wanted = req.ProvisionedConcurrentExecutions
    before = PROVISIONED.get(ctx, *where)
    others = provisioned_of(ctx, function) - (before.environments if before is not None else 0)
    limit = function.reserved if function.reserved is not None else unreserved(ctx, where.account, where.region) - UNRESERVED_LEAST
    if others + wanted > limit:
        raise invalid(f"Requested Provisioned Concurrency should not be greater than the {_limit_name(function)} for function ({limit}).")
    made = Provisioned(
        account=where.account,
        region=where.region,
        function=where.name,
        qualifier=where.qualifier,
        environments=wanted,
        modified_at_ms=ctx.now,
    )
    PROVISIONED.put(ctx, made)
    ctx.later("lambda.provision", list(where[:3]))
    return _described(ctx, made)


def _limit_name(function: Function) -> str:
    return "reservedConcurrentExecution" if function.reserved is not None else "unreservedConcurrentExecution"


def _at(ctx: Context, req: Any) -> Provisioned:
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version_at(ctx, where)
    found = PROVISIONED.get(ctx, *where)
    if found is None:
        raise refusal("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
    return found


@operation("GetProvisionedConcurrencyConfig")
def get_provisioned_concurrency_config(ctx: Context, req: Any) -> Answer:
    """What is kept ready of a version or alias. After a restart nothing is, until somebody asks or invokes.

    Errors: ResourceNotFoundException, ProvisionedConcurrencyConfigNotFoundException.
    Source: API reference, GetProvisionedConcurrencyConfig.
    """
    one = _at(ctx, req)
    if _key(ctx, one) not in memory_of(ctx).warmed:
        ctx.later("lambda.provision", [one.account, one.region, one.function])
    return _described(ctx, one)


@operation("DeleteProvisionedConcurrencyConfig")
def delete_provisioned_concurrency_config(ctx: Context, req: Any) -> Answer:
    """Ends keeping environments ready. Errors: ResourceNotFoundException. Source: API reference, DeleteProvisionedConcurrencyConfig."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version_at(ctx, where)
    found = PROVISIONED.get(ctx, *where)
    if found is not None:
        PROVISIONED.delete(ctx, found)
        ctx.later("lambda.provision", list(where[:3]))
    return None


@operation("ListProvisionedConcurrencyConfigs")
def list_provisioned_concurrency_configs(ctx: Context, req: Any) -> Answer:
    """What is kept ready of a function, by version and alias, at most 50 a page. Errors: ResourceNotFoundException.

    Source: API reference, ListProvisionedConcurrencyConfigs.
    """
    function = named(ctx, req.FunctionName)

    def described(one: Provisioned) -> dict[str, Any]:
        return {"FunctionArn": arn(one.account, one.region, one.function, one.qualifier), **_described(ctx, one)}

    found = PROVISIONED.scan(ctx, function.account, function.region, function.name)
    return page(req, "ProvisionedConcurrencyConfigs", found, 50, key=lambda one: one.qualifier, describe=described)
