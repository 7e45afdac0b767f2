"""Requests as botocore signs them, turned into what a server reads from its socket."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import msgspec
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fogbank.access.principal import Credential, root
from fogbank.kernel.http import HttpRequest

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIAL = Credential(access_key_id=KEY, secret=SECRET, principal=root("111111111111"))

SESSION = msgspec.structs.replace(CREDENTIAL, session_token="token+/=", expires_at_ms=NOW_MS + 1000)


def as_datetime(at_ms: int) -> datetime.datetime:
    """As botocore's clock gives it: UTC, without saying so."""
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).replace(tzinfo=None)


def find(*credentials: Credential) -> Callable[[str], Credential | None]:
    """The credentials of a cloud that has these keys."""
    return {credential.access_key_id: credential for credential in credentials}.get


def signed(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    service: str = "sqs",
    region: str = "us-east-1",
    at_ms: int = NOW_MS,
    token: str | None = None,
    expires_s: int | None = None,
    secret: str = SECRET,
    signer: type | None = None,
) -> HttpRequest:
    """A request signed by botocore: in the header, or (`expires_s`) in the query."""
    request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    credentials = Credentials(KEY, secret, token)
    s3 = service == "s3"
    if expires_s is None:
        auth = (signer or (botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth))(credentials, service, region)
    else:
        auth = (botocore.auth.S3SigV4QueryAuth if s3 else botocore.auth.SigV4QueryAuth)(credentials, service, region, expires=expires_s)
    if s3:
        request.context["client_config"] = None
        request.context.setdefault("signing", {})
    with mock.patch("botocore.auth.get_current_datetime", return_value=as_datetime(at_ms)):
        auth.add_auth(request)
    return as_received(request.method, request.url, dict(request.headers.items()), body)


def as_received(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> HttpRequest:
    """What the listener makes of it."""
    parts = urlsplit(url)
    lower = {name.lower(): value for name, value in headers.items()}
    lower.setdefault("host", parts.netloc)
    return HttpRequest(method, parts.path or "/", parts.query, lower, body)
