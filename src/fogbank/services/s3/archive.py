"""Archived objects (GLACIER, DEEP_ARCHIVE, the archive tiers of INTELLIGENT_TIERING): refused to readers until they are restored.

A restored copy is there from one instant until another; whether it is there is seen by the clock. Tasks only tell of it.
Source: "Working with archived objects" and "Archive retrieval options" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.s3 import checksums, lifespan, notifications, refusals, versions
from fogbank.services.s3.conditions import http_date
from fogbank.services.s3.state import ARCHIVED, BUCKETS, Bucket, Object, Restored, bucket_at, get_version, object_at
from fogbank.store.tables import change

_HOUR_MS = 3_600_000
_SHALLOW = {"Expedited": 3 * 60_000, "Standard": 4 * _HOUR_MS, "Bulk": 8 * _HOUR_MS}
_DEEP = {"Standard": 12 * _HOUR_MS, "Bulk": 48 * _HOUR_MS}
RETRIEVAL_MS = {"GLACIER": _SHALLOW, "ARCHIVE_ACCESS": _SHALLOW, "DEEP_ARCHIVE": _DEEP, "DEEP_ARCHIVE_ACCESS": _DEEP}
"""How long a restore takes, by where the object is and by retrieval tier. AWS gives ranges (1 to 5 minutes, 3 to 5 hours, 5 to 12
hours); these lie within."""
FOR_GOOD_MS = 1 << 62
"""When what comes back into INTELLIGENT_TIERING expires."""


def where(found: Object) -> str:
    """The archive that holds an object: a storage class or an access tier; "" where it is read at once."""
    return found.storage_class if found.storage_class in ARCHIVED else found.archive_tier


def is_there(ctx: Context, found: Object) -> bool:
    """Whether an archived object has a copy that can be read now."""
    restored = found.restored
    return restored is not None and restored.ready_ms <= ctx.now < restored.expires_ms


def read(ctx: Context, found: Object, *, copied: bool = False) -> None:
    """To be called before an object's content is read: refuses what is archived, and remembers the read where archiving depends on it.

    Errors: InvalidObjectState (403).
    """
    if where(found) and not is_there(ctx, found):
        of = "Operation is not valid for the source object's" if copied else "The operation is not valid for the object's"
        raise _invalid_state(f"{of} storage class", found)
    if found.storage_class == "INTELLIGENT_TIERING" and found.size >= lifespan.SMALL_BYTES:
        _note_read(ctx, found)


def _note_read(ctx: Context, found: Object) -> None:
    """At most one write a day: archiving is due at midnights."""
    today = lifespan.midnight(ctx.now)
    if today != lifespan.midnight(max(found.accessed_ms, found.modified_at_ms)) and lifespan.tierings(ctx, found.bucket):
        versions.rewrite(ctx, change(found, accessed_ms=ctx.now))


def _invalid_state(message: str, found: Object) -> ServiceException:
    tier = {"AccessTier": found.archive_tier} if found.archive_tier else {}
    return ServiceException("InvalidObjectState", message, status=403, StorageClass=found.storage_class, **tier)


def shown(ctx: Context, found: Object) -> dict[str, Any]:
    """The members of HeadObject's answer about the archive."""
    answer: dict[str, Any] = {"ArchiveStatus": found.archive_tier} if found.archive_tier and not is_there(ctx, found) else {}
    restored = found.restored
    if restored is not None and ctx.now < restored.ready_ms:
        answer["Restore"] = 'ongoing-request="true"'
    elif restored is not None and ctx.now < restored.expires_ms < FOR_GOOD_MS:
        answer["Restore"] = f'ongoing-request="false", expiry-date="{http_date(restored.expires_ms)}"'
    return answer


def status(ctx: Context, found: Object) -> dict[str, Any] | None:
    """RestoreStatus, as listings show it."""
    restored = found.restored
    if restored is None or ctx.now >= restored.expires_ms:
        return None
    if ctx.now < restored.ready_ms:
        return {"IsRestoreInProgress": True}
    return None if restored.expires_ms == FOR_GOOD_MS else {"IsRestoreInProgress": False, "RestoreExpiryDate": restored.expires_ms}


@operation("RestoreObject")
def restore_object(ctx: Context, req: Any) -> Answer:
    """Asks for a readable copy of an archived object, for some days; of INTELLIGENT_TIERING, for its return to where it is read.

    202 for a new copy, 200 where there is one: its days then count from now. A restore under way can be made faster by a faster
    tier, but not otherwise changed. Takes minutes (Expedited), 4 h (Standard; 12 h from the deep archives), 8 h (Bulk; 48 h).
    The copy expires at the first midnight UTC when its days are over. Errors: InvalidObjectState, ObjectAlreadyInActiveTierError,
    RestoreAlreadyInProgress (409), InvalidArgument, MalformedXML; NotImplemented for SELECT.
    Source: RestoreObject in the Amazon S3 API Reference; "Restoring an archived object".
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    wanted = req.RestoreRequest
    if wanted is None:
        raise refusals.malformed_xml()
    for name in ("Type", "SelectParameters", "OutputLocation"):
        if getattr(wanted, name) is not None:
            raise NotImplementedOperation("s3", "RestoreObject", f"with {name}")
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    archive = where(found)
    if not archive:
        if found.storage_class == "INTELLIGENT_TIERING":
            raise ServiceException("ObjectAlreadyInActiveTierError", "This action is not allowed against this storage tier.", status=403)
        raise _invalid_state("Restore is not allowed for the object's current storage class", found)
    tier = _tier(wanted, archive)
    _check_days(wanted, found)
    restored = found.restored
    if restored is not None and ctx.now < restored.ready_ms:
        return _hasten(ctx, bucket, found, restored, tier)
    if restored is not None and ctx.now < restored.expires_ms:
        if not found.archive_tier:
            _keep(ctx, bucket, found, change(restored, expires_ms=lifespan.after_days(ctx.now, wanted.Days)))
        return {"@status": 200}
    ready_ms = ctx.now + RETRIEVAL_MS[archive][tier]
    _keep(ctx, bucket, found, Restored(tier, ctx.now, ready_ms, _expires(ctx, wanted, ready_ms)))
    if bucket.notifications:
        notifications.tell(ctx, bucket, "ObjectRestore:Post", found, ctx.tx.unique())
    return {"@status": 202}


def _tier(wanted: Any, archive: str) -> str:
    """The retrieval tier asked for, Standard by default."""
    parameters = wanted.GlacierJobParameters
    tier: str = (parameters.Tier if parameters is not None else wanted.Tier) or "Standard"
    if tier not in _SHALLOW:
        raise refusals.malformed_xml()
    if tier not in RETRIEVAL_MS[archive]:
        message = "Retrieval option is not supported by this storage class"
        raise refusals.invalid_argument(message, "Tier", tier)
    return tier


def _check_days(wanted: Any, found: Object) -> None:
    """Copies are for some days; an object of INTELLIGENT_TIERING comes back for good."""
    if found.archive_tier:
        if wanted.Days is not None:
            raise refusals.malformed_xml()
    elif wanted.Days is None:
        raise refusals.malformed_xml()
    elif wanted.Days < 1:
        raise refusals.invalid_argument("restoration days should be at least 1", "Days", wanted.Days)


def _expires(ctx: Context, wanted: Any, ready_ms: int) -> int:
    """Days count from the request, but the copy is to be seen at all."""
    if wanted.Days is None:
        return FOR_GOOD_MS
    return max(lifespan.after_days(ctx.now, wanted.Days), lifespan.midnight(ready_ms + 1))


def _hasten(ctx: Context, bucket: Bucket, found: Object, restored: Restored, tier: str) -> Answer:
    """A restore under way is done sooner by a faster tier."""
    ready_ms = ctx.now + RETRIEVAL_MS[where(found)][tier]
    if list(_SHALLOW).index(tier) >= list(_SHALLOW).index(restored.tier):
        raise ServiceException("RestoreAlreadyInProgress", "Object restore is already in progress", status=409)
    if ready_ms < restored.ready_ms:
        _keep(ctx, bucket, found, change(restored, tier=tier, ready_ms=ready_ms))
    return {"@status": 202}


def _keep(ctx: Context, bucket: Bucket, found: Object, restored: Restored) -> None:
    versions.rewrite(ctx, change(found, restored=restored))
    payload = {"bucket": bucket.name, "key": found.key, "version_id": found.version_id, "rank": found.rank}
    for at_ms in (restored.ready_ms, restored.expires_ms):
        if ctx.now < at_ms < FOR_GOOD_MS:
            ctx.later("s3.restored", payload | {"at_ms": at_ms}, at_ms=at_ms)


@task("restored")
def restored(ctx: Context, payload: Any) -> Answer:
    """Tells that a copy has come, or has gone; what came of INTELLIGENT_TIERING is no longer archived."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    found = None if bucket is None else get_version(ctx, bucket, payload["key"], payload["version_id"])
    if bucket is None or found is None or found.rank != payload["rank"] or found.restored is None:
        return None
    copy = found.restored
    if payload["at_ms"] == copy.ready_ms:
        if found.archive_tier:
            found = change(found, archive_tier="", restored=None, accessed_ms=copy.ready_ms)
            versions.rewrite(ctx, found)
        _tell(ctx, bucket, "ObjectRestore:Completed", found, copy)
    elif payload["at_ms"] == copy.expires_ms:
        versions.rewrite(ctx, change(found, restored=None))
        _tell(ctx, bucket, "ObjectRestore:Delete", found, copy)
    return None


def _tell(ctx: Context, bucket: Bucket, event: str, about: Object, copy: Restored) -> None:
    if not bucket.notifications:
        return
    of_copy = {"lifecycleRestoreStorageClass": about.storage_class}
    if copy.expires_ms < FOR_GOOD_MS:
        of_copy["lifecycleRestorationExpiryTime"] = notifications.iso_instant(copy.expires_ms)
    notifications.tell(ctx, bucket, event, about, ctx.tx.unique(), glacierEventData={"restoreEventData": of_copy})
