"""Node.js functions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fogbank.sandbox.function import Function, Outcome
from fogbank.sandbox.runtimes import NotHere, nodes

from .shop import Shop, archive, function


def _here() -> str:
    for major in ("24", "22", "20", "18"):
        try:
            nodes.find(major)
        except NotHere:
            continue
        return f"nodejs{major}.x"
    return ""


HERE = _here()
pytestmark = pytest.mark.skipif(not HERE, reason="there is no Node.js")


def node(source: str, file: str = "index.js", **members: Any) -> Function:
    return function({file: source}, **{"runtime": HERE, "handler": "index.handler", **members})


@pytest.mark.parametrize(
    ("source", "file", "expected"),
    [
        ("exports.handler = async (event) => ({ event })", "index.js", {"event": [1]}),
        ("export const handler = async (event) => event", "index.mjs", [1]),
        ("exports.handler = async (event) => event", "index.cjs", [1]),
        ("exports.handler = (event, context, callback) => setTimeout(() => callback(null, 'later'), 20)", "index.js", "later"),
        ("exports.handler = async () => undefined", "index.js", None),
        ("exports.handler = () => {}", "index.js", None),
        ("exports.handler = (e, c) => { setTimeout(() => c.succeed('old'), 10) }", "index.js", "old"),
    ],
)
def test_handlers(shop: Shop, source: str, file: str, expected: Any) -> None:
    """Handlers may be CommonJS or modules, asynchronous, with a callback, or without an answer."""
    outcome = shop.invoke(node(source, file), b"[1]")
    assert not outcome.error, outcome.payload
    assert json.loads(outcome.payload) == expected


def test_modules_by_package(shop: Shop) -> None:
    """package.json says whether .js is a module; layers' node_modules are found; handlers may lie in folders and objects."""
    files = {"package.json": '{"type": "module"}', "a/b.js": "import lib from 'lib'\nexport const c = {d: async () => lib}"}
    esm = function(files, runtime=HERE, handler="a/b.c.d", layers=(archive({"nodejs/node_modules/lib/index.js": "module.exports = 7"}),))
    assert b"Cannot find package" in shop.invoke(esm).payload  # as AWS: NODE_PATH is CommonJS's only
    files = {"a/b.js": "const lib = require('lib')\nexports.c = {d: async () => lib}"}
    cjs = function(files, runtime=HERE, handler="a/b.c.d", layers=(archive({"nodejs/node_modules/lib/index.js": "module.exports = 7"}),))
    assert shop.invoke(cjs).payload == b"7"


def test_callback_and_what_is_left_to_do(shop: Shop) -> None:
    """A callback's answer waits for an empty event loop, unless the context says otherwise."""
    source = "exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = e; setTimeout(() => {}, e ? 300 : 25000); cb(null, 1) }"
    assert shop.invoke(node(source), b"true").duration_ms >= 300
    assert shop.invoke(node(source), b"false").duration_ms < 24_000


def test_context(shop: Shop) -> None:
    """The context object has AWS's members."""
    source = """exports.handler = async (e, c) => [c.functionName, c.functionVersion, c.memoryLimitInMB, c.awsRequestId,
    c.invokedFunctionArn,
    c.logGroupName, c.logStreamName, c.clientContext, c.identity, process.env._X_AMZN_TRACE_ID, c.getRemainingTimeInMillis()]"""
    outcome = shop.invoke(node(source), request_id="r", client_context='{"custom": {"\u00fc": 1}}', trace="Root=1")
    *said, left = json.loads(outcome.payload)
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:tried"
    assert said == [
        "tried",
        "$LATEST",
        "1769",
        "r",
        arn,
        "/aws/lambda/tried",
        outcome.log_stream,
        {"custom": {"\u00fc": 1}},
        None,
        "Root=1",
    ]
    assert 15_000 < left <= 30_000


def failed(outcome: Outcome) -> tuple[str, str]:
    said = json.loads(outcome.payload)
    assert outcome.error == "Unhandled"
    assert isinstance(said["trace"], list)
    return said["errorType"], said["errorMessage"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("exports.handler = async () => { throw new TypeError('bad') }", "TypeError", "bad"),
        ("exports.handler = (e, c, cb) => cb(new RangeError('far'))", "RangeError", "far"),
        ("exports.handler = async () => { throw 'text' }", "string", "text"),
        (
            "exports.handler = async () => { Promise.reject(new Error('x')); await new Promise(r => setTimeout(r, 500)) }",
            "Runtime.UnhandledPromiseRejection",
            "Error: x",
        ),
        (
            "exports.handler = async () => { setTimeout(() => { throw new Error('y') }); await new Promise(r => setTimeout(r, 500)) }",
            "Error",
            "y",
        ),
        ("exports.handler = (e => {", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of input"),
        ("exports.other = 1", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("throw new Error('at once')", "Error", "at once"),
    ],
)
def test_failures(shop: Shop, source: str, kind: str, message: str) -> None:
    """What a handler throws, rejects or leaves unhandled is told in AWS's form."""
    assert failed(shop.invoke(node(source))) == (kind, message)


def test_missing_module(shop: Shop) -> None:
    """A module that is not there is named."""
    kind, message = failed(shop.invoke(node("require('nope')")))
    assert kind == "Runtime.ImportModuleError"
    assert message.startswith("Error: Cannot find module 'nope'")


def test_output(shop: Shop) -> None:
    """console.log and its like are logged with instant, request and level, several lines as one event."""
    printing = node(
        "exports.handler = async () => { console.log('a %s', {b: 1}, 'c\\nd'); console.error('e'); process.stdout.write('raw\\n') }"
    )
    shop.invoke(printing, request_id="r")
    lines = [line.split("\t") for line in shop.lines(printing)]
    assert ["r", "INFO", "a [object Object] c\nd"] in [line[1:] for line in lines] or ["r", "INFO", "a { b: 1 } c\nd"] in [
        line[1:] for line in lines
    ]
    assert ["r", "ERROR", "e"] in [line[1:] for line in lines]
    assert ["raw"] in lines


def test_json_output(shop: Shop) -> None:
    """In the JSON format console's lines are objects, with the level's filter."""
    source = "exports.handler = async () => { console.info('i'); console.warn({w: 1}); console.error('e', new TypeError('t')) }"
    printing = node(source, log_format="JSON", application_log_level="WARN", system_log_level="WARN")
    shop.invoke(printing, request_id="r")
    warned, failed_ = [json.loads(line) for line in shop.lines(printing)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", warned.pop("timestamp"))
    assert warned == {"level": "WARN", "requestId": "r", "message": {"w": 1}}
    assert (failed_["level"], failed_["errorType"], failed_["errorMessage"]) == ("ERROR", "TypeError", "t")


STREAMS = """exports.handler = awslambda.streamifyResponse(async (event, response, context) => {
  response = awslambda.HttpResponseStream.from(response, {statusCode: 201});
  response.write('a'); await new Promise((go) => setTimeout(go, 50)); response.write('b'.repeat(event));
  if (event > 5) throw new Error('mid');
  response.end();
})"""


def test_streams(shop: Shop) -> None:
    """A streamed answer comes piece by piece; who does not stream gets it whole."""
    pieces: list[bytes] = []
    streaming = node(STREAMS)
    outcome = shop.invoke(streaming, b"2", piece=pieces.append)
    assert outcome.streamed
    assert outcome.content_type == "application/vnd.awslambda.http-integration-response"
    assert b"".join(pieces) == b'{"statusCode":201}' + bytes(8) + b"abb"
    assert len(pieces) > 2
    whole = shop.invoke(streaming, b"3")
    assert (whole.streamed, whole.payload) == (False, b'{"statusCode":201}' + bytes(8) + b"abbb")


def test_stream_that_breaks(shop: Shop) -> None:
    """A failure in the middle comes after the pieces; the environment lives on."""
    pieces: list[bytes] = []
    streaming = node(STREAMS)
    outcome = shop.invoke(streaming, b"9", piece=pieces.append)
    assert failed(outcome) == ("Error", "mid")
    assert b"".join(pieces).startswith(b'{"statusCode":201}' + bytes(8) + b"a")
    pieces.clear()
    assert shop.invoke(streaming, b"1", piece=pieces.append).error == ""
    assert b"".join(pieces).endswith(b"ab")


def test_large_stream(shop: Shop) -> None:
    """More than 6 MB can be streamed, but not answered whole."""
    source = """exports.handler = awslambda.streamifyResponse(async (event, response) => {
      for (let i = 0; i < 10; i++) if (!response.write(Buffer.alloc(1 << 20))) await new Promise((go) => response.once('drain', go));
      response.end();
    })"""
    sizes: list[int] = []
    streaming = node(source)
    outcome = shop.invoke(streaming, piece=lambda piece: sizes.append(len(piece)))
    assert (outcome.error, sum(sizes)) == ("", 10 << 20)
    assert shop.invoke(streaming).error_type == "Function.ResponseSizeTooLarge"


def test_missing_version(shop: Shop) -> None:
    """A version that is not on the machine is refused with what to install."""
    outcome = shop.invoke(node("", runtime="nodejs99.x"))
    assert (outcome.refused, b"nvm install 99" in outcome.payload) == ("runtime", True)
