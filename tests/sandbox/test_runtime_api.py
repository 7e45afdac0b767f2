"""The Runtime API as a runtime of somebody else's meets it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fogbank.sandbox.function import Function

from .shop import Shop, archive, function

PYTHON = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
needs_python = pytest.mark.skipif(not os.access(PYTHON, os.X_OK), reason=f"there is no {PYTHON}")

CLIENT = f"""#!{PYTHON}
import http.client, json, os, socket, sys, time
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
connection = http.client.HTTPConnection(API)
def ask(method, path, body=None, headers={{}}):
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()
def next():
    status, headers, body = ask("GET", "invocation/next")
    assert status == 200
    return headers, json.loads(body), "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"] + "/"
"""


def provided(loop: str, **members: Any) -> Function:
    return function({"bootstrap": CLIENT + loop}, **{"runtime": "provided.al2023", **members})


@needs_python
def test_headers(shop: Shop) -> None:
    """An event comes with all of AWS's headers."""
    runtime = provided("""
while True:
    headers, event, at = next()
    assert ask("POST", at + "response", json.dumps([headers, int(time.time() * 1000)]))[0] == 202
""")
    outcome = shop.invoke(
        runtime,
        request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        trace="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        client_context="eyJjdXN0b20iOiB7ImEiOiAxfX0=",
        identity='{"cognitoIdentityId":"i"}',
        arn="arn:aws:lambda:eu-west-1:123456789012:function:tried:live",
    )
    headers, now_ms = json.loads(outcome.payload)
    assert 0 < int(headers.pop("Lambda-Runtime-Deadline-Ms")) - now_ms <= 30_000
    assert headers == {
        "Content-Type": "application/json",
        "Content-Length": "2",
        "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:tried:live",
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        "Lambda-Runtime-Client-Context": '{"custom": {"a": 1}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}',
    }


@needs_python
def test_what_is_wrong(shop: Shop) -> None:
    """What a runtime must not do is refused with AWS's status and error."""
    runtime = provided("""
said = []
def refused(*arguments):
    status, _, body = ask(*arguments)
    said.append([status, json.loads(body)["errorType"]])
while True:
    headers, event, at = next()
    refused("POST", "invocation/other/response", "1")
    refused("GET", "nothing")
    refused("POST", at + "response", "x" * 6291557)
    refused("POST", at + "response", "1")
    headers, event, at = next()
    ask("POST", at + "response", json.dumps(said))
""")
    outcome = shop.invoke(runtime)
    assert outcome.error_type == "Function.ResponseSizeTooLarge"
    assert json.loads(shop.invoke(runtime).payload) == [
        [400, "InvalidRequestID"],
        [404, "ResourceNotFound"],
        [413, "RequestEntityTooLarge"],
        [403, "InvalidStateTransition"],
    ]


@needs_python
def test_errors(shop: Shop) -> None:
    """An error is the answer as it was posted; its type is the header's, or its own."""
    runtime = provided("""
while True:
    headers, event, at = next()
    error = json.dumps({"errorMessage": "m", "errorType": "Own", "stackTrace": []})
    ask("POST", at + "error", error, {"Lambda-Runtime-Function-Error-Type": event} if event else {})
""")
    outcome = shop.invoke(runtime, b'"Mine.Failed"')
    assert (outcome.error, outcome.error_type) == ("Unhandled", "Mine.Failed")
    assert json.loads(outcome.payload) == {"errorMessage": "m", "errorType": "Own", "stackTrace": []}
    assert shop.invoke(runtime, b"null").error_type == "Own"


@needs_python
def test_beginning_that_fails(shop: Shop) -> None:
    """init/error is the answer of the invocation that waited."""
    runtime = provided("""
ask("POST", "init/error", json.dumps({"errorMessage": "m", "errorType": "T"}), {"Lambda-Runtime-Function-Error-Type": "Runtime.NoConfig"})
sys.exit(1)
""")
    outcome = shop.invoke(runtime)
    assert (outcome.error_type, json.loads(outcome.payload)) == ("Runtime.NoConfig", {"errorMessage": "m", "errorType": "T"})


@needs_python
def test_streamed_with_trailers(shop: Shop) -> None:
    """Chunks come as they are sent; an error in the trailers ends them."""
    runtime = provided("""
import base64
def chunk(piece): return b"%x\\r\\n%b\\r\\n" % (len(piece), piece)
while True:
    headers, event, at = next()
    s = socket.create_connection(API.split(":"))
    s.sendall(f"POST /2018-06-01/runtime/{at}response HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: text/x\\r\\n"
              "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n".encode())
    s.sendall(chunk(b"one"))
    time.sleep(0.05)
    s.sendall(chunk(b"two") + b"0\\r\\n")
    if event:
        body = base64.b64encode(json.dumps({"errorMessage": "m"}).encode()).decode()
        s.sendall(f"Lambda-Runtime-Function-Error-Type: Late\\r\\nLambda-Runtime-Function-Error-Body: {body}\\r\\n".encode())
    s.sendall(b"\\r\\n")
    assert b"202" in s.recv(1000)
""")
    pieces: list[bytes] = []
    outcome = shop.invoke(runtime, b"0", piece=pieces.append)
    assert (pieces, outcome.error, outcome.streamed, outcome.content_type) == ([b"one", b"two"], "", True, "text/x")
    outcome = shop.invoke(runtime, b"1", piece=pieces.append)
    assert (outcome.error_type, json.loads(outcome.payload)) == ("Late", {"errorMessage": "m"})
    assert shop.invoke(runtime, b"0").payload == b"onetwo"


def test_no_bootstrap(shop: Shop) -> None:
    """Without a program to run, AWS's error says where it was looked for."""
    outcome = shop.invoke(function({"x": ""}, runtime="provided.al2023"), request_id="r")
    assert json.loads(outcome.payload) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: r Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    }


def test_shell(shop: Shop) -> None:
    """A program in a layer will do, in any language; what it prints is logged."""
    bootstrap = "#!/bin/sh\necho from a layer, in $PWD, for $_HANDLER\nexit 7\n"
    runtime = function({"x": ""}, runtime="provided.al2", layers=(archive({"bootstrap": bootstrap}),), handler="h")
    outcome = shop.invoke(runtime, request_id="r")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: r Error: Runtime exited with error: exit status 7"
    assert "from a layer, in /var/task, for h" in shop.lines(runtime)


def _installed(*names: str) -> dict[str, bytes]:
    """Packages that are installed here, as the files of an archive."""
    files = {}
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        paths = [path for path in origin.parent.rglob("*") if path.is_file()] if origin.name == "__init__.py" else [origin]
        root = origin.parent.parent if origin.name == "__init__.py" else origin.parent
        files |= {f"python/{path.relative_to(root)}": path.read_bytes() for path in paths if path.suffix != ".pyc"}
    return files


@needs_python
def test_awss_own_client(shop: Shop) -> None:
    """awslambdaric, AWS's runtime client for Python, works unchanged."""
    pytest.importorskip("awslambdaric")
    layer = archive(
        {
            **_installed("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"),
            "bootstrap": f'#!/bin/sh\nPYTHONPATH=/opt/python:/var/task exec {PYTHON} -m awslambdaric "$_HANDLER"\n',
        }
    )
    source = """
def handler(event, context):
    if event == "fail": raise KeyError("k")
    print("printed")
    return [event, context.aws_request_id, context.invoked_function_arn, context.get_remaining_time_in_millis() > 0]
"""
    theirs = function({"app.py": source}, runtime="provided.al2023", layers=(layer,))
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:tried"
    assert json.loads(shop.invoke(theirs, b'"\xc3\xbc"', request_id="r-1").payload) == ["\u00fc", "r-1", arn, True]
    failed = shop.invoke(theirs, b'"fail"', request_id="r-2")
    assert failed.error_type == "KeyError"
    assert json.loads(failed.payload)["errorMessage"] == "'k'"
    again = shop.invoke(theirs, b"1", request_id="r-3")
    assert (again.cold, json.loads(again.payload)[0]) == (False, 1)
    assert "printed" in shop.lines(theirs)
