"""Tags of alarms, mute rules, dashboards, metric streams; and finding what an ARN names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.cloudwatch.faults import bad_value, invalid
from fogbank.services.cloudwatch.state import ALARMS, DASHBOARDS, MUTE_RULES, STREAMS
from fogbank.store import Record, Table, change

TAGS_LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-@]*").fullmatch


_TABLES: tuple[tuple[str, Table[Any]], ...] = (
    ("alarm:", ALARMS),
    ("alarm-mute-rule:", MUTE_RULES),
    ("dashboard/", DASHBOARDS),
    ("metric-stream/", STREAMS),
)


class Place(NamedTuple):
    table: Table[Any]
    row: Record


def place_of(ctx: Context, arn: str) -> Place | None:
    """The row of what an ARN names, None where there is none."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "cloudwatch":
        return None
    for start, table in _TABLES:
        if parts.resource.startswith(start):
            name = parts.resource.removeprefix(start)
            key = (parts.account, name) if table is DASHBOARDS else (parts.account, parts.region, name)
            row = table.get(ctx, *key)
            return None if row is None else Place(table, row)
    return None


def tags_of(ctx: Context, arn: str) -> Mapping[str, str] | None:
    """For the door."""
    place = place_of(ctx, arn)
    return None if place is None else place.row.tags  # type: ignore[attr-defined]


def check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS_LIMIT:
        raise invalid(f"The number of tags must not exceed {TAGS_LIMIT}.")
    for key, value in tags.items():
        if not _text(key) or key.lower().startswith("aws:"):
            raise bad_value(key, "Tags.member.Key")
        if not _text(value):
            raise bad_value(value, "Tags.member.Value")


def read_tags(ctx: Context, given: Any, arn: str) -> dict[str, str]:
    """The tags of something that is being made. Errors: AccessDenied without cloudwatch:TagResource."""
    if not given:
        return {}
    ctx.authorize("cloudwatch:TagResource", arn)
    tags = {tag.Key: tag.Value for tag in given}
    check_tags(tags)
    return tags


def _place_at(ctx: Context, arn: str) -> Place:
    place = place_of(ctx, arn)
    if place is None or (Arn.parse(arn) or Arn("", "", "", "", "")).account != ctx.account:
        kind, _, name = arn.rpartition(":")[2].rpartition("/")
        raise ServiceException("ResourceNotFoundException", "Unknown resource", status=404, ResourceType=kind or "alarm", ResourceId=name)
    return place


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values. Errors: ResourceNotFoundException, InvalidParameterValue. Source: API reference, TagResource."""
    table, row = _place_at(ctx, req.ResourceARN)
    tags = {**row.tags, **{tag.Key: tag.Value for tag in req.Tags}}  # type: ignore[attr-defined]
    check_tags(tags)
    table.put(ctx, change(row, tags=tags))
    return {}


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: API reference, UntagResource."""
    table, row = _place_at(ctx, req.ResourceARN)
    table.put(ctx, change(row, tags={key: value for key, value in row.tags.items() if key not in req.TagKeys}))  # type: ignore[attr-defined]
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """All tags. Errors: ResourceNotFoundException. Source: API reference, ListTagsForResource."""
    return {"Tags": pairs(_place_at(ctx, req.ResourceARN).row.tags)}  # type: ignore[attr-defined]
