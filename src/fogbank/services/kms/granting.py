"""What grants allow: a grant is a statement, which speaks for its grantee and counts where no policy allows or denies.

Source: "Grants in AWS KMS", "Retiring and revoking grants" in the KMS Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.services.kms.faults import read_token
from fogbank.services.kms.names import key_by_arn, root_arn
from fogbank.services.kms.state import BY_GRANTEE, GRANTS, Grant, Key

_WITHOUT_CONTEXT = frozenset({"DescribeKey", "RetireGrant", "GetPublicKey"})
_json = msgspec.json.Encoder().encode


def names_of(principal: Principal, region: str) -> list[str]:
    """All that a grant may call a principal: itself, its role, its account; or a service, of this region or of any."""
    if principal.kind == "service":
        name, _, rest = principal.service.partition(".")
        return [principal.service, f"{name}.{region}.{rest}"]
    account = [root_arn(principal.account, region), principal.account] if principal.account else []
    return list(dict.fromkeys(name for name in (principal.arn, principal.issuer_arn, *account) if name))


def speaking(ctx: Context, req: Any, action: str, arn: str) -> str | None:
    """The grants by which the caller may do this with a key, as a policy; None where there are none."""
    key = key_by_arn(ctx, arn)
    if key is None or not key.grants:
        return None
    operation = action.partition(":")[2]
    if operation == "RetireGrant":
        return _retiring(ctx, req, key)
    statements = [
        _statement(grant, operation, [grant.grantee])
        for name in names_of(ctx.principal, ctx.region)
        for grant in BY_GRANTEE.scan(ctx, key.account, key.region, key.id, name)
        if operation in grant.operations and _constrained(grant, operation, req)
    ]
    return _document(statements)


def _document(statements: list[dict[str, Any]]) -> str | None:
    return _json({"Version": "2012-10-17", "Statement": statements}).decode() if statements else None


def _statement(grant: Grant, operation: str, names: list[str]) -> dict[str, Any]:
    """A grant as a policy says it; a service of one region is a service."""
    people = [name for name in names if name.startswith("arn:") or name.isdigit()]
    services = [name.replace(f".{grant.region}.", ".", 1) for name in names if name not in people]
    said: dict[str, Any] = {
        "Sid": grant.id,
        "Effect": "Allow",
        "Principal": {kind: listed for kind, listed in (("AWS", people), ("Service", services)) if listed},
        "Action": f"kms:{operation}",
        "Resource": "*",
    }
    if grant.source_arn and operation != "RetireGrant":
        said["Condition"] = {"ArnEquals": {"aws:SourceArn": grant.source_arn}}
    return said


def _constrained(grant: Grant, operation: str, req: Any) -> bool:
    """Whether the request keeps to the grant's constraints, letter for letter."""
    if operation == "CreateGrant":
        return _within(grant, req)
    if operation in _WITHOUT_CONTEXT or (grant.equals is None and grant.subset is None):
        return True
    member = {"ReEncryptFrom": "SourceEncryptionContext", "ReEncryptTo": "DestinationEncryptionContext"}.get(operation, "EncryptionContext")
    context: Mapping[str, str] = getattr(req, member, None) or {}
    if grant.equals is not None and dict(context) != grant.equals:
        return False
    return grant.subset is None or grant.subset.items() <= context.items()


def _within(parent: Grant, req: Any) -> bool:
    """Whether a grant made by right of another allows no more than that one."""
    if not set(req.Operations) <= set(parent.operations):
        return False
    constraints = req.Constraints
    equals = constraints.EncryptionContextEquals if constraints is not None else None
    subset = constraints.EncryptionContextSubset if constraints is not None else None
    if parent.source_arn and (constraints is None or constraints.SourceArn != parent.source_arn):
        return False
    if parent.equals is not None:
        return equals is not None and dict(equals) == parent.equals
    if parent.subset is not None:
        return any(given is not None and parent.subset.items() <= given.items() for given in (equals, subset))
    return True


def named_grant(ctx: Context, req: Any, key: Key) -> Grant | None:
    """The grant that a RetireGrant names, by its token or its id."""
    grant_id = read_token(ctx, req.GrantToken)[3] if req.GrantToken is not None else req.GrantId
    return GRANTS.get(ctx, key.account, key.region, key.id, grant_id) if grant_id else None


def _retirers(grant: Grant) -> Iterator[str]:
    """Who may retire a grant: whom it names for that, its grantee if it says so, and the account in which it was made."""
    yield grant.issuer
    if grant.retiring:
        yield grant.retiring
    if "RetireGrant" in grant.operations:
        yield grant.grantee


def _retiring(ctx: Context, req: Any, key: Key) -> str | None:
    grant = named_grant(ctx, req, key)
    if grant is None:
        return None
    known = names_of(ctx.principal, ctx.region)
    names = [name for name in _retirers(grant) if name in known]
    return _document([_statement(grant, "RetireGrant", names)] if names else [])
