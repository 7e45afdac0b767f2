"""Which operation a request calls, and in which protocol.

In this order: a smithy-rpc path, an X-Amz-Target header, an Action parameter, a REST route. Several services
may share a signing name, a target prefix or an API version; then all of them are asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse

from .cbor import FLAVOURS
from .forms import Malformed
from .index import Entry, Index, index
from .model import NEUTRAL, service
from .overlay import Refusal
from .refusal import refuse
from .routes import router

_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?\Z")
_ACTION = re.compile(r"(?:^|&)Action=([^&]*)")
_VERSION = re.compile(r"(?:^|&)Version=([^&]*)")
_BYTES_ACTION = re.compile(rb"(?:^|&)Action=([^&]*)")
_BYTES_VERSION = re.compile(rb"(?:^|&)Version=([^&]*)")


_MOST_KNOWN = 20_000  # callers choose what they write as a version


class Call(NamedTuple):
    """An operation called: where, in which protocol, with which path labels (REST only)."""

    service: str
    operation: str
    protocol: str
    labels: dict[str, str] | None = None


class Unidentified(ServiceException):
    """No operation is called that way. `service` is the nearest guess (it may be empty), for the form of the answer."""

    def __init__(self, code: str, message: str, *, status: int, service: str, protocol: str) -> None:
        super().__init__(code, message, status=status)
        self.service = service
        self.protocol = protocol

    def response(self, request_id: str, *, head: bool = False) -> HttpResponse:
        """The answer that says so."""
        return refuse(service(self.service) if self.service else NEUTRAL, self.protocol, self, request_id, head=head)


_known_targets: dict[tuple[str, str], Call] = {}
_known_actions: dict[tuple[str | None, str, str], Call] = {}


def identify(request: HttpRequest, signing_name: str | None, path: str | None = None) -> Call:
    """The call a request makes. `path` stands for the request's own where the gateway rewrote it; Unidentified if there is none."""
    headers = request.headers
    target = headers.get("x-amz-target")
    if target is not None:
        protocol = "aws-cbor" if headers.get("content-type") == FLAVOURS["aws-cbor"].content else "json"
        return _known_targets.get((target, protocol)) or _by_target(target, protocol, signing_name)
    path = request.path if path is None else path
    table = index()
    if path.startswith("/service/"):
        match = _RPC_PATH.match(path)
        if match and ("smithy-protocol" in headers or match[1] in table.by_target):
            return _by_rpc_path(match[1], match[2], headers)
    action = _action(request, headers)
    if action is not None:
        known = _known_actions.get((signing_name, *action))
        if known is not None:
            return known
    names = table.by_signing.get(signing_name, ()) if signing_name is not None else ()
    if action is not None and _speaks_query(table, names, signing_name):
        call = _by_action(table, action[0], action[1], names)
        if len(_known_actions) < _MOST_KNOWN:
            _known_actions[(signing_name, *action)] = call
        return call
    return _by_route(table, request, path, names, signing_name)


def _by_target(target: str, protocol: str, signing_name: str | None) -> Call:
    prefix, _, operation = target.rpartition(".")
    names = index().by_target.get(prefix, ())
    for name in names:
        if operation in service(name).operations:
            call = _known_targets[target, protocol] = Call(name, operation, protocol)
            return call
    guess = names or index().by_signing.get(signing_name or "", ())
    raise Unidentified("UnknownOperationException", "", status=400, service=guess[0] if guess else "", protocol=protocol)


def _by_rpc_path(prefix: str, operation: str, headers: Mapping[str, str]) -> Call:
    protocol = "smithy-rpc-v2-cbor"
    names = index().by_target.get(prefix, ())
    for name in names:
        if operation in service(name).operations:
            return Call(name, operation, protocol)
    raise Unidentified("UnknownOperationException", "", status=404, service=names[0] if names else "", protocol=protocol)


def _action(request: HttpRequest, headers: Mapping[str, str]) -> tuple[str, str] | None:
    """The Action and Version parameters, from the query string or from a form."""
    query = request.query
    if query and "Action=" in query:
        match = _ACTION.search(query)
        if match:
            version = _VERSION.search(query)
            return match[1], version[1] if version else ""
    body = request.body
    if isinstance(body, bytes) and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        found = _BYTES_ACTION.search(body)
        if found:
            of = _BYTES_VERSION.search(body)
            return found[1].decode("latin-1"), of[1].decode("latin-1") if of else ""
    return None


def _speaks_query(table: Index, names: tuple[str, ...], signing_name: str | None) -> bool:
    if signing_name is None:
        return True
    return any(not {"query", "ec2"}.isdisjoint(table.entries[name].protocols) for name in names)


def _by_action(table: Index, action: str, version: str, names: tuple[str, ...]) -> Call:
    dated = table.by_version.get(version, ())
    candidates = [name for name in names if name in dated] or [*names] or list(dated)
    for name in candidates:
        protocol = next((protocol for protocol in table.entries[name].protocols if protocol in ("query", "ec2")), None)
        if protocol is not None and action in service(name).operations:
            return Call(name, action, protocol)
    guess = candidates[0] if candidates else ""
    protocol = "ec2" if guess and "ec2" in table.entries[guess].protocols else "query"
    message = f"Could not find operation {action} for version {version or 'NO_VERSION_SPECIFIED'}"
    raise Unidentified("InvalidAction", message, status=400, service=guess, protocol=protocol)


def _unreadable(name: str, protocol: str, message: str) -> Unidentified:
    told = service(name).overlay.path or Refusal("SerializationException", message)
    return Unidentified(told.code, told.message, status=told.status, service=name, protocol=protocol)


@cache
def _with_routes(candidates: tuple[str, ...]) -> tuple[tuple[str, Entry], ...]:
    """Those that speak a REST protocol, the longest common prefix of their paths first."""
    entries = index().entries
    rest = [(name, entries[name]) for name in candidates if entries[name].protocols[0].startswith("rest")]
    return tuple(sorted(rest, key=lambda each: -len(each[1].prefix)))


def _by_route(table: Index, request: HttpRequest, path: str, names: tuple[str, ...], signing_name: str | None) -> Call:
    candidates = names if signing_name is not None and names else table.by_signing.get("s3", ())
    # The longest common prefix first: /v20180820/... is S3 Control's before it is a bucket's.
    for name, entry in _with_routes(candidates):
        if not path.startswith(entry.prefix):
            continue
        try:
            found = router(name).match(request.method, path, request.query, request.headers)
        except Malformed as problem:
            raise _unreadable(name, entry.protocols[0], str(problem)) from None
        if found is not None:
            operation, labels = found
            return Call(name, operation.name, entry.protocols[0], labels)
    guess = candidates[0] if candidates else ""
    protocol = table.entries[guess].protocols[0] if guess else "json"
    if protocol == "rest-xml":
        message = "The specified method is not allowed against this resource."
        raise Unidentified("MethodNotAllowed", message, status=405, service=guess, protocol=protocol)
    if protocol in ("query", "ec2"):
        raise Unidentified("MissingAction", "The request must contain the parameter Action", status=400, service=guess, protocol=protocol)
    status = 404 if protocol == "rest-json" else 400
    raise Unidentified("UnknownOperationException", "", status=status, service=guess, protocol=protocol)
