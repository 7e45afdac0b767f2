"""How pipes are named, finding them, and the service's refusals."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.pipes.state import PIPES, Pipe

PRINCIPAL = "pipes.amazonaws.com"


def pipe_arn(pipe: Pipe) -> str:
    return f"arn:{partition_of(pipe.region)}:pipes:{pipe.region}:{pipe.account}:pipe/{pipe.name}"


def role_of(pipe: Pipe) -> Role:
    return Role(pipe.role_arn, PRINCIPAL, pipe.name, pipe_arn(pipe), pipe.account)


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def conflict(name: str, message: str) -> ServiceException:
    return ServiceException("ConflictException", message, resourceId=name, resourceType="Pipe")


def missing(name: str) -> ServiceException:
    return ServiceException("NotFoundException", f"Pipe {name} does not exist.")


def pipe_at(ctx: Context, name: str) -> Pipe:
    """Raises NotFoundException."""
    pipe = PIPES.get(ctx, ctx.account, ctx.region, name)
    if pipe is None:
        raise missing(name)
    return pipe


def get_pipe(ctx: Context, arn: str) -> Pipe | None:
    parts = Arn.parse(arn)
    if parts is None or parts.service != "pipes" or not parts.resource.startswith("pipe/"):
        return None
    return PIPES.get(ctx, parts.account, parts.region, parts.resource.removeprefix("pipe/"))


# For the door


def arn_of_request(ctx: Context, req: Any) -> str | None:
    arn: str | None = getattr(req, "resourceArn", None)
    return arn or ctx.arn(f"pipe/{req.Name}")


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    pipe = get_pipe(ctx, arn)
    return pipe.tags if pipe else None
