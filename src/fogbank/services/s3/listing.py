"""ListObjects, ListObjectsV2, ListObjectVersions, ListParts, ListMultipartUploads.

All keys under a common prefix are skipped by seeking to the first key after it, never by reading them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import Any, Generic, NamedTuple, TypeVar

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import archive, checksums, lifespan, ownership, refusals, rules
from fogbank.services.s3.multipart import upload_at
from fogbank.services.s3.reading import page_size
from fogbank.services.s3.state import (
    BEFORE_ALL,
    NULL,
    OBJECTS,
    PARTS,
    UPLOADS,
    VERSIONS,
    Bucket,
    MultipartUpload,
    Object,
    bucket_at,
    get_version,
    rank_of,
)
from fogbank.store.tables import At

T = TypeVar("T", Object, MultipartUpload)
Place = str | tuple[str, int] | tuple[str, str]
"""A key, or one entry of a key."""


class Page(NamedTuple, Generic[T]):
    """`last` is the last entry or common prefix shown, where there is more."""

    entries: list[T]
    prefixes: list[str]
    last: T | str | None


def page(scan: Callable[[str | None, Place | None], Iterable[T]], prefix: str, delimiter: str, after: Place | None, size: int) -> Page[T]:
    """One page of entries and common prefixes, counted together.

    `scan(at, after)` gives the entries with the prefix, in order of their keys, from a key on or after a place. A place that is
    itself a common prefix stands for all the keys under it.
    """
    entries: list[T] = []
    prefixes: list[str] = []
    if size == 0:
        return Page(entries, prefixes, None)
    at: str | None = None
    if delimiter and isinstance(after, str) and after.startswith(prefix) and rules.common_prefix(after, prefix, delimiter) == after:
        at, after = rules.successor(after), None
        if not at:
            return Page(entries, prefixes, None)
    last: T | str | None = None
    left = size
    while True:
        for entry in scan(at, after):
            if not left:
                return Page(entries, prefixes, last)
            left -= 1
            rolled = rules.common_prefix(entry.key, prefix, delimiter) if delimiter else None
            if rolled is None:
                entries.append(entry)
                last = entry
                continue
            prefixes.append(rolled)
            last = rolled
            at, after = rules.successor(rolled), None
            break
        else:
            return Page(entries, prefixes, None)
        if not at:
            return Page(entries, prefixes, None)


class Encoding:
    """`encoding-type=url`, or none."""

    __slots__ = ("url",)

    def __init__(self, req: Any) -> None:
        if req.EncodingType not in (None, "url"):
            raise refusals.invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", req.EncodingType)
        self.url = req.EncodingType == "url"

    def __call__(self, text: str | None) -> str | None:
        return rules.url_encoded(text) if self.url and text else text

    def names(self, texts: list[str]) -> list[str]:
        """Many at once: most need nothing."""
        if not self.url or rules.all_plain("".join(texts)):
            return texts
        return [rules.url_encoded(text) for text in texts]


def _objects(ctx: Context, bucket: str, prefix: str) -> Callable[[str | None, Place | None], Iterator[Object]]:
    return lambda at, after: OBJECTS.scan(ctx, bucket, starting=prefix, at=at, after=after)


def _contents(ctx: Context, page: Page[Object], encode: Encoding, owned_in: Bucket | None, restores: bool) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for name, found in zip(encode.names([found.key for found in page.entries]), page.entries, strict=True):
        checksum = found.checksum
        entry: dict[str, Any] = {
            "Key": name,
            "LastModified": found.modified_at_ms,
            "ETag": found.etag,
            "ChecksumAlgorithm": None if checksum is None else (checksum.algorithm,),
            "ChecksumType": None if checksum is None else checksum.type,
            "Size": found.size,
            "StorageClass": found.storage_class,
        }
        if owned_in is not None:
            entry["Owner"] = ownership.shown(owned_in, found)
        if restores and found.restored is not None:
            entry["RestoreStatus"] = archive.status(ctx, found)
        out.append(entry)
    return out


def _prefixes(page: Page[Any], encode: Encoding) -> list[dict[str, Any]]:
    return [{"Prefix": name} for name in encode.names(page.prefixes)]


@operation("ListObjectsV2")
def list_objects_v2(ctx: Context, req: Any) -> Answer:
    """Current objects in the order of their keys' UTF-8; at most 1,000 keys and common prefixes a page.

    A ContinuationToken goes before StartAfter. Errors: NoSuchBucket, InvalidArgument (max-keys, token, encoding).
    Source: ListObjectsV2 in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    restores = _with_restores(req)
    encode = Encoding(req)
    prefix, delimiter = req.Prefix or "", req.Delimiter or ""
    size = page_size(req.MaxKeys, "maxKeys")
    if req.ContinuationToken == "":
        raise _wrong_token(req)
    after = paging.place(req.ContinuationToken, lambda: _wrong_token(req)) or req.StartAfter or None
    found = page(_objects(ctx, bucket.name, prefix), prefix, delimiter, after, size)
    last = found.last
    answer: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": encode(prefix),
        "MaxKeys": size if req.MaxKeys is None else req.MaxKeys,
        "KeyCount": len(found.entries) + len(found.prefixes),
        "IsTruncated": last is not None,
        "Contents": _contents(ctx, found, encode, bucket if req.FetchOwner else None, restores),
    }
    if delimiter:
        answer["Delimiter"] = encode(delimiter)
        answer["CommonPrefixes"] = _prefixes(found, encode)
    if encode.url:
        answer["EncodingType"] = "url"
    if req.ContinuationToken is not None:
        answer["ContinuationToken"] = req.ContinuationToken
    if req.StartAfter is not None:
        answer["StartAfter"] = encode(req.StartAfter)
    if last is not None:
        answer["NextContinuationToken"] = paging.token(last if isinstance(last, str) else last.key)
    return answer


def _wrong_token(req: Any) -> ServiceException:
    message = "The continuation token provided is incorrect"
    return refusals.invalid_argument(message, "continuation-token", req.ContinuationToken)


def _with_restores(req: Any) -> bool:
    """Whether the entries are to tell their RestoreStatus. Errors: InvalidArgument for any other attribute."""
    for name in req.OptionalObjectAttributes or ():
        if name != "RestoreStatus":
            raise refusals.invalid_argument("Invalid attribute name specified", "x-amz-optional-object-attributes", name)
    return bool(req.OptionalObjectAttributes)


@operation("ListObjects")
def list_objects(ctx: Context, req: Any) -> Answer:
    """ListObjectsV2's older form: markers for tokens, and always the owner. NextMarker only comes with a Delimiter."""
    bucket = bucket_at(ctx, req)
    restores = _with_restores(req)
    encode = Encoding(req)
    prefix, delimiter = req.Prefix or "", req.Delimiter or ""
    size = page_size(req.MaxKeys, "maxKeys")
    found = page(_objects(ctx, bucket.name, prefix), prefix, delimiter, req.Marker or None, size)
    last = found.last
    return {
        "Name": bucket.name,
        "Prefix": encode(prefix),
        "Marker": encode(req.Marker or ""),
        "Delimiter": encode(delimiter) or None,
        "MaxKeys": size if req.MaxKeys is None else req.MaxKeys,
        "IsTruncated": last is not None,
        "NextMarker": encode(last if isinstance(last, str) else last.key) if last is not None and delimiter else None,
        "EncodingType": "url" if encode.url else None,
        "Contents": _contents(ctx, found, encode, bucket, restores),
        "CommonPrefixes": _prefixes(found, encode) if delimiter else None,
    }


def _in_order(version: Object) -> tuple[str, int]:
    return version.key, version.rank


def every_version(ctx: At, bucket: str, prefix: str) -> Callable[[str | None, Place | None], Iterator[Object]]:
    """Both tables as one: by key, the newest first."""

    def scan(at: str | None, after: Place | None) -> Iterator[Object]:
        current: Iterator[Object]
        if isinstance(after, tuple):  # the key's current version may come after the place: newer ones were deleted since
            current = (found for found in OBJECTS.scan(ctx, bucket, starting=prefix, at=after[0]) if _in_order(found) > after)
        else:
            current = OBJECTS.scan(ctx, bucket, starting=prefix, at=at, after=after)
        return merge(
            current,
            VERSIONS.scan(ctx, bucket, starting=prefix, at=at, after=after),
            key=_in_order,
        )

    return scan


@operation("ListObjectVersions")
def list_object_versions(ctx: Context, req: Any) -> Answer:
    """All versions and delete markers, by key and then newest first; at most 1,000 a page.

    Errors: InvalidArgument for a VersionIdMarker without a KeyMarker, or one that is no version's.
    """
    bucket = bucket_at(ctx, req)
    restores = _with_restores(req)
    encode = Encoding(req)
    prefix, delimiter = req.Prefix or "", req.Delimiter or ""
    size = page_size(req.MaxKeys, "maxKeys")
    after = _version_place(ctx, bucket, req)
    found = page(every_version(ctx, bucket.name, prefix), prefix, delimiter, after, size)
    last = found.last
    versions: list[dict[str, Any]] = []
    markers: list[dict[str, Any]] = []
    before = after[0] if isinstance(after, tuple) and _follows(ctx, bucket, *after) else None
    for version in found.entries:
        entry: dict[str, Any] = {
            "Key": encode(version.key),
            "VersionId": version.version_id,
            "IsLatest": version.key != before,
            "LastModified": version.modified_at_ms,
            "Owner": ownership.shown(bucket, version),
        }
        before = version.key
        if version.marker:
            markers.append(entry)
            continue
        entry |= {"ETag": version.etag, "Size": version.size, "StorageClass": version.storage_class}
        if restores and version.restored is not None:
            entry["RestoreStatus"] = archive.status(ctx, version)
        if version.checksum is not None:
            entry |= {"ChecksumAlgorithm": [version.checksum.algorithm], "ChecksumType": version.checksum.type}
        versions.append(entry)
    return {
        "Name": bucket.name,
        "Prefix": encode(prefix),
        "Delimiter": encode(delimiter) or None,
        "KeyMarker": encode(req.KeyMarker or ""),
        "VersionIdMarker": req.VersionIdMarker or "",
        "MaxKeys": size if req.MaxKeys is None else req.MaxKeys,
        "IsTruncated": last is not None,
        "NextKeyMarker": None if last is None else encode(last if isinstance(last, str) else last.key),
        "NextVersionIdMarker": last.version_id if last is not None and not isinstance(last, str) else None,
        "EncodingType": "url" if encode.url else None,
        "Versions": versions,
        "DeleteMarkers": markers,
        "CommonPrefixes": _prefixes(found, encode) if delimiter else None,
    }


def _version_place(ctx: Context, bucket: Bucket, req: Any) -> Place | None:
    """Where a page of versions begins. The marker's version may be gone: who empties a bucket deletes each page before the next."""
    if req.VersionIdMarker is not None and not req.KeyMarker:
        message = "A version-id marker cannot be specified without a key marker."
        raise refusals.invalid_argument(message, "version-id-marker", req.VersionIdMarker)
    if not req.VersionIdMarker:
        return req.KeyMarker or None
    version = get_version(ctx, bucket, req.KeyMarker, req.VersionIdMarker)
    if version is not None:
        return version.key, version.rank
    if req.VersionIdMarker == NULL:  # nobody knows where it was: once more what is left of the key
        return req.KeyMarker, BEFORE_ALL
    return req.KeyMarker, rank_of(req.VersionIdMarker)


def _follows(ctx: Context, bucket: Bucket, key: str, rank: int) -> bool:
    """Whether a key has a version at this place or newer, so that what comes after is not its latest."""
    newest = OBJECTS.get(ctx, bucket.name, key) or next(VERSIONS.scan(ctx, bucket.name, key), None)
    return newest is not None and newest.rank <= rank


@operation("ListParts")
def list_parts(ctx: Context, req: Any) -> Answer:
    """The parts of an upload under way, by number; at most 1,000 a page. Errors: NoSuchUpload, InvalidArgument."""
    bucket = bucket_at(ctx, req)
    upload = upload_at(ctx, req)
    size = page_size(req.MaxParts, "max-parts")
    marker = int(req.PartNumberMarker or 0)
    shown, more = paging.page(PARTS.scan(ctx, upload.id, after=marker), size)
    parts = []
    for part in shown:
        entry = {"PartNumber": part.number, "LastModified": part.modified_at_ms, "ETag": part.etag, "Size": part.size}
        if upload.checksum_algorithm:
            entry[checksums.MEMBERS[part.checksum.algorithm]] = part.checksum.value
        parts.append(entry)
    return {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": size,
        "IsTruncated": more and size > 0,
        "Parts": parts,
        "Initiator": {"ID": upload.initiator_id},
        "Owner": ownership.shown(bucket, upload),
        "StorageClass": upload.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_type if upload.checksum_algorithm else None,
        **lifespan.abort_members(bucket, upload),
    }


@operation("ListMultipartUploads")
def list_multipart_uploads(ctx: Context, req: Any) -> Answer:
    """Uploads under way, by key and then by when they were begun; at most 1,000 a page."""
    bucket = bucket_at(ctx, req)
    encode = Encoding(req)
    prefix, delimiter = req.Prefix or "", req.Delimiter or ""
    size = page_size(req.MaxUploads, "max-uploads")
    after: Place | None = req.KeyMarker or None
    if req.KeyMarker and req.UploadIdMarker:
        after = (req.KeyMarker, req.UploadIdMarker)
    found = page(lambda at, after: UPLOADS.scan(ctx, bucket.name, starting=prefix, at=at, after=after), prefix, delimiter, after, size)
    last = found.last
    uploads = [
        {
            "Key": encode(upload.key),
            "UploadId": upload.id,
            "Initiated": upload.initiated_at_ms,
            "StorageClass": upload.storage_class,
            "Owner": ownership.shown(bucket, upload),
            "Initiator": {"ID": upload.initiator_id},
            "ChecksumAlgorithm": upload.checksum_algorithm or None,
            "ChecksumType": upload.checksum_type if upload.checksum_algorithm else None,
        }
        for upload in found.entries
    ]
    return {
        "Bucket": bucket.name,
        "KeyMarker": encode(req.KeyMarker or ""),
        "UploadIdMarker": req.UploadIdMarker or "",
        "Prefix": encode(req.Prefix),
        "Delimiter": encode(req.Delimiter),
        "MaxUploads": size,
        "IsTruncated": last is not None,
        "NextKeyMarker": None if last is None else encode(last if isinstance(last, str) else last.key),
        "NextUploadIdMarker": last.id if last is not None and not isinstance(last, str) else None,
        "EncodingType": "url" if encode.url else None,
        "Uploads": uploads,
        "CommonPrefixes": _prefixes(found, encode) if delimiter else None,
    }
