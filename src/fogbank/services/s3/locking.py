"""Object Lock: retention and legal holds, which keep versions from being deleted, and the defaults of a bucket.

A lock is of one version. It does not keep the key from being written again, or hidden behind a delete marker.
Source: "Locking objects with Object Lock" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, notifications, refusals, replication, rules, settings
from fogbank.services.s3.state import Bucket, Lock, Object, bucket_at, object_arn, object_at
from fogbank.store.blobs import Upload
from fogbank.store.tables import change

MODES = ("GOVERNANCE", "COMPLIANCE")
UNLOCKED = Lock()
DAYS = 36_500
YEARS = 100
"""The longest default retention."""


@operation("PutObjectLockConfiguration")
def put_object_lock_configuration(ctx: Context, req: Any) -> Answer:
    """Turns Object Lock on for a bucket (for good), and sets or removes what new versions are retained by default.

    Limits: 1 to 36,500 days, or 1 to 100 years. NotImplemented for event holds.
    Errors: InvalidBucketState while the bucket is not versioned; InvalidRetentionPeriod; MalformedXML.
    Source: PutObjectLockConfiguration in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx)
    wanted = req.ObjectLockConfiguration
    if wanted is None or wanted.ObjectLockEnabled != "Enabled":
        raise refusals.malformed_xml()
    if wanted.Rule is not None:
        _check_default(wanted.Rule.DefaultRetention)
    if bucket.versioning != "Enabled":
        message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        raise ServiceException("InvalidBucketState", message, status=409)
    settings.keep(ctx, bucket, "object-lock", settings.document(wanted))
    return None


def _check_default(retention: Any) -> None:
    """A mode, and either days or years."""
    if retention is not None and retention.DefaultEventHold is not None:
        raise NotImplementedOperation("s3", "PutObjectLockConfiguration", "with DefaultEventHold")
    if retention is None or retention.Mode not in MODES or (retention.Days is None) == (retention.Years is None):
        raise refusals.malformed_xml()
    count, most = (retention.Days, DAYS) if retention.Years is None else (retention.Years, YEARS)
    if not 1 <= count <= most:
        problem = "must be a positive integer value" if count < 1 else "too large"
        raise ServiceException("InvalidRetentionPeriod", f"Default retention period {problem}", status=400)


@operation("GetObjectLockConfiguration")
def get_object_lock_configuration(ctx: Context, req: Any) -> Answer:
    """Whether Object Lock is on, and the default retention. Errors: ObjectLockConfigurationNotFoundError where it is not."""
    bucket = bucket_at(ctx, req)
    if not bucket.lockable:
        message = "Object Lock configuration does not exist for this bucket"
        raise ServiceException("ObjectLockConfigurationNotFoundError", message, status=404, BucketName=bucket.name)
    return {"ObjectLockConfiguration": bucket.settings["object-lock"]}


def _lockable_version(ctx: Context, req: Any) -> tuple[Bucket, Object]:
    """The version that a request names, of a bucket with Object Lock."""
    bucket = bucket_at(ctx, req)
    if not bucket.lockable:
        raise _not_lockable()
    return bucket, object_at(ctx, bucket, req.Key, req.VersionId)


def _not_lockable() -> ServiceException:
    return refusals.invalid_request("Bucket is missing Object Lock Configuration")


@operation("PutObjectRetention")
def put_object_retention(ctx: Context, req: Any) -> Answer:
    """Retains a version until a date; an empty Retention ends that.

    What is retained can be retained longer. Anything less takes BypassGovernanceRetention and s3:BypassGovernanceRetention in
    GOVERNANCE mode, and cannot be done in COMPLIANCE mode. NotImplemented for event holds.
    Errors: AccessDenied, InvalidArgument (a date that is past), InvalidRequest (no Object Lock), MalformedXML, MethodNotAllowed (a
    delete marker).
    """
    checksums.check_document(ctx)
    bucket, found = _lockable_version(ctx, req)
    wanted = req.Retention
    if wanted is not None and (wanted.EventHold is not None or wanted.EventHoldDuration is not None):
        raise NotImplementedOperation("s3", "PutObjectRetention", "with EventHold")
    mode, until_ms = (None, None) if wanted is None else (wanted.Mode, wanted.RetainUntilDate)
    if (mode is None) != (until_ms is None) or mode not in (None, *MODES):
        raise refusals.malformed_xml()
    if until_ms is not None and until_ms <= ctx.now:
        message = "The retain until date must be in the future!"
        raise refusals.invalid_argument(message, "RetainUntilDate", notifications.iso_instant(until_ms))
    lock = found.lock or UNLOCKED
    extends = mode == lock.mode and (until_ms or 0) >= lock.until_ms
    if _retained(ctx, lock) and not extends:
        _check_bypass(ctx, found, lock, req.BypassGovernanceRetention)
    changed = replication.rewrite(ctx, bucket, change(found, lock=change(lock, mode=mode or "", until_ms=until_ms or 0)))
    if bucket.notifications:
        notifications.tell(ctx, bucket, "ObjectRetention:Put", changed, ctx.tx.unique())
    return None


@operation("GetObjectRetention")
def get_object_retention(ctx: Context, req: Any) -> Answer:
    """A version's mode and date, also when that is past. Errors: NoSuchObjectLockConfiguration where it has none."""
    _, found = _lockable_version(ctx, req)
    lock = found.lock or UNLOCKED
    if not lock.mode:
        raise _no_lock()
    return {"Retention": {"Mode": lock.mode, "RetainUntilDate": lock.until_ms}}


@operation("PutObjectLegalHold")
def put_object_legal_hold(ctx: Context, req: Any) -> Answer:
    """Holds a version (ON) until it is let go (OFF), whatever its retention. Errors: InvalidRequest, MalformedXML, MethodNotAllowed."""
    checksums.check_document(ctx)
    bucket, found = _lockable_version(ctx, req)
    if req.LegalHold is None or req.LegalHold.Status not in ("ON", "OFF"):
        raise refusals.malformed_xml()
    replication.rewrite(ctx, bucket, change(found, lock=change(found.lock or UNLOCKED, hold=req.LegalHold.Status)))
    return None


@operation("GetObjectLegalHold")
def get_object_legal_hold(ctx: Context, req: Any) -> Answer:
    """Whether a version is held. Errors: NoSuchObjectLockConfiguration where it never was."""
    _, found = _lockable_version(ctx, req)
    if found.lock is None or not found.lock.hold:
        raise _no_lock()
    return {"LegalHold": {"Status": found.lock.hold}}


def _no_lock() -> ServiceException:
    message = "The specified object does not have a ObjectLock configuration"
    return ServiceException("NoSuchObjectLockConfiguration", message, status=404)


# what others ask


def enabled(ctx: Context, bucket: Bucket) -> Bucket:
    """A new bucket with Object Lock, and so with versioning. Needs s3:PutBucketObjectLockConfiguration and s3:PutBucketVersioning."""
    ctx.authorize("s3:PutBucketObjectLockConfiguration", bucket.arn)
    ctx.authorize("s3:PutBucketVersioning", bucket.arn)
    return change(bucket, versioning="Enabled", settings={"object-lock": {"ObjectLockEnabled": "Enabled"}})


def asked(ctx: Context, req: Any, bucket: Bucket) -> Lock | None:
    """The lock that a request's headers ask for, or None.

    Needs s3:PutObjectRetention and s3:PutObjectLegalHold. Errors: InvalidRequest where the bucket has no Object Lock; InvalidArgument.
    """
    mode, until_ms, hold = req.ObjectLockMode, req.ObjectLockRetainUntilDate, req.ObjectLockLegalHoldStatus
    if mode is None and until_ms is None and hold is None:
        return None
    if not bucket.lockable:
        raise _not_lockable()
    arn = object_arn(bucket.name, req.Key)
    if hold is not None:
        if hold not in ("ON", "OFF"):
            message = "Legal Hold must be either of 'ON' or 'OFF'"
            raise refusals.invalid_argument(message, "x-amz-object-lock-legal-hold", hold)
        ctx.authorize("s3:PutObjectLegalHold", arn)
    if mode is not None or until_ms is not None:
        _check_retention(ctx, mode, until_ms)
        ctx.authorize("s3:PutObjectRetention", arn)
    return Lock(mode or "", until_ms or 0, hold or "")


def completed(ctx: Context, bucket: Bucket, lock: Lock | None) -> Lock | None:
    """The lock of a version that is made now: what was asked for, or else the bucket's default retention."""
    if not bucket.lockable or (lock is not None and lock.mode):
        return lock
    rule = bucket.settings["object-lock"].get("Rule")
    if rule is None:
        return lock
    retention = rule["DefaultRetention"]
    if "Days" in retention:
        until_ms = ctx.now + retention["Days"] * rules.DAY_MS
    else:
        until_ms = years_after(ctx.now, retention["Years"])
    return Lock(retention["Mode"], min(until_ms, rules.LAST_MS), "" if lock is None else lock.hold)


def stronger(ctx: Context, here: Lock | None, wanted: Lock | None) -> Lock | None:
    """A lock as somebody else wants it; but a retention in force is not taken away, shortened or loosened."""
    if here is None or wanted is None:
        return here or wanted
    hold = wanted.hold or here.hold
    if _retained(ctx, here) and (wanted.until_ms < here.until_ms or (here.mode == "COMPLIANCE" and wanted.mode != here.mode)):
        return change(here, hold=hold)
    return change(wanted, hold=hold)


def _check_retention(ctx: Context, mode: str | None, until_ms: int | None) -> None:
    if mode is None or until_ms is None:
        missing = "x-amz-object-lock-mode" if mode is None else "x-amz-object-lock-retain-until-date"
        message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        raise refusals.invalid_argument(message, missing, "null")
    if mode not in MODES:
        raise refusals.invalid_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", mode)
    if until_ms <= ctx.now:
        message = "The retain until date must be in the future!"
        raise refusals.invalid_argument(message, "x-amz-object-lock-retain-until-date", notifications.iso_instant(until_ms))


def years_after(at_ms: int, count: int) -> int:
    """The same day and time some years later; the 28th of February for a 29th where there is none."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    leap = at.month == 2 and at.day == 29
    year = min(at.year + count, MAXYEAR)
    day = 28 if leap and (year % 4 or (year % 100 == 0 and year % 400)) else at.day
    return int(at.replace(year=year, day=day).timestamp()) * 1000 + at_ms % 1000


def check_integrity(ctx: Context, req: Any, upload: Upload, what: str) -> None:
    """A body that is to be locked must come with a checksum. Errors: InvalidRequest."""
    if req.ContentMD5 is None and checksums.given(req, upload.trailers) is None and ctx.request is not None:
        raise refusals.invalid_request(
            f"Content-MD5 OR x-amz-checksum- HTTP header is required for {what} requests with Object Lock parameters"
        )


def _retained(ctx: Context, lock: Lock) -> bool:
    return bool(lock.mode) and lock.until_ms > ctx.now


def _check_bypass(ctx: Context, version: Object, lock: Lock, bypass: bool | None) -> None:
    """Whether the caller may do what a retention forbids. Errors: AccessDenied."""
    if lock.mode != "GOVERNANCE" or not bypass:
        raise _protected()
    ctx.authorize("s3:BypassGovernanceRetention", object_arn(version.bucket, version.key))


def _protected() -> ServiceException:
    return ServiceException("AccessDenied", "Access Denied because object protected by object lock.", status=403)


def protects(ctx: Context, version: Object) -> bool:
    """Whether a version is held or retained."""
    lock = version.lock
    return lock is not None and (lock.hold == "ON" or _retained(ctx, lock))


def check_deletable(ctx: Context, version: Object, bypass: bool | None) -> None:
    """Errors: AccessDenied where a version is held, or retained and not bypassed."""
    lock = version.lock
    if lock is None:
        return
    if lock.hold == "ON":
        raise _protected()
    if _retained(ctx, lock):
        _check_bypass(ctx, version, lock, bypass)


def shown(ctx: Context, found: Object, lock: Lock) -> dict[str, Any]:
    """The members of GetObject's answer about a lock, as far as the caller may know them."""
    answer: dict[str, Any] = {}
    arn = object_arn(found.bucket, found.key)
    if lock.mode and ctx.may("s3:GetObjectRetention", arn):
        answer = {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": lock.until_ms}
    if lock.hold and ctx.may("s3:GetObjectLegalHold", arn):
        answer["ObjectLockLegalHoldStatus"] = lock.hold
    return answer


# condition keys


def _retention_asked(req: Any) -> tuple[str | None, int | None]:
    """The mode and the date that a request asks for, in a header or in a document."""
    retention = getattr(req, "Retention", None)
    if retention is not None:
        return retention.Mode, retention.RetainUntilDate
    return getattr(req, "ObjectLockMode", None), getattr(req, "ObjectLockRetainUntilDate", None)


def _asked_date(ctx: Context, req: Any) -> str | None:
    until_ms = _retention_asked(req)[1]
    return None if until_ms is None else notifications.iso_instant(until_ms)


def _asked_days(ctx: Context, req: Any) -> int | None:
    """Days begun."""
    until_ms = _retention_asked(req)[1]
    return None if until_ms is None else -((ctx.now - until_ms) // rules.DAY_MS)


def _asked_hold(ctx: Context, req: Any) -> str | None:
    hold = getattr(req, "LegalHold", None)
    status: str | None = hold.Status if hold is not None else getattr(req, "ObjectLockLegalHoldStatus", None)
    return status


CONDITIONS = {
    "s3:object-lock-mode": lambda ctx, req: _retention_asked(req)[0],
    "s3:object-lock-retain-until-date": _asked_date,
    "s3:object-lock-remaining-retention-days": _asked_days,
    "s3:object-lock-legal-hold": _asked_hold,
}
