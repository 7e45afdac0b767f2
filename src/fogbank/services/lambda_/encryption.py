"""What lies under a KMS key of the customer's: variables and packages, each under a data key that the key has sealed.

It is sealed as whoever brings it; a grant then lets the function's role open it, which is how a function gets it when it runs.
Without a key of theirs the cloud's vault seals.
Source: "Securing Lambda environment variables" in the Lambda Developer Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.lambda_.faults import invalid, refusal
from fogbank.services.lambda_.state import Environment, Package
from fogbank.store.vault import KEY_BYTES, Seal

_WHY = {
    "AccessDeniedException": ("KMSAccessDeniedException", "KMS access was denied"),
    "DisabledException": ("KMSDisabledException", "the KMS key used is disabled"),
    "KMSInvalidStateException": ("KMSInvalidStateException", "the state of the KMS key used is not valid for Decrypt"),
    "NotFoundException": ("KMSNotFoundException", "the KMS key was not found"),
}
"""KMS's refusal -> Lambda's, and how Lambda says it."""


def _bound(function_arn: str) -> dict[str, str]:
    return {"aws:lambda:FunctionArn": function_arn}


def new_data_key(ctx: Context, key_arn: str, function_arn: str) -> tuple[bytes, bytes]:
    """A data key, and what KMS has made of it, as the caller. Errors: InvalidParameterValueException, AccessDeniedException."""
    parsed = Arn.parse(key_arn)
    if parsed is None or parsed.service != "kms":
        raise invalid(f"{key_arn} is not a valid KMS key ARN.")
    key = ctx.random.bytes(KEY_BYTES)
    try:
        made = ctx.call("kms", "Encrypt", {"KeyId": key_arn, "Plaintext": key, "EncryptionContext": _bound(function_arn)})
    except ServiceException as refused:
        raise _unconfigured(refused) from None
    return key, made["CiphertextBlob"]


def grant(ctx: Context, key_arn: str, function_arn: str, role_arn: str) -> None:
    """Lets the function's role open what its key has sealed. Errors: as above."""
    members = {
        "KeyId": key_arn,
        "GranteePrincipal": role_arn,
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextEquals": _bound(function_arn)},
        "Name": function_arn.replace(":", "/"),
    }
    try:
        ctx.call("kms", "CreateGrant", members)
    except ServiceException as refused:
        raise _unconfigured(refused) from None


def _unconfigured(refused: ServiceException) -> ServiceException:
    if isinstance(refused, NotImplementedOperation):
        return refused
    if refused.code == "AccessDeniedException":
        return refusal("AccessDeniedException", f"Lambda was unable to configure access to your KMS key. {refused.message}", status=403)
    return invalid(
        "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant. "
        f"Please check your KMS key settings. KMS Exception: {refused.code} KMS Message: {refused.message}"
    )


def seal(ctx: Context, variables: Mapping[str, str], key_arn: str, function_arn: str) -> Environment | None:
    """Variables as they are kept; None where there are none."""
    if not variables:
        return None
    content = msgspec.json.encode(dict(variables))
    if not key_arn:
        return Environment(content=ctx.vault.seal(content, function_arn.encode()))
    key, wrapped = new_data_key(ctx, key_arn, function_arn)
    return Environment(content=Seal(key).seal(content), key_arn=key_arn, data_key=wrapped)


def data_key_of(ctx: Context, kept: Environment | Package, function_arn: str, role: Role | None = None) -> bytes:
    """The data key of what lies under a KMS key, as the caller or as the function's role. Raises what KMS refuses."""
    members = {"KeyId": kept.key_arn, "CiphertextBlob": kept.data_key, "EncryptionContext": _bound(function_arn)}
    key: bytes = ctx.call("kms", "Decrypt", members, acting=role)["Plaintext"]
    return key


def variables(ctx: Context, kept: Environment | None, function_arn: str, role: Role | None = None) -> dict[str, str]:
    """Variables in the clear: as the caller, or as the function's role. Raises what KMS refuses."""
    if kept is None:
        return {}
    if kept.key_arn:
        content = Seal(data_key_of(ctx, kept, function_arn, role)).open(kept.content)
    else:
        content = ctx.vault.open(kept.content, function_arn.encode())
    found: dict[str, str] = msgspec.json.decode(content)
    return found


def for_running(refused: ServiceException) -> ServiceException:
    """KMS's refusal to open a function's variables, as Invoke says it."""
    code, why = _WHY.get(refused.code, ("KMSAccessDeniedException", "KMS access was denied"))
    return ServiceException(
        code,
        f"Lambda was unable to decrypt the environment variables because {why}. Please check the function's KMS key settings. "
        f"KMS Exception: {refused.code} KMS Message: {refused.message}",
        status=502,
    )


def shown(ctx: Context, kept: Environment | None, function_arn: str) -> dict[str, Any] | None:
    """`Environment` as an answer has it: an error in the place of what the caller may not decrypt."""
    if kept is None:
        return None
    try:
        return {"Variables": variables(ctx, kept, function_arn)}
    except ServiceException as refused:
        message = (
            "Lambda was unable to decrypt your environment variables because the KMS access was denied. Please check your KMS "
            f"permissions. KMS Exception: {refused.code} KMS Message: {refused.message}"
        )
        return {"Error": {"ErrorCode": refused.code, "Message": message}}
