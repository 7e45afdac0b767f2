"""The condition keys of one request, computed when a condition asks for them.

The global keys (`aws:...`) follow from who asks, with what request, where and when; a service adds its own by name. Names are
lower-case here; policies may spell them as they like. Source: "AWS global condition context keys" in the IAM User Guide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fogbank.access.principal import ANONYMOUS, Principal
from fogbank.kernel.http import HttpRequest

Value = str | list[str]


class Context:
    """Condition keys by lower-case name.

    `values` holds what the service knows: a string, a list of strings, a number or a bool; a mapping under a name that ends
    with `/` or a second `:` (`"aws:resourcetag/": {"project": "dorky"}` answers `aws:ResourceTag/project`); or a callable that gives one of
    these, called at most once, and only when a condition needs it. A key in `values` comes before a computed one. A key that is
    not there, or whose value is None or empty, is missing.
    """

    __slots__ = ("_known", "now_ms", "principal", "region", "request", "secure", "values")

    def __init__(
        self,
        principal: Principal = ANONYMOUS,
        request: HttpRequest | None = None,
        region: str = "",
        now_ms: int = 0,
        values: dict[str, Any] | None = None,
        *,
        secure: bool = False,
    ) -> None:
        self.principal = principal
        self.request = request
        self.region = region
        self.now_ms = now_ms
        self.values: dict[str, Any] = {} if values is None else values
        self.secure = secure
        self._known: dict[str, Value | None] = {}

    def get(self, name: str) -> Value | None:
        """The key's value, or None where it is missing. `name` is lower-case."""
        known = self._known
        if name in known:
            return known[name]
        value = known[name] = self._find(name)
        return value

    @property
    def asked(self) -> bool:
        """Whether anything has looked at a key: if not, an answer did not depend on them."""
        return bool(self._known)

    def asked_beyond(self, names: Mapping[str, Any]) -> bool:
        """Whether anything has looked at a key that is not one of these."""
        return not self._known.keys() <= names.keys()

    def names(self) -> list[str]:
        """Every key that has a value now, for an explanation: computes all of them."""
        names = [name for name in (*_GLOBAL, *self.values, *self.principal.claims) if not name.endswith(("/", ":"))]
        for prefix in (*_TAGS, *(name for name in self.values if name.endswith(("/", ":")))):
            names += [prefix + tag.lower() for tag in self._mapping(prefix)]
        return [name for name in dict.fromkeys(names) if self.get(name) is not None]

    def _find(self, name: str) -> Value | None:
        values = self.values
        if name in values:
            return _plain(self._called(name))
        claims = self.principal.claims
        if name in claims:  # before the slash: a provider's name may have one (`oidc.eks.eu-west-1.amazonaws.com/id/X:sub`)
            return _plain(claims[name])
        prefix = family(name) or name[: name.find("/") + 1]
        if prefix:
            wanted = name[len(prefix) :]
            return _plain(next((value for tag, value in self._mapping(prefix).items() if tag.lower() == wanted), None))
        compute = _GLOBAL.get(name)
        return None if compute is None else _plain(compute(self))

    def _mapping(self, prefix: str) -> Mapping[str, Any]:
        if prefix in self.values:
            return self._called(prefix) or {}
        tags = _TAGS.get(prefix)
        return tags(self) if tags else {}

    def _called(self, name: str) -> Any:
        value = self.values[name]
        if callable(value):
            value = self.values[name] = value()
        return value


def family(name: str) -> str:
    """What a key of three parts has in common with its like: `kms:encryptioncontext:` of `kms:encryptioncontext:app`; else ""."""
    head = name[: name.find(":", name.find(":") + 1) + 1]
    return "" if "/" in head else head


def _plain(value: Any) -> Value | None:
    """As conditions compare it: strings; nothing for an empty list."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence | set | frozenset | Mapping):
        return [str(_plain(item)) for item in value] or None
    return str(value)


def tags_requested(tags: Mapping[str, str] | Sequence[Mapping[str, str]] | None) -> dict[str, Any]:
    """`aws:RequestTag/...` and `aws:TagKeys` of the tags that a request brings (a mapping, or AWS's list of Key and Value)."""
    if not tags:
        return {}
    pairs = (
        dict(tags)
        if isinstance(tags, Mapping)
        else {str(tag.get("Key", tag.get("TagKey"))): str(tag.get("Value", tag.get("TagValue", ""))) for tag in tags}
    )
    return {"aws:requesttag/": pairs, "aws:tagkeys": list(pairs)}


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms // 1000))


def _header(name: str) -> Callable[[Context], Any]:
    return lambda context: context.request.headers.get(name) if context.request is not None else None


_TYPES = {
    "root": "Account",
    "user": "User",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "service": "Service",
    "anonymous": "Anonymous",
    "web-identity": "Anonymous",
    "saml": "Anonymous",
}


def _principal_arn(context: Context) -> str | None:
    """A role's session answers with its role."""
    principal = context.principal
    if principal.kind == "assumed-role":
        return principal.issuer_arn or None
    return principal.arn if principal.kind in ("root", "user", "federated-user") else None


def _is_session(principal: Principal) -> bool:
    return principal.kind in ("assumed-role", "federated-user") or principal.issued_at_ms is not None


def _mfa_age(context: Context) -> int | None:
    at_ms = context.principal.mfa_at_ms
    return None if at_ms is None else max(0, context.now_ms - at_ms) // 1000


def _mfa_present(context: Context) -> bool | None:
    """Only a session's token says whether: a long-lived key leaves the key missing."""
    principal = context.principal
    return principal.mfa_present if principal.mfa_present is not None or not _is_session(principal) else False


def _called_via(context: Context, place: int) -> str | None:
    services = context.get("aws:calledvia")
    return [services][place] if isinstance(services, str) else services[place] if services else None


_GLOBAL: dict[str, Callable[[Context], Any]] = {
    # of the principal
    "aws:principalarn": _principal_arn,
    "aws:principalaccount": lambda c: c.principal.account or None,
    "aws:principaltype": lambda c: _TYPES[c.principal.kind],
    "aws:principalorgid": lambda c: c.principal.org_id or None,
    "aws:principalorgpaths": lambda c: [c.principal.org_path] if c.principal.org_path else None,
    "aws:principalisawsservice": lambda c: c.principal.kind == "service",
    "aws:principalservicename": lambda c: c.principal.service or None,
    "aws:principalservicenameslist": lambda c: [c.principal.service] if c.principal.service else None,
    "aws:userid": lambda c: c.principal.user_id or None,
    "aws:username": lambda c: c.principal.name if c.principal.kind == "user" else None,
    # of the session
    "aws:federatedprovider": lambda c: c.principal.federated_provider or None,
    "aws:sourceidentity": lambda c: c.principal.source_identity or None,
    "aws:tokenissuetime": lambda c: _iso(c.principal.issued_at_ms),
    "aws:multifactorauthage": _mfa_age,
    "aws:multifactorauthpresent": _mfa_present,
    # of the network and the request
    "aws:sourceip": lambda c: c.request.client if c.request is not None else None,
    "aws:useragent": _header("user-agent"),
    "aws:referer": _header("referer"),
    "aws:securetransport": lambda c: c.secure,
    "aws:currenttime": lambda c: _iso(c.now_ms),
    "aws:epochtime": lambda c: c.now_ms // 1000,
    "aws:requestedregion": lambda c: c.region or None,
    # A service that calls on somebody's behalf says so in `values`, with aws:CalledVia, aws:SourceArn and aws:SourceAccount.
    "aws:viaawsservice": lambda c: "aws:calledvia" in c.values,
    "aws:calledviafirst": lambda c: _called_via(c, 0),
    "aws:calledvialast": lambda c: _called_via(c, -1),
}

_TAGS: dict[str, Callable[[Context], Mapping[str, str]]] = {
    "aws:principaltag/": lambda c: c.principal.tags,
}
