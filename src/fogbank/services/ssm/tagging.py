"""Tags of parameters."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm.names import invalid
from fogbank.services.ssm.state import PARAMETERS, TAGS_LIMIT, Parameter
from fogbank.store import change


def read(given: list[Any]) -> dict[str, str]:
    """Tags as they are given. Raises ValidationException, TooManyTagsError."""
    read_ = {tag.Key: tag.Value for tag in given}
    if any(key.lower().startswith("aws:") for key in read_):
        raise invalid("Tag keys can't begin with aws:.")
    check(read_)
    return read_


def check(found: dict[str, str]) -> None:
    if len(found) > TAGS_LIMIT:
        raise ServiceException("TooManyTagsError", f"A parameter can have a maximum of {TAGS_LIMIT} tags.")


def _parameter_at(ctx: Context, req: Any) -> Parameter:
    """The parameter that ResourceId names. Raises InvalidResourceId."""
    if req.ResourceType != "Parameter":
        raise NotImplementedOperation("ssm", ctx.operation, f"for resources of type {req.ResourceType}")
    parameter = PARAMETERS.get(ctx, ctx.account, ctx.region, req.ResourceId.strip())
    if parameter is None:
        raise ServiceException("InvalidResourceId", f"The resource ID {req.ResourceId} is not valid.")
    return parameter


@operation("AddTagsToResource")
def add_tags_to_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a parameter, or gives them new values; at most 50.

    Errors: InvalidResourceId, TooManyTagsError. Source: API reference, AddTagsToResource.
    """
    parameter = _parameter_at(ctx, req)
    together = {**parameter.tags, **read(req.Tags)}
    check(together)
    PARAMETERS.put(ctx, change(parameter, tags=together))
    return None


@operation("RemoveTagsFromResource")
def remove_tags_from_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags of a parameter away; a key that is not there is no error.

    Errors: InvalidResourceId. Source: API reference, RemoveTagsFromResource.
    """
    parameter = _parameter_at(ctx, req)
    PARAMETERS.put(ctx, change(parameter, tags={key: value for key, value in parameter.tags.items() if key not in req.TagKeys}))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """The tags of a parameter. Errors: InvalidResourceId. Source: API reference, ListTagsForResource."""
    return {"TagList": tags.pairs(_parameter_at(ctx, req).tags)}
