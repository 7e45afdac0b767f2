"""Every operation of every service, both ways, against botocore's own serializer and parser.

The normal run takes a deterministic sample, and always all of the services in ALWAYS; `--all` takes everything.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import botocore.awsrequest
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import msgspec
import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.wire import model
from fogbank.wire.codec import codec
from fogbank.wire.identify import identify
from fogbank.wire.types import attribute

from .examples import Examples, NoExample

ALWAYS = {"sqs", "iam", "sts", "s3", "dynamodb"}
# Deprecated operations in whose shapes two members have one name on the wire.
AMBIGUOUS = {("s3", "GetBucketNotification"), ("s3", "PutBucketNotification")}
ONE_IN = 12

_loader = botocore.loaders.Loader(include_default_extras=False)


@lru_cache(maxsize=4)
def client_model(service: str, protocol: str) -> botocore.model.ServiceModel:
    """botocore's model, with the query protocol's older names where the overlay has them."""
    raw = _loader.load_service_model(service, "service-2")
    if protocol == "query" and model.service(service).overlay.query_shapes:
        raw = json.loads(json.dumps(raw))
        _merge(raw["shapes"], model.service(service).overlay.query_shapes)
        raw["metadata"].pop("awsQueryCompatible", None)
        for name, trait in model.service(service).overlay.errors.items():
            raw["shapes"][name]["error"] = trait
        for name, operation in raw["operations"].items():
            if "output" in operation:
                operation["output"]["resultWrapper"] = f"{name}Result"
    return botocore.model.ServiceModel(raw, service)


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", model.services())


@pytest.fixture
def everything(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all", default=False))


def operations(service: str, everything: bool) -> Iterator[tuple[str, str]]:
    """The operations to try, with each protocol."""
    try:
        ours = model.service(service)
    except KeyError:
        return
    for protocol in ours.protocols:
        for name in ours.operations:
            if (service, name) in AMBIGUOUS:
                continue
            if everything or service in ALWAYS or zlib.crc32(f"{service}.{name}".encode()) % ONE_IN == 0:
                yield protocol, name


def plain(value: Any) -> Any:
    """A decoded value as dicts and lists, without absent members."""
    if isinstance(value, msgspec.Struct):
        return {name.removesuffix("_"): plain(getattr(value, name)) for name in value.__struct_fields__ if getattr(value, name) is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def as_it_came(value: Any) -> Any:
    """What is carried verbatim: blobs are the text that they are in JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [as_it_came(item) for item in value]
    if isinstance(value, dict):
        return {key: as_it_came(item) for key, item in value.items()}
    return value


def ours(value: Any) -> Any:
    """An example as we have it inside: instants in milliseconds."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, list):
        return [ours(item) for item in value]
    if isinstance(value, dict):
        return {key: ours(item) for key, item in value.items()}
    return value


def request_of(serialized: dict[str, Any]) -> HttpRequest:
    """A serialized request as it arrives."""
    botocore.awsrequest.prepare_request_dict(serialized, "http://localhost:4566")
    prepared = botocore.awsrequest.create_request_object(serialized).prepare()
    path, _, query = prepared.url.removeprefix("http://").partition("/")[2].partition("?")
    headers = {key.lower(): value.decode() if isinstance(value, bytes) else str(value) for key, value in prepared.headers.items()}
    body = prepared.body or b""
    return HttpRequest(prepared.method, f"/{path}", query, headers, body.encode() if isinstance(body, str) else bytes(body))


def without_nothing(value: Any) -> Any:
    """Without empty structures: a form cannot say them."""
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := without_nothing(item)) != {}}
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    return value


def same_route(service: str, found: str, wanted: str) -> bool:
    operations = model.service(service).operations
    return (operations[found].method, operations[found].uri) == (operations[wanted].method, operations[wanted].uri)


def check_input(service: str, protocol: str, name: str, *, full: bool) -> bool:
    """Serialize an example with botocore, identify and decode it, compare. False if there is no example."""
    operation = client_model(service, protocol).operation_model(name)
    shape = operation.input_shape
    if operation.has_event_stream_input:
        return False
    constrained = model.service(service).overlay.constraints
    params: dict[str, Any] = {}
    if shape is not None:
        try:
            params = Examples(f"{service}.{name}.{full}", full=full, constrained=constrained).structure(shape)
        except NoExample:
            return False
    if protocol in ("query", "ec2"):
        params = without_nothing(params)
    serialized = botocore.serialize.create_serializer(protocol, include_validation=False).serialize_to_request(params, operation)
    request = request_of(serialized)
    call = identify(request, model.service(service).signing_name)
    if call.operation != name and call.service == service:
        assert same_route(service, call.operation, name), (
            f"{name} was taken for {call.operation}: {request.method} {request.path}?{request.query}"
        )
    labels = call.labels if call.service == service else None
    if call.service != service:
        # Another service has the same signing name and the same route; its operation is meant, says AWS's endpoint, not the request.
        if protocol.startswith("rest"):
            from fogbank.wire.routes import router

            found = router(service).match(request.method, request.path, request.query, request.headers)
            assert found is not None
            labels = found[1]
    elif call.operation == name:
        assert call.protocol == protocol
    decoded = codec(service, name, protocol).decode(request, labels)
    expected = ours(params)
    if model.service(service).overlay.verbatim:  # such services have no other blobs
        expected = as_it_came(expected)
    found = plain(decoded)
    if shape is None:
        assert found is None
        return True
    for key, member in shape.members.items():
        traits = member.serialization
        if traits.get("location") == "headers" and key in expected:
            expected[key] = {name.lower(): value for name, value in expected[key].items()}
        elif traits.get("location") == "header" and traits["name"].lower() in ("content-type", "content-length"):
            expected.setdefault(key, found.get(key))  # the client adds them
        elif shape.serialization.get("payload") == key and protocol == "rest-json" and member.type_name == "structure":
            expected.setdefault(key, {})  # the client says {} for nothing
        elif shape.serialization.get("payload") == key and member.type_name == "blob":
            expected.setdefault(key, b"")
    assert found == {key: value for key, value in expected.items() if value is not None}
    return True


def test_inputs(service: str, everything: bool) -> None:
    """What botocore's serializer writes decodes to the same members, all of them and only the required ones."""
    tried = met = 0
    for protocol, name in operations(service, everything):
        for full in (True, False):
            try:
                tried += 1
                met += check_input(service, protocol, name, full=full)
            except Exception as problem:
                raise AssertionError(f"{service}.{name} in {protocol}, {'all' if full else 'required'} members") from problem
    # Event streams into a service, and the few patterns that no example is found for, are left out.
    assert met * 10 >= tried * 9 or not everything or tried < 50


class _Body:
    """A response's body as botocore's event streams read it."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self) -> Iterator[bytes]:
        yield self.data

    def close(self) -> None:
        pass


def response_of(response: HttpResponse, name: str, *, stream: bool) -> dict[str, Any]:
    headers = botocore.awsrequest.HeadersDict(response.headers)
    return {
        "status_code": response.status,
        "headers": headers,
        "body": _Body(response.body) if stream else response.body,
        "context": {"operation_name": name},
    }


def from_client(value: Any) -> Any:
    """What botocore parsed, as the examples have it."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, list):
        return [from_client(item) for item in value]
    if isinstance(value, dict):
        return {key: from_client(item) for key, item in value.items() if key != "ResponseMetadata"}
    return value


def event_examples(examples: Examples, shape: Any) -> list[dict[str, Any]]:
    return [{name: examples.structure(member)} for name, member in shape.members.items() if not member.metadata.get("exception")]


def check_output(service: str, protocol: str, name: str, *, full: bool) -> None:
    operation = client_model(service, protocol).operation_model(name)
    shape = operation.output_shape
    examples = Examples(f"{service}.{name}.out.{full}", full=full, constrained=False)
    events = operation.get_event_stream_output() if shape is not None else None
    stream_member = (
        next((key for key, member in shape.members.items() if member is events or (events and member.name == events.name)), None)
        if events
        else None
    )
    answer = examples.structure(shape, skip=(stream_member,) if stream_member else ()) if shape is not None else {}
    payload = shape.serialization.get("payload") if shape is not None else None
    for key, member in shape.members.items() if shape is not None else ():
        if member.serialization.get("location") == "statusCode" and key in answer:
            answer[key] = 206
        if key == payload and member.type_name == "blob" and key in answer:
            answer[key] = b"streamed"
    given = ours(answer)
    if stream_member:
        given[stream_member] = ours(event_examples(Examples(name, full=True, constrained=False), events))
    response = codec(service, name, protocol).encode(given, "a-request-id")
    if operation.http.get("method") == "HEAD":
        assert response.body == b""
    parser = botocore.parsers.create_parser(protocol)
    parsed = parser.parse(response_of(response, name, stream=bool(stream_member)), shape)
    assert parsed.pop("ResponseMetadata", {}).get("RequestId", "a-request-id") == "a-request-id"
    if stream_member:
        parsed[stream_member] = [from_client(event) for event in parsed[stream_member]]
    unwrapped = model.service(service).overlay.unwrapped.get(name)
    if unwrapped and protocol == "rest-xml":
        from xml.etree import ElementTree

        parsed[unwrapped] = ElementTree.fromstring(response.body).text
    expected = dict(given)
    if payload and shape.members[payload].type_name in ("blob", "string"):
        parsed[payload] = parsed[payload].encode() if shape.members[payload].type_name == "blob" else parsed[payload]
        expected.setdefault(payload, b"" if shape.members[payload].type_name == "blob" else "")
    for key, member in shape.members.items() if shape is not None else ():
        location = member.serialization.get("location")
        if location == "headers":
            # botocore reads a map without a prefix from all headers.
            parsed[key] = {name: value for name, value in parsed.get(key, {}).items() if name in expected.get(key, {})}
            expected.setdefault(key, {})
        elif location == "statusCode":
            expected.setdefault(key, response.status)
        elif location == "header" and member.name and key not in expected:
            parsed.pop(key, None)
    result = from_client(parsed)
    if not full:
        result = {key: value for key, value in result.items() if key in expected or value}
    assert result == expected


def test_outputs(service: str, everything: bool) -> None:
    """What we encode botocore's parser reads as the same members."""
    for protocol, name in operations(service, everything):
        for full in (True, False):
            try:
                check_output(service, protocol, name, full=full)
            except Exception as problem:
                raise AssertionError(f"{service}.{name} in {protocol}, {'all' if full else 'required'} members") from problem


def check_error(service: str, protocol: str, operation_name: str, error_name: str) -> None:
    client = client_model(service, protocol)
    operation = client.operation_model(operation_name)
    shape = client.shape_for(error_name)
    message_member = next((key for key in shape.members if key.lower() == "message"), None)
    members = Examples(f"{service}.{error_name}", full=True, constrained=False).structure(shape, skip=(message_member or "", "Code"))
    for key, member in shape.members.items():
        if member.serialization.get("location") == "statusCode" or member.serialization.get("name", "").lower() == "x-amzn-errortype":
            members.pop(key, None)
    given = ours(members)
    error = ServiceException(error_name, "what <is> & wrong")
    error.members.update(given)  # a member may be called as an argument is
    response = codec(service, operation_name, protocol).refuse(error, "a-request-id")
    assert 400 <= response.status < 600 or response.status in (301, 303, 304, 307, 308)
    parser = botocore.parsers.create_parser(protocol)
    raw = response_of(response, operation_name, stream=False)
    parsed = parser.parse(raw, operation.output_shape)
    if operation.http.get("method") == "HEAD":
        assert response.body == b""
        return
    assert parsed["Error"]["Message"] == "what <is> & wrong"
    codes = parsed["Error"].get("QueryErrorCode"), parsed["Error"]["Code"]
    found = next((match for code in codes if code and (match := client.shape_for_error_code(code))), None)
    assert found is not None, parsed
    twins = {
        name
        for name in client.shape_names
        if client.shape_for(name).metadata.get("exception") and client.shape_for(name).error_code == shape.error_code
    }
    assert found.name in twins
    if found.name != error_name:
        return
    modelled = from_client(parser.parse(raw, found))
    modelled.pop(message_member, None)
    modelled.pop("Code", None)
    for key, member in shape.members.items():
        if member.serialization.get("location") == "statusCode" or member.serialization.get("name", "").lower() == "x-amzn-errortype":
            modelled.pop(key, None)
    assert modelled == given


def test_errors(service: str, everything: bool) -> None:
    """Every declared error that we encode botocore reads as that error, with its message and members."""
    seen = set()
    for protocol, name in operations(service, everything):
        for error in model.service(service).operations[name].errors:
            if (protocol, error) not in seen:
                seen.add((protocol, error))
                try:
                    check_error(service, protocol, name, error)
                except Exception as problem:
                    raise AssertionError(f"{error} of {service}.{name} in {protocol}") from problem


def test_keywords_get_an_underscore() -> None:
    """A member named as a Python keyword is an attribute with an underscore."""
    assert attribute("from") == "from_"
    assert attribute("From") == "From"
