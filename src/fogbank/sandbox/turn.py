"""One invocation in an environment: what came back so far, and how it counts. And how failures are told."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

from fogbank.sandbox.box import Ended
from fogbank.sandbox.function import Invocation, Outcome

ANSWER_BYTES = 6_291_556
"""6 MB, and a little for what is around it."""
STREAMED_BYTES = 200 << 20
LOG_CHARACTERS = 256 << 10


class Turn:
    """An invocation, from the moment it was accepted."""

    __slots__ = (
        "answer",
        "content_type",
        "delivered",
        "done",
        "error_type",
        "invocation",
        "log",
        "log_size",
        "pieces",
        "posting",
        "size",
        "started",
        "status",
        "streamed",
    )

    def __init__(self, invocation: Invocation, done: Callable[[Outcome], None]) -> None:
        self.invocation = invocation
        self.done = done
        self.started = 0.0
        self.answer: bytes | None = None
        self.error_type = ""
        self.status = "success"
        self.content_type = "application/json"
        self.streamed = False
        self.delivered = False
        """A runtime has the event."""
        self.posting = False
        """A chunked answer is coming."""
        self.pieces = bytearray()
        self.size = 0
        self.log: list[str] = []
        self.log_size = 0

    def fail(self, failure: bytes, error_type: str, status: str = "error") -> None:
        self.answer = failure
        self.error_type = error_type
        self.status = status

    def too_large(self) -> None:
        message = f"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES} bytes)."
        self.fail(told(message, "Function.ResponseSizeTooLarge"), "Function.ResponseSizeTooLarge")

    def cut_off(self) -> None:
        self.fail(told("The response was truncated: its connection ended", "Runtime.TruncatedResponse"), "Runtime.TruncatedResponse")

    def piece(self, content: bytes) -> None:
        """Some of a chunked answer. Raises OverflowError where it is too long."""
        self.size += len(content)
        if self.invocation.piece is not None and self.streamed:
            if self.size > STREAMED_BYTES:
                raise OverflowError
            self.invocation.piece(content)
        elif self.size > ANSWER_BYTES:
            raise OverflowError
        else:
            self.pieces += content

    def wrote(self, line: str) -> None:
        """Keeps a line for the tail; of very many the last ones."""
        self.log.append(line)
        self.log_size += len(line) + 1
        if self.log_size > 2 * LOG_CHARACTERS:
            first = 0
            while self.log_size > LOG_CHARACTERS and first < len(self.log) - 1:
                self.log_size -= len(self.log[first]) + 1
                first += 1
            del self.log[:first]


def told(message: str, error_type: str) -> bytes:
    """A failure as AWS's JSON, where it is not the handler's own."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":"), ensure_ascii=False).encode()


def ended_why(ended: Ended) -> str:
    """Why a runtime is no more, in AWS's words."""
    if ended.why == "memory":
        return "Runtime exited with error: signal: killed"
    if ended.signal is not None:
        words = {signal.SIGABRT: "aborted", signal.SIGSEGV: "segmentation fault", signal.SIGTERM: "terminated", signal.SIGKILL: "killed"}
        return f"Runtime exited with error: signal: {words.get(signal.Signals(ended.signal), f'signal {ended.signal}')}"
    if ended.code:
        return f"Runtime exited with error: exit status {ended.code}"
    return "Runtime exited without providing a reason"
