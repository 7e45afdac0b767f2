"""Versions and their staging labels: PutSecretValue, UpdateSecretVersionStage, ListSecretVersionIds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager import encryption, replication, rotation
from fogbank.services.secretsmanager.addresses import any_secret_at, arn_of, named, not_found, primary_at
from fogbank.services.secretsmanager.rules import Value, invalid, labelled, not_allowed, stages_of, token_of, unlabelled, value_of
from fogbank.services.secretsmanager.state import BY_AGE, CURRENT, DAY_MS, VERSIONS, VERSIONS_LIMIT, Secret, Version
from fogbank.store import change

PAGE_LIMIT = 100


def same_version(ctx: Context, secret: Secret, token: str, value: Value) -> Version | None:
    """The version that a token already stands for; None where it stands for none.

    Raises ResourceExistsException where that version's value is another one.
    """
    found = VERSIONS.get(ctx, secret.id, token)
    if found is not None and (encryption.open_(ctx, secret, found), found.binary) != value:
        raise token_taken(secret, token)
    return found


def token_taken(secret: Secret, token: str) -> ServiceException:
    return ServiceException(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn_of(secret)}.",
    )


def add_version(ctx: Context, secret: Secret, token: str, value: Value, labels: Iterable[str]) -> Secret:
    """The secret with a new version under these labels; the first version of all is AWSCURRENT, too. The secret is still to be put."""
    if CURRENT not in secret.stages:
        labels = [*labels, CURRENT]
    secret = labelled(_with_room(ctx, secret), dict.fromkeys(labels), token)
    VERSIONS.put(ctx, encryption.seal(ctx, secret, token, value[0], binary=value[1]))
    secret = change(secret, version_count=secret.version_count + 1, changed_at_ms=ctx.now)
    return rotation.after_manual_change(ctx, secret) if secret.stages[CURRENT] == token else secret


def _with_room(ctx: Context, secret: Secret) -> Secret:
    """The secret with room for one more version: the oldest goes that has no label and is a day old. Raises LimitExceededException."""
    if secret.version_count < VERSIONS_LIMIT:
        return secret
    kept = set(secret.stages.values())
    for version in BY_AGE.scan(ctx, secret.id):
        if version.id not in kept and version.created_at_ms <= ctx.now - DAY_MS:
            VERSIONS.delete(ctx, version)
            return change(secret, version_count=secret.version_count - 1)
    raise ServiceException(
        "LimitExceededException",
        f"You can't have more than {VERSIONS_LIMIT} versions of a secret. Versions without a staging label are removed when they are"
        " 24 hours old.",
    )


@operation("PutSecretValue")
def put_secret_value(ctx: Context, req: Any) -> Answer:
    """Makes a new version with a value, under VersionStages or AWSCURRENT; AWSPREVIOUS goes to where AWSCURRENT was.

    At most 65,536 bytes; 20 labels a version; 100 versions, of which those without a label go when they are a day old.
    Idempotent by ClientRequestToken, which becomes the VersionId: the same value again changes nothing.

    Errors: ResourceNotFoundException, InvalidRequestException, InvalidParameterException, ResourceExistsException,
    LimitExceededException, EncryptionFailure, DecryptionFailure. Source: API reference, PutSecretValue.
    """
    secret = primary_at(ctx, req.SecretId)
    token, value = token_of(req), value_of(req)
    if value is None:
        raise not_allowed("You must provide either SecretString or SecretBinary.")
    if req.RotationToken is not None and (secret.rotation is None or secret.rotation.token != req.RotationToken):
        raise invalid("The RotationToken isn't that of a rotation in progress.")
    if same_version(ctx, secret, token, value) is None:
        secret = add_version(ctx, secret, token, value, req.VersionStages or [CURRENT])
        replication.put(ctx, secret, {token: value[0]})
    return named(secret, VersionId=token, VersionStages=stages_of(secret, token) or None)


@operation("UpdateSecretVersionStage")
def update_secret_version_stage(ctx: Context, req: Any) -> Answer:
    """Moves a staging label to a version, or takes it off. A label that is on a version moves only where RemoveFromVersionId names that.

    AWSCURRENT can only be moved; AWSPREVIOUS then goes to where it was.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException, LimitExceededException.
    Source: API reference, UpdateSecretVersionStage.
    """
    secret = primary_at(ctx, req.SecretId)
    name, to, was = req.VersionStage, req.MoveToVersionId, secret.stages.get(req.VersionStage)
    for version_id in (req.RemoveFromVersionId, to):
        if version_id is not None and version_id not in secret.stages.values() and VERSIONS.get(ctx, secret.id, version_id) is None:
            raise not_found(f"VersionId: {version_id}")
    if to is None and req.RemoveFromVersionId is None:
        raise invalid("You must specify RemoveFromVersionId, MoveToVersionId, or both.")
    if was is not None and was != to and was != req.RemoveFromVersionId:
        raise invalid(
            f"The parameter RemoveFromVersionId {_unfit(req.RemoveFromVersionId)}. Staging label {name} is currently attached to version"
            f" {was}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    if was is None and req.RemoveFromVersionId is not None:
        raise invalid(f"Staging label {name} isn't attached to version {req.RemoveFromVersionId}.")
    if to is None:
        if name == CURRENT:
            raise invalid(f"You can only move staging label {CURRENT} to a different secret version. It can't be completely removed.")
        secret = unlabelled(secret, name)
    else:
        secret = labelled(secret, [name], to)
    replication.put(ctx, change(secret, changed_at_ms=ctx.now))
    return named(secret)


def _unfit(given: str | None) -> str:
    return "can't be empty" if given is None else f"can't be {given}"


@operation("ListSecretVersionIds")
def list_secret_version_ids(ctx: Context, req: Any) -> Answer:
    """The versions that have a value, the newest first; those without a label only with IncludeDeprecated. Pages of at most 100.

    Errors: ResourceNotFoundException, InvalidNextTokenException. Source: API reference, ListSecretVersionIds.
    """
    secret = any_secret_at(ctx, req.SecretId)
    after = paging.place(req.NextToken, no_token)
    before = None if after is None else paging.number(after, no_token)
    kept = set(secret.stages.values())
    found = (v for v in BY_AGE.scan(ctx, secret.id, before=before, reverse=True) if req.IncludeDeprecated or v.id in kept)
    versions, more = paging.page(found, req.MaxResults or PAGE_LIMIT)
    token = paging.token(str(versions[-1].number)) if more else None
    return named(secret, Versions=[_entry(secret, version) for version in versions], NextToken=token)


def no_token() -> ServiceException:
    return ServiceException("InvalidNextTokenException", "Invalid token")


def _entry(secret: Secret, version: Version) -> dict[str, Any]:
    return {
        "VersionId": version.id,
        "VersionStages": stages_of(secret, version.id) or None,
        "LastAccessedDate": version.accessed_at_ms or None,
        "CreatedDate": version.created_at_ms,
        "KmsKeyIds": [key.key_arn or "DefaultEncryptionKey" for key in version.keys],
    }
