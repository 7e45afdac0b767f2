"""What the tests of all services share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """The code and the message of the error that a call must end in."""

    def call(operation: Callable[..., Any], *arguments: Any, **members: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            operation(*arguments, **members)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return call
