"""S3's arithmetic: names, ranges, prefixes, URL encoding, tags."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import refusals

KEY_BYTES = 1024
METADATA_BYTES = 2048
OBJECT_TAGS = 10
BUCKET_TAGS = 50
DAY_MS = 86_400_000
LAST_MS = 253_402_214_400_000
"""The last midnight that dates can tell, of 9999-12-31: two thousand million days end there too."""

_bucket_name = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch
_ip_address = re.compile(r"\d+\.\d+\.\d+\.\d+").fullmatch
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """Errors: InvalidBucketName. Source: "General purpose bucket naming rules"."""
    if (
        not _bucket_name(name)
        or ".." in name
        or _ip_address(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise ServiceException("InvalidBucketName", "The specified bucket is not valid.", status=400, BucketName=name)


def check_key(key: str) -> None:
    """Errors: KeyTooLongError past 1,024 bytes of UTF-8."""
    if len(key) > KEY_BYTES // 4 and (size := len(key.encode("utf-8", "surrogatepass"))) > KEY_BYTES:
        raise ServiceException("KeyTooLongError", "Your key is too long", status=400, Size=str(size), MaxSizeAllowed=str(KEY_BYTES))


def check_redirect(target: str) -> None:
    """Where a website sends visitors of an object: a path or a URL of at most 2 KB. Errors: InvalidRedirectLocation."""
    if not target.startswith(("/", "http://", "https://")):
        message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
        raise ServiceException("InvalidRedirectLocation", message, status=400)
    if len(target.encode()) > METADATA_BYTES:
        message = f"The length of website redirect location cannot exceed {METADATA_BYTES} characters."
        raise ServiceException("InvalidRedirectLocation", message, status=400)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Errors: MetadataTooLarge past 2 KB of names and values."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceException("MetadataTooLarge", message, status=400, Size=str(size), MaxSizeAllowed=str(METADATA_BYTES))


class Range(NamedTuple):
    """Bytes of an object: `size` of them from `start`."""

    start: int
    size: int

    def content_range(self, whole: int) -> str:
        return f"bytes {self.start}-{self.start + self.size - 1}/{whole}"


_range = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*").fullmatch


def byte_range(text: str, size: int) -> Range | None:
    """The part of an object of `size` bytes that a Range header asks for; None where the header is to be ignored.

    Errors: InvalidRange (416). Source: RFC 9110, section 14; S3 ignores what is malformed or asks for more than one range.
    """
    found = _range(text)
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        start = size - length
    else:
        start = int(found[1])
        last = int(found[2]) if found[2] else size - 1
        if found[2] and last < start:
            return None
        length = min(last, size - 1) - start + 1
    if length <= 0 or start >= size:
        raise ServiceException(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            RangeRequested=text,
            ActualObjectSize=str(size),
            **{"@headers": {"Content-Range": f"bytes */{size}"}},
        )
    return Range(start, length)


def copy_range(text: str, size: int) -> Range:
    """The part of a source that UploadPartCopy asks for: both ends must be given, and lie within. Errors: InvalidArgument."""
    found = _range(text)
    if found is None or not found[1] or not found[2] or int(found[2]) < int(found[1]):
        message = (
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets "
            "of the first and last bytes to copy"
        )
        raise refusals.invalid_argument(message, "x-amz-copy-source-range", text)
    if int(found[2]) >= size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise refusals.invalid_argument(message, "x-amz-copy-source-range", text)
    return Range(int(found[1]), int(found[2]) - int(found[1]) + 1)


class Source(NamedTuple):
    """What an x-amz-copy-source header names."""

    bucket: str
    key: str
    version_id: str | None


def copy_source(text: str) -> Source:
    """`[/]bucket/key[?versionId=id]`, percent-encoded. Errors: InvalidArgument."""
    path, _, query = text.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise refusals.invalid_argument(message, "x-amz-copy-source", text)
    version_id = unquote(query[len("versionId=") :]) if query.startswith("versionId=") else None
    return Source(bucket, key, version_id)


def successor(prefix: str) -> str:
    """The first text after all that begin with the prefix; "" where there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if code <= 0x10FFFF:
            return prefix + chr(0xE000 if code == 0xD800 else code)
    return ""


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """What a listing rolls a key up to: through the first delimiter after the prefix."""
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


_plain = re.compile(r"[A-Za-z0-9_.*/-]*").fullmatch


def all_plain(text: str) -> bool:
    """Whether URL encoding would not change the text."""
    return _plain(text) is not None


def url_encoded(text: str) -> str:
    """As `encoding-type=url` and event notifications write a key."""
    return text if _plain(text) else quote_plus(text, safe="/*")


def location(endpoint: str, bucket: str, key: str) -> str:
    """The URL of an object."""
    return f"{endpoint}/{bucket}/{quote(key, safe='/')}"


_TAG_SIGNS = frozenset("_.:/=+-@")


def _is_tag_text(text: str) -> bool:
    return all(c in _TAG_SIGNS or unicodedata.category(c)[0] in "LZN" for c in text)


def tag_set(tags: Iterable[Any], limit: int) -> dict[str, str]:
    """A request's tags, checked. Errors: InvalidTag; BadRequest when there are more than `limit`."""
    out: dict[str, str] = {}
    for tag in tags:
        key, value = tag.Key, tag.Value or ""
        if not key or len(key) > 128 or not _is_tag_text(key):
            raise ServiceException("InvalidTag", "The TagKey you have provided is invalid", status=400, TagKey=key or "")
        if len(value) > 256 or not _is_tag_text(value):
            raise ServiceException("InvalidTag", "The TagValue you have provided is invalid", status=400, TagKey=key, TagValue=value)
        if key.lower().startswith("aws:"):
            raise ServiceException("InvalidTag", "System tags cannot be added/updated by requester", status=400, TagKey=key)
        if key in out:
            raise ServiceException("InvalidTag", "Cannot provide multiple Tags with the same key", status=400, TagKey=key)
        out[key] = value
    if len(out) > limit:
        what = "Object tags" if limit == OBJECT_TAGS else "Bucket tag count"
        raise ServiceException("BadRequest", f"{what} cannot be greater than {limit}", status=400)
    return out


class _Tag(NamedTuple):
    Key: str
    Value: str


def header_tags(text: str | None) -> dict[str, str]:
    """The tags of an x-amz-tagging header, checked. Errors: InvalidArgument, and those of `tag_set`."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing="=" in text, errors="strict")
        if "=" not in text:
            pairs = [(key, "") for key, _ in parse_qsl(text + "=", keep_blank_values=True, errors="strict")]
    except ValueError:
        pairs = []
    if not pairs or len(dict(pairs)) != len(pairs):
        message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
        raise refusals.invalid_argument(message, "x-amz-tagging", text)
    return tag_set([_Tag(key, value) for key, value in pairs], OBJECT_TAGS)
