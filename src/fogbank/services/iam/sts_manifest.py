"""What STS does."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.iam import assume_role, authorization_messages, callers, federation, web_identity


def _federated_user(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "Name", None)
    return None if name is None else ctx.arn(f"federated-user/{name}", service="sts", region="")


RESOURCES = (
    Resource("role", lambda ctx, req: getattr(req, "RoleArn", None)),
    Resource("federated-user", _federated_user),
)

STS = Service(
    "sts",
    modules=[callers, assume_role, federation, web_identity, authorization_messages],
    resources=RESOURCES,
)
