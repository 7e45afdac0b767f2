"""Functions in the real workshop: isolated processes, calling the cloud back as their role, writing logs, streaming, timing out."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import boto

from .conftest import ACCOUNT, allow, zipped
from .test_urls import Visitor

RUNTIME = f"python3.{sys.version_info.minor}"
CALLING_BACK = """
import json, os, urllib.request

def handler(event, context):
    import boto3
    client = boto3.client(event["service"])
    try:
        return getattr(client, event["operation"])(**event["members"])["ResponseMetadata"]["HTTPStatusCode"]
    except Exception as problem:
        return str(problem)
"""


@pytest.fixture
def function(cloud: Any, lam: Any, make_role: Any) -> Callable[..., str]:
    """Makes a function that runs for real; skips where this machine cannot run one."""

    def make(source: str, *statements: dict[str, Any], **more: Any) -> str:
        role = make_role("real", *statements)
        members = {"Runtime": RUNTIME, "Role": role, "Handler": "index.handler", "Timeout": 30, "Code": {"ZipFile": zipped(index=source)}}
        lam.create_function(FunctionName="real", **{**members, **more})
        return "real"

    return make


def answer(invoked: Any) -> Any:
    return json.loads(invoked["Payload"].read())


def test_a_function_runs(cloud: Any, lam: Any, function: Any) -> None:
    """It gets its event, its variables and its context; the second time in the same environment."""
    function(
        "import os\ncount = 0\n"
        "def handler(event, context):\n"
        "    global count\n"
        "    count += 1\n"
        "    return [event, os.environ['AA'], context.function_name, context.memory_limit_in_mb, count]",
        Environment={"Variables": {"AA": "1"}},
    )
    assert answer(lam.invoke(FunctionName="real", Payload=b'{"x": 1}')) == [{"x": 1}, "1", "real", "128", 1]
    assert answer(lam.invoke(FunctionName="real"))[-1] == 2
    lam.update_function_configuration(FunctionName="real", Environment={"Variables": {"AA": "2"}})
    _, variable, _, _, count = answer(lam.invoke(FunctionName="real"))
    assert (variable, count) == ("2", 1)


def test_what_it_prints_is_logged_by_its_role(cloud: Any, lam: Any, function: Any) -> None:
    """The role makes the group and the stream and writes the lines; without permission there are none."""
    logs = cloud.client("logs")
    function("def handler(event, context):\n    print('hello there')", allow("logs:*"))
    lam.invoke(FunctionName="real")
    cloud.settle()
    [stream] = logs.describe_log_streams(logGroupName="/aws/lambda/real")["logStreams"]
    events = logs.get_log_events(logGroupName="/aws/lambda/real", logStreamName=stream["logStreamName"])["events"]
    lines = [event["message"].split()[0] for event in events]
    assert lines[-4:] == ["START", "hello", "END", "REPORT"]
    cloud.client("iam").delete_role_policy(RoleName="real", PolicyName="p")
    lam.invoke(FunctionName="real")
    cloud.settle()
    after = logs.get_log_events(logGroupName="/aws/lambda/real", logStreamName=stream["logStreamName"])["events"]
    assert len(after) == len(events)


def test_it_calls_the_cloud_as_its_role(cloud: Any, lam: Any, function: Any) -> None:
    """Inside, SDKs find the cloud and the role's credentials: what the role may it may, nothing else."""
    function(CALLING_BACK, allow("sqs:CreateQueue"), MemorySize=1769)

    def call(operation: str, **members: Any) -> Any:
        payload = json.dumps({"service": "sqs", "operation": operation, "members": members}).encode()
        return answer(lam.invoke(FunctionName="real", Payload=payload))

    said = call("create_queue", QueueName="made")
    if "No module named 'boto3'" in str(said):
        pytest.skip("boto3 is not part of the runtime here")
    assert said == 200
    denied = call("list_queues")
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/real/real is not authorized to perform: sqs:listqueues" in denied
    assert cloud.client("sqs").get_queue_url(QueueName="made")


def test_it_times_out(lam: Any, function: Any) -> None:
    """A function that takes too long is ended, and says so."""
    function("import time\ndef handler(event, context):\n    time.sleep(60)", Timeout=1)
    got = lam.invoke(FunctionName="real")
    assert got["FunctionError"] == "Unhandled"
    assert answer(got)["errorMessage"].endswith("Task timed out after 1.00 seconds")


def test_events_and_queues_reach_it(cloud: Any, lam: Any, function: Any) -> None:
    """An asynchronous event and a message of a queue both run it."""
    function("def handler(event, context):\n    print('got', sorted(event))", allow(["logs:*", "sqs:*"]))
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    lam.create_event_source_mapping(EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", FunctionName="real")
    lam.invoke(FunctionName="real", InvocationType="Event", Payload=b'{"direct": 1}')
    cloud.settle()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    cloud.settle()
    found = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/real", filterPattern="got")["events"]
    assert [event["message"].strip() for event in found] == ["got ['direct']", "got ['Records']"]


def test_hot_code_is_live(cloud: Any, lam: Any, function: Any, tmp_path: Any) -> None:
    """An edit of a mounted folder counts at the next invocation."""
    from fogbank.delivery import outbox

    function("def handler(event, context):\n    return 'package'")
    tmp_path.chmod(0o755)
    module = tmp_path / "index.py"
    module.write_text("def handler(event, context):\n    return 'one'\n")

    def mount() -> None:
        tx = cloud.inner.begin()
        item = {"account": ACCOUNT, "region": "us-east-1", "name": "real", "folder": str(tmp_path)}
        outbox.put(tx, "lambda.mount", item, tx.at_ms, ACCOUNT, "us-east-1")
        cloud.inner.commit(tx)

    cloud.house.on_loop(mount)
    cloud.settle()
    assert answer(lam.invoke(FunctionName="real")) == "one"
    module.write_text("def handler(event, context):\n    return 'two, and longer'\n")
    assert answer(lam.invoke(FunctionName="real")) == "two, and longer"


def test_its_url(lam: Any, function: Any) -> None:
    """A function URL reaches it."""
    function("def handler(event, context):\n    return {'statusCode': 418, 'body': event['rawPath']}")
    url = lam.create_function_url_config(FunctionName="real", AuthType="AWS_IAM")["FunctionUrl"]
    status, _, body = Visitor(url, ("test", "test"))("GET", "/tea")
    assert (status, body) == (418, b"/tea")


@pytest.mark.parametrize(
    ("runtime", "source"),
    [
        (RUNTIME, "import cfnresponse\ndef handler(e, c):\n    cfnresponse.send(e, c, cfnresponse.SUCCESS, {'A': 'ü'}, 'mine')"),
        (
            "nodejs20.x",
            "const r = require('cfn-response');\nexports.handler = (e, c) => { r.send(e, c, r.SUCCESS, {A: 'ü'}, 'mine'); };",
        ),
    ],
    ids=["python", "nodejs"],
)
def test_inline_code_answers_cloudformation(cloud: Any, lam: Any, make_role: Any, user: Any, runtime: str, source: str) -> None:
    """Inline code of a custom resource has the module that it answers with."""
    properties = {"FunctionName": "custom", "Runtime": runtime, "Handler": "index.handler", "Timeout": 50, "Role": make_role("custom")}
    desired = json.dumps({**properties, "Code": {"ZipFile": source}})
    cloud.client("cloudcontrol").create_resource(TypeName="AWS::Lambda::Function", DesiredState=desired)
    cloud.settle()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="answers")
    key = user("cloudformation", allow("s3:PutObject"))("s3")._request_signer._credentials
    inside = boto("http://127.0.0.1:4566", "s3", key.access_key, key.secret_key)
    url = inside.generate_presigned_url("put_object", {"Bucket": "answers", "Key": "a"})
    event = {"ResponseURL": url, "StackId": "s", "RequestId": "r", "LogicalResourceId": "l"}
    got = lam.invoke(FunctionName="custom", Payload=json.dumps(event).encode(), LogType="Tail")
    assert "FunctionError" not in got, got["Payload"].read()
    assert "Status code: 200" in base64.b64decode(got["LogResult"]).decode()
    said = json.loads(s3.get_object(Bucket="answers", Key="a")["Body"].read())
    assert (said["Status"], said["Data"], said["PhysicalResourceId"], said["StackId"]) == ("SUCCESS", {"A": "ü"}, "mine", "s")
