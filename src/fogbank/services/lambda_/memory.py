"""What the process remembers of a workshop: what is dear to make, how many invocations are under way. Never in rows.

It belongs to one branch: where the cloud was taken back, or is a clone, credentials that were given out are of sessions that never
were. All is made anew then, environments too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from fogbank.kernel.context import Context
from fogbank.sandbox.function import Credentials
from fogbank.sandbox.function import Function as Runnable
from fogbank.services.lambda_.faults import refusal

REMEMBERED = 2000
V = TypeVar("V")


class Kept(Generic[V]):
    """The most recent of what is dear to make."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, V] = OrderedDict()

    def get(self, key: Any) -> V | None:
        return self._found.get(key)

    def put(self, key: Any, value: V) -> V:
        self._found[key] = value
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return value


class Memory:
    """`functions` and `unreserved` count what is under way; `warmed` says how many environments of a key are kept ready."""

    def __init__(self, branch: int) -> None:
        self.branch = branch
        self.runnables: Kept[Runnable] = Kept()
        self.credentials: Kept[Credentials] = Kept()
        self.functions: dict[tuple[str, str, str], int] = {}
        self.unreserved: dict[tuple[str, str], int] = {}
        self.warmed: dict[str, int] = {}

    def enter(self, name: tuple[str, str, str], *, counted: bool) -> None:
        self.functions[name] = self.functions.get(name, 0) + 1
        if counted:
            self.unreserved[name[:2]] = self.unreserved.get(name[:2], 0) + 1

    def leave(self, name: tuple[str, str, str], *, counted: bool) -> None:
        self.functions[name] -= 1
        if not self.functions[name]:
            del self.functions[name]
        if counted:
            self.unreserved[name[:2]] -= 1


_memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()


def workshop_of(ctx: Context) -> Any:
    """Where functions run. Raises ServiceException where there is no such place."""
    workshop = ctx.workshop
    if workshop is None:
        raise refusal("ServiceException", "This cloud has no workshop to run functions in.")
    return workshop


def memory_of(ctx: Context) -> Memory:
    """What is remembered of the cloud's workshop. Raises ServiceException."""
    workshop, branch = workshop_of(ctx), ctx.tx.branch.number
    found = _memories.get(workshop)
    if found is None or found.branch != branch:
        if found is not None:
            for key in workshop.counts():
                workshop.forget(key)
        found = _memories[workshop] = Memory(branch)
    return found
