"""Arithmetic without a context: what a request's token and value are, and where staging labels go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.services.secretsmanager.state import CURRENT, PREVIOUS, STAGES_LIMIT, VALUE_BYTES, Secret
from fogbank.store import change

Value = tuple[bytes, bool]
"""A secret value, and whether it is binary."""


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidParameterException", message)


def not_allowed(message: str) -> ServiceException:
    return ServiceException("InvalidRequestException", message)


def token_of(req: Any) -> str:
    """The request's ClientRequestToken, which the SDKs make. Raises InvalidRequestException."""
    token: str | None = req.ClientRequestToken
    if token is None:
        raise not_allowed("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    return token


def value_of(req: Any) -> Value | None:
    """The value that a request brings, if it brings one. Raises InvalidParameterException."""
    text, binary = req.SecretString, req.SecretBinary
    if text is not None and binary is not None:
        raise invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
    if text is None and binary is None:
        return None
    value = (text.encode(), False) if binary is None else (bytes(binary), True)
    if len(value[0]) > VALUE_BYTES:
        raise invalid(f"The secret value can't be longer than {VALUE_BYTES} bytes.")
    return value


def members_of(value: bytes, *, binary: bool) -> dict[str, Any]:
    return {"SecretBinary": value} if binary else {"SecretString": value.decode()}


def stages_of(secret: Secret, version_id: str) -> list[str]:
    """The labels on a version, in order."""
    return sorted(label for label, on in secret.stages.items() if on == version_id)


def labelled(secret: Secret, labels: Iterable[str], version_id: str) -> Secret:
    """The secret with labels moved to a version: AWSPREVIOUS goes to where AWSCURRENT was. Raises LimitExceededException."""
    stages = dict(secret.stages)
    for name in labels:
        was = stages.get(name)
        stages[name] = version_id
        if name == CURRENT and was is not None and was != version_id:
            stages[PREVIOUS] = was
    moved = change(secret, stages=stages)
    if len(stages_of(moved, version_id)) > STAGES_LIMIT:
        raise ServiceException("LimitExceededException", f"A version can't have more than {STAGES_LIMIT} staging labels.")
    return moved


def unlabelled(secret: Secret, label: str) -> Secret:
    """The secret without a label."""
    return change(secret, stages={name: on for name, on in secret.stages.items() if name != label})
