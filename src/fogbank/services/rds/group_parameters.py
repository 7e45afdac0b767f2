"""The parameters of parameter groups: described, modified, reset; and those that engines have by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, converging, events, families
from fogbank.services.rds.families import Parameter
from fogbank.services.rds.faults import combination, invalid, missing
from fogbank.services.rds.groups import NOUNS, group_at, raw_values, to_change, users
from fogbank.services.rds.groups_state import CLUSTER, DB, PARAMETER_GROUPS, Change, ParameterGroup
from fogbank.services.rds.state import Cluster
from fogbank.store import change

AT_ONCE = 20
"""Parameters that one request may change."""
IMMEDIATE, REBOOT = "immediate", "pending-reboot"
_SOURCES = ("user", "system", "engine-default")


def _described(one: Parameter, value: str | None, kind: str) -> dict[str, Any]:
    set_here = value is not None
    return {
        "ParameterName": one.name,
        "ParameterValue": value if set_here else one.default,
        "Description": one.description,
        "Source": _source(one, set_here),
        "ApplyType": "dynamic" if one.dynamic else "static",
        "DataType": one.type,
        "AllowedValues": one.allowed or None,
        "IsModifiable": one.modifiable,
        "ApplyMethod": IMMEDIATE if set_here and one.dynamic else REBOOT,
        "SupportedEngineModes": ["provisioned"] if kind == CLUSTER else None,
    }


def _source(one: Parameter, set_here: bool) -> str:
    return "user" if set_here else "engine-default" if one.modifiable else "system"


def _describe(ctx: Context, req: Any, kind: str) -> Answer:
    wanted = addresses.filters(req, ("parameter-name",)).get("parameter-name")
    if req.Source not in (None, *_SOURCES):
        raise invalid(f"Invalid value {req.Source} for Source: it must be one of {', '.join(_SOURCES)}.")
    group = group_at(ctx, kind, getattr(req, NOUNS[kind].name))
    values = raw_values(group)
    every = (
        one
        for name, one in families.parameters(group.family).items()
        if (wanted is None or name in wanted) and req.Source in (None, _source(one, name in values))
    )
    found, marker = addresses.page(req, every, lambda one: one.name)
    return {"Parameters": [_described(one, values.get(one.name), kind) for one in found], "Marker": marker}


def _asked(group: ParameterGroup, given: Iterable[Any]) -> list[tuple[Any, Parameter]]:
    """The parameters that a request names. Errors: InvalidParameterValue, InvalidParameterCombination, MissingParameter."""
    given = list(given)
    if len(given) > AT_ONCE:
        raise invalid(f"A maximum of {AT_ONCE} parameters can be modified in a single request.")
    known = families.parameters(group.family)
    found = []
    for one in given:
        if not one.ParameterName:
            raise missing("The parameter ParameterName must be provided.")
        parameter = known.get(one.ParameterName)
        if parameter is None:
            raise invalid(f"Could not find parameter with name: {one.ParameterName}")
        if one.ApplyMethod is None:
            raise missing(f"The parameter ApplyMethod must be provided for {one.ParameterName}.")
        if one.ApplyMethod == IMMEDIATE and not parameter.dynamic:
            raise combination(f"cannot use immediate apply method for static parameter {one.ParameterName}")
        found.append((one, parameter))
    return found


def _changed(ctx: Context, group: ParameterGroup, name: str, value: str | None, *, at_once: bool) -> ParameterGroup:
    """A group with another value of a parameter; what waits for a reboot only because it was asked to is kept beside the old value."""
    if at_once:
        changes: tuple[Change, ...] = (Change(0, value),) if value is not None else ()
    else:
        changes = (*(group.values.get(name) or (Change(0, None),)), Change(ctx.now, value))
    rest = {other: kept for other, kept in group.values.items() if other != name}
    return change(group, values={**rest, name: changes} if changes else rest)


def _put(ctx: Context, group: ParameterGroup, names: Mapping[str, str]) -> None:
    """Keeps a group some of whose values were changed, and has everything that uses it follow. `names`: each with how it is applied."""
    PARAMETER_GROUPS.put(ctx, group)
    arn = addresses.arn(group.account, group.region, group.kind, group.name)
    for name, method in names.items():
        value = group.values[name][-1].value if name in group.values else None
        said = "to its default" if value is None else f"to {value}"
        events.tell(ctx, "db-parameter-group", group.name, f"Updated parameter {name} {said} with apply method {method}", arn=arn)
    ids = {row.id if isinstance(row, Cluster) else row.cluster for row in users(ctx, group)}
    for id in sorted(ids):
        cluster = addresses.cluster_by_id(ctx, id)
        if cluster is not None:
            converging.ask(ctx, cluster)


def _modify(ctx: Context, req: Any, kind: str) -> Answer:
    group = to_change(ctx, kind, getattr(req, NOUNS[kind].name))
    if not req.Parameters:
        raise missing("At least one parameter must be provided.")
    for one, parameter in _asked(group, req.Parameters):
        if one.ParameterValue is None:
            raise missing(f"The parameter ParameterValue must be provided for {parameter.name}.")
        text = one.ParameterValue
        families.check_value(parameter, text)
        group = _changed(ctx, group, parameter.name, text, at_once=one.ApplyMethod == IMMEDIATE or not parameter.dynamic)
    _put(ctx, group, {one.ParameterName: one.ApplyMethod for one in req.Parameters})
    return {NOUNS[kind].name: group.name}


def _reset(ctx: Context, req: Any, kind: str) -> Answer:
    group = to_change(ctx, kind, getattr(req, NOUNS[kind].name))
    if req.ResetAllParameters and req.Parameters:
        raise combination("You can't specify both ResetAllParameters and Parameters.")
    before = group
    if req.Parameters:
        for one, parameter in _asked(group, req.Parameters):
            if parameter.name in group.values:
                group = _changed(ctx, group, parameter.name, None, at_once=one.ApplyMethod == IMMEDIATE or not parameter.dynamic)
    elif req.ResetAllParameters is False:
        raise combination("You must specify ResetAllParameters or a list of Parameters.")
    else:
        group = change(group, values={})
    known = families.parameters(group.family)
    methods = {one.ParameterName: one.ApplyMethod for one in req.Parameters or ()}
    changed = [name for name, changes in before.values.items() if group.values.get(name) != changes]
    _put(ctx, group, {name: methods.get(name) or (IMMEDIATE if known[name].dynamic else REBOOT) for name in changed})
    return {NOUNS[kind].name: group.name}


@operation("DescribeDBParameters")
def describe_db_parameters(ctx: Context, req: Any) -> Answer:
    """All parameters of a DB parameter group's family with their values in it, by name; of one Source, or of some names only.

    Errors: DBParameterGroupNotFound, InvalidParameterValue. Source: API reference.
    """
    return _describe(ctx, req, DB)


@operation("DescribeDBClusterParameters")
def describe_db_cluster_parameters(ctx: Context, req: Any) -> Answer:
    """All parameters of a DB cluster parameter group's family with their values in it, by name. As DescribeDBParameters.

    Errors: DBParameterGroupNotFound, InvalidParameterValue. Source: API reference.
    """
    return _describe(ctx, req, CLUSTER)


@operation("ModifyDBParameterGroup")
def modify_db_parameter_group(ctx: Context, req: Any) -> Answer:
    """Sets at most 20 parameters. Dynamic ones come into effect at once, or (ApplyMethod pending-reboot) when an instance is rebooted;
    static ones only then. Values may be formulas in braces.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference.
    """
    return _modify(ctx, req, DB)


@operation("ModifyDBClusterParameterGroup")
def modify_db_cluster_parameter_group(ctx: Context, req: Any) -> Answer:
    """Sets at most 20 parameters for all instances of clusters. As ModifyDBParameterGroup; an instance's own group counts first.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference.
    """
    return _modify(ctx, req, CLUSTER)


@operation("ResetDBParameterGroup")
def reset_db_parameter_group(ctx: Context, req: Any) -> Answer:
    """Gives some parameters, or all, their engine's defaults again.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference.
    """
    return _reset(ctx, req, DB)


@operation("ResetDBClusterParameterGroup")
def reset_db_cluster_parameter_group(ctx: Context, req: Any) -> Answer:
    """Gives some parameters, or all, their engine's defaults again.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState, InvalidParameterValue, InvalidParameterCombination.
    Source: API reference.
    """
    return _reset(ctx, req, CLUSTER)


def _defaults(req: Any, kind: str) -> Answer:
    wanted = addresses.filters(req, ("parameter-name",)).get("parameter-name")
    engine, _ = families.split(req.DBParameterGroupFamily)
    if kind == CLUSTER and not engine.startswith("aurora-"):
        raise invalid(f"Invalid DBClusterParameterGroupFamily: {req.DBParameterGroupFamily}")
    every = (one for name, one in families.parameters(req.DBParameterGroupFamily).items() if wanted is None or name in wanted)
    found, marker = addresses.page(req, every, lambda one: one.name)
    parameters = [_described(one, None, kind) for one in found]
    return {"EngineDefaults": {"DBParameterGroupFamily": req.DBParameterGroupFamily, "Marker": marker, "Parameters": parameters}}


@operation("DescribeEngineDefaultParameters")
def describe_engine_default_parameters(ctx: Context, req: Any) -> Answer:
    """The parameters of a family with the values that the engine gives them. Errors: InvalidParameterValue."""
    return _defaults(req, DB)


@operation("DescribeEngineDefaultClusterParameters")
def describe_engine_default_cluster_parameters(ctx: Context, req: Any) -> Answer:
    """The parameters of an Aurora family with the values that the engine gives them. Errors: InvalidParameterValue."""
    return _defaults(req, CLUSTER)
