"""Parameter groups: of instances (DBParameterGroup) and of clusters (DBClusterParameterGroup), two nouns of one shape.

A group named `default.` and a family is always there and cannot be changed. What is set in a group comes into effect on everything that
uses it: dynamic parameters at once, static ones when a node is started anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, engine_versions, families, tagging
from fogbank.services.rds.faults import ENGINES, combination, invalid
from fogbank.services.rds.groups_state import CLUSTER, DB, PARAMETER_GROUPS, Change, ParameterGroup
from fogbank.services.rds.instance_classes import InstanceClass
from fogbank.services.rds.state import CLUSTERS, INSTANCES, Cluster, Instance
from fogbank.store import change

LIMIT = 50
"""Of groups of each kind in a region."""


class Noun(NamedTuple):
    """How one kind of group is called in requests and answers."""

    kind: str
    word: str

    @property
    def name(self) -> str:
        return f"{self.word}Name"

    def missing(self, name: str) -> ServiceException:
        return ServiceException("DBParameterGroupNotFoundFault", f"{self.word} not found: {name}", status=404)


NOUNS = {DB: Noun(DB, "DBParameterGroup"), CLUSTER: Noun(CLUSTER, "DBClusterParameterGroup")}


def _arn(group: ParameterGroup) -> str:
    return addresses.arn(group.account, group.region, group.kind, group.name)


def default_name(engine: str, version: str) -> str:
    """The group of what names none."""
    found = engine_versions.find(engine, version)
    major = found.major if found is not None else version.split(".")[0]
    return f"default.{engine}{major}"


def find(ctx: Context, account: str, region: str, kind: str, name: str) -> ParameterGroup | None:
    """A group; those of families' defaults are there without a row."""
    if not name.startswith("default."):
        return PARAMETER_GROUPS.get(ctx, account, region, kind, name)
    family = name.removeprefix("default.")
    try:
        engine, _ = families.split(family)
    except ServiceException:
        return None
    if kind == CLUSTER and not _clustered(engine):
        return None
    said = f"Default {'cluster ' if kind == CLUSTER else ''}parameter group for {family}"
    return ParameterGroup(account=account, region=region, kind=kind, name=name, family=family, description=said)


def _clustered(engine: str) -> bool:
    return engine.startswith("aurora-")


def group_at(ctx: Context, kind: str, name: str) -> ParameterGroup:
    """A group of the caller's account and region, by name or ARN. Errors: DBParameterGroupNotFound."""
    account, region, found_name = addresses.located(ctx, name, kind)
    group = find(ctx, account, region, kind, found_name) if (account, region) == (ctx.account, ctx.region) else None
    if group is None:
        raise NOUNS[kind].missing(name)
    return group


def to_change(ctx: Context, kind: str, name: str) -> ParameterGroup:
    """Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState."""
    group = group_at(ctx, kind, name)
    if group.name.startswith("default."):
        raise _state(f"The default parameter group {group.name} can't be modified or deleted.")
    return group


def _state(message: str) -> ServiceException:
    return ServiceException("InvalidDBParameterGroupStateFault", message)


# What clusters and instances ask


def chosen(ctx: Context, kind: str, name: str | None, engine: str, version: str) -> str:
    """The name of the group to be used. Errors: DB(Cluster)ParameterGroupNotFound, InvalidParameterCombination."""
    default = default_name(engine, version)
    if name is None:
        return default
    try:
        group = group_at(ctx, kind, name)
    except ServiceException as problem:
        code = "DBClusterParameterGroupNotFoundFault" if kind == CLUSTER else problem.code
        raise ServiceException(code, problem.message, status=404) from None
    if group.family != default.removeprefix("default."):
        raise combination(
            f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} can't be used for this instance. Please use a"
            f" Parameter Group with DBParameterGroupFamily {default.removeprefix('default.')}"
        )
    return group.name


def raw_values(group: ParameterGroup, restarted_at_ms: int | None = None) -> dict[str, str]:
    """What is set, as a node that was started at an instant sees it; None: all of it."""
    seen: dict[str, str] = {}
    for name, changes in group.values.items():
        value = next((c.value for c in reversed(changes) if restarted_at_ms is None or c.since_ms <= restarted_at_ms), None)
        if value is not None:
            seen[name] = value
    return seen


def values(
    ctx: Context, account: str, region: str, kind: str, name: str, *, size: InstanceClass | None = None, restarted_at_ms: int | None = None
) -> dict[str, str]:
    """What a group sets, as the engine is told it; formulas are computed for an instance class."""
    group = find(ctx, account, region, kind, name)
    if group is None or not group.values:
        return {}
    seen = raw_values(group, restarted_at_ms)
    computed = {key: families.computed(text, size) for key, text in seen.items()}
    return families.engine_values(ENGINES[families.split(group.family)[0]], computed)


def waiting(ctx: Context, account: str, region: str, kind: str, name: str, restarted_at_ms: int) -> bool:
    """Whether a change is seen only when the node is started anew."""
    group = find(ctx, account, region, kind, name)
    return group is not None and any(c.since_ms > restarted_at_ms for changes in group.values.values() for c in changes)


def tls_only(ctx: Context, account: str, region: str, kind: str, name: str) -> bool:
    """Whether a group has clients without TLS refused."""
    group = find(ctx, account, region, kind, name)
    return group is not None and families.tls_only(group.family, raw_values(group))


def users(ctx: Context, group: ParameterGroup) -> list[Cluster | Instance]:
    """The clusters, or instances, that have a group."""
    rows: Iterable[Cluster | Instance] = (CLUSTERS if group.kind == CLUSTER else INSTANCES).scan(ctx, group.account, group.region)
    return [row for row in rows if row.parameter_group == group.name and not (group.kind == CLUSTER and getattr(row, "plain", False))]


# Operations


def _described(group: ParameterGroup) -> dict[str, Any]:
    noun = NOUNS[group.kind]
    return {
        noun.name: group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
        f"{noun.word}Arn": _arn(group),
    }


def _insert(ctx: Context, group: ParameterGroup, tags: Any) -> dict[str, Any]:
    """Keeps a new group. Errors: DBParameterGroupAlreadyExists, DBParameterGroupQuotaExceeded."""
    if PARAMETER_GROUPS.get(ctx, group.account, group.region, group.kind, group.name) is not None:
        raise ServiceException("DBParameterGroupAlreadyExistsFault", f"Parameter group {group.name} already exists")
    if sum(1 for _ in PARAMETER_GROUPS.scan(ctx, group.account, group.region, group.kind)) >= LIMIT:
        raise ServiceException("DBParameterGroupQuotaExceededFault", f"You can't have more than {LIMIT} parameter groups.")
    group = change(group, tags=tagging.given(ctx, tags, _arn(group)))
    PARAMETER_GROUPS.put(ctx, group)
    return {NOUNS[group.kind].word: _described(group)}


def _create(ctx: Context, req: Any, kind: str) -> Answer:
    noun = NOUNS[kind]
    engine, major = families.split(req.DBParameterGroupFamily)
    if engine_versions.find(engine, major) is None or (kind == CLUSTER and not _clustered(engine)):
        raise invalid(f"ParameterGroupFamily {req.DBParameterGroupFamily} is not a valid parameter group family")
    group = ParameterGroup(
        account=ctx.account,
        region=ctx.region,
        kind=kind,
        name=addresses.identifier(getattr(req, noun.name), noun.name, 255),
        family=req.DBParameterGroupFamily,
        description=req.Description,
    )
    return _insert(ctx, group, req.Tags)


def _copy(ctx: Context, req: Any, kind: str) -> Answer:
    word = NOUNS[kind].word
    source = group_at(ctx, kind, getattr(req, f"Source{word}Identifier"))
    if source.name.startswith("default."):
        raise invalid(f"The default parameter group {source.name} can't be copied.")
    ctx.authorize(f"rds:{ctx.operation}", _arn(source))
    now = {name: (Change(0, changes[-1].value),) for name, changes in source.values.items() if changes[-1].value is not None}
    name = addresses.identifier(getattr(req, f"Target{word}Identifier"), f"Target{word}Identifier", 255)
    group = change(source, name=name, description=getattr(req, f"Target{word}Description"), values=now, tags={})
    return _insert(ctx, group, req.Tags)


def _delete(ctx: Context, req: Any, kind: str) -> Answer:
    group = to_change(ctx, kind, getattr(req, NOUNS[kind].name))
    if users(ctx, group):
        what = "clusters" if kind == CLUSTER else "instances"
        raise _state(f"One or more database {what} are still members of this parameter group {group.name}, so the group cannot be deleted")
    PARAMETER_GROUPS.delete(ctx, group)
    return None


def _describe(ctx: Context, req: Any, kind: str) -> Answer:
    addresses.filters(req, ())
    noun = NOUNS[kind]
    named = getattr(req, noun.name)
    if named is not None:
        return {f"{noun.word}s": [_described(group_at(ctx, kind, named))]}
    defaults = {f"default.{one.family}" for one in engine_versions.every()}
    there = [group for name in defaults if (group := find(ctx, ctx.account, ctx.region, kind, name)) is not None]
    every = sorted([*there, *PARAMETER_GROUPS.scan(ctx, ctx.account, ctx.region, kind)], key=lambda group: group.name)
    found, marker = addresses.page(req, every, lambda group: group.name)
    return {f"{noun.word}s": [_described(group) for group in found], "Marker": marker}


@operation("CreateDBParameterGroup")
def create_db_parameter_group(ctx: Context, req: Any) -> Answer:
    """Makes a DB parameter group that sets nothing yet. Its name is kept in lower case; at most 50 in a region.

    Errors: DBParameterGroupAlreadyExists, DBParameterGroupQuotaExceeded, InvalidParameterValue. Source: API reference.
    """
    return _create(ctx, req, DB)


@operation("CreateDBClusterParameterGroup")
def create_db_cluster_parameter_group(ctx: Context, req: Any) -> Answer:
    """Makes a DB cluster parameter group, for all instances of clusters. As CreateDBParameterGroup.

    Errors: DBParameterGroupAlreadyExists, DBParameterGroupQuotaExceeded, InvalidParameterValue. Source: API reference.
    """
    return _create(ctx, req, CLUSTER)


@operation("CopyDBParameterGroup")
def copy_db_parameter_group(ctx: Context, req: Any) -> Answer:
    """Makes a DB parameter group that sets what another one does; a default one cannot be copied.

    Errors: DBParameterGroupNotFound, DBParameterGroupAlreadyExists, DBParameterGroupQuotaExceeded. Source: API reference.
    """
    return _copy(ctx, req, DB)


@operation("CopyDBClusterParameterGroup")
def copy_db_cluster_parameter_group(ctx: Context, req: Any) -> Answer:
    """Makes a DB cluster parameter group that sets what another one does; a default one cannot be copied.

    Errors: DBParameterGroupNotFound, DBParameterGroupAlreadyExists, DBParameterGroupQuotaExceeded. Source: API reference.
    """
    return _copy(ctx, req, CLUSTER)


@operation("DeleteDBParameterGroup")
def delete_db_parameter_group(ctx: Context, req: Any) -> Answer:
    """Deletes a DB parameter group that no instance uses.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState. Source: API reference.
    """
    return _delete(ctx, req, DB)


@operation("DeleteDBClusterParameterGroup")
def delete_db_cluster_parameter_group(ctx: Context, req: Any) -> Answer:
    """Deletes a DB cluster parameter group that no cluster uses.

    Errors: DBParameterGroupNotFound, InvalidDBParameterGroupState. Source: API reference.
    """
    return _delete(ctx, req, CLUSTER)


@operation("DescribeDBParameterGroups")
def describe_db_parameter_groups(ctx: Context, req: Any) -> Answer:
    """The DB parameter groups by name, with the default ones of the engines that there are. Errors: DBParameterGroupNotFound."""
    return _describe(ctx, req, DB)


@operation("DescribeDBClusterParameterGroups")
def describe_db_cluster_parameter_groups(ctx: Context, req: Any) -> Answer:
    """The DB cluster parameter groups by name, with the default ones of the engines that there are. Errors: DBParameterGroupNotFound."""
    return _describe(ctx, req, CLUSTER)


for _noun in NOUNS.values():
    addresses.TAGGED[_noun.kind] = addresses.Tagged(
        lambda ctx, account, region, name, kind=_noun.kind: find(ctx, account, region, kind, name),  # type: ignore[misc]
        PARAMETER_GROUPS,
        _noun.missing,
    )
