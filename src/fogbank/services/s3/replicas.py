"""What a replication configuration does: a task for each new version and destination, carried out as the configured role.

Changes of tags, access control lists and locks follow a version to its replicas, as it was when the task runs.
Source: "What does Amazon S3 replicate?" and "Amazon S3 replication failure reasons" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.s3 import encrypting, locking, notifications, ownership, replication, versions
from fogbank.services.s3.replication import COMPLETED, FAILED, IS_REPLICA, Rule
from fogbank.services.s3.state import BUCKETS, Bucket, Encryption, Lock, Object, get_version, object_arn
from fogbank.store.blobs import Blob
from fogbank.store.tables import change

THRESHOLD_MS = 15 * 60_000
"""Within what time replication time control promises a replica."""


class Failure(Exception):
    """Why a version cannot be replicated, in AWS's word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@task("replicate")
def replicate(ctx: Context, payload: Any) -> Answer:
    """Brings one destination up to date about one version, and notes how that went. Nothing is left to do where it is gone."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    version = None if bucket is None else get_version(ctx, bucket, payload["key"], payload["version_id"])
    if bucket is None or version is None:
        return None
    rule = _rule_for(bucket, version, payload["destination"])
    if rule is None:
        _note(ctx, version, payload["destination"], None)
        return None
    late_ms = ctx.now - payload["asked_ms"] if rule.time_control else 0
    if late_ms > THRESHOLD_MS:
        _tell(ctx, bucket, version, rule, "OperationMissedThreshold", threshold=THRESHOLD_MS // 60_000)
    mark_ = ctx.tx.mark()
    try:
        _carry_out(ctx, bucket, version, rule)
    except (Failure, ServiceException) as failed:
        ctx.tx.undo(mark_)
        _note(ctx, version, rule.destination, FAILED)
        if rule.metrics:
            reason = failed.reason if isinstance(failed, Failure) else "DstPutObjNotPermitted"
            _tell(ctx, bucket, version, rule, "OperationFailedReplication", failureReason=reason)
        return None
    _note(ctx, version, rule.destination, COMPLETED)
    if late_ms > THRESHOLD_MS:
        times = {"threshold": THRESHOLD_MS // 60_000, "replicationTime": late_ms // 60_000}
        _tell(ctx, bucket, version, rule, "OperationReplicatedAfterThreshold", **times)
    return None


def _rule_for(bucket: Bucket, version: Object, destination: str) -> Rule | None:
    """The rule that replicates there now. Tags may have changed since: what is under way is finished."""
    to = [rule for rule in replication.rules(bucket) if rule.destination == destination]
    covering = [rule for rule in to if rule.covers(version)]
    return max(covering or to, key=lambda rule: rule.priority, default=None)


def _note(ctx: Context, version: Object, destination: str, state: str | None) -> None:
    """Writes a destination's state down (None: it has none any more), where the version keeps one."""
    if destination not in version.replication or version.marker:
        return
    states = {name: known for name, known in version.replication.items() if name != destination}
    if state is not None:
        states[destination] = state
    versions.rewrite(ctx, change(version, replication=states))


def _tell(ctx: Context, bucket: Bucket, version: Object, rule: Rule, event: str, **more: Any) -> None:
    about = {
        "replicationRuleId": rule.id,
        "destinationBucket": f"arn:aws:s3:::{rule.destination}",
        "s3Operation": "OBJECT_PUT",
        "requestTime": notifications.iso_instant(version.modified_at_ms),
        **more,
    }
    notifications.tell(ctx, bucket, f"Replication:{event}", version, replicationEventData=about)


def _carry_out(ctx: Context, bucket: Bucket, version: Object, rule: Rule) -> None:
    """Everything that is asked first, then the write. Raises Failure, or the ServiceException of another service."""
    role = _role(ctx, bucket)
    there = BUCKETS.get(ctx, rule.destination)
    if there is None:
        raise Failure("DstBucketNotFound")
    if there.versioning != "Enabled":
        raise Failure("DstBucketUnversioned")
    target = object_arn(there.name, version.key)
    if version.marker:
        _demand(role, "s3:ReplicateDelete", target, "DstDelObjNotPermitted")
        if get_version(ctx, there, version.key, version.version_id) is None:
            replica = change(version, bucket=there.name, replication=IS_REPLICA)
            versions.place(ctx, replica)
            _announce(ctx, there, "ObjectRemoved:DeleteMarkerCreated", replica)
        return
    _demand(role, "s3:GetReplicationConfiguration", bucket.arn, "InitiateReplicationNotPermitted")
    _demand(role, "s3:GetObjectVersionForReplication", object_arn(bucket.name, version.key), "SrcGetObjNotPermitted")
    _demand(role, "s3:ReplicateObject", target, "DstPutObjNotPermitted")
    if rule.owner_override:
        _demand(role, "s3:ObjectOwnerOverrideToBucketOwner", target, "DstPutObjNotPermitted")
    if bucket.lockable and not there.lockable:
        raise Failure("DstBucketObjectLockConfigMissing")
    for action in _also_read(version):
        _demand(role, action, object_arn(bucket.name, version.key), "SrcGetObjNotPermitted")
    existing = get_version(ctx, there, version.key, version.version_id)
    following = {
        "tags": _tags(role, bucket, version, target),
        "lock": _lock(ctx, there, version.lock, existing),
        **_access(bucket, there, version, rule),
    }
    if existing is not None:
        versions.rewrite(ctx, change(existing, **following))
    elif version.replication != IS_REPLICA:
        replica = change(_replica(role, there, version, rule), **following)
        versions.place(ctx, replica)
        _announce(ctx, there, "ObjectCreated:Put", replica)


def _role(ctx: Context, bucket: Bucket) -> Context:
    """This task, carried on as the role. Replicas obey their bucket's policy like any other write."""
    try:
        return ctx.as_role(Role(replication.role_of(bucket), "s3.amazonaws.com", "s3-replication", bucket.arn, bucket.account))
    except ServiceException:
        raise Failure("AssumeRoleNotPermitted") from None


def _demand(role: Context, action: str, arn: str, reason: str) -> None:
    if not role.may(action, arn):
        raise Failure(reason)


def _also_read(version: Object) -> list[str]:
    """What the role reads of a version besides its content, and so has to be allowed."""
    lists = [] if version.acl is None else ["s3:GetObjectVersionAcl"]
    return lists if version.lock is None else [*lists, "s3:GetObjectRetention", "s3:GetObjectLegalHold"]


def _lock(ctx: Context, there: Bucket, lock: Lock | None, existing: Object | None) -> Lock | None:
    """A replica's lock: the source's, or else the destination's default. One in force there is never weakened from afar."""
    if existing is None:
        return locking.completed(ctx, there, lock)
    return locking.stronger(ctx, existing.lock, lock)


def _tags(role: Context, bucket: Bucket, version: Object, target: str) -> dict[str, str]:
    """The tags that the replica gets: without both permissions the object goes without them."""
    if not version.tags:
        return {}
    readable = role.may("s3:GetObjectVersionTagging", object_arn(bucket.name, version.key))
    return version.tags if readable and role.may("s3:ReplicateTags", target) else {}


def _content(role: Context, there: Bucket, version: Object, rule: Rule) -> tuple[Encryption | None, tuple[Blob, ...]]:
    """A replica's encryption and bytes, which are shared, not copied; what KMS encrypts goes under the rule's own key."""
    old = version.encryption
    if old is None or old.algorithm == "SSE-C":
        return old, role.blobs.clone(role, version.blobs)
    try:
        opened = encrypting.opened(role, None, old)
    except ServiceException as refused:
        raise Failure("SrcKmsKeyInvalidState" if "State" in refused.code else "SrcKmsKeyNotFound") from None
    default = encrypting.default_rule(there) or {}
    try:
        key_id = rule.replica_key or encrypting.MANAGED_KEY
        new, seal = encrypting.by_kms(role, there, version.key, key_id, {}, bucket_key=bool(default.get("BucketKeyEnabled")))
    except ServiceException as refused:
        raise Failure("DstKmsKeyInvalidState" if "State" in refused.code else "DstKmsKeyNotFound") from None
    return new, role.blobs.share(role, version.blobs, seal=opened, new_seal=seal)


def _access(bucket: Bucket, there: Bucket, version: Object, rule: Rule) -> dict[str, Any]:
    """A replica's owner and list: the source's, or the destination's owner alone where the rule says so."""
    if rule.owner_override:
        return {"owner": "", "acl": None}
    owner = ownership.owner_of(bucket, version)
    return {"owner": "" if owner == there.account else owner, "acl": version.acl}


def _replica(role: Context, there: Bucket, version: Object, rule: Rule) -> Object:
    """The same version for another bucket."""
    encryption, blobs = _content(role, there, version, rule)
    return change(
        version,
        bucket=there.name,
        encryption=encryption,
        blobs=blobs,
        storage_class=rule.storage_class or version.storage_class,
        replication=IS_REPLICA,
        upload_id="",
        restored=None,
        archive_tier="",
    )


def _announce(ctx: Context, there: Bucket, event: str, replica: Object) -> None:
    if there.notifications:
        notifications.tell(ctx, there, event, replica)
