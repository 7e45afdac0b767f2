"""How a command finds a running cloud, and asks it."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

DEFAULT_PORT = 4566


class Unreachable(Exception):
    """No cloud answers at the endpoint; the message is for the user."""


class Refusal(Exception):
    """The cloud said no; the message is its own."""


def endpoint(given: str | None) -> str:
    """`--endpoint`, else FOGBANK_ENDPOINT, else AWS_ENDPOINT_URL, else the default port."""
    where = given or os.environ.get("FOGBANK_ENDPOINT") or os.environ.get("AWS_ENDPOINT_URL") or f"http://localhost:{DEFAULT_PORT}"
    return (where if "://" in where else f"http://{where}").rstrip("/")


def ask(where: str, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = 600) -> Any:
    """One request to the `/_fogbank` API. Raises Unreachable and Refusal."""
    try:
        parts = urlsplit(where)
        connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 80, timeout=timeout_s)
    except ValueError as problem:
        raise Unreachable(f"{where} is not an endpoint ({problem})") from None
    try:
        connection.request(method, "/_fogbank" + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as problem:
        raise Unreachable(f"no cloud answers at {where} ({problem}); start one with: fogbank up") from None
    finally:
        connection.close()
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(f"{where} is not a Fogbank cloud")
    if response.status >= 400:
        raise Refusal(answer.get("error", content.decode()))
    return answer
