"""Tags: AddTagsToResource, RemoveTagsFromResource, ListTagsForResource, of everything that has an ARN (`addresses.TAGGED`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.rds.addresses import TAGGED, Tagged
from fogbank.services.rds.faults import invalid
from fogbank.store import change

LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-@]*").fullmatch
_RESERVED = ("aws:", "rds:")


def given(ctx: Context, tags: Iterable[Any] | None, arn: str = "") -> dict[str, str]:
    """A request's tags; who makes something with tags needs the permission to tag it (`arn`).

    Errors: InvalidParameterValue, AccessDenied.
    """
    found: dict[str, str] = {}
    for tag in tags or ():
        key, value = tag.Key or "", tag.Value or ""
        if not 1 <= len(key) <= 128 or not _text(key) or key.lower().startswith(_RESERVED):
            raise invalid(f"Invalid tag key: {key}. It must have 1 to 128 characters and can't be prefixed with aws: or rds:.")
        if len(value) > 256 or not _text(value) or value.lower().startswith(_RESERVED):
            raise invalid(f"Invalid tag value: {value}. It must have at most 256 characters and can't be prefixed with aws: or rds:.")
        if key in found:
            raise invalid(f"Duplicate tag key: {key}")
        found[key] = value
    _check_count(found)
    if found and arn:
        ctx.authorize("rds:AddTagsToResource", arn)
    return found


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > LIMIT:
        raise invalid(f"A resource can't have more than {LIMIT} tags.")


def _named(arn: str) -> tuple[Tagged, Arn, str] | None:
    """How to find what an ARN names, and its name."""
    found = Arn.parse(arn)
    if found is None or found.service != "rds":
        return None
    kind, _, name = found.resource.partition(":")
    return (TAGGED[kind], found, name) if kind in TAGGED else None


def tags_of(ctx: Context, arn: str) -> Mapping[str, str] | None:
    """The tags of what an ARN names, for the door; None where it is not there."""
    named = _named(arn)
    found = named[0].find(ctx, named[1].account, named[1].region, named[2]) if named is not None else None
    return found.tags if found is not None else None


def _at(ctx: Context, arn: str) -> tuple[Tagged, Any]:
    """Errors: InvalidParameterValue, the not-found fault of its kind."""
    named = _named(arn)
    if named is None:
        raise invalid(f"Invalid resource name: {arn}")
    kind, parts, name = named
    if parts.account != ctx.account or parts.region not in ("", ctx.region):
        raise invalid(f"The specified resource name does not match an RDS resource in this region: {arn}")
    found = kind.find(ctx, parts.account, parts.region, name)
    if found is None:
        raise kind.not_found(name)
    return kind, found


@operation("AddTagsToResource")
def add_tags_to_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a resource, or gives them new values; at most 50.

    Errors: the not-found fault of its kind, InvalidParameterValue. Source: API reference, AddTagsToResource.
    """
    kind, record = _at(ctx, req.ResourceName)
    tags = {**record.tags, **given(ctx, req.Tags)}
    _check_count(tags)
    kind.table.put(ctx, change(record, tags=tags))
    return None


@operation("RemoveTagsFromResource")
def remove_tags_from_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error.

    Errors: the not-found fault of its kind, InvalidParameterValue. Source: API reference, RemoveTagsFromResource.
    """
    kind, record = _at(ctx, req.ResourceName)
    kind.table.put(ctx, change(record, tags={key: value for key, value in record.tags.items() if key not in req.TagKeys}))
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a resource.

    Errors: the not-found fault of its kind, InvalidParameterValue. Source: API reference, ListTagsForResource.
    """
    return {"TagList": pairs(_at(ctx, req.ResourceName)[1].tags)}
