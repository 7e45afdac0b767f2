"""What KMS makes of a SecureString's value: of a standard parameter the value itself, of an advanced one a data key for it.

Source: "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.ssm.names import arn_of
from fogbank.services.ssm.state import STANDARD, Parameter, Version
from fogbank.store.vault import Seal

DEFAULT_KEY = "alias/aws/ssm"


def _kms(ctx: Context, operation: str, key_id: str, members: Mapping[str, Any]) -> Any:
    """Calls KMS as the caller. Errors: InvalidKeyId; AccessDeniedException as KMS says it."""
    try:
        return ctx.call("kms", operation, members)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if refused.code == "AccessDeniedException":
            raise
        if refused.code == "NotFoundException":
            raise ServiceException("InvalidKeyId", f"Invalid keyId {key_id}") from None
        raise ServiceException("InvalidKeyId", refused.message) from None


def seal(ctx: Context, parameter: Parameter, key_id: str, value: str) -> dict[str, bytes]:
    """The fields of a version that hold a value."""
    members: dict[str, Any] = {"KeyId": key_id, "EncryptionContext": {"PARAMETER_ARN": arn_of(parameter)}}
    if parameter.tier == STANDARD:
        return {"sealed": _kms(ctx, "Encrypt", key_id, members | {"Plaintext": value.encode()})["CiphertextBlob"]}
    made = _kms(ctx, "GenerateDataKey", key_id, members | {"KeySpec": "AES_256"})
    return {"sealed": Seal(made["Plaintext"]).seal(value.encode()), "data_key": made["CiphertextBlob"]}


def open_(ctx: Context, parameter: Parameter, version: Version) -> str:
    members = {"CiphertextBlob": version.data_key or version.sealed, "EncryptionContext": {"PARAMETER_ARN": arn_of(parameter)}}
    opened: bytes = _kms(ctx, "Decrypt", version.key_id, members)["Plaintext"]
    if version.data_key:
        opened = Seal(opened).open(version.sealed)
    return opened.decode()


def value_of(ctx: Context, parameter: Parameter, version: Version, *, decrypted: bool) -> str:
    """A version's value; that of a SecureString, if it is not to be decrypted, as Base64 of what is kept."""
    if not version.sealed:
        return version.value
    if decrypted:
        return open_(ctx, parameter, version)
    return base64.b64encode(version.data_key + version.sealed).decode()
