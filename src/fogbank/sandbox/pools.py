"""The environments of one version of a function, and what waits for them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fogbank.sandbox.environment import Environment
from fogbank.sandbox.function import Credentials, Function
from fogbank.sandbox.preparing import Prepared
from fogbank.sandbox.turn import Turn
from fogbank.sandbox.unpacking import Shelf


class Counts(NamedTuple):
    """A pool's environments. `provisioned`: those of the others that are kept ready and have been initialised."""

    starting: int = 0
    idle: int = 0
    busy: int = 0
    provisioned: int = 0


class Pool:
    """The environments of one version of a function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.prepared: Prepared | None = None
        self.preparing = False
        self.held = False
        """What it was prepared of stays on the shelf."""
        self.idle: deque[Environment] = deque()
        """The one used last at the right."""
        self.busy: set[Environment] = set()
        self.starting: set[Environment] = set()
        self.waiting: deque[Turn] = deque()
        self.provisioned = 0
        """How many are to be kept ready."""
        self.credentials: Credentials | None = None
        """The newest that are known."""
        self.forgotten = False
        self.failing = ""
        """Why provisioned environments are not started again."""

    def hold(self, shelf: Shelf) -> bool:
        """Has what environments are made of stay where it is. False: it has gone, and has to be prepared again."""
        if self.prepared is not None and not self.held:
            self.held = shelf.hold(self.prepared.shelved)
            if not self.held:
                self.prepared = None
        return self.prepared is not None

    def let_go(self, shelf: Shelf) -> None:
        if self.prepared is not None and self.held:
            shelf.let_go(self.prepared.shelved)
        self.held = False

    def members(self) -> list[Environment]:
        return [*self.starting, *self.idle, *self.busy]

    def kept(self, *, ready: bool = False) -> int:
        """How many provisioned environments there are."""
        every = [*self.idle, *self.busy] if ready else self.members()
        return sum(environment.origin == "provisioned-concurrency" for environment in every)
