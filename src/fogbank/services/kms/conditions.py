"""KMS's condition keys. Those of a member of the request, those of the key that it is about, and those of how it came.

Source: "AWS KMS condition keys" in the KMS Developer Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.kms import managed
from fogbank.services.kms.names import alias_named, key_of_request
from fogbank.services.kms.specs import ENCRYPT, SYMMETRIC
from fogbank.services.kms.state import BY_TARGET, Key
from fogbank.services.kms.uses import days_unused

Find = Callable[[Context, Any], Any]

_MEMBERS = {
    "kms:bypasspolicylockoutsafetycheck": "BypassPolicyLockoutSafetyCheck",
    "kms:datakeypairspec": "KeyPairSpec",
    "kms:encapsulationalgorithm": "EncapsulationAlgorithm",
    "kms:granteeprincipal": "GranteePrincipal",
    "kms:granteeserviceprincipal": "GranteeServicePrincipal",
    "kms:keyagreementalgorithm": "KeyAgreementAlgorithm",
    "kms:macalgorithm": "MacAlgorithm",
    "kms:primaryregion": "PrimaryRegion",
    "kms:replicaregion": "ReplicaRegion",
    "kms:retiringprincipal": "RetiringPrincipal",
    "kms:retiringserviceprincipal": "RetiringServicePrincipal",
    "kms:signingalgorithm": "SigningAlgorithm",
    "kms:wrappingalgorithm": "WrappingAlgorithm",
    "kms:wrappingkeyspec": "WrappingKeySpec",
}
_DEFAULTS: dict[str, dict[str, tuple[str, Any]]] = {
    "kms:encryptionalgorithm": {
        **dict.fromkeys(("Encrypt", "Decrypt"), ("EncryptionAlgorithm", SYMMETRIC)),
        **{f"GenerateDataKey{rest}": ("", SYMMETRIC) for rest in ("", "WithoutPlaintext", "Pair", "PairWithoutPlaintext")},
    },
    "kms:expirationmodel": {"ImportKeyMaterial": ("ExpirationModel", "KEY_MATERIAL_EXPIRES")},
    "kms:messagetype": {"Sign": ("MessageType", "RAW"), "Verify": ("MessageType", "RAW")},
    "kms:policyname": {"GetKeyPolicy": ("PolicyName", "default"), "PutKeyPolicy": ("PolicyName", "default")},
    "kms:rotationperiodindays": {"EnableKeyRotation": ("RotationPeriodInDays", managed.YEAR_DAYS)},
    "kms:schedulekeydeletionpendingwindowindays": {"ScheduleKeyDeletion": ("PendingWindowInDays", 30)},
}
"""Condition key -> operation -> the member that tells it, and what it is where the request does not say."""

_OF_KEY: dict[str, Callable[[Key], Any]] = {
    "kms:keyspec": lambda key: key.spec,
    "kms:keyusage": lambda key: key.usage,
    "kms:keyorigin": lambda key: key.origin,
    "kms:multiregion": lambda key: key.multi_region,
    "kms:multiregionkeytype": lambda key: None if not key.multi_region else "PRIMARY" if key.is_primary else "REPLICA",
}
_OF_NEW_KEY: dict[str, Callable[[Any], Any]] = {
    "kms:keyspec": lambda req: req.KeySpec or req.CustomerMasterKeySpec or SYMMETRIC,
    "kms:keyusage": lambda req: req.KeyUsage or ENCRYPT,
    "kms:keyorigin": lambda req: req.Origin or "AWS_KMS",
    "kms:multiregion": lambda req: bool(req.MultiRegion),
    "kms:multiregionkeytype": lambda req: "PRIMARY" if req.MultiRegion else None,
}


def _member(name: str) -> Find:
    return lambda ctx, req: getattr(req, name, None)


def _defaulted(by_operation: Mapping[str, tuple[str, Any]]) -> Find:
    def find(ctx: Context, req: Any) -> Any:
        name, default = by_operation.get(ctx.operation, ("", None))
        return getattr(req, name, None) or default

    return find


def _of_key(name: str) -> Find:
    """Of the key that a request is about, or is to make."""

    def find(ctx: Context, req: Any) -> Any:
        if ctx.operation == "CreateKey":
            return _OF_NEW_KEY[name](req)
        key = key_of_request(ctx, req)
        return _OF_KEY[name](key) if key is not None else None

    return find


def context_of(req: Any) -> Mapping[str, str] | None:
    """The encryption context of a request; of CreateGrant, that of its constraint."""
    found: Mapping[str, str] | None = getattr(req, "EncryptionContext", None)
    constraints = getattr(req, "Constraints", None)
    if found is None and constraints is not None:
        found = constraints.EncryptionContextEquals or constraints.EncryptionContextSubset
    return found


def _caller_account(ctx: Context, req: Any) -> str | None:
    """A service that acts for itself calls from no customer's account."""
    return None if ctx.principal.kind == "service" else ctx.principal.account or None


def _aliases(ctx: Context, req: Any) -> list[str] | None:
    key = key_of_request(ctx, req)
    return aliases_of(ctx, key) if key is not None else None


def aliases_of(ctx: Context, key: Key) -> list[str]:
    return [f"alias/{alias.name}" for alias in BY_TARGET.scan(ctx, key.account, key.region, key.id)]


def _constraint_type(ctx: Context, req: Any) -> list[str] | None:
    constraints = getattr(req, "Constraints", None)
    if constraints is None:
        return None
    return [name for name in ("EncryptionContextEquals", "EncryptionContextSubset", "SourceArn") if getattr(constraints, name)]


def _source_arn(ctx: Context, req: Any) -> str | None:
    constraints = getattr(req, "Constraints", None)
    return constraints.SourceArn if constraints is not None else None


def _days_unused(ctx: Context, req: Any) -> int | None:
    key = key_of_request(ctx, req)
    return days_unused(ctx, key) if key is not None else None


def _valid_to(ctx: Context, req: Any) -> int | None:
    valid_to: int | None = getattr(req, "ValidTo", None)
    return None if valid_to is None else valid_to // 1000


CONDITIONS: dict[str, Find] = {
    **{key: _member(name) for key, name in _MEMBERS.items()},
    **{key: _defaulted(by_operation) for key, by_operation in _DEFAULTS.items()},
    **{key: _of_key(key) for key in _OF_KEY},
    "kms:customermasterkeyspec": _of_key("kms:keyspec"),
    "kms:customermasterkeyusage": _of_key("kms:keyusage"),
    "kms:calleraccount": _caller_account,
    "kms:encryptioncontext:": lambda ctx, req: context_of(req),
    "kms:encryptioncontextkeys": lambda ctx, req: list(context_of(req) or ()),
    "kms:grantconstraintsourcearn": _source_arn,
    "kms:grantconstrainttype": _constraint_type,
    "kms:grantisforawsresource": lambda ctx, req: bool(ctx.via) or ctx.principal.kind == "service",
    "kms:grantoperations": lambda ctx, req: getattr(req, "Operations", None),
    "kms:requestalias": lambda ctx, req: alias_named(getattr(req, "KeyId", None)),
    "kms:resourcealiases": _aliases,
    "kms:trailingdayswithoutkeyusage": _days_unused,
    "kms:validto": _valid_to,
    "kms:viaservice": lambda ctx, req: managed.via(ctx),
}


def of_key(ctx: Context, key: Key, alias: str | None = None) -> dict[str, Any]:
    """The condition keys of a key, for a check that the operation makes itself (spelt as `ctx.authorize` takes them)."""
    found = {name.replace(":", "__"): find(key) for name, find in _OF_KEY.items()}
    return found | {"kms__resourcealiases": aliases_of(ctx, key), "kms__requestalias": alias}
