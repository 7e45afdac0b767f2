"""How a key is named (its id, its ARN, an alias, an alias's ARN), and finding it.

Source: "Key identifiers" in the KMS Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.kms import documents, managed
from fogbank.services.kms.ciphertexts import maker
from fogbank.services.kms.faults import denied, no_key, not_found, nothing_for, read_token
from fogbank.services.kms.rules import RULES, Rule, wrong_state
from fogbank.services.kms.state import ALIASES, KEYS, Alias, Key

_id = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}").fullmatch


class Name(NamedTuple):
    """What a KeyId says. `account` and `region` are "" where it does not say; `name` is a key's id or an alias without `alias/`."""

    alias: bool
    name: str
    account: str = ""
    region: str = ""


@lru_cache(4096)
def name_in(key_id: str) -> Name | None:
    """None for what names neither a key nor an alias."""
    if key_id.startswith("arn:"):
        arn = Arn.parse(key_id)
        kind, _, name = arn.resource.partition("/") if arn is not None else ("", "", "")
        if arn is None or arn.service != "kms" or not name or kind not in ("key", "alias") or arn.partition != partition_of(arn.region):
            return None
        return Name(kind == "alias", name, arn.account, arn.region)
    if key_id.startswith("alias/") and len(key_id) > 6:
        return Name(True, key_id[6:])
    return Name(False, key_id) if _id(key_id) else None


def key_arn(ctx: Context, key_id: str, account: str = "") -> str:
    return ctx.arn(f"key/{key_id}", service="kms", account=account or None)


def alias_arn(ctx: Context, name: str, account: str = "") -> str:
    return ctx.arn(f"alias/{name}", service="kms", account=account or None)


def find(ctx: Context, key_id: str, rule: Rule) -> Key:
    """The key of this name, in whatever state. Errors: NotFoundException, InvalidArnException, AccessDeniedException."""
    named = name_in(key_id)
    if named is None:
        if key_id.startswith("arn:"):
            raise ServiceException("InvalidArnException", f"Invalid arn {key_id}")
        raise not_found(f"Invalid keyId '{key_id}'")
    alias, name, account, region = named
    if region and region != ctx.region:
        raise not_found(f"Invalid arn {region}")
    account = account or ctx.account
    if alias:
        if not rule.alias:
            raise not_found(f"Invalid keyId '{key_id}'")
        name = _target(ctx, name, account)
    key = KEYS.get(ctx, account, ctx.region, name)
    if key is None:
        arn = key_arn(ctx, name, account)
        raise no_key(arn) if account == ctx.account else nothing_for(ctx, arn)
    if account != ctx.account and not rule.abroad:
        raise denied(ctx, ctx.operation, key.arn)
    return key


def _target(ctx: Context, name: str, account: str) -> str:
    """The id of the key that an alias stands for; an AWS managed key springs into being here."""
    found = ALIASES.get(ctx, account, ctx.region, name)
    if found is not None:
        return found.target
    if account != ctx.account:
        raise nothing_for(ctx, alias_arn(ctx, name, account))
    made = managed.spring(ctx, name)
    if made is None:
        raise not_found(f"Alias {alias_arn(ctx, name, account)} is not found.")
    return made.id


def key_at(ctx: Context, key_id: str) -> Key:
    """The key that this operation may be about, in a state in which it runs.

    Errors: those of `find`; DisabledException, KMSInvalidStateException.
    """
    rule = RULES[ctx.operation]
    key = find(ctx, key_id, rule)
    if key.state not in rule.states:
        raise wrong_state(ctx.operation, key.arn, key.state)
    return key


def key_of_ciphertext(ctx: Context, ciphertext: bytes | None) -> Key:
    """The key that made a ciphertext. Errors: InvalidCiphertextException, AccessDeniedException (there is no such key here)."""
    made = maker(ciphertext or b"")
    if made is None:
        raise ServiceException("InvalidCiphertextException", "")
    key = KEYS.get(ctx, made.account, ctx.region, made.key)
    if key is None:
        raise ServiceException(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region,"
            " or you are not allowed to access.",
        )
    return key


def alias_named(key_id: str | None) -> str | None:
    """The alias that a KeyId is, None where it is another name."""
    named = name_in(key_id) if key_id else None
    return f"alias/{named.name}" if named is not None and named.alias else None


def alias_at(ctx: Context, alias_name: str) -> Alias:
    """The alias of this AliasName. Errors: NotFoundException."""
    name = alias_name.removeprefix("alias/")
    alias = ALIASES.get(ctx, ctx.account, ctx.region, name)
    if alias is None:
        raise not_found(f"Alias {alias_arn(ctx, name)} is not found.")
    return alias


# for the door


def key_of_request(ctx: Context, req: Any) -> Key | None:
    """The key that a request is about, None where it names none. Errors: those of `find` and `key_of_ciphertext`."""
    operation = ctx.operation
    rule = RULES.get(operation)
    if rule is None:
        return None
    if operation == "RetireGrant" and req.GrantToken is not None:
        account, region, name, _ = read_token(ctx, req.GrantToken)
        return KEYS.get(ctx, account, region, name) if region == ctx.region else None
    if operation == "DeleteAlias":
        return KEYS.get(ctx, ctx.account, ctx.region, alias_at(ctx, req.AliasName).target)
    key_id: str | None = getattr(req, "TargetKeyId" if operation in ("CreateAlias", "UpdateAlias") else "KeyId", None)
    if key_id is not None:
        return find(ctx, key_id, rule)
    return key_of_ciphertext(ctx, req.CiphertextBlob) if operation == "Decrypt" else None


def arn_of_request(ctx: Context, req: Any) -> str | None:
    key = key_of_request(ctx, req)
    return key.arn if key is not None else None


def alias_of_request(ctx: Context, req: Any) -> str | None:
    name: str | None = getattr(req, "AliasName", None)
    return alias_arn(ctx, name.removeprefix("alias/")) if name else None


def key_by_arn(ctx: Context, arn: str) -> Key | None:
    named = name_in(arn)
    return KEYS.get(ctx, named.account, named.region, named.name) if named is not None and not named.alias else None


def tags_of(ctx: Context, arn: str) -> Mapping[str, str] | None:
    key = key_by_arn(ctx, arn)
    return key.tags if key is not None else None


def policy_of(ctx: Context, arn: str) -> str | None:
    key = key_by_arn(ctx, arn)
    return documents.effective(key.policy) if key is not None else None


@lru_cache(1024)
def root_arn(account: str, region: str) -> str:
    return f"arn:{partition_of(region)}:iam::{account}:root"
