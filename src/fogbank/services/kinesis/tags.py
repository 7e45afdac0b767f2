"""Tags of streams (by name, and by ARN) and of consumers: at most 50."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis.addresses import get_consumer, get_stream, own_stream_at, stream_at
from fogbank.services.kinesis.faults import absent, invalid
from fogbank.services.kinesis.state import CONSUMERS, STREAMS, Consumer, Stream
from fogbank.store import change

TAGS_LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-%@]*").fullmatch


def checked(given: Mapping[str, str | None], before: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request added to those that are there. Raises InvalidArgumentException."""
    for key, value in given.items():
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys must not begin with aws:, which is reserved.")
        if not _text(key) or not _text(value or ""):
            raise invalid("Tag keys and values may only contain Unicode letters, digits, white space, or these symbols: _ . : / = + - % @.")
    merged = {**before, **{key: value or "" for key, value in given.items()}}
    if len(merged) > TAGS_LIMIT:
        raise invalid(f"Failed to add tags. A resource can have at most {TAGS_LIMIT} tags.")
    return merged


def _without(before: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    gone = set(keys)
    return {key: value for key, value in before.items() if key not in gone}


# of streams


@operation("AddTagsToStream")
def add_tags_to_stream(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, AddTagsToStream.
    """
    stream = own_stream_at(ctx, req)
    STREAMS.put(ctx, change(stream, tags=checked(req.Tags, stream.tags)))
    return None


@operation("RemoveTagsFromStream")
def remove_tags_from_stream(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, RemoveTagsFromStream.
    """
    stream = own_stream_at(ctx, req)
    STREAMS.put(ctx, change(stream, tags=_without(stream.tags, req.TagKeys)))
    return None


@operation("ListTagsForStream")
def list_tags_for_stream(ctx: Context, req: Any) -> Answer:
    """A stream's tags in order of their keys, after ExclusiveStartTagKey.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, ListTagsForStream.
    """
    listed = [tag for tag in tags.pairs(stream_at(ctx, req).tags) if tag["Key"] > (req.ExclusiveStartTagKey or "")]
    limit = req.Limit or TAGS_LIMIT
    return {"Tags": listed[:limit], "HasMoreTags": len(listed) > limit}


# of anything with an ARN


def resource_at(ctx: Context, text: str) -> Stream | Consumer:
    """The stream or consumer that an ARN names. Raises ResourceNotFoundException."""
    found = get_stream(ctx, text) or get_consumer(ctx, text)
    if found is None or found.region != ctx.region:
        if ":channel/" in text or ":queue/" in text:
            raise NotImplementedOperation("kinesis", ctx.operation, "with channels and queues")
        raise absent(f"Resource {text} not found.")
    return found


def put(ctx: Context, changed: Stream | Consumer) -> None:
    if isinstance(changed, Stream):
        STREAMS.put(ctx, changed)
    else:
        CONSUMERS.put(ctx, changed)


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a stream or a consumer, or gives them new values.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, TagResource.
    """
    found = resource_at(ctx, req.ResourceARN)
    put(ctx, change(found, tags=checked(req.Tags, found.tags)))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: API reference, UntagResource."""
    found = resource_at(ctx, req.ResourceARN)
    put(ctx, change(found, tags=_without(found.tags, req.TagKeys)))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a stream or a consumer. Errors: ResourceNotFoundException. Source: API reference, ListTagsForResource."""
    return {"Tags": tags.pairs(resource_at(ctx, req.ResourceARN).tags)}
