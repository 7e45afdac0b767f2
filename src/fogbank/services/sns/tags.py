"""Tags of topics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.sns.addresses import address
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import TOPICS, Topic
from fogbank.store import change

TAGS_LIMIT = 50
_KEY_LETTERS, _VALUE_LETTERS = 128, 256


def read_tags(given: Iterable[Any] | None) -> dict[str, str]:
    """A request's tags. Raises InvalidParameter, TagLimitExceeded."""
    tags: dict[str, str] = {}
    for tag in given or ():
        if tag.Key in tags:
            raise invalid("Duplicated keys are not allowed.")
        if not 1 <= len(tag.Key) <= _KEY_LETTERS or len(tag.Value or "") > _VALUE_LETTERS:
            raise invalid("Tags", f"Keys have 1 to {_KEY_LETTERS} characters, values at most {_VALUE_LETTERS}.")
        if tag.Key.lower().startswith("aws:"):
            raise invalid("Tags", "aws: prefixed tag key names are not allowed for external use.")
        tags[tag.Key] = tag.Value or ""
    check_count(tags)
    return tags


def check_count(tags: dict[str, str]) -> None:
    if len(tags) > TAGS_LIMIT:
        raise ServiceException("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")


def _tagged(ctx: Context, arn: str) -> Topic:
    found = address(arn)
    topic = TOPICS.get(ctx, *found) if found is not None and found.region == ctx.region else None
    if topic is None:
        raise ServiceException("ResourceNotFoundException", "Resource does not exist")
    return topic


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a topic, or gives them new values; at most 50. Errors: ResourceNotFound, TagLimitExceeded, InvalidParameter."""
    topic = _tagged(ctx, req.ResourceArn)
    tags = {**topic.tags, **read_tags(req.Tags)}
    check_count(tags)
    TOPICS.put(ctx, change(topic, tags=tags))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFound."""
    topic = _tagged(ctx, req.ResourceArn)
    TOPICS.put(ctx, change(topic, tags={key: value for key, value in topic.tags.items() if key not in req.TagKeys}))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a topic. Errors: ResourceNotFound."""
    return {"Tags": pairs(_tagged(ctx, req.ResourceArn).tags)}
