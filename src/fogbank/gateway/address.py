"""Names in host names: `bucket.localhost`, `bucket.s3.us-east-1.localhost`, and the endpoint as the caller spelt it."""

from __future__ import annotations

import re
from functools import lru_cache

from fogbank.kernel.http import HttpRequest

_ENDPOINTS = re.compile(r"(?P<front>.+)\.(?:localhost(?:\.localstack\.cloud)?|amazonaws\.com|on\.aws)")
_S3 = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:-accesspoint|-accelerate)?(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?")


@lru_cache(1024)
def front(host: str) -> str | None:
    """What a Host header says in front of the endpoint, or None."""
    found = _ENDPOINTS.fullmatch(host.partition(":")[0].lower())
    return None if found is None or found["front"] == "localhost" else found["front"]


@lru_cache(1024)
def bucket(host: str) -> str | None:
    """The bucket that a Host header names in front of the endpoint, or None."""
    name = front(host)
    if name is None:
        return None
    service = _S3.fullmatch(name)
    return name if service is None else service["bucket"]


def path(request: HttpRequest) -> str | None:
    """The path-style path of a virtual-hosted request to S3, or None where it is path-style already.

    S3 Control puts the account in front of the endpoint, and says so in a header.
    """
    if "x-amz-account-id" in request.headers:
        return None
    name = bucket(request.headers.get("host", ""))
    return None if name is None else f"/{name}{request.path if request.path != '/' else ''}"
