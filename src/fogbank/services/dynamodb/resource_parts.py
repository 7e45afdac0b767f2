"""What tables and global tables share as resources of CloudFormation: how they are spelt, and changed step by step."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import MORE, Part, Properties, document, every, found, given, pairs, parsed, tags, unpaired

ABSENT = ("ResourceNotFoundException", "TableNotFoundException")
PRESENT = ("ResourceInUseException", "TableAlreadyExistsException")
ON_DEMAND = "PAY_PER_REQUEST"
UNMET = (
    "GlobalSecondaryIndexes/*/ContributorInsightsSpecification",
    "GlobalSecondaryIndexes/*/WarmThroughput",
    "StreamSpecification/ResourcePolicy",
    "StreamSpecification/Tags",
)
READY = ("ACTIVE", "ENABLED", "DISABLED", None)


def call(ctx: Context, operation: str, table: str, region: str | None = None, **members: Any) -> Any:
    return ctx.call("dynamodb", operation, {"TableName": table, **given(**members)}, region=region) or {}


def table_at(ctx: Context, name: str, region: str | None = None) -> Any:
    return call(ctx, "DescribeTable", name, region)["Table"]


def settled(ctx: Context, name: str) -> bool:
    """The table, its indexes, its encryption and its replicas are what they are."""
    table = table_at(ctx, name)
    parts = [*(table.get("GlobalSecondaryIndexes") or ()), *(table.get("Replicas") or ())]
    statuses = [part.get("IndexStatus") or part.get("ReplicaStatus") for part in parts]
    return all(status in READY for status in (table["TableStatus"], (table.get("SSEDescription") or {}).get("Status"), *statuses))


def gone(ctx: Context, name: str) -> bool:
    return found(lambda: table_at(ctx, name), *ABSENT) is None


def table_names(ctx: Context) -> Any:
    return every(ctx, "dynamodb", "ListTables", {}, "TableNames", "ExclusiveStartTableName=LastEvaluatedTableName")


# Spellings


def encryption_of(properties: Properties) -> Any:
    wanted = dict(properties.get("SSESpecification") or {"SSEEnabled": False})
    return {"Enabled": wanted.pop("SSEEnabled"), **wanted}


def stream_of(properties: Properties) -> Any:
    wanted = properties.get("StreamSpecification")
    return {"StreamEnabled": False} if wanted is None else {"StreamEnabled": True, **wanted}


def policy_of(holder: Properties) -> str | None:
    return document(holder["ResourcePolicy"]["PolicyDocument"]) if "ResourcePolicy" in holder else None


def _index_back(index: Any, mode: str) -> Properties:
    units = index.get("ProvisionedThroughput") or {}
    capacity = {name: units.get(name) for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
    projection = given(**index["Projection"])
    out = {"IndexName": index["IndexName"], "KeySchema": index["KeySchema"], "Projection": projection}
    if "IndexStatus" in index and mode != ON_DEMAND:
        out["ProvisionedThroughput"] = capacity
    if index.get("OnDemandThroughput"):
        out["OnDemandThroughput"] = index["OnDemandThroughput"]
    return out


def described(ctx: Context, name: str) -> tuple[Any, Properties]:
    """A table, and what both types read of it alike."""
    table = table_at(ctx, name)
    if table["TableStatus"] == "DELETING":
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    encryption, stream = table.get("SSEDescription"), table.get("StreamSpecification")
    back = {
        kind: [_index_back(index, mode) for index in table.get(kind) or ()] or None
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    }
    return table, {
        **back,
        "Arn": table["TableArn"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "BillingMode": mode,
        "KeySchema": table["KeySchema"],
        "SSESpecification": encryption and {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": encryption["KMSMasterKeyArn"]},
        "StreamArn": table.get("LatestStreamArn") if stream else None,
        "StreamSpecification": stream and {"StreamViewType": stream["StreamViewType"]},
        "TableName": name,
    }


# Steps


def put_encryption(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateTable", name, SSESpecification=encryption_of(after))


def put_stream(ctx: Context, name: str, before: Properties, after: Properties) -> object:
    """A stream of another view is another stream: the old one has to end first."""
    now = table_at(ctx, name).get("StreamSpecification")
    wanted = after.get("StreamSpecification")
    if now and wanted and now["StreamViewType"] != wanted["StreamViewType"]:
        call(ctx, "UpdateTable", name, StreamSpecification={"StreamEnabled": False})
        return MORE
    if bool(now) != bool(wanted):
        call(ctx, "UpdateTable", name, StreamSpecification=stream_of(after))
    return None


def _index_changes(before: Properties, after: Properties) -> list[Any]:
    """What UpdateTable is told of global indexes. One whose key or projection changes is another one."""
    old, new = ({i["IndexName"]: i for i in state.get("GlobalSecondaryIndexes") or ()} for state in (before, after))
    fixed = ("KeySchema", "Projection")
    changes: list[Any] = []
    for name, index in new.items():
        if name not in old:
            changes.append({"Create": index})
        elif any(old[name].get(key) != index.get(key) for key in fixed):
            raise ServiceException("NotUpdatable", f"Cannot update GSI's properties other than Provisioned Throughput: {name}")
    changes += [{"Delete": {"IndexName": name}} for name in old if name not in new]
    if len(changes) > 1:
        raise ServiceException("InvalidRequest", "Cannot perform more than one GSI creation or deletion in a single update")
    return changes


def put_indexes(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    changes = _index_changes(before, after)
    definitions = after.get("AttributeDefinitions")
    if changes or definitions != before.get("AttributeDefinitions"):
        call(ctx, "UpdateTable", name, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=changes or None)


def _put_ttl(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    """Switched on, or off for the attribute that it was on for; DynamoDB wants an hour between."""
    old, new = before.get("TimeToLiveSpecification") or {}, after.get("TimeToLiveSpecification") or {}
    if new.get("Enabled") or old.get("Enabled"):
        attribute = (new if new.get("Enabled") else old).get("AttributeName")
        specification = given(Enabled=bool(new.get("Enabled")), AttributeName=attribute)
        call(ctx, "UpdateTimeToLive", name, TimeToLiveSpecification=specification)


def _get_ttl(ctx: Context, name: str) -> Properties:
    kept = call(ctx, "DescribeTimeToLive", name)["TimeToLiveDescription"]
    on = kept["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    return {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": kept["AttributeName"]} if on else None}


TTL = Part(("TimeToLiveSpecification",), _put_ttl, _get_ttl)


def put_recovery(ctx: Context, name: str, before: Properties, after: Properties, region: str | None = None) -> None:
    wanted = after.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    call(ctx, "UpdateContinuousBackups", name, region, PointInTimeRecoverySpecification=wanted)


def get_recovery(ctx: Context, name: str, region: str | None = None) -> Properties:
    kept = call(ctx, "DescribeContinuousBackups", name, region)["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription") or {}
    on = kept.get("PointInTimeRecoveryStatus") == "ENABLED"
    days = kept.get("RecoveryPeriodInDays")
    return {"PointInTimeRecoverySpecification": given(PointInTimeRecoveryEnabled=True, RecoveryPeriodInDays=days) if on else None}


def put_policy(ctx: Context, name: str, before: Properties, after: Properties, region: str | None = None) -> None:
    arn = _arn(ctx, name, region)
    text = policy_of(after)
    if text is None:
        ctx.call("dynamodb", "DeleteResourcePolicy", {"ResourceArn": arn}, region=region)
    else:
        ctx.call("dynamodb", "PutResourcePolicy", {"ResourceArn": arn, "Policy": text}, region=region)


def get_policy(ctx: Context, name: str, region: str | None = None) -> Properties:
    look = {"ResourceArn": _arn(ctx, name, region)}
    kept = found(lambda: ctx.call("dynamodb", "GetResourcePolicy", look, region=region), "PolicyNotFoundException")
    return {"ResourcePolicy": kept and {"PolicyDocument": parsed(kept["Policy"])}}


def _arn(ctx: Context, name: str, region: str | None = None) -> str:
    return ctx.arn(f"table/{name}", service="dynamodb", region=region)


def tags_in(region: str | None = None) -> Part:
    """The tags of the table in a region."""

    def call(ctx: Context, operation: str, name: str, **members: Any) -> Any:
        return ctx.call("dynamodb", operation, {"ResourceArn": _arn(ctx, name, region), **members}, region=region)

    return tags(
        read=lambda ctx, name: pairs(call(ctx, "ListTagsOfResource", name).get("Tags")),
        add=lambda ctx, name, added: call(ctx, "TagResource", name, Tags=unpaired(added)),
        remove=lambda ctx, name, keys: call(ctx, "UntagResource", name, TagKeys=keys),
    )
