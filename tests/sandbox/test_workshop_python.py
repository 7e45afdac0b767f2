"""Python functions: what a handler is given, and what becomes of what it gives."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fogbank.sandbox.function import Credentials

from .shop import Shop, archive, function, python


def answer(shop: Shop, source: str, payload: Any = None, **members: Any) -> Any:
    outcome = shop.invoke(python(source, **members), json.dumps(payload).encode())
    assert not outcome.error, outcome
    assert not outcome.refused, outcome
    return json.loads(outcome.payload)


def failure(shop: Shop, source: str, **members: Any) -> dict[str, Any]:
    outcome = shop.invoke(python(source, **members))
    assert outcome.error == "Unhandled"
    assert outcome.error_type == json.loads(outcome.payload)["errorType"]
    return json.loads(outcome.payload)


def test_event_and_answer(shop: Shop) -> None:
    """The handler gets the event, and its result is the answer, as JSON."""
    assert answer(shop, "def handler(event, context): return [event, None, 1.5]", {"a": ["b"]}) == [{"a": ["b"]}, None, 1.5]


def test_context(shop: Shop) -> None:
    """The context object has AWS's members."""
    source = """
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    c = context
    return [c.function_name, c.function_version, c.memory_limit_in_mb, c.aws_request_id, c.invoked_function_arn, c.log_group_name,
            c.log_stream_name, c.client_context.custom, c.client_context.client.app_title, c.identity.cognito_identity_id, left]
"""
    said = shop.invoke(
        python(source),
        request_id="the-id",
        arn="arn:qualified",
        client_context='{"custom": {"k": "\u00fc"}, "client": {"app_title": "t"}}',
        identity='{"cognitoIdentityId": "me"}',
    )
    *rest, left = json.loads(said.payload)
    expected = ["tried", "$LATEST", "1769", "the-id", "arn:qualified", "/aws/lambda/tried", said.log_stream, {"k": "\u00fc"}, "t", "me"]
    assert rest == expected
    assert 15_000 < left <= 30_000


def test_variables(shop: Shop) -> None:
    """The reserved variables are AWS's, and the customer's own are there; those that are reserved cannot be the customer's."""
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    environment = {"MINE": "1", "AWS_REGION": "nowhere", "LANG": "C"}
    outcome = shop.invoke(python(source, environment=environment, daemon="127.0.0.1:2000"), trace="Root=1-2;Sampled=1")
    said = json.loads(outcome.payload)
    expected = {
        "_HANDLER": "app.handler",
        "_X_AMZN_TRACE_ID": "Root=1-2;Sampled=1",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_NAME": "tried",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/tried",
        "AWS_LAMBDA_LOG_STREAM_NAME": outcome.log_stream,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "MINE": "1",
        "LANG": "C",
    }
    assert {name: said.get(name) for name in expected} == expected
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", outcome.log_stream)
    assert not [name for name in said if "FOGBANK" in name]


def test_warm(shop: Shop) -> None:
    """A second invocation finds the environment of the first, with what it left in memory and in /tmp."""
    source = """
seen = []
def handler(event, context):
    seen.append(event)
    open("/tmp/x", "a").write("x")
    return [seen, open("/tmp/x").read()]
"""
    counted = python(source)
    first, second = shop.invoke(counted, b"1"), shop.invoke(counted, b"2")
    assert json.loads(second.payload) == [[1, 2], "xx"]
    assert (first.cold, second.cold) == (True, False)
    assert first.init_ms > 0 == second.init_ms
    assert first.log_stream == second.log_stream


def test_handlers_error(shop: Shop) -> None:
    """An exception is the answer, with type, message and where it came from; the environment lives on."""
    source = (
        "calls = []\ndef handler(event, context):\n  calls.append(1)\n  if len(calls) == 1: raise KeyError('gone')\n  return len(calls)"
    )
    failing = python(source)
    first = shop.invoke(failing, request_id="r-1")
    said = json.loads(first.payload)
    trace = said.pop("stackTrace")
    assert said == {"errorMessage": "'gone'", "errorType": "KeyError", "requestId": "r-1"}
    assert len(trace) == 1
    assert trace[0].startswith('  File "/var/task/app.py", line 4, in handler\n')
    assert b"[ERROR] KeyError: 'gone'\nTraceback (most recent call last):" in first.log
    assert shop.invoke(failing).payload == b"2"


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("import nowhere", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nowhere'"),
        ("", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
        ("", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        ("def (", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ("1 / 0", "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_beginnings_that_fail(shop: Shop, source: str, handler: str, kind: str, message: str) -> None:
    """What prevents the handler from being found is told in AWS's words."""
    said = failure(shop, source, handler=handler)
    assert (said["errorType"], said["errorMessage"]) == (kind, message)


def test_what_is_no_json(shop: Shop) -> None:
    """A result that is no JSON is an error; numbers of arbitrary precision become floats."""
    said = failure(shop, "def handler(event, context): return {1, 2}")
    assert said["errorType"] == "Runtime.MarshalError"
    assert said["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"
    assert answer(shop, "import decimal\ndef handler(event, context): return decimal.Decimal('1.5')") == 1.5


def test_output(shop: Shop) -> None:
    """What is printed is logged line by line, what logging writes as AWS formats it, several lines as one event."""
    source = """
import logging, sys
def handler(event, context):
    print("one\\ntwo")
    print("err", file=sys.stderr)
    logging.getLogger().setLevel("INFO")
    logging.getLogger("mine").info("a\\nb")
    print("no end", end="")
"""
    printing = python(source)
    shop.invoke(printing, request_id="r")
    start, *said, end, report = [line for line in shop.lines(printing) if not line.startswith("INIT_START")]
    assert start == "START RequestId: r Version: $LATEST"
    assert said[:3] == ["one", "two", "err"]
    assert re.fullmatch(r"\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tr\ta\nb", said[3])
    assert said[4:] == ["no end"]
    assert end == "END RequestId: r"
    assert report.startswith("REPORT RequestId: r\tDuration: ")


def test_json_logs(shop: Shop) -> None:
    """In the JSON format platform events and logging are JSON, each with its level's filter; what is printed stays as it is."""
    source = """
import logging
def handler(event, context):
    logging.info("shown", extra={"k": 1}); logging.debug("not shown"); print("printed")
    try: 1/0
    except Exception: logging.exception("bad")
"""
    json_logs = python(source, log_format="JSON", application_log_level="INFO", system_log_level="DEBUG")
    shop.invoke(json_logs, request_id="r", trace="Root=1-a;Parent=b;Sampled=1")
    lines = shop.lines(json_logs)
    assert "printed" in lines
    said = [json.loads(line) for line in lines if line.startswith("{")]
    kinds = [each["type"] for each in said if "type" in each]
    platform = ["platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.start"]
    assert kinds == [*platform, "platform.runtimeDone", "platform.report"]
    shown, bad = [each for each in said if "level" in each]
    assert (shown["message"], shown["level"], shown["requestId"], shown["k"]) == ("shown", "INFO", "r", 1)
    assert (bad["errorType"], bad["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    report = said[-1]["record"]
    assert report["status"] == "success"
    assert set(report["metrics"]) == {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}
    assert report["tracing"]["value"] == "Root=1-a;Parent=b;Sampled=1"


def test_layers(shop: Shop) -> None:
    """Layers lie under /opt, later ones over earlier ones, and their Python modules can be imported."""
    layers = (archive({"python/one.py": "x = 'first'", "a": "1"}), archive({"python/one.py": "x = 'second'", "b": "2"}))
    source = "import one, os\ndef handler(event, context): return [one.x, sorted(os.listdir('/opt'))]"
    assert answer(shop, source, layers=layers) == ["second", ["a", "b", "python"]]


def test_sdk(shop: Shop) -> None:
    """AWS's SDK is there, and one of the function's own goes before it."""
    source = "import boto3\ndef handler(event, context): return boto3.client('sqs').meta.endpoint_url"
    assert answer(shop, source) == "http://127.0.0.1:4566"
    outcome = shop.invoke(function({"app.py": "import boto3\ndef handler(e, c): return boto3.mine", "boto3.py": "mine = 'own'"}))
    assert json.loads(outcome.payload) == "own"


def test_other_versions(shop: Shop) -> None:
    """Every Python on the machine can be used; one that is not there is refused with what to install."""
    source = "import sys\ndef handler(event, context): return list(sys.version_info[:2]) + ['\u00fc']"
    for version in ("3.9", "3.13"):
        outcome = shop.invoke(python(source, runtime=f"python{version}"))
        if outcome.refused:
            pytest.skip(outcome.payload.decode())
        assert json.loads(outcome.payload)[:2] == [int(part) for part in version.split(".")]
        assert (b"\\u00fc" in outcome.payload) == (version == "3.9")
    outcome = shop.invoke(python(source, runtime="python3.99"))
    assert outcome.refused == "runtime"
    assert b"pyenv install 3.99" in outcome.payload


def test_fresh_credentials(shop: Shop) -> None:
    """An environment whose credentials end soon is replaced by one with those of the invocation."""
    source = "import os\ndef handler(event, context): return os.environ['AWS_ACCESS_KEY_ID']"
    kept = python(source)
    for key, expires_at_ms in (("A", 3_600_000), ("B", 3_700_000), ("C", 7_200_000)):
        outcome = shop.invoke(kept, credentials=Credentials(key, "s", "t", expires_at_ms))
        assert json.loads(outcome.payload) == {"A": "A", "B": "A", "C": "C"}[key]


def test_large_events(shop: Shop) -> None:
    """6 MB go in and out; more than that does not come out."""
    echo = python("def handler(event, context): return event if isinstance(event, str) else 'x' * event")
    text = json.dumps("y" * 6_000_000).encode()
    assert shop.invoke(echo, text).payload == text
    outcome = shop.invoke(echo, b"7000000")
    assert outcome.error == "Unhandled"
    assert json.loads(outcome.payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert shop.invoke(echo, b"3").payload == b'"xxx"'
