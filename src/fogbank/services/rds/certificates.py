"""Certificate authorities: which sign the certificates that endpoints show, and the account's own choice for new instances.

All endpoints of a cloud show a certificate of one authority of its own, whichever of these an instance names.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses
from fogbank.services.rds.groups_state import OVERRIDES, Override

DEFAULT = "rds-ca-rsa2048-g1"
_FROM_MS = 1_621_546_800_000  # 2021-05-20
_YEAR_MS = 31_557_600_000
AUTHORITIES = {"rds-ca-ecc384-g1": 100, "rds-ca-rsa2048-g1": 40, "rds-ca-rsa4096-g1": 100}
"""Identifier -> for how many years it is valid."""


def _missing(identifier: str) -> ServiceException:
    return ServiceException("CertificateNotFoundFault", f"Certificate not found: {identifier}", status=404)


def check(ctx: Context, identifier: str) -> str:
    """An authority's identifier as it is kept. Errors: CertificateNotFound."""
    if identifier.lower() not in AUTHORITIES:
        raise _missing(identifier)
    return identifier.lower()


def default(ctx: Context) -> str:
    """The authority for new instances: the account's choice, or RDS's."""
    override = OVERRIDES.get(ctx, ctx.account, ctx.region)
    return DEFAULT if override is None else override.certificate


def details(ctx: Context, identifier: str) -> dict[str, Any]:
    """The CertificateDetails structure of an instance."""
    return {"CAIdentifier": identifier, "ValidTill": _FROM_MS + AUTHORITIES[identifier] * _YEAR_MS}


def _described(ctx: Context, identifier: str) -> dict[str, Any]:
    override = OVERRIDES.get(ctx, ctx.account, ctx.region)
    chosen = override is not None and override.certificate == identifier
    till_ms = _FROM_MS + AUTHORITIES[identifier] * _YEAR_MS
    return {
        "CertificateIdentifier": identifier,
        "CertificateType": "CA",
        "Thumbprint": sha1(identifier.encode()).hexdigest(),
        "ValidFrom": _FROM_MS,
        "ValidTill": till_ms,
        "CertificateArn": f"arn:{ctx.partition}:rds:{ctx.region}::cert:{identifier}",
        "CustomerOverride": chosen,
        "CustomerOverrideValidTill": till_ms if chosen else None,
    }


@operation("DescribeCertificates")
def describe_certificates(ctx: Context, req: Any) -> Answer:
    """The certificate authorities, or the one that is named.

    Errors: CertificateNotFound, InvalidParameterValue. Source: API reference, DescribeCertificates.
    """
    addresses.filters(req, ())
    named = sorted(AUTHORITIES) if req.CertificateIdentifier is None else [check(ctx, req.CertificateIdentifier)]
    found, marker = addresses.page(req, named, str)
    certificates = [_described(ctx, one) for one in found]
    return {"Certificates": certificates, "DefaultCertificateForNewLaunches": default(ctx), "Marker": marker}


@operation("ModifyCertificates")
def modify_certificates(ctx: Context, req: Any) -> Answer:
    """Chooses the authority for new instances of this account and region, or takes that choice back.

    Errors: CertificateNotFound. Source: API reference, ModifyCertificates.
    """
    override = OVERRIDES.get(ctx, ctx.account, ctx.region)
    if req.RemoveCustomerOverride:
        if override is None:
            raise _missing("there is no customer override")
        OVERRIDES.delete(ctx, override)
        return {"Certificate": _described(ctx, override.certificate)}
    if req.CertificateIdentifier is None:
        raise _missing("none is named")
    chosen = check(ctx, req.CertificateIdentifier)
    OVERRIDES.put(ctx, Override(account=ctx.account, region=ctx.region, certificate=chosen))
    return {"Certificate": _described(ctx, chosen)}
