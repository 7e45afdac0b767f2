"""X.509 certificates, keys and SSH keys in their texts. Imported when the first is uploaded."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)

from fogbank.kernel.errors import ServiceException

_LEAST_RSA_BITS = 1024


def _malformed(sentence: str) -> ServiceException:
    return ServiceException("MalformedCertificateException", sentence)


def certificate(body: str) -> x509.Certificate:
    """Raises MalformedCertificate."""
    try:
        return x509.load_pem_x509_certificate(body.strip().encode())
    except ValueError:
        raise _malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.") from None


def check_pair(found: x509.Certificate, private_key: str) -> None:
    """Raises KeyPairMismatch unless the private key is the certificate's, MalformedCertificate where it cannot be read."""
    try:
        key = load_pem_private_key(private_key.strip().encode(), None)
    except (ValueError, TypeError):
        raise _malformed("Unable to parse key. Please ensure the private key is in unencrypted PEM format.") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        raise ServiceException("KeyPairMismatchException", "Private key does not match public key of the certificate.")


def check_chain(chain: str) -> None:
    """Raises MalformedCertificate."""
    try:
        x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        raise _malformed("Unable to parse certificate chain.") from None


def public_key(body: str) -> rsa.RSAPublicKey:
    """An SSH public key in ssh-rsa or PEM form.

    Errors: UnrecognizedPublicKeyEncoding, InvalidPublicKey (not RSA, or shorter than 1024 bits).
    """
    text = body.strip().encode()
    try:
        key = load_pem_public_key(text) if text.startswith(b"-----") else load_ssh_public_key(text)
    except Exception:  # cryptography raises several kinds for what it cannot read
        raise ServiceException(
            "UnrecognizedPublicKeyEncodingException", "The public key is neither in ssh-rsa nor in PEM encoding."
        ) from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_RSA_BITS:
        raise ServiceException("InvalidPublicKeyException", "The public key is not an RSA key of at least 1024 bits.")
    return key


def as_ssh(key: rsa.RSAPublicKey) -> str:
    """ssh-rsa AAAA..."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def as_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """MD5 of the SSH form, as pairs of digits with colons."""
    return hashlib.md5(base64.b64decode(as_ssh(key).split()[1]), usedforsecurity=False).digest().hex(":")
