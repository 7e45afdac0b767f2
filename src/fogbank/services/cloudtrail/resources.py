"""Trails and event data stores as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, absent, document, every, pairs, parsed, tags, unpaired
from fogbank.services.cloudtrail.selectors import DEFAULT
from fogbank.wire import instants

_TEXTS = ("S3KeyPrefix", "SnsTopicName", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KMSKeyId")
_SWITCHES = {"EnableLogFileValidation": False, "IncludeGlobalServiceEvents": True, "IsMultiRegionTrail": False}
_TOLD = {"KMSKeyId": "KmsKeyId", "EnableLogFileValidation": "LogFileValidationEnabled"}
"""A trail's property -> what GetTrail calls it."""
_SELECTORS = ("EventSelectors", "AdvancedEventSelectors")
_STORE = (
    "AdvancedEventSelectors",
    "BillingMode",
    "KmsKeyId",
    "MultiRegionEnabled",
    "Name",
    "RetentionPeriod",
    "TerminationProtectionEnabled",
)


def _ask(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("cloudtrail", operation, members)


def _tags(ctx: Context, arn: str) -> dict[str, str]:
    return pairs(_ask(ctx, "ListTags", ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"])


def _spelt(properties: Properties) -> Properties:
    return {"KmsKeyId" if name == "KMSKeyId" else name: value for name, value in properties.items()}


def _create_trail(ctx: Context, properties: Properties) -> str:
    members = {name: properties[name] for name in ("S3BucketName", *_TEXTS, *_SWITCHES) if properties.get(name) is not None}
    name: str = properties["TrailName"]
    _ask(ctx, "CreateTrail", Name=name, **_spelt(members))
    return name


def _update_trail(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    members = {text: after.get(text) or "" for text in _TEXTS}
    members |= {switch: after.get(switch, usual) for switch, usual in _SWITCHES.items()}
    _ask(ctx, "UpdateTrail", Name=name, S3BucketName=after["S3BucketName"], **_spelt(members))


def _select(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    given = {member: after[member] for member in _SELECTORS if after.get(member)}
    _ask(ctx, "PutEventSelectors", TrailName=name, **(given or {"EventSelectors": list(DEFAULT)}))


def _log(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _ask(ctx, "StartLogging" if after["IsLogging"] else "StopLogging", Name=name)


def _read_trail(ctx: Context, name: str) -> Properties:
    held = _ask(ctx, "GetTrail", Name=name)["Trail"]
    selectors = _ask(ctx, "GetEventSelectors", TrailName=name) if held["HasCustomEventSelectors"] else {}
    shown = {member: held[_TOLD.get(member, member)] for member in ("S3BucketName", *_TEXTS, *_SWITCHES)}
    return {
        **shown,
        "TrailName": held["Name"],
        "Arn": held["TrailARN"],
        "SnsTopicArn": held["SnsTopicARN"],
        "IsLogging": _ask(ctx, "GetTrailStatus", Name=name)["IsLogging"],
        **{member: selectors.get(member) for member in _SELECTORS},
    }


def _arn(ctx: Context, name: str) -> str:
    return ctx.arn(f"trail/{name}", service="cloudtrail")


TRAIL = ResourceType(
    "AWS::CloudTrail::Trail",
    create=_create_trail,
    made_with=("TrailName", "S3BucketName", *_TEXTS, *_SWITCHES),
    read=_read_trail,
    delete=lambda ctx, name, properties: _ask(ctx, "DeleteTrail", Name=name),
    list=lambda ctx: [one["Name"] for one in _ask(ctx, "ListTrails")["Trails"] if one["HomeRegion"] == ctx.region],
    parts=(
        Part(("S3BucketName", *_TEXTS, *_SWITCHES), _update_trail),
        Part(_SELECTORS, _select),
        Part(("IsLogging",), _log),
        tags(
            read=lambda ctx, name: _tags(ctx, _arn(ctx, name)),
            add=lambda ctx, name, added: _ask(ctx, "AddTags", ResourceId=_arn(ctx, name), TagsList=unpaired(added)),
            remove=lambda ctx, name, keys: _ask(ctx, "RemoveTags", ResourceId=_arn(ctx, name), TagsList=[{"Key": key} for key in keys]),
        ),
    ),
    naming=Naming("TrailName", 128),
    absent=("TrailNotFoundException",),
    present=("TrailAlreadyExistsException",),
)


def _create_store(ctx: Context, properties: Properties) -> str:
    members = {name: properties[name] for name in _STORE if properties.get(name) is not None}
    members.setdefault("Name", f"eventdatastore-{ctx.random.hex(12)}")
    ingestion = properties.get("IngestionEnabled")
    arn: str = _ask(ctx, "CreateEventDataStore", **members, **({} if ingestion is None else {"StartIngestion": ingestion}))[
        "EventDataStoreArn"
    ]
    return arn


def _update_store(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    changed = {name: after[name] for name in _STORE if name in after and after[name] != before.get(name)}
    _ask(ctx, "UpdateEventDataStore", EventDataStore=arn, **changed)


def _ingest(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    now = _ask(ctx, "GetEventDataStore", EventDataStore=arn)["Status"] == "ENABLED"
    wanted = after.get("IngestionEnabled", True)
    if wanted != now:
        _ask(ctx, "StartEventDataStoreIngestion" if wanted else "StopEventDataStoreIngestion", EventDataStore=arn)


def _read_store(ctx: Context, arn: str) -> Properties:
    held = _ask(ctx, "GetEventDataStore", EventDataStore=arn)
    if held["Status"] == "PENDING_DELETION":
        raise absent("AWS::CloudTrail::EventDataStore", arn)
    return {
        **{name: held[name] for name in (*_STORE, "EventDataStoreArn", "Status")},
        "IngestionEnabled": held["Status"] == "ENABLED",
        **{name: instants.iso8601(held[name]) for name in ("CreatedTimestamp", "UpdatedTimestamp")},
    }


def _stores(ctx: Context) -> list[str]:
    stores = every(ctx, "cloudtrail", "ListEventDataStores", {}, "EventDataStores")
    return [store["EventDataStoreArn"] for store in stores if store["Status"] != "PENDING_DELETION"]


STORE = ResourceType(
    "AWS::CloudTrail::EventDataStore",
    create=_create_store,
    made_with=(*_STORE, "IngestionEnabled"),
    read=_read_store,
    delete=lambda ctx, arn, properties: (_read_store(ctx, arn), _ask(ctx, "DeleteEventDataStore", EventDataStore=arn)),
    list=_stores,
    parts=(
        Part(_STORE, _update_store),
        Part(("IngestionEnabled",), _ingest),
        tags(
            read=_tags,
            add=lambda ctx, arn, added: _ask(ctx, "AddTags", ResourceId=arn, TagsList=unpaired(added)),
            remove=lambda ctx, arn, keys: _ask(ctx, "RemoveTags", ResourceId=arn, TagsList=[{"Key": key} for key in keys]),
        ),
    ),
    absent=("EventDataStoreNotFoundException", "Absent"),
    present=("EventDataStoreAlreadyExistsException",),
)


def _create_policy(ctx: Context, properties: Properties) -> str:
    arn: str = properties["ResourceArn"]
    _ask(ctx, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=document(properties["ResourcePolicy"]))
    return arn


POLICY = ResourceType(
    "AWS::CloudTrail::ResourcePolicy",
    create=_create_policy,
    made_with=("ResourceArn", "ResourcePolicy"),
    read=lambda ctx, arn: {
        "ResourceArn": arn,
        "ResourcePolicy": parsed(_ask(ctx, "GetResourcePolicy", ResourceArn=arn)["ResourcePolicy"]),
    },
    delete=lambda ctx, arn, properties: _ask(ctx, "DeleteResourcePolicy", ResourceArn=arn),
    parts=(Part(("ResourcePolicy",), lambda ctx, arn, before, after: _create_policy(ctx, {**after, "ResourceArn": arn})),),
    absent=("ResourcePolicyNotFoundException", "ResourceNotFoundException"),
)

TYPES = (TRAIL, STORE, POLICY)
