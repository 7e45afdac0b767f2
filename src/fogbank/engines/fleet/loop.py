"""The loop of a storage node: first whoever waits for an answer, then, in slices, everything else.

A *task* is a generator. It yields None where others may come between, a number of seconds to go on after, or an `Asked` to go on
when that is answered. While there is work in front a task gets one slice every few milliseconds; else they take turns.
"""

from __future__ import annotations

import select
import traceback
from collections import deque
from collections.abc import Callable, Generator
from heapq import heappop, heappush
from time import monotonic
from typing import Any

_SHARE_S = 0.005


class Asked:
    """A question that was put to a peer. `answer`: kind, position, payload; None where it will never come."""

    __slots__ = ("answer", "at", "done", "waiting")

    def __init__(self) -> None:
        self.at = monotonic()
        self.done = False
        self.answer: tuple[int, int, bytes] | None = None
        self.waiting: Callable[[], None] | None = None

    def set(self, answer: tuple[int, int, bytes] | None) -> None:
        self.done = True
        self.answer = answer
        if self.waiting is not None:
            self.waiting()


Task = Generator["float | Asked | None", None, None]
IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Loop:
    """Runs handlers of descriptors and tasks."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._ready: deque[Task] = deque()
        self._asleep: list[tuple[float, int, Task]] = []
        self._count = 0
        self.late_s = 0.0
        """How much later than it should have the loop went on: it was stopped."""

    def watch(self, fd: int, handler: Callable[[int], None], what: int = IN) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, what)

    def change(self, fd: int, what: int) -> None:
        if fd in self._handlers:
            self._poll.modify(fd, what)

    def leave(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def start(self, task: Task) -> None:
        self._ready.append(task)

    def run(self, between: Callable[[], None]) -> None:
        """For ever; `between` is called after the handlers of what came together."""
        sliced = monotonic()
        while True:
            timeout = -1.0
            if self._ready:
                timeout = 0.0
            elif self._asleep:
                timeout = max(0.0, self._asleep[0][0] - monotonic())
            events = self._poll.poll(timeout)
            for fd, what in events:
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(what)
            between()
            now = monotonic()
            while self._asleep and self._asleep[0][0] <= now:
                when, _, task = heappop(self._asleep)
                self.late_s = max(self.late_s, now - when)
                self._ready.append(task)
            if self._ready and (not events or now - sliced >= _SHARE_S):
                sliced = now
                self._slice(self._ready.popleft())
                between()

    def _slice(self, task: Task) -> None:
        try:
            then: Any = next(task)
        except StopIteration:
            return
        except Exception:
            traceback.print_exc()
            return
        if then is None:
            self._ready.append(task)
        elif not isinstance(then, Asked):
            self._count += 1
            heappush(self._asleep, (monotonic() + then, self._count, task))
        elif then.done:
            self._ready.append(task)
        else:
            then.waiting = lambda: self._ready.append(task)


def lasting(make: Callable[[], Task], pause_s: float = 1.0) -> Task:
    """A task that is begun anew when it fails."""
    while True:
        try:
            yield from make()
        except Exception:
            traceback.print_exc()
        yield pause_s
