"""Secrets: made, described, changed, deleted, restored."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.secretsmanager import encryption, replication, rotation, tagging, versions
from fogbank.services.secretsmanager.addresses import (
    SUFFIX_CHARACTERS,
    any_secret_at,
    arn_of,
    check_name,
    check_primary,
    get_secret,
    named,
    not_found,
    primary_at,
    secret_at,
)
from fogbank.services.secretsmanager.rules import invalid, not_allowed, token_of, value_of
from fogbank.services.secretsmanager.state import CURRENT, DAY_MS, PENDING, PREVIOUS, SECRETS, VERSIONS, Secret
from fogbank.store import change

WINDOW_DAYS = (7, 30)
OWNING_SERVICE = "aws:secretsmanager:owningService"


@operation("CreateSecret")
def create_secret(ctx: Context, req: Any) -> Answer:
    """Makes a secret and, where a value is given, its first version, which is AWSCURRENT. The ARN ends in six random characters.

    Idempotent by ClientRequestToken: the same name, token and value again give the same answer. The name of a secret that is marked
    for deletion is not free.

    Errors: ResourceExistsException, InvalidRequestException, InvalidParameterException, LimitExceededException, EncryptionFailure.
    Source: API reference, CreateSecret.
    """
    for name in ("Type", "CrossAccountPrimaryARN"):
        if getattr(req, name):
            what = "managed external secrets" if name == "Type" else "replicas in other accounts"
            raise NotImplementedOperation("secretsmanager", "CreateSecret", f"with {name}: {what}")
    check_name(req.Name)
    value = value_of(req)
    found = SECRETS.get(ctx, ctx.account, ctx.region, req.Name)
    if found is not None:
        return _made_before(ctx, found, req)
    secret = Secret(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        id=ctx.tx.unique(),
        suffix=ctx.random.text(6, SUFFIX_CHARACTERS),
        created_at_ms=ctx.now,
        changed_at_ms=ctx.now,
        description=req.Description or "",
        kms_key_id=encryption.key_id(req.KmsKeyId),
        tags=tagging.read(req.Tags or []),
    )
    if secret.tags:
        ctx.authorize("secretsmanager:TagResource", arn_of(secret))
    owner, mark, _ = req.Name.partition("!")
    if mark and ctx.via and ctx.via[-1] == owner:  # a service makes it for its caller, and manages it from now on
        secret = change(secret, tags=secret.tags | {OWNING_SERVICE: owner})
    if value is not None:
        secret = versions.add_version(ctx, secret, token_of(req), value, [CURRENT])
    if req.AddReplicaRegions:
        ctx.authorize("secretsmanager:ReplicateSecretToRegions", arn_of(secret))
        values = {} if value is None else {token_of(req): value[0]}
        secret = replication.add(ctx, secret, req.AddReplicaRegions, force=bool(req.ForceOverwriteReplicaSecret), values=values)
    else:
        SECRETS.put(ctx, secret)
    return named(secret, VersionId=secret.stages.get(CURRENT), ReplicationStatus=replication.status(ctx, secret))


def _made_before(ctx: Context, secret: Secret, req: Any) -> Answer:
    """The answer for a secret that this very request has made already. Raises ResourceExistsException, InvalidRequestException."""
    if secret.purge_at_ms:
        raise not_allowed("You can't create this secret because a secret with this name is already scheduled for deletion.")
    value, token = value_of(req), req.ClientRequestToken
    if value is None or token is None or versions.same_version(ctx, secret, token, value) is None:
        raise ServiceException("ResourceExistsException", f"The operation failed because the secret {secret.name} already exists.")
    return named(secret, VersionId=token, ReplicationStatus=replication.status(ctx, secret))


def describe(secret: Secret) -> dict[str, Any]:
    """What DescribeSecret and ListSecrets have in common."""
    return named(
        secret,
        Description=secret.description or None,
        KmsKeyId=secret.kms_key_id or None,
        LastChangedDate=secret.changed_at_ms,
        LastAccessedDate=secret.accessed_at_ms or None,
        Tags=tags.pairs(secret.tags) or None,
        OwningService=secret.tags.get(OWNING_SERVICE),
        CreatedDate=secret.created_at_ms,
        PrimaryRegion=secret.primary_region or None,
        **rotation.describe(secret),
    )


def stages_by_version(secret: Secret) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for label in sorted(secret.stages):
        found.setdefault(secret.stages[label], []).append(label)
    return found or None


@operation("DescribeSecret")
def describe_secret(ctx: Context, req: Any) -> Answer:
    """All about a secret but its value; also where it is marked for deletion: DeletedDate is then when that will be.

    Errors: ResourceNotFoundException. Source: API reference, DescribeSecret.
    """
    secret = any_secret_at(ctx, req.SecretId)
    return describe(secret) | {
        "DeletedDate": secret.purge_at_ms or None,
        "VersionIdsToStages": stages_by_version(secret),
        "ReplicationStatus": replication.status(ctx, secret),
    }


@operation("UpdateSecret")
def update_secret(ctx: Context, req: Any) -> Answer:
    """Changes a secret's description, its key, or its value: a new version, which is AWSCURRENT. A replica's key only.

    A new key takes the data keys of the versions under AWSCURRENT, AWSPENDING and AWSPREVIOUS, too, where the caller may do that.

    Errors: ResourceNotFoundException, ResourceExistsException (the ClientRequestToken is taken), InvalidRequestException,
    InvalidParameterException, LimitExceededException, EncryptionFailure, DecryptionFailure. Source: API reference, UpdateSecret.
    """
    secret, value = secret_at(ctx, req.SecretId), value_of(req)
    if req.Type:
        raise NotImplementedOperation("secretsmanager", "UpdateSecret", "with Type: managed external secrets")
    if value is not None or req.Description is not None or req.KmsKeyId is None:
        check_primary(secret)
    if req.Description is not None:
        secret = change(secret, description=req.Description)
    if req.KmsKeyId is not None and encryption.key_id(req.KmsKeyId or None) != secret.kms_key_id:
        secret = _with_key(ctx, secret, encryption.key_id(req.KmsKeyId or None))
    secret = change(secret, changed_at_ms=ctx.now)
    if value is None:
        replication.put(ctx, secret)
        return named(secret)
    token = token_of(req)
    if VERSIONS.get(ctx, secret.id, token) is not None:
        raise versions.token_taken(secret, token)
    secret = versions.add_version(ctx, secret, token, value, [CURRENT])
    replication.put(ctx, secret, {token: value[0]})
    return named(secret, VersionId=token)


def _with_key(ctx: Context, secret: Secret, key: str) -> Secret:
    secret = change(secret, kms_key_id=key)
    for version_id in {secret.stages.get(label, "") for label in (CURRENT, PENDING, PREVIOUS)}:
        version = VERSIONS.get(ctx, secret.id, version_id)
        if version is not None:
            VERSIONS.put(ctx, encryption.rewrap(ctx, secret, version))
    if secret.is_replica and (primary := SECRETS.get(ctx, secret.account, secret.primary_region, secret.name)) is not None:
        replicas = [change(each, kms_key_id=key) if each.region == secret.region else each for each in primary.replicas]
        SECRETS.put(ctx, change(primary, replicas=tuple(replicas)))
    return secret


@operation("DeleteSecret")
def delete_secret(ctx: Context, req: Any) -> Answer:
    """Marks a secret for deletion in RecoveryWindowInDays (7 to 30, 30 if not given), or deletes it at once (ForceDeleteWithoutRecovery).

    A secret with replicas stays. To force the deletion of one that is not there is no error.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, DeleteSecret.
    """
    days, force = req.RecoveryWindowInDays, bool(req.ForceDeleteWithoutRecovery)
    if days is not None and force:
        raise invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
    if days is not None and not WINDOW_DAYS[0] <= days <= WINDOW_DAYS[1]:
        raise invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
    secret = get_secret(ctx, req.SecretId)
    if secret is None and force and not req.SecretId.startswith("arn:"):
        return {"ARN": ctx.arn(f"secret:{req.SecretId}"), "Name": req.SecretId, "DeletionDate": ctx.now}
    if secret is None or secret.region != ctx.region:
        raise not_found()
    check_primary(secret)
    if secret.replicas:
        regions = ", ".join(replica.region for replica in secret.replicas)
        raise invalid(f"You can't delete secret {arn_of(secret)} that still has replica regions [{regions}].")
    if force:
        replication.erase(ctx, secret)
        return named(secret, DeletionDate=ctx.now)
    secret = primary_at(ctx, req.SecretId)
    due_ms = ctx.now + (days or WINDOW_DAYS[1]) * DAY_MS
    SECRETS.put(ctx, change(secret, deleted_at_ms=ctx.now, purge_at_ms=due_ms))
    payload = {"account": secret.account, "region": secret.region, "name": secret.name, "id": secret.id}
    ctx.later("secretsmanager.purge", payload, at_ms=due_ms)
    return named(secret, DeletionDate=due_ms)


@task("purge")
def purge(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a secret at the end of its recovery window, unless it was restored, or deleted anew to go later."""
    secret = SECRETS.get(ctx, payload["account"], payload["region"], payload["name"])
    if secret is not None and secret.id == payload["id"] and secret.purge_at_ms and secret.purge_at_ms <= ctx.now:
        replication.erase(ctx, secret)
    return None


@operation("RestoreSecret")
def restore_secret(ctx: Context, req: Any) -> Answer:
    """Takes the mark for deletion away; a secret without one stays as it is. A rotation schedule begins anew.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, RestoreSecret.
    """
    secret = any_secret_at(ctx, req.SecretId)
    check_primary(secret)
    if secret.purge_at_ms:
        restored = change(secret, deleted_at_ms=0, purge_at_ms=0, changed_at_ms=ctx.now)
        SECRETS.put(ctx, rotation.resume(ctx, restored))
    return named(secret)
