"""Nothing of a key lies on the disk in the clear."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fogbank.testing.cloud import Process

from .test_importing import NEVER, wrapped


def contents(folder: Path) -> bytes:
    """All that a data directory holds, but the root keys."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "keys")


def test_material_is_sealed_on_disk(tmp_path: Path) -> None:
    """Neither imported material nor a data key nor a plaintext is in the log; a cloud that was killed opens its ciphertexts again."""
    process = Process(tmp_path).start()
    try:
        kms: Any = process.client("kms")
        external = kms.create_key(Origin="EXTERNAL", Description="told to everybody")["KeyMetadata"]["Arn"]
        secret, plaintext = os.urandom(32), os.urandom(64)
        kms.import_key_material(**wrapped(kms, external, secret), **NEVER)
        sealed = kms.encrypt(KeyId=external, Plaintext=plaintext)["CiphertextBlob"]
        made = kms.generate_data_key(KeyId=external, KeySpec="AES_256")
        signer = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        signature = kms.sign(KeyId=signer, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        process.kill()
        written = contents(tmp_path)
        assert b"told to everybody" in written
        for hidden in (secret, plaintext, made["Plaintext"]):
            assert hidden not in written
            assert hidden[:16] not in written
        process.start()
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == plaintext
        assert kms.verify(KeyId=signer, Message=b"m", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")["SignatureValid"]
    finally:
        process.kill()
