"""The key that signs notifications, and its certificate.

A cloud has one, made when something is first signed; its private half is sealed. A verifier takes the certificate from SigningCertURL,
and trusts only hosts of AWS: so the URL has such a host, and the certificate is at that path of this cloud's endpoint (`certificate`).
Who verifies hands it over, or points the host here.
Source: "Verifying the signatures of Amazon SNS messages" in the Developer Guide.
"""

from __future__ import annotations

import base64
import datetime
import re
from functools import cache, lru_cache
from typing import Any

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpResponse, Visit
from fogbank.services.sns.state import SIGNING_KEYS, SigningKey

KEY_BITS = 2048
"""As AWS's. One signature, of some 300 us, does for all the subscriptions that a message goes to."""
_CONTEXT = b"sns.signing"
_DOMAINS = {"aws-cn": "amazonaws.com.cn"}
_path = re.compile(r"/SimpleNotificationService-([0-9a-f]{32})\.pem").fullmatch


@cache
def _pair() -> tuple[bytes, str]:
    """A new private key (DER) and its certificate (PEM). A process makes no more than one: its clouds have no secrets from each other."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certified = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2120, 1, 1))
        .sign(made, hashes.SHA256())
    )
    kept = made.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return kept, certified.public_bytes(serialization.Encoding.PEM).decode()


def key(ctx: Context) -> SigningKey:
    """The cloud's key; made (in some 10 ms) with the first subscription, before anything is sent that it signs."""
    kept = SIGNING_KEYS.get(ctx, "signing")
    if kept is None:
        private, certified = _pair()
        kept = SigningKey(id=ctx.random.hex(32), certificate=certified, sealed=ctx.vault.seal(private, _CONTEXT))
        SIGNING_KEYS.put(ctx, kept)
    return kept


@lru_cache(64)
def _opened(vault: Any, sealed: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(vault.open(sealed, _CONTEXT), None)


@cache
def _scheme(version: str) -> tuple[Any, Any]:
    """The padding and the digest of a signature version."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    return padding.PKCS1v15(), hashes.SHA256() if version == "2" else hashes.SHA1()


def sign(ctx: Context, text: bytes, version: str, region: str) -> tuple[str, str, str]:
    """Version, signature (version 1: SHA-1, 2: SHA-256; with RSA, in base64) and the certificate's URL."""
    kept = key(ctx)
    signature = _opened(ctx.vault, kept.sealed).sign(text, *_scheme(version))
    return version or "1", base64.b64encode(signature).decode(), _url(region, kept.id)


@lru_cache(256)
def _url(region: str, name: str) -> str:
    return f"https://sns.{region}.{_DOMAINS.get(partition_of(region), 'amazonaws.com')}/SimpleNotificationService-{name}.pem"


def certificate(ctx: Context, visit: Visit) -> HttpResponse:
    """The certificate, at the path of SigningCertURL."""
    asked = _path(visit.request.path)
    kept = SIGNING_KEYS.get(ctx, "signing")
    if asked is None or kept is None or asked[1] != kept.id:
        raise ServiceException("NotFound", "There is no such certificate", status=404)
    return HttpResponse(200, [("Content-Type", "application/x-pem-file")], kept.certificate.encode())
