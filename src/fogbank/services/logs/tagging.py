"""Tags of groups and destinations, in the two forms that AWS has for it.

Source: API reference, TagResource, UntagResource, ListTagsForResource, TagLogGroup, UntagLogGroup, ListTagsLogGroup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs.faults import invalid, missing
from fogbank.services.logs.names import group_at, named
from fogbank.services.logs.state import DESTINATIONS, GROUPS, Destination, Group
from fogbank.store import change

TAGS_LIMIT = 50


def _tagged(ctx: Context, arn: str) -> Group | Destination:
    """Errors: InvalidParameterException, ResourceNotFoundException."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "logs":
        raise invalid(f"Invalid resource arn: {arn}")
    found: Group | Destination | None = None
    if parts.account == ctx.account and parts.region == ctx.region:
        if parts.resource.startswith("destination:"):
            found = DESTINATIONS.get(ctx, ctx.account, ctx.region, parts.resource[12:])
        elif (group := named(arn)) is not None and parts.resource == f"log-group:{group[2]}":
            found = GROUPS.get(ctx, *group)
    if found is None:
        raise missing("The specified resource does not exist.")
    return found


def _put(ctx: Context, tagged: Group | Destination, tags: Mapping[str, str]) -> None:
    if isinstance(tagged, Group):
        GROUPS.put(ctx, change(tagged, tags=dict(tags)))
    else:
        DESTINATIONS.put(ctx, change(tagged, tags=dict(tags)))


def _add(ctx: Context, tagged: Group | Destination, given: Mapping[str, str], refusal: str) -> None:
    if any(key.lower().startswith("aws:") for key in given):
        raise invalid("Tag keys can't begin with aws:")
    tags = {**tagged.tags, **given}
    if len(tags) > TAGS_LIMIT:
        raise ServiceException(refusal, f"A resource can have no more than {TAGS_LIMIT} tags.")
    _put(ctx, tagged, tags)


def _remove(ctx: Context, tagged: Group | Destination, keys: Iterable[str]) -> None:
    gone = set(keys)
    _put(ctx, tagged, {key: value for key, value in tagged.tags.items() if key not in gone})


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a group or a destination, or gives them new values; at most 50. Errors: TooManyTagsException and those of `_tagged`."""
    _add(ctx, _tagged(ctx, req.resourceArn), req.tags, "TooManyTagsException")
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: those of `_tagged`."""
    _remove(ctx, _tagged(ctx, req.resourceArn), req.tagKeys)
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a group or a destination. Errors: those of `_tagged`."""
    return {"tags": _tagged(ctx, req.resourceArn).tags}


@operation("TagLogGroup")
def tag_log_group(ctx: Context, req: Any) -> Answer:
    """Like TagResource, for the name of a group. Errors: ResourceNotFoundException, InvalidParameterException."""
    _add(ctx, group_at(ctx, req.logGroupName), req.tags, "InvalidParameterException")
    return None


@operation("UntagLogGroup")
def untag_log_group(ctx: Context, req: Any) -> Answer:
    """Like UntagResource, for the name of a group. Errors: ResourceNotFoundException."""
    _remove(ctx, group_at(ctx, req.logGroupName), req.tags)
    return None


@operation("ListTagsLogGroup")
def list_tags_log_group(ctx: Context, req: Any) -> Answer:
    """Like ListTagsForResource, for the name of a group. Errors: ResourceNotFoundException."""
    return {"tags": group_at(ctx, req.logGroupName).tags}


def matches(tags: Mapping[str, str], key: str, wanted: Iterable[str]) -> bool:
    """Whether tags have a key, with one of these values where there are any. `!` negates; `*` at the ends ignores case."""
    if key not in tags:
        return False
    values = list(wanted)
    return not values or any(_fits(tags[key], value) for value in values)


def _fits(value: str, wanted: str) -> bool:
    negated = wanted.startswith("!")
    wanted = wanted.removeprefix("!")
    fits = fnmatchcase(value.lower(), wanted.lower()) if "*" in wanted else value == wanted
    return fits != negated
