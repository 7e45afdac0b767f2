"""Errors to responses, in each protocol's form.

`error.code` is the name of an error shape (or its wire code, or a bare code that no model declares). The
code on the wire, the status and whose fault it is come from the shape's `error` trait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpResponse

from . import cbor
from .bindings import Outward, bound
from .markup import escape
from .model import ErrorTrait, ServiceModel, Shape, service
from .types import wire_name
from .writing import DECLARATION, cbor_writers, host_id, identification, json_writers, markup

_NO_TRAIT = ErrorTrait()


class _Declared:
    """What a service's model and overlay say about one error shape."""

    def __init__(self, model: ServiceModel, name: str, shape: Shape) -> None:
        self.name = name
        self.shape = shape
        patch = model.overlay.errors.get(name)
        trait = msgspec.convert(patch, ErrorTrait) if patch else shape.error or _NO_TRAIT
        self.code = trait.code or name
        self.status = trait.http_status_code or (500 if shape.fault else 400)
        self.sender = trait.sender_fault if trait.sender_fault is not None else not shape.fault and self.status < 500
        self.outward = Outward(shape, model.shapes)
        # Some shapes bind the error's own type to a header, which every error has anyway.
        self.outward.headers = {m: each for m, each in self.outward.headers.items() if each[0].lower() != "x-amzn-errortype"}
        self.message = next((member for member in shape.members if member.lower() == "message"), None)
        self.members = {member: ref for member, ref in shape.members.items() if not bound(ref) and member != self.message}
        ref = shape.members[self.message] if self.message else None
        self.message_wire = wire_name(ref, model.shapes[ref.shape], self.message or "") if ref else "message"


@cache
def _wire_codes(name: str) -> dict[str, str]:
    model = service(name)
    found = {shape.error.code: key for key, shape in model.shapes.items() if shape.exception and shape.error and shape.error.code}
    found.update({patch["code"]: key for key, patch in model.overlay.errors.items() if "code" in patch})
    return found


@cache
def _declared(name: str, code: str) -> _Declared | None:
    model = service(name)
    shape = model.shapes.get(code)
    if shape is None or not shape.exception:
        code = _wire_codes(name).get(code, "")
        shape = model.shapes.get(code)
    return _Declared(model, code, shape) if shape is not None else None


def refuse(model: ServiceModel, protocol: str, error: ServiceException, request_id: str, *, head: bool = False) -> HttpResponse:
    """The response that tells a caller no. Answers to HEAD have no body."""
    declared = _declared(model.name, error.code) if model.name else None
    if protocol in ("json", "rest-json"):
        response = _json(model, protocol, declared, error, request_id)
    elif protocol in cbor.FLAVOURS:
        response = _cbor(model, protocol, declared, error, request_id)
    else:
        response = _xml(model, protocol, declared, error, request_id)
    if head:
        response.body = b""
    return response


def _status(declared: _Declared | None, error: ServiceException) -> int:
    return declared.status if declared else error.status


def _fault(declared: _Declared | None, error: ServiceException) -> str:
    return "Sender" if (declared.sender if declared else error.status < 500) else "Receiver"


def _query_error(model: ServiceModel, declared: _Declared | None, error: ServiceException, headers: list[tuple[str, str]]) -> None:
    if model.query_compatible:
        headers.append(("x-amzn-query-error", f"{declared.code if declared else error.code};{_fault(declared, error)}"))


@cache
def _element_writer(service_name: str, protocol: str, name: str) -> Callable[[Mapping[str, Any], Callable[[str], None]], None]:
    declared = _declared(service_name, name)
    assert declared is not None
    members = {member: ref for member, ref in declared.members.items() if member not in ("Code", "Type")}
    return markup(service_name, protocol).structure(name, members)


@cache
def _value_writer(service_name: str, name: str, protocol: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    declared = _declared(service_name, name)
    assert declared is not None
    writers = cbor_writers(service_name, protocol) if protocol in cbor.FLAVOURS else json_writers(service_name, True)
    return writers.structure(name, declared.members)


def _members(model: ServiceModel, declared: _Declared | None, error: ServiceException, protocol: str) -> dict[str, Any]:
    if declared is None:
        return dict(error.members)
    return _value_writer(model.name, declared.name, protocol)(error.members)


def _type(model: ServiceModel, declared: _Declared | None, name: str) -> str:
    """A JSON error's `__type`; what no model declares comes from AWS's common framework."""
    prefix = model.overlay.type_prefix
    if declared is None and prefix:
        prefix = "com.amazon.coral.validate#" if name == "ValidationException" else "com.amazon.coral.service#"
    return prefix + name


def _json(model: ServiceModel, protocol: str, declared: _Declared | None, error: ServiceException, request_id: str) -> HttpResponse:
    name = declared.name if declared else error.code
    headers = [("x-amzn-RequestId", request_id)]
    body = {"__type": _type(model, declared, name)} if protocol == "json" else {}
    if error.message or (declared and declared.message):
        body[declared.message_wire if declared else "message"] = error.message
    body.update(_members(model, declared, error, protocol))
    if protocol == "json":
        headers.append(("Content-Type", f"application/x-amz-json-{model.json_version}"))
    else:
        headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", name)]
        if declared:
            declared.outward.emit(error.members, headers)
    _query_error(model, declared, error, headers)
    return HttpResponse(_status(declared, error), headers, msgspec.json.encode(body))


def _cbor(model: ServiceModel, protocol: str, declared: _Declared | None, error: ServiceException, request_id: str) -> HttpResponse:
    flavour = cbor.FLAVOURS[protocol]
    headers = [("x-amzn-RequestId", request_id), *flavour.headers, ("Content-Type", flavour.content)]
    body = {"__type": _type(model, declared, declared.name if declared else error.code)}
    body[declared.message_wire if declared else "message"] = error.message
    body.update(_members(model, declared, error, protocol))
    _query_error(model, declared, error, headers)
    return HttpResponse(_status(declared, error), headers, cbor.dumps(body))


def _xml(model: ServiceModel, protocol: str, declared: _Declared | None, error: ServiceException, request_id: str) -> HttpResponse:
    pieces: list[str] = []
    if declared:
        _element_writer(model.name, protocol, declared.name)(error.members, pieces.append)
    _undeclared(declared, error.members, pieces)
    core = f"<Code>{escape(declared.code if declared else error.code)}</Code><Message>{escape(error.message)}</Message>"
    extra = "".join(pieces)
    headers = identification(model, request_id)
    if declared:
        declared.outward.emit(error.members, headers)
    headers.append(("Content-Type", "application/xml" if protocol == "rest-xml" else "text/xml"))
    if protocol == "ec2":
        text = f"{DECLARATION}<Response><Errors><Error>{core}{extra}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    elif model.overlay.dialect == "s3":
        trail = f"<RequestId>{request_id}</RequestId><HostId>{host_id(request_id)}</HostId>"
        text = f"{DECLARATION}<Error>{core}{extra}{trail}</Error>"
    else:
        namespace = f' xmlns="{model.xml_namespace}"' if model.xml_namespace else ""
        kind = f"<Type>{_fault(declared, error)}</Type>"
        text = f"<ErrorResponse{namespace}><Error>{kind}{core}{extra}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        if protocol == "rest-xml":
            text = DECLARATION + text
    return HttpResponse(_status(declared, error), headers, text.encode("utf-8", "replace"))


def _undeclared(declared: _Declared | None, members: Mapping[str, Any], pieces: list[str]) -> None:
    # S3 tells more than its model declares: <BucketName>, <Key>, <Resource>, ...
    known = declared.shape.members if declared else {}
    for name, value in members.items():
        if name not in known and value is not None:
            pieces.append(f"<{name}>{escape(str(value))}</{name}>")
