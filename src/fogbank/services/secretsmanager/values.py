"""Reading values: GetSecretValue, BatchGetSecretValue."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager import encryption, listing
from fogbank.services.secretsmanager.addresses import arn_of, named, not_found, secret_at
from fogbank.services.secretsmanager.rules import invalid, members_of, not_allowed, stages_of
from fogbank.services.secretsmanager.state import CURRENT, DAY_MS, SECRETS, VERSIONS, Secret, Version
from fogbank.store import change

BATCH_LIMIT = 20


@operation("GetSecretValue")
def get_secret_value(ctx: Context, req: Any) -> Answer:
    """The value of a version: by its id, by a staging label, or AWSCURRENT; KMS decrypts it as the caller.

    LastAccessedDate is kept by the day.

    Errors: ResourceNotFoundException, InvalidRequestException, InvalidParameterException, DecryptionFailure.
    Source: API reference, GetSecretValue.
    """
    secret = secret_at(ctx, req.SecretId)
    answer = _read(ctx, secret, req.VersionId, req.VersionStage)
    return {**answer, "@watch": (SECRETS.watch(secret.account, secret.region, secret.name),)}


def _read(ctx: Context, secret: Secret, version_id: str | None, stage: str | None) -> dict[str, Any]:
    version = _version(ctx, secret, version_id, stage)
    value = encryption.open_(ctx, secret, version)
    today_ms = ctx.now - ctx.now % DAY_MS
    if version.accessed_at_ms != today_ms:
        VERSIONS.put(ctx, change(version, accessed_at_ms=today_ms))
    if secret.accessed_at_ms != today_ms:
        SECRETS.put(ctx, change(secret, accessed_at_ms=today_ms))
    return named(
        secret,
        VersionId=version.id,
        VersionStages=stages_of(secret, version.id) or None,
        CreatedDate=version.created_at_ms,
        **members_of(value, binary=version.binary),
    )


def _version(ctx: Context, secret: Secret, version_id: str | None, stage: str | None) -> Version:
    """Raises ResourceNotFoundException; InvalidRequestException where id and label are of different versions."""
    if version_id is None:
        version = VERSIONS.get(ctx, secret.id, secret.stages.get(stage or CURRENT, ""))
        if version is None:
            raise not_found(f"staging label: {stage or CURRENT}")
        return version
    version = VERSIONS.get(ctx, secret.id, version_id)
    if version is None:
        raise not_found(f"VersionId: {version_id}")
    if stage is not None and secret.stages.get(stage) != version_id:
        raise not_allowed("You provided a VersionStage that is not associated to the provided VersionId.")
    return version


@operation("BatchGetSecretValue")
def batch_get_secret_value(ctx: Context, req: Any) -> Answer:
    """The AWSCURRENT values of up to 20 secrets, by their names and ARNs or by filters; what cannot be read is told in Errors.

    The caller needs secretsmanager:GetSecretValue for each; with filters secretsmanager:ListSecrets.

    Errors: InvalidParameterException, InvalidNextTokenException. Source: API reference, BatchGetSecretValue.
    """
    if (req.SecretIdList is None) == (req.Filters is None):
        raise invalid("You must include Filters or SecretIdList, but not both.")
    if req.SecretIdList is not None:
        if req.MaxResults is not None or req.NextToken is not None:
            raise invalid("To use MaxResults or NextToken, you must also use Filters.")
        ids, token = list(dict.fromkeys(req.SecretIdList)), None
    else:
        ctx.authorize("secretsmanager:ListSecrets", "*")
        found, token = listing.select(ctx, req, size=req.MaxResults or BATCH_LIMIT)
        ids = [arn_of(secret) for secret in found]
    values, errors = [], []
    for secret_id in ids:
        try:
            secret = secret_at(ctx, secret_id)
            keys = {"secretsmanager__SecretId": secret_id, "secretsmanager__VersionStage": CURRENT}
            ctx.authorize("secretsmanager:GetSecretValue", arn_of(secret), **keys)
            values.append(_read(ctx, secret, None, None))
        except ServiceException as refused:
            errors.append({"SecretId": secret_id, "ErrorCode": refused.code, "Message": refused.message})
    return {"SecretValues": values, "Errors": errors or None, "NextToken": token}
