"""Groups and sampling rules as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Part, Properties, ResourceType, absent, every, pairs, tags, unpaired

_GROUP = ("GroupName", "FilterExpression", "InsightsConfiguration")
_RULE = "SamplingRule"
_FIXED = ("RuleARN", "Version")


def _ask(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("xray", operation, members)


_TAGS = tags(
    read=lambda ctx, arn: pairs(_ask(ctx, "ListTagsForResource", ResourceARN=arn)["Tags"]),
    add=lambda ctx, arn, added: _ask(ctx, "TagResource", ResourceARN=arn, Tags=unpaired(added)),
    remove=lambda ctx, arn, keys: _ask(ctx, "UntagResource", ResourceARN=arn, TagKeys=keys),
)


def _create_group(ctx: Context, properties: Properties) -> str:
    arn: str = _ask(ctx, "CreateGroup", **{name: properties[name] for name in _GROUP if properties.get(name) is not None})["Group"][
        "GroupARN"
    ]
    return arn


def _read_group(ctx: Context, arn: str) -> Properties:
    for group in every(ctx, "xray", "GetGroups", {}, "Groups"):
        if group["GroupARN"] == arn:
            return dict(group)
    raise absent("AWS::XRay::Group", arn)


def _update_group(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    if before.get("GroupName") != after.get("GroupName"):
        raise absent("AWS::XRay::Group", arn)
    insights = after.get("InsightsConfiguration") or {"InsightsEnabled": False, "NotificationsEnabled": False}
    _ask(ctx, "UpdateGroup", GroupARN=arn, FilterExpression=after.get("FilterExpression") or "", InsightsConfiguration=insights)


GROUP = ResourceType(
    "AWS::XRay::Group",
    create=_create_group,
    made_with=_GROUP,
    read=_read_group,
    delete=lambda ctx, arn, properties: (_read_group(ctx, arn), _ask(ctx, "DeleteGroup", GroupARN=arn)),
    list=lambda ctx: [group["GroupARN"] for group in every(ctx, "xray", "GetGroups", {}, "Groups")],
    parts=(Part(_GROUP, _update_group), _TAGS),
    absent=("Absent",),
)


def _create_rule(ctx: Context, properties: Properties) -> str:
    rule = {"Version": 1, **properties[_RULE]}
    arn: str = _ask(ctx, "CreateSamplingRule", SamplingRule=rule)["SamplingRuleRecord"][_RULE]["RuleARN"]
    return arn


def _rules(ctx: Context) -> list[Properties]:
    return [dict(record[_RULE]) for record in _ask(ctx, "GetSamplingRules")["SamplingRuleRecords"]]


def _read_rule(ctx: Context, arn: str) -> Properties:
    for rule in _rules(ctx):
        if rule["RuleARN"] == arn:
            shown = {name: value for name, value in rule.items() if value is not None and value != {}}
            return {_RULE: shown, "RuleARN": arn}
    raise absent("AWS::XRay::SamplingRule", arn)


def _update_rule(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    changed = {name: value for name, value in after[_RULE].items() if name not in (*_FIXED, "RuleName")}
    _ask(ctx, "UpdateSamplingRule", SamplingRuleUpdate={"RuleARN": arn, **changed})


RULE = ResourceType(
    "AWS::XRay::SamplingRule",
    create=_create_rule,
    made_with=(_RULE,),
    read=_read_rule,
    delete=lambda ctx, arn, properties: (_read_rule(ctx, arn), _ask(ctx, "DeleteSamplingRule", RuleARN=arn)),
    list=lambda ctx: [rule["RuleARN"] for rule in _rules(ctx) if rule["RuleName"] != "Default"],
    parts=(Part((_RULE,), _update_rule), _TAGS),
    absent=("Absent",),
)

TYPES = (GROUP, RULE)
