"""Key specs: what each may be used for, and by which algorithms. Data; nothing here enciphers.

Source: "Key spec reference" in the KMS Developer Guide, and the API reference, CreateKey, GenerateDataKeyPair.
"""

from __future__ import annotations

from typing import NamedTuple

ENCRYPT = "ENCRYPT_DECRYPT"
SIGN = "SIGN_VERIFY"
MAC = "GENERATE_VERIFY_MAC"
AGREE = "KEY_AGREEMENT"
ENCAPSULATE = "ENCAPSULATE_DECAPSULATE"
SYMMETRIC = "SYMMETRIC_DEFAULT"

MEMBERS = {
    ENCRYPT: "EncryptionAlgorithms",
    SIGN: "SigningAlgorithms",
    MAC: "MacAlgorithms",
    AGREE: "KeyAgreementAlgorithms",
    ENCAPSULATE: "EncapsulationAlgorithms",
}
"""The member of a key's description that lists the algorithms of its usage."""


class Spec(NamedTuple):
    """`size` is bits of an RSA modulus, or the bytes of an HMAC key as (made, least, most)."""

    kind: str
    usages: dict[str, tuple[str, ...]]
    size: int = 0
    bytes: tuple[int, int, int] = (0, 0, 0)

    @property
    def asymmetric(self) -> bool:
        return self.kind not in ("symmetric", "hmac")


_RSA = {
    ENCRYPT: ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"),
    SIGN: tuple(f"RSASSA_{padding}_SHA_{bits}" for padding in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)),
}
_AGREEMENT = {AGREE: ("ECDH",)}

SPECS: dict[str, Spec] = {
    SYMMETRIC: Spec("symmetric", {ENCRYPT: (SYMMETRIC,)}, bytes=(32, 32, 32)),
    "HMAC_224": Spec("hmac", {MAC: ("HMAC_SHA_224",)}, bytes=(28, 28, 64)),
    "HMAC_256": Spec("hmac", {MAC: ("HMAC_SHA_256",)}, bytes=(32, 32, 64)),
    "HMAC_384": Spec("hmac", {MAC: ("HMAC_SHA_384",)}, bytes=(48, 48, 128)),
    "HMAC_512": Spec("hmac", {MAC: ("HMAC_SHA_512",)}, bytes=(64, 64, 128)),
    "RSA_2048": Spec("rsa", _RSA, 2048),
    "RSA_3072": Spec("rsa", _RSA, 3072),
    "RSA_4096": Spec("rsa", _RSA, 4096),
    "ECC_NIST_P256": Spec("ec", {SIGN: ("ECDSA_SHA_256",), **_AGREEMENT}),
    "ECC_NIST_P384": Spec("ec", {SIGN: ("ECDSA_SHA_384",), **_AGREEMENT}),
    "ECC_NIST_P521": Spec("ec", {SIGN: ("ECDSA_SHA_512",), **_AGREEMENT}),
    "ECC_SECG_P256K1": Spec("ec", {SIGN: ("ECDSA_SHA_256",)}),
    "ECC_NIST_EDWARDS25519": Spec("ed25519", {SIGN: ("ED25519_SHA_512",)}),
    "ML_DSA_44": Spec("ml-dsa", {SIGN: ("ML_DSA_SHAKE_256",)}),
    "ML_DSA_65": Spec("ml-dsa", {SIGN: ("ML_DSA_SHAKE_256",)}),
    "ML_DSA_87": Spec("ml-dsa", {SIGN: ("ML_DSA_SHAKE_256",)}),
    "ML_KEM_768": Spec("ml-kem", {ENCAPSULATE: ("ML_KEM",)}),
    "ML_KEM_1024": Spec("ml-kem", {ENCAPSULATE: ("ML_KEM",)}),
}
"""Every key spec that there is here. Absent: SM2 (China Regions only) and ML_KEM_512, which our cryptography does not have."""

GRANTED: dict[str, frozenset[str]] = {
    SYMMETRIC: frozenset(
        {
            "Encrypt",
            "Decrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
        }
    ),
    ENCRYPT: frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"}),
    SIGN: frozenset({"Sign", "Verify", "GetPublicKey"}),
    MAC: frozenset({"GenerateMac", "VerifyMac"}),
    AGREE: frozenset({"DeriveSharedSecret", "GetPublicKey"}),
    ENCAPSULATE: frozenset({"Encapsulate", "Decapsulate", "GetPublicKey"}),
}
"""The operations that a grant may permit, besides CreateGrant, RetireGrant and DescribeKey: by the key's spec, else by its usage."""
