"""Requests to members: for each protocol a function, compiled at an operation's first use.

Every reader tries the fast way, msgspec into the compiled types, and asks `violations` when that says no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import msgspec

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

from . import bindings, cbor, elements, eventstream, forms
from .bindings import Inward, bound
from .model import OperationModel, Ref, ServiceModel, Shape, service
from .types import Types, attribute, hook, wire_name
from .violations import Inspection, Misfit, serialization

Labels = Mapping[str, str] | None
Reader = Callable[[HttpRequest, Labels], Any]

_REFUSED = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)
_BLOBS = (bytes,)


@cache
def _types(name: str, protocol: str, text: bool) -> Types:
    model = service(name)
    return Types(model, model.shapes_for(protocol), text=text)


def types(model: ServiceModel, protocol: str) -> Types:
    """The compiled types that a protocol's bodies are read into."""
    text = protocol in ("query", "ec2", "rest-xml")
    return _types(model.name, "query" if protocol == "query" else "", text)


def _plain_json(body: bytes, model: ServiceModel, protocol: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as problem:
        raise serialization(model, protocol, str(problem)) from None


class _Compiler:
    """What the readers of one operation share."""

    def __init__(self, operation: OperationModel, protocol: str, name: str) -> None:
        self.operation = operation
        self.protocol = protocol
        self.model = operation.service
        self.shapes = self.model.shapes_for(protocol)
        self.name = name
        self.shape = self.shapes[name]
        self.types = types(self.model, protocol)

    def inspection(self) -> Inspection:
        return Inspection(self.model, self.shapes, self.protocol, self.types)

    def judge(self, raw: Any) -> Any:
        """The slow reading of a whole tree."""
        inspection = self.inspection()
        try:
            result = inspection.structure(self.name, raw, "")
        except Misfit as problem:
            raise inspection.misfit(problem) from None
        except RecursionError:
            raise serialization(self.model, self.protocol, "The request is nested too deeply") from None
        inspection.finish()
        return result


def reader(operation: OperationModel, protocol: str) -> Reader:
    """The reader of an operation's requests in a protocol."""
    if operation.input is None:
        return lambda request, labels: None
    compiler = _Compiler(operation, protocol, operation.input)
    if protocol == "json":
        return _json(compiler)
    if protocol in ("query", "ec2"):
        return _form(compiler)
    if protocol in cbor.FLAVOURS:
        return _cbor(compiler)
    return _rest(compiler)


def _json(compiler: _Compiler) -> Reader:
    decode = msgspec.json.Decoder(compiler.types.structure(compiler.name), dec_hook=hook).decode

    def read(request: HttpRequest, labels: Labels) -> Any:
        try:
            return decode(request.body or b"{}")
        except _REFUSED:
            return compiler.judge(_plain_json(request.body or b"{}", compiler.model, compiler.protocol))

    return read


def _cbor(compiler: _Compiler) -> Reader:
    kind = compiler.types.structure(compiler.name)
    loads = cbor.FLAVOURS[compiler.protocol].loads

    def read(request: HttpRequest, labels: Labels) -> Any:
        try:
            raw = loads(request.body)
        except cbor.Malformed as problem:
            raise serialization(compiler.model, compiler.protocol, str(problem)) from None
        try:
            return msgspec.convert(raw, kind, dec_hook=hook, builtin_types=_BLOBS)
        except _REFUSED:
            return compiler.judge(raw)

    return read


def _form(compiler: _Compiler) -> Reader:
    kind = compiler.types.structure(compiler.name)
    readers = forms.FormReaders(compiler.shapes, ec2=compiler.protocol == "ec2")
    flat = readers.flat(compiler.name)
    shape = readers.structure(compiler.name)
    in_path = compiler.model.overlay.path_member
    if in_path not in compiler.shape.members:
        in_path = None

    def read(request: HttpRequest, labels: Labels) -> Any:
        try:
            text = request.body.decode()
            parameters = dict(forms.pairs(f"{request.query}&{text}" if request.query else text))
            if in_path is not None and request.path != "/" and in_path not in parameters:
                parameters[in_path] = forms.label(request.path)
            raw = parameters if flat else shape(forms.plant(parameters))
        except (UnicodeDecodeError, forms.Malformed, RecursionError) as problem:
            raise serialization(compiler.model, compiler.protocol, str(problem)) from None
        try:
            return msgspec.convert(raw, kind, strict=False, dec_hook=hook)
        except _REFUSED:
            return compiler.judge(raw)

    return read


def _rest(compiler: _Compiler) -> Reader:
    shape, shapes = compiler.shape, compiler.shapes
    inward = Inward(shape, shapes, compiler.operation.uri)
    payload = shape.payload
    body = {member: ref for member, ref in shape.members.items() if not bound(ref) and member != payload}
    rest = _Rest(compiler, inward, body)
    if payload is not None:
        target = shapes[shape.members[payload].shape]
        if target.eventstream:
            return rest.with_passage(lambda request: _events(compiler, target, request.body))
        if target.type == "blob":
            return rest.with_passage(lambda request: request.body)
        if target.type == "string":
            return rest.with_passage(lambda request: _string_payload(compiler, request.body))
    if compiler.protocol == "rest-xml":
        return rest.with_xml()
    if payload is not None:
        return rest.with_json_payload()
    if body:
        return rest.with_json_body()
    return rest.with_nothing()


def _string_payload(compiler: _Compiler, body: bytes) -> str | None:
    try:
        return body.decode() if body else None
    except UnicodeDecodeError as problem:
        raise serialization(compiler.model, compiler.protocol, str(problem)) from None


class _Rest:
    """The readers of the REST protocols, by what the body is."""

    def __init__(self, compiler: _Compiler, inward: Inward, body: dict[str, Ref]) -> None:
        self.compiler = compiler
        self.inward = inward
        self.body = body
        self.payload = compiler.shape.payload
        self.text = _types(compiler.model.name, "", True)
        self.members = compiler.shape.members

    def located(self, request: HttpRequest, labels: Labels) -> dict[str, Any]:
        try:
            return self.inward.gather(request, labels)
        except bindings.Malformed as problem:
            raise serialization(self.compiler.model, self.compiler.protocol, str(problem)) from None

    def judge(self, kind: Any, located: Mapping[str, Any], body: Any = None, payload: Any = None) -> Any:
        """The slow reading: bound members as text, the others as the body has them."""
        compiler = self.compiler
        inspection = compiler.inspection()
        values: dict[str, Any] = {}
        try:
            if body is not None and not isinstance(body, dict):
                raise Misfit("Unexpected token received from parser", "", body)
            for member, ref in self.members.items():
                place = member[:1].lower() + member[1:]
                required = member in compiler.shape.required
                if bound(ref):
                    raw, text = located.get(member), True
                elif member == self.payload:
                    raw, text = payload, inspection.text
                else:
                    wired = member if inspection.text else wire_name(ref, compiler.shapes[ref.shape], member)
                    raw, text = (body or {}).get(wired), inspection.text
                if member == self.payload and raw is not None and compiler.shapes[ref.shape].type in ("blob", "string"):
                    values[attribute(member)] = raw
                    continue
                values[attribute(member)] = inspection.member(ref, raw, place, required, member, text)
        except Misfit as problem:
            problem.wire = problem.wire or self._wire(problem.path)
            raise self._refused(inspection, problem) from None
        self._incomplete(inspection, payload)
        inspection.finish()
        return kind(**values)

    def _incomplete(self, inspection: Inspection, payload: Any) -> None:
        """Some services say of a missing body, or of an incomplete one, something else than of a missing parameter."""
        overlay = self.compiler.model.overlay
        if overlay.bodiless is None or not inspection.missing or self.payload is None:
            return
        if payload is None and any(member == self.payload for member, _ in inspection.missing):
            raise ServiceException(overlay.bodiless.code, overlay.bodiless.message, status=overlay.bodiless.status)
        if any(member not in self.members for member, _ in inspection.missing):
            raise serialization(self.compiler.model, self.compiler.protocol)

    def _refused(self, inspection: Inspection, problem: Misfit) -> ServiceException:
        first = problem.path.partition(".")[0]
        for member, ref in self.members.items():
            if member[:1].lower() + member[1:] == first and bound(ref):
                return inspection.misfit(problem)
        return serialization(self.compiler.model, self.compiler.protocol, problem.message)

    def _wire(self, path: str) -> str:
        first = path.partition(".")[0]
        for member, ref in self.members.items():
            if member[:1].lower() + member[1:] == first:
                return ref.location_name or member
        return path

    def _kind(self, types: Types, loose: dict[str, str]) -> Any:
        return types.define(self.compiler.name, self.compiler.shape, self.members.items(), loose)

    def with_nothing(self) -> Reader:
        """No body at all."""
        kind = self._kind(self.text, {})

        def read(request: HttpRequest, labels: Labels) -> Any:
            raw = self.located(request, labels)
            try:
                return msgspec.convert(raw, kind, strict=False, dec_hook=hook)
            except _REFUSED:
                return self.judge(kind, raw)

        return read

    def with_passage(self, passage: Callable[[HttpRequest], Any]) -> Reader:
        """A body that is one member as it stands."""
        assert self.payload is not None
        kind = self._kind(self.text, {self.payload: " "})
        field = attribute(self.payload)
        required = self.payload in self.compiler.shape.required

        def read(request: HttpRequest, labels: Labels) -> Any:
            raw = self.located(request, labels)
            content = passage(request)
            try:
                result = msgspec.convert(raw, kind, strict=False, dec_hook=hook)
            except _REFUSED:
                return self.judge(kind, raw, payload=content)
            if content is None and required:
                return self.judge(kind, raw)
            setattr(result, field, content)
            return result

        return read

    def with_xml(self) -> Reader:
        """An XML body: the payload member, or all members without another place."""
        compiler = self.compiler
        kind = self._kind(self.text, {})
        readers = elements.ElementReaders(compiler.shapes)
        inside = readers.structure(self.members[self.payload].shape if self.payload else compiler.name)
        root_name = self._root()
        has_body = bool(self.payload or self.body)

        def read(request: HttpRequest, labels: Labels) -> Any:
            raw = self.located(request, labels)
            content: dict[str, Any] = {}
            if has_body and request.body:
                try:
                    root = elements.parse(request.body)
                    if root_name and elements.local(root.tag) != root_name:
                        raise elements.Malformed(f"The root element is not {root_name}")
                    content = inside(root)
                except elements.Malformed as problem:
                    raise serialization(compiler.model, compiler.protocol, str(problem)) from None
                raw = {**content, **raw} if self.payload is None else {**raw, self.payload: content}
            try:
                return msgspec.convert(raw, kind, strict=False, dec_hook=hook)
            except _REFUSED:
                return self.judge(kind, raw, raw, raw.get(self.payload or ""))

        return read

    def _root(self) -> str | None:
        if self.payload is not None:
            ref = self.members[self.payload]
            return ref.location_name or self.compiler.shapes[ref.shape].location_name
        ref_in = self.compiler.operation.input_ref
        return ref_in.location_name if ref_in else None

    def with_json_payload(self) -> Reader:
        """A JSON body that is one member."""
        compiler = self.compiler
        assert self.payload is not None
        kind = self._kind(self.text, {self.payload: " "})
        field, required = attribute(self.payload), self.payload in compiler.shape.required
        decode = msgspec.json.Decoder(compiler.types.of(self.members[self.payload]), dec_hook=hook).decode

        def read(request: HttpRequest, labels: Labels) -> Any:
            raw = self.located(request, labels)
            try:
                result = msgspec.convert(raw, kind, strict=False, dec_hook=hook)
                if request.body:
                    setattr(result, field, decode(request.body))
                elif required:
                    return self.judge(kind, raw)
            except _REFUSED:
                content = _plain_json(request.body, compiler.model, compiler.protocol) if request.body else None
                return self.judge(kind, raw, payload=content)
            return result

        return read

    def with_json_body(self) -> Reader:
        """A JSON body of the members without another place."""
        compiler = self.compiler
        outside = {member: ref for member, ref in self.members.items() if bound(ref)}
        kind = self._kind(compiler.types, {member: f" {member}" for member in outside})
        decode = msgspec.json.Decoder(kind, dec_hook=hook).decode
        placed = self.text.define(f"{compiler.name}Bound", compiler.shape, outside.items(), {})
        fields = [attribute(member) for member in outside]

        def read(request: HttpRequest, labels: Labels) -> Any:
            raw = self.located(request, labels)
            try:
                result = decode(request.body or b"{}")
                if fields:
                    found = msgspec.convert(raw, placed, strict=False, dec_hook=hook)
                    for field in fields:
                        setattr(result, field, getattr(found, field))
            except _REFUSED:
                return self.judge(kind, raw, _plain_json(request.body or b"{}", compiler.model, compiler.protocol))
            return result

        return read


def _events(compiler: _Compiler, stream: Shape, body: Any) -> Any:
    """The events of a request's stream: {event: members} dicts; a body that is not bytes stays as it is."""
    if not isinstance(body, bytes):
        return body
    try:
        return [_event(compiler, stream, headers, payload) for headers, payload in eventstream.frames(body)]
    except eventstream.Malformed as problem:
        raise serialization(compiler.model, compiler.protocol, str(problem)) from None


def _event(compiler: _Compiler, stream: Shape, headers: dict[str, Any], payload: bytes) -> dict[str, Any]:
    name = headers.get(":event-type")
    ref = stream.members.get(cast(str, name))
    if ref is None:
        raise serialization(compiler.model, compiler.protocol, f"Unknown event {name}")
    shape = compiler.shapes[ref.shape]
    raw: dict[str, Any] = {}
    carried = next((member for member, each in shape.members.items() if each.eventpayload), None)
    if carried is None and payload:
        raw = _plain_json(payload, compiler.model, compiler.protocol)
    elif carried is not None:
        kind = compiler.shapes[shape.members[carried].shape].type
        raw[carried] = (
            payload
            if kind == "blob"
            else payload.decode(errors="replace")
            if kind == "string"
            else _plain_json(payload, compiler.model, compiler.protocol)
        )
    for member, each in shape.members.items():
        if each.eventheader and member in headers:
            raw[member] = headers[member]
    inspection = compiler.inspection()
    try:
        members = inspection.structure(ref.shape, raw, name or "")
    except Misfit as problem:
        raise inspection.misfit(problem) from None
    inspection.finish()
    return {cast(str, name): members}
