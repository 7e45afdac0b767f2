"""Tags of schedule groups."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.scheduler.addresses import group_of_arn, invalid
from fogbank.services.scheduler.state import GROUPS
from fogbank.store import change

TAGS_LIMIT = 50


def read(given: Any, before: dict[str, str] | None = None) -> dict[str, str]:
    """Tags with those that a request gives. Raises ValidationException."""
    made = dict(before or {})
    for tag in given or ():
        if tag.Key.lower().startswith("aws:"):
            raise invalid("Tag keys that begin with aws: are reserved.")
        made[tag.Key] = tag.Value
    if len(made) > TAGS_LIMIT:
        raise invalid(f"A schedule group has at most {TAGS_LIMIT} tags.")
    return made


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a group, or gives them new values. Errors: ResourceNotFoundException, ValidationException. Source: TagResource."""
    group = group_of_arn(ctx, req.ResourceArn)
    GROUPS.put(ctx, change(group, tags=read(req.Tags, group.tags), modified_at_ms=ctx.now))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: UntagResource."""
    group = group_of_arn(ctx, req.ResourceArn)
    kept = {key: value for key, value in group.tags.items() if key not in req.TagKeys}
    GROUPS.put(ctx, change(group, tags=kept, modified_at_ms=ctx.now))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """The tags of a group. Errors: ResourceNotFoundException. Source: ListTagsForResource."""
    return {"Tags": tags.pairs(group_of_arn(ctx, req.ResourceArn).tags)}
