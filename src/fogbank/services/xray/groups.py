"""Groups: filter expressions with a name; and tags, of groups and sampling rules."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging, tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.xray.sampling import rule_at
from fogbank.services.xray.state import GROUPS, RULES, Group, Rule
from fogbank.services.xray.summaries import compiled, refused
from fogbank.store.tables import change

_PAGE = 100


def arn_of(ctx: Context, group: Group) -> str:
    return ctx.arn(f"group/{group.name}/{group.id}")


def group_of(ctx: Context, name: str | None, arn: str | None) -> Group | None:
    """The group that a request names, or None where it names none. Errors: InvalidRequestException."""
    if not name and not arn:
        return None
    found = GROUPS.get(ctx, ctx.account, ctx.region, name or (arn or "/").split("/")[1])
    if found is None or (arn and arn_of(ctx, found) != arn):
        raise refused("The specified group does not exist.")
    return found


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The group that a request is about."""
    given: str | None = getattr(req, "GroupARN", None) or getattr(req, "ResourceARN", None)
    if given is not None and ":group/" in given:
        return given
    name = getattr(req, "GroupName", None)
    found = GROUPS.get(ctx, ctx.account, ctx.region, name) if name else None
    return arn_of(ctx, found) if found is not None else ctx.arn(f"group/{name}/*") if name else None


def group_at(ctx: Context, req: Any) -> Group:
    """Errors: InvalidRequestException."""
    found = group_of(ctx, req.GroupName, req.GroupARN)
    if found is None:
        raise refused("Specify GroupName or GroupARN.")
    return found


def describe(ctx: Context, group: Group) -> dict[str, Any]:
    return {
        "GroupName": group.name,
        "GroupARN": arn_of(ctx, group),
        "FilterExpression": group.expression or None,
        "InsightsConfiguration": {"InsightsEnabled": group.insights, "NotificationsEnabled": group.notifications},
    }


def _configured(group: Group, wanted: Any) -> Group:
    """The group with what a request says of insights. Errors: InvalidRequestException."""
    if wanted is None:
        return group
    insights = group.insights if wanted.InsightsEnabled is None else wanted.InsightsEnabled
    notifications = group.notifications if wanted.NotificationsEnabled is None else wanted.NotificationsEnabled
    if notifications and not insights:
        raise refused("Notifications can only be enabled when insights are enabled.")
    return change(group, insights=insights, notifications=notifications)


@operation("CreateGroup")
def create_group(ctx: Context, req: Any) -> Answer:
    """Names a filter expression, for graphs of what it selects, and for insights into when its services fail.

    Errors: InvalidRequestException. Source: API reference, CreateGroup.
    """
    if GROUPS.get(ctx, ctx.account, ctx.region, req.GroupName) is not None:
        raise refused("Group name already exists.")
    compiled(req.FilterExpression)
    group = Group(
        account=ctx.account,
        region=ctx.region,
        name=req.GroupName,
        id=ctx.random.text(32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        expression=req.FilterExpression or "",
        tags={tag.Key: tag.Value for tag in req.Tags or ()},
    )
    group = _configured(group, req.InsightsConfiguration)
    GROUPS.put(ctx, group)
    return {"Group": describe(ctx, group)}


@operation("GetGroup")
def get_group(ctx: Context, req: Any) -> Answer:
    """A group. Errors: InvalidRequestException."""
    return {"Group": describe(ctx, group_at(ctx, req))}


@operation("GetGroups")
def get_groups(ctx: Context, req: Any) -> Answer:
    """All groups, by name. Errors: InvalidRequestException."""
    after = paging.place(req.NextToken, lambda: refused("Invalid next token"))
    found, more = paging.page(GROUPS.scan(ctx, ctx.account, ctx.region, after=after), _PAGE)
    return {"Groups": [describe(ctx, group) for group in found], "NextToken": paging.token(found[-1].name) if more else None}


@operation("UpdateGroup")
def update_group(ctx: Context, req: Any) -> Answer:
    """Changes a group's expression, or whether there are insights. Errors: InvalidRequestException."""
    group = _configured(group_at(ctx, req), req.InsightsConfiguration)
    if req.FilterExpression is not None:
        compiled(req.FilterExpression)
        group = change(group, expression=req.FilterExpression)
    GROUPS.put(ctx, group)
    return {"Group": describe(ctx, group)}


@operation("DeleteGroup")
def delete_group(ctx: Context, req: Any) -> Answer:
    """Removes a group; its traces stay. Errors: InvalidRequestException."""
    GROUPS.delete(ctx, group_at(ctx, req))
    return {}


# tags


def _tagged(ctx: Context, arn: str) -> Group | Rule:
    """What an ARN names. Errors: ResourceNotFoundException."""
    try:
        found = rule_at(ctx, None, arn) if ":sampling-rule/" in arn else group_of(ctx, None, arn)
    except ServiceException:
        found = None
    if found is None:
        raise ServiceException("ResourceNotFoundException", f"The resource {arn} does not exist.", ResourceName=arn)
    return found


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    try:
        return _tagged(ctx, arn).tags
    except ServiceException:
        return None


def _put(ctx: Context, tagged: Group | Rule) -> None:
    if isinstance(tagged, Group):
        GROUPS.put(ctx, tagged)
    else:
        RULES.put(ctx, tagged)


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a group or a sampling rule; up to 50. Errors: ResourceNotFoundException, TooManyTagsException."""
    tagged = _tagged(ctx, req.ResourceARN)
    after = tagged.tags | {tag.Key: tag.Value for tag in req.Tags}
    if len(after) > 50:
        raise ServiceException("TooManyTagsException", "A resource can have at most 50 tags.", ResourceName=req.ResourceARN)
    _put(ctx, change(tagged, tags=after))
    return {}


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Removes tags. Errors: ResourceNotFoundException."""
    tagged = _tagged(ctx, req.ResourceARN)
    _put(ctx, change(tagged, tags={k: v for k, v in tagged.tags.items() if k not in req.TagKeys}))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(ctx: Context, req: Any) -> Answer:
    """A resource's tags. Errors: ResourceNotFoundException."""
    return {"Tags": tags.pairs(_tagged(ctx, req.ResourceARN).tags)}


@operation("GetTraceSegmentDestination")
def get_trace_segment_destination(ctx: Context, req: Any) -> Answer:
    """Where segments go: X-Ray itself."""
    return {"Destination": "XRay", "Status": "ACTIVE"}
