"""Inventory: a list of a bucket's objects, put into another bucket every day or every week.

A report shows the bucket as it was at the instant it was due, whenever its task runs; a large one is written by several tasks,
a file of BATCH entries each. It is delivered as s3.amazonaws.com, so the destination's bucket policy has to let that in.
Source: "Cataloging and analyzing your data with S3 Inventory" in the Amazon S3 User Guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.s3 import arrow, inventory_formats, listing, refusals
from fogbank.services.s3.inventory_formats import FIELDS, FORMATS, Entry, Format
from fogbank.services.s3.rules import DAY_MS
from fogbank.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS, Bucket, Configuration
from fogbank.store.tables import change

BATCH = 2_500
"""Entries of one file, which one task writes: about as long as requests may be kept waiting."""
_SUNDAY = 3 * DAY_MS
"""1970-01-04, the first Sunday."""
_VERSION = "2016-11-30"


def check(ctx: Context, bucket: Bucket, document: dict[str, Any]) -> int:
    """Checks a configuration; when its first report is due.

    Errors: InvalidArgument, MalformedXML, InvalidS3DestinationBucket; NotImplemented for optional fields that are not known here,
    and for Parquet and ORC where pyarrow is not installed.
    """
    destination = document["Destination"]["S3BucketDestination"]
    if document["IncludedObjectVersions"] not in ("All", "Current") or destination["Format"] not in FORMATS:
        raise refusals.malformed_xml()
    if not destination["Bucket"].startswith("arn:aws:s3:::"):
        raise ServiceException("InvalidS3DestinationBucket", "Invalid bucket ARN.", status=400)
    if destination["Format"] != "CSV" and not arrow.is_there():
        raise NotImplementedOperation("s3", ctx.operation, f"with Format={destination['Format']}: pyarrow is not installed")
    for name in document.get("OptionalFields", ()):
        if name in inventory_formats.UNKNOWN_HERE:
            raise NotImplementedOperation("s3", ctx.operation, f"with the optional field {name}")
        if name not in FIELDS or not FIELDS[name].optional:
            raise refusals.malformed_xml()
    return _next_due(document["Schedule"]["Frequency"], ctx.now) if document["IsEnabled"] else 0


def _next_due(frequency: str, now_ms: int) -> int:
    """The next midnight (UTC), or the next Sunday's."""
    if frequency == "Daily":
        return (now_ms // DAY_MS + 1) * DAY_MS
    if frequency != "Weekly":
        raise refusals.malformed_xml()
    week_ms = 7 * DAY_MS
    return ((now_ms - _SUNDAY) // week_ms + 1) * week_ms + _SUNDAY


class Report(NamedTuple):
    """One report on its way: of what, where to, and as of when."""

    bucket: Bucket
    configuration: Configuration
    due_ms: int

    @property
    def destination(self) -> dict[str, Any]:
        found: dict[str, Any] = self.configuration.document["Destination"]["S3BucketDestination"]
        return found

    @property
    def format(self) -> Format:
        return FORMATS[self.destination["Format"]]

    @property
    def fields(self) -> list[str]:
        document = self.configuration.document
        wanted = {"Bucket", "Key", *document.get("OptionalFields", ())}
        if document["IncludedObjectVersions"] == "All":
            wanted |= {"VersionId", "IsLatest", "IsDeleteMarker"}
        return [name for name in FIELDS if name in wanted]

    @property
    def folder(self) -> str:
        prefix = self.destination.get("Prefix")
        return f"{prefix + '/' if prefix else ''}{self.bucket.name}/{self.configuration.id}"

    def dated(self, form: str) -> str:
        return datetime.fromtimestamp(self.due_ms / 1000, UTC).strftime(form)


@task("inventory")
def write(ctx: Context, payload: Any) -> Answer:
    """Writes the next file of a report, and after the last one its manifests. A report that cannot be delivered is left out."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    configuration = CONFIGURATIONS.get(ctx, payload["bucket"], "Inventory", payload["id"])
    if bucket is None or configuration is None or configuration.due_ms != payload["due_ms"]:
        return None
    report = Report(bucket, configuration, payload["due_ms"])
    after = payload.get("after")
    written: list[dict[str, Any]] = payload.get("files", [])
    try:
        entries = list(islice(_entries(ctx, report, None if after is None else tuple(after)), BATCH + 1))
        more = len(entries) > BATCH
        if entries or not written:
            written.append(_write_file(ctx, report, entries[:BATCH]))
        if more:
            last = entries[BATCH - 1].version
            ctx.later("s3.inventory", {**payload, "after": (last.key, last.rank), "files": written})
            return None
        _write_manifests(ctx, report, written)
    except ServiceException:
        pass  # the destination does not let us in: AWS tells nobody either
    due_ms = _next_due(configuration.document["Schedule"]["Frequency"], payload["due_ms"])
    CONFIGURATIONS.put(ctx, change(configuration, due_ms=due_ms))
    ctx.later("s3.inventory", {"bucket": bucket.name, "id": configuration.id, "due_ms": due_ms}, at_ms=due_ms)
    return None


def _entries(ctx: Context, report: Report, after: tuple[str, int] | None) -> Iterator[Entry]:
    """What is listed after a place, as it was when the report was due (as it is, where that is not kept any more)."""
    document = report.configuration.document
    prefix = document.get("Filter", {}).get("Prefix", "")
    name = report.bucket.name
    try:
        at = ctx.past(report.due_ms)
    except LookupError:
        at = ctx
    if document["IncludedObjectVersions"] == "Current":
        for version in OBJECTS.scan(at, name, starting=prefix, after=None if after is None else after[0]):
            yield Entry(report.bucket, version, True)
        return
    before = None if after is None else after[0]
    for version in listing.every_version(at, name, prefix)(None, after):
        yield Entry(report.bucket, version, version.key != before)
        before = version.key


def _write_file(ctx: Context, report: Report, entries: list[Entry]) -> dict[str, Any]:
    """One data file, as the manifest tells of it."""
    content = report.format.write(report.fields, entries)
    key = f"{report.folder}/data/{ctx.random.uuid()}.{report.format.extension}"
    _deliver(ctx, report, key, content)
    return {"key": key, "size": len(content), "MD5checksum": hashlib.md5(content, usedforsecurity=False).hexdigest()}


def _write_manifests(ctx: Context, report: Report, written: list[dict[str, Any]]) -> None:
    """manifest.json, its checksum, and symlink.txt for Hive."""
    target = report.destination["Bucket"].rpartition(":")[2]
    manifest = {
        "sourceBucket": report.bucket.name,
        "destinationBucket": report.destination["Bucket"],
        "version": _VERSION,
        "creationTimestamp": str(report.due_ms),
        "fileFormat": report.destination["Format"],
        "fileSchema": report.format.schema(report.fields),
        "files": written,
    }
    content = msgspec.json.format(msgspec.json.encode(manifest))
    dated = f"{report.folder}/{report.dated('%Y-%m-%dT%H-%MZ')}"
    links = "".join(f"s3://{target}/{one['key']}\n" for one in written)
    _deliver(ctx, report, f"{report.folder}/hive/dt={report.dated('%Y-%m-%d-%H-%M')}/symlink.txt", links.encode())
    _deliver(ctx, report, f"{dated}/manifest.json", content)
    _deliver(ctx, report, f"{dated}/manifest.checksum", hashlib.md5(content, usedforsecurity=False).hexdigest().encode())


def _deliver(ctx: Context, report: Report, key: str, content: bytes) -> None:
    """Puts a file into the destination as S3, on behalf of the bucket. Errors: those of PutObject."""
    members: dict[str, Any] = {
        "Bucket": report.destination["Bucket"].rpartition(":")[2],
        "Key": key,
        "Body": content,
        "ACL": "bucket-owner-full-control",
        "ExpectedBucketOwner": report.destination.get("AccountId"),
    }
    encryption = report.destination.get("Encryption", {})
    if "SSEKMS" in encryption:
        members |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption["SSEKMS"]["KeyId"]}
    elif "SSES3" in encryption:
        members["ServerSideEncryption"] = "AES256"
    given = {name: value for name, value in members.items() if value is not None}
    ctx.call("s3", "PutObject", given, acting=Acting("s3.amazonaws.com", report.bucket.arn, report.bucket.account))
