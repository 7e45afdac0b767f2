"""What DynamoDB Streams does: a service of its own over DynamoDB's state."""

from __future__ import annotations

from fogbank.kernel.operation import Resource, Service
from fogbank.services.dynamodb import streams

STREAM = Resource("stream", arn=streams.of_request, policy=streams.policy_of)

DYNAMODBSTREAMS = Service("dynamodbstreams", modules=[streams], resources=[STREAM])
