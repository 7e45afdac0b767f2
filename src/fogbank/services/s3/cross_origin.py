"""CORS: which pages of which origins may use a bucket from a browser, and what the browser is told.

A bucket without rules is left to the house: pages of this machine may, pages of the internet may not. With rules, they decide for
all pages. A page of the internet comes, as everybody here knows everybody's key, no further than to the bucket's objects: not to
its configuration, nor to other buckets by way of a copy.
Source: "Using cross-origin resource sharing (CORS)" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, Visit
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, refusals, settings
from fogbank.services.s3.state import BUCKETS, Bucket, bucket_at
from fogbank.store.tables import At

RULES = 100
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
Headers = list[tuple[str, str]]
Rule = dict[str, Any]


@operation("PutBucketCors")
def put_bucket_cors(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's CORS rules, of which the first that fits a request is taken; 1 to 100, ids of at most 255 characters.

    Errors: MalformedXML, InvalidRequest (an unknown method, more than one wildcard, a wildcard in ExposeHeader).
    Source: PutBucketCors in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx)
    document = settings.document(req.CORSConfiguration)
    rules = document.get("CORSRules") or []
    if not 1 <= len(rules) <= RULES:
        raise refusals.malformed_xml()
    for rule in rules:
        _check(rule)
    settings.keep(ctx, bucket, "cors", document)
    return None


def _check(rule: Rule) -> None:
    if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins") or len(rule.get("ID", "")) > 255:
        raise refusals.malformed_xml()
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise refusals.invalid_request(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for member in ("AllowedOrigins", "AllowedHeaders"):
        for pattern in rule.get(member, ()):
            if pattern.count("*") > 1:
                raise refusals.invalid_request(f'{member.removesuffix("s")} "{pattern}" can not have more than one wildcard.')
    for name in rule.get("ExposeHeaders", ()):
        if "*" in name:
            message = f'ExposeHeader "{name}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            raise refusals.invalid_request(message)


@operation("GetBucketCors")
def get_bucket_cors(ctx: Context, req: Any) -> Answer:
    """The rules as they were put. Errors: NoSuchCORSConfiguration."""
    bucket = bucket_at(ctx, req)
    found: Answer = bucket.settings.get("cors")
    if found is None:
        message = "The CORS configuration does not exist"
        raise ServiceException("NoSuchCORSConfiguration", message, status=404, BucketName=bucket.name)
    return found


@operation("DeleteBucketCors")
def delete_bucket_cors(ctx: Context, req: Any) -> Answer:
    """Takes a bucket's rules away."""
    settings.keep(ctx, bucket_at(ctx, req), "cors", None)
    return None


# what they do


def origins(at: At, visit: Visit, path: str, ours: bool) -> Headers | None:
    """See `Service.origins`. Errors: AccessForbidden where no rule fits."""
    request = visit.request
    origin = request.headers["origin"]
    if origin.partition("://")[2] == request.headers.get("host"):
        return None  # the page came from here
    name, _, key = path[1:].partition("/")
    bucket = BUCKETS.get(at, visit.names.get("bucket") or unquote(name))
    if bucket is None or "cors" not in bucket.settings:
        return None
    asked = request.headers.get("access-control-request-method") if request.method == "OPTIONS" else None
    method = asked or request.method
    wanted = [header.strip().lower() for header in request.headers.get("access-control-request-headers", "").split(",")] if asked else []
    wanted = [header for header in wanted if header]
    rule = _fitting(bucket, origin, method, wanted)
    if rule is None or not (ours or _stays(at, request, method, key, origin)):
        raise ServiceException(
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
            "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            status=403,
            Method=method,
            ResourceType="OBJECT" if key else "BUCKET",
        )
    return _told(rule, origin, wanted, preflight=asked is not None)


def _fitting(bucket: Bucket, origin: str, method: str, wanted: list[str]) -> Rule | None:
    """The first rule that allows the origin, the method, and all the headers."""
    for rule in bucket.settings["cors"]["CORSRules"]:
        headers = [pattern.lower() for pattern in rule.get("AllowedHeaders", ())]
        if (
            method in rule["AllowedMethods"]
            and any(_matches(pattern, origin) for pattern in rule["AllowedOrigins"])
            and all(any(_matches(pattern, name) for pattern in headers) for name in wanted)
        ):
            found: Rule = rule
            return found
    return None


def _matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern with at most one `*`."""
    front, wild, back = pattern.partition("*")
    if not wild:
        return pattern == text
    return len(text) >= len(front) + len(back) and text.startswith(front) and text.endswith(back)


def _stays(at: At, request: HttpRequest, method: str, key: str, origin: str) -> bool:
    """Whether a request keeps to objects, and copies only from where the same origin may read."""
    if not key and method in ("PUT", "DELETE"):
        return False
    source = request.headers.get("x-amz-copy-source")
    if source is None:
        return True
    bucket = BUCKETS.get(at, unquote(source).removeprefix("/").partition("/")[0])
    return bucket is not None and "cors" in bucket.settings and _fitting(bucket, origin, "GET", []) is not None


def _told(rule: Rule, origin: str, wanted: list[str], *, preflight: bool) -> Headers:
    """What the browser is told of a rule."""
    everybody = "*" in rule["AllowedOrigins"]
    told = [
        ("Access-Control-Allow-Origin", "*" if everybody else origin),
        ("Access-Control-Allow-Methods", ", ".join(rule["AllowedMethods"])),
    ]
    if not everybody:
        told.append(("Access-Control-Allow-Credentials", "true"))
    if exposed := rule.get("ExposeHeaders"):
        told.append(("Access-Control-Expose-Headers", ", ".join(exposed)))
    if preflight and wanted:
        told.append(("Access-Control-Allow-Headers", ", ".join(wanted)))
    if rule.get("MaxAgeSeconds") is not None:
        told.append(("Access-Control-Max-Age", str(rule["MaxAgeSeconds"])))
    told.append(("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"))
    return told
