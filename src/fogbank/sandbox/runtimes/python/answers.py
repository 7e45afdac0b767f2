"""What becomes of events, results and failures on their way: JSON as Lambda has it."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

_ESCAPED = sys.version_info < (3, 12)


class Fault(Exception):
    """A failure with a type of Lambda's own."""

    def __init__(self, kind: str, message: str, trace: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


def decode(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError as problem:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {problem}") from None


def encode(result: Any) -> bytes:
    try:
        return _encoder.encode(result).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {problem}") from None


def encode_failure(failure: dict[str, Any]) -> bytes:
    return json.dumps(failure, ensure_ascii=_ESCAPED, default=str).encode("utf-8", "replace")


def failure(problem: BaseException, request_id: str, depth: int) -> dict[str, Any]:
    """A failure as the caller gets it; the first `depth` frames are left out."""
    if isinstance(problem, Fault):
        kind, trace = problem.kind, problem.trace
    else:
        kind, trace = type(problem).__name__, traceback.format_list(traceback.extract_tb(problem.__traceback__)[depth:])
    return {"errorMessage": str(problem), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _other(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_encoder = json.JSONEncoder(ensure_ascii=_ESCAPED, default=_other)
