"""What CloudWatch is told of buckets (AWS/S3): their size each midnight UTC; and requests, where a metrics configuration asks for them.

Storage that was counted at a midnight is told for all midnights until something else is done: when the clock is moved by days, each has
its figures. The tag of a filter is looked for on the object as it is after the request.

Source: "Amazon S3 metrics and dimensions" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from fogbank.delivery import outbox
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import LOOKING, Answer, task
from fogbank.kernel.seen import Seen
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.s3 import lifespan, log_records, refusals, settings
from fogbank.services.s3.rules import DAY_MS
from fogbank.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS, VERSIONS, Bucket

NAMESPACE = "AWS/S3"
KIND = "Metrics"
PORTION = 1000
"""Versions counted in one transaction."""
STORAGE = {
    "STANDARD": "StandardStorage",
    "INTELLIGENT_TIERING": "IntelligentTieringFAStorage",
    "STANDARD_IA": "StandardIAStorage",
    "ONEZONE_IA": "OneZoneIAStorage",
    "REDUCED_REDUNDANCY": "ReducedRedundancyStorage",
    "GLACIER_IR": "GlacierInstantRetrievalStorage",
    "GLACIER": "GlacierStorage",
    "DEEP_ARCHIVE": "DeepArchiveStorage",
}
_VERBS = {"GET": "GetRequests", "PUT": "PutRequests", "DELETE": "DeleteRequests", "HEAD": "HeadRequests", "POST": "PostRequests"}


def _tell(ctx: Context, bucket: Bucket, name: str, value: float, unit: str, at_ms: int, **by: str) -> None:
    dimensions = tuple(sorted({"BucketName": bucket.name, **by}.items()))
    ctx.tell(MEASURES, Measure(bucket.account, bucket.region, NAMESPACE, name, dimensions, value, unit, at_ms))


# Requests


def check(ctx: Context, bucket: Bucket, document: dict[str, Any]) -> int:
    """Checks a configuration: all requests, or those of a prefix, a tag, or several of them. Errors: MalformedXML, NotImplemented."""
    filter_ = document.get("Filter", {})
    parts = filter_.get("And", filter_)
    if "AccessPointArn" in parts:
        raise NotImplementedOperation("s3", "PutBucketMetricsConfiguration", "with an AccessPointArn")
    if len(filter_) > 1 or ("And" in filter_ and len(parts.get("Tags", ())) + ("Prefix" in parts) < 2):
        raise refusals.malformed_xml()
    return 0


def changed(ctx: Context, bucket: Bucket) -> None:
    """A configuration was put or deleted: requests are looked at while there is one."""
    there = next(CONFIGURATIONS.scan(ctx, bucket.name, KIND), None) is not None
    if there is not ("metrics" in bucket.settings):
        settings.keep(ctx, bucket, "metrics", True if there else None)


def observe(ctx: Context, seen: Seen) -> None:
    """Tells of a request that is over, for each configuration that it meets."""
    for name in log_records.buckets(seen)[:1]:
        bucket = BUCKETS.get(ctx, name)
        if bucket is None or "metrics" not in bucket.settings:
            continue
        key = getattr(seen.members, "Key", None)
        figures = list(_figures(seen, key))
        for configuration in CONFIGURATIONS.scan(ctx, bucket.name, KIND):
            if _meets(ctx, bucket, key, configuration.document.get("Filter", {})):
                for metric, value, unit in figures:
                    _tell(ctx, bucket, metric, value, unit, seen.at_ms, FilterId=configuration.id)


def _figures(seen: Seen, key: str | None) -> Iterator[tuple[str, float, str]]:
    yield "AllRequests", 1.0, "Count"
    method = seen.request.method
    if seen.operation.startswith("List"):
        yield "ListRequests", 1.0, "Count"
    elif key is not None or method in ("DELETE", "POST"):
        yield _VERBS.get(method, "PostRequests"), 1.0, "Count"
    if seen.sent_bytes and method == "GET":
        yield "BytesDownloaded", float(seen.sent_bytes), "Bytes"
    uploaded = seen.request.headers.get("x-amz-decoded-content-length") or seen.request.headers.get("content-length") or "0"
    if method in ("PUT", "POST") and uploaded.isdecimal() and int(uploaded):
        yield "BytesUploaded", float(uploaded), "Bytes"
    yield "4xxErrors", float(400 <= seen.status < 500), "Count"
    yield "5xxErrors", float(seen.status >= 500), "Count"
    yield "FirstByteLatency", seen.turned_ms, "Milliseconds"
    yield "TotalRequestLatency", seen.took_ms, "Milliseconds"


def _meets(ctx: Context, bucket: Bucket, key: str | None, filter_: Mapping[str, Any]) -> bool:
    parts = filter_.get("And", filter_)
    wanted = parts.get("Tags", [parts["Tag"]] if "Tag" in parts else [])
    if not wanted and "Prefix" not in parts:
        return True
    if key is None or not key.startswith(parts.get("Prefix", "")):
        return False
    if not wanted:
        return True
    there = OBJECTS.get(ctx, bucket.name, key)
    return there is not None and all(there.tags.get(tag["Key"]) == tag["Value"] for tag in wanted)


# Storage


def begin(ctx: Context, bucket: Bucket) -> None:
    """Has a new bucket counted at the next midnight."""
    _come(ctx, bucket, lifespan.midnight(ctx.now + 1))


def _come(ctx: Context, bucket: Bucket, due_ms: int) -> None:
    ctx.later("s3.measure", {"bucket": bucket.name, "created_at_ms": bucket.created_at_ms, "due_ms": due_ms}, at_ms=due_ms)


@task("measure", looks=True)
def measure(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Counts a bucket's objects and bytes, all versions of them, a portion at a time; and comes again at the next midnight at which
    they may be others."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    if bucket is None or bucket.created_at_ms != payload["created_at_ms"]:
        return None
    of_versions: bool = payload.get("of_versions", False)
    count: int = payload.get("count", 0)
    sizes: dict[str, int] = dict(payload.get("sizes", {}))
    after = payload.get("after")
    table = VERSIONS if of_versions else OBJECTS
    rows = list(islice(table.scan(ctx, bucket.name, after=tuple(after) if after else None), PORTION))
    for row in rows:
        count += 1
        kind = STORAGE.get(row.storage_class, "StandardStorage")
        sizes[kind] = sizes.get(kind, 0) + row.size
    told = {**payload, "count": count, "sizes": sizes}
    if len(rows) == PORTION:
        place = [rows[-1].key, rows[-1].rank] if of_versions else [rows[-1].key]
        ctx.later("s3.measure", {**told, "after": place})
    elif not of_versions:
        ctx.later("s3.measure", {**told, "after": None, "of_versions": True})
    else:
        due_ms: int = payload["due_ms"]
        until_ms = max(outbox.work_ms(ctx, ctx.now, LOOKING), due_ms)
        for at_ms in range(due_ms, until_ms + 1, DAY_MS):
            _tell_storage(ctx, bucket, count, sizes, at_ms)
        _come(ctx, bucket, lifespan.midnight(until_ms + 1))
    return None


def _tell_storage(ctx: Context, bucket: Bucket, count: int, sizes: dict[str, int], at_ms: int) -> None:
    if count:
        _tell(ctx, bucket, "NumberOfObjects", float(count), "Count", at_ms, StorageType="AllStorageTypes")
    for kind, size in sizes.items():
        _tell(ctx, bucket, "BucketSizeBytes", float(size), "Bytes", at_ms, StorageType=kind)
