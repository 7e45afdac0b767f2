"""How delivery streams are named, and finding them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context, Role
from fogbank.services.firehose.faults import absent
from fogbank.services.firehose.state import STREAMS, Stream

PRINCIPAL = "firehose.amazonaws.com"


@lru_cache(4096)
def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:firehose:{region}:{account}:deliverystream/{name}"


def arn_of(stream: Stream) -> str:
    return arn(stream.account, stream.region, stream.name)


def stream_at(ctx: Context, name: str) -> Stream:
    """Raises ResourceNotFoundException."""
    stream = STREAMS.get(ctx, ctx.account, ctx.region, name)
    if stream is None:
        raise absent(ctx.account, name)
    return stream


def where(stream: Stream) -> dict[str, Any]:
    """A stream in a task's payload."""
    return {"stream": [stream.account, stream.region, stream.name], "id": stream.id}


def stream_of(ctx: Context, payload: dict[str, Any]) -> Stream | None:
    """The stream that a task is about, if it is still there."""
    stream = STREAMS.get(ctx, *payload["stream"])
    return stream if stream is not None and stream.id == payload["id"] else None


def role(stream: Stream, role_arn: str) -> Role:
    """A role as which the stream acts."""
    return Role(role_arn, PRINCIPAL, stream.name, arn_of(stream), stream.account)


# for the door


def arn_of_request(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "DeliveryStreamName", None)
    return arn(ctx.account, ctx.region, name) if name is not None else None


def tags_of(ctx: Context, text: str) -> dict[str, str] | None:
    parts = Arn.parse(text)
    stream = STREAMS.get(ctx, parts.account, parts.region, parts.resource.partition("/")[2]) if parts is not None else None
    return stream.tags if stream is not None else None
