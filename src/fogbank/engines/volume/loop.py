"""The event loop, by hand: this process is on the path of every commit, and asyncio's way from a readable socket to its reader costs as
much as everything that is done there.

What takes several steps is a generator that yields `Promise`s (`Loop.run_task`).
"""

from __future__ import annotations

import heapq
import itertools
import select
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Task = Generator["Promise[Any]", Any, T]

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
_LONGEST_S = 60.0


class Promise(Generic[T]):
    """Something that will be there, or fail."""

    __slots__ = ("_calls", "done", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: T | None = None
        self.error: Exception | None = None
        self._calls: list[Callable[[Promise[T]], None]] = []

    def keep(self, value: T) -> None:
        """It is there."""
        self._finish(value, None)

    def fail(self, error: Exception) -> None:
        """It will not be there."""
        self._finish(None, error)

    def then(self, call: Callable[[Promise[T]], None]) -> None:
        """Calls when it is done, at once where it is."""
        if self.done:
            call(self)
        else:
            self._calls.append(call)

    def _finish(self, value: T | None, error: Exception | None) -> None:
        if not self.done:
            self.done, self.value, self.error = True, value, error
            calls, self._calls = self._calls, []
            for call in calls:
                call(self)


class Loop:
    """Sockets, instants and tasks. `after` is called once after each round of events."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self.after: Callable[[], None] = lambda: None
        self.ended = False

    def watch(self, number: int, call: Callable[[int], None], mask: int = READ) -> None:
        """Calls with what a descriptor is ready for."""
        self._calls[number] = call
        self._epoll.register(number, mask)

    def change(self, number: int, mask: int) -> None:
        """Watches for other readiness from now on."""
        self._epoll.modify(number, mask)

    def leave(self, number: int) -> None:
        """Watches it no more; before it is closed."""
        if self._calls.pop(number, None) is not None:
            self._epoll.unregister(number)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls once, after a span."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), call))

    def sleep(self, seconds: float) -> Promise[None]:
        """Done after a span."""
        promise: Promise[None] = Promise()
        self.later(seconds, lambda: promise.keep(None))
        return promise

    def run_task(self, task: Task[T]) -> Promise[T]:
        """Runs a generator from promise to promise."""
        promise: Promise[T] = Promise()

        def step(waited: Promise[Any] | None) -> None:
            try:
                while True:
                    if waited is not None and waited.error is not None:
                        waited = task.throw(waited.error)
                    else:
                        waited = task.send(None if waited is None else waited.value)
                    if not waited.done:
                        break
            except StopIteration as end:
                promise.keep(end.value)
            except Exception as error:
                promise.fail(error)
            else:
                waited.then(step)

        step(None)
        return promise

    def run(self) -> None:
        """Until `ended`."""
        poll, calls, timers, monotonic = self._epoll.poll, self._calls, self._timers, time.monotonic
        while not self.ended:
            wait = _LONGEST_S
            if timers:
                wait = timers[0][0] - monotonic()
                if wait < 0.0:
                    wait = 0.0
            for number, ready in poll(wait):
                call = calls.get(number)
                if call is not None:
                    call(ready)
            if timers and timers[0][0] <= monotonic():
                now = monotonic()
                while timers and timers[0][0] <= now:
                    heapq.heappop(timers)[2]()
            self.after()


def first(promises: list[Promise[T]], enough: int) -> Promise[list[Promise[T]]]:
    """Done when so many have been kept, or none is open any more: all of them, as they are then."""
    result: Promise[list[Promise[T]]] = Promise()

    def look(_: Promise[T]) -> None:
        kept = sum(promise.done and promise.error is None for promise in promises)
        if kept >= enough or all(promise.done for promise in promises):
            result.keep(promises)

    for promise in promises:
        promise.then(look)
    if not promises:
        result.keep(promises)
    return result
