"""The records of server access logs: what a request was, told in AWS's fields.

Left out (`-`), as there is nothing to tell: cipher suite and TLS version, since the cloud speaks plain HTTP.
Source: "Amazon S3 server access log format" in the Amazon S3 User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from fogbank.access.evaluate import Decision, Policies, Query, decide
from fogbank.access.principal import Principal, canonical_id
from fogbank.kernel.context import Context
from fogbank.kernel.http import HttpRequest, Visit
from fogbank.kernel.seen import Seen
from fogbank.services.s3 import grants, rules
from fogbank.services.s3.state import OBJECTS, Bucket, get_version
from fogbank.wire.writing import host_id

_RESOURCES = {
    "GetObject": "OBJECT",
    "HeadObject": "OBJECT",
    "PutObject": "OBJECT",
    "DeleteObject": "OBJECT",
    "CopyObject": "OBJECT",
    "UploadPart": "PART",
    "UploadPartCopy": "PART",
    "CreateMultipartUpload": "UPLOADS",
    "CompleteMultipartUpload": "UPLOAD",
    "AbortMultipartUpload": "UPLOAD",
    "ListParts": "UPLOAD",
    "ListMultipartUploads": "UPLOADS",
    "DeleteObjects": "MULTI_OBJECT_DELETE",
    "RestoreObject": "RESTORE",
    "CreateBucket": "BUCKET",
    "DeleteBucket": "BUCKET",
    "HeadBucket": "BUCKET",
    "ListObjects": "BUCKET",
    "ListObjectsV2": "BUCKET",
    "ListObjectVersions": "BUCKETVERSIONS",
    "GetBucketLogging": "LOGGING_STATUS",
    "PutBucketLogging": "LOGGING_STATUS",
    "GetBucketPolicyStatus": "POLICY_STATUS",
    "GetBucketVersioning": "VERSIONING",
    "PutBucketVersioning": "VERSIONING",
    "GetObjectAcl": "ACL",
    "PutObjectAcl": "ACL",
    "site": "OBJECT",
}
"""Operation -> how records name its resource, where that is not its own name without the verb."""
_KIND = re.compile(r"(?:Get|Put|Delete)(?:Bucket)?(?P<what>.+?)(?:Configuration)?")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ABOUT_BUCKET = {"Policy": "BUCKETPOLICY"}


def operation_name(seen: Seen) -> str:
    """REST.GET.OBJECT and its kin."""
    verb = "COPY" if seen.operation in ("CopyObject", "UploadPartCopy") else seen.request.method
    resource = _RESOURCES.get(seen.operation)
    if resource is None:
        found = _KIND.fullmatch(seen.operation)
        what = found["what"] if found else seen.operation
        resource = _ABOUT_BUCKET.get(what) or _WORD.sub("_", what).upper()
    return f"{'WEBSITE' if seen.operation == 'site' else 'REST'}.{verb}.{resource}"


# which buckets


def buckets(seen: Seen) -> list[str]:
    """The names of the buckets that a request was about: its own, and that of its copy's source."""
    members = seen.members
    if isinstance(members, Visit):
        return [members.names["bucket"]]
    if members is None:
        return _spelt(seen.request)
    names = [str(name)] if (name := getattr(members, "Bucket", None)) is not None else []
    source = _source(members)
    return list(dict.fromkeys([*names, *([source.bucket] if source is not None else [])]))


def _source(members: Any) -> rules.Source | None:
    copied = getattr(members, "CopySource", None)
    return None if copied is None or copied.startswith("arn:") or "/" not in copied.strip("/") else rules.copy_source(copied)


def _spelt(request: HttpRequest) -> list[str]:
    """The names that a request that nobody read may mean: in front of the host name, and in front of the path."""
    host = request.headers.get("host", "").partition(":")[0]
    front = re.split(r"\.s3[.-]|\.localhost$", host)[0]
    return [*([front] if front != host else []), unquote(request.path[1:].partition("/")[0])][:1]


# the record


def lines(ctx: Context, bucket: Bucket, seen: Seen) -> Iterator[str]:
    """The records that a request makes in one bucket's log."""
    source = _source(seen.members)
    if source is not None and source.bucket == bucket.name:
        yield _line(ctx, bucket, seen, f"{operation_name(seen)}_GET", source.key, source.version_id)
    if source is not None and source.bucket == bucket.name != str(seen.members.Bucket):
        return
    yield _line(ctx, bucket, seen, operation_name(seen), _key(seen), getattr(seen.members, "VersionId", None))
    if seen.operation == "DeleteObjects" and seen.status == 200:
        for one in seen.members.Delete.Objects:
            yield _line(ctx, bucket, seen, "BATCH.DELETE.OBJECT", one.Key, one.VersionId)


def _key(seen: Seen) -> str | None:
    if isinstance(seen.members, Visit):
        return unquote(seen.request.path[1:])
    key: str | None = getattr(seen.members, "Key", None)
    return key


def _line(ctx: Context, bucket: Bucket, seen: Seen, operation: str, key: str | None, version_id: str | None) -> str:
    request = seen.request
    headers = request.headers
    answered = next((value for name, value in seen.headers if name == "x-amz-version-id"), None)
    at = datetime.fromtimestamp(seen.at_ms / 1000, UTC)
    query = f"?{request.query}" if request.query else ""
    fields = (
        canonical_id(bucket.account),
        bucket.name,
        f"[{at:%d/%b/%Y:%H:%M:%S} +0000]",
        request.client,
        _requester(seen.principal),
        seen.request_id,
        operation,
        quote(key, safe="/~") if key else "-",
        _quoted(f"{request.method} {request.path}{query} HTTP/1.1"),
        str(seen.status),
        seen.error if seen.status >= 400 and seen.error else "-",
        str(seen.sent_bytes or "-"),
        _size(ctx, bucket, seen, key, version_id),
        str(int(seen.took_ms)),
        str(int(seen.turned_ms)),
        _quoted(headers.get("referer", "-")),
        _quoted(headers.get("user-agent", "-")),
        answered or version_id or "-",
        host_id(seen.request_id),
        *_authentication(request, seen.principal),
        headers.get("host") or "-",
        "-",
        _access_point(seen.members),
        "Yes" if _by_list(seen) else "-",
    )
    return " ".join(fields) + "\n"


def _requester(principal: Principal) -> str:
    if principal.kind == "anonymous":
        return "-"
    return canonical_id(principal.account) if principal.kind == "root" else principal.arn


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "%22") + '"'


def _size(ctx: Context, bucket: Bucket, seen: Seen, key: str | None, version_id: str | None) -> str:
    """How large the object is that was spoken of, where it is there."""
    if not key or seen.status >= 400:
        return "-"
    found = OBJECTS.get(ctx, bucket.name, key) if version_id is None else get_version(ctx, bucket, key, version_id)
    return str(found.size) if found is not None and not found.marker else "-"


def _authentication(request: HttpRequest, principal: Principal) -> tuple[str, str, str]:
    """Signature version, cipher suite, authentication type."""
    if principal.kind == "anonymous":
        return "-", "-", "-"
    if (authorization := request.headers.get("authorization")) is not None:
        return "SigV2" if authorization.startswith("AWS ") else "SigV4", "-", "AuthHeader"
    if request.query and request.method != "POST":
        return "SigV2" if "AWSAccessKeyId=" in request.query else "SigV4", "-", "QueryString"
    return "SigV4", "-", "-"


def _access_point(members: Any) -> str:
    point = getattr(getattr(members, "Bucket", None), "point", None)
    return "-" if point is None else point.arn


def _by_list(seen: Seen) -> bool:
    """Whether an access control list was needed to let the request through."""
    return any(_needed(*decided) for decided in seen.decisions())


def _needed(query: Query, policies: Policies, made: Decision) -> bool:
    """Whether a decision that a list's grant made would not have been made without it."""
    if not made.allowed or made.statement is None or not grants.by_list(made.statement):
        return False
    return not decide(query, msgspec.structs.replace(policies, resource=None)).allowed
