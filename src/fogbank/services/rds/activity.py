"""Database activity streams as clusters have them: what is described, what the engines are told, and the end of one."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import linked
from fogbank.services.rds.addresses import cluster_at, parse
from fogbank.services.rds.groups_state import ACTIVITY_STREAMS, ActivityStream
from fogbank.services.rds.state import Cluster


def stream_of(ctx: Context, cluster: Cluster) -> ActivityStream | None:
    """A cluster's activity stream; None where it has none."""
    return ACTIVITY_STREAMS.get(ctx, cluster.account, cluster.region, cluster.id)


def stream_name(cluster: str) -> str:
    """The Kinesis stream of a cluster's activity."""
    return f"aws-rds-das-{cluster}"


def described(ctx: Context, arn: str) -> dict[str, Any]:
    """The members of a cluster's, or an instance's, description that tell of its stream; only clusters have one."""
    found = cluster_at(ctx, arn) if parse(arn, "cluster") is not None else None
    stream = stream_of(ctx, found) if found is not None else None
    if stream is None:
        return {"ActivityStreamStatus": "stopped"}
    return {
        "ActivityStreamStatus": "started",
        "ActivityStreamMode": stream.mode,
        "ActivityStreamKmsKeyId": stream.kms_key,
        "ActivityStreamKinesisStreamName": stream_name(stream.cluster),
    }


def parameters_of(ctx: Context, cluster: Cluster) -> dict[str, str]:
    """What has the engine log all statements, where there is a stream: it is what is read."""
    return {"log_statement": "all"} if stream_of(ctx, cluster) is not None else {}


def forget(ctx: Context, cluster: Cluster) -> None:
    """Ends a cluster's stream, and the Kinesis stream with it."""
    stream = stream_of(ctx, cluster)
    if stream is None:
        return
    ACTIVITY_STREAMS.delete(ctx, stream)
    gone = {"StreamName": stream_name(stream.cluster), "EnforceConsumerDeletion": True}
    try:
        ctx.call("kinesis", "DeleteStream", gone, acting=linked.role(stream.account, stream.region), region=stream.region)
    except ServiceException as refused:
        if refused.code != "ResourceNotFoundException":
            raise
