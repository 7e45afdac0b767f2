"""Signatures by JSON Web Keys (RFC 7517, 7518): RSA and elliptic curves. Imported when the first token is verified."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES: dict[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def verifies(key: dict[str, Any], algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether a key made the signature: RS256/384/512, PS256/384/512, ES256/384/512. Anything else does not verify."""
    hash_type = _HASHES.get(algorithm[2:])
    if hash_type is None or key.get("alg", algorithm) != algorithm:
        return False
    try:
        if algorithm[:2] in ("RS", "PS") and key.get("kty") == "RSA":
            public = rsa.RSAPublicNumbers(_integer(key["e"]), _integer(key["n"])).public_key()
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if algorithm[:2] == "PS":
                scheme = padding.PSS(padding.MGF1(hash_type()), hash_type.digest_size)
            public.verify(signature, signed, scheme, hash_type())
            return True
        if algorithm[:2] == "ES" and key.get("kty") == "EC" and key.get("crv") == _CURVE_OF[algorithm]:
            point = ec.EllipticCurvePublicNumbers(_integer(key["x"]), _integer(key["y"]), _CURVES[key["crv"]]())
            half = len(signature) // 2
            raw = (int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
            point.public_key().verify(utils.encode_dss_signature(*raw), signed, ec.ECDSA(hash_type()))
            return True
    except (InvalidSignature, ValueError, KeyError, TypeError, binascii.Error):
        return False
    return False
