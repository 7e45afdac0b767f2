"""The files of an export: data files of gzipped lines, one for each task, and manifests that name them.

    <prefix>/AWSDynamoDB/<export id>/_started, manifest-files.json, manifest-summary.json, and a .checksum (MD5) of each
    <prefix>/AWSDynamoDB/<export id>/data/<name>.json.gz        {"Item": {...}}
    <prefix>/AWSDynamoDB/data/<name>.json.gz                    of an incremental export

An incremental export compares the two ends of its span: an item that is at its end what it was at its beginning is not in it.
Source: developer guide, DynamoDB table export output format.
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import bodies, schema, transfers
from fogbank.services.dynamodb.addresses import arn
from fogbank.services.dynamodb.schema import Place
from fogbank.services.dynamodb.state import ITEMS, TABLES, Table
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.timeline import EXPORTS, Transfer
from fogbank.services.dynamodb.values import Item
from fogbank.store import change

FILE_ITEMS = 5000
FILE_BYTES = 4 << 20
"""Items, and their bytes, of one file."""
LOOKED_AT = 20_000
"""Items that are compared for one file of an incremental export, at most."""
BOTH = "NEW_AND_OLD_IMAGES"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_encode = msgspec.json.Encoder().encode


def begin(ctx: Context, export: Transfer, table: Table) -> None:
    """Shows that the destination can be written, and has the files written. Raises what S3 refuses."""
    transfers.first_call_s3(ctx, "PutObject", _object(export, "_started", b""))
    sealed_as = msgspec.msgpack.decode(msgspec.msgpack.encode(table))
    payload = {"key": transfers.key_of(export), "sequence": ctx.tx.sequence, "table": sealed_as, "after": None, "files": []}
    ctx.later("dynamodb.export", payload)


def _folder(export: Transfer) -> str:
    prefix = str(export.members.get("S3Prefix", "")).rstrip("/")
    return f"{prefix + '/' if prefix else ''}AWSDynamoDB"


def _object(export: Transfer, name: str, content: bytes) -> dict[str, Any]:
    """The members of a PutObject for a file of the export; a name with a slash is below AWSDynamoDB/."""
    members: dict[str, Any] = export.members
    kms = members.get("S3SseAlgorithm") == "KMS"
    return {
        "Bucket": members["S3Bucket"],
        "Key": f"{_folder(export)}/{name if '/' in name else f'{export.id}/{name}'}",
        "Body": content,
        "ExpectedBucketOwner": members.get("S3BucketOwner"),
        "ServerSideEncryption": "aws:kms" if kms else members.get("S3SseAlgorithm"),
        "SSEKMSKeyId": members.get("S3SseKmsKeyId") if kms else None,
    }


@task("export")
def export(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Writes the next file, and the manifests after the last. What S3 refuses now makes the export FAILED."""
    one = EXPORTS.get(ctx, *payload["key"])
    if one is None or one.status != "IN_PROGRESS":
        return None
    mark = ctx.tx.mark()
    try:
        _write(ctx.as_caller(one.caller), one, payload)
    except ServiceException as refused:
        ctx.tx.undo(mark)
        EXPORTS.put(ctx, change(one, ended_at_ms=ctx.now, **transfers.failure(refused)))
    except LookupError:
        ctx.tx.undo(mark)
        lost = {"status": "FAILED", "failure": "InternalServerError", "message": "The log does not go back to the time of the export."}
        EXPORTS.put(ctx, change(one, ended_at_ms=ctx.now, **lost))
    return None


def _write(ctx: Context, one: Transfer, payload: dict[str, Any]) -> None:
    table = msgspec.convert(payload["table"], Table)
    past = ctx.past(_end_ms(one), payload["sequence"])
    table = TABLES.get(past, table.account, table.region, table.name) or table
    lines, size, after = (_changed if one.from_ms else _whole)(ctx, one, table, past, payload["after"])
    files = payload["files"]
    if lines or not files:
        content = gzip.compress(b"".join([line + b"\n" for line in lines]), mtime=0)
        folder = "data" if one.from_ms else f"{one.id}/data"
        file = _object(one, f"{folder}/{ctx.random.text(26, _ALPHABET)}.json.gz", content)
        put = transfers.call_s3(ctx, "PutObject", file)
        digest = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        etag = put["ETag"].strip('"')
        files = [*files, {"itemCount": len(lines), "md5Checksum": digest, "etag": etag, "dataFileS3Key": file["Key"]}]
    one = change(one, items=one.items + len(lines), size=one.size + size)
    if after is not None:
        EXPORTS.put(ctx, one)
        ctx.later("dynamodb.export", {**payload, "after": after, "files": files})
        return
    one = change(one, status="COMPLETED", ended_at_ms=ctx.now, manifest=f"{_folder(one)}/{one.id}/manifest-summary.json")
    _write_manifest(ctx, one, "manifest-files", b"".join([_encode(file) + b"\n" for file in files]))
    _write_manifest(ctx, one, "manifest-summary", _encode(_summary(one)))
    EXPORTS.put(ctx, one)


Lines = tuple[list[bytes], int, Place | None]
"""A file's lines, the bytes of its items, and the place to go on from, where there may be more."""


def _whole(ctx: Context, one: Transfer, table: Table, past: Any, after: Any) -> Lines:
    """The next items of the table."""
    lines: list[bytes] = []
    size = 0
    for row in ITEMS.scan(past, one.contents, after=tuple(after) if after is not None else None):
        lines.append(b'{"Item":%b}' % bytes(bodies.raw_of(ctx, table, row)))
        size += row.size
        if len(lines) == FILE_ITEMS or size >= FILE_BYTES:
            return lines, size, (row.partition, row.sort)
    return lines, size, None


def _changed(ctx: Context, one: Transfer, table: Table, past: Any, after: Any) -> Lines:
    """The next items that are not what they were."""
    before = ctx.past(one.from_ms - 1)
    was = TABLES.get(before, table.account, table.region, table.name) or table
    lines: list[bytes] = []
    size = 0
    for seen, (place, old, new) in enumerate(_pairs(one, before, past, after), 1):
        if old is None or new is None or old.body != new.body:
            line = _line(
                ctx, one, place, bodies.item_of(ctx, was, old) if old else None, bodies.item_of(ctx, table, new) if new else None, table
            )
            if line is not None:
                lines.append(line)
                size += max(row.size for row in (old, new) if row is not None)
        if len(lines) == FILE_ITEMS or size >= FILE_BYTES or seen == LOOKED_AT:
            return lines, size, place
    return lines, size, None


def _end_ms(one: Transfer) -> int:
    """The last instant that counts: a span ends before the instant that was given as its end."""
    specification: Any = one.members.get("IncrementalExportSpecification", {})
    return one.at_ms - 1 if "ExportToTime" in specification else one.at_ms


def _pairs(one: Transfer, before: Any, past: Any, after: Any) -> Iterator[tuple[Place, Row | None, Row | None]]:
    """Every place with an item at either end, with what was there at both."""

    def side(number: int, at: Any) -> Iterator[tuple[Place, int, Row]]:
        for row in ITEMS.scan(at, one.contents, after=tuple(after) if after is not None else None):
            yield (row.partition, row.sort), number, row

    place: Place | None = None
    found: list[Row | None] = [None, None]
    for there, number, row in merge(side(0, before), side(1, past), key=lambda entry: entry[:2]):
        if place is not None and there != place:
            yield place, found[0], found[1]
            found = [None, None]
        place = there
        found[number] = row
    if place is not None:
        yield place, found[0], found[1]


def _line(ctx: Context, one: Transfer, place: Place, old: Item | None, new: Item | None, table: Table) -> bytes | None:
    if old == new:
        return None
    specification: dict[str, Any] = one.members["IncrementalExportSpecification"]  # type: ignore[assignment]
    told: dict[str, Any] = {
        "Metadata": {"WriteTimestampMicros": str(_written_ms(ctx, one, place) * 1000)},
        "Keys": schema.of(table).key_of(new if new is not None else old or {}),
    }
    if old is not None and specification.get("ExportViewType", BOTH) == BOTH:
        told["OldImage"] = old
    if new is not None:
        told["NewImage"] = new
    return _encode(told)


def _written_ms(ctx: Context, one: Transfer, place: Place) -> int:
    """When an item became what it is at the end of the span."""
    low, high = one.from_ms - 1, _end_ms(one)
    final = ITEMS.get(ctx.past(high), one.contents, *place)
    while high - low > 1:
        middle = (low + high) // 2
        if ITEMS.get(ctx.past(middle), one.contents, *place) == final:
            high = middle
        else:
            low = middle
    return high


def _write_manifest(ctx: Context, one: Transfer, name: str, content: bytes) -> None:
    transfers.call_s3(ctx, "PutObject", _object(one, f"{name}.json", content))
    digest = b64encode(hashlib.md5(content, usedforsecurity=False).digest())
    transfers.call_s3(ctx, "PutObject", _object(one, f"{name}.checksum", digest))


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03}Z"


def _summary(one: Transfer) -> dict[str, Any]:
    members: dict[str, Any] = one.members
    spans: dict[str, Any] = {"exportTime": _iso(one.at_ms)}
    if one.from_ms:
        spans = {"exportFromTime": _iso(one.from_ms), "exportToTime": _iso(one.at_ms)}
    summary = {
        "version": "2023-08-01" if one.from_ms else "2020-06-30",
        "exportArn": transfers.arn_of("export", one),
        "startTime": _iso(one.started_at_ms),
        "endTime": _iso(one.ended_at_ms),
        "tableArn": arn(one.account, one.region, one.table),
        "tableId": one.table_id,
        **spans,
        "s3Bucket": members["S3Bucket"],
        "s3Prefix": members.get("S3Prefix"),
        "s3SseAlgorithm": members.get("S3SseAlgorithm", "AES256"),
        "s3SseKmsKeyId": members.get("S3SseKmsKeyId"),
        "manifestFilesS3Key": f"{_folder(one)}/{one.id}/manifest-files.json",
        "billedSizeBytes": one.size,
        "itemCount": one.items,
        "outputFormat": "DYNAMODB_JSON",
    }
    if one.from_ms:
        specification: dict[str, Any] = members["IncrementalExportSpecification"]
        summary |= {"outputView": specification.get("ExportViewType", BOTH), "exportType": "INCREMENTAL_EXPORT"}
    return summary
