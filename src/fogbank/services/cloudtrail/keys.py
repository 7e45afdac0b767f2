"""The keys that digests are signed with: one a region, made when it is first needed, good for a year."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudtrail.state import KEYS, SigningKey

_YEAR_MS = 365 * 86_400_000
_SEALED_FOR = b"cloudtrail signing key"


class Signer(NamedTuple):
    fingerprint: str
    sign: Callable[[bytes], bytes]


def sign(ctx: Context, region: str) -> Signer:
    """The region's key of today. It is made beside the loop: Waiting is raised meanwhile."""
    found = next((k for k in KEYS.scan(ctx, region) if k.from_ms <= ctx.now < k.until_ms), None)
    if found is None:
        private = ctx.beside("key", lambda: rsa.generate_private_key(65537, 2048))
        found = _kept(ctx, region, private)
    else:
        private = cast(rsa.RSAPrivateKey, serialization.load_der_private_key(ctx.vault.open(found.sealed, _SEALED_FOR), None))
    return Signer(found.fingerprint, lambda text: private.sign(text, padding.PKCS1v15(), hashes.SHA256()))


def _kept(ctx: Context, region: str, private: rsa.RSAPrivateKey) -> SigningKey:
    public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    secret = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key = SigningKey(
        region=region,
        fingerprint=hashlib.md5(public, usedforsecurity=False).hexdigest(),
        public=public,
        sealed=ctx.vault.seal(secret, _SEALED_FOR),
        from_ms=ctx.now,
        until_ms=ctx.now + _YEAR_MS,
    )
    KEYS.put(ctx, key)
    return key


@operation("ListPublicKeys")
def list_public_keys(ctx: Context, req: Any) -> Answer:
    """The public keys (PKCS #1, DER) whose private halves signed digests in a time; of the last hour if none is given.

    Errors: InvalidTimeRangeException. Source: API reference, ListPublicKeys.
    """
    end_ms = req.EndTime if req.EndTime is not None else ctx.now
    start_ms = req.StartTime if req.StartTime is not None else end_ms - 3_600_000
    if start_ms > end_ms:
        raise ServiceException("InvalidTimeRangeException", "The start time must be before the end time.")
    found = [k for k in KEYS.scan(ctx, ctx.region) if k.from_ms <= end_ms and k.until_ms > start_ms]
    return {
        "PublicKeyList": [
            {"Value": k.public, "ValidityStartTime": k.from_ms, "ValidityEndTime": k.until_ms, "Fingerprint": k.fingerprint} for k in found
        ]
    }
