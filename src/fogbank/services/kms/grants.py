"""Grants: made, listed, retired, revoked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import faults
from fogbank.services.kms.granting import named_grant
from fogbank.services.kms.names import find, key_arn, key_at, key_of_request, root_arn
from fogbank.services.kms.rules import RULES
from fogbank.services.kms.specs import GRANTED, SYMMETRIC
from fogbank.services.kms.state import BY_GRANTEE, BY_RETIRING, GRANTS, KEYS, Grant, Key
from fogbank.store import change

GRANTS_LIMIT = 50_000
PAIRS_LIMIT = 8
CONTEXT_CHARACTERS = 384
_ALWAYS = frozenset({"CreateGrant", "RetireGrant", "DescribeKey"})
_principal = re.compile(
    r"arn:aws[a-z-]*:(iam::\d{12}:(root|(user|role)/[\w+=,.@/-]+)|sts::\d{12}:(assumed-role|federated-user)/[\w+=,.@/-]+)"
    r"|\d{12}|[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?",
    re.ASCII,
).fullmatch


@operation("CreateGrant")
def create_grant(ctx: Context, req: Any) -> Answer:
    """Lets a principal do operations with a key, within constraints; it counts at once. At most 50,000 on a key.

    With a Name, a repeated request answers the grant that is there; the token is another each time.

    Errors: ValidationException, InvalidArnException, LimitExceededException, NotFoundException, DisabledException,
    KMSInvalidStateException, InvalidGrantTokenException, DryRunOperationException. Source: API reference, CreateGrant.
    """
    key = key_at(ctx, req.KeyId)
    faults.check_tokens(ctx, req)
    _check_principals(req)
    _check_operations(key, req.Operations)
    _check_constraints(key, req)
    grant = _read(ctx, key, req)
    faults.check_dry_run(req)
    found = _same(ctx, grant) if grant.name else None
    if found is None:
        if key.grants >= GRANTS_LIMIT:
            raise ServiceException("LimitExceededException", f"The key {key.arn} has {GRANTS_LIMIT} grants already")
        GRANTS.put(ctx, grant)
        KEYS.put(ctx, change(key, grants=key.grants + 1))
        found = grant
    place = msgspec.msgpack.encode((found.account, found.region, found.key, found.id))
    return {"GrantId": found.id, "GrantToken": base64.b64encode(ctx.vault.seal(place, faults.GRANT_TOKEN)).decode()}


def _check_principals(req: Any) -> None:
    if (req.GranteePrincipal is None) == (req.GranteeServicePrincipal is None):
        raise faults.invalid("You must specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
    if req.RetiringPrincipal is not None and req.RetiringServicePrincipal is not None:
        raise faults.invalid("You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
    if req.GranteeServicePrincipal is not None:
        if req.Constraints is None or not req.Constraints.SourceArn:
            raise faults.invalid("You must specify a SourceArn grant constraint when you specify a GranteeServicePrincipal.")
        if req.RetiringPrincipal is None and req.RetiringServicePrincipal is None:
            raise faults.invalid("You must specify a RetiringPrincipal or a RetiringServicePrincipal with a GranteeServicePrincipal.")
    for name in ("GranteePrincipal", "GranteeServicePrincipal", "RetiringPrincipal", "RetiringServicePrincipal"):
        principal = getattr(req, name)
        if principal is not None and not _principal(principal):
            raise ServiceException("InvalidArnException", f"Invalid {name}: {principal}")


def _check_operations(key: Key, operations: Iterable[str]) -> None:
    """Raises ValidationException for an operation that cannot be granted on a key like this."""
    permitted = GRANTED[SYMMETRIC if key.spec == SYMMETRIC else key.usage] | _ALWAYS
    wrong = [name for name in operations if name not in permitted]
    if wrong:
        raise faults.invalid(f"Grant operations [{', '.join(wrong)}] are not supported for KMS key {key.arn}")
    if not operations:
        raise faults.invalid("Operations must not be empty")


def _check_constraints(key: Key, req: Any) -> None:
    constraints = req.Constraints
    if constraints is None:
        return
    for context in (constraints.EncryptionContextEquals, constraints.EncryptionContextSubset):
        if context is None:
            continue
        if key.spec != SYMMETRIC:
            raise faults.invalid("Encryption context constraints are supported only for symmetric encryption KMS keys.")
        if len(context) > PAIRS_LIMIT or sum(map(len, (*context.keys(), *context.values()))) > CONTEXT_CHARACTERS:
            raise faults.invalid(f"An encryption context constraint has at most {PAIRS_LIMIT} pairs and {CONTEXT_CHARACTERS} characters.")


def _read(ctx: Context, key: Key, req: Any) -> Grant:
    constraints = req.Constraints
    equals = constraints.EncryptionContextEquals if constraints is not None else None
    subset = constraints.EncryptionContextSubset if constraints is not None else None
    return Grant(
        account=key.account,
        region=key.region,
        key=key.id,
        id=ctx.random.hex(64),
        created_at_ms=ctx.now,
        issuer=root_arn(ctx.account, ctx.region),
        operations=tuple(dict.fromkeys(req.Operations)),
        grantee=req.GranteePrincipal or req.GranteeServicePrincipal,
        retiring=req.RetiringPrincipal or req.RetiringServicePrincipal or "",
        name=req.Name or "",
        equals=dict(equals) if equals is not None else None,
        subset=dict(subset) if subset is not None else None,
        source_arn=(constraints.SourceArn or "") if constraints is not None else "",
        to_service=req.GranteeServicePrincipal is not None,
        retired_by_service=req.RetiringServicePrincipal is not None,
    )


def _same(ctx: Context, grant: Grant) -> Grant | None:
    """The grant that an earlier request like this one made."""
    for found in BY_GRANTEE.scan(ctx, grant.account, grant.region, grant.key, grant.grantee):
        if change(found, id=grant.id, created_at_ms=grant.created_at_ms) == grant:
            return found
    return None


def _describe(grant: Grant, arn: str) -> dict[str, Any]:
    constraints = {
        "EncryptionContextEquals": grant.equals,
        "EncryptionContextSubset": grant.subset,
        "SourceArn": grant.source_arn or None,
    }
    return {
        "KeyId": arn,
        "GrantId": grant.id,
        "Name": grant.name,
        "CreationDate": grant.created_at_ms,
        "GranteeServicePrincipal" if grant.to_service else "GranteePrincipal": grant.grantee,
        "RetiringServicePrincipal" if grant.retired_by_service else "RetiringPrincipal": grant.retiring or None,
        "IssuingAccount": grant.issuer,
        "Operations": list(grant.operations),
        "Constraints": constraints if any(constraints.values()) else None,
    }


@operation("ListGrants")
def list_grants(ctx: Context, req: Any) -> Answer:
    """A key's grants, of one id or for one grantee if wanted; pages of 50 (at most 100).

    Errors: NotFoundException, InvalidMarkerException, InvalidGrantIdException, ValidationException. Source: API reference, ListGrants.
    """
    key = key_at(ctx, req.KeyId)
    if req.GranteePrincipal is not None and req.GranteeServicePrincipal is not None:
        raise faults.invalid("You can specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
    size = faults.size(req, 50, 100)
    after = faults.marker(req)
    grantee = req.GranteePrincipal or req.GranteeServicePrincipal
    grants = (
        BY_GRANTEE.scan(ctx, key.account, key.region, key.id, grantee, after=after)
        if grantee
        else GRANTS.scan(ctx, key.account, key.region, key.id, after=after)
    )
    if req.GrantId is not None:
        grants = (grant for grant in grants if grant.id == req.GrantId)
    found, more = paging.page(grants, size)
    return faults.paged("Grants", [_describe(grant, key.arn) for grant in found], more, found[-1].id if found else "")


@operation("ListRetirableGrants")
def list_retirable_grants(ctx: Context, req: Any) -> Answer:
    """The grants of the region, on keys of any account, that a principal of the caller's account may retire; pages of 50 (at most 100).

    Errors: ValidationException, InvalidArnException, AccessDeniedException, InvalidMarkerException.
    Source: API reference, ListRetirableGrants.
    """
    if (req.RetiringPrincipal is None) == (req.RetiringServicePrincipal is None):
        raise faults.invalid("You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
    principal = req.RetiringPrincipal or req.RetiringServicePrincipal
    if not _principal(principal):
        raise ServiceException("InvalidArnException", f"Invalid RetiringPrincipal: {principal}")
    owner = principal.split(":")[4] if principal.startswith("arn:") else principal
    own = owner == ctx.account if req.RetiringPrincipal is not None else ctx.principal.service == principal
    if not own:
        raise faults.denied(ctx, ctx.operation, principal)
    size = faults.size(req, 50, 100)
    place = faults.marker(req)
    after = None if place is None else tuple(place.split(" "))
    found, more = paging.page(BY_RETIRING.scan(ctx, ctx.region, principal, after=after), size)
    entries = [_describe(grant, key_arn(ctx, grant.key, grant.account)) for grant in found]
    return faults.paged("Grants", entries, more, f"{found[-1].account} {found[-1].key} {found[-1].id}" if found else "")


@operation("RetireGrant")
def retire_grant(ctx: Context, req: Any) -> Answer:
    """Deletes a grant, named by its token, or by key and id; for those whom the grant lets do so.

    Errors: InvalidGrantTokenException, InvalidGrantIdException, NotFoundException, ValidationException, DryRunOperationException.
    Source: API reference, RetireGrant.
    """
    if req.GrantToken is None and (req.KeyId is None or req.GrantId is None):
        raise faults.invalid("You must specify either a grant token, or a key ID and a grant ID.")
    key = key_of_request(ctx, req)
    grant = named_grant(ctx, req, key) if key is not None else None
    _end(ctx, req, key, grant, req.GrantId or "")
    return None


@operation("RevokeGrant")
def revoke_grant(ctx: Context, req: Any) -> Answer:
    """Deletes a grant; for those who administer the key. Errors: NotFoundException, InvalidGrantIdException,
    DryRunOperationException. Source: API reference, RevokeGrant.
    """
    key = find(ctx, req.KeyId, RULES["RevokeGrant"])
    _end(ctx, req, key, GRANTS.get(ctx, key.account, key.region, key.id, req.GrantId), req.GrantId)
    return None


def _end(ctx: Context, req: Any, key: Key | None, grant: Grant | None, grant_id: str) -> None:
    if key is None or grant is None:
        raise faults.not_found(f"Grant ID {grant_id} not found")
    faults.check_dry_run(req)
    GRANTS.delete(ctx, grant)
    KEYS.put(ctx, change(key, grants=key.grants - 1))
