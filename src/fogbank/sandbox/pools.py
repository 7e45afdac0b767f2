"""The environments of one version of a function, and what waits for them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fogbank.sandbox.environment import Environment
from fogbank.sandbox.function import Credentials, Function
from fogbank.sandbox.preparing import Prepared
from fogbank.sandbox.turn import Turn


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

    def members(self) -> list[Environment]:
        return [*self.starting, *self.idle, *self.busy]

    def kept(self, *, ready: bool = False) -> int:
        """How many provisioned environments there are."""
        every = [*self.idle, *self.busy] if ready else self.members()
        return sum(environment.origin == "provisioned-concurrency" for environment in every)
