"""Signatures, MACs, shared secrets: each checked with another implementation's hands, and the public key."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from .conftest import Make, Refused

HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
SIGNING = [
    *(("RSA_2048", f"RSASSA_{kind}_SHA_{bits}") for kind in ("PSS", "PKCS1_V1_5") for bits in HASHES),
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ("ML_DSA_44", "ML_DSA_SHAKE_256"),
    ("ML_DSA_65", "ML_DSA_SHAKE_256"),
    ("ML_DSA_87", "ML_DSA_SHAKE_256"),
]


def verify_outside(public: bytes, algorithm: str, message: bytes, signature: bytes) -> None:
    """As somebody does who has only the public key."""
    key: Any = load_der_public_key(public)
    hashed = HASHES.get(algorithm[-3:], hashes.SHA256())
    if algorithm.startswith("RSASSA_PSS"):
        key.verify(signature, message, padding.PSS(padding.MGF1(hashed), hashed.digest_size), hashed)
    elif algorithm.startswith("RSASSA"):
        key.verify(signature, message, padding.PKCS1v15(), hashed)
    elif algorithm.startswith("ECDSA"):
        key.verify(signature, message, ec.ECDSA(hashed))
    else:
        key.verify(signature, message)


@pytest.mark.parametrize(("spec", "algorithm"), SIGNING)
def test_signatures(kms: Any, make: Make, refused: Refused, spec: str, algorithm: str) -> None:
    """A signature holds here and outside, for this message only; a digest signs like its message."""
    key = make(KeySpec=spec, KeyUsage="SIGN_VERIFY")["Arn"]
    message = b"m" * 4096
    answer = kms.sign(KeyId=key, Message=message, SigningAlgorithm=algorithm)
    assert (answer["KeyId"], answer["SigningAlgorithm"]) == (key, algorithm)
    public = kms.get_public_key(KeyId=key)
    assert (public["KeySpec"], public["KeyUsage"]) == (spec, "SIGN_VERIFY")
    assert algorithm in public["SigningAlgorithms"]
    verify_outside(public["PublicKey"], algorithm, message, answer["Signature"])
    with pytest.raises(InvalidSignature):
        verify_outside(public["PublicKey"], algorithm, b"other", answer["Signature"])
    claim = {"KeyId": key, "SigningAlgorithm": algorithm, "Signature": answer["Signature"]}
    assert kms.verify(Message=message, **claim)["SignatureValid"] is True
    assert refused(kms.verify, Message=b"other", **claim) == ("KMSInvalidSignatureException", "")
    if algorithm.startswith(("RSASSA", "ECDSA")):
        digest = hashlib.new("sha" + algorithm[-3:], message).digest()
        signed = kms.sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)["Signature"]
        verify_outside(public["PublicKey"], algorithm, message, signed)
        assert kms.verify(Message=digest, MessageType="DIGEST", **claim)["SignatureValid"]
        assert refused(kms.sign, KeyId=key, Message=b"short", MessageType="DIGEST", SigningAlgorithm=algorithm) == (
            "ValidationException",
            f"Digest is invalid length for algorithm {algorithm}.",
        )


def test_ml_dsa_signs_a_mu(kms: Any, make: Make, refused: Refused) -> None:
    """EXTERNAL_MU is the hash that ML-DSA makes of public key and message: the same signature as of the message itself."""
    key = make(KeySpec="ML_DSA_44", KeyUsage="SIGN_VERIFY")["Arn"]
    public: Any = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    mu = hashlib.shake_256(hashlib.shake_256(raw).digest(64) + b"\0\0" + b"message").digest(64)
    members = {"KeyId": key, "SigningAlgorithm": "ML_DSA_SHAKE_256", "MessageType": "EXTERNAL_MU"}
    signature = kms.sign(Message=mu, **members)["Signature"]
    public.verify(signature, b"message")
    assert kms.verify(Message=mu, Signature=signature, **members)["SignatureValid"]
    assert refused(kms.sign, Message=mu[:-1], **members)[0] == "ValidationException"
    assert refused(kms.sign, Message=mu, **{**members, "MessageType": "DIGEST"})[0] == "ValidationException"


def test_algorithms_that_are_not_here_are_named(kms: Any, make: Make, refused: Refused) -> None:
    """Ed25519ph is refused by name; an algorithm of another kind of key as AWS does."""
    key = make(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["Arn"]
    code, message = refused(kms.sign, KeyId=key, Message=b"x" * 64, MessageType="DIGEST", SigningAlgorithm="ED25519_PH_SHA_512")
    assert code == "NotImplemented"
    assert "ED25519_PH_SHA_512" in message
    assert refused(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256") == (
        "InvalidKeyUsageException",
        "Algorithm ECDSA_SHA_256 is incompatible with key spec ECC_NIST_EDWARDS25519.",
    )


@pytest.mark.parametrize("bits", ["224", "256", "384", "512"])
def test_macs(kms: Any, make: Make, refused: Refused, bits: str) -> None:
    """An HMAC has its hash's length, is the same each time, and holds for its message only."""
    key = make(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")["Arn"]
    members = {"KeyId": key, "MacAlgorithm": f"HMAC_SHA_{bits}"}
    mac = kms.generate_mac(Message=b"m", **members)["Mac"]
    assert len(mac) == int(bits) // 8
    assert kms.generate_mac(Message=b"m", **members)["Mac"] == mac
    assert kms.verify_mac(Message=b"m", Mac=mac, **members)["MacValid"] is True
    assert refused(kms.verify_mac, Message=b"n", Mac=mac, **members) == ("KMSInvalidMacException", "")
    other = "HMAC_SHA_256" if bits != "256" else "HMAC_SHA_384"
    assert refused(kms.generate_mac, KeyId=key, Message=b"m", MacAlgorithm=other)[0] == "InvalidKeyUsageException"


@pytest.mark.parametrize(
    ("spec", "curve"), [("ECC_NIST_P256", ec.SECP256R1), ("ECC_NIST_P384", ec.SECP384R1), ("ECC_NIST_P521", ec.SECP521R1)]
)
def test_shared_secrets(kms: Any, make: Make, refused: Refused, spec: str, curve: Any) -> None:
    """DeriveSharedSecret gives what the other side gets from our public key; a key on another curve is refused."""
    key = make(KeySpec=spec, KeyUsage="KEY_AGREEMENT")["Arn"]
    public: Any = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    peer = ec.generate_private_key(curve())
    theirs = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    members = {"KeyId": key, "KeyAgreementAlgorithm": "ECDH"}
    answer = kms.derive_shared_secret(PublicKey=theirs, **members)
    assert answer["SharedSecret"] == peer.exchange(ec.ECDH(), public)
    assert answer["KeyOrigin"] == "AWS_KMS"
    stranger = ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for wrong in (stranger, b"nothing"):
        assert refused(kms.derive_shared_secret, PublicKey=wrong, **members)[0] == "ValidationException"


@pytest.mark.parametrize(("spec", "size"), [("ML_KEM_768", 1088), ("ML_KEM_1024", 1568)])
def test_encapsulation(kms: Any, make: Make, refused: Refused, spec: str, size: int) -> None:
    """What is encapsulated here or outside is decapsulated; an altered ciphertext gives another secret, a wrong length none."""
    key = make(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")["Arn"]
    members = {"KeyId": key, "EncapsulationAlgorithm": "ML_KEM"}
    made = kms.encapsulate(**members)
    sealed = made["SharedSecretCiphertextBlob"]
    assert (len(made["SharedSecret"]), len(sealed)) == (32, size)
    assert kms.decapsulate(SharedSecretCiphertextBlob=sealed, **members)["SharedSecret"] == made["SharedSecret"]
    public: Any = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    secret, outside = public.encapsulate()
    assert kms.decapsulate(SharedSecretCiphertextBlob=outside, **members)["SharedSecret"] == secret
    altered = kms.decapsulate(SharedSecretCiphertextBlob=bytes([sealed[0] ^ 1]) + sealed[1:], **members)["SharedSecret"]
    assert len(altered) == 32
    assert not hmac.compare_digest(altered, made["SharedSecret"])
    assert refused(kms.decapsulate, SharedSecretCiphertextBlob=sealed[:-1], **members)[0] == "InvalidCiphertextException"
