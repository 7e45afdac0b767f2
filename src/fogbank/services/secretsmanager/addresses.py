"""How a secret is named: by name, by ARN, by an ARN without its last six characters; and finding it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.secretsmanager.state import SECRETS, Secret

SUFFIX_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_name = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}").fullmatch


class Address(NamedTuple):
    """Where to look. `suffix` is what the last six characters may be, if it was an ARN that said so."""

    account: str
    region: str
    name: str
    suffix: str = ""


def addresses(ctx: Context, secret_id: str) -> list[Address]:
    """The places that an id may mean, the likelier first: an ARN may end in six characters that are still part of a name."""
    if not secret_id.startswith("arn:"):
        return [Address(ctx.account, ctx.region, secret_id)]
    parts = Arn.parse(secret_id)
    if parts is None or parts.service != "secretsmanager" or not parts.resource.startswith("secret:"):
        return []
    name = parts.resource.removeprefix("secret:")
    partial = Address(parts.account, parts.region, name)
    if name[-7:-6] != "-":
        return [partial]
    return [Address(parts.account, parts.region, name[:-7], name[-6:]), partial]


def get_secret(ctx: Context, secret_id: str) -> Secret | None:
    for where in addresses(ctx, secret_id):
        secret = SECRETS.get(ctx, where.account, where.region, where.name)
        if secret is not None and where.suffix in ("", secret.suffix):
            return secret
    return None


def not_found(what: str = "") -> ServiceException:
    end = f" value for {what}" if what else "."
    return ServiceException("ResourceNotFoundException", f"Secrets Manager can't find the specified secret{end}")


def marked() -> ServiceException:
    message = "You can't perform this operation on the secret because it was marked for deletion."
    return ServiceException("InvalidRequestException", message)


def any_secret_at(ctx: Context, secret_id: str) -> Secret:
    """A secret, also one that is marked for deletion. Raises ResourceNotFoundException."""
    secret = get_secret(ctx, secret_id)
    if secret is None or secret.region != ctx.region:
        raise not_found()
    return secret


def secret_at(ctx: Context, secret_id: str) -> Secret:
    """Raises ResourceNotFoundException; InvalidRequestException for a secret that is marked for deletion."""
    secret = any_secret_at(ctx, secret_id)
    if secret.purge_at_ms:
        raise marked()
    return secret


def primary_at(ctx: Context, secret_id: str) -> Secret:
    """A secret to change. Raises also InvalidParameterException for a replica, which only follows its primary."""
    secret = secret_at(ctx, secret_id)
    check_primary(secret)
    return secret


def check_primary(secret: Secret) -> None:
    if secret.is_replica:
        raise ServiceException(
            "InvalidParameterException", "Operation not permitted on a replica secret. Call must be made in primary secret's region."
        )


def check_name(name: str) -> None:
    if not _name(name):
        raise ServiceException(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        )


def arn_of(secret: Secret) -> str:
    partition = partition_of(secret.region)
    return f"arn:{partition}:secretsmanager:{secret.region}:{secret.account}:secret:{secret.name}-{secret.suffix}"


def named(secret: Secret, **more: Any) -> dict[str, Any]:
    """The answer that most operations give."""
    return {"ARN": arn_of(secret), "Name": secret.name, **more}


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """What a request is about, for the door. A secret that is not there stands for any six characters."""
    secret_id = getattr(req, "SecretId", None)
    if secret_id is not None:
        secret = get_secret(ctx, secret_id)
        if secret is not None:
            return arn_of(secret)
        return secret_id if secret_id.startswith("arn:") else ctx.arn(f"secret:{secret_id}-??????")
    name = getattr(req, "Name", None)
    return None if name is None else ctx.arn(f"secret:{name}-??????")


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    secret = get_secret(ctx, arn)
    return secret.tags if secret else None


def policy_of(ctx: Context, arn: str) -> str | None:
    secret = get_secret(ctx, arn)
    return secret.policy or None if secret else None
