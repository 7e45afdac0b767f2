"""Tags of buses and rules."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.events.addresses import address_of_arn, get_bus, get_rule, invalid, missing, over_limit, rule_of_arn
from fogbank.services.events.state import BUSES, RULES, Bus, Rule
from fogbank.store import change

TAGS_LIMIT = 50


def read(given: Any, before: dict[str, str] | None = None) -> dict[str, str]:
    """Tags with those that a request gives. Raises ValidationException, LimitExceededException."""
    made = dict(before or {})
    for tag in given or ():
        if tag.Key.lower().startswith("aws:"):
            raise invalid("User-defined tag keys can't start with 'aws:'.")
        made[tag.Key] = tag.Value
    if len(made) > TAGS_LIMIT:
        raise over_limit()
    return made


def _tagged(ctx: Context, arn: str) -> Bus | Rule:
    """Raises ResourceNotFoundException."""
    where = address_of_arn(arn)
    if where is not None:
        bus = get_bus(ctx, where)
        if bus is None or bus.account != ctx.account:
            raise missing(f"Event bus {where.name}")
        return bus
    found = rule_of_arn(arn)
    rule = get_rule(ctx, *found) if found is not None and found[0].account == ctx.account else None
    if found is None or rule is None:
        raise missing(f"Rule {found[1] if found else arn}")
    return rule


def _put(ctx: Context, tagged: Bus | Rule, made: dict[str, str]) -> None:
    if isinstance(tagged, Bus):
        BUSES.put(ctx, change(tagged, tags=made))
    else:
        RULES.put(ctx, change(tagged, tags=made))


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a bus or a rule, or gives them new values; at most 50. Errors: ResourceNotFoundException. Source: TagResource."""
    tagged = _tagged(ctx, req.ResourceARN)
    _put(ctx, tagged, read(req.Tags, tagged.tags))
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: UntagResource."""
    tagged = _tagged(ctx, req.ResourceARN)
    _put(ctx, tagged, {key: value for key, value in tagged.tags.items() if key not in req.TagKeys})
    return None


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """The tags of a bus or a rule. Errors: ResourceNotFoundException. Source: ListTagsForResource."""
    return {"Tags": tags.pairs(_tagged(ctx, req.ResourceARN).tags)}
