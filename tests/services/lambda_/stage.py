"""A workshop for tests: it runs Python handlers on threads of this process, in no box, and counts."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
import traceback
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fogbank.sandbox.function import Code, Function, Invocation, Outcome


class Context(types.SimpleNamespace):
    """What a handler gets."""


class Stage:
    """Runs what it is given; remembers each invocation."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.invocations: list[tuple[Function, Invocation]] = []
        self.warmed: dict[str, int] = {}
        self.hold: threading.Event | None = None
        self.refuses = ""
        self.forgotten: list[str] = []
        self.expected: list[str] = []

    def expect(self, function: Function) -> None:
        self.expected.append(function.key)

    def warm(self, function: Function, count: int, credentials: Any) -> int:
        self.warmed[function.key] = count
        return count

    def failing(self, key: str) -> str:
        return ""

    def forget(self, key: str) -> None:
        self.forgotten.append(key)

    def counts(self) -> dict[str, Any]:
        return {key: types.SimpleNamespace(provisioned=count) for key, count in self.warmed.items()}

    def close(self) -> None:
        pass

    def invoke(self, function: Function, invocation: Invocation, done: Callable[[Outcome], None]) -> None:
        self.invocations.append((function, invocation))
        if self.refuses:
            done(Outcome(b"not here", refused=self.refuses))
            return

        def work() -> None:
            if self.hold is not None:
                self.hold.wait(60)
            soon = self.loop.call_soon_threadsafe
            outcome = _run(
                function,
                invocation,
                lambda piece: soon(invocation.piece, piece),
                lambda content_type: soon(invocation.began, content_type),
            )
            self.loop.call_soon_threadsafe(done, outcome)

        threading.Thread(target=work, daemon=True).start()


def _source(function: Function) -> str:
    module = function.handler.partition(".")[0]
    if isinstance(function.code, Path):
        return (function.code / f"{module}.py").read_text()
    assert isinstance(function.code, Code)
    return zipfile.ZipFile(io.BytesIO(function.code.read())).read(f"{module}.py").decode()


def _run(function: Function, invocation: Invocation, piece: Callable[[bytes], None], began: Callable[[str], None]) -> Outcome:
    log = io.StringIO(f"START RequestId: {invocation.request_id} Version: {function.version}\n")
    log.seek(0, 2)
    try:
        module = types.ModuleType("index")
        exec(compile(_source(function), "index.py", "exec"), module.__dict__)
        handler = getattr(module, function.handler.partition(".")[2])
        context = Context(
            aws_request_id=invocation.request_id,
            invoked_function_arn=invocation.arn,
            function_version=function.version,
            client_context=json.loads(base64.b64decode(invocation.client_context)) if invocation.client_context else None,
            environment=dict(function.environment),
            credentials=invocation.credentials,
            trace=invocation.trace,
            write=piece,
            began=began,
            log=lambda text: log.write(text + "\n"),
        )
        answer = handler(json.loads(invocation.payload), context)
        streamed = invocation.piece is not None and isinstance(answer, Streamed)
        payload = b"" if streamed else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        error = ""
        kind = answer.content_type if isinstance(answer, Streamed) else "application/json"
    except Exception as problem:
        said = {"errorMessage": str(problem), "errorType": type(problem).__name__, "stackTrace": traceback.format_tb(problem.__traceback__)}
        payload, error, streamed, kind = json.dumps(said).encode(), "Unhandled", False, "application/json"
    log.write(f"END RequestId: {invocation.request_id}\n")
    return Outcome(payload, error, log=log.getvalue().encode(), duration_ms=1.5, billed_ms=2, streamed=streamed, content_type=kind)


class Streamed:
    """What a handler answers that has written its answer piece by piece."""

    def __init__(self, content_type: str = "application/octet-stream") -> None:
        self.content_type = content_type


sys.modules["stage"] = sys.modules[__name__]
