"""AWS's service models, read from botocore's data folder as typed records.

botocore itself is never imported (that costs 150 to 200 ms): only its folder is found, and a model is
gunzipped and decoded when its service is first asked for. Documentation is skipped while decoding, so a
model in memory is a tenth of its file.

Shapes are what the files call them: a `Shape` is a named type, a `Ref` is the use of a shape by a member,
with the traits of that use. A trait of the use wins over the same trait of the shape.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from .overlay import Overlay, overlay


class Ref(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The use of a shape: as a member of a structure, list or map, or as an input or output."""

    shape: str
    location: str | None = None
    location_name: str | None = None
    query_name: str | None = None
    flattened: bool | None = None
    streaming: bool = False
    timestamp_format: str | None = None
    xml_namespace: Any = None
    xml_attribute: bool = False
    jsonvalue: bool = False
    host_label: bool = False
    idempotency_token: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    result_wrapper: str | None = None


class ErrorTrait(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """How an error shape looks on the wire: its code in the query protocols, its HTTP status."""

    code: str | None = None
    http_status_code: int | None = None
    sender_fault: bool | None = None


class Shape(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A named type of a service."""

    type: str
    members: dict[str, Ref] = {}
    required: tuple[str, ...] = ()
    member: Ref | None = None
    key: Ref | None = None
    value: Ref | None = None
    min: float | int | None = None
    max: float | int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    payload: str | None = None
    location_name: str | None = None
    flattened: bool = False
    timestamp_format: str | None = None
    xml_namespace: Any = None
    streaming: bool = False
    exception: bool = False
    fault: bool = False
    error: ErrorTrait | None = None
    union: bool = False
    document: bool = False
    eventstream: bool = False
    event: bool = False
    sensitive: bool = False
    sparse: bool = False


class _Http(msgspec.Struct, rename="camel", frozen=True, gc=False):
    method: str = "POST"
    request_uri: str = "/"
    response_code: int | None = None


class _Checksum(msgspec.Struct, rename="camel", frozen=True, gc=False):
    request_algorithm_member: str | None = None
    request_checksum_required: bool = False
    request_validation_mode_member: str | None = None
    response_algorithms: tuple[str, ...] = ()


class _Operation(msgspec.Struct, rename="camel", frozen=True, gc=False):
    http: _Http = _Http()
    input: Ref | None = None
    output: Ref | None = None
    errors: tuple[Ref, ...] = ()
    authtype: str | None = None
    auth: tuple[str, ...] = ()
    deprecated: bool = False
    unsigned_payload: bool = False
    http_checksum_required: bool = False
    http_checksum: _Checksum | None = None


class Metadata(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The head of a model's file."""

    api_version: str
    endpoint_prefix: str
    protocol: str
    service_id: str = ""
    signing_name: str | None = None
    target_prefix: str | None = None
    json_version: str | None = None
    xml_namespace: Any = None
    protocols: tuple[str, ...] = ()
    aws_query_compatible: Any = None


class _File(msgspec.Struct, frozen=True, gc=False):
    metadata: Metadata
    operations: dict[str, _Operation]
    shapes: dict[str, Shape]


class OperationModel:
    """One operation: its names, its HTTP binding and its shapes."""

    __slots__ = ("_raw", "errors", "input", "method", "name", "output", "service", "uri")

    def __init__(self, service: ServiceModel, name: str, raw: _Operation) -> None:
        self._raw = raw
        self.service = service
        self.name = name
        self.method = raw.http.method
        self.uri = raw.http.request_uri
        self.input = raw.input.shape if raw.input else None
        self.output = raw.output.shape if raw.output else None
        self.errors = tuple(ref.shape for ref in raw.errors)

    @property
    def input_ref(self) -> Ref | None:
        return self._raw.input

    @property
    def output_ref(self) -> Ref | None:
        return self._raw.output

    @property
    def status(self) -> int:
        """The HTTP status of success."""
        return self._raw.http.response_code or 200

    @property
    def deprecated(self) -> bool:
        return self._raw.deprecated

    @property
    def unsigned(self) -> bool:
        """Whether callers need no signature at all."""
        return self._raw.authtype == "none" or "smithy.api#noAuth" in self._raw.auth or self.name in self.service.overlay.unsigned

    @property
    def unsigned_payload(self) -> bool:
        """Whether the signature may leave the body out."""
        return self._raw.unsigned_payload or self._raw.authtype == "v4-unsigned-body"

    @property
    def streaming_input(self) -> bool:
        return self._streams(self.input)

    def _streams(self, name: str | None) -> bool:
        if name is None:
            return False
        shape = self.service.shapes[name]
        if shape.payload is None:
            return False
        ref = shape.members[shape.payload]
        payload = self.service.shapes[ref.shape]
        return payload.type == "blob" and (ref.streaming or payload.streaming)

    @property
    def request_algorithm_member(self) -> str | None:
        """The input member that names the checksum algorithm, where the operation has request checksums."""
        return self._raw.http_checksum.request_algorithm_member if self._raw.http_checksum else None

    @property
    def request_checksum_required(self) -> bool:
        checksum = self._raw.http_checksum
        return self._raw.http_checksum_required or bool(checksum and checksum.request_checksum_required)

    @property
    def request_validation_mode_member(self) -> str | None:
        """The input member by which a caller asks for checksums in the answer."""
        return self._raw.http_checksum.request_validation_mode_member if self._raw.http_checksum else None

    @property
    def response_algorithms(self) -> tuple[str, ...]:
        return self._raw.http_checksum.response_algorithms if self._raw.http_checksum else ()

    def __repr__(self) -> str:
        return f"<{self.service.name}:{self.name}>"


class ServiceModel:
    """One service's model, with the overlay's facts added."""

    def __init__(self, name: str, file: _File) -> None:
        self.name = name
        self.metadata = file.metadata
        self.overlay: Overlay = overlay(name)
        self.api_version = file.metadata.api_version
        self.endpoint_prefix = file.metadata.endpoint_prefix
        self.signing_name = file.metadata.signing_name or file.metadata.endpoint_prefix
        self.service_id = file.metadata.service_id
        self.target_prefix = file.metadata.target_prefix
        self.json_version = file.metadata.json_version or "1.0"
        namespace = file.metadata.xml_namespace
        self.xml_namespace: str | None = self.overlay.xml_namespace or (namespace["uri"] if isinstance(namespace, dict) else namespace)
        self.protocols = protocols_of(name, file.metadata)
        self.query_compatible = file.metadata.aws_query_compatible is not None
        self.shapes: Mapping[str, Shape] = file.shapes
        self.operations: Mapping[str, OperationModel] = {key: OperationModel(self, key, raw) for key, raw in file.operations.items()}

    @cached_property
    def query_shapes(self) -> Mapping[str, Shape]:
        """The shapes as the query protocol names them, where the overlay knows older names than the model."""
        patches = self.overlay.query_shapes
        return {**self.shapes, **{name: _patched(self.shapes[name], patch) for name, patch in patches.items()}} if patches else self.shapes

    def shapes_for(self, protocol: str) -> Mapping[str, Shape]:
        return self.query_shapes if protocol == "query" else self.shapes

    def __repr__(self) -> str:
        return f"<{self.name} {self.api_version}>"


def protocols_of(name: str, metadata: Metadata) -> tuple[str, ...]:
    """Every protocol a service speaks, the model's preferred one first."""
    listed = metadata.protocols or (metadata.protocol,)
    return tuple(dict.fromkeys((*listed, *overlay(name).protocols)))


def _patched(shape: Shape, patch: dict[str, Any]) -> Shape:
    raw = msgspec.to_builtins(shape)
    for key, value in patch.items():
        if key == "members":
            raw["members"] = {name: {**ref, **value.get(name, {})} for name, ref in raw["members"].items()}
        elif isinstance(value, dict) and isinstance(raw.get(key), dict):
            raw[key] = {**raw[key], **value}
        else:
            raw[key] = value
    return msgspec.convert(raw, Shape)


@lru_cache(maxsize=1)
def folder() -> Path:
    """botocore's data folder."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore, whose service models describe AWS's wire, is not installed")
    return Path(spec.origin).parent / "data"


@lru_cache(maxsize=1)
def services() -> tuple[str, ...]:
    """The name of every service that has a model, sorted."""
    return tuple(sorted(entry.name for entry in folder().iterdir() if entry.is_dir()))


def _path(name: str) -> Path | None:
    versions = sorted((folder() / name).iterdir(), reverse=True)
    for version in versions:
        for file in (version / "service-2.json.gz", version / "service-2.json"):
            if file.exists():
                return file
    return None


def read(name: str) -> bytes:
    """The bytes of a service's newest model. KeyError if there is none."""
    path = _path(name) if name in services() else None
    if path is None:
        raise KeyError(name)
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


@lru_cache(maxsize=1)
def _decoder() -> msgspec.json.Decoder[_File]:
    return msgspec.json.Decoder(_File)


@cache
def service(name: str) -> ServiceModel:
    """A service's model, loaded at the first request for it. KeyError if there is none."""
    return ServiceModel(name, _decoder().decode(read(name)))


NEUTRAL = ServiceModel("", _File(Metadata(api_version="", endpoint_prefix="", protocol="json"), {}, {}))
"""No service: what a refusal is written for when not even the service is known."""
