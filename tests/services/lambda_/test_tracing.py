"""X-Ray: which invocations are followed, and what their segments say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ACCOUNT, allow, arn
from .stage import Stage

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
TRACE = "def handler(event, context):\n    return context.trace"
MAY = allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords", "sqs:*"])
Segments = list[dict[str, Any]]


@pytest.fixture
def followed(make_role: Any) -> str:
    """A role that may put segments."""
    made: str = make_role("followed", MAY)
    return made


def with_header(client: Any, header: str) -> Any:
    """The client, whose requests say this trace header."""
    client.meta.events.register("before-sign", lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", header), unique_id="t")
    return client


@pytest.fixture
def invoke(cloud: Any, stage: Stage) -> Any:
    """Invokes under a trace header: the header that the function gets, by its parts."""

    def invoke(header: str, name: str = "f") -> dict[str, str]:
        answer = with_header(cloud.client("lambda"), header).invoke(FunctionName=name)
        return parts(json.loads(answer["Payload"].read()))

    yield invoke
    cloud.client("lambda").meta.events.unregister("before-sign", unique_id="t")


def parts(header: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in header.split(";"))


def segments(cloud: Any, trace: str) -> Segments:
    """The documents of a trace, by their origins."""
    cloud.settle()
    [found] = cloud.client("xray").batch_get_traces(TraceIds=[trace])["Traces"]
    return sorted((json.loads(one["Document"]) for one in found["Segments"]), key=lambda one: str(one["origin"]))


def test_a_sampled_invocation_has_segments(cloud: Any, create: Any, stage: Stage, followed: str, invoke: Any) -> None:
    """Under the call's own segment comes the function's, with its phases; what the function causes comes under that."""
    create("f", TRACE, Role=followed)
    got = invoke(f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1")
    call, function = segments(cloud, ROOT)
    assert (call["origin"], call["name"], call["parent_id"]) == ("AWS::Lambda", "f", "53995c3f42cd8ad8")
    assert (function["origin"], function["name"], function["parent_id"]) == ("AWS::Lambda::Function", "f", call["id"])
    assert (got["Root"], got["Parent"], got["Sampled"]) == (ROOT, function["id"], "1")
    assert function["aws"]["function_arn"] == arn("f")
    assert function["aws"]["resource_names"] == ["f"]
    assert [one["name"] for one in function["subsegments"]] == ["Invocation", "Overhead"]
    assert function["start_time"] <= function["subsegments"][0]["start_time"] <= function["subsegments"][0]["end_time"]
    assert function["subsegments"][1]["end_time"] == function["end_time"]


def test_an_error_shows(cloud: Any, create: Any, stage: Stage, followed: str) -> None:
    """What a function raises is the cause of a fault."""
    create("f", "def handler(event, context):\n    raise KeyError('gone')", Role=followed)
    with_header(cloud.client("lambda"), f"Root={ROOT};Sampled=1").invoke(FunctionName="f")
    function = segments(cloud, ROOT)[-1]
    assert function["fault"]
    [exception] = function["subsegments"][0]["cause"]["exceptions"]
    assert exception["message"] == "'gone'"


def test_a_decision_is_kept(cloud: Any, create: Any, stage: Stage, followed: str, invoke: Any) -> None:
    """What is not to be followed is not, even where tracing is Active; but the trace goes on under its root."""
    create("f", TRACE, Role=followed, TracingConfig={"Mode": "Active"})
    got = invoke(f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0")
    assert (got["Root"], got["Parent"], got["Sampled"]) == (ROOT, "53995c3f42cd8ad8", "0")
    assert cloud.client("xray").batch_get_traces(TraceIds=[ROOT])["Traces"] == []


def test_without_a_decision_an_active_function_samples(cloud: Any, create: Any, stage: Stage, followed: str, invoke: Any) -> None:
    """One invocation a second is followed, and some of those beyond; a function that only passes on follows none."""
    create("f", TRACE, Role=followed, TracingConfig={"Mode": "Active"})
    create("g", TRACE, Role=followed)
    assert [invoke(f"Root={ROOT}", "g")["Sampled"] for _ in range(5)] == ["0"] * 5
    first = invoke(f"Root={ROOT}")
    assert first["Sampled"] == "1"
    service, function = segments(cloud, ROOT)
    assert (service["origin"], function["origin"]) == ("AWS::Lambda", "AWS::Lambda::Function")
    assert (service["id"], function["id"]) == (function["parent_id"], first["Parent"])
    assert service["resource_arn"] == arn("f")
    assert service["http"]["response"]["status"] == 200
    rest = [invoke(f"Root={ROOT}")["Sampled"] for _ in range(40)]
    assert rest.count("1") < 20
    cloud.advance(1)
    assert invoke(f"Root={ROOT}")["Sampled"] == "1"


def test_the_role_must_be_allowed(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, invoke: Any, refused: Any) -> None:
    """Active needs a role that may put segments; without, what a function causes comes under the service's segment."""
    role = make_role("unseen")
    message = "The provided execution role does not have permissions to call PutTraceSegments on XRAY"
    assert refused(create, "f", TRACE, Role=role, TracingConfig={"Mode": "Active"}) == ("InvalidParameterValueException", message)
    create("f", TRACE, Role=role)
    assert refused(lam.update_function_configuration, FunctionName="f", TracingConfig={"Mode": "Active"})[1] == message
    got = invoke(f"Root={ROOT};Sampled=1")
    [call] = segments(cloud, ROOT)
    assert got["Parent"] == call["id"]


def test_an_event_is_followed_from_its_caller(cloud: Any, lam: Any, create: Any, stage: Stage, followed: str) -> None:
    """An asynchronous event runs under the trace of the call that brought it, as a segment of the service of its own."""
    create("f", TRACE, Role=followed)
    with_header(cloud.client("lambda"), f"Root={ROOT};Sampled=1").invoke(FunctionName="f", InvocationType="Event")
    found = segments(cloud, ROOT)
    function = next(one for one in found if one["origin"] == "AWS::Lambda::Function")
    service = next(one for one in found if one["id"] == function["parent_id"])
    assert (service["origin"], service["resource_arn"]) == ("AWS::Lambda", arn("f"))
    assert service["parent_id"] in {one["id"] for one in found} - {function["id"], service["id"]}


def test_a_message_carries_its_trace(cloud: Any, lam: Any, create: Any, stage: Stage, followed: str) -> None:
    """A function that reads a queue runs under the trace of the message."""
    create("f", TRACE, Role=followed)
    url = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    lam.create_event_source_mapping(EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", FunctionName="f")
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"}}
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x", MessageSystemAttributes=header)
    found = segments(cloud, ROOT)
    service = next(one for one in found if one["origin"] == "AWS::Lambda")
    assert (service["parent_id"], service["name"]) == ("53995c3f42cd8ad8", "f")
    [_, invocation] = [stage.invocations[-1], stage.invocations[-1][1]]
    assert parts(invocation.trace)["Root"] == ROOT
