"""DeleteParameter, DeleteParameters."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm import announcing
from fogbank.services.ssm.names import arn, own_parameter_at
from fogbank.services.ssm.state import PARAMETERS, STANDARD, TALLIES, VERSIONS, Parameter, Tally
from fogbank.store import change


def tally_of(ctx: Context, account: str, region: str) -> Tally:
    return TALLIES.get(ctx, account, region) or Tally(account=account, region=region)


def count(ctx: Context, parameter: Parameter, more: int) -> None:
    """Adds a parameter to the tally of its tier, or takes it out."""
    tally = tally_of(ctx, parameter.account, parameter.region)
    if parameter.tier == STANDARD:
        TALLIES.put(ctx, change(tally, standard=tally.standard + more))
    else:
        TALLIES.put(ctx, change(tally, advanced=tally.advanced + more))


def erase(ctx: Context, parameter: Parameter) -> None:
    announcing.changed(ctx, parameter, "Delete")
    for version in list(VERSIONS.scan(ctx, parameter.id)):
        VERSIONS.delete(ctx, version)
    PARAMETERS.delete(ctx, parameter)
    count(ctx, parameter, -1)


@operation("DeleteParameter")
def delete_parameter(ctx: Context, req: Any) -> Answer:
    """Deletes a parameter with all its versions. Errors: ParameterNotFound. Source: API reference, DeleteParameter."""
    erase(ctx, own_parameter_at(ctx, req.Name))
    return None


@operation("DeleteParameters", authorized_here=True)
def delete_parameters(ctx: Context, req: Any) -> Answer:
    """Deletes up to 10 parameters; those that are not there are told in InvalidParameters. Source: API reference, DeleteParameters."""
    names = list(dict.fromkeys(name.strip() for name in req.Names))
    for name in names:
        ctx.authorize("ssm:DeleteParameters", arn(ctx.account, ctx.region, name))
    deleted: list[str] = []
    missing: list[str] = []
    for name in names:
        parameter = PARAMETERS.get(ctx, ctx.account, ctx.region, name)
        (missing if parameter is None else deleted).append(name)
        if parameter is not None:
            erase(ctx, parameter)
    return {"DeletedParameters": deleted, "InvalidParameters": missing}
