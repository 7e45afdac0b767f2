"""What a bucket has, as CloudFormation spells it and as S3's operations do: a pair of functions for each property (there, back)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fogbank.kernel.resource_types import Names, given

Members = dict[str, Any]


class Spelling(NamedTuple):
    """How a property becomes an operation's member, and a member the property again."""

    there: Callable[[Any], Any]
    back: Callable[[Any], Any]


def renamed(spellings: str = "") -> Spelling:
    names = Names(spellings)
    return Spelling(names.there, names.back)


def canned(name: str) -> str:
    """A canned ACL: BucketOwnerFullControl -> bucket-owner-full-control."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


# Filters: flat in CloudFormation, a choice or a conjunction in S3


def _filter(prefix: str | None, tags: list[Members] | None, **more: Any) -> Members | None:
    conditions = given(Prefix=prefix, **more)
    tags = tags or []
    if len(conditions) + len(tags) > 1:
        return {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    return {"Tag": tags[0]} if tags else conditions or None


def _unfiltered(filter: Members | None) -> Members:
    filter = filter or {}
    conditions = given(**(filter.get("And") or filter))
    tags = conditions.pop("Tags", None) or ([conditions.pop("Tag")] if conditions.get("Tag") else None)
    return given(**conditions, TagFilters=tags)


# Lifecycle

_LATER = Names("TransitionInDays=NoncurrentDays")


def _instant(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def _date(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _transition(one: Members) -> Members:
    at_ms = _instant(one.get("TransitionDate"))
    return given(Days=one.get("TransitionInDays"), Date=at_ms, StorageClass=one["StorageClass"].upper())


def _rule(rule: Members) -> Members:
    """A lifecycle rule for S3. Some properties have an older form, for one where there can be several."""
    transitions = [*rule.get("Transitions", ()), *([rule["Transition"]] if "Transition" in rule else ())]
    single = [rule["NoncurrentVersionTransition"]] if "NoncurrentVersionTransition" in rule else []
    later = [{**one, "StorageClass": one["StorageClass"].upper()} for one in [*rule.get("NoncurrentVersionTransitions", ()), *single]]
    days = rule.get("NoncurrentVersionExpirationInDays")
    sizes = {name: int(rule[name]) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in rule}
    expiration = given(
        Days=rule.get("ExpirationInDays"),
        Date=_instant(rule.get("ExpirationDate")),
        ExpiredObjectDeleteMarker=rule.get("ExpiredObjectDeleteMarker"),
    )
    return given(
        ID=rule.get("Id"),
        Status=rule["Status"],
        Filter=_filter(rule.get("Prefix"), rule.get("TagFilters"), **sizes) or {"Prefix": ""},
        Expiration=expiration or None,
        Transitions=[_transition(one) for one in transitions] or None,
        NoncurrentVersionTransitions=_LATER.there(later) or None,
        NoncurrentVersionExpiration={"NoncurrentDays": days} if days else rule.get("NoncurrentVersionExpiration"),
        AbortIncompleteMultipartUpload=rule.get("AbortIncompleteMultipartUpload"),
    )


def _rule_back(rule: Members) -> Members:
    matched = _unfiltered(rule.get("Filter"))
    for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if name in matched:
            matched[name] = str(matched[name])
    expiration = rule.get("Expiration") or {}
    transitions = [
        given(TransitionInDays=one.get("Days"), TransitionDate=_date(one.get("Date")), StorageClass=one["StorageClass"])
        for one in rule.get("Transitions") or ()
    ]
    return given(
        **({} if matched.get("Prefix") == "" else matched),
        Id=rule.get("ID"),
        Status=rule["Status"],
        ExpirationInDays=expiration.get("Days"),
        ExpirationDate=_date(expiration.get("Date")),
        ExpiredObjectDeleteMarker=expiration.get("ExpiredObjectDeleteMarker"),
        Transitions=transitions or None,
        NoncurrentVersionTransitions=_LATER.back(rule.get("NoncurrentVersionTransitions")),
        NoncurrentVersionExpiration=rule.get("NoncurrentVersionExpiration"),
        AbortIncompleteMultipartUpload=rule.get("AbortIncompleteMultipartUpload"),
    )


LIFECYCLE = Spelling(
    lambda value: {"Rules": [_rule(rule) for rule in value["Rules"]]},
    lambda kept: {"Rules": [_rule_back(rule) for rule in kept["Rules"]]},
)


# Notifications: one event each in CloudFormation, several in S3

_TARGETS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function=LambdaFunctionArn"),
    "QueueConfigurations": ("QueueConfigurations", "Queue=QueueArn"),
    "TopicConfigurations": ("TopicConfigurations", "Topic=TopicArn"),
}
_FILTER = "S3Key=Key Rules=FilterRules"


def _notifications(value: Members) -> Members:
    out: Members = {}
    for name, (member, target) in _TARGETS.items():
        names = Names(f"{target} {_FILTER}")
        if name in value:
            out[member] = [{**names.there({k: v for k, v in one.items() if k != "Event"}), "Events": [one["Event"]]} for one in value[name]]
    if (value.get("EventBridgeConfiguration") or {}).get("EventBridgeEnabled"):
        out["EventBridgeConfiguration"] = {}
    return out


def _notifications_back(kept: Members) -> Members | None:
    out: Members = {}
    for name, (member, target) in _TARGETS.items():
        names = Names(f"{target} {_FILTER}")
        for one in kept.get(member) or ():
            same = names.back({k: v for k, v in one.items() if k not in ("Events", "Id")})
            out.setdefault(name, []).extend({**same, "Event": event} for event in one["Events"])
    if kept.get("EventBridgeConfiguration") is not None:
        out["EventBridgeConfiguration"] = {"EventBridgeEnabled": True}
    return out or None


NOTIFICATIONS = Spelling(_notifications, _notifications_back)


# Website and logging: structures of one member where CloudFormation has the value

_ROUTING = Names("RedirectRule=Redirect RoutingRuleCondition=Condition")


def _website(value: Members) -> Members:
    error, index = value.get("ErrorDocument"), value.get("IndexDocument")
    return given(
        ErrorDocument={"Key": error} if error else None,
        IndexDocument={"Suffix": index} if index else None,
        RedirectAllRequestsTo=value.get("RedirectAllRequestsTo"),
        RoutingRules=_ROUTING.there(value.get("RoutingRules")),
    )


def _website_back(kept: Members) -> Members:
    return given(
        ErrorDocument=(kept.get("ErrorDocument") or {}).get("Key"),
        IndexDocument=(kept.get("IndexDocument") or {}).get("Suffix"),
        RedirectAllRequestsTo=kept.get("RedirectAllRequestsTo"),
        RoutingRules=_ROUTING.back(kept.get("RoutingRules")),
    )


WEBSITE = Spelling(_website, _website_back)
LOGGING = renamed("DestinationBucketName=TargetBucket LogFilePrefix=TargetPrefix")
ENCRYPTION = renamed("ServerSideEncryptionConfiguration=Rules ServerSideEncryptionByDefault=ApplyServerSideEncryptionByDefault")
CORS = renamed("CorsRules=CORSRules ExposedHeaders=ExposeHeaders Id=ID MaxAge=MaxAgeSeconds")
REPLICATION = renamed("Id=ID TagFilter=Tag TagFilters=Tags")
ACCELERATION = renamed("AccelerationStatus=Status")
SAME = renamed()


# Configurations, of which a bucket has several of a kind, each with an Id

_DESTINATION = Names("BucketArn=Bucket BucketAccountId=AccountId")


def _inventory(one: Members) -> Members:
    return given(
        Id=one["Id"],
        IsEnabled=one["Enabled"],
        Destination={"S3BucketDestination": _DESTINATION.there(one["Destination"])},
        Filter=_filter(one.get("Prefix"), None),
        IncludedObjectVersions=one["IncludedObjectVersions"],
        OptionalFields=one.get("OptionalFields"),
        Schedule={"Frequency": one["ScheduleFrequency"]},
    )


def _inventory_back(kept: Members) -> Members:
    return given(
        Id=kept["Id"],
        Enabled=kept["IsEnabled"],
        Destination=_DESTINATION.back(kept["Destination"]["S3BucketDestination"]),
        Prefix=(kept.get("Filter") or {}).get("Prefix"),
        IncludedObjectVersions=kept["IncludedObjectVersions"],
        OptionalFields=kept.get("OptionalFields"),
        ScheduleFrequency=kept["Schedule"]["Frequency"],
    )


def _tiering(one: Members) -> Members:
    filter = _filter(one.get("Prefix"), one.get("TagFilters"))
    return given(Id=one["Id"], Status=one["Status"], Tierings=one["Tierings"], Filter=filter)


def _tiering_back(kept: Members) -> Members:
    return given(Id=kept["Id"], Status=kept["Status"], Tierings=kept["Tierings"], **_unfiltered(kept.get("Filter")))


INVENTORY = Spelling(_inventory, _inventory_back)
TIERING = Spelling(_tiering, _tiering_back)
