"""Where subscriptions lead: those of a group, and that of an account (a SUBSCRIPTION_FILTER_POLICY)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.state import ACCOUNT_POLICIES, Group

POLICY = "SUBSCRIPTION_FILTER_POLICY"
OF_GROUP, OF_ACCOUNT = "GROUP", "ACCOUNT_LEVEL_POLICY"
_criteria = re.compile(r"\s*LogGroupName\s+NOT\s+IN\s+(\[.*\])\s*", re.DOTALL).fullmatch
_MEMBERS = {"DestinationArn", "RoleArn", "FilterPattern", "Distribution"}


class Way(NamedTuple):
    """Where a subscription leads, as whom, and how its records are spread over a stream."""

    destination_arn: str
    role_arn: str
    distribution: str


def kind_of(arn: str) -> str | None:
    """The service that an ARN leads to: "lambda", "kinesis", "firehose", or "logs" for a destination."""
    parts = Arn.parse(arn)
    if parts is None:
        return None
    start = {"lambda": "function:", "kinesis": "stream/", "firehose": "deliverystream/", "logs": "destination:"}.get(parts.service)
    return parts.service if start is not None and parts.resource.startswith(start) else None


class Subscription(NamedTuple):
    """An account's subscription filter."""

    name: str
    pattern: str
    way: Way
    exempt: frozenset[str]


def subscription_of(ctx: Context, group: Group) -> Subscription | None:
    """The account's subscription, where it is about a group."""
    policy = ACCOUNT_POLICIES.get(ctx, group.account, group.region, POLICY)
    if policy is None:
        return None
    found = read(policy.name, policy.document, policy.criteria)
    return found if group.name not in found.exempt else None


@lru_cache(256)
def read(name: str, document: str, criteria: str) -> Subscription:
    """Errors: InvalidParameterException."""
    try:
        members: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        members = None
    if not isinstance(members, dict) or members.keys() - _MEMBERS or not all(isinstance(value, str) for value in members.values()):
        raise invalid("The policy document must have DestinationArn and FilterPattern, and may have RoleArn and Distribution.")
    if not members.get("DestinationArn") or "FilterPattern" not in members:
        raise invalid("The policy document must have DestinationArn and FilterPattern.")
    exempt: list[str] = []
    if criteria:
        found = _criteria(criteria)
        try:
            exempt = msgspec.json.decode(found[1] if found else "", type=list[str])
        except msgspec.DecodeError:
            raise invalid("The selection criteria of a subscription filter policy are LogGroupName NOT IN [...].") from None
    way = Way(members["DestinationArn"], members.get("RoleArn", ""), members.get("Distribution") or "Random")
    return Subscription(name, members["FilterPattern"], way, frozenset(exempt))
