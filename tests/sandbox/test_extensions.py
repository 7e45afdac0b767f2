"""Extensions: programs and threads beside the handler, with AWS's interface."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from .shop import Shop, archive, python

PYTHON = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
pytestmark = pytest.mark.skipif(not os.access(PYTHON, os.X_OK), reason=f"there is no {PYTHON}")

EXTENSION = f"""#!{PYTHON}
import http.client, http.server, json, os, sys, threading, time
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
identifier = {{}}
def ask(method, path, body=None, headers={{}}):
    connection.request(method, path, body and json.dumps(body), {{**identifier, **headers}})
    answer = connection.getresponse()
    said = answer.read().decode()
    return answer.status, answer.headers, json.loads(said) if said else None
def register(*events):
    name = os.path.basename(__file__)
    status, headers, said = ask("POST", "/2020-01-01/extension/register", {{"events": events}}, {{"Lambda-Extension-Name": name}})
    identifier["Lambda-Extension-Identifier"] = headers["Lambda-Extension-Identifier"]
    return status, said
def next(): return ask("GET", "/2020-01-01/extension/event/next")[2]
def say(*words): print(json.dumps(words), flush=True)
"""
HANDLER = "print('function begins')\ndef handler(event, context):\n  print('handled'); return event"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extensions have more than their two seconds to hear of the end."""
    monkeypatch.setattr("fogbank.sandbox.environment.SHUTDOWN_S", 60.0)


def said(lines: list[str]) -> list[Any]:
    return [json.loads(line) for line in lines if line.startswith("[")]


def layer(**sources: str) -> Any:
    return (archive({f"extensions/{name}": EXTENSION + source for name, source in sources.items()}),)


def test_external(shop: Shop) -> None:
    """An external extension registers before the function begins, and is told of each event and of the end."""
    source = """
say("registered", register("INVOKE", "SHUTDOWN"))
while True:
    event = next()
    say(event)
    if event["eventType"] == "SHUTDOWN": break
"""
    extended = python(HANDLER, layers=layer(mine=source))
    assert shop.invoke(extended, b"1", request_id="r-1", trace="Root=1").payload == b"1"
    assert not shop.invoke(extended, b"2", request_id="r-2").cold
    shop.do(lambda: shop.workshop.forget(extended.key))
    shop.until(lambda: "SHUTDOWN" in str(said(shop.lines(extended))))
    lines = shop.lines(extended)
    texts = [line for line in lines if not line.startswith(("[", "INIT", "REPORT"))]
    assert texts[0] == "EXTENSION\tName: mine\tState: Registered\tEvents: [INVOKE, SHUTDOWN]"
    assert texts[1] == "function begins"
    registered, first, second, last = said(lines)
    assert registered == ["registered", [200, {"functionName": "tried", "functionVersion": "$LATEST", "handler": "app.handler"}]]
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:tried"
    assert first[0].pop("deadlineMs") > 0
    assert first == [
        {"eventType": "INVOKE", "requestId": "r-1", "invokedFunctionArn": arn, "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"}}
    ]
    assert second[0]["requestId"] == "r-2"
    assert last[0].pop("deadlineMs") > 0
    assert last == [{"eventType": "SHUTDOWN", "shutdownReason": "spindown"}]


def test_invocation_waits_for_extensions(shop: Shop) -> None:
    """An invocation is over when all extensions have asked for the next event; their time is its duration."""
    extended = python(HANDLER, layers=layer(slow="register('INVOKE')\nwhile True:\n  next()\n  time.sleep(0.15)"))
    assert shop.invoke(extended).duration_ms >= 150


def test_timeout_is_told(shop: Shop) -> None:
    """At a timeout extensions learn why the environment ends, and have a moment to act on it."""
    source = """
register("INVOKE", "SHUTDOWN")
while True:
    event = next()
    say(event["eventType"], event.get("shutdownReason"))
    if event["eventType"] == "SHUTDOWN": break
"""
    extended = python("import time\ndef handler(event, context): time.sleep(9)", layers=layer(mine=source), timeout_ms=400)
    assert shop.invoke(extended).timed_out
    shop.until(lambda: ["SHUTDOWN", "timeout"] in said(shop.lines(extended)))


def test_who_is_at_work_is_told_of_the_end_when_it_asks(shop: Shop) -> None:
    """An extension that works on an event at the timeout gets SHUTDOWN as its next event."""
    source = """
register("INVOKE", "SHUTDOWN")
next()
time.sleep(1)
say(next()["eventType"])
"""
    extended = python("import time\ndef handler(event, context): time.sleep(9)", layers=layer(mine=source), timeout_ms=300)
    assert shop.invoke(extended).timed_out
    shop.until(lambda: ["SHUTDOWN"] in said(shop.lines(extended)))


def test_extension_that_ends(shop: Shop) -> None:
    """An environment does not outlive its extensions."""
    extended = python(HANDLER, layers=layer(weak="register('INVOKE')\nnext()\nsys.exit(1)"))
    outcome = shop.invoke(python(HANDLER.replace("return event", "import time; time.sleep(25)"), layers=extended.layers))
    assert outcome.error_type == "Extension.Crash"


def test_internal(shop: Shop) -> None:
    """A thread of the runtime may register for INVOKE, not for SHUTDOWN."""
    source = """
import http.client, json, os, threading
def ask(connection, method, path, body, headers):
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("Lambda-Extension-Identifier"), json.loads(answer.read())
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
name = {"Lambda-Extension-Name": "inner"}
refused = ask(connection, "POST", "register", json.dumps({"events": ["SHUTDOWN"]}), name)
status, identifier, _ = ask(connection, "POST", "register", json.dumps({"events": ["INVOKE"]}), name)
seen = []
def run():
    while True: seen.append(ask(connection, "GET", "event/next", None, {"Lambda-Extension-Identifier": identifier})[2]["requestId"])
threading.Thread(target=run, daemon=True).start()
def handler(event, context): return [refused[0], refused[2]["errorType"], status, seen[:event]]
"""
    extended = python(source)
    shop.invoke(extended, b"0", request_id="r-1")
    outcome = shop.invoke(extended, b"1", request_id="r-2")
    assert json.loads(outcome.payload) == [400, "ShutdownEventNotSupportedForInternalExtension", 200, ["r-1"]]


def test_telemetry(shop: Shop) -> None:
    """What happens is delivered to where an extension listens."""
    source = """
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))): say(event["type"], event["record"])
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
register("INVOKE", "SHUTDOWN")
wanted = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"maxItems": 1000, "timeoutMs": 25},
          "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}}
say(ask("PUT", "/2022-07-01/telemetry", wanted)[::2])
say(ask("PUT", "/2022-07-01/telemetry", {**wanted, "types": ["other"]})[0])
say(ask("PUT", "/2020-08-15/logs", wanted)[2]["errorType"])
while next()["eventType"] != "SHUTDOWN": pass
time.sleep(50)
"""
    extended = python(HANDLER, layers=layer(listener=source))
    shop.invoke(extended, request_id="r")
    shop.do(lambda: shop.workshop.forget(extended.key))  # an idle one would be paused, perhaps before it has heard all
    shop.until(lambda: any("platform.report" in line for line in shop.lines(extended)))
    rows = said(shop.lines(extended))
    answers, events = [row for row in rows if len(row) == 1], [row for row in rows if len(row) == 2]
    assert answers == [[[200, "OK"]], [400], ["Logs.NotSupported"]]
    kinds = [kind for kind, _ in events]
    expected = [
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert [kind for kind in kinds if kind in expected] == expected
    assert ["function", "handled"] in events
    report = dict(events)["platform.report"]
    assert (report["requestId"], report["status"]) == ("r", "success")
