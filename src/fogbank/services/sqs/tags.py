"""Cost allocation tags of queues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sqs.addresses import own_queue_at
from fogbank.services.sqs.faults import invalid
from fogbank.services.sqs.state import QUEUES
from fogbank.store import change

TAGS_LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-@]*").fullmatch


def check_tags(tags: Mapping[str, str]) -> None:
    """At most 50; keys of 1 to 128, values of at most 256 letters, digits, spaces and _.:/=+-@. Raises InvalidParameterValue."""
    if len(tags) > TAGS_LIMIT:
        raise ServiceException("InvalidParameterValue", f"Too many tags added for queue. Maximum is {TAGS_LIMIT}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _text(key) or key.lower().startswith("aws:"):
            raise invalid(key, "TagKey", "Tag keys have 1 to 128 letters, digits, spaces or _.:/=+-@, and do not begin with aws:.")
        if value is None or len(value) > 256 or not _text(value):
            raise invalid(value, "TagValue", "Tag values have at most 256 letters, digits, spaces or _.:/=+-@.")


@operation("TagQueue")
def tag_queue(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values. Errors: QueueDoesNotExist, InvalidParameterValue. Source: API reference, TagQueue."""
    queue = own_queue_at(ctx, req.QueueUrl)
    if not req.Tags:
        raise ServiceException("MissingParameter", "The request must contain the parameter Tags.")
    tags = {**queue.tags, **req.Tags}
    check_tags(tags)
    QUEUES.put(ctx, change(queue, tags=tags))
    return None


@operation("UntagQueue")
def untag_queue(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: QueueDoesNotExist. Source: API reference, UntagQueue."""
    queue = own_queue_at(ctx, req.QueueUrl)
    if not req.TagKeys:
        raise ServiceException("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
    QUEUES.put(ctx, change(queue, tags={key: value for key, value in queue.tags.items() if key not in req.TagKeys}))
    return None


@operation("ListQueueTags")
def list_queue_tags(ctx: Context, req: Any) -> Answer:
    """All tags of a queue. Errors: QueueDoesNotExist. Source: API reference, ListQueueTags."""
    queue = own_queue_at(ctx, req.QueueUrl)
    return {"Tags": queue.tags or None}
