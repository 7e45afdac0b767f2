"""Server certificates: a certificate, its chain and its private key, for load balancers."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import ids, tagging
from fogbank.services.iam.listing import page, place
from fogbank.services.iam.refusals import check_quota, exists, no_such
from fogbank.services.iam.state import SERVER_CERTIFICATES, ServerCertificate
from fogbank.store.tables import change


def _metadata(certificate: ServerCertificate) -> dict[str, Any]:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.id,
        "Arn": certificate.arn,
        "UploadDate": certificate.uploaded_at_ms,
        "Expiration": certificate.expires_at_ms,
    }


def certificate_at(ctx: Context, name: str) -> ServerCertificate:
    certificate = SERVER_CERTIFICATES.get(ctx, ctx.account, name.lower())
    if certificate is None:
        raise no_such("Server Certificate", name)
    return certificate


def _check_free(ctx: Context, name: str) -> None:
    if SERVER_CERTIFICATES.get(ctx, ctx.account, name.lower()) is not None:
        raise exists(f"The Server Certificate with name {name} already exists.")


@operation("UploadServerCertificate")
def upload_server_certificate(ctx: Context, req: Any) -> Answer:
    """Keeps a certificate with its key; the key is never shown.

    Errors: EntityAlreadyExists, MalformedCertificate, KeyPairMismatch, LimitExceeded (20), InvalidInput.
    """
    from fogbank.services.iam import pem

    _check_free(ctx, req.ServerCertificateName)
    check_quota("ServerCertificatesQuota", sum(1 for _ in SERVER_CERTIFICATES.scan(ctx, ctx.account)))
    found = pem.certificate(req.CertificateBody)
    pem.check_pair(found, req.PrivateKey)
    if req.CertificateChain is not None:
        pem.check_chain(req.CertificateChain)
    path = req.Path or "/"
    certificate = ServerCertificate(
        account=ctx.account,
        key=req.ServerCertificateName.lower(),
        name=req.ServerCertificateName,
        path=path,
        id=ids.unique_id(ctx.random, "ASCA"),
        arn=ctx.arn(f"server-certificate{path}{req.ServerCertificateName}", service="iam", region=""),
        body=req.CertificateBody,
        private_key=req.PrivateKey,
        uploaded_at_ms=ctx.now,
        expires_at_ms=int(found.not_valid_after_utc.timestamp() * 1000),
        chain=req.CertificateChain,
        tags=tagging.tagged({}, req.Tags),
    )
    SERVER_CERTIFICATES.put(ctx, certificate)
    return {"ServerCertificateMetadata": _metadata(certificate), "Tags": pairs(certificate.tags) or None}


@operation("GetServerCertificate")
def get_server_certificate(ctx: Context, req: Any) -> Answer:
    """A certificate and its chain, without its key."""
    certificate = certificate_at(ctx, req.ServerCertificateName)
    return {
        "ServerCertificate": {
            "ServerCertificateMetadata": _metadata(certificate),
            "CertificateBody": certificate.body,
            "CertificateChain": certificate.chain,
            "Tags": pairs(certificate.tags) or None,
        }
    }


@operation("ListServerCertificates")
def list_server_certificates(ctx: Context, req: Any) -> Answer:
    """Certificates under a path, in order of their names."""
    prefix = req.PathPrefix or "/"
    found = (c for c in SERVER_CERTIFICATES.scan(ctx, ctx.account, after=place(req)) if c.path.startswith(prefix))
    return page(req, "ServerCertificateMetadataList", found, lambda c: c.key, _metadata)


@operation("UpdateServerCertificate")
def update_server_certificate(ctx: Context, req: Any) -> Answer:
    """Renames or moves a certificate. Needs permission on the old and the new ARN.

    Errors: NoSuchEntity, EntityAlreadyExists.
    """
    certificate = certificate_at(ctx, req.ServerCertificateName)
    name, path = req.NewServerCertificateName or certificate.name, req.NewPath or certificate.path
    arn = ctx.arn(f"server-certificate{path}{name}", service="iam", region="")
    ctx.authorize("iam:UpdateServerCertificate", arn)
    if name.lower() != certificate.key:
        _check_free(ctx, name)
        SERVER_CERTIFICATES.delete(ctx, certificate)
    SERVER_CERTIFICATES.put(ctx, change(certificate, key=name.lower(), name=name, path=path, arn=arn))
    return None


@operation("DeleteServerCertificate")
def delete_server_certificate(ctx: Context, req: Any) -> Answer:
    """Deletes a certificate."""
    SERVER_CERTIFICATES.delete(ctx, certificate_at(ctx, req.ServerCertificateName))
    return None


@operation("TagServerCertificate")
def tag_server_certificate(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    certificate = certificate_at(ctx, req.ServerCertificateName)
    SERVER_CERTIFICATES.put(ctx, change(certificate, tags=tagging.tagged(certificate.tags, req.Tags)))
    return None


@operation("UntagServerCertificate")
def untag_server_certificate(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    certificate = certificate_at(ctx, req.ServerCertificateName)
    SERVER_CERTIFICATES.put(ctx, change(certificate, tags=tagging.untagged(certificate.tags, req.TagKeys)))
    return None


@operation("ListServerCertificateTags")
def list_server_certificate_tags(ctx: Context, req: Any) -> Answer:
    """A certificate's tags, in order of the keys."""
    return tagging.listed(req, certificate_at(ctx, req.ServerCertificateName).tags)
