"""Tables and global tables as CloudFormation has them.

A table is changed step by step, since it has to be ACTIVE before each. Not here, as DynamoDB has them not either, and so refused by
name: contributor insights, Kinesis streams, vector indexes, warm throughput; nor tables made by an import; nor auto scaling, which
a provisioned global table cannot be without.
"""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import (
    MORE,
    Naming,
    Part,
    Properties,
    ResourceType,
    given,
    not_updatable,
)
from fogbank.services.dynamodb.resource_parts import (
    ABSENT,
    ON_DEMAND,
    PRESENT,
    TTL,
    UNMET,
    call,
    described,
    encryption_of,
    get_policy,
    get_recovery,
    gone,
    policy_of,
    put_encryption,
    put_indexes,
    put_policy,
    put_recovery,
    put_stream,
    settled,
    stream_of,
    table_at,
    table_names,
    tags_in,
)

TABLE, GLOBAL_TABLE = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"
# Tables


def _create(ctx: Context, properties: Properties) -> str:
    same = {name: properties.get(name) for name in SAME}
    stream = stream_of(properties) if "StreamSpecification" in properties else None
    encryption = encryption_of(properties) if "SSESpecification" in properties else None
    call(
        ctx,
        "CreateTable",
        properties["TableName"],
        **same,
        StreamSpecification=stream,
        SSESpecification=encryption,
        ResourcePolicy=policy_of(properties),
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
    table, properties = described(ctx, name)
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
        call(ctx, "UpdateTable", name, **members)


CAPACITY = ("OnDemandThroughput", "ProvisionedThroughput")


def _put_class(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateTable", name, TableClass=after.get("TableClass", "STANDARD"))


def _put_protection(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateTable", name, DeletionProtectionEnabled=after.get("DeletionProtectionEnabled", False))


_TABLE = ResourceType(
    TABLE,
    create=_create,
    unmet=UNMET,
    made_with=("ResourcePolicy", "SSESpecification", "StreamSpecification", "TableName", *SAME),
    read=_read,
    delete=lambda ctx, name, properties: call(ctx, "DeleteTable", name),
    list=table_names,
    parts=(
        not_updatable(TABLE, "KeySchema"),
        not_updatable(TABLE, "LocalSecondaryIndexes"),
        Part(("BillingMode", *CAPACITY, "GlobalSecondaryIndexes"), _put_capacity),
        Part(("AttributeDefinitions", "GlobalSecondaryIndexes"), put_indexes),
        Part(("TableClass",), _put_class),
        Part(("DeletionProtectionEnabled",), _put_protection),
        Part(("SSESpecification",), put_encryption),
        Part(("StreamSpecification",), put_stream),
        TTL,
        Part(("PointInTimeRecoverySpecification",), put_recovery, get_recovery),
        Part(("ResourcePolicy",), put_policy, get_policy),
        tags_in(),
    ),
    naming=Naming("TableName", 255),
    absent=ABSENT,
    present=PRESENT,
    settled=settled,
    gone=gone,
)


# Global tables: one table, and replicas of it, each with settings of its own

OWN = ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "ResourcePolicy", "TableClass", "Tags")
"""What a replica has for itself."""
UNMET_GLOBAL = (
    *UNMET,
    *(f"GlobalSecondaryIndexes/*/{kind}{mode}ThroughputSettings" for kind in ("Read", "Write") for mode in ("OnDemand", "Provisioned")),
    "Replicas/*/ContributorInsightsSpecification",
    "Replicas/*/DisassociationProtectionEnabled",
    "Replicas/*/GlobalSecondaryIndexes",
    "Replicas/*/GlobalTableSettingsReplicationMode",
    "Replicas/*/KinesisStreamSpecification",
    "Replicas/*/ReadOnDemandThroughputSettings",
    "Replicas/*/ReadProvisionedThroughputSettings",
    "Replicas/*/ReplicaStreamSpecification",
    "Replicas/*/SSESpecification",
)


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


def _put_replicas(ctx: Context, name: str, before: Properties, after: Properties) -> object:
    """Makes or deletes one replica at a time, then settles what each has for itself."""
    wanted = _replicas(after)
    there = {replica["RegionName"] for replica in table_at(ctx, name).get("Replicas") or ()}
    changes = [{"Create": {"RegionName": region}} for region in wanted if region not in there | {ctx.region}]
    changes += [{"Delete": {"RegionName": region}} for region in sorted(there - wanted.keys())]
    if changes:
        call(ctx, "UpdateTable", name, ReplicaUpdates=changes[:1])
        return MORE
    made = _replicas(before)
    for region, replica in wanted.items():
        _put_own(ctx, name, region, made.get(region, {}), replica)
    return None


def _put_own(ctx: Context, name: str, region: str, before: Properties, after: Properties) -> None:
    """What a replica has for itself, where it differs."""
    changed = [key for key in OWN if before.get(key) != after.get(key)]
    if "DeletionProtectionEnabled" in changed:
        call(ctx, "UpdateTable", name, region, DeletionProtectionEnabled=after.get("DeletionProtectionEnabled", False))
    if "TableClass" in changed:
        call(ctx, "UpdateTable", name, region, TableClass=after.get("TableClass", "STANDARD"))
    if "PointInTimeRecoverySpecification" in changed:
        put_recovery(ctx, name, before, after, region)
    if "ResourcePolicy" in changed:
        put_policy(ctx, name, before, after, region)
    if "Tags" in changed:
        tags_in(region).put(ctx, name, before, after)


def _replica(ctx: Context, name: str, region: str) -> Properties:
    table = table_at(ctx, name, region)
    labels = tags_in(region).get
    assert labels is not None
    own: Properties = {
        "Region": region,
        "DeletionProtectionEnabled": table["DeletionProtectionEnabled"],
        "TableClass": (table.get("TableClassSummary") or {}).get("TableClass"),
    }
    return given(**own, **get_recovery(ctx, name, region), **get_policy(ctx, name, region), **labels(ctx, name))


def _read_global(ctx: Context, name: str) -> Properties:
    table, properties = described(ctx, name)
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
    call(ctx, "UpdateTable", name, **given(BillingMode=changed, OnDemandThroughput=writes))


def _delete_global(ctx: Context, name: str, properties: Properties) -> None:
    """The replicas, too, each in its region."""
    for replica in table_at(ctx, name).get("Replicas") or ():
        call(ctx, "DeleteTable", name, replica["RegionName"])
    call(ctx, "DeleteTable", name)


_GLOBAL_TABLE = ResourceType(
    GLOBAL_TABLE,
    create=_create_global,
    unmet=UNMET_GLOBAL,
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
    list=table_names,
    parts=(
        not_updatable(GLOBAL_TABLE, "KeySchema"),
        not_updatable(GLOBAL_TABLE, "LocalSecondaryIndexes"),
        Part(("BillingMode", WRITES), _put_billing),
        Part(("AttributeDefinitions", "GlobalSecondaryIndexes"), put_indexes),
        Part(("SSESpecification",), put_encryption),
        Part(("StreamSpecification",), put_stream),
        TTL,
        Part(("Replicas",), _put_replicas),
    ),
    naming=Naming("TableName", 255),
    absent=ABSENT,
    present=PRESENT,
    settled=settled,
    gone=gone,
)

TYPES = (_TABLE, _GLOBAL_TABLE)
