"""Encrypt, Decrypt, ReEncrypt, data keys: what was sealed opens, and only so."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key, load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import OTHER, Make, Refused

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
contexts = st.dictionaries(words, words, max_size=4)


@settings(max_examples=40)
@given(plaintext=st.binary(min_size=1, max_size=200), context=contexts, other=contexts, rotate=st.booleans())
def test_what_was_encrypted_decrypts(
    cloud: Any, kms: Any, key: str, plaintext: bytes, context: dict[str, str], other: dict[str, str], rotate: bool
) -> None:
    """Whatever the context and however often the key was rotated since; never in another context."""
    sealed = kms.encrypt(KeyId=key, Plaintext=plaintext, EncryptionContext=context)["CiphertextBlob"]
    if rotate and len(kms.list_key_rotations(KeyId=key)["Rotations"]) < 25:
        kms.rotate_key_on_demand(KeyId=key)
        cloud.settle()
    turned = dict(reversed(context.items()))
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=turned)["Plaintext"] == plaintext
    if other != context:
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=sealed, EncryptionContext=other)


def test_a_ciphertext_names_its_key(kms: Any, make: Make, refused: Refused) -> None:
    """Decrypt needs no KeyId; the wrong one is refused, the right one by any of its names is taken."""
    one, two = make()["Arn"], make()["Arn"]
    kms.create_alias(AliasName="alias/one", TargetKeyId=one)
    answer = kms.encrypt(KeyId="alias/one", Plaintext=b"x")
    assert (answer["KeyId"], answer["EncryptionAlgorithm"]) == (one, "SYMMETRIC_DEFAULT")
    sealed = answer["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["KeyId"] == one
    assert kms.decrypt(CiphertextBlob=sealed, KeyId="alias/one")["Plaintext"] == b"x"
    assert refused(kms.decrypt, CiphertextBlob=sealed, KeyId=two) == (
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
    assert refused(kms.re_encrypt, CiphertextBlob=sealed, SourceKeyId=two, DestinationKeyId=two)[0] == "IncorrectKeyException"


def test_an_altered_ciphertext_is_refused(kms: Any, key: str, refused: Refused) -> None:
    """Not one byte of a ciphertext may change, be missing or be added."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    altered = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(0, len(sealed), 3)]
    for wrong in [*altered, sealed[:-1], sealed + b"x", b"x", sealed[::-1]]:
        for extra in ({}, {"KeyId": key}):
            assert refused(kms.decrypt, CiphertextBlob=wrong, EncryptionContext={"a": "b"}, **extra) == ("InvalidCiphertextException", "")


def test_a_ciphertext_of_another_region_is_not_known(cloud: Any, kms: Any, key: str, refused: Refused) -> None:
    """A ciphertext is opened in its key's own region."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    elsewhere = cloud.client("kms", region="eu-west-1")
    code, message = refused(elsewhere.decrypt, CiphertextBlob=sealed)
    assert code == "AccessDeniedException"
    assert message.startswith("The ciphertext refers to a customer master key that does not exist")


def test_the_wrong_key_for_the_operation(kms: Any, make: Make, refused: Refused) -> None:
    """A key that is not for it, or does not know the algorithm, answers InvalidKeyUsageException."""
    signer = make(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["Arn"]
    assert refused(kms.encrypt, KeyId=signer, Plaintext=b"x") == (
        "InvalidKeyUsageException",
        f"{signer} key usage is SIGN_VERIFY which is not valid for Encrypt.",
    )
    plain = make()["Arn"]
    assert refused(kms.encrypt, KeyId=plain, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256") == (
        "InvalidKeyUsageException",
        "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.",
    )
    assert refused(kms.sign, KeyId=plain, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")[0] == "InvalidKeyUsageException"
    assert refused(kms.get_public_key, KeyId=plain)[0] == "UnsupportedOperationException"


@pytest.mark.parametrize(
    ("algorithm", "hashed", "most"), [("RSAES_OAEP_SHA_1", hashes.SHA1(), 214), ("RSAES_OAEP_SHA_256", hashes.SHA256(), 190)]
)
def test_rsa_encrypts(kms: Any, make: Make, refused: Refused, algorithm: str, hashed: hashes.HashAlgorithm, most: int) -> None:
    """What the public key encrypts outside opens here, up to the padding's length; there is no context."""
    key = make(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["Arn"]
    public: Any = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    outside = public.encrypt(b"outside", padding.OAEP(padding.MGF1(hashed), hashed, None))
    assert kms.decrypt(KeyId=key, CiphertextBlob=outside, EncryptionAlgorithm=algorithm)["Plaintext"] == b"outside"
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x" * most, EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    answer = kms.decrypt(KeyId=key, CiphertextBlob=sealed, EncryptionAlgorithm=algorithm)
    assert (answer["Plaintext"], answer["EncryptionAlgorithm"]) == (b"x" * most, algorithm)
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x" * (most + 1), EncryptionAlgorithm=algorithm)[0] == "ValidationException"
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x")[0] == "InvalidKeyUsageException"
    with_context = {"KeyId": key, "Plaintext": b"x", "EncryptionAlgorithm": algorithm, "EncryptionContext": {"a": "b"}}
    assert refused(kms.encrypt, **with_context)[0] == "ValidationException"
    wrong = {"KeyId": key, "CiphertextBlob": sealed[:-1] + bytes([sealed[-1] ^ 1]), "EncryptionAlgorithm": algorithm}
    assert refused(kms.decrypt, **wrong)[0] == "InvalidCiphertextException"


def test_reencrypt_moves_a_ciphertext(kms: Any, make: Make) -> None:
    """From one key and context to another, symmetric and not, without showing the plaintext."""
    one, two = make()["Arn"], make(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["Arn"]
    sealed = kms.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=sealed,
        SourceEncryptionContext={"a": "b"},
        DestinationKeyId=two,
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256",
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (one, two)
    assert "Plaintext" not in moved
    assert "DestinationKeyMaterialId" not in moved
    back = kms.re_encrypt(
        CiphertextBlob=moved["CiphertextBlob"],
        SourceKeyId=two,
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        DestinationKeyId=one,
        DestinationEncryptionContext={"c": "d"},
    )
    opened = kms.decrypt(CiphertextBlob=back["CiphertextBlob"], EncryptionContext={"c": "d"})
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"x", back["DestinationKeyMaterialId"])


def test_data_keys(kms: Any, key: str, refused: Refused) -> None:
    """A data key comes plain and sealed, of the length asked for; without plaintext only sealed."""
    for members, size in (({"KeySpec": "AES_128"}, 16), ({"KeySpec": "AES_256"}, 32), ({"NumberOfBytes": 1024}, 1024)):
        made = kms.generate_data_key(KeyId=key, EncryptionContext={"a": "b"}, **members)
        assert len(made["Plaintext"]) == size
        assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"] == made["Plaintext"]
        sealed = kms.generate_data_key_without_plaintext(KeyId=key, **members)
        assert "Plaintext" not in sealed
        assert len(kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"]) == size
    for wrong in ({}, {"KeySpec": "AES_128", "NumberOfBytes": 1}):
        assert refused(kms.generate_data_key, KeyId=key, **wrong) == (
            "ValidationException",
            "Please specify either number of bytes or key spec.",
        )
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
    assert refused(kms.generate_random)[0] == "ValidationException"


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_KEM_768"])
def test_data_key_pairs(kms: Any, key: str, spec: str) -> None:
    """The two halves belong together, and the sealed private half is the plain one."""
    made = kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec, EncryptionContext={"a": "b"})
    private = load_der_private_key(made["PrivateKeyPlaintext"], None)
    assert private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made["PublicKey"]
    sealed = made["PrivateKeyCiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["Plaintext"] == made["PrivateKeyPlaintext"]
    assert "PrivateKeyPlaintext" not in kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec=spec)


def test_dry_runs_change_nothing(kms: Any, key: str, refused: Refused) -> None:
    """After every check, DryRun answers that it would have worked; with IGNORE_CIPHERTEXT no ciphertext is needed."""
    would = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True) == would
    assert refused(kms.decrypt, CiphertextBlob=sealed, DryRun=True) == would
    assert refused(kms.decrypt, CiphertextBlob=sealed[:-1], DryRun=True)[0] == "InvalidCiphertextException"
    assert refused(kms.decrypt, KeyId=key, DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"]) == would
    assert refused(kms.decrypt, KeyId=key)[0] == "ValidationException"
    assert refused(kms.re_encrypt, CiphertextBlob=sealed, DestinationKeyId=key, DryRun=True) == would
    assert refused(kms.generate_data_key, KeyId=key, KeySpec="AES_256", DryRun=True) == would
    assert refused(kms.create_grant, KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Decrypt"], DryRun=True) == would
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_what_needs_an_enclave_is_refused(kms: Any, key: str, refused: Refused) -> None:
    """Recipient is named as missing, not ignored: the plaintext must not come out."""
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    code, message = refused(kms.generate_data_key, KeyId=key, KeySpec="AES_256", Recipient=recipient)
    assert code == "NotImplemented"
    assert "Recipient" in message


def test_the_largest_of_all(kms: Any, key: str) -> None:
    """4,096 bytes are encrypted, re-encrypted and decrypted with a context."""
    context = {"a" * 50: "b" * 500}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x" * 4096, EncryptionContext=context)["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=sealed, SourceEncryptionContext=context, DestinationKeyId=key)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=moved)["Plaintext"] == b"x" * 4096
