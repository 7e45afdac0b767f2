"""What asymmetric and HMAC keys do: Sign, Verify, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate, GetPublicKey."""

from __future__ import annotations

import hmac
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import asymmetric, faults, uses
from fogbank.services.kms.materials import current, opened
from fogbank.services.kms.names import key_at
from fogbank.services.kms.specs import AGREE, ENCAPSULATE, MAC, MEMBERS, SIGN, SPECS
from fogbank.services.kms.state import Key


def _key_for(ctx: Context, req: Any, usage: str, algorithm: str) -> Key:
    """The key, for this usage and algorithm, in a state to be used; and that the tokens are ours."""
    key = key_at(ctx, req.KeyId)
    faults.check_usage(ctx, key, usage)
    if usage == SIGN:
        asymmetric.check_message(ctx.operation, algorithm, req.MessageType or "RAW", req.Message)
    faults.check_algorithm(key, algorithm, SPECS[key.spec].usages[usage])
    faults.check_tokens(ctx, req)
    return key


@operation("Sign")
def sign(ctx: Context, req: Any) -> Answer:
    """Signs a message of up to 4,096 bytes, or its digest (DIGEST), or an ML-DSA key's mu (EXTERNAL_MU, 64 bytes).

    PSS's salt is as long as the digest. ED25519_PH_SHA_512 and SM2DSA are refused.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException, ValidationException,
    InvalidGrantTokenException, DryRunOperationException. Source: API reference, Sign.
    """
    key = _key_for(ctx, req, SIGN, req.SigningAlgorithm)
    faults.check_dry_run(req)
    private = opened(ctx, key, current(ctx, key))
    signature = asymmetric.sign(private, req.SigningAlgorithm, req.MessageType or "RAW", req.Message)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": req.SigningAlgorithm}


@operation("Verify")
def verify(ctx: Context, req: Any) -> Answer:
    """Says that a signature is right, or raises. Errors: those of Sign; KMSInvalidSignatureException. Source: API reference, Verify."""
    key = _key_for(ctx, req, SIGN, req.SigningAlgorithm)
    public = current(ctx, key).public
    if not asymmetric.verified(public, req.SigningAlgorithm, req.MessageType or "RAW", req.Message, req.Signature):
        raise ServiceException("KMSInvalidSignatureException", "")
    faults.check_dry_run(req)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": req.SigningAlgorithm}


def _mac(ctx: Context, key: Key, req: Any) -> bytes:
    digest = "sha" + req.MacAlgorithm.rpartition("_")[2]
    return hmac.digest(opened(ctx, key, current(ctx, key)), req.Message, digest)


@operation("GenerateMac")
def generate_mac(ctx: Context, req: Any) -> Answer:
    """The HMAC of a message of up to 4,096 bytes. Errors: those of Sign. Source: API reference, GenerateMac."""
    key = _key_for(ctx, req, MAC, req.MacAlgorithm)
    faults.check_dry_run(req)
    mac = _mac(ctx, key, req)
    uses.note(ctx, key)
    return {"Mac": mac, "MacAlgorithm": req.MacAlgorithm, "KeyId": key.arn}


@operation("VerifyMac")
def verify_mac(ctx: Context, req: Any) -> Answer:
    """Says that an HMAC is right, or raises. Errors: those of Sign; KMSInvalidMacException. Source: API reference, VerifyMac."""
    key = _key_for(ctx, req, MAC, req.MacAlgorithm)
    if not hmac.compare_digest(_mac(ctx, key, req), req.Mac):
        raise ServiceException("KMSInvalidMacException", "")
    faults.check_dry_run(req)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": req.MacAlgorithm}


@operation("DeriveSharedSecret")
def derive_shared_secret(ctx: Context, req: Any) -> Answer:
    """The raw ECDH secret of a key and somebody's public key (DER) on the same curve.

    Errors: those of Sign. Source: API reference, DeriveSharedSecret.
    """
    faults.check_recipient(ctx, req)
    key = _key_for(ctx, req, AGREE, req.KeyAgreementAlgorithm)
    secret = asymmetric.agree(opened(ctx, key, current(ctx, key)), req.PublicKey)
    if secret is None:
        raise faults.invalid(f"PublicKey must be a DER-encoded X.509 public key on the curve of key spec {key.spec}.")
    faults.check_dry_run(req)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "SharedSecret": secret, "KeyAgreementAlgorithm": req.KeyAgreementAlgorithm, "KeyOrigin": key.origin}


@operation("Encapsulate")
def encapsulate(ctx: Context, req: Any) -> Answer:
    """A new shared secret of 32 bytes, and the ciphertext that Decapsulate takes. Errors: those of Sign.

    Source: API reference, Encapsulate.
    """
    key = _key_for(ctx, req, ENCAPSULATE, req.EncapsulationAlgorithm)
    faults.check_dry_run(req)
    secret, ciphertext = asymmetric.encapsulate(current(ctx, key).public)
    uses.note(ctx, key)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": ciphertext,
        "EncapsulationAlgorithm": req.EncapsulationAlgorithm,
    }


@operation("Decapsulate")
def decapsulate(ctx: Context, req: Any) -> Answer:
    """The shared secret of a ciphertext; of one that was altered or meant for another key, another secret (implicit rejection).

    Errors: those of Sign; InvalidCiphertextException for a wrong length. Source: API reference, Decapsulate.
    """
    key = _key_for(ctx, req, ENCAPSULATE, req.EncapsulationAlgorithm)
    secret = asymmetric.decapsulate(opened(ctx, key, current(ctx, key)), req.SharedSecretCiphertextBlob)
    if secret is None:
        raise ServiceException("InvalidCiphertextException", "")
    faults.check_dry_run(req)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "SharedSecret": secret, "EncapsulationAlgorithm": req.EncapsulationAlgorithm}


@operation("GetPublicKey")
def get_public_key(ctx: Context, req: Any) -> Answer:
    """The public half of an asymmetric key (DER), with what it is for.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, UnsupportedOperationException.
    Source: API reference, GetPublicKey.
    """
    key = key_at(ctx, req.KeyId)
    faults.check_tokens(ctx, req)
    spec = SPECS[key.spec]
    if not spec.asymmetric:
        raise faults.unsupported(f"{key.arn} key spec is {key.spec} which is not valid for GetPublicKey.")
    return {
        "KeyId": key.arn,
        "PublicKey": current(ctx, key).public,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        MEMBERS[key.usage]: list(spec.usages[key.usage]),
    }
