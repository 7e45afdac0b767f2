"""Imported key material: wrapped, brought in, expired, deleted, brought in again."""

from __future__ import annotations

import datetime
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_public_key

from .conftest import DAY_S, Make, Refused

NEVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def wrapped(kms: Any, key: str, secret: bytes, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048") -> dict[str, Any]:
    """What ImportKeyMaterial takes for a secret, wrapped as somebody outside does it."""
    got = kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    public: Any = load_der_public_key(got["PublicKey"])
    hashed = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(hashed), hashed, None)
    if algorithm.startswith("RSA_AES"):
        wrapping = os.urandom(32)
        material = public.encrypt(wrapping, oaep) + aes_key_wrap_with_padding(wrapping, secret)
    else:
        material = public.encrypt(secret, oaep)
    return {"KeyId": key, "ImportToken": got["ImportToken"], "EncryptedKeyMaterial": material}


def bring(kms: Any, key: str, secret: bytes, **members: Any) -> Any:
    return kms.import_key_material(**wrapped(kms, key, secret), **{**NEVER, **members})


def state(kms: Any, key: str) -> str:
    found: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    return found


@pytest.fixture
def external(make: Make) -> str:
    """The ARN of a symmetric key that waits for its material."""
    made: str = make(Origin="EXTERNAL")["Arn"]
    return made


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072"])
def test_material_comes_in(kms: Any, external: str, refused: Refused, algorithm: str, spec: str) -> None:
    """A key without material is PendingImport; with it, it is Enabled and enciphers with just that."""
    assert refused(kms.encrypt, KeyId=external, Plaintext=b"x") == ("KMSInvalidStateException", f"{external} is pending import.")
    secret = os.urandom(32)
    answer = kms.import_key_material(**wrapped(kms, external, secret, algorithm, spec), **NEVER)
    described = kms.describe_key(KeyId=external)["KeyMetadata"]
    assert (described["KeyState"], described["Origin"]) == ("Enabled", "EXTERNAL")
    assert described["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    assert described["CurrentKeyMaterialId"] == answer["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=external, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_material_expires(cloud: Any, kms: Any, external: str, refused: Refused) -> None:
    """At ValidTo the material is gone and the key PendingImport; only the same material brings it back."""
    secret = os.urandom(32)
    now = kms.describe_key(KeyId=external)["KeyMetadata"]["CreationDate"]
    valid_to = now + datetime.timedelta(days=10)
    assert refused(kms.import_key_material, **wrapped(kms, external, secret))[0] == "ValidationException"
    assert refused(kms.import_key_material, **wrapped(kms, external, secret), ValidTo=now)[0] == "ValidationException"
    too_late = now + datetime.timedelta(days=366)
    assert refused(kms.import_key_material, **wrapped(kms, external, secret), ValidTo=too_late)[0] == "ValidationException"
    kms.import_key_material(**wrapped(kms, external, secret), ValidTo=valid_to, ExpirationModel="KEY_MATERIAL_EXPIRES")
    described = kms.describe_key(KeyId=external)["KeyMetadata"]
    assert (described["ExpirationModel"], described["ValidTo"].timestamp()) == ("KEY_MATERIAL_EXPIRES", valid_to.timestamp())
    sealed = kms.encrypt(KeyId=external, Plaintext=b"x")["CiphertextBlob"]
    cloud.advance(10 * DAY_S)
    assert state(kms, external) == "PendingImport"
    assert refused(kms.decrypt, CiphertextBlob=sealed)[0] == "KMSInvalidStateException"
    assert refused(bring, kms=kms, key=external, secret=os.urandom(32))[0] == "IncorrectKeyMaterialException"
    bring(kms, external, secret)
    cloud.advance(400 * DAY_S)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_material_is_deleted_and_comes_back(kms: Any, external: str) -> None:
    """DeleteImportedKeyMaterial takes it away at once; the same again opens what it sealed."""
    secret = os.urandom(32)
    made = bring(kms, external, secret)["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=external, Plaintext=b"x")["CiphertextBlob"]
    assert kms.delete_imported_key_material(KeyId=external)["KeyMaterialId"] == made
    assert state(kms, external) == "PendingImport"
    kms.delete_imported_key_material(KeyId=external)
    assert bring(kms, external, secret, KeyMaterialId=made)["KeyMaterialId"] == made
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_tokens_are_checked(cloud: Any, kms: Any, make: Make, external: str, refused: Refused) -> None:
    """A token is for one key and one day; a wrapping that does not open is refused, and so is material of another size."""
    other = make(Origin="EXTERNAL")["Arn"]
    members = wrapped(kms, external, os.urandom(32))
    assert refused(kms.import_key_material, **{**members, "KeyId": other}, **NEVER)[0] == "InvalidImportTokenException"
    assert refused(kms.import_key_material, **{**members, "ImportToken": b"x"}, **NEVER)[0] == "InvalidImportTokenException"
    whole = members["EncryptedKeyMaterial"]
    broken = whole[:-1] + bytes([whole[-1] ^ 1])
    assert refused(kms.import_key_material, **{**members, "EncryptedKeyMaterial": broken}, **NEVER)[0] == "InvalidCiphertextException"
    assert refused(bring, kms=kms, key=external, secret=b"x" * 16)[0] == "IncorrectKeyMaterialException"
    cloud.advance(DAY_S)
    assert refused(kms.import_key_material, **members, **NEVER)[0] == "ExpiredImportTokenException"
    plain = make()["Arn"]
    asked = {"KeyId": plain, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    assert refused(kms.get_parameters_for_import, **asked) == (
        "UnsupportedOperationException",
        f"{plain} origin is AWS_KMS which is not valid for this operation.",
    )


def test_imported_material_rotates_on_demand(cloud: Any, kms: Any, external: str, refused: Refused) -> None:
    """New material waits for RotateKeyOnDemand; both are needed from then on."""
    one, two = os.urandom(32), os.urandom(32)
    first = bring(kms, external, one)["KeyMaterialId"]
    sealed = kms.encrypt(KeyId=external, Plaintext=b"x")["CiphertextBlob"]
    assert refused(kms.rotate_key_on_demand, KeyId=external)[0] == "KMSInvalidStateException"
    assert refused(bring, kms=kms, key=external, secret=two)[0] == "IncorrectKeyMaterialException"
    assert refused(bring, kms=kms, key=external, secret=one, ImportType="NEW_KEY_MATERIAL")[0] == "IncorrectKeyMaterialException"
    bring(kms, external, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    second = bring(kms, external, two, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="second")["KeyMaterialId"]

    def materials() -> list[tuple[str, str, str]]:
        listed = kms.list_key_rotations(KeyId=external, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        return [(m["KeyMaterialId"], m["KeyMaterialState"], m["ImportState"]) for m in listed]

    assert materials() == [(first, "CURRENT", "IMPORTED"), (second, "PENDING_ROTATION", "IMPORTED")]
    kms.rotate_key_on_demand(KeyId=external)
    cloud.settle()
    assert materials() == [(first, "NON_CURRENT", "IMPORTED"), (second, "CURRENT", "IMPORTED")]
    assert kms.list_key_rotations(KeyId=external)["Rotations"][0]["KeyMaterialDescription"] == "second"
    assert kms.decrypt(CiphertextBlob=sealed)["KeyMaterialId"] == first
    kms.delete_imported_key_material(KeyId=external, KeyMaterialId=first)
    assert state(kms, external) == "PendingImport"
    bring(kms, external, one)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_key_pairs_come_in(kms: Any, make: Make, refused: Refused) -> None:
    """A private key as PKCS #8 becomes the key's; its public half is the one that GetPublicKey gives."""
    for spec, private, algorithm in (
        ("RSA_2048", rsa.generate_private_key(65537, 2048), "RSA_AES_KEY_WRAP_SHA_256"),
        ("ECC_NIST_P256", ec.generate_private_key(ec.SECP256R1()), "RSAES_OAEP_SHA_256"),
    ):
        key = make(KeySpec=spec, KeyUsage="SIGN_VERIFY", Origin="EXTERNAL")["Arn"]
        secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        kms.import_key_material(**wrapped(kms, key, secret, algorithm), **NEVER)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert kms.get_public_key(KeyId=key)["PublicKey"] == public
        assert kms.sign(KeyId=key, Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256" if spec[0] == "R" else "ECDSA_SHA_256")
    other = make(KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY", Origin="EXTERNAL")["Arn"]
    wrong = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert refused(kms.import_key_material, **wrapped(kms, other, wrong), **NEVER)[0] == "IncorrectKeyMaterialException"
    rsa_key = make(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Origin="EXTERNAL")["Arn"]
    asked = {"KeyId": rsa_key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"}
    assert refused(kms.get_parameters_for_import, **asked)[0] == "ValidationException"


def test_hmac_keys_come_in(kms: Any, make: Make) -> None:
    """An imported HMAC key makes the MACs that its owner makes with it."""
    import hmac

    key = make(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL")["Arn"]
    secret = os.urandom(48)
    assert "KeyMaterialId" not in bring(kms, key, secret)
    mac = kms.generate_mac(KeyId=key, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert mac == hmac.digest(secret, b"m", "sha256")
