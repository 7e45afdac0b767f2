"""Pending maintenance: there never is any.

An engine's programs are the machine's: a newer minor version is there when a node is next started, whatever AutoMinorVersionUpgrade
says. Certificates, hardware and operating system are not the cloud's to maintain.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses
from fogbank.services.rds.faults import invalid

ACTIONS = ("ca-certificate-rotation", "db-upgrade", "hardware-maintenance", "os-upgrade", "system-update")
OPT_INS = ("immediate", "next-maintenance", "undo-opt-in")


def _check(ctx: Context, arn: str) -> None:
    """Errors: ResourceNotFoundFault."""
    parts = Arn.parse(arn)
    kind, _, name = parts.resource.partition(":") if parts is not None else ("", "", "")
    if parts is None or kind not in ("db", "cluster") or addresses.TAGGED[kind].find(ctx, ctx.account, ctx.region, name) is None:
        raise ServiceException("ResourceNotFoundFault", f"The specified resource {arn} was not found.", status=404)


@operation("DescribePendingMaintenanceActions")
def describe_pending_maintenance_actions(ctx: Context, req: Any) -> Answer:
    """The resources that wait for maintenance: none do. Errors: ResourceNotFoundFault, InvalidParameterValue."""
    addresses.filters(req, ("db-cluster-id", "db-instance-id"))
    if req.ResourceIdentifier is not None:
        _check(ctx, req.ResourceIdentifier)
    return {"PendingMaintenanceActions": []}


@operation("ApplyPendingMaintenanceAction")
def apply_pending_maintenance_action(ctx: Context, req: Any) -> Answer:
    """Applies an action that a resource waits for: none does. Errors: ResourceNotFoundFault, InvalidParameterValue."""
    _check(ctx, req.ResourceIdentifier)
    if req.ApplyAction not in ACTIONS:
        raise invalid(f"Invalid apply action: {req.ApplyAction}")
    if req.OptInType not in OPT_INS:
        raise invalid(f"Invalid opt-in type: {req.OptInType}")
    message = f"{req.ResourceIdentifier} has no pending maintenance action {req.ApplyAction}."
    raise ServiceException("ResourceNotFoundFault", message, status=404)
