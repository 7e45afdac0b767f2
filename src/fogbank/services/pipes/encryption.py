"""A pipe's filters and templates under its KMS key: sealed under a data key, bound to the pipe's ARN.

Who makes the pipe needs kms:GenerateDataKey, who looks at it kms:Decrypt, and so does the pipe's role. A data key that the role has opened
serves the pipe for five minutes. Source: "Encrypting EventBridge Pipes data with AWS KMS keys" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.pipes.addresses import invalid, pipe_arn
from fogbank.services.pipes.state import Pipe
from fogbank.store import change
from fogbank.store.vault import Openings, Seal

KEPT_MS = 300_000
_open = Openings()

Parameters = dict[str, Any]


def _bound(pipe: Pipe) -> dict[str, str]:
    return {"aws:pipes:arn": pipe_arn(pipe)}


def with_parameters(ctx: Context, pipe: Pipe, parameters: Parameters) -> Pipe:
    """Raises ValidationException."""
    if not pipe.kms_key:
        return change(pipe, parameters=parameters, sealed=b"", data_key=b"")
    members = {"KeyId": pipe.kms_key, "KeySpec": "AES_256", "EncryptionContext": _bound(pipe)}
    try:
        made = ctx.call("kms", "GenerateDataKey", members)
    except ServiceException as refused:
        raise invalid(f"The KMS key {pipe.kms_key} cannot be used: {refused.message}") from None
    sealed = Seal(made["Plaintext"]).seal(msgspec.json.encode(parameters))
    return change(pipe, parameters={}, sealed=sealed, data_key=made["CiphertextBlob"])


def parameters_of(ctx: Context, pipe: Pipe, role: Role | None = None) -> Parameters:
    """The parameters, for the caller or for the pipe's role. Errors: those of KMS's Decrypt."""
    if not pipe.data_key:
        return pipe.parameters
    members = {"CiphertextBlob": pipe.data_key, "KeyId": pipe.kms_key, "EncryptionContext": _bound(pipe)}

    def opened() -> bytes:
        key: bytes = ctx.call("kms", "Decrypt", members, acting=role)["Plaintext"]
        return key

    if role is None:
        seal = Seal(opened())
    else:
        seal = _open.seal(ctx, (pipe_arn(pipe), role.arn), pipe.data_key, ctx.now, KEPT_MS, opened)
    found: Parameters = msgspec.json.decode(seal.open(pipe.sealed))
    return found
