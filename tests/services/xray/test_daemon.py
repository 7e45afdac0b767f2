"""Segments of applications inside functions: sent as to X-Ray's daemon, under the function's role."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
PLAIN = """
import json, os, socket, time

def handler(event, context):
    root, parent = (part.partition("=")[2] for part in os.environ["_X_AMZN_TRACE_ID"].split(";")[:2])
    document = {"trace_id": root, "parent_id": parent, "id": "a" * 16, "type": "subsegment", "name": "mine", "start_time": time.time()}
    document["end_time"] = document["start_time"]
    host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].partition(":")
    with socket.socket(type=socket.SOCK_DGRAM) as out:
        out.sendto(b'{"format": "json", "version": 1}\\n' + json.dumps(document).encode(), (host, int(port)))
    time.sleep(0.05)
    return root
"""
SDK = """
import time
from aws_xray_sdk.core import xray_recorder

def handler(event, context):
    with xray_recorder.in_subsegment("mine") as subsegment:
        subsegment.put_annotation("tier", "gold")
    time.sleep(0.05)
    return subsegment.trace_id
"""


def archive(source: str, *packages: str) -> bytes:
    """A function's zip: index.py, and these installed packages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("index.py", source)
        for name in packages:
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            folder = Path(found.origin).parent
            for path in folder.rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    made.write(path, str(path.relative_to(folder.parent)))
    return out.getvalue()


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def invoked(cloud: Any, code: bytes, *actions: str) -> str:
    """The trace of a followed invocation of a function whose role may do this."""
    iam, functions = cloud.client("iam"), cloud.client("lambda")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    if actions:
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy({"Effect": "Allow", "Action": actions, "Resource": "*"}))
    named: dict[str, Any] = {"FunctionName": "f", "Role": role, "Runtime": "python3.11", "Handler": "index.handler", "Timeout": 30}
    functions.create_function(**named, Code={"ZipFile": code}, TracingConfig={"Mode": "Active" if actions else "PassThrough"})
    functions.meta.events.register(
        "before-sign.lambda",
        lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", f"Root=1-{cloud.now_ms // 1000:08x}-{'b' * 24};Sampled=1"),
        "own",
    )
    try:
        answer = functions.invoke(FunctionName="f")
    finally:
        functions.meta.events.unregister("before-sign.lambda", unique_id="own")
    told = answer["Payload"].read().decode()
    assert "FunctionError" not in answer, told
    cloud.settle()
    return str(json.loads(told))


def names(cloud: Any, trace: str) -> list[str]:
    """What the trace consists of, subsegments that came by themselves too."""
    traces = cloud.client("xray").batch_get_traces(TraceIds=[trace])["Traces"]
    return [json.loads(segment["Document"])["name"] for found in traces for segment in found["Segments"]]


def test_segments_from_a_function(cloud: Any) -> None:
    """A datagram to the address that functions are told becomes part of the trace."""
    assert "mine" in names(cloud, invoked(cloud, archive(PLAIN), "xray:PutTraceSegments"))


def test_without_permission(cloud: Any) -> None:
    """A role that may not put segments has them lost, and the function does not notice."""
    assert "mine" not in names(cloud, invoked(cloud, archive(PLAIN)))


def test_the_sdk(cloud: Any) -> None:
    """AWS's own X-Ray SDK works in a function as it is."""
    pytest.importorskip("aws_xray_sdk")
    trace = invoked(cloud, archive(SDK, "aws_xray_sdk", "wrapt"), "xray:PutTraceSegments")
    assert "mine" in names(cloud, trace)
