"""Asymmetric algorithms by AWS's names: RSA encryption, signatures, key agreement, key encapsulation.

`prepared` keys are those of `pairs.read` and `pairs.read_public`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from fogbank.kernel.errors import NotImplementedOperation
from fogbank.services.kms import pairs
from fogbank.services.kms.faults import invalid
from fogbank.services.kms.specs import SPECS

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_1": hashes.SHA1(),
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}
_MU_BYTES = 64

public_key = lru_cache(256)(pairs.read_public)


def _hash(algorithm: str) -> hashes.HashAlgorithm:
    """The hash that an algorithm's name ends with."""
    return _HASHES["SHA_" + algorithm.rpartition("_")[2]]


@lru_cache(8)
def oaep(algorithm: str) -> padding.OAEP:
    """The padding of RSAES_OAEP_SHA_1 and _256, and of the RSA part of RSA_AES_KEY_WRAP_SHA_1 and _256."""
    return padding.OAEP(padding.MGF1(_hash(algorithm)), _hash(algorithm), None)


def encrypt(spec: str, public: bytes, algorithm: str, plaintext: bytes) -> bytes:
    """Errors: ValidationException where the plaintext is too long for the key."""
    most = SPECS[spec].size // 8 - 2 * _hash(algorithm).digest_size - 2
    if len(plaintext) > most:
        raise invalid(f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {most} bytes.")
    made: bytes = public_key(public).encrypt(plaintext, oaep(algorithm))
    return made


def decrypt(private: Any, algorithm: str, ciphertext: bytes) -> bytes | None:
    """None for what was not encrypted so."""
    try:
        found: bytes = private.decrypt(ciphertext, oaep(algorithm))
    except ValueError:
        return None
    return found


def check_message(operation: str, algorithm: str, kind: str, message: bytes) -> None:
    """Whether a message of this MessageType can be signed so. Errors: ValidationException."""
    if algorithm in ("SM2DSA", "ED25519_PH_SHA_512"):
        raise NotImplementedOperation("kms", operation, f"with {algorithm}")
    hashed_otherwise = algorithm in ("ML_DSA_SHAKE_256", "ED25519_SHA_512")
    if (kind == "EXTERNAL_MU" and algorithm != "ML_DSA_SHAKE_256") or (kind == "DIGEST" and hashed_otherwise):
        raise invalid(f"MessageType {kind} is not valid for algorithm {algorithm}.")
    wanted = _MU_BYTES if kind == "EXTERNAL_MU" else _hash(algorithm).digest_size if kind == "DIGEST" else len(message)
    if len(message) != wanted:
        raise invalid(f"Digest is invalid length for algorithm {algorithm}.")


def _scheme(algorithm: str, digest: bool) -> tuple[Any, ...]:
    """What a key's `sign` and `verify` want to know besides the message."""
    if not algorithm.startswith(("RSASSA", "ECDSA")):
        return ()
    plain = _hash(algorithm)
    hashed = Prehashed(plain) if digest else plain
    if algorithm.startswith("ECDSA"):
        return (ec.ECDSA(hashed),)
    if algorithm.startswith("RSASSA_PSS"):
        return padding.PSS(padding.MGF1(plain), plain.digest_size), hashed
    return padding.PKCS1v15(), hashed


def sign(private: Any, algorithm: str, kind: str, message: bytes) -> bytes:
    made: bytes = private.sign_mu(message) if kind == "EXTERNAL_MU" else private.sign(message, *_scheme(algorithm, kind == "DIGEST"))
    return made


def verified(public: bytes, algorithm: str, kind: str, message: bytes, signature: bytes) -> bool:
    key = public_key(public)
    try:
        if kind == "EXTERNAL_MU":
            key.verify_mu(signature, message)
        else:
            key.verify(signature, message, *_scheme(algorithm, kind == "DIGEST"))
    except InvalidSignature:
        return False
    return True


def agree(private: Any, peer: bytes) -> bytes | None:
    """The ECDH secret with somebody's public key; None where it is not a key of the same curve."""
    try:
        public = pairs.read_public(peer)
    except ValueError:
        return None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != private.curve.name:
        return None
    made: bytes = private.exchange(ec.ECDH(), public)
    return made


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """(a new shared secret, its ciphertext)."""
    secret, ciphertext = public_key(public).encapsulate()
    return secret, ciphertext


def decapsulate(private: Any, ciphertext: bytes) -> bytes | None:
    """The shared secret; another one for a ciphertext that was altered, None for one of a wrong length."""
    try:
        found: bytes = private.decapsulate(ciphertext)
    except ValueError:
        return None
    return found
