"""What EventBridge is told of parameters: "Parameter Store Change" of every one, "Parameter Store Policy Action" of policies carried out.

Source: "Setting up notifications or triggering actions based on Parameter Store events" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Waiting, task
from fogbank.services.ssm.names import arn_of
from fogbank.services.ssm.state import VERSIONS, Parameter

PRINCIPAL = "ssm.amazonaws.com"


def changed(ctx: Context, parameter: Parameter, operation: str, **more: Any) -> None:
    """Create, Update, Delete or LabelParameterVersion."""
    version = VERSIONS.get(ctx, parameter.id, parameter.latest)
    detail = {"operation": operation, "name": parameter.name, "type": parameter.type, **more}
    if version is not None and version.description:
        detail["description"] = version.description
    _tell(ctx, parameter, "Parameter Store Change", detail)


def acted(ctx: Context, parameter: Parameter, policy: str, reason: str) -> None:
    """A policy was carried out."""
    detail = {
        "policy-type": msgspec.json.decode(policy)["Type"],
        "policy-content": policy,
        "parameter-name": parameter.name,
        "parameter-type": parameter.type,
        "action-status": "Success",
        "action-reason": reason,
    }
    _tell(ctx, parameter, "Parameter Store Policy Action", detail)


def _tell(ctx: Context, parameter: Parameter, detail_type: str, detail: dict[str, Any]) -> None:
    entry = {
        "Source": "aws.ssm",
        "DetailType": detail_type,
        "Detail": msgspec.json.encode(detail).decode(),
        "Resources": [arn_of(parameter)],
        "Time": ctx.now,
    }
    payload = {"entry": entry, "account": parameter.account, "region": parameter.region, "arn": arn_of(parameter)}
    try:
        announce(ctx, payload)
    except (ServiceException, Waiting):
        ctx.later("ssm.announce", payload)


@task("announce")
def announce(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Puts an event on the default bus of the parameter's account and region, as Systems Manager."""
    acting = Acting(PRINCIPAL, payload["arn"], payload["account"])
    ctx.call("events", "PutEvents", {"Entries": [payload["entry"]]}, acting=acting, region=payload["region"])
    return None
