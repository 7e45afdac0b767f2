"""AWS's sentences, where several operations say them."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException
from fogbank.services.kinesis.state import Stream


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidArgumentException", message)


def in_use(message: str) -> ServiceException:
    return ServiceException("ResourceInUseException", message)


def too_many(message: str) -> ServiceException:
    return ServiceException("LimitExceededException", message)


def absent(message: str) -> ServiceException:
    return ServiceException("ResourceNotFoundException", message)


def named(stream: Stream) -> str:
    return f"stream {stream.name} under account {stream.account}"


def rate_exceeded(stream: Stream, shard: str) -> ServiceException:
    return ServiceException("ProvisionedThroughputExceededException", f"Rate exceeded for shard {shard} in {named(stream)}.")


def would_succeed() -> ServiceException:
    return ServiceException("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
