"""Work that is done beside requests: they wait, and are run again when it is there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from fogbank.kernel.operation import Wait, Waiting, Watch

Done = Callable[[Any], None]


class Beside:
    """What was begun for whom, and what came of it. An `owner` is a request; `what` tells its works apart.

    `ready(watch)` is called when work is done, from whatever thread it was done on.
    """

    def __init__(self, ready: Callable[[Watch], None]) -> None:
        self._ready = ready
        self._begun: dict[Hashable, set[str]] = {}
        self.results: dict[Hashable, dict[str, Any]] = {}
        """Owner -> what is there for it, until it is `over`."""

    @property
    def busy(self) -> bool:
        """Whether something has been begun and nobody has had it yet."""
        return bool(self._begun)

    def result(self, owner: Hashable, what: str, begin: Callable[[Done], None], until_ms: int) -> Any:
        """What came of the work; raises it where that is an Exception, and Waiting until it is there. `begin` is called once."""
        there = self.results.get(owner)
        if there is not None and what in there:
            self._had(owner, what)
            if isinstance(there[what], Exception):
                raise there[what]
            return there[what]
        key = (owner, what)
        watch = (0, f"{hash(key)}".encode())
        if what not in self._begun.get(owner, ()):
            self._begun.setdefault(owner, set()).add(what)
            begin(partial(self._done, key, watch))
        raise Waiting(Wait((watch,), until_ms))

    def begun(self, owner: Hashable, what: str) -> bool:
        """Whether this work was begun."""
        return what in self._begun.get(owner, ()) or what in self.results.get(owner, ())

    def _had(self, owner: Hashable, what: str) -> None:
        begun = self._begun.get(owner)
        if begun is not None:
            begun.discard(what)
            if not begun:
                del self._begun[owner]

    def _done(self, key: tuple[Hashable, str], watch: Watch, result: Any) -> None:
        if key[1] in self._begun.get(key[0], ()):  # else nobody waits any more
            self.results.setdefault(key[0], {})[key[1]] = result
            self._ready(watch)

    def over(self, owner: Hashable) -> None:
        """The request is over, whether or not it has what it waited for: what still comes of it is dropped."""
        self.results.pop(owner, None)
        self._begun.pop(owner, None)

    def forget(self) -> None:
        """Nobody waits any more for anything."""
        self._begun.clear()
        self.results.clear()


def on_thread(pool: Any, work: Callable[[], Any]) -> Callable[[Done], None]:
    """A beginning of work that a thread of the pool does."""

    def begin(done: Done) -> None:
        def run() -> None:
            try:
                done(work())
            except Exception as problem:
                done(problem)

        pool.submit(run)

    return begin
