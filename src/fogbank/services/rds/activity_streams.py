"""Database activity streams: started, stopped; and what statements become of them in Kinesis.

A stream needs to be told what statements run: engines that do so are in `Databases.audits`, and tell it by `rds.noticed`. For any other
engine a stream is refused.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, operation
from fogbank.services.rds import activity, activity_records, addresses, converging, linked
from fogbank.services.rds.activity import stream_name, stream_of
from fogbank.services.rds.faults import ENGINES, cluster_state
from fogbank.services.rds.groups_state import ACTIVITY_STREAMS, ActivityStream
from fogbank.services.rds.state import Cluster

CONTEXT = "aws:rds:dbc-id"
"""The key of the encryption context that a stream's data key is encrypted with; its value is the cluster's resource id."""
RECORD_EVENTS = 100
AGAIN_MS, YOUNG_MS = 1000, 60_000


def _cluster(ctx: Context, req: Any) -> Cluster:
    """Errors: ResourceNotFoundFault, DBClusterNotFoundFault, InvalidDBClusterStateFault, NotImplemented."""
    parts = Arn.parse(req.ResourceArn)
    kind = parts.resource.partition(":")[0] if parts is not None and parts.service == "rds" else ""
    if kind == "db":
        addresses.instance_at(ctx, req.ResourceArn)
        raise NotImplementedOperation("rds", ctx.operation, "for a DB instance: RDS has streams of Oracle and SQL Server only")
    if kind != "cluster":
        raise ServiceException("ResourceNotFoundFault", f"The specified resource {req.ResourceArn} was not found.", status=404)
    found = addresses.cluster_at(ctx, req.ResourceArn)
    if found.status != "available":
        raise cluster_state(f"DB cluster {found.name} is not in available state.")
    if not req.ApplyImmediately:
        raise NotImplementedOperation("rds", ctx.operation, "without ApplyImmediately")
    return found


def _data_key(ctx: Context, key: str, cluster: Cluster) -> dict[str, Any]:
    """A data key for a stream, made as the caller. Errors: KMSKeyNotAccessibleFault."""
    asked = {"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {CONTEXT: cluster.id}}
    try:
        made: dict[str, Any] = ctx.call("kms", "GenerateDataKey", asked)
    except ServiceException as refused:
        raise ServiceException("KMSKeyNotAccessibleFault", f"The specified KMS key {key} can't be used: {refused.message}") from None
    return made


@operation("StartActivityStream")
def start_activity_stream(ctx: Context, req: Any) -> Answer:
    """Has all that is done in an Aurora cluster told into a Kinesis stream of its own, encrypted under a KMS key; asynchronously.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, ResourceNotFoundFault, KMSKeyNotAccessibleFault, NotImplemented.
    Source: API reference, StartActivityStream.
    """
    cluster = _cluster(ctx, req)
    if ENGINES[cluster.engine] not in ctx.databases.audits:
        raise NotImplementedOperation("rds", ctx.operation, f"for the engine {cluster.engine}: nothing tells what statements run in it")
    if req.Mode == "sync":
        raise NotImplementedOperation("rds", ctx.operation, "with Mode sync")
    if req.EngineNativeAuditFieldsIncluded:
        raise NotImplementedOperation("rds", ctx.operation, "with EngineNativeAuditFieldsIncluded")
    if stream_of(ctx, cluster) is not None:
        raise cluster_state(f"An activity stream is already started on the DB cluster {cluster.name}.")
    made = _data_key(ctx, req.KmsKeyId, cluster)
    stream = ActivityStream(
        account=ctx.account,
        region=ctx.region,
        cluster=cluster.id,
        kms_key=made["KeyId"],
        key=ctx.vault.seal(made["Plaintext"], cluster.id.encode()),
        encrypted_key=made["CiphertextBlob"],
        started_at_ms=ctx.now,
    )
    ACTIVITY_STREAMS.put(ctx, stream)
    linked.ensure(ctx)
    name = stream_name(cluster.id)
    ctx.call("kinesis", "CreateStream", {"StreamName": name, "ShardCount": 1}, acting=linked.role(ctx.account, ctx.region))
    converging.ask(ctx, cluster)
    return {
        "KmsKeyId": stream.kms_key,
        "KinesisStreamName": name,
        "Status": "starting",
        "Mode": stream.mode,
        "ApplyImmediately": True,
    }


@operation("StopActivityStream")
def stop_activity_stream(ctx: Context, req: Any) -> Answer:
    """Ends a cluster's activity stream, and its Kinesis stream.

    Errors: DBClusterNotFoundFault, InvalidDBClusterStateFault, ResourceNotFoundFault. Source: API reference, StopActivityStream.
    """
    cluster = _cluster(ctx, req)
    stream = stream_of(ctx, cluster)
    if stream is None:
        raise cluster_state(f"There is no activity stream on the DB cluster {cluster.name}.")
    activity.forget(ctx, cluster)
    converging.ask(ctx, cluster)
    return {"KmsKeyId": stream.kms_key, "KinesisStreamName": stream_name(cluster.id), "Status": "stopping"}


@operation("ModifyActivityStream")
def modify_activity_stream(ctx: Context, req: Any) -> Answer:
    """Locks or unlocks an audit policy: of Oracle and SQL Server, which are not here. Errors: NotImplemented."""
    raise NotImplementedOperation("rds", ctx.operation, "for other engines than Oracle and SQL Server, which are not here")


def take(ctx: Context, cluster: Cluster, instance: str, events: list[dict[str, Any]]) -> None:
    """Puts what was done on an instance of a cluster into its stream. `events` have the form of AWS's databaseActivityEventList."""
    stream = stream_of(ctx, cluster)
    if stream is None:
        return
    key: bytes = ctx.vault.open(stream.key, stream.cluster.encode())
    for start in range(0, len(events), RECORD_EVENTS):
        some = events[start : start + RECORD_EVENTS]
        content = activity_records.record(some, stream.cluster, instance, key, stream.encrypted_key, ctx.random.bytes)
        put = {"StreamName": stream_name(stream.cluster), "Data": content, "PartitionKey": instance}
        try:
            ctx.call("kinesis", "PutRecord", put, acting=linked.role(stream.account, stream.region))
        except ServiceException as refused:
            young = ctx.now - stream.started_at_ms < YOUNG_MS
            if "Throughput" in refused.code or (young and refused.code == "ResourceNotFoundException"):
                raise Waiting(Wait((), ctx.now + AGAIN_MS)) from None  # all of it is put again
            return  # somebody has deleted the stream, or taken away the role: there is nobody to tell
