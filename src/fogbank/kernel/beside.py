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
        self._begun: set[tuple[Hashable, str]] = set()
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
            self._begun.discard((owner, what))
            if isinstance(there[what], Exception):
                raise there[what]
            return there[what]
        key = (owner, what)
        watch = (0, f"{hash(key)}".encode())
        if key not in self._begun:
            self._begun.add(key)
            begin(partial(self._done, key, watch))
        raise Waiting(Wait((watch,), until_ms))

    def begun(self, owner: Hashable, what: str) -> bool:
        """Whether this work was begun."""
        return (owner, what) in self._begun or what in self.results.get(owner, ())

    def _done(self, key: tuple[Hashable, str], watch: Watch, result: Any) -> None:
        if key in self._begun:  # else nobody waits any more
            self.results.setdefault(key[0], {})[key[1]] = result
            self._ready(watch)

    def over(self, owner: Hashable) -> None:
        """The request has what it waited for."""
        for what in self.results.pop(owner, ()):
            self._begun.discard((owner, what))

    def abandon(self, owner: Hashable) -> None:
        """Whoever waited is gone: what comes of it is dropped."""
        self.over(owner)
        self._begun = {key for key in self._begun if key[0] != owner}

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
