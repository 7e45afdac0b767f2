"""Concurrency: what is reserved for functions, what is kept ready for versions and aliases, and what the account has left.

What runs now only the workshop's process knows: it is counted there (`running`), never in rows.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_.addresses import Address, alias_of, named, number_of
from fogbank.services.lambda_.faults import invalid
from fogbank.services.lambda_.packages import used_bytes
from fogbank.services.lambda_.state import (
    CONCURRENCY,
    FUNCTIONS,
    PROVISIONED,
    RESERVED,
    TOTAL_BYTES,
    UNRESERVED_LEAST,
    UNZIPPED_BYTES,
    ZIPPED_BYTES,
    Function,
)
from fogbank.store import change
from fogbank.store.tables import At


def reserved(at: At, account: str, region: str, besides: str = "") -> int:
    """What functions of an account and region have reserved."""
    return sum(f.reserved or 0 for f in RESERVED.scan(at, account, region) if f.name != besides)


def provisioned_of(at: At, function: Function) -> int:
    return sum(one.environments for one in PROVISIONED.scan(at, function.account, function.region, function.name))


def unreserved(at: At, account: str, region: str) -> int:
    """What functions without a reservation share: provisioned concurrency of theirs is part of it."""
    return CONCURRENCY - reserved(at, account, region)


@operation("PutFunctionConcurrency")
def put_function_concurrency(ctx: Context, req: Any) -> Answer:
    """Reserves concurrency for a function, which is also its limit (0: it never runs); 100 must be left for the others.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, PutFunctionConcurrency.
    """
    function = named(ctx, req.FunctionName)
    wanted = req.ReservedConcurrentExecutions
    if CONCURRENCY - reserved(ctx, function.account, function.region, function.name) - wanted < UNRESERVED_LEAST:
        raise invalid(
            f"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
            f"value of [{UNRESERVED_LEAST}]."
        )
    if wanted < provisioned_of(ctx, function):
        raise invalid("Specified ReservedConcurrentExecutions is less than the function's ProvisionedConcurrentExecutions.")
    FUNCTIONS.put(ctx, change(function, reserved=wanted))
    return {"ReservedConcurrentExecutions": wanted}


@operation("GetFunctionConcurrency")
def get_function_concurrency(ctx: Context, req: Any) -> Answer:
    """What is reserved for a function; nothing where nothing is. Errors: ResourceNotFoundException.

    Source: API reference, GetFunctionConcurrency.
    """
    return {"ReservedConcurrentExecutions": named(ctx, req.FunctionName).reserved}


@operation("DeleteFunctionConcurrency")
def delete_function_concurrency(ctx: Context, req: Any) -> Answer:
    """Ends a reservation. Errors: ResourceNotFoundException. Source: API reference, DeleteFunctionConcurrency."""
    FUNCTIONS.put(ctx, change(named(ctx, req.FunctionName), reserved=None))
    return None


@operation("GetAccountSettings")
def get_account_settings(ctx: Context, req: Any) -> Answer:
    """The limits of the account in the region, and what it uses of them. Source: API reference, GetAccountSettings."""
    limit = {
        "TotalCodeSize": TOTAL_BYTES,
        "CodeSizeUnzipped": UNZIPPED_BYTES,
        "CodeSizeZipped": ZIPPED_BYTES,
        "ConcurrentExecutions": CONCURRENCY,
        "UnreservedConcurrentExecutions": unreserved(ctx, ctx.account, ctx.region),
    }
    count = sum(1 for _ in FUNCTIONS.scan(ctx, ctx.account, ctx.region))
    return {"AccountLimit": limit, "AccountUsage": {"TotalCodeSize": used_bytes(ctx), "FunctionCount": count}}


def ready_for(at: At, function: Function, number: int) -> int:
    """How many environments of a version are to be kept ready: for itself and for the aliases that point to it."""
    total = 0
    for one in PROVISIONED.scan(at, function.account, function.region, function.name):
        version = number_of(one.qualifier)
        if version is None:
            alias = alias_of(at, Address(one.account, one.region, one.function, one.qualifier))
            version = alias.version if alias is not None else None
        if version == number:
            total += one.environments
    return total
