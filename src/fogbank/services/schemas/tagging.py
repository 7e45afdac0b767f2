"""Tags of registries, schemas and discoverers."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas.addresses import bad, forbidden, missing, named
from fogbank.services.schemas.state import DISCOVERERS, REGISTRIES, SCHEMAS, Discoverer, Registry, Schema
from fogbank.store import change

TAGS_LIMIT = 50


def checked(tags: dict[str, str]) -> dict[str, str]:
    """Raises BadRequestException."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise bad("Tag keys that begin with aws: are reserved.")
    if len(tags) > TAGS_LIMIT:
        raise bad(f"A resource has at most {TAGS_LIMIT} tags.")
    return dict(tags)


def _at(ctx: Context, arn: str) -> Registry | Schema | Discoverer:
    """Raises NotFoundException."""
    found = named(ctx, arn)
    if found is None or found.account not in ("", ctx.account):
        raise missing(f"Resource with ARN {arn} does not exist.")
    return found


def _put(ctx: Context, arn: str, change_: Any) -> None:
    resource = _at(ctx, arn)
    if not resource.account:
        raise forbidden(f"{arn} is managed by AWS: it cannot be changed.")
    changed = change(resource, tags=checked(change_(resource.tags)))
    table: Any = {Registry: REGISTRIES, Schema: SCHEMAS, Discoverer: DISCOVERERS}[type(resource)]
    table.put(ctx, changed)


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a registry, a schema or a discoverer, or gives them new values; at most 50. Errors: NotFoundException, BadRequest."""
    _put(ctx, req.ResourceArn, lambda tags: {**tags, **req.Tags})
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: NotFoundException. Source: API reference, UntagResource."""
    _put(ctx, req.ResourceArn, lambda tags: {key: value for key, value in tags.items() if key not in req.TagKeys})
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """The tags. Errors: NotFoundException. Source: API reference, ListTagsForResource."""
    return {"Tags": _at(ctx, req.ResourceArn).tags}
