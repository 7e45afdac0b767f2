"""What the Logs tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

ACCOUNT = "000000000000"
ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:"


@pytest.fixture
def logs(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("logs")


@pytest.fixture
def put(cloud: Any, logs: Any) -> Callable[..., dict[str, Any]]:
    """Puts messages, each a millisecond after the other, into a stream that is made where it is not there."""

    def call(*messages: str, group: str = "group", stream: str = "stream", at_ms: int | None = None) -> dict[str, Any]:
        for make in (
            lambda: logs.create_log_group(logGroupName=group),
            lambda: logs.create_log_stream(logGroupName=group, logStreamName=stream),
        ):
            try:
                make()
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
        first = cloud.now_ms if at_ms is None else at_ms
        events = [{"timestamp": first + n, "message": message} for n, message in enumerate(messages)]
        answer: dict[str, Any] = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        return answer

    return call


@pytest.fixture
def person(cloud: Any) -> Callable[[str, str], Any]:
    """A client of a user who has one policy; the user's name is told from the policy's."""
    iam = cloud.client("iam")

    def make(name: str, document: str, service: str = "logs") -> Any:
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"])

    return make
