"""What an inventory tells of a version, and the files it stands in: CSV, and through pyarrow Parquet and ORC."""

from __future__ import annotations

import base64
import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fogbank.services.s3 import arrow, grants, notifications, replication, rules
from fogbank.services.s3.ownership import ENFORCED, owner_of
from fogbank.services.s3.state import Bucket, Object


class Entry(NamedTuple):
    """A version, or a delete marker, of a bucket."""

    bucket: Bucket
    version: Object
    is_latest: bool


class Field(NamedTuple):
    """`column`: its name in Parquet and ORC; `type`: text, number, boolean or instant (ms); `value` None where there is none."""

    column: str
    type: str
    value: Callable[[Entry], Any]
    optional: bool = True


def _of_object(value: Callable[[Object], Any]) -> Callable[[Entry], Any]:
    """A value that delete markers do not have."""
    return lambda entry: None if entry.version.marker else value(entry.version)


def _encryption(version: Object) -> str:
    if version.encryption is None:
        return "SSE-S3"
    return "SSE-KMS" if version.encryption.algorithm == "aws:kms" else "SSE-C"


def _bucket_key(version: Object) -> str:
    used = version.encryption
    return "" if used is None or used.algorithm != "aws:kms" else "ENABLED" if used.bucket_key else "DISABLED"


def _acl(entry: Entry) -> str | None:
    """The list in AWS's JSON, in base64."""
    if entry.version.marker:
        return None
    owner = owner_of(entry.bucket, entry.version)
    listed = None if entry.bucket.ownership == ENFORCED else entry.version.acl
    shown = []
    for grant in grants.private(owner) if listed is None else listed:
        to_group = grant.grantee.startswith("http:")
        who = {"uri": grant.grantee} if to_group else {"canonicalId": grant.grantee}
        shown.append({**who, "type": "Group" if to_group else "CanonicalUser", "permission": grant.permission})
    document = {"version": "2022-11-10", "status": "AVAILABLE", "grants": shown}
    return base64.b64encode(msgspec.json.encode(document)).decode()


FIELDS: Mapping[str, Field] = {
    "Bucket": Field("bucket", "text", lambda entry: entry.bucket.name, optional=False),
    "Key": Field("key", "text", lambda entry: entry.version.key, optional=False),
    "VersionId": Field(
        "version_id", "text", lambda entry: "" if entry.version.version_id == "null" else entry.version.version_id, optional=False
    ),
    "IsLatest": Field("is_latest", "boolean", lambda entry: entry.is_latest, optional=False),
    "IsDeleteMarker": Field("is_delete_marker", "boolean", lambda entry: entry.version.marker, optional=False),
    "Size": Field("size", "number", _of_object(lambda version: version.size)),
    "LastModifiedDate": Field("last_modified_date", "instant", lambda entry: entry.version.modified_at_ms),
    "ETag": Field("e_tag", "text", _of_object(lambda version: version.etag.strip('"'))),
    "StorageClass": Field("storage_class", "text", _of_object(lambda version: version.storage_class)),
    "IsMultipartUploaded": Field("is_multipart_uploaded", "boolean", _of_object(lambda version: bool(version.parts))),
    "ReplicationStatus": Field("replication_status", "text", lambda entry: replication.status(entry.version) or ""),
    "EncryptionStatus": Field("encryption_status", "text", _of_object(_encryption)),
    "ObjectLockRetainUntilDate": Field(
        "object_lock_retain_until_date", "instant", _of_object(lambda version: (version.lock and version.lock.until_ms) or None)
    ),
    "ObjectLockMode": Field("object_lock_mode", "text", _of_object(lambda version: (version.lock and version.lock.mode) or "")),
    "ObjectLockLegalHoldStatus": Field(
        "object_lock_legal_hold_status", "text", _of_object(lambda version: (version.lock and version.lock.hold) or "")
    ),
    "BucketKeyStatus": Field("bucket_key_status", "text", _of_object(_bucket_key)),
    "ChecksumAlgorithm": Field(
        "checksum_algorithm", "text", _of_object(lambda version: version.checksum.algorithm if version.checksum is not None else "")
    ),
    "ObjectAccessControlList": Field("object_access_control_list", "text", lambda entry: _acl(entry)),
    "ObjectOwner": Field("object_owner", "text", lambda entry: grants.id_of(owner_of(entry.bucket, entry.version))),
}
"""All that a report can tell, in the order of its columns."""
UNKNOWN_HERE = frozenset(
    {
        "IntelligentTieringAccessTier",
        "IntelligentTieringReferenceDate",
        "LifecycleExpirationDate",
        "ObjectLockEventHoldStatus",
        "ObjectLockEventHoldDuration",
    }
)


class Format(NamedTuple):
    """How files are written, and how the manifest describes their columns."""

    extension: str
    write: Callable[[Sequence[str], Sequence[Entry]], bytes]
    schema: Callable[[Sequence[str]], str]


def _csv_text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.type == "instant":
        return notifications.iso_instant(value)
    if field.type == "boolean":
        return "true" if value else "false"
    return rules.url_encoded(value) if field.column == "key" else str(value)


def _write_csv(names: Sequence[str], entries: Sequence[Entry]) -> bytes:
    """Without a header line, all in quotes, keys URL-encoded; in gzip."""
    fields = [FIELDS[name] for name in names]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([[_csv_text(field, field.value(entry)) for field in fields] for entry in entries])
    return gzip.compress(text.getvalue().encode(), 6, mtime=0)


def _table(names: Sequence[str], entries: Sequence[Entry]) -> Any:
    pa = arrow.module()
    types = {"text": pa.string(), "number": pa.int64(), "boolean": pa.bool_(), "instant": pa.timestamp("ms", "UTC")}
    fields = [FIELDS[name] for name in names]
    columns = [pa.array([field.value(entry) for entry in entries], types[field.type]) for field in fields]
    required = ("bucket", "key")
    schema = pa.schema([pa.field(f.column, types[f.type], nullable=f.column not in required) for f in fields])
    return pa.Table.from_arrays(columns, schema=schema)


def _write_parquet(names: Sequence[str], entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    arrow.module("parquet").write_table(_table(names, entries), out)
    return out.getvalue()


def _write_orc(names: Sequence[str], entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    arrow.module("orc").write_table(_table(names, entries), out, compression="zlib")
    return out.getvalue()


_PARQUET = {"text": "binary {} (STRING)", "number": "int64 {}", "boolean": "boolean {}", "instant": "int64 {} (TIMESTAMP(MILLIS,true))"}
_ORC = {"text": "string", "number": "bigint", "boolean": "boolean", "instant": "timestamp"}


def _parquet_schema(names: Sequence[str]) -> str:
    columns = [
        ("required " if name in ("Bucket", "Key") else "optional ") + _PARQUET[FIELDS[name].type].format(FIELDS[name].column)
        for name in names
    ]
    return "message s3.inventory { " + " ".join(f"{column};" for column in columns) + " }"


def _orc_schema(names: Sequence[str]) -> str:
    return "struct<" + ",".join(f"{FIELDS[name].column}:{_ORC[FIELDS[name].type]}" for name in names) + ">"


FORMATS = {
    "CSV": Format("csv.gz", _write_csv, ", ".join),
    "Parquet": Format("parquet", _write_parquet, _parquet_schema),
    "ORC": Format("orc", _write_orc, _orc_schema),
}
