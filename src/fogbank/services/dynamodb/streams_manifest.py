"""What DynamoDB Streams does: a service of its own over DynamoDB's state."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.dynamodb import streams


def _stream(ctx: Context, req: Any) -> str | None:
    """The stream that a request is about: named, or read by an iterator."""
    arn: str | None = getattr(req, "StreamArn", None)
    token: str | None = getattr(req, "ShardIterator", None)
    return arn if arn is not None else streams.stream_of_iterator(token) if token is not None else None


DYNAMODBSTREAMS = Service("dynamodbstreams", modules=[streams], resources=[Resource("stream", arn=_stream)])
