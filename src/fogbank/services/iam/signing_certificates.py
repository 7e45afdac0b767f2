"""Users' X.509 signing certificates: two at most."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids
from fogbank.services.iam.access_keys import status, wanted_status
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import owner
from fogbank.services.iam.refusals import check_quota, no_such
from fogbank.services.iam.state import CERTIFICATES, Certificate, User
from fogbank.store.tables import change


def _describe(certificate: Certificate, user: User | None) -> dict[str, Any]:
    return {
        "UserName": user.name if user else "<root_account>",
        "CertificateId": certificate.id,
        "CertificateBody": certificate.body,
        "Status": status(certificate.active),
        "UploadDate": certificate.uploaded_at_ms,
    }


def _certificate_at(ctx: Context, req: Any) -> Certificate:
    owner_id, _ = owner(ctx, req.UserName)
    certificate = CERTIFICATES.get(ctx, ctx.account, owner_id, req.CertificateId)
    if certificate is None:
        raise no_such("Certificate", req.CertificateId)
    return certificate


@operation("UploadSigningCertificate")
def upload_signing_certificate(ctx: Context, req: Any) -> Answer:
    """Gives a user a certificate, active at once.

    Errors: MalformedCertificate, DuplicateCertificate, LimitExceeded (two), NoSuchEntity.
    """
    from fogbank.services.iam import pem

    pem.certificate(req.CertificateBody)
    owner_id, user = owner(ctx, req.UserName)
    there = list(CERTIFICATES.scan(ctx, ctx.account, owner_id))
    if any("".join(c.body.split()) == "".join(req.CertificateBody.split()) for c in there):
        raise ServiceException("DuplicateCertificateException", "The certificate already exists for this user.")
    check_quota("SigningCertificatesPerUserQuota", len(there))
    certificate = Certificate(
        account=ctx.account,
        owner_id=owner_id,
        id=ctx.random.text(32, ids.BASE32),
        body=req.CertificateBody,
        uploaded_at_ms=ctx.now,
    )
    CERTIFICATES.put(ctx, certificate)
    return {"Certificate": _describe(certificate, user)}


@operation("ListSigningCertificates")
def list_signing_certificates(ctx: Context, req: Any) -> Answer:
    """A user's certificates."""
    owner_id, user = owner(ctx, req.UserName)
    found = CERTIFICATES.scan(ctx, ctx.account, owner_id)
    return page_of(req, "Certificates", found, lambda c: c.id, lambda c: _describe(c, user))


@operation("UpdateSigningCertificate")
def update_signing_certificate(ctx: Context, req: Any) -> Answer:
    """Switches a certificate on or off."""
    CERTIFICATES.put(ctx, change(_certificate_at(ctx, req), active=wanted_status(req)))
    return None


@operation("DeleteSigningCertificate")
def delete_signing_certificate(ctx: Context, req: Any) -> Answer:
    """Deletes a certificate."""
    CERTIFICATES.delete(ctx, _certificate_at(ctx, req))
    return None
