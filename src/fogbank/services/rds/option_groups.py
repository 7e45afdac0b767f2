"""Option groups: features that an engine can be given beside what it has.

No option is there: what RDS adds to engines by them, Fogbank does not have. So a group can be made, named and copied, and holds nothing.
Groups named `default:` and an engine's version are always there and cannot be changed.
"""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, engine_versions, tagging
from fogbank.services.rds.faults import check_engine, combination, invalid
from fogbank.services.rds.groups_state import OPTION_GROUPS, OptionGroup
from fogbank.services.rds.network import network
from fogbank.services.rds.state import CLUSTERS
from fogbank.store import change

LIMIT = 20
_default = re.compile(r"default:([a-z-]+?)-(\d+(?:-\d+)?)").fullmatch


def default_name(engine: str, major: str) -> str:
    """The group of what names none."""
    return f"default:{engine}-{major.replace('.', '-')}"


def _missing(name: str) -> ServiceException:
    return ServiceException("OptionGroupNotFoundFault", f"Specified OptionGroupName: {name} not found.", status=404)


def find(ctx: Context, account: str, region: str, name: str) -> OptionGroup | None:
    """A group; the default ones of the engine versions that there are have no row."""
    parts = _default(name)
    if parts is None:
        return OPTION_GROUPS.get(ctx, account, region, name)
    engine, major = parts[1], parts[2].replace("-", ".")
    if engine_versions.find(engine, major) is None:
        return None
    said = f"Default option group for {engine} {major}"
    return OptionGroup(account=account, region=region, name=name, engine=engine, major=major, description=said)


def _at(ctx: Context, name: str) -> OptionGroup:
    """Errors: OptionGroupNotFoundFault."""
    account, region, found_name = addresses.located(ctx, name, "og")
    group = find(ctx, account, region, found_name) if (account, region) == (ctx.account, ctx.region) else None
    if group is None:
        raise _missing(name)
    return group


def _to_change(ctx: Context, name: str) -> OptionGroup:
    group = _at(ctx, name)
    if group.name.startswith("default:"):
        raise _state(f"The default option group {group.name} can't be modified or deleted.")
    return group


def _state(message: str) -> ServiceException:
    return ServiceException("InvalidOptionGroupStateFault", message)


def chosen(ctx: Context, name: str | None, engine: str, version: str) -> str:
    """The name of the group to be used. Errors: OptionGroupNotFoundFault, InvalidParameterCombination."""
    found = engine_versions.find(engine, version)
    major = found.major if found is not None else version.split(".")[0]
    if name is None:
        return default_name(engine, major)
    group = _at(ctx, name)
    if (group.engine, group.major) != (engine, major):
        raise combination(f"The option group {group.name} is associated with a different engine or version than {engine} {major}.")
    return group.name


def _arn(group: OptionGroup) -> str:
    return addresses.arn(group.account, group.region, "og", group.name)


def _described(group: OptionGroup) -> dict[str, Any]:
    copied = {
        "SourceOptionGroup": group.source,
        "SourceAccountId": group.account,
        "CopyTimestamp": group.copied_at_ms,
        "SourceRegion": group.region,
    }
    return {
        "OptionGroupName": group.name,
        "OptionGroupDescription": group.description,
        "EngineName": group.engine,
        "MajorEngineVersion": group.major,
        "Options": [],
        "AllowsVpcAndNonVpcInstanceMemberships": True,
        "VpcId": network(group.account, group.region).vpc if group.name.startswith("default:") else None,
        "OptionGroupArn": _arn(group),
        **(copied if group.source else {}),
    }


def _insert(ctx: Context, group: OptionGroup, tags: Any) -> Answer:
    """Errors: OptionGroupAlreadyExistsFault, OptionGroupQuotaExceededFault."""
    if OPTION_GROUPS.get(ctx, group.account, group.region, group.name) is not None:
        raise ServiceException("OptionGroupAlreadyExistsFault", f"An option group named {group.name} already exists.")
    if sum(1 for _ in OPTION_GROUPS.scan(ctx, group.account, group.region)) >= LIMIT:
        raise ServiceException("OptionGroupQuotaExceededFault", f"You can't have more than {LIMIT} option groups.")
    group = change(group, tags=tagging.given(ctx, tags, _arn(group)))
    OPTION_GROUPS.put(ctx, group)
    return {"OptionGroup": _described(group)}


@operation("CreateOptionGroup")
def create_option_group(ctx: Context, req: Any) -> Answer:
    """Makes an option group for a major version of an engine; at most 20 in a region. Its name is kept in lower case.

    Errors: OptionGroupAlreadyExistsFault, OptionGroupQuotaExceededFault, InvalidParameterValue. Source: API reference.
    """
    check_engine(ctx.operation, req.EngineName)
    version = engine_versions.find(req.EngineName, req.MajorEngineVersion)
    if version is None or version.major != req.MajorEngineVersion:
        raise invalid(f"Invalid Engine Major Version: {req.MajorEngineVersion} for engine {req.EngineName}")
    group = OptionGroup(
        account=ctx.account,
        region=ctx.region,
        name=addresses.identifier(req.OptionGroupName, "OptionGroupName", 255),
        engine=req.EngineName,
        major=req.MajorEngineVersion,
        description=req.OptionGroupDescription,
    )
    return _insert(ctx, group, req.Tags)


@operation("CopyOptionGroup")
def copy_option_group(ctx: Context, req: Any) -> Answer:
    """Makes an option group like another one of the same region; a default one cannot be copied.

    Errors: OptionGroupNotFoundFault, OptionGroupAlreadyExistsFault, OptionGroupQuotaExceededFault. Source: API reference.
    """
    source = _at(ctx, req.SourceOptionGroupIdentifier)
    if source.name.startswith("default:"):
        raise invalid(f"The default option group {source.name} can't be copied.")
    ctx.authorize("rds:CopyOptionGroup", _arn(source))
    name = addresses.identifier(req.TargetOptionGroupIdentifier, "TargetOptionGroupIdentifier", 255)
    said = req.TargetOptionGroupDescription
    return _insert(ctx, change(source, name=name, description=said, source=source.name, copied_at_ms=ctx.now, tags={}), req.Tags)


@operation("ModifyOptionGroup")
def modify_option_group(ctx: Context, req: Any) -> Answer:
    """Changes nothing of a group, since there is no option that it could have: each is refused by name.

    Errors: OptionGroupNotFoundFault, InvalidOptionGroupStateFault, NotImplemented. Source: API reference.
    """
    group = _to_change(ctx, req.OptionGroupName)
    for option in req.OptionsToInclude or ():
        raise NotImplementedOperation("rds", ctx.operation, f"with the option {option.OptionName}")
    for name in req.OptionsToRemove or ():
        raise invalid(f"The option {name} is not in the option group {group.name}.")
    if not req.OptionsToInclude and not req.OptionsToRemove:
        raise combination("At least one option must be added, modified, or removed.")
    return {"OptionGroup": _described(group)}


@operation("DeleteOptionGroup")
def delete_option_group(ctx: Context, req: Any) -> Answer:
    """Deletes an option group that no database has. Errors: OptionGroupNotFoundFault, InvalidOptionGroupStateFault."""
    group = _to_change(ctx, req.OptionGroupName)
    user = next((one for one in CLUSTERS.scan(ctx, ctx.account, ctx.region) if one.option_group == group.name), None)
    if user is not None:
        raise _state(f"The option group {group.name} cannot be deleted because it is in use by {user.name}.")
    OPTION_GROUPS.delete(ctx, group)
    return None


@operation("DescribeOptionGroups")
def describe_option_groups(ctx: Context, req: Any) -> Answer:
    """The option groups by name, with the default ones of the engines that there are; of one engine and version, or the one that is named.

    Errors: OptionGroupNotFoundFault, InvalidParameterCombination. Source: API reference.
    """
    addresses.filters(req, ())
    if req.MajorEngineVersion is not None and req.EngineName is None:
        raise combination("If MajorEngineVersion is specified, EngineName must also be specified.")
    if req.OptionGroupName is not None:
        if req.EngineName is not None:
            raise combination("OptionGroupName can't be supplied together with EngineName or MajorEngineVersion.")
        return {"OptionGroupsList": [_described(_at(ctx, req.OptionGroupName))]}
    names = {default_name(one.engine, one.major) for one in engine_versions.every()}
    defaults = [group for name in names if (group := find(ctx, ctx.account, ctx.region, name)) is not None]
    every = (
        group
        for group in sorted([*defaults, *OPTION_GROUPS.scan(ctx, ctx.account, ctx.region)], key=lambda group: group.name)
        if req.EngineName in (None, group.engine) and req.MajorEngineVersion in (None, group.major)
    )
    found, marker = addresses.page(req, every, lambda group: group.name)
    return {"OptionGroupsList": [_described(group) for group in found], "Marker": marker}


@operation("DescribeOptionGroupOptions")
def describe_option_group_options(ctx: Context, req: Any) -> Answer:
    """The options that an engine can be given: there are none. Errors: InvalidParameterValue."""
    addresses.filters(req, ())
    check_engine(ctx.operation, req.EngineName)
    return {"OptionGroupOptions": []}


addresses.TAGGED["og"] = addresses.Tagged(find, OPTION_GROUPS, _missing)
