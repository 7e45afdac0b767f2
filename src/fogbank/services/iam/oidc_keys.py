"""The public keys of OpenID Connect issuers.

The one place in the services that speaks to the network. A token can only be believed with its issuer's keys, and these are
published by the issuer. They are fetched once (and again when a token names a key that is not among them), only from
issuers on this machine, with a short timeout, inside the operation that needs them; what was fetched is a row, so that a
replayed call asks nobody.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from fogbank.kernel.context import Context
from fogbank.store.tables import Record, Table

_TIMEOUT_S = 2
_LARGEST_BYTES = 256 * 1024
_FRESH_MS = 3600 * 1000
_FETCHED_AGAIN_AFTER_MS = 10 * 1000


class IssuerKeys(Record, frozen=True, kw_only=True):
    """An issuer's JSON Web Key Set as it was published."""

    issuer: str
    key_set: str
    fetched_at_ms: int


ISSUER_KEYS = Table("sts.issuer_keys", IssuerKeys, key=("issuer",))


class Unreachable(Exception):
    """The issuer's documents could not be had."""


def on_loopback(host: str | None) -> bool:
    """Whether a host name is this machine's."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find(ctx: Context, issuer: str, key_id: str | None) -> list[dict[str, Any]]:
    """The issuer's keys that may have signed a token with this key id.

    Errors: Unreachable.
    """
    known = ISSUER_KEYS.get(ctx, issuer)
    if known is not None and ctx.now - known.fetched_at_ms < _FRESH_MS:
        found = _fitting(known, key_id)
        if found or ctx.now - known.fetched_at_ms < _FETCHED_AGAIN_AFTER_MS:
            return found
    known = IssuerKeys(issuer=issuer, key_set=_published(issuer), fetched_at_ms=ctx.now)
    ISSUER_KEYS.put(ctx, known)
    return _fitting(known, key_id)


def _fitting(known: IssuerKeys, key_id: str | None) -> list[dict[str, Any]]:
    keys = json.loads(known.key_set).get("keys", [])
    return [k for k in keys if isinstance(k, dict) and k.get("use", "sig") == "sig" and (key_id is None or k.get("kid") == key_id)]


def _published(issuer: str) -> str:
    """The key set that the issuer's discovery document points to."""
    discovery = json.loads(_fetched(f"{issuer}/.well-known/openid-configuration"))
    if (
        not isinstance(discovery, dict)
        or discovery.get("issuer", "").rstrip("/") != issuer
        or not isinstance(discovery.get("jwks_uri"), str)
    ):
        raise Unreachable("the discovery document is not the issuer's")
    text = _fetched(discovery["jwks_uri"])
    if not isinstance(json.loads(text), dict):
        raise Unreachable("the key set is not a JSON object")
    return text


def _fetched(url: str) -> str:
    from urllib.request import ProxyHandler, Request, build_opener  # late: few need it, and it is slow to import

    if urlsplit(url).scheme not in ("http", "https") or not on_loopback(urlsplit(url).hostname):
        raise Unreachable(f"{url} is not on this machine")
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(Request(url, headers={"accept": "application/json"}), timeout=_TIMEOUT_S) as answer:
            text = answer.read(_LARGEST_BYTES).decode()
        json.loads(text)
    except (OSError, ValueError) as error:
        raise Unreachable(str(error)) from None
    return str(text)
