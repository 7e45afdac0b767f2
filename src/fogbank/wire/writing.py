"""Answers to responses: for each protocol a function, compiled at an operation's first use.

An answer is a plain dict by AWS's member names; None, or a member that is None, is absent.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Body, Flow
from fogbank.kernel.http import HttpResponse

from . import cbor, eventstream
from .bindings import Outward, bound
from .eventstream import frame
from .markup import Markup, escape
from .model import OperationModel, Ref, ServiceModel, Shape, service
from .values import ValueWriters

Answer = Mapping[str, Any] | None
Writer = Callable[[Answer, str], HttpResponse]
Headers = list[tuple[str, str]]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_encode = msgspec.json.Encoder().encode


@cache
def json_writers(name: str, thorough: bool) -> ValueWriters:
    """A service's writers of JSON values."""
    model = service(name)
    return ValueWriters(model.shapes, thorough=thorough, verbatim=model.overlay.verbatim)


@cache
def cbor_writers(name: str, protocol: str) -> ValueWriters:
    """A service's writers of CBOR values."""
    return ValueWriters(service(name).shapes, instant=cbor.FLAVOURS[protocol].instant, thorough=True)


@cache
def markup(name: str, protocol: str) -> Markup:
    """A service's writers of XML."""
    model = service(name)
    return Markup(model.shapes_for(protocol), milliseconds=model.overlay.milliseconds)


def identification(model: ServiceModel, request_id: str) -> Headers:
    """The headers that name the request."""
    if model.overlay.dialect == "s3":
        return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]
    return [("x-amzn-RequestId", request_id)]


def host_id(request_id: str) -> str:
    """S3's second, longer identifier of a request."""
    return base64.b64encode((request_id * 3).encode()[:56]).decode()


def json_structure(model: ServiceModel, name: str, members: Mapping[str, Ref] | None = None) -> Callable[[Mapping[str, Any]], bytes]:
    """The function that writes a structure, or some of its members, as JSON."""
    writers = json_writers(model.name, False)
    write = None if members is None and writers.plain(name) else writers.structure(name, members)
    prune = json_writers(model.name, True).structure(name, members)

    def encode(answer: Mapping[str, Any]) -> bytes:
        body = _encode(write(answer) if write else answer)
        # A null from a member that is None: rare, so looked for only afterwards.
        return _encode(prune(answer)) if b":null" in body else body

    return encode


def writer(operation: OperationModel, protocol: str) -> Writer:
    """The writer of an operation's answers in a protocol."""
    if protocol == "json":
        return _json(operation)
    if protocol in cbor.FLAVOURS:
        return _cbor(operation, protocol)
    if protocol in ("query", "ec2"):
        return _query(operation, ec2=protocol == "ec2")
    return _Rest(operation, protocol).write


def _stream_member(shape: Shape, shapes: Mapping[str, Shape]) -> str | None:
    return next((member for member, ref in shape.members.items() if shapes[ref.shape].eventstream), None)


def _json(operation: OperationModel) -> Writer:
    model = operation.service
    content = f"application/x-amz-json-{model.json_version}"
    if operation.output is None:
        return lambda answer, request_id: HttpResponse(200, [("x-amzn-RequestId", request_id), ("Content-Type", content)])
    shape = model.shapes[operation.output]
    stream = _stream_member(shape, model.shapes)
    if stream is not None:
        return _rpc_stream(operation, "json", stream)
    encode = json_structure(model, operation.output)

    def write(answer: Answer, request_id: str) -> HttpResponse:
        return HttpResponse(200, [("x-amzn-RequestId", request_id), ("Content-Type", content)], encode(answer) if answer else b"{}")

    return write


def _cbor(operation: OperationModel, protocol: str) -> Writer:
    model, flavour = operation.service, cbor.FLAVOURS[protocol]
    stream = _stream_member(model.shapes[operation.output], model.shapes) if operation.output else None
    if stream is not None:
        return _rpc_stream(operation, protocol, stream)
    inner = cbor_writers(model.name, protocol).structure(operation.output) if operation.output else None

    def write(answer: Answer, request_id: str) -> HttpResponse:
        headers = [("x-amzn-RequestId", request_id), *flavour.headers, ("Content-Type", flavour.content)]
        return HttpResponse(200, headers, cbor.dumps(inner(answer or {}) if inner else {}))

    return write


def _query(operation: OperationModel, *, ec2: bool) -> Writer:
    model = operation.service
    inner = markup(model.name, "ec2" if ec2 else "query").structure(operation.output) if operation.output else None
    name = operation.name
    namespace = model.xml_namespace or f"https://{model.endpoint_prefix}.amazonaws.com/doc/{model.api_version}/"
    if ec2:
        head, tail = f'{DECLARATION}<{name}Response xmlns="{namespace}"><requestId>', f"</{name}Response>"
        before, after = "</requestId>", ""
    else:
        ref = operation.output_ref
        wrapper = (ref.result_wrapper if ref else None) or f"{name}Result"
        head, tail = f'<{name}Response xmlns="{namespace}">' + (f"<{wrapper}>" if inner else ""), ""
        before, after = (
            (f"</{wrapper}>" if inner else "") + "<ResponseMetadata><RequestId>",
            f"</RequestId></ResponseMetadata></{name}Response>",
        )

    def write(answer: Answer, request_id: str) -> HttpResponse:
        pieces = [head]
        if ec2:
            pieces.append(request_id + before)
        if inner:
            inner(answer or {}, pieces.append)
        pieces.append(tail if ec2 else f"{before}{request_id}{after}")
        body = "".join(pieces).encode("utf-8", "replace")
        return HttpResponse(
            200, [("x-amzn-RequestId", request_id), ("Content-Type", "text/xml;charset=UTF-8" if ec2 else "text/xml")], body
        )

    return write


class _Rest:
    """The writer of one operation's answers in a REST protocol."""

    def __init__(self, operation: OperationModel, protocol: str) -> None:
        self.model = operation.service
        self.operation = operation
        self.xml = protocol == "rest-xml"
        self.shapes = self.model.shapes
        self.shape = self.shapes[operation.output] if operation.output else Shape("structure")
        self.outward = Outward(self.shape, self.shapes)
        self.content = "application/xml" if self.xml else "application/json"
        self.status = operation.status
        self.head = operation.method == "HEAD"
        self.body = self._body()

    def write(self, answer: Answer, request_id: str) -> HttpResponse:
        given: Mapping[str, Any] = answer or {}
        headers = identification(self.model, request_id)
        self.outward.emit(given, headers)
        status = self.status
        if self.outward.status is not None:
            status = given.get(self.outward.status) or status
        body, content = self.body(given) if self.body else (b"", None)
        if content and given.get(self.outward.content_type) is None:
            headers.append(("Content-Type", content))
        return HttpResponse(status, headers, b"" if self.head else body)

    def _body(self) -> Callable[[Mapping[str, Any]], tuple[Any, str | None]] | None:
        payload = self.shape.payload
        if payload is None:
            return self._members()
        ref = self.shape.members[payload]
        target = self.shapes[ref.shape]
        if target.eventstream:
            stream = _Events(self.model, target, "rest-xml" if self.xml else "rest-json")
            return lambda answer: (stream.body(b"", answer.get(payload)), eventstream.CONTENT_TYPE)
        if target.type == "blob":
            kind = self.model.overlay.blob_type
            return lambda answer: (_blob(answer.get(payload, b"")), kind if answer.get(payload) is not None else None)
        if target.type == "string":
            return lambda answer: ((answer.get(payload) or "").encode(), "text/plain")
        if not self.xml:
            writers = json_writers(self.model.name, True)
            convert = writers.of(ref)
            return lambda answer: (_encode(_converted(convert, answer.get(payload, {}))), self.content)
        root = ref.location_name or target.location_name or self.model.overlay.roots.get(self.operation.name) or ref.shape
        return self._document(root, markup(self.model.name, "rest-xml").structure(ref.shape), payload)

    def _members(self) -> Callable[[Mapping[str, Any]], tuple[Any, str | None]] | None:
        members = {member: ref for member, ref in self.shape.members.items() if not bound(ref)}
        name = self.operation.output
        if name is None or (not members and (self.xml or self.shape.members)):
            return None
        if not self.xml:
            encode = json_structure(self.model, name, None if len(members) == len(self.shape.members) else members)
            return lambda answer: (encode(answer), self.content)
        overlay = self.model.overlay
        root = overlay.roots.get(self.operation.name, name)
        unwrapped = overlay.unwrapped.get(self.operation.name)
        if unwrapped:
            head = f'{DECLARATION}<{root} xmlns="{self.model.xml_namespace}">'
            return lambda answer: (f"{head}{escape(answer.get(unwrapped) or '')}</{root}>".encode(), self.content)
        return self._document(root, markup(self.model.name, "rest-xml").structure(name, members), None)

    def _document(self, root: str, inner: Any, payload: str | None) -> Callable[[Mapping[str, Any]], tuple[Any, str | None]]:
        namespace = f' xmlns="{self.model.xml_namespace}"' if self.model.xml_namespace else ""
        head, tail = f"{DECLARATION}<{root}{namespace}>", f"</{root}>"

        def write(answer: Mapping[str, Any]) -> tuple[Any, str | None]:
            value = answer if payload is None else answer.get(payload)
            if value is None:
                return b"", None
            pieces = [head]
            inner(value, pieces.append)
            pieces.append(tail)
            return "".join(pieces).encode("utf-8", "replace"), self.content

        return write


def _converted(convert: Callable[[Any], Any] | None, value: Any) -> Any:
    return convert(value) if convert else value


def _blob(value: Any) -> Any:
    return Body(value) if isinstance(value, Flow) else value


class _Events:
    """The writer of one event stream."""

    def __init__(self, model: ServiceModel, stream: Shape, protocol: str) -> None:
        self.model = model
        self.stream = stream
        self.protocol = protocol
        flavour = cbor.FLAVOURS.get(protocol)
        self.kind = flavour.content if flavour is not None else "text/xml" if protocol == "rest-xml" else "application/json"

    def write(self, events: Iterable[Mapping[str, Any]]) -> bytes:
        """The frames of some events, each {event: members}."""
        return b"".join(self._event(name, members or {}) for event in events for name, members in event.items())

    def body(self, head: bytes, events: Iterable[Mapping[str, Any]] | Flow | None) -> bytes | Body:
        """The stream as a body: all there is, or what goes on."""
        return Body(events, head, self.write, self.refuse) if isinstance(events, Flow) else head + self.write(events or ())

    def refuse(self, problem: ServiceException) -> bytes:
        """The frame that ends a stream with an error: one of the stream's own exceptions, or any other."""
        if problem.code in self.stream.members:
            return self._event(problem.code, {"message": problem.message, "Message": problem.message, **problem.members})
        return frame({":message-type": "error", ":error-code": problem.code, ":error-message": problem.message}, b"")

    def _event(self, name: str, members: Mapping[str, Any]) -> bytes:
        ref = self.stream.members[name]
        shape = self.model.shapes[ref.shape]
        kind = "exception" if shape.exception else "event"
        headers: dict[str, Any] = {f":{kind}-type": name}
        payload: bytes | None = None
        body: dict[str, Ref] = {}
        for member, each in shape.members.items():
            target = self.model.shapes[each.shape]
            value = members.get(member)
            if each.eventheader and value is not None:
                headers[member] = eventstream.Instant(value) if target.type == "timestamp" else value
            elif each.eventpayload:
                payload = self._payload(each, target, value, headers)
            elif not each.eventheader:
                body[member] = each
        if payload is None:
            payload = self.structure(ref.shape, body, members) if body else b""
            headers[":content-type"] = self.kind
        headers[":message-type"] = kind
        return frame(headers, payload)

    def _payload(self, ref: Ref, target: Shape, value: Any, headers: dict[str, Any]) -> bytes:
        if target.type == "blob":
            headers[":content-type"] = "application/octet-stream"
            return value or b""
        if target.type == "string":
            headers[":content-type"] = "text/plain"
            return (value or "").encode()
        headers[":content-type"] = self.kind
        return self.structure(ref.shape, target.members, value or {})

    def structure(self, name: str, members: Mapping[str, Ref], value: Mapping[str, Any]) -> bytes:
        """A structure in the protocol's own body format."""
        if self.protocol == "rest-xml":
            pieces = [f"<{name}>"]
            markup(self.model.name, "rest-xml").structure(name)(value, pieces.append)
            return ("".join(pieces) + f"</{name}>").encode()
        if self.protocol in cbor.FLAVOURS:
            return cbor.dumps(cbor_writers(self.model.name, self.protocol).structure(name, members)(value))
        return bytes(_encode(json_writers(self.model.name, True).structure(name, members)(value)))


def _rpc_stream(operation: OperationModel, protocol: str, stream: str) -> Writer:
    """An RPC answer with a stream: its other members come first, as the `initial-response` event."""
    model = operation.service
    assert operation.output is not None
    shape = model.shapes[operation.output]
    events = _Events(model, model.shapes[shape.members[stream].shape], protocol)
    others = {member: ref for member, ref in shape.members.items() if member != stream}
    name = operation.output

    def write(answer: Answer, request_id: str) -> HttpResponse:
        given = answer or {}
        initial = events.structure(name, others, {key: value for key, value in given.items() if key != stream})
        head = frame({":event-type": "initial-response", ":content-type": events.kind, ":message-type": "event"}, initial)
        headers = [("x-amzn-RequestId", request_id), ("Content-Type", eventstream.CONTENT_TYPE)]
        if protocol in cbor.FLAVOURS:
            headers += cbor.FLAVOURS[protocol].headers
        return HttpResponse(200, headers, events.body(head, given.get(stream)))

    return write
