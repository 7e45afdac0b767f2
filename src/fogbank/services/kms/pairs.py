"""Key pairs and secrets of every spec: made, read, and checked when somebody else made them. The only place that knows how.

A secret is what is sealed: the bytes of a symmetric or HMAC key, else a private key as PKCS #8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from fogbank.kernel.context import Context
from fogbank.services.kms.specs import SPECS

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
_MADE: dict[str, Callable[[], Any]] = {
    **{f"RSA_{bits}": partial(rsa.generate_private_key, 65537, bits) for bits in (2048, 3072, 4096)},
    **{spec: partial(ec.generate_private_key, curve()) for spec, curve in _CURVES.items()},
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey.generate,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey.generate,
}
_CLASSES: dict[str, type] = {
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey,
}


def private_bytes(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return made


def public_bytes(key: Any) -> bytes:
    """The public half of a private key."""
    made: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return made


def make(ctx: Context, spec: str) -> tuple[bytes, bytes]:
    """A new secret of a spec, and its public half ("" for a symmetric one). RSA takes up to a second, which nobody else waits for."""
    kind = SPECS[spec]
    if not kind.asymmetric:
        return ctx.random.bytes(kind.bytes[0]), b""
    key = ctx.beside(f"kms.{spec}", _MADE[spec]) if spec.startswith("RSA") else _MADE[spec]()
    return private_bytes(key), public_bytes(key)


def read(secret: bytes) -> Any:
    """A private key that we made or checked."""
    return load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)


def read_public(public: bytes) -> Any:
    """A public key that somebody gave us; ValueError where it is none."""
    try:
        return load_der_public_key(public)
    except UnsupportedAlgorithm as problem:
        raise ValueError(str(problem)) from None


def check(spec: str, secret: bytes) -> bytes:
    """The public half of imported material ("" for a symmetric one). ValueError where it is not of the spec."""
    kind = SPECS[spec]
    if not kind.asymmetric:
        _, least, most = kind.bytes
        if not least <= len(secret) <= most:
            raise ValueError("length")
        return b""
    try:
        key = load_der_private_key(secret, None)
    except (TypeError, UnsupportedAlgorithm) as problem:
        raise ValueError(str(problem)) from None
    if not _fits(spec, key):
        raise ValueError("kind")
    return public_bytes(key)


def _fits(spec: str, key: Any) -> bool:
    if spec in _CURVES:
        return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES[spec])
    if spec in _CLASSES:
        return isinstance(key, _CLASSES[spec])
    return isinstance(key, rsa.RSAPrivateKey) and key.key_size == SPECS[spec].size
