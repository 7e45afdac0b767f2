"""Tags of tables, at most 50."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb.addresses import table_of_arn_at
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import TABLES
from fogbank.store import change

TAGS_LIMIT = 50


def read(given: Iterable[Any], before: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request added to those that are there. Raises ValidationException."""
    found: dict[str, str] = {}
    for tag in given:
        if tag.Key.lower().startswith("aws:"):
            raise invalid_values("System tags cannot be added/updated by requester")
        if tag.Key in found:
            raise invalid(f"Duplicate tag keys: {tag.Key}")
        found[tag.Key] = tag.Value
    merged = {**before, **found}
    if len(merged) > TAGS_LIMIT:
        raise invalid_values(f"Too many tags. The maximum number of tags of a table is {TAGS_LIMIT}")
    return merged


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values. Errors: ResourceNotFoundException, ValidationException. Source: API reference, TagResource."""
    table = table_of_arn_at(ctx, req.ResourceArn)
    TABLES.put(ctx, change(table, tags=read(req.Tags, table.tags)))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: API reference, UntagResource."""
    table = table_of_arn_at(ctx, req.ResourceArn)
    TABLES.put(ctx, change(table, tags={key: value for key, value in table.tags.items() if key not in req.TagKeys}))
    return None


@operation("ListTagsOfResource")
def list_tags_of_resource(ctx: Context, req: Any) -> Answer:
    """All tags of a table, on one page. Errors: ResourceNotFoundException. Source: API reference, ListTagsOfResource."""
    if req.NextToken is not None:
        raise invalid("Invalid NextToken: a table's tags are on one page")
    return {"Tags": tags.pairs(table_of_arn_at(ctx, req.ResourceArn).tags)}
