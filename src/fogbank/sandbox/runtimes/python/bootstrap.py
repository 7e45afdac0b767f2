"""The loop: asks the Runtime API for an event, has the handler answer it, posts the answer and asks again in one go."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from . import answers, surroundings

_API = "/2018-06-01/runtime/"
Event = tuple[dict[str, str], bytes]


class _Api:
    """The Runtime API on one connection that is kept."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = (f"Host: {address}\r\n").encode()
        self._next = b"GET " + _API.encode() + b"invocation/next HTTP/1.1\r\n" + self._host + b"\r\n"
        self._rest = b""

    def next(self) -> Event:
        """The next event: headers and payload."""
        self._socket.sendall(self._next)
        return self._answer()

    def answered(self, request_id: str, body: bytes, error_type: str = "") -> Event:
        """Posts the answer to one event, and gives the next."""
        verb = "error" if error_type else "response"
        self._socket.sendall(self._post(f"invocation/{request_id}/{verb}", body, error_type) + self._next)
        self._answer()
        return self._answer()

    def failed(self, path: str, body: bytes, error_type: str) -> None:
        self._socket.sendall(self._post(path, body, error_type))
        self._answer()

    def _post(self, path: str, body: bytes, error_type: str) -> bytes:
        kind = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n" if error_type else ""
        head = f"POST {_API}{path} HTTP/1.1\r\n{kind}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode("latin-1", "replace") + self._host + b"\r\n" + body

    def _answer(self) -> Event:
        arrived = self._rest
        while True:
            end = arrived.find(b"\r\n\r\n")
            if end >= 0:
                break
            arrived += self._receive()
        headers = {}
        for line in arrived[:end].decode("utf-8").split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            headers[name] = value
        length = int(headers.get("Content-Length", 0))
        body = arrived[end + 4 : end + 4 + length]
        self._rest = arrived[end + 4 + length :]
        if len(body) < length:
            parts, missing = [body], length - len(body)
            while missing:
                part = self._receive(missing)
                parts.append(part)
                missing -= len(part)
            body = b"".join(parts)
        return headers, body

    def _receive(self, limit: int = 1 << 18) -> bytes:
        part = self._socket.recv(limit)
        if not part:
            os._exit(0)
        return part


def main() -> None:
    surroundings.prepare()
    api = _Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = _handler(os.environ["_HANDLER"])
    except BaseException as problem:
        if isinstance(problem, SystemExit):
            raise
        failure = answers.failure(problem, "", depth=_depth(problem))
        surroundings.log_failure(failure)
        api.failed("init/error", answers.encode_failure(failure), failure["errorType"])
        sys.exit(1)
    headers, payload = api.next()
    while True:
        headers, payload = api.answered(*_turn(handler, headers, payload))


def _turn(handler: Callable[..., Any], headers: dict[str, str], payload: bytes) -> tuple[str, bytes, str]:
    """One event: what to post."""
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    surroundings.request_id = request_id
    trace = headers.get("Lambda-Runtime-Trace-Id", "")
    if os.environ.get("_X_AMZN_TRACE_ID", "") != trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    try:
        event = answers.decode(payload)
        context = surroundings.Context(headers)
        answer = answers.encode(handler(event, context))
    except Exception as problem:
        failure = answers.failure(problem, request_id, depth=_depth(problem))
        surroundings.log_failure(failure)
        return request_id, answers.encode_failure(failure), failure["errorType"]
    return request_id, answer, ""


def _depth(problem: BaseException) -> int:
    """How many of a traceback's frames are this program's own."""
    depth, frame, own = 0, problem.__traceback__, os.path.dirname(os.path.abspath(__file__))
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith((own, "<frozen importlib", importlib.__file__)):
        depth, frame = depth + 1, frame.tb_next
    return depth


def _handler(name: str) -> Any:
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        raise answers.Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise answers.Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as problem:
        raise answers.Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {problem}") from None
    except SyntaxError as problem:
        trace = '  File "{}" Line {}\n    {}'.format(problem.filename, problem.lineno, problem.text or "")
        raise answers.Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {problem}", [trace]) from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise answers.Fault("Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{module_name}'") from None
