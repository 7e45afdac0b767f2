"""Answers that go on after the operation is over: what is pushed to a client for minutes, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Wait

Piece = Any
"""A list of events, each {event: members}, where the answer's member is an event stream; bytes, where it is a blob."""


class Flow(NamedTuple):
    """The value of an answer's event stream (or blob) that goes on.

    `next(ctx)` is called as the caller, in a transaction of its own each time: it gives what comes next, and the `Wait` after
    which there may be more, or None where this was all. A ServiceException ends the flow and goes to the client as the stream's own
    exception. The flow remembers its place itself, and moves on last: after a Waiting it is asked again. Nothing is asked while
    the client does not read. `gone(ctx)` is called once when the flow is over, however it ended.
    """

    next: Callable[[Context], tuple[Piece, Wait | None]]
    gone: Callable[[Context], None] | None = None


class Body(NamedTuple):
    """The body of a response that goes on: what comes at once, and how pieces (and a refusal) become bytes."""

    flow: Flow
    head: bytes = b""
    encode: Callable[[Piece], bytes] = bytes
    refuse: Callable[[ServiceException], bytes] | None = None

    @property
    def size(self) -> int:
        """Not known before it has all been said."""
        return 0
