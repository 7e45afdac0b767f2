"""TableDescription: what DescribeTable and its kin tell of a table."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.dynamodb import counts, replicating
from fogbank.services.dynamodb.addresses import arn_of, index_arn, stream_arn
from fogbank.services.dynamodb.counts import Figures
from fogbank.services.dynamodb.state import Index, KeyPart, Restored, Table, Throughput

DAY_MS = 86_400_000


def describe(ctx: Context, table: Table, figures: Figures | None = None) -> dict[str, Any]:
    """A table and its indexes. `figures`: what was counted of it; None: count."""
    figures = figures if figures is not None else counts.of(ctx, table)
    size = figures.table
    answer: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in table.attributes.items()],
        "TableName": table.name,
        "KeySchema": _key((KeyPart(table.partition, ""),), (KeyPart(table.sort, ""),) if table.sort else ()),
        "TableStatus": table.status,
        "CreationDateTime": table.created_at_ms,
        "ProvisionedThroughput": _provisioned(ctx, table.throughput),
        "TableSizeBytes": size[1],
        "ItemCount": size[0],
        "TableArn": arn_of(table),
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    if table.on_demand_at_ms:
        answer["BillingModeSummary"] = {"BillingMode": table.billing_mode, "LastUpdateToPayPerRequestDateTime": table.on_demand_at_ms}
    if table.table_class:
        changed = table.class_changed_at_ms or None
        answer["TableClassSummary"] = {"TableClass": table.table_class, "LastUpdateDateTime": changed}
    if limits := _limits(table.throughput):
        answer["OnDemandThroughput"] = limits
    if table.encryption is not None:
        answer["SSEDescription"] = {
            "Status": table.encryption.status,
            "SSEType": "KMS",
            "KMSMasterKeyArn": table.encryption.key_arn,
        }
    if table.stream is not None:
        answer["LatestStreamLabel"] = table.stream.label
        answer["LatestStreamArn"] = stream_arn(table, table.stream.label)
        if table.stream.enabled:
            answer["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream.view}
    if table.restored is not None:
        answer["RestoreSummary"] = _restored(table.restored)
    if table.group:
        answer["GlobalTableVersion"] = "2019.11.21"
        answer["MultiRegionConsistency"] = "EVENTUAL"
        answer["Replicas"] = [_replica(one, table) for one in replicating.others(ctx, table)]
    for member, local in (("LocalSecondaryIndexes", True), ("GlobalSecondaryIndexes", False)):
        listed = [_index(ctx, table, index, figures) for index in table.indexes if index.local is local]
        if listed:
            answer[member] = listed
    return answer


def _restored(restored: Restored) -> dict[str, Any]:
    return {
        "SourceBackupArn": restored.backup_arn or None,
        "SourceTableArn": restored.table_arn,
        "RestoreDateTime": restored.at_ms,
        "RestoreInProgress": restored.in_progress,
    }


def _replica(table: Table, of: Table) -> dict[str, Any]:
    """A replica, as another one tells of it: what it has for itself."""
    answer: dict[str, Any] = {"RegionName": table.region, "ReplicaStatus": table.status}
    own, other = table.throughput, of.throughput
    if own.read != other.read:
        answer["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": own.read}
    if own.read_limit != other.read_limit:
        answer["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": own.read_limit or -1}
    if table.table_class != of.table_class:
        answer["ReplicaTableClassSummary"] = {"TableClass": table.table_class or "STANDARD"}
    return answer


def _index(ctx: Context, table: Table, index: Index, figures: Figures) -> dict[str, Any]:
    items, size = figures.indexes.get(index.name, (0, 0))
    projection: dict[str, Any] = {"ProjectionType": index.projection}
    if index.attributes:
        projection["NonKeyAttributes"] = list(index.attributes)
    answer: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": _key(index.partition, index.sort),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": items,
        "IndexArn": index_arn(table, index.name),
    }
    if not index.local:
        answer["IndexStatus"] = index.status
        answer["ProvisionedThroughput"] = _provisioned(ctx, index.throughput)
        if index.backfilling:
            answer["Backfilling"] = True
        if limits := _limits(index.throughput):
            answer["OnDemandThroughput"] = limits
    return answer


def _key(partition: tuple[KeyPart, ...], sort: tuple[KeyPart, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": part.name, "KeyType": kind} for kind, parts in (("HASH", partition), ("RANGE", sort)) for part in parts]


def _provisioned(ctx: Context, throughput: Throughput) -> dict[str, Any]:
    today = throughput.decreased_at_ms // DAY_MS == ctx.now // DAY_MS
    answer: dict[str, Any] = {
        "NumberOfDecreasesToday": throughput.decreases if today else 0,
        "ReadCapacityUnits": throughput.read,
        "WriteCapacityUnits": throughput.write,
    }
    if throughput.increased_at_ms:
        answer["LastIncreaseDateTime"] = throughput.increased_at_ms
    if throughput.decreased_at_ms:
        answer["LastDecreaseDateTime"] = throughput.decreased_at_ms
    return answer


def _limits(throughput: Throughput) -> dict[str, int] | None:
    if not throughput.read_limit and not throughput.write_limit:
        return None
    return {"MaxReadRequestUnits": throughput.read_limit or -1, "MaxWriteRequestUnits": throughput.write_limit or -1}
