"""Replicas in other regions.

They follow their primary in the same transaction, with the caller's permissions for the keys. Where a key refuses, the primary's
change stands, and the replica's status is Failed, with the reason, until a later change of the primary reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager import encryption
from fogbank.services.secretsmanager.addresses import arn_of, primary_at, secret_at
from fogbank.services.secretsmanager.state import SECRETS, VERSIONS, Replica, Secret
from fogbank.store import change
from fogbank.wire.regions import regions

Values = Mapping[str, bytes]


def put(ctx: Context, secret: Secret, values: Values | None = None) -> Secret:
    """Puts a secret, and has its replicas follow; `values` are those of new versions, where they are known."""
    if secret.replicas:
        replicas = tuple([_follow(ctx, secret, replica, dict(values or {})) for replica in secret.replicas])
        secret = change(secret, replicas=replicas)
    SECRETS.put(ctx, secret)
    return secret


def _follow(ctx: Context, secret: Secret, replica: Replica, values: dict[str, bytes]) -> Replica:
    """Makes a replica what its primary is, and says how that went."""
    there = SECRETS.get(ctx, secret.account, replica.region, secret.name)
    if there is not None and (there.suffix != secret.suffix or there.primary_region != secret.region):
        return change(replica, status="Failed", message="Secret with this name already exists in this region")
    mark = ctx.tx.mark()
    try:
        _copy(ctx, secret, there, replica, values)
    except ServiceException as refused:
        ctx.tx.undo(mark)
        return change(replica, status="Failed", message=refused.message)
    return change(replica, status="InSync", message="")


def _copy(ctx: Context, secret: Secret, there: Secret | None, replica: Replica, values: dict[str, bytes]) -> None:
    copy = change(
        secret,
        region=replica.region,
        id=there.id if there else ctx.tx.unique(),
        kms_key_id=replica.kms_key_id,
        accessed_at_ms=there.accessed_at_ms if there else 0,
        primary_region=secret.region,
        replicas=(),
    )
    kept = set(secret.stages.values())
    count = 0
    for version_id in kept:
        version = VERSIONS.get(ctx, secret.id, version_id)
        if version is None:
            continue  # AWSPENDING, before its value is there
        count += 1
        if VERSIONS.get(ctx, copy.id, version_id) is None:
            if version_id not in values:
                values[version_id] = encryption.open_(ctx, secret, version)
            sealed = encryption.seal(ctx, copy, version_id, values[version_id], binary=version.binary)
            VERSIONS.put(ctx, change(sealed, number=version.number, created_at_ms=version.created_at_ms))
    if there is not None:
        for version in list(VERSIONS.scan(ctx, copy.id)):
            if version.id not in kept:
                VERSIONS.delete(ctx, version)
    SECRETS.put(ctx, change(copy, version_count=count))


def erase(ctx: Context, secret: Secret) -> None:
    """Takes a secret and its versions away, at once and for good."""
    for version in list(VERSIONS.scan(ctx, secret.id)):
        VERSIONS.delete(ctx, version)
    SECRETS.delete(ctx, secret)


def status(ctx: Context, secret: Secret) -> list[dict[str, Any]] | None:
    """The ReplicationStatus of a primary."""
    if not secret.replicas:
        return None
    out = []
    for replica in secret.replicas:
        there = SECRETS.get(ctx, secret.account, replica.region, secret.name)
        accessed = there.accessed_at_ms if there is not None and there.suffix == secret.suffix else 0
        out.append(
            {
                "Region": replica.region,
                "KmsKeyId": replica.kms_key_id or encryption.DEFAULT_KEY,
                "Status": replica.status,
                "StatusMessage": replica.message or None,
                "LastAccessedDate": accessed or None,
            }
        )
    return out


def add(ctx: Context, secret: Secret, given: list[Any], *, force: bool, values: Values | None = None) -> Secret:
    """The secret with replicas in more regions. Raises InvalidParameterException."""
    known = {replica.region for replica in secret.replicas}
    wanted = [each.Region for each in given]
    for region in wanted:
        if region == secret.region or region not in regions():
            raise ServiceException("InvalidParameterException", f"Invalid replica region {region}.")
        if region in known or wanted.count(region) > 1:
            raise ServiceException("InvalidParameterException", f"Secret is already replicated to region {region}.")
        there = SECRETS.get(ctx, secret.account, region, secret.name)
        if there is not None and force and not there.replicas:
            erase(ctx, there)
    more = tuple([Replica(each.Region, encryption.key_id(each.KmsKeyId)) for each in given])
    return put(ctx, change(secret, replicas=(*secret.replicas, *more), primary_region=secret.region), values)


@operation("ReplicateSecretToRegions")
def replicate_secret_to_regions(ctx: Context, req: Any) -> Answer:
    """Makes replicas of a secret in other regions: the same name, ARN (but for the region), labels, tags and policy, under their own key.

    A secret of the same name there makes the replica's status Failed, unless ForceOverwriteReplicaSecret takes it away.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException.
    Source: API reference, ReplicateSecretToRegions.
    """
    secret = primary_at(ctx, req.SecretId)
    secret = add(ctx, change(secret, changed_at_ms=ctx.now), req.AddReplicaRegions, force=bool(req.ForceOverwriteReplicaSecret))
    return {"ARN": arn_of(secret), "ReplicationStatus": status(ctx, secret)}


@operation("RemoveRegionsFromReplication")
def remove_regions_from_replication(ctx: Context, req: Any) -> Answer:
    """Deletes replicas at once. Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException.

    Source: API reference, RemoveRegionsFromReplication.
    """
    secret = primary_at(ctx, req.SecretId)
    known = {replica.region for replica in secret.replicas}
    for region in dict.fromkeys(req.RemoveReplicaRegions):
        if region not in known:
            raise ServiceException("InvalidParameterException", f"Secret isn't replicated to region {region}.")
        there = SECRETS.get(ctx, secret.account, region, secret.name)
        if there is not None and there.suffix == secret.suffix:
            erase(ctx, there)
    left = tuple([replica for replica in secret.replicas if replica.region not in req.RemoveReplicaRegions])
    secret = change(secret, replicas=left, changed_at_ms=ctx.now)
    SECRETS.put(ctx, secret)
    return {"ARN": arn_of(secret), "ReplicationStatus": status(ctx, secret) or []}


@operation("StopReplicationToReplica")
def stop_replication_to_replica(ctx: Context, req: Any) -> Answer:
    """Makes a replica a secret in its own right; to be called in the replica's region. Its primary forgets it.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException.
    Source: API reference, StopReplicationToReplica.
    """
    secret = secret_at(ctx, req.SecretId)
    if not secret.is_replica:
        raise ServiceException("InvalidParameterException", "Operation only permitted on a replica secret.")
    primary = SECRETS.get(ctx, secret.account, secret.primary_region, secret.name)
    if primary is not None:
        SECRETS.put(ctx, change(primary, replicas=tuple([r for r in primary.replicas if r.region != secret.region])))
    rotation = None if secret.rotation is None else change(secret.rotation, enabled=False, opens_at_ms=0, next_at_ms=0, run="", token="")
    secret = change(secret, primary_region="", rotation=rotation, changed_at_ms=ctx.now)
    SECRETS.put(ctx, secret)
    return {"ARN": arn_of(secret)}
