"""How groups and streams are named: by name, by ARN with or without `:*`; and finding them. What the door asks about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.services.logs.faults import invalid, no_group, no_stream
from fogbank.services.logs.state import DESTINATIONS, GROUPS, QUERIES, STREAMS, Destination, Group, Stream

_group_name = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}").fullmatch
_PLAIN = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})
"""Operations for which policies name a group without what may follow it."""


@lru_cache(4096)
def group_arn(account: str, region: str, name: str) -> str:
    """Without the `:*` that stands for all of its streams."""
    return f"arn:{partition_of(region)}:logs:{region}:{account}:log-group:{name}"


def arn_of(group: Group) -> str:
    return group_arn(group.account, group.region, group.name)


def stream_arn(group: Group, stream: str) -> str:
    return f"{arn_of(group)}:log-stream:{stream}"


def destination_arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:logs:{region}:{account}:destination:{name}"


@lru_cache(4096)
def named(identifier: str) -> tuple[str, str, str] | None:
    """(account, region, name) of a group's ARN, or ("", "", name); None for what is neither."""
    if not identifier.startswith("arn:"):
        return ("", "", identifier) if _group_name(identifier) else None
    arn = Arn.parse(identifier)
    if arn is None or arn.service != "logs" or not arn.resource.startswith("log-group:"):
        return None
    name = arn.resource[10:].partition(":")[0]
    return (arn.account, arn.region, name) if _group_name(name) else None


def group_at(ctx: Context, name: str) -> Group:
    """Errors: ResourceNotFoundException."""
    group = GROUPS.get(ctx, ctx.account, ctx.region, name)
    if group is None:
        raise no_group()
    return group


def group_by(ctx: Context, identifier: str) -> Group:
    """The group of a name or an ARN. Errors: InvalidParameterException, ResourceNotFoundException (also for another account's)."""
    found = named(identifier)
    if found is None:
        raise invalid(f"Invalid log group identifier: {identifier}")
    account, region, name = found
    if (account and account != ctx.account) or (region and region != ctx.region):
        raise no_group()
    return group_at(ctx, name)


def group_of(ctx: Context, req: Any) -> Group:
    """For requests with either logGroupName or logGroupIdentifier."""
    name, identifier = req.logGroupName, req.logGroupIdentifier
    if (name is None) == (identifier is None):
        raise invalid(
            "You must specify either logGroupName or logGroupIdentifier."
            if name is None
            else "You can't specify both logGroupName and logGroupIdentifier."
        )
    return group_at(ctx, name) if identifier is None else group_by(ctx, identifier)


def stream_at(ctx: Context, group: Group, name: str) -> Stream:
    """Errors: ResourceNotFoundException."""
    stream = STREAMS.get(ctx, group.id, name)
    if stream is None:
        raise no_stream()
    return stream


# for the door


def _group_named_in(ctx: Context, req: Any) -> tuple[str, str, str] | None:
    """The group that a request is about first of all."""
    if (name := getattr(req, "logGroupName", None)) is not None:
        return (ctx.account, ctx.region, name)
    if (query_id := getattr(req, "queryId", None)) is not None:
        query = QUERIES.get(ctx, ctx.account, ctx.region, query_id)
        return named(query.groups[0]) if query is not None and query.groups else None
    identifier = getattr(req, "logGroupIdentifier", None) or getattr(req, "resourceArn", None) or getattr(req, "resourceIdentifier", None)
    found = named(identifier) if identifier is not None else None
    return (found[0] or ctx.account, found[1] or ctx.region, found[2]) if found is not None else None


def group_of_request(ctx: Context, req: Any) -> str | None:
    """As AWS does: a group is asked about together with what follows it, so that `log-group:name:*` allows it; tags by the bare ARN."""
    found = _group_named_in(ctx, req)
    if found is None:
        return None
    arn = group_arn(*found)
    return arn if ctx.operation in _PLAIN else f"{arn}:log-stream:"


def stream_of_request(ctx: Context, req: Any) -> str | None:
    found = _group_named_in(ctx, req)
    return f"{group_arn(*found)}:log-stream:{req.logStreamName}" if found is not None else None


def destination_of_request(ctx: Context, req: Any) -> str | None:
    if (name := getattr(req, "destinationName", None)) is not None:
        return destination_arn(ctx.account, ctx.region, name)
    arn: str | None = getattr(req, "destinationArn", None) or getattr(req, "resourceArn", None)
    parts = Arn.parse(arn) if arn is not None else None
    return arn if parts is not None and parts.service == "logs" and parts.resource.startswith("destination:") else None


def group_by_arn(ctx: Context, arn: str) -> Group | None:
    found = named(arn)
    return GROUPS.get(ctx, found[0], found[1], found[2]) if found is not None else None


def tags_of_group(ctx: Context, arn: str) -> Mapping[str, str] | None:
    group = group_by_arn(ctx, arn)
    return group.tags if group is not None else None


def _destination_by_arn(ctx: Context, arn: str) -> Destination | None:
    parts = Arn.parse(arn)
    return DESTINATIONS.get(ctx, parts.account, parts.region, parts.resource.removeprefix("destination:")) if parts is not None else None


def tags_of_destination(ctx: Context, arn: str) -> Mapping[str, str] | None:
    found = _destination_by_arn(ctx, arn)
    return found.tags if found is not None else None


def policy_of_destination(ctx: Context, arn: str) -> str | None:
    found = _destination_by_arn(ctx, arn)
    return found.policy or None if found is not None else None
