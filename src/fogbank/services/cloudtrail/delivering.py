"""Delivery of a trail: log files every five minutes, digests of them every hour, by the cloud's clock.

A file that cannot be put (the bucket's policy was changed) is tried again at the next delivery; the trail's status says why.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import task
from fogbank.services.cloudtrail.destinations import SEALED_FOR, arn_of
from fogbank.services.cloudtrail.documents import iso
from fogbank.services.cloudtrail.keys import sign
from fogbank.services.cloudtrail.state import (
    DELIVERED_EACH_MS,
    DIGEST_EACH_MS,
    DIGESTS,
    FILES,
    PENDING,
    TRAILS,
    Digest,
    LogFile,
    Pending,
    Trail,
)
from fogbank.store.tables import change

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_documents = msgspec.msgpack.Decoder(list[tuple[int, bytes]]).decode


def prefix_of(trail: Trail) -> str:
    return f"{trail.prefix}/" if trail.prefix else ""


def begin(ctx: Context, trail: Trail) -> None:
    """Has deliveries begin."""
    payload = {"region": trail.region, "name": trail.name, "since_ms": trail.started_at_ms}
    ctx.later("cloudtrail.deliver", payload, at_ms=ctx.now + DELIVERED_EACH_MS)
    ctx.later("cloudtrail.digest", payload, at_ms=ctx.now + DIGEST_EACH_MS)


def _trail(ctx: Context, payload: Any) -> Trail | None:
    """The trail of a task, as long as it is the one that was started then."""
    trail = TRAILS.get(ctx, ctx.account, payload["region"], payload["name"])
    return trail if trail is not None and trail.started_at_ms == payload["since_ms"] else None


def _name(at_ms: int, form: str) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime(form)


def _put(ctx: Context, trail: Trail, key: str, content: bytes, metadata: dict[str, str] | None = None) -> None:
    members: dict[str, Any] = {
        "Bucket": trail.bucket,
        "Key": key,
        "Body": content,
        "ACL": "bucket-owner-full-control",
        "ContentType": "application/json",
        "ContentEncoding": "gzip",
        "Metadata": metadata,
    }
    if trail.key and metadata is None:
        members |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": trail.key}
    given = {k: v for k, v in members.items() if v is not None}
    ctx.call("s3", "PutObject", given, acting=Acting("cloudtrail.amazonaws.com", arn_of(trail), trail.account))


@task("deliver")
def deliver(ctx: Context, payload: Any) -> None:
    """Puts what has come since into files: one a region."""
    trail = _trail(ctx, payload)
    if trail is None:
        return
    if trail.logging:
        ctx.later("cloudtrail.deliver", payload, at_ms=ctx.now + DELIVERED_EACH_MS)
    waiting: dict[str, list[Pending]] = {}
    for pending in PENDING.scan(ctx, arn_of(trail)):
        waiting.setdefault(pending.region, []).append(pending)
    for region, pendings in waiting.items():
        trail = _deliver(ctx, trail, region, pendings)
    TRAILS.put(ctx, trail)


def _deliver(ctx: Context, trail: Trail, region: str, pendings: list[Pending]) -> Trail:
    """One file. Gives the trail as it stands after it."""
    events = [event for pending in pendings for event in _documents(ctx.vault.open(pending.sealed, SEALED_FOR))]
    account, day, minute = trail.account, _name(ctx.now, "%Y/%m/%d"), _name(ctx.now, "%Y%m%dT%H%MZ")
    unique = ctx.random.text(16, _ALPHABET)
    key = f"{prefix_of(trail)}AWSLogs/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{minute}_{unique}.json.gz"
    content = b'{"Records":[' + b",".join(document for _, document in events) + b"]}"
    trail = change(trail, attempted_at_ms=ctx.now)
    try:
        _put(ctx, trail, key, gzip.compress(content, mtime=0))
    except ServiceException as refused:
        return change(trail, error=refused.code)
    for pending in pendings:
        PENDING.delete(ctx, pending)
    if trail.validated:
        digest = hashlib.sha256(content).hexdigest()
        FILES.put(ctx, LogFile(trail=arn_of(trail), region=region, key=key, digest=digest, oldest_ms=events[0][0], newest_ms=events[-1][0]))
    trail = change(trail, delivered_at_ms=ctx.now, error="")
    if trail.topic:
        trail = _notify(ctx, trail, key)
    return _log(ctx, trail, region, events) if trail.log_group else trail


def _notify(ctx: Context, trail: Trail, key: str) -> Trail:
    """Tells the trail's topic of a file."""
    message = msgspec.json.encode({"s3Bucket": trail.bucket, "s3ObjectKey": [key]}).decode()
    topic = Arn.parse(trail.topic)
    assert topic is not None, trail.topic
    who = Acting("cloudtrail.amazonaws.com", arn_of(trail), trail.account)
    try:
        ctx.call("sns", "Publish", {"TopicArn": trail.topic, "Message": message}, acting=who, region=topic.region)
    except ServiceException as refused:
        return change(trail, notification_error=refused.code)
    return change(trail, notified_at_ms=ctx.now, notification_error="")


def _log(ctx: Context, trail: Trail, region: str, events: list[tuple[int, bytes]]) -> Trail:
    """Puts the events into the trail's log group, as its role."""
    group = trail.log_group.split(":log-group:")[-1].removesuffix(":*")
    stream = f"{trail.account}_CloudTrail_{region}"
    who = Role(trail.log_role, "cloudtrail.amazonaws.com", "CloudTrail_CloudWatchLogs", arn_of(trail), trail.account)
    lines = [{"timestamp": at_ms, "message": document.decode()} for at_ms, document in events]
    try:
        try:
            ctx.call("logs", "CreateLogStream", {"logGroupName": group, "logStreamName": stream}, acting=who)
        except ServiceException as refused:
            if refused.code != "ResourceAlreadyExistsException":
                raise
        ctx.call("logs", "PutLogEvents", {"logGroupName": group, "logStreamName": stream, "logEvents": lines}, acting=who)
    except ServiceException as refused:
        return change(trail, log_error=refused.code)
    return change(trail, logged_at_ms=ctx.now, log_error="")


@task("digest")
def digest(ctx: Context, payload: Any) -> None:
    """Signs a list of the files of the last hour, in every region in which the trail has begun; each names the one before it."""
    trail = _trail(ctx, payload)
    if trail is None:
        return
    if trail.logging:
        ctx.later("cloudtrail.digest", payload, at_ms=ctx.now + DIGEST_EACH_MS)
    if not trail.validated:
        return
    arn = arn_of(trail)
    regions = {trail.region} | {f.region for f in FILES.scan(ctx, arn)} | {d.region for d in DIGESTS.scan(ctx, arn)}
    for region in sorted(regions):
        try:
            _digest(ctx, trail, region)
            trail = change(trail, digested_at_ms=ctx.now, digest_error="")
        except ServiceException as refused:
            trail = change(trail, digest_error=refused.code)
    TRAILS.put(ctx, trail)


def _digest(ctx: Context, trail: Trail, region: str) -> None:
    arn, account, end = arn_of(trail), trail.account, _name(ctx.now, "%Y%m%dT%H%M%SZ")
    before = DIGESTS.get(ctx, arn, region)
    files = list(FILES.scan(ctx, arn, region))
    folder = f"{prefix_of(trail)}AWSLogs/{account}/CloudTrail-Digest/{region}/{_name(ctx.now, '%Y/%m/%d')}"
    key = f"{folder}/{account}_CloudTrail-Digest_{region}_{trail.name}_{trail.region}_{end}.json.gz"
    signed_by = sign(ctx, trail.region)
    told = {
        "awsAccountId": account,
        "digestStartTime": iso(before.end_ms if before is not None else ctx.now - DIGEST_EACH_MS),
        "digestEndTime": iso(ctx.now),
        "digestS3Bucket": trail.bucket,
        "digestS3Object": key,
        "digestPublicKeyFingerprint": signed_by.fingerprint,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": iso(max(f.newest_ms for f in files)) if files else None,
        "oldestEventTime": iso(min(f.oldest_ms for f in files)) if files else None,
        "previousDigestS3Bucket": before.bucket if before is not None else None,
        "previousDigestS3Object": before.key if before is not None else None,
        "previousDigestHashValue": before.digest if before is not None else None,
        "previousDigestHashAlgorithm": "SHA-256" if before is not None else None,
        "previousDigestSignature": before.signature if before is not None else None,
        "logFiles": [
            {
                "s3Bucket": trail.bucket,
                "s3Object": f.key,
                "hashValue": f.digest,
                "hashAlgorithm": "SHA-256",
                "newestEventTime": iso(f.newest_ms),
                "oldestEventTime": iso(f.oldest_ms),
            }
            for f in files
        ],
    }
    content = msgspec.json.encode(told)
    hashed = hashlib.sha256(content).hexdigest()
    previous = before.signature if before is not None else "null"
    text = f"{told['digestEndTime']}\n{trail.bucket}/{key}\n{hashed}\n{previous}"
    signature = signed_by.sign(text.encode()).hex()
    metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
    _put(ctx, trail, key, gzip.compress(content, mtime=0), metadata)
    for file in files:
        FILES.delete(ctx, file)
    DIGESTS.put(ctx, Digest(trail=arn, region=region, bucket=trail.bucket, key=key, end_ms=ctx.now, digest=hashed, signature=signature))
