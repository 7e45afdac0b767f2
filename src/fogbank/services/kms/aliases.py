"""Aliases: names of keys, one key each, that may be moved from one to another."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import conditions, faults
from fogbank.services.kms.names import alias_arn, alias_at, key_at
from fogbank.services.kms.specs import SPECS
from fogbank.services.kms.state import ALIASES, BY_TARGET, KEYS, Alias, Key
from fogbank.store import change

ALIASES_LIMIT = 50
"""Of one key."""


def _check_name(name: str) -> str:
    """The name without its prefix. Errors: ValidationException, InvalidAliasNameException."""
    if not name.startswith("alias/"):
        raise faults.invalid(
            'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'
        )
    short = name[6:]
    if not short or ":" in short:
        raise ServiceException("InvalidAliasNameException", f"{name} contains invalid characters for an alias")
    if short.startswith("aws/"):
        raise ServiceException("InvalidAliasNameException", "The prefix alias/aws/ is reserved for AWS managed keys")
    return short


def _check_target(ctx: Context, key: Key) -> None:
    if key.manager:
        raise faults.denied(ctx, ctx.operation, key.arn)
    if len(list(islice(BY_TARGET.scan(ctx, key.account, key.region, key.id), ALIASES_LIMIT))) == ALIASES_LIMIT:
        raise ServiceException("LimitExceededException", f"The key {key.arn} has {ALIASES_LIMIT} aliases already")


@operation("CreateAlias")
def create_alias(ctx: Context, req: Any) -> Answer:
    """Names a customer managed key of the same region; a key has at most 50 aliases.

    Errors: AlreadyExistsException, InvalidAliasNameException, NotFoundException, LimitExceededException,
    KMSInvalidStateException. Source: API reference, CreateAlias.
    """
    name = _check_name(req.AliasName)
    key = key_at(ctx, req.TargetKeyId)
    if ALIASES.get(ctx, ctx.account, ctx.region, name) is not None:
        raise ServiceException("AlreadyExistsException", f"An alias with the name {alias_arn(ctx, name)} already exists")
    _check_target(ctx, key)
    ALIASES.put(ctx, Alias(account=ctx.account, region=ctx.region, name=name, target=key.id, created_at_ms=ctx.now, updated_at_ms=ctx.now))
    return None


@operation("UpdateAlias")
def update_alias(ctx: Context, req: Any) -> Answer:
    """Moves an alias to another key of the same type and usage. The caller needs kms:UpdateAlias on the alias and on both keys.

    Errors: NotFoundException, ValidationException, LimitExceededException, KMSInvalidStateException.
    Source: API reference, UpdateAlias.
    """
    _check_name(req.AliasName)
    alias = alias_at(ctx, req.AliasName)
    key = key_at(ctx, req.TargetKeyId)
    before = KEYS.get(ctx, alias.account, alias.region, alias.target)
    if before is not None and before.id != key.id:
        ctx.authorize("kms:UpdateAlias", before.arn, **conditions.of_key(ctx, before))
        if _type(before) != _type(key):
            raise faults.invalid(f"Alias {alias_arn(ctx, alias.name)} cannot be changed to a KMS key of another type or key usage.")
        _check_target(ctx, key)
    ALIASES.put(ctx, change(alias, target=key.id, updated_at_ms=ctx.now))
    return None


def _type(key: Key) -> tuple[str, str]:
    spec = SPECS[key.spec]
    return "asymmetric" if spec.asymmetric else spec.kind, key.usage


@operation("DeleteAlias")
def delete_alias(ctx: Context, req: Any) -> Answer:
    """Deletes an alias, not its key. Errors: NotFoundException. Source: API reference, DeleteAlias."""
    _check_name(req.AliasName)
    ALIASES.delete(ctx, alias_at(ctx, req.AliasName))
    return None


@operation("ListAliases")
def list_aliases(ctx: Context, req: Any) -> Answer:
    """The account's aliases in the region, or those of one key, by name; pages of 50 (at most 100).

    Errors: NotFoundException, InvalidMarkerException. Source: API reference, ListAliases.
    """
    size = faults.size(req, 50, 100)
    after = faults.marker(req)
    if req.KeyId is None:
        aliases = ALIASES.scan(ctx, ctx.account, ctx.region, after=after)
    else:
        key = key_at(ctx, req.KeyId)
        aliases = BY_TARGET.scan(ctx, key.account, key.region, key.id, after=after)
    found, more = paging.page(aliases, size)
    entries = [
        {
            "AliasName": f"alias/{alias.name}",
            "AliasArn": alias_arn(ctx, alias.name),
            "TargetKeyId": alias.target,
            "CreationDate": alias.created_at_ms,
            "LastUpdatedDate": alias.updated_at_ms,
        }
        for alias in found
    ]
    return faults.paged("Aliases", entries, more, found[-1].name if found else "")
