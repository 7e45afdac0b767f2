"""Answers that go on (`kernel.flow`), on their way: each piece is asked for in a transaction, once what came before can be sent.

The body goes out in HTTP's chunked coding; on a connection that ends with its answer, as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.gateway.call import Call, report
from fogbank.gateway.cloud import Parked
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Body
from fogbank.kernel.operation import Wait, Waiting


class Streaming:
    """A body that goes on, to one client."""

    __slots__ = ("_body", "_call", "_choked", "_chunked", "_due", "_over", "_parked", "_transport", "_when_over")

    def __init__(self, call: Call, body: Body, transport: Any, *, chunked: bool, when_over: Callable[[bool], None]) -> None:
        """`when_over(whole)` is called when it has all been sent, or what there is cannot be said to be whole."""
        self._call = call
        self._body = body
        self._transport = transport
        self._chunked = chunked
        self._when_over = when_over
        self._parked: Parked | None = None
        self._choked = False
        self._due = False
        """It is to be asked as soon as the client reads again."""
        self._over = False

    def start(self) -> None:
        if self._body.head:
            self._write(self._body.head)
        self._ask()

    def pause(self) -> None:
        """The client does not read."""
        self._choked = True

    def resume(self) -> None:
        self._choked = False
        if self._due:
            self._due = False
            self._ask()

    def leave(self) -> None:
        """The client is gone."""
        if not self._over:
            self._end()

    def _ask(self) -> None:
        """Asks for the next piece; what it waits for is watched from the same instant on."""
        self._parked = None
        if self._over:
            return
        if self._choked:
            self._due = True
            return
        call, cloud = self._call, self._call.cloud
        tx = cloud.begin()
        whole = True
        wait: Wait | None = None
        try:
            piece, wait = self._body.flow.next(call.context(tx))
            content = self._body.encode(piece) if piece else b""
            cloud.commit(tx)
        except Waiting as waiting:
            cloud.undo(tx)
            self._parked = cloud.park(waiting.wait, self._ask)
            return
        except ServiceException as problem:
            cloud.undo(tx)
            content, whole = self._refusal(problem)
        except Exception:
            cloud.undo(tx)
            content, whole = self._refusal(report(f"{call.entry.service}:{call.entry.operation}", call.request_id, call.gateway.debug))
        if wait is not None:
            self._parked = cloud.park(wait, self._ask)
        last = wait is None
        call.gateway.turn.say(lambda: self._say(content, last, whole))

    def _refusal(self, problem: ServiceException) -> tuple[bytes, bool]:
        refuse = self._body.refuse
        return (b"", False) if refuse is None else (refuse(problem), True)

    def _say(self, content: bytes, last: bool, whole: bool) -> None:
        if self._over:
            return
        if content:
            self._write(content)
        if last:
            if whole and self._chunked:
                self._transport.write(b"0\r\n\r\n")
            self._end()
            self._when_over(whole)

    def _write(self, content: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(content), content) if self._chunked else content)

    def _end(self) -> None:
        self._over = True
        call, cloud = self._call, self._call.cloud
        if self._parked is not None:
            cloud.leave(self._parked)
            self._parked = None
        cloud.beside.over(call.request_id)
        gone = self._body.flow.gone
        if gone is None or call.gateway.clouds.get(cloud.name) is not cloud:
            return
        tx = cloud.begin()
        try:
            gone(call.context(tx))
            cloud.commit(tx)
        except Exception:
            cloud.undo(tx)
            report(f"the end of {call.entry.service}:{call.entry.operation}", call.request_id, call.gateway.debug)
