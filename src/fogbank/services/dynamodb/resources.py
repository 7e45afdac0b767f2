"""Tables and global tables as CloudFormation has them.

A table is changed step by step, since it has to be ACTIVE before each. Not here, as DynamoDB has them not either, and so refused by
name: contributor insights, Kinesis streams, vector indexes, warm throughput; nor tables made by an import; nor auto scaling, which
a provisioned global table cannot be without.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.resource_types import (
    MORE,
    Naming,
    Part,
    Properties,
    ResourceType,
    document,
    every,
    found,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
    unpaired,
)

TABLE, GLOBAL_TABLE = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"
ABSENT = ("ResourceNotFoundException", "TableNotFoundException")
PRESENT = ("ResourceInUseException", "TableAlreadyExistsException")
ON_DEMAND = "PAY_PER_REQUEST"
READY = ("ACTIVE", "ENABLED", "DISABLED", None)


def _call(ctx: Context, operation: str, table: str, region: str | None = None, **members: Any) -> Any:
    return ctx.call("dynamodb", operation, {"TableName": table, **given(**members)}, region=region) or {}


def _table(ctx: Context, name: str, region: str | None = None) -> Any:
    return _call(ctx, "DescribeTable", name, region)["Table"]


def _settled(ctx: Context, name: str) -> bool:
    """The table, its indexes, its encryption and its replicas are what they are."""
    table = _table(ctx, name)
    parts = [*(table.get("GlobalSecondaryIndexes") or ()), *(table.get("Replicas") or ())]
    statuses = [part.get("IndexStatus") or part.get("ReplicaStatus") for part in parts]
    return all(status in READY for status in (table["TableStatus"], (table.get("SSEDescription") or {}).get("Status"), *statuses))


def _gone(ctx: Context, name: str) -> bool:
    return found(lambda: _table(ctx, name), *ABSENT) is None


def _names(ctx: Context) -> Any:
    return every(ctx, "dynamodb", "ListTables", {}, "TableNames", "ExclusiveStartTableName=LastEvaluatedTableName")


# Spellings


def _encryption(properties: Properties) -> Any:
    wanted = dict(properties.get("SSESpecification") or {"SSEEnabled": False})
    return {"Enabled": wanted.pop("SSEEnabled"), **wanted}


def _stream(properties: Properties) -> Any:
    wanted = properties.get("StreamSpecification")
    return {"StreamEnabled": False} if wanted is None else {"StreamEnabled": True, **wanted}


def _policy(holder: Properties) -> str | None:
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


def _described(ctx: Context, name: str) -> Properties:
    """What both types read alike."""
    table = _table(ctx, name)
    if table["TableStatus"] == "DELETING":
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    encryption, stream = table.get("SSEDescription"), table.get("StreamSpecification")
    back = {
        kind: [_index_back(index, mode) for index in table.get(kind) or ()] or None
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    }
    return {
        **back,
        "Arn": table["TableArn"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "BillingMode": mode,
        "KeySchema": table["KeySchema"],
        "SSESpecification": encryption and {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": encryption["KMSMasterKeyArn"]},
        "StreamArn": table.get("LatestStreamArn") if stream else None,
        "StreamSpecification": stream and {"StreamViewType": stream["StreamViewType"]},
        "TableName": name,
        "described": table,
    }


# Steps


def _put_encryption(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateTable", name, SSESpecification=_encryption(after))


def _put_stream(ctx: Context, name: str, before: Properties, after: Properties) -> object:
    """A stream of another view is another stream: the old one has to end first."""
    now = _table(ctx, name).get("StreamSpecification")
    wanted = after.get("StreamSpecification")
    if now and wanted and now["StreamViewType"] != wanted["StreamViewType"]:
        _call(ctx, "UpdateTable", name, StreamSpecification={"StreamEnabled": False})
        return MORE
    if bool(now) != bool(wanted):
        _call(ctx, "UpdateTable", name, StreamSpecification=_stream(after))
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


def _put_indexes(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    changes = _index_changes(before, after)
    if changes:
        _call(ctx, "UpdateTable", name, AttributeDefinitions=after["AttributeDefinitions"], GlobalSecondaryIndexUpdates=changes)


def _put_ttl(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    """Switched on, or off for the attribute that it was on for; DynamoDB wants an hour between."""
    old, new = before.get("TimeToLiveSpecification") or {}, after.get("TimeToLiveSpecification") or {}
    if new.get("Enabled") or old.get("Enabled"):
        attribute = (new if new.get("Enabled") else old).get("AttributeName")
        specification = given(Enabled=bool(new.get("Enabled")), AttributeName=attribute)
        _call(ctx, "UpdateTimeToLive", name, TimeToLiveSpecification=specification)


def _get_ttl(ctx: Context, name: str) -> Properties:
    kept = _call(ctx, "DescribeTimeToLive", name)["TimeToLiveDescription"]
    on = kept["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    return {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": kept["AttributeName"]} if on else None}


TTL = Part(("TimeToLiveSpecification",), _put_ttl, _get_ttl)


def _put_recovery(ctx: Context, name: str, before: Properties, after: Properties, region: str | None = None) -> None:
    wanted = after.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    _call(ctx, "UpdateContinuousBackups", name, region, PointInTimeRecoverySpecification=wanted)


def _get_recovery(ctx: Context, name: str, region: str | None = None) -> Properties:
    kept = _call(ctx, "DescribeContinuousBackups", name, region)["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription") or {}
    on = kept.get("PointInTimeRecoveryStatus") == "ENABLED"
    days = kept.get("RecoveryPeriodInDays")
    return {"PointInTimeRecoverySpecification": given(PointInTimeRecoveryEnabled=True, RecoveryPeriodInDays=days) if on else None}


def _put_policy(ctx: Context, name: str, before: Properties, after: Properties, region: str | None = None) -> None:
    arn = _arn(ctx, name, region)
    text = _policy(after)
    if text is None:
        ctx.call("dynamodb", "DeleteResourcePolicy", {"ResourceArn": arn}, region=region)
    else:
        ctx.call("dynamodb", "PutResourcePolicy", {"ResourceArn": arn, "Policy": text}, region=region)


def _get_policy(ctx: Context, name: str, region: str | None = None) -> Properties:
    look = {"ResourceArn": _arn(ctx, name, region)}
    kept = found(lambda: ctx.call("dynamodb", "GetResourcePolicy", look, region=region), "PolicyNotFoundException")
    return {"ResourcePolicy": kept and {"PolicyDocument": parsed(kept["Policy"])}}


def _arn(ctx: Context, name: str, region: str | None = None) -> str:
    return ctx.arn(f"table/{name}", service="dynamodb", region=region)


def _labels(region: str | None = None) -> Part:
    """The tags of the table in a region."""

    def call(ctx: Context, operation: str, name: str, **members: Any) -> Any:
        return ctx.call("dynamodb", operation, {"ResourceArn": _arn(ctx, name, region), **members}, region=region)

    return tags(
        read=lambda ctx, name: pairs(call(ctx, "ListTagsOfResource", name).get("Tags")),
        add=lambda ctx, name, added: call(ctx, "TagResource", name, Tags=unpaired(added)),
        remove=lambda ctx, name, keys: call(ctx, "UntagResource", name, TagKeys=keys),
    )


# Tables


def _create(ctx: Context, properties: Properties) -> str:
    same = {name: properties.get(name) for name in SAME}
    stream = _stream(properties) if "StreamSpecification" in properties else None
    encryption = _encryption(properties) if "SSESpecification" in properties else None
    _call(
        ctx,
        "CreateTable",
        properties["TableName"],
        **same,
        StreamSpecification=stream,
        SSESpecification=encryption,
        ResourcePolicy=_policy(properties),
    )
    return str(properties["TableName"])


SAME = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "Tags",
)
"""Properties that CreateTable has as members of the same name."""


def _read(ctx: Context, name: str) -> Properties:
    properties = _described(ctx, name)
    table = properties.pop("described")
    units = table["ProvisionedThroughput"]
    provisioned = {key: units[key] for key in ("ReadCapacityUnits", "WriteCapacityUnits")}
    return {
        **properties,
        "DeletionProtectionEnabled": table["DeletionProtectionEnabled"],
        "OnDemandThroughput": table.get("OnDemandThroughput"),
        "ProvisionedThroughput": None if properties["BillingMode"] == ON_DEMAND else provisioned,
        "TableClass": (table.get("TableClassSummary") or {}).get("TableClass"),
    }


def _put_capacity(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    """Billing mode and capacity, also that of the indexes that stay: DynamoDB wants them together where the mode changes."""
    mode = after.get("BillingMode", "PROVISIONED")
    switched = mode != before.get("BillingMode", "PROVISIONED")
    old = {i["IndexName"]: i for i in before.get("GlobalSecondaryIndexes") or ()}
    updates = []
    for index in after.get("GlobalSecondaryIndexes") or ():
        was = old.get(index["IndexName"])
        changed = {key: index[key] for key in CAPACITY if was and key in index and (switched or index[key] != was.get(key))}
        if changed:
            updates.append({"Update": {"IndexName": index["IndexName"], **changed}})
    members = {key: after.get(key) for key in CAPACITY if switched or after.get(key) != before.get(key)}
    members = given(BillingMode=mode if switched else None, GlobalSecondaryIndexUpdates=updates or None, **members)
    if members:
        _call(ctx, "UpdateTable", name, **members)


CAPACITY = ("OnDemandThroughput", "ProvisionedThroughput")


def _put_class(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateTable", name, TableClass=after.get("TableClass", "STANDARD"))


def _put_protection(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateTable", name, DeletionProtectionEnabled=after.get("DeletionProtectionEnabled", False))


_TABLE = ResourceType(
    TABLE,
    create=_create,
    made_with=("ResourcePolicy", "SSESpecification", "StreamSpecification", "TableName", *SAME),
    read=_read,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteTable", name),
    list=_names,
    parts=(
        not_updatable(TABLE, "KeySchema"),
        not_updatable(TABLE, "LocalSecondaryIndexes"),
        Part(("BillingMode", *CAPACITY, "GlobalSecondaryIndexes"), _put_capacity),
        Part(("AttributeDefinitions", "GlobalSecondaryIndexes"), _put_indexes),
        Part(("TableClass",), _put_class),
        Part(("DeletionProtectionEnabled",), _put_protection),
        Part(("SSESpecification",), _put_encryption),
        Part(("StreamSpecification",), _put_stream),
        TTL,
        Part(("PointInTimeRecoverySpecification",), _put_recovery, _get_recovery),
        Part(("ResourcePolicy",), _put_policy, _get_policy),
        _labels(),
    ),
    naming=Naming("TableName", 255),
    absent=ABSENT,
    present=PRESENT,
    settled=_settled,
    gone=_gone,
)


# Global tables: one table, and replicas of it, each with settings of its own

OWN = ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "ResourcePolicy", "TableClass", "Tags")
"""What a replica has for itself."""


def _replicas(state: Properties) -> dict[str, Properties]:
    return {replica["Region"]: replica for replica in state.get("Replicas") or ()}


def _create_global(ctx: Context, properties: Properties) -> str:
    replicas = _replicas(properties)
    if ctx.region not in replicas:
        raise ServiceException("InvalidRequest", f"Replicas must include one for the region of the request, {ctx.region}")
    here = replicas[ctx.region]
    own: Properties = {name: here[name] for name in ("DeletionProtectionEnabled", "ResourcePolicy", "TableClass", "Tags") if name in here}
    shared = {name: value for name, value in properties.items() if name not in ("Replicas", WRITES)}
    if limit := properties.get(WRITES):
        shared["OnDemandThroughput"] = {"MaxWriteRequestUnits": limit["MaxWriteRequestUnits"]}
    return _create(ctx, {"BillingMode": "PROVISIONED", **shared, **own})


WRITES = "WriteOnDemandThroughputSettings"


def _check_replicas(after: Properties) -> None:
    for replica in after["Replicas"]:
        if unmet := sorted(replica.keys() - {"Region", *OWN}):
            raise NotImplementedOperation("cloudformation", GLOBAL_TABLE, f"with {' and '.join(unmet)} of a replica")


def _put_replicas(ctx: Context, name: str, before: Properties, after: Properties) -> object:
    """Makes or deletes one replica at a time, then settles what each has for itself."""
    _check_replicas(after)
    wanted = _replicas(after)
    there = {replica["RegionName"] for replica in _table(ctx, name).get("Replicas") or ()}
    changes = [{"Create": {"RegionName": region}} for region in wanted if region not in there | {ctx.region}]
    changes += [{"Delete": {"RegionName": region}} for region in sorted(there - wanted.keys())]
    if changes:
        _call(ctx, "UpdateTable", name, ReplicaUpdates=changes[:1])
        return MORE
    made = _replicas(before)
    for region, replica in wanted.items():
        _put_own(ctx, name, region, made.get(region, {}), replica)
    return None


def _put_own(ctx: Context, name: str, region: str, before: Properties, after: Properties) -> None:
    """What a replica has for itself, where it differs."""
    changed = [key for key in OWN if before.get(key) != after.get(key)]
    if "DeletionProtectionEnabled" in changed:
        _call(ctx, "UpdateTable", name, region, DeletionProtectionEnabled=after.get("DeletionProtectionEnabled", False))
    if "TableClass" in changed:
        _call(ctx, "UpdateTable", name, region, TableClass=after.get("TableClass", "STANDARD"))
    if "PointInTimeRecoverySpecification" in changed:
        _put_recovery(ctx, name, before, after, region)
    if "ResourcePolicy" in changed:
        _put_policy(ctx, name, before, after, region)
    if "Tags" in changed:
        _labels(region).put(ctx, name, before, after)


def _replica(ctx: Context, name: str, region: str) -> Properties:
    table = _table(ctx, name, region)
    labels = _labels(region).get
    assert labels is not None
    own: Properties = {
        "Region": region,
        "DeletionProtectionEnabled": table["DeletionProtectionEnabled"],
        "TableClass": (table.get("TableClassSummary") or {}).get("TableClass"),
    }
    return given(**own, **_get_recovery(ctx, name, region), **_get_policy(ctx, name, region), **labels(ctx, name))


def _read_global(ctx: Context, name: str) -> Properties:
    properties = _described(ctx, name)
    table = properties.pop("described")
    encryption, limits = properties["SSESpecification"], table.get("OnDemandThroughput") or {}
    regions = [ctx.region, *(replica["RegionName"] for replica in table.get("Replicas") or ())]
    writes = limits.get("MaxWriteRequestUnits")
    return {
        **properties,
        "Replicas": [_replica(ctx, name, region) for region in regions],
        "SSESpecification": encryption and {key: encryption[key] for key in ("SSEEnabled", "SSEType")},
        "TableId": table["TableId"],
        WRITES: {"MaxWriteRequestUnits": writes} if writes and writes > 0 else None,
    }


def _put_billing(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    mode = after.get("BillingMode", "PROVISIONED")
    limit = (after.get(WRITES) or {}).get("MaxWriteRequestUnits", -1)
    changed = mode if mode != before.get("BillingMode", "PROVISIONED") else None
    writes = {"MaxWriteRequestUnits": limit} if after.get(WRITES) != before.get(WRITES) else None
    _call(ctx, "UpdateTable", name, **given(BillingMode=changed, OnDemandThroughput=writes))


def _delete_global(ctx: Context, name: str, properties: Properties) -> None:
    """The replicas, too, each in its region."""
    for replica in _table(ctx, name).get("Replicas") or ():
        _call(ctx, "DeleteTable", name, replica["RegionName"])
    _call(ctx, "DeleteTable", name)


_GLOBAL_TABLE = ResourceType(
    GLOBAL_TABLE,
    create=_create_global,
    made_with=(
        "AttributeDefinitions",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "LocalSecondaryIndexes",
        "SSESpecification",
        "StreamSpecification",
        "TableName",
        WRITES,
    ),
    read=_read_global,
    delete=_delete_global,
    list=_names,
    parts=(
        not_updatable(GLOBAL_TABLE, "KeySchema"),
        not_updatable(GLOBAL_TABLE, "LocalSecondaryIndexes"),
        Part(("BillingMode", WRITES), _put_billing),
        Part(("AttributeDefinitions", "GlobalSecondaryIndexes"), _put_indexes),
        Part(("SSESpecification",), _put_encryption),
        Part(("StreamSpecification",), _put_stream),
        TTL,
        Part(("Replicas",), _put_replicas),
    ),
    naming=Naming("TableName", 255),
    absent=ABSENT,
    present=PRESENT,
    settled=_settled,
    gone=_gone,
)

TYPES = (_TABLE, _GLOBAL_TABLE)
