"""Tags of customer managed keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import faults
from fogbank.services.kms.names import key_at
from fogbank.services.kms.state import KEYS
from fogbank.store import change

TAGS_LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-@]*").fullmatch


def wrong(message: str) -> ServiceException:
    return ServiceException("TagException", message)


def read_tags(there: Mapping[str, str], given: Iterable[Any]) -> dict[str, str]:
    """Tags with new ones added or replaced. Errors: TagException, LimitExceededException."""
    seen: set[str] = set()
    for tag in given:
        if tag.TagKey.lower().startswith("aws:"):
            raise wrong("Tags beginning with aws: are reserved")
        if not _text(tag.TagKey) or not _text(tag.TagValue):
            raise wrong("Tag keys and values may have letters, digits, spaces and _.:/=+-@ only")
        if tag.TagKey in seen:
            raise wrong("Duplicate tag keys")
        seen.add(tag.TagKey)
    tags = {**there, **{tag.TagKey: tag.TagValue for tag in given}}
    if len(tags) > TAGS_LIMIT:
        raise wrong("Too many tags") if len(seen) > TAGS_LIMIT else ServiceException("LimitExceededException", "Too many tags")
    return tags


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": tags[key]} for key in sorted(tags)]


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values; at most 50. Errors: TagException, LimitExceededException, NotFoundException,
    KMSInvalidStateException. Source: API reference, TagResource.
    """
    key = key_at(ctx, req.KeyId)
    KEYS.put(ctx, change(key, tags=read_tags(key.tags, req.Tags)))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: NotFoundException, KMSInvalidStateException.

    Source: API reference, UntagResource.
    """
    key = key_at(ctx, req.KeyId)
    KEYS.put(ctx, change(key, tags={name: value for name, value in key.tags.items() if name not in req.TagKeys}))
    return None


@operation("ListResourceTags")
def list_resource_tags(ctx: Context, req: Any) -> Answer:
    """A key's tags, by their keys; pages of 50. Errors: NotFoundException, InvalidMarkerException.

    Source: API reference, ListResourceTags.
    """
    key = key_at(ctx, req.KeyId)
    size = faults.size(req, 50, 50)
    after = faults.marker(req) or ""
    found, more = paging.page((tag for tag in pairs(key.tags) if tag["TagKey"] > after), size)
    return faults.paged("Tags", found, more, found[-1]["TagKey"] if found else "")
