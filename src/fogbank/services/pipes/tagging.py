"""Tags of pipes."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.pipes.addresses import get_pipe, invalid, missing
from fogbank.services.pipes.state import PIPES, Pipe
from fogbank.store import change

TAGS_LIMIT = 50


def checked(tags: dict[str, str]) -> dict[str, str]:
    """Raises ValidationException."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys that begin with aws: are reserved.")
    if len(tags) > TAGS_LIMIT:
        raise invalid(f"A pipe has at most {TAGS_LIMIT} tags.")
    return dict(tags)


def _at(ctx: Context, arn: str) -> Pipe:
    """Raises NotFoundException."""
    pipe = get_pipe(ctx, arn)
    if pipe is None or pipe.account != ctx.account:
        raise missing(arn.rpartition("/")[2])
    return pipe


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a pipe, or gives them new values; at most 50. Errors: NotFoundException, ValidationException. Source: TagResource."""
    pipe = _at(ctx, req.resourceArn)
    PIPES.put(ctx, change(pipe, tags=checked({**pipe.tags, **req.tags})))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: NotFoundException. Source: API reference, UntagResource."""
    pipe = _at(ctx, req.resourceArn)
    PIPES.put(ctx, change(pipe, tags={key: value for key, value in pipe.tags.items() if key not in req.tagKeys}))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """The tags of a pipe. Errors: NotFoundException. Source: API reference, ListTagsForResource."""
    return {"tags": _at(ctx, req.resourceArn).tags}
